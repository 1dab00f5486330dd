/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pieces of every kind when they come: the maker's own, a stranger's, garbage
 * in the right form, another issuer's list, and those of which nothing can be
 * said yet. (Intel's are judged in gateway_kept_test.c.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/rsa.h>

#include "gateway/collateral_genuine.h"
#include "tests/unit/attestation_gpu_forge.h"
#include "tests/unit/attestation_ocsp_forge.h"

struct scene {
	struct machine *m; /* NVIDIA's; its anchors hold the others' too */
	struct forged ark, ask, vcek, ca, signer, stranger;
	struct nvidia_kept nvidia;
	struct collateral_issuers by;
};

static void
authority(struct forged *out, const struct forged *issuer, const char *name)
{
	forge(out, issuer,
	    &(struct forge_wish){.name = name, .curve = "P-256", .ca = true});
	EVP_PKEY_free(out->key);
	out->key = EVP_RSA_gen(3072);
	X509_set_pubkey(out->x509, out->key);
	forge_sign_pss(out->x509, issuer != NULL ? issuer->key : out->key);
}

#define AMD "1.3.6.1.4.1.3704.1."

static void
make_amd(struct scene *s)
{
	static const uint8_t genoa[] = {0x16, 5, 'G', 'e', 'n', 'o', 'a'};
	static const uint8_t svn[] = {2, 1, 9}, id[64] = {0x5a};

	authority(&s->ark, NULL, "ARK-Genoa");
	authority(&s->ask, &s->ark, "SEV-Genoa");
	forge(&s->vcek, &s->ask,
	    &(struct forge_wish){.name = "SEV-VCEK",
		.curve = "P-384",
		.extension = {{AMD "2", bytes_of(genoa, sizeof(genoa))},
		    {AMD "3.1", bytes_of(svn, 3)},
		    {AMD "3.2", bytes_of(svn, 3)},
		    {AMD "3.3", bytes_of(svn, 3)},
		    {AMD "3.8", bytes_of(svn, 3)},
		    {AMD "4", bytes_of(id, sizeof(id))}}});
	forge_sign_pss(s->vcek.x509, s->ask.key);
	anchors_test_set(s->m->anchors, ANCHOR_AMD_ARK_GENOA, s->ark.x509);
	anchors_test_set(s->m->anchors, ANCHOR_AMD_ASK_GENOA, s->ask.x509);
}

static int
start(void **state)
{
	struct scene *s = mem_new(sizeof(*s));

	machine_make((void **)&s->m);
	make_amd(s);
	forge(&s->ca, NULL, &(struct forge_wish){.name = "CA", .ca = true});
	forge(&s->signer, &s->ca,
	    &(struct forge_wish){.name = "signer", .curve = "P-384"});
	anchors_test_set(s->m->anchors, ANCHOR_NRAS_INTERMEDIATE, s->ca.x509);
	forge(&s->stranger, NULL,
	    &(struct forge_wish){
		.name = "Device Identity CA", .curve = "P-384", .ca = true});
	s->by.anchors = s->m->anchors;
	s->by.nvidia = &s->nvidia;
	*state = s;
	return 0;
}

static int
end(void **state)
{
	struct scene *s = *state;

	collateral_issuers_clear(&s->by);
	nvidia_kept_clear(&s->nvidia);
	forged_free(&s->ark);
	forged_free(&s->ask);
	forged_free(&s->vcek);
	forged_free(&s->ca);
	forged_free(&s->signer);
	forged_free(&s->stranger);
	machine_free((void **)&s->m);
	mem_free(s);
	return 0;
}

static void
is(struct scene *s, const char *name, struct bytes body, enum genuine wanted)
{
	struct fault f = {0};
	enum genuine seen =
	    collateral_judge(&s->by, name, body, FORGE_NOW_MS, &f);

	if (seen != wanted)
		fail_msg("%s: %d and not %d: %s", name, (int)seen, (int)wanted,
		    f.why);
	assert_true(seen != GENUINE_NO || f.kind != FAULT_NONE);
}

static struct bytes
list_by(struct scene *s, const struct forged *issuer)
{
	return forge_list(s->m->a, issuer, 0, FORGE_NOW + FORGE_DAY);
}

static struct bytes
text_bytes(struct text t)
{
	return bytes_of(t.at, t.len);
}

static void
lists_of_amd(void **state)
{
	struct scene *s = *state;
	struct bytes good = list_by(s, &s->ark);
	uint8_t *bad = (uint8_t *)arena_copy(s->m->a, good.at, good.len);

	is(s, "amd/crl/Genoa/vcek", good, GENUINE_YES);
	is(s, "amd/crl/Genoa/vlek", good, GENUINE_YES);
	/* However long ago its update was due. */
	is(s, "amd/crl/Genoa/vcek",
	    forge_list(s->m->a, &s->ark, 0, FORGE_NOW - FORGE_DAY),
	    GENUINE_YES);
	/* That the root and its issuers are revoked is the root's own news. */
	is(s, "amd/crl/Genoa/vcek",
	    forge_list(s->m->a, &s->ark, 1, FORGE_NOW + FORGE_DAY),
	    GENUINE_YES);
	/* Of another product; another issuer's; altered; garbage. */
	is(s, "amd/crl/Milan/vcek", good, GENUINE_NO);
	is(s, "amd/crl/Genoa/vcek", list_by(s, &s->ask), GENUINE_NO);
	is(s, "amd/crl/Genoa/vcek", list_by(s, &s->m->device[ROOT]),
	    GENUINE_NO);
	bad[good.len - 1] ^= 1;
	is(s, "amd/crl/Genoa/vcek", bytes_of(bad, good.len), GENUINE_NO);
	is(s, "amd/crl/Genoa/vcek", bytes_of("404", 3), GENUINE_NO);
	is(s, "amd/crl/Genoa/x", good, GENUINE_NO);
	is(s, "amd/crl/Rome/vcek", good, GENUINE_NO);
}

static void
keys_of_amd(void **state)
{
	struct scene *s = *state;
	const struct forged chain[] = {s->ask, s->ark};
	const struct forged other[] = {s->stranger, s->ark};
	struct bytes leaf = forged_der(s->m->a, s->vcek.x509);
	struct bytes good = text_bytes(forged_pem(s->m->a, chain, 2));
	const char *name =
	    arena_printf(s->m->a, "amd/vcek/5a%0126d/0909000000000909", 0);

	/* Without its chain nothing can be said of a leaf. */
	is(s, name, leaf, GENUINE_UNKNOWN);
	is(s, "amd/chain/Genoa/vcek", text_bytes(forged_pem(s->m->a, other, 2)),
	    GENUINE_NO);
	is(s, "amd/chain/Genoa/vlek", good, GENUINE_NO);
	is(s, "amd/chain/Genoa/vcek", text_bytes(forged_pem(s->m->a, chain, 1)),
	    GENUINE_NO);
	is(s, name, leaf, GENUINE_UNKNOWN);
	is(s, "amd/chain/Genoa/vcek", good, GENUINE_YES);
	is(s, name, leaf, GENUINE_YES);
	is(s, "amd/vcek/00/00", leaf, GENUINE_NO);
	/* Of this chip, at other versions than its own. */
	is(s, arena_printf(s->m->a, "amd/vcek/5a%0126d/0809000000000909", 0),
	    leaf, GENUINE_NO);
	is(s, arena_printf(s->m->a, "amd/vcek/5a%0126d/09090000000009ff", 0),
	    leaf, GENUINE_NO);
	is(s, arena_printf(s->m->a, "amd/vcek/5a%0126d/", 0), leaf, GENUINE_NO);
	forge_sign_pss(s->vcek.x509, s->ark.key);
	is(s, name, forged_der(s->m->a, s->vcek.x509), GENUINE_NO);
	is(s, name, bytes_of("0", 1), GENUINE_NO);
}

static void
seen_by_a_verdict(struct scene *s)
{
	static const struct field none[] = {{3, "550.1", 6}};
	struct machine *m = s->m;
	struct nvidia_device d;
	struct verdict v;

	m->rules.kept = &s->nvidia;
	m->rules.revocation.required = true;
	m->rules.revocation.levels = 2;
	verdict_init(&v, m->a, FORGE_NOW_MS);
	/* Refused for want of lists; the chain was good all the same. */
	assert_false(nvidia_device_judge(&v, &m->rules, NVIDIA_GPU,
	    REPORT(m, none), forged_pem(m->a, m->device, LEVELS), &d));
	assert_string_equal(v.failed, "nvidia.revocation");
}

static void
lists_of_nvidia(void **state)
{
	struct scene *s = *state;
	struct bytes root = list_by(s, &s->m->device[ROOT]);
	struct bytes identity = list_by(s, &s->m->device[IDENTITY]);
	struct forged same_name;

	is(s, "nvidia/crl/l1-root", root, GENUINE_YES);
	is(s, "nvidia/crl/l1-root", list_by(s, &s->stranger), GENUINE_NO);
	is(s, "nvidia/crl/l1-root", identity, GENUINE_NO);
	is(s, "nvidia/crl/l1-corim", root, GENUINE_NO);
	is(s, "nvidia/crl/l1-corim", list_by(s, &s->m->rim[1]), GENUINE_YES);
	is(s, "nvidia/crl/l1-root", list_by(s, &s->m->rim[1]), GENUINE_NO);
	/* Nobody has shown who may sign this one, until good evidence has. */
	is(s, "nvidia/crl/l2-gh100", identity, GENUINE_UNKNOWN);
	seen_by_a_verdict(s);
	is(s, "nvidia/crl/l2-gh100", identity, GENUINE_YES);
	/* Of another family; and of a sibling, which may publish there. */
	is(s, "nvidia/crl/l2-gb100", identity, GENUINE_NO);
	is(s, "nvidia/crl/l2-", identity, GENUINE_NO);
	is(s, "nvidia/crl/l2-gh200", identity, GENUINE_UNKNOWN);
	is(s, "nvidia/crl/l2-gh100", root, GENUINE_UNKNOWN);
	/* That an issuer is revoked takes nothing from its own list. */
	is(s, "nvidia/crl/l1-root",
	    forge_list(s->m->a, &s->m->device[ROOT], 10 + IDENTITY,
		FORGE_NOW + FORGE_DAY),
	    GENUINE_YES);
	is(s, "nvidia/crl/l2-gh100", identity, GENUINE_YES);
	forge(&same_name, NULL,
	    &(struct forge_wish){
		.name = "GH100 Identity", .curve = "P-384", .ca = true});
	is(s, "nvidia/crl/l2-gh100", list_by(s, &same_name), GENUINE_NO);
	forged_free(&same_name);
	is(s, "nvidia/crl/l2-gh100", bytes_of("404", 3), GENUINE_UNKNOWN);
}

static void
answers_of_nvidia(void **state)
{
	struct scene *s = *state;
	struct forged *provisioner = &s->m->device[PROVISIONER];
	struct forge_wish wish = {.name = "GH100 A01 GSP BROM",
	    .curve = "P-384",
	    .ca = true,
	    .serial = 11,
	    .extension = {{"1.3.6.1.5.5.7.1.1",
		bytes_of(forge_responder, sizeof(forge_responder))}}};
	struct forge_answer a = {
	    .subject = &s->m->device[BROM], .issuer = provisioner};
	const char *name;
	struct bytes good;

	forged_free(&s->m->device[BROM]);
	forge(&s->m->device[BROM], provisioner, &wish);
	forged_free(&s->m->device[LEAF]);
	leaf_make(s->m, &s->m->device[LEAF]);
	name = ocsp_name(s->m->a, s->m->device[BROM].x509, provisioner->x509);
	good = forge_answer(s->m->a, &a);
	is(s, name, good, GENUINE_UNKNOWN);
	seen_by_a_verdict(s);
	is(s, name, good, GENUINE_YES);
	a.signer = &s->stranger;
	is(s, name, forge_answer(s->m->a, &a), GENUINE_NO);
	is(s, name, bytes_of("0", 1), GENUINE_NO);
}

/* Their issuers are known by the manifests that they signed. */
static void
answers_about_signers(void **state)
{
	struct scene *s = *state;
	struct forged *rim = s->m->rim;
	struct forge_wish wish = {.name = "RIM signer",
	    .curve = "P-384",
	    .serial = 91,
	    .extension = {{"1.3.6.1.5.5.7.1.1",
		bytes_of(forge_responder, sizeof(forge_responder))}}};
	struct forge_answer a = {.subject = &rim[0], .issuer = &rim[1]};
	struct chain signer;
	const char *name;
	struct fault f;

	forged_free(&rim[0]);
	forge(&rim[0], &rim[1], &wish);
	name = ocsp_name(s->m->a, rim[0].x509, rim[1].x509);
	is(s, name, forge_answer(s->m->a, &a), GENUINE_UNKNOWN);
	assert_true(chain_read_pem(forged_pem(s->m->a, rim, 2), &signer, &f));
	nvidia_kept_signer(&s->nvidia, &signer);
	chain_free(&signer);
	is(s, name, forge_answer(s->m->a, &a), GENUINE_YES);
	a.signer = &s->stranger;
	is(s, name, forge_answer(s->m->a, &a), GENUINE_NO);
}

static void
manifests(void **state)
{
	struct scene *s = *state;
	struct machine *m = s->m;
	struct rim_rules begun = {m->anchors, NULL, FORGE_NOW_MS};
	/* Its version stands for driver and firmware alike. */
	static const struct {
		const char *id;
		enum genuine wanted;
	} other[] = {{"GPU_DRIVER_GH100_550.2", GENUINE_NO},
	    {"GPU_DRIVER_GH100_5501", GENUINE_NO},
	    {"GPU_DRIVER_GB100_550.1", GENUINE_NO},
	    {"GPU_DRIVER_550.1", GENUINE_NO},
	    {"GPU_CC_DRIVER_GH100_550.1", GENUINE_YES},
	    {"GPU_CC_DRIVER_GB100_550.1", GENUINE_UNKNOWN},
	    {"GPU_CC_DRIVER_GB100_550.2", GENUINE_NO},
	    {"GPU_VBIOS_1010_0200_882_5501", GENUINE_YES},
	    {"GPU_VBIOS_1010_0200_882_550", GENUINE_NO},
	    {"GPU_VBIOS_1010_0200_882_55011", GENUINE_NO},
	    {"SWITCH_BIOS_5612_0002_890_5501", GENUINE_NO},
	    {"GPU_5501", GENUINE_NO}, {"X", GENUINE_NO}};
	const char *name = "nvidia/rim/NV_GPU_DRIVER_GH100_550.1";
	struct bytes xml;
	struct rim rim;
	struct fault f;
	char *text;

	/* Starts the XML library, which signing needs. */
	assert_false(rim_read(m->a, bytes_of("<a/>", 4), &begun, &rim, &f));
	xml = manifest(m, resource(m, 3, "True", 4), "", NULL, NULL);
	is(s, name, xml, GENUINE_YES);
	for (size_t i = 0; i < sizeof(other) / sizeof(*other); i++)
		is(s, arena_printf(m->a, "nvidia/rim/NV_%s", other[i].id), xml,
		    other[i].wanted);
	text = arena_alloc(m->a, BASE64_SIZE(xml.len));
	base64_encode(xml, text);
	text = arena_printf(m->a, "{\"rim\":\"%s\"}", text);
	is(s, name, bytes_of(text, strlen(text)), GENUINE_YES);
	is(s, name,
	    manifest(m, resource(m, 3, "True", 4), "", "550.1", "550.2"),
	    GENUINE_NO);
	is(s, name, bytes_of("<SoftwareIdentity/>", 19), GENUINE_NO);
	is(s, name, bytes_of("{\"rim\":\"PHg+\"}", 14), GENUINE_NO);
}

static const char *
base64_text(struct scene *s, struct bytes b)
{
	char *out = arena_alloc(s->m->a, BASE64_SIZE(b.len));

	base64_encode(b, out);
	return out;
}

static struct bytes
key_set(struct scene *s, EVP_PKEY *key)
{
	uint8_t point[97];
	char x[BASE64_SIZE(48)], y[BASE64_SIZE(48)];
	const char *text;

	assert_int_equal(forged_point(key, point), 97);
	base64url_encode(bytes_of(point + 1, 48), x);
	base64url_encode(bytes_of(point + 49, 48), y);
	text = arena_printf(s->m->a,
	    "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"k0\"},"
	    "{\"kty\":\"EC\",\"crv\":\"P-384\",\"kid\":\"k1\","
	    "\"x\":\"%s\",\"y\":\"%s\",\"x5c\":[\"%s\",\"%s\"]}]}",
	    x, y, base64_text(s, forged_der(s->m->a, s->signer.x509)),
	    base64_text(s, forged_der(s->m->a, s->ca.x509)));
	return bytes_of(text, strlen(text));
}

static void
key_sets(void **state)
{
	struct scene *s = *state;
	struct fault f;

	/* One key that stands is enough. */
	is(s, "nras/jwks", key_set(s, s->signer.key), GENUINE_YES);
	is(s, "nras/jwks", key_set(s, s->stranger.key), GENUINE_NO);
	is(s, "nras/jwks", bytes_of("{\"keys\":[]}", 11), GENUINE_NO);
	is(s, "nras/jwks", bytes_of("<html>", 6), GENUINE_NO);
	is(s, "nras/jwks", bytes_of("{\"keyz\":[{}]}", 13), GENUINE_NO);
	/* What has ended was genuine once: not known. */
	assert_int_equal(
	    collateral_judge(&s->by, "nras/jwks", key_set(s, s->signer.key),
		FORGE_NOW_MS + 400 * FORGE_DAY * 1000, &f),
	    GENUINE_UNKNOWN);
	is(s, "what/else", bytes_of("x", 1), GENUINE_UNKNOWN);
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, start, end)
	const struct CMUnitTest tests[] = {
	    T(lists_of_amd),
	    T(keys_of_amd),
	    T(lists_of_nvidia),
	    T(answers_of_nvidia),
	    T(answers_about_signers),
	    T(manifests),
	    T(key_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
