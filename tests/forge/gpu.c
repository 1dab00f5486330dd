/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two NVIDIA GPUs of one machine, their manifests and lists, and the keys of
 * an attestation service. See forge.h.
 */
#include "tests/forge/forge.h"

#include "tests/unit/attestation_gpu_forge.h"
#include "tests/unit/attestation_ocsp_forge.h"

enum { GPUS = 2, KEPT = LEVELS - 1 + GPUS + 2 + 2 };
enum { SIGNER = 91 }; /* of manifests: its serial number */

struct farm {
	struct machine m;
	struct forged leaf[GPUS];
	struct forged nras[2]; /* signer, intermediate */
};

static void
members(struct farm *f, struct forged *out[KEPT])
{
	size_t n = 0;

	for (int i = BROM; i < LEVELS; i++)
		out[n++] = &f->m.device[i];
	for (int i = 0; i < GPUS; i++)
		out[n++] = &f->leaf[i];
	for (int i = 0; i < 2; i++) {
		out[n++] = &f->m.rim[i];
		out[n++] = &f->nras[i];
	}
}

static void
end(struct farm *f)
{
	struct forged *all[KEPT];

	members(f, all);
	for (size_t i = 0; i < KEPT; i++)
		forged_free(all[i]);
	arena_free(&f->m.a);
}

static void
load(struct farm *f, const char *folder)
{
	struct forged *all[KEPT];

	memset(f, 0, sizeof(*f));
	f->m.a = arena_new();
	members(f, all);
	forge_load(folder, "gpu.pem", all, KEPT);
	xmlSecInit();
	xmlSecOpenSSLInit();
}

static void
name_responder(struct forge_wish *w)
{
	w->extension[0].oid = "1.3.6.1.5.5.7.1.1";
	w->extension[0].value =
	    bytes_of(forge_responder, sizeof(forge_responder));
}

/* With OCSP, those whose issuers publish: the two below the root. */
static void
make_authority(struct machine *m, int i, const char *name, bool ocsp)
{
	struct forge_wish w = {
	    .name = name, .curve = "P-384", .ca = true, .serial = 10 + i};

	if (ocsp && (i == IDENTITY || i == PROVISIONER))
		name_responder(&w);
	forge(&m->device[i], i == ROOT ? NULL : &m->device[i + 1], &w);
}

static void
make(struct farm *f, bool ocsp)
{
	static const char *const names[] = {[BROM] = "GH100 A01 GSP BROM",
	    [PROVISIONER] = "Provisioner",
	    [IDENTITY] = "GH100 Identity",
	    [ROOT] = "NVIDIA Device Identity CA"};
	struct forge_wish signer = {
	    .name = "RIM signer", .curve = "P-384", .serial = SIGNER};
	struct machine *m = &f->m;

	for (int i = ROOT; i > LEAF; i--)
		make_authority(m, i, names[i], ocsp);
	for (int i = 0; i < GPUS; i++)
		leaf_make(m, &f->leaf[i]);
	forge(&m->rim[1], NULL,
	    &(struct forge_wish){.name = "NVIDIA CoRIM signing Root CA",
		.curve = "P-384",
		.ca = true});
	if (ocsp)
		name_responder(&signer);
	forge(&m->rim[0], &m->rim[1], &signer);
	forge(&f->nras[1], NULL,
	    &(struct forge_wish){
		.name = "NVIDIA Attestation Service GPU Intermediate 004",
		.ca = true});
	forge(&f->nras[0], &f->nras[1],
	    &(struct forge_wish){.name = "signer", .curve = "P-384"});
}

static void
root(struct roots *r, const struct forged *one)
{
	EVP_PKEY_up_ref(one->key);
	X509_up_ref(one->x509);
	r->at[r->count++] = *one;
}

void
forge_gpu_new(const char *folder, bool ocsp, struct roots *r)
{
	struct farm f;
	struct forged *all[KEPT];
	const struct forged *kept[KEPT];

	memset(&f, 0, sizeof(f));
	f.m.a = arena_new();
	make(&f, ocsp);
	members(&f, all);
	for (size_t i = 0; i < KEPT; i++)
		kept[i] = all[i];
	forge_save(folder, "gpu.pem", kept, KEPT);
	root(r, &f.m.device[ROOT]);
	root(r, &f.m.rim[1]);
	root(r, &f.nras[1]);
	end(&f);
}

static void
publish_rim(struct farm *f, const char *folder, const char *version,
    const char *id, unsigned index)
{
	struct machine *m = &f->m;
	struct bytes xml;
	char *base64;

	m->version = version;
	xml =
	    manifest(m, resource(m, index, "True", index + 1), "", NULL, NULL);
	base64 = arena_alloc(m->a, BASE64_SIZE(xml.len));
	base64_encode(xml, base64);
	base64 =
	    arena_printf(m->a, "{\"id\":\"%s\",\"rim\":\"%s\"}", id, base64);
	forge_write(m->a, folder, arena_printf(m->a, "parts/rim/%s", id),
	    bytes_of(base64, strlen(base64)));
}

static void
publish_chain(struct farm *f, const char *folder, int i)
{
	struct machine *m = &f->m;
	struct text pem;

	m->device[LEAF] = f->leaf[i];
	pem = forged_pem(m->a, m->device, LEVELS);
	m->device[LEAF] = (struct forged){NULL, NULL};
	forge_write(m->a, folder, arena_printf(m->a, "parts/gpu-%d.pem", i),
	    bytes_of(pem.at, pem.len));
}

/* What the attestation service's key set and tokens are made of. */
static void
publish_nras(struct farm *f, const char *folder)
{
	BIO *out = BIO_new(BIO_s_mem());
	struct arena *a = f->m.a;
	char *at;
	long len;

	PEM_write_bio_PrivateKey(
	    out, f->nras[0].key, NULL, NULL, 0, NULL, NULL);
	len = BIO_get_mem_data(out, &at);
	forge_write(a, folder, "parts/nras/key.pem", bytes_of(at, (size_t)len));
	BIO_free(out);
	forge_write(
	    a, folder, "parts/nras/signer.der", forged_der(a, f->nras[0].x509));
	forge_write(a, folder, "parts/nras/intermediate.der",
	    forged_der(a, f->nras[1].x509));
}

/* What the responder says of the first of a chain, named by its serial number.
 */
static void
publish_answer(struct farm *f, const char *folder, const struct forged *chain,
    int serial, bool revoked, const struct publication *p)
{
	struct arena *a = f->m.a;
	const struct forge_answer wish = {.subject = &chain[0],
	    .issuer = &chain[1],
	    .status =
		revoked ? V_OCSP_CERTSTATUS_REVOKED : V_OCSP_CERTSTATUS_GOOD,
	    .reason = -1,
	    .until = p->next};

	forge_write(a, folder,
	    arena_printf(a, "parts/nvidia/ocsp/%02x", (unsigned)serial),
	    forge_answer(a, &wish));
}

void
forge_gpu_publish(const char *folder, const struct publication *p)
{
	struct farm f;
	struct machine *m = &f.m;

	load(&f, folder);
	publish_rim(&f, folder, "550.1", "NV_GPU_DRIVER_GH100_550.1", 3);
	publish_rim(&f, folder, "96.00.5E.00.01",
	    "NV_GPU_VBIOS_1010_0200_882_96005E0001", 4);
	for (int i = 0; i < GPUS; i++)
		publish_chain(&f, folder, i);
	publish_nras(&f, folder);
	forge_write(m->a, folder, "parts/nvidia/l1-root.crl",
	    forge_published(m->a, &m->device[ROOT], 0, p));
	forge_write(m->a, folder, "parts/nvidia/l2-gh100.crl",
	    forge_published(m->a, &m->device[IDENTITY],
		p->revoked ? 10 + PROVISIONER : 0, p));
	forge_write(m->a, folder, "parts/nvidia/l1-corim",
	    forge_published(m->a, &m->rim[1], p->recalled ? SIGNER : 0, p));
	publish_answer(
	    &f, folder, &m->device[IDENTITY], 10 + IDENTITY, false, p);
	publish_answer(&f, folder, &m->device[PROVISIONER], 10 + PROVISIONER,
	    p->answered, p);
	publish_answer(&f, folder, m->rim, SIGNER, false, p);
	end(&f);
}

/* forge gpu FOLDER NONCE INDEX [measured] */
void
forge_gpu_report(const char *folder, int argc, char **argv)
{
	struct farm f;
	struct machine *m = &f.m;
	int index = argc > 1 ? atoi(argv[1]) : 0;
	struct bytes report;

	forge_must(index >= 0 && index < GPUS);
	load(&f, folder);
	forge_hex(argv[0], nonce, sizeof(nonce));
	report_begin(m, BLOCKS);
	/* Block 4 is what index 3 of the driver's manifest speaks of. */
	if (argc > 2 && strcmp(argv[2], "measured") == 0)
		m->raw[37 + 8 + 3 * 55 + 7] ^= 1;
	report = report_end(
	    m, plain, sizeof(plain) / sizeof(*plain), f.leaf[index].key);
	forge_print(m->a, report);
	end(&f);
}
