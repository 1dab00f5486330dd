/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forge: a machine under test roots, for tests through the real programs: a
 * TDX or an SNP platform, two GPUs, a Mac. Everything is made around the
 * time at which it runs.
 *
 *   forge new FOLDER [ocsp]
 *	makes keys and certificates: root.pem (what a test build is told to
 *	trust) and sound collateral: for Intel's platform as a file in
 *	FOLDER/collateral/tdx/tcb, and below FOLDER/parts as the makers'
 *	services would answer; with ocsp, the GPUs' authorities have a
 *	responder.
 *   forge collateral FOLDER [sound | revoked | disowned | answered | recalled |
 *	stale | old] [next=SECONDS] [issued=SECONDS]
 *	writes the collateral anew: the device's certificate on its list,
 *	Intel's Platform CA on the root's, a GPU's authority revoked by an
 *	OCSP answer alone, the signer of its manifests on their root's list,
 *	lists past their update, a platform that has become OutOfDate; next
 *	is how far the next update is, issued how long ago it was signed (a
 *	day).
 *   forge quote FOLDER HEX [debug | old-module | processor] [config=HEX]
 *	[mrtd=HEX] [rtmr3=HEX]
 *	prints a quote in hex with those 64 bytes of report data.
 *   forge snp FOLDER HEX [debug] [measurement=HEX]
 *   forge gpu FOLDER NONCE INDEX [measured]
 *   forge mda FOLDER FRESHNESS [sip-off] [serial=TEXT]
 *   forge app FOLDER NONCE [develop]
 */
#include <stdint.h>
#include <stdio.h>

#include "tests/forge/forge.h"

#include "base/clock.h"
#include "tests/unit/attestation_tdx_forge.h"

int64_t forge_now;

/* What the library's forge has not: a second CA with its PCK certificate,
 * and the attestation key beside a certificate that nobody looks at. */
struct platform {
	struct tdx_forge t;
	struct forged processor_ca, processor_pck, ak;
};

static void
begin(struct platform *p)
{
	memset(p, 0, sizeof(*p));
	tdx_forge_start(&p->t);
}

static void
end(struct platform *p)
{
	forged_free(&p->processor_ca);
	forged_free(&p->processor_pck);
	forged_free(&p->ak);
	tdx_forge_end(&p->t);
}

static void
members(struct platform *p, struct forged *out[7])
{
	out[0] = &p->t.root;
	out[1] = &p->t.tcb;
	out[2] = &p->t.ca;
	out[3] = &p->t.pck;
	out[4] = &p->processor_ca;
	out[5] = &p->processor_pck;
	out[6] = &p->ak;
}

static void
use_processor(struct platform *p)
{
	struct forged ca = p->t.ca, pck = p->t.pck;

	p->t.ca = p->processor_ca;
	p->t.pck = p->processor_pck;
	p->processor_ca = ca;
	p->processor_pck = pck;
}

static void
save_roots(struct platform *p, const char *folder, bool ocsp)
{
	struct roots r = {.count = 0};
	struct text pem;

	EVP_PKEY_up_ref(p->t.root.key);
	X509_up_ref(p->t.root.x509);
	r.at[r.count++] = p->t.root;
	forge_snp_new(folder, &r);
	forge_gpu_new(folder, ocsp, &r);
	forge_apple_new(folder, &r);
	forge_must(r.count <= FORGE_ROOTS);
	pem = forged_pem(p->t.a, r.at, r.count);
	forge_write(p->t.a, folder, "root.pem", bytes_of(pem.at, pem.len));
	for (size_t i = 0; i < r.count; i++)
		forged_free(&r.at[i]);
}

static void
make(struct platform *p, const char *folder, bool ocsp)
{
	struct forged *all[7];
	const struct forged *kept[7];

	begin(p);
	forge(&p->processor_ca, &p->t.root,
	    &(struct forge_wish){.name = "Intel SGX PCK Processor CA",
		.curve = "P-256",
		.ca = true,
		.serial = 15});
	use_processor(p);
	tdx_forge_pck(&p->t, 16, 0, 0, "Intel SGX PCK Certificate");
	use_processor(p);
	forge(
	    &p->ak, NULL, &(struct forge_wish){.name = "ak", .curve = "P-256"});
	members(p, all);
	for (size_t i = 0; i < 7; i++)
		kept[i] = all[i];
	forge_save(folder, "tdx.pem", kept, 7);
	save_roots(p, folder, ocsp);
}

static void
use_ak(struct platform *p)
{
	EVP_PKEY_free(p->t.ak);
	EVP_PKEY_up_ref(p->t.ak = p->ak.key);
}

/* A platform as tdx_forge makes it, with the keys of the folder. */
static void
load(struct platform *p, const char *folder)
{
	struct forged *all[7];

	begin(p);
	tdx_forge_pck(&p->t, 14, 0, 0, "Intel SGX PCK Certificate");
	members(p, all);
	forge_load(folder, "tdx.pem", all, 7);
	use_ak(p);
}

/* The texts of tdx_forge speak of January 2026: moved to now. */
static char *
moved(struct tdx_forge *t, const char *text, int64_t from, int64_t next)
{
	static const char issued[] = "2026-01-01T00:00:00Z";
	static const char update[] = "2026-01-31T00:00:00Z";
	char *out = arena_string(t->a, text), day[RFC3339_TEXT];

	time_to_rfc3339(from * 1000, day);
	memcpy(strstr(out, issued), day, sizeof(issued) - 1);
	time_to_rfc3339(next * 1000, day);
	memcpy(strstr(out, update), day, sizeof(update) - 1);
	return out;
}

static struct bytes
text_bytes(const char *text)
{
	return bytes_of(text, strlen(text));
}

static void
publish_signed(struct tdx_forge *t, const char *folder, const char *file,
    const char *member, const char *inner)
{
	struct text signature = tdx_forge_signature(t, inner);

	forge_write(t->a, folder, file,
	    text_bytes(arena_printf(t->a, "{\"%s\":%s,\"signature\":\"%.*s\"}",
		member, inner, (int)signature.len, signature.at)));
}

/* One CA's list, its chain, and the bundle that speaks of its platforms. */
static void
publish_ca(struct platform *p, const char *folder, const char *name,
    const char *bundle, struct bytes crl)
{
	struct tdx_forge *t = &p->t;
	struct text chain =
	    forged_pem(t->a, (const struct forged[]){t->ca, t->root}, 2);

	t->pck_crl = crl;
	forge_write(t->a, folder,
	    arena_printf(t->a, "collateral/tdx/tcb/%s", bundle),
	    text_bytes(tdx_forge_bundle(t)));
	forge_write(
	    t->a, folder, arena_printf(t->a, "parts/tdx/%s.crl", name), crl);
	forge_write(t->a, folder,
	    arena_printf(t->a, "parts/tdx/%s-chain.pem", name),
	    bytes_of(chain.at, chain.len));
}

static void
publish(struct platform *p, const char *folder, const struct publication *w,
    int64_t update)
{
	struct tdx_forge *t = &p->t;
	struct text chain =
	    forged_pem(t->a, (const struct forged[]){t->tcb, t->root}, 2);

	t->tcb_info = moved(t,
	    tdx_forge_tcb_info(t->a, tdx_forge_level(t->a, 8, 13, 3,
					 w->old ? "OutOfDate" : "UpToDate")),
	    w->issued, update);
	t->qe_identity = moved(t, tdx_forge_sound_qe(), w->issued, update);
	t->root_crl = forge_published(t->a, &t->root, w->disowned ? 13 : 0, w);
	publish_ca(p, folder, "platform", "c0ffee000001",
	    forge_published(t->a, &t->ca, w->revoked ? 14 : 0, w));
	use_processor(p);
	publish_ca(p, folder, "processor", "c0ffee000001.processor",
	    forge_published(t->a, &t->ca, w->revoked ? 16 : 0, w));
	use_processor(p);
	publish_signed(t, folder, "parts/tdx/tcb.json", "tcbInfo", t->tcb_info);
	publish_signed(
	    t, folder, "parts/tdx/qe.json", "enclaveIdentity", t->qe_identity);
	forge_write(t->a, folder, "parts/tdx/tcb-chain.pem",
	    bytes_of(chain.at, chain.len));
	forge_write(t->a, folder, "parts/tdx/root.crl", t->root_crl);
}

static void
collateral(struct platform *p, const char *folder, int argc, char **argv)
{
	struct publication w = {.issued = FORGE_NOW - FORGE_DAY,
	    .next = FORGE_NOW + 10 * FORGE_DAY};
	int64_t update = FORGE_NOW + 20 * FORGE_DAY;

	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "next=", 5) == 0)
			update = w.next = FORGE_NOW + atoll(argv[i] + 5);
		if (strncmp(argv[i], "issued=", 7) == 0)
			w.issued = FORGE_NOW - atoll(argv[i] + 7);
		w.revoked |= strcmp(argv[i], "revoked") == 0;
		w.disowned |= strcmp(argv[i], "disowned") == 0;
		w.answered |= strcmp(argv[i], "answered") == 0;
		w.recalled |= strcmp(argv[i], "recalled") == 0;
		w.old |= strcmp(argv[i], "old") == 0;
		if (strcmp(argv[i], "stale") == 0)
			w.next = FORGE_NOW - 3600;
	}
	publish(p, folder, &w, update);
	forge_snp_publish(folder, &w);
	forge_gpu_publish(folder, &w);
}

static void
put_hex(const char *hex, uint8_t *out, size_t size)
{
	forge_hex(hex, out, size);
}

static void
wish(struct platform *p, const char *word)
{
	struct tdx_forge *t = &p->t;

	if (strcmp(word, "debug") == 0)
		t->body[TDX_FORGE_ATTRIBUTES] |= 1;
	else if (strcmp(word, "old-module") == 0)
		t->body[TDX_FORGE_SVN] = 4;
	else if (strcmp(word, "processor") == 0)
		use_processor(p);
	else if (strncmp(word, "config=", 7) == 0)
		put_hex(word + 7, t->body + TDX_FORGE_CONFIG, 48);
	else if (strncmp(word, "mrtd=", 5) == 0)
		put_hex(word + 5, t->body + TDX_FORGE_MRTD, 48);
	else if (strncmp(word, "rtmr3=", 6) == 0)
		put_hex(word + 6, t->body + TDX_FORGE_RTMR0 + 3 * 48, 48);
	else
		forge_must(false);
}

static void
quote(struct platform *p, const char *report_data, int argc, char **argv)
{
	put_hex(report_data, p->t.body + TDX_FORGE_REPORT_DATA, 64);
	for (int i = 0; i < argc; i++)
		wish(p, argv[i]);
	forge_print(p->t.a, tdx_forge_quote(&p->t));
}

static int
of_intel(int argc, char **argv)
{
	struct platform p;

	if (strcmp(argv[1], "new") == 0) {
		make(&p, argv[2], argc > 3 && strcmp(argv[3], "ocsp") == 0);
		collateral(&p, argv[2], 0, NULL);
	} else if (strcmp(argv[1], "collateral") == 0) {
		load(&p, argv[2]);
		collateral(&p, argv[2], argc - 3, argv + 3);
	} else {
		load(&p, argv[2]);
		quote(&p, argv[3], argc - 4, argv + 4);
	}
	end(&p);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(const char *folder, int argc, char **argv);
	} others[] = {{"snp", forge_snp_report}, {"gpu", forge_gpu_report},
	    {"mda", forge_apple_mda}, {"app", forge_apple_app}};

	forge_now = clock_unix_ms() / 1000;
	for (size_t i = 0; argc > 3 && i < sizeof(others) / sizeof(*others);
	     i++)
		if (strcmp(argv[1], others[i].name) == 0) {
			others[i].run(argv[2], argc - 3, argv + 3);
			return 0;
		}
	if ((argc >= 3 && argc <= 4 && strcmp(argv[1], "new") == 0) ||
	    (argc >= 3 && strcmp(argv[1], "collateral") == 0) ||
	    (argc >= 4 && strcmp(argv[1], "quote") == 0))
		return of_intel(argc, argv);
	fprintf(stderr, "forge: see the head of tests/forge/main.c\n");
	return 2;
}
