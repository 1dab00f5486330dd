/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GPUs of our own making: a chain of five certificates under a test root, a
 * report signed by its leaf, a manifest signed inside. Each test breaks one
 * thing and looks for the one check that must see it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libxml/parser.h>
#include <xmlsec/xmlsec.h>

#include <xmlsec/openssl/evp.h>
#include <xmlsec/xmldsig.h>
#include <xmlsec/xmltree.h>

#include "attestation/nvidia.h"
#include "base/codec.h"
#include "tests/unit/attestation_forge.h"

enum { LEAF, BROM, PROVISIONER, IDENTITY, ROOT, LEVELS };
enum { BLOCKS = 40 };

static uint8_t nonce[32] = {1, 2, 3};

struct machine {
	struct arena *a;
	struct anchors *anchors;
	struct forged device[LEVELS];
	struct forged rim[2]; /* signer, root */
	struct nvidia_rules rules;
	uint8_t raw[8192]; /* a report under construction */
	size_t len;
};

static const uint8_t dice[] = {0x30, 0x3d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
    0x65, 0x03, 0x04, 0x02, 0x02, 0x04, 0x30, [15] = 0xf1, [62] = 0xf2};

static void
leaf_make(struct machine *m, struct forged *out)
{
	forge(out, &m->device[BROM],
	    &(struct forge_wish){.name = "GH100 A01 GSP FMC LF",
		.curve = "P-384",
		.extension = {
		    {"2.23.133.5.4.1", bytes_of(dice, sizeof(dice))}}});
}

static int
machine_make(void **state)
{
	static const char *const names[] = {[BROM] = "GH100 A01 GSP BROM",
	    [PROVISIONER] = "Provisioner",
	    [IDENTITY] = "Identity",
	    [ROOT] = "Device Identity CA"};
	struct machine *m = mem_new(sizeof(*m));

	m->a = arena_new();
	for (int i = ROOT; i > LEAF; i--)
		forge(&m->device[i], i == ROOT ? NULL : &m->device[i + 1],
		    &(struct forge_wish){.name = names[i],
			.curve = "P-384",
			.ca = true,
			.serial = 10 + i});
	leaf_make(m, &m->device[LEAF]);
	forge(&m->rim[1], NULL,
	    &(struct forge_wish){
		.name = "RIM root", .curve = "P-384", .ca = true});
	forge(&m->rim[0], &m->rim[1],
	    &(struct forge_wish){.name = "RIM signer", .curve = "P-384"});
	m->anchors = anchors_test_new();
	anchors_test_set(
	    m->anchors, ANCHOR_NVIDIA_DEVICE, m->device[ROOT].x509);
	anchors_test_set(m->anchors, ANCHOR_NVIDIA_RIM, m->rim[1].x509);
	m->rules = (struct nvidia_rules){.anchors = m->anchors,
	    .nonce = bytes_of(nonce, sizeof(nonce)),
	    .now_ms = FORGE_NOW_MS};
	*state = m;
	return 0;
}

static int
machine_free(void **state)
{
	struct machine *m = *state;

	for (int i = 0; i < LEVELS; i++)
		forged_free(&m->device[i]);
	forged_free(&m->rim[0]);
	forged_free(&m->rim[1]);
	anchors_test_free(&m->anchors);
	arena_free(&m->a);
	mem_free(m);
	return 0;
}

static void
add(struct machine *m, const void *at, size_t len)
{
	memcpy(m->raw + m->len, at, len);
	m->len += len;
}

static void
add_u16(struct machine *m, unsigned v)
{
	uint8_t b[2] = {(uint8_t)v, (uint8_t)(v >> 8)};

	add(m, b, 2);
}

static void
add_block(struct machine *m, unsigned index, uint8_t fill)
{
	uint8_t b[4 + 3 + 48] = {(uint8_t)index, 1, 51, 0, 1, 48, 0};

	memset(b + 7, fill, 48);
	add(m, b, sizeof(b));
}

/* Request and the head of the response, with `blocks` measurements whose
 * digests are filled with their index. */
static void
report_begin(struct machine *m, unsigned blocks)
{
	unsigned len = blocks * 55;
	uint8_t head[] = {0x11, 0x60, 0, 0, (uint8_t)blocks, (uint8_t)len,
	    (uint8_t)(len >> 8), 0};

	m->len = 0;
	add(m, "\x11\xe0\x01\xff", 4);
	add(m, nonce, 32);
	add(m, "\0", 1);
	add(m, head, sizeof(head));
	for (unsigned i = 1; i <= blocks; i++)
		add_block(m, i, (uint8_t)i);
	add(m, nonce, 32);
}

struct field {
	unsigned type;
	const void *at;
	size_t len;
};

static struct bytes
report_end(
    struct machine *m, const struct field *fields, size_t count, EVP_PKEY *key)
{
	size_t opaque = 0;
	uint8_t rs[96];

	for (size_t i = 0; i < count; i++)
		opaque += 4 + fields[i].len;
	add_u16(m, (unsigned)opaque);
	for (size_t i = 0; i < count; i++) {
		add_u16(m, fields[i].type);
		add_u16(m, (unsigned)fields[i].len);
		add(m, fields[i].at, fields[i].len);
	}
	forge_sign(key, EVP_sha384(), bytes_of(m->raw, m->len), rs, 48);
	add(m, rs, sizeof(rs));
	return bytes_of(arena_copy(m->a, m->raw, m->len), m->len);
}

#define FIELDS                                                                 \
	{6, "\x00\x5e\x00\x96\x01\x00\x00\x00", 8}, {3, "550.1\0", 6},         \
	    {15, "882\0", 4}, {17, "1010\0", 5}, {18, "0200\0", 5},            \
	    {20, dice + 15, 48},                                               \
	{                                                                      \
		11, "\x55", 1                                                  \
	}

static const struct field plain[] = {FIELDS, {21, "\x55", 1}, {36, "\0\0", 2}};

static struct bytes
report_of(struct machine *m, const struct field *fields, size_t count)
{
	report_begin(m, BLOCKS);
	return report_end(m, fields, count, m->device[LEAF].key);
}

#define REPORT(m, fields) report_of(m, fields, sizeof(fields) / sizeof(*fields))

/* Judges one GPU; returns the name of the check that refused, or "". */
static const char *
judged(struct machine *m, struct bytes report, struct text chain,
    struct nvidia_device *d, enum verdict_code code)
{
	struct verdict v;
	bool ok;

	verdict_init(&v, m->a, FORGE_NOW_MS);
	ok = nvidia_device_judge(&v, &m->rules, NVIDIA_GPU, report, chain, d);
	verdict_conclude(&v);
	assert_int_equal(ok, v.outcome == VERDICT_VERIFIED);
	assert_int_equal(v.code, code);
	return v.failed != NULL ? v.failed : "";
}

static void
a_sound_gpu_is_verified(void **state)
{
	struct machine *m = *state;
	struct nvidia_device d;
	struct text chain = forged_pem(m->a, m->device, LEVELS);

	assert_string_equal(
	    judged(m, REPORT(m, plain), chain, &d, CODE_OK), "");
	assert_string_equal(d.chip, "GH100");
	assert_string_equal(d.driver, "550.1");
	assert_string_equal(d.vbios, "96.00.5E.00.01");
	assert_int_equal(d.mode, NVIDIA_SPT);
	assert_string_equal(
	    nvidia_driver_rim_id(m->a, &d), "NV_GPU_DRIVER_GH100_550.1");
	assert_string_equal(nvidia_vbios_rim_id(m->a, &d),
	    "NV_GPU_VBIOS_1010_0200_882_96005E0001");
}

static void
every_part_is_signed(void **state)
{
	struct machine *m = *state;
	struct nvidia_device d;
	struct text chain = forged_pem(m->a, m->device, LEVELS);
	struct bytes report = REPORT(m, plain);
	uint8_t *copy = mem_copy(report.at, report.len);
	struct verdict v;

	for (size_t i = 0; i < report.len; i += 7) {
		copy[i] ^= 1;
		verdict_init(&v, m->a, FORGE_NOW_MS);
		assert_false(nvidia_device_judge(&v, &m->rules, NVIDIA_GPU,
		    bytes_of(copy, report.len), chain, &d));
		copy[i] ^= 1;
	}
	for (size_t len = 0; len < report.len; len += 13) {
		verdict_init(&v, m->a, FORGE_NOW_MS);
		assert_false(nvidia_device_judge(
		    &v, &m->rules, NVIDIA_GPU, bytes_of(copy, len), chain, &d));
		assert_int_not_equal(v.code, CODE_OK);
	}
	mem_free(copy);
}

static void
signed_but_wrong(void **state)
{
	static const struct field twice[] = {FIELDS, {11, "\x55", 1}};
	static const struct field firmware[] = {
	    {6, "\x00\x5e\x00\x96\x01\x00\x00\x00", 8}, {3, "550.1\0", 6},
	    {20, "000000000000000000000000000000000000000000000000", 48}};
	static const struct field modes[] = {
	    FIELDS, {21, "\x55", 1}, {36, "\x02\0", 2}};
	static const struct field unknown_mode[] = {FIELDS, {36, "\x07\0", 2}};
	static const struct field no_driver[] = {
	    {6, "\x00\x5e\x00\x96\x01\x00\x00\x00", 8}};
	struct machine *m = *state;
	struct nvidia_device d;
	struct text chain = forged_pem(m->a, m->device, LEVELS);
	struct forged other;

	assert_string_equal(
	    judged(m, REPORT(m, twice), chain, &d, CODE_MALFORMED),
	    "nvidia.report");
	assert_string_equal(
	    judged(m, REPORT(m, firmware), chain, &d, CODE_MISMATCH),
	    "nvidia.fwid");
	assert_string_equal(
	    judged(m, REPORT(m, modes), chain, &d, CODE_MISMATCH),
	    "nvidia.mode");
	assert_string_equal(
	    judged(m, REPORT(m, unknown_mode), chain, &d, CODE_MISMATCH),
	    "nvidia.mode");
	assert_string_equal(
	    judged(m, REPORT(m, no_driver), chain, &d, CODE_MISMATCH),
	    "nvidia.kind");
	leaf_make(m, &other);
	report_begin(m, BLOCKS);
	assert_string_equal(judged(m, report_end(m, plain, 9, other.key), chain,
				&d, CODE_TAMPERED),
	    "nvidia.signature");
	forged_free(&other);
	nonce[0] ^= 1; /* the report answers another question */
	assert_string_equal(
	    judged(m, REPORT(m, plain), chain, &d, CODE_OK), "");
	m->rules.nonce = bytes_of(nonce + 1, 31);
	assert_string_equal(
	    judged(m, REPORT(m, plain), chain, &d, CODE_NONCE), "nvidia.nonce");
	m->rules.nonce = bytes_of(nonce, 32);
}

static void
measurement_blocks_stand_once(void **state)
{
	struct machine *m = *state;
	struct nvidia_device d;
	struct text chain = forged_pem(m->a, m->device, LEVELS);

	report_begin(m, 2);
	m->raw[45 + 55] = 1; /* the second block's index */
	assert_string_equal(
	    judged(m, report_end(m, plain, 9, m->device[LEAF].key), chain, &d,
		CODE_MALFORMED),
	    "nvidia.report");
	report_begin(m, 2);
	m->raw[41] = 3; /* one block more than there is */
	assert_string_equal(
	    judged(m, report_end(m, plain, 9, m->device[LEAF].key), chain, &d,
		CODE_MALFORMED),
	    "nvidia.report");
}

static void
revocation_is_asked(void **state)
{
	struct machine *m = *state;
	struct nvidia_device d;
	struct text chain = forged_pem(m->a, m->device, LEVELS);
	struct bytes report = REPORT(m, plain);
	int64_t next = FORGE_NOW + FORGE_DAY;
	struct bytes lists[] = {forge_list(m->a, &m->device[ROOT], 0, next),
	    forge_list(m->a, &m->device[IDENTITY], 0, next)};

	m->rules.revocation =
	    (struct revocation){.lists = lists, .count = 2, .required = true};
	assert_string_equal(judged(m, report, chain, &d, CODE_OK), "");
	m->rules.revocation.count = 1;
	assert_string_equal(
	    judged(m, report, chain, &d, CODE_MISSING), "nvidia.revocation");
	m->rules.revocation.count = 2;
	lists[1] =
	    forge_list(m->a, &m->device[IDENTITY], 10 + PROVISIONER, next);
	assert_string_equal(
	    judged(m, report, chain, &d, CODE_REVOKED), "nvidia.revocation");
	lists[1] = forge_list(m->a, &m->device[IDENTITY], 0, FORGE_NOW - 1);
	assert_string_equal(
	    judged(m, report, chain, &d, CODE_STALE), "nvidia.revocation");
	m->rules.revocation = (struct revocation){.count = 0};
}

/* A kept chain spares the walk, but only for the same bytes and lists, and
 * only inside their window. */
static void
chains_are_kept(void **state)
{
	struct machine *m = *state;
	struct nvidia_kept *kept = arena_alloc(m->a, sizeof(*kept));
	struct nvidia_device d;
	struct text chain = forged_pem(m->a, m->device, LEVELS);
	struct bytes report = REPORT(m, plain);
	struct bytes lists[] = {forge_list(m->a, &m->device[IDENTITY],
	    10 + PROVISIONER, FORGE_NOW + FORGE_DAY)};

	m->rules.kept = kept;
	assert_string_equal(judged(m, report, chain, &d, CODE_OK), "");
	assert_int_equal(kept->next, 1);
	assert_string_equal(judged(m, report, chain, &d, CODE_OK), "");
	assert_int_equal(kept->next, 1);
	m->rules.revocation.lists = lists;
	m->rules.revocation.count = 1;
	assert_string_equal(
	    judged(m, report, chain, &d, CODE_REVOKED), "nvidia.revocation");
	m->rules.revocation.count = 0;
	m->rules.now_ms += 31 * FORGE_DAY * 1000;
	assert_string_equal(
	    judged(m, report, chain, &d, CODE_EXPIRED), "nvidia.chain");
	m->rules.now_ms = FORGE_NOW_MS;
	assert_string_equal(judged(m, report, chain, &d, CODE_OK), "");
	assert_int_equal(kept->next, 1);
	m->rules.kept = NULL;
	nvidia_kept_clear(kept);
}

static void
manifest_sign(struct machine *m, xmlDoc *doc)
{
	xmlNode *node = xmlSecFindNode(
	    xmlDocGetRootElement(doc), xmlSecNodeSignature, xmlSecDSigNs);
	xmlSecDSigCtxPtr ctx = xmlSecDSigCtxCreate(NULL);

	EVP_PKEY_up_ref(m->rim[0].key);
	ctx->signKey = xmlSecKeyCreate();
	xmlSecKeySetValue(
	    ctx->signKey, xmlSecOpenSSLEvpKeyAdopt(m->rim[0].key));
	assert_int_equal(xmlSecDSigCtxSign(ctx, node), 0);
	xmlSecDSigCtxDestroy(ctx);
}

static const char *
base64_of(struct arena *a, X509 *x)
{
	struct bytes der = forged_der(a, x);
	char *out = arena_alloc(a, BASE64_SIZE(der.len));

	base64_encode(der, out);
	return out;
}

#define DSIG "http://www.w3.org/2000/09/xmldsig#"
#define MORE "http://www.w3.org/2001/04/xmldsig-more#"

/* A manifest with this Payload content, signed; then `from` replaced by `to`
 * in its text. */
static struct bytes
manifest(struct machine *m, const char *resources, const char *reference,
    const char *from, const char *to)
{
	const char *text = arena_printf(m->a,
	    "<SoftwareIdentity xmlns=\"http://standards.iso.org/iso/19770/-2/"
	    "2015/schema.xsd\" xmlns:h=\"http://www.w3.org/2001/04/xmlenc#"
	    "sha384\" name=\"GH100\"><Entity name=\"x\"/><Meta "
	    "colloquialVersion=\"550.1\" edition=\"GPU\" product=\"GH100\"/>"
	    "<Payload>%s</Payload><ds:Signature xmlns:ds=\"" DSIG
	    "\"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"http://"
	    "www.w3.org/2006/12/xml-c14n11\"/><ds:SignatureMethod Algorithm="
	    "\"" MORE "ecdsa-sha384\"/><ds:Reference URI=\"%s\">"
	    "<ds:Transforms><ds:Transform Algorithm=\"" DSIG
	    "enveloped-signature\"/><ds:Transform Algorithm=\"http://"
	    "www.w3.org/2006/12/xml-c14n11\"/></ds:Transforms>"
	    "<ds:DigestMethod Algorithm=\"" MORE "sha384\"/><ds:DigestValue/>"
	    "</ds:Reference></ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo>"
	    "<ds:X509Data><ds:X509Certificate>%s</ds:X509Certificate>"
	    "<ds:X509Certificate>%s</ds:X509Certificate></ds:X509Data>"
	    "</ds:KeyInfo></ds:Signature></SoftwareIdentity>",
	    resources, reference, base64_of(m->a, m->rim[0].x509),
	    base64_of(m->a, m->rim[1].x509));
	xmlDoc *doc = xmlReadMemory(text, (int)strlen(text), "m", NULL, 0);
	xmlChar *out = NULL;
	const char *found;
	int len = 0;

	if (*reference == '\0')
		manifest_sign(m, doc);
	xmlDocDumpMemory(doc, &out, &len);
	text = arena_copy(m->a, out, (size_t)len);
	xmlFree(out);
	xmlFreeDoc(doc);
	if (from != NULL) {
		found = strstr(text, from);
		assert_non_null(found);
		text = arena_printf(m->a, "%.*s%s%s", (int)(found - text), text,
		    to, found + strlen(from));
	}
	return bytes_of(text, strlen(text));
}

/* Golden value of index i: block i+1 filled with i+1. */
static const char *
resource(struct machine *m, unsigned index, const char *active, unsigned fill)
{
	uint8_t digest[48];
	char hex[HEX_SIZE(48)];

	memset(digest, (int)fill, 48);
	hex_encode(bytes_of(digest, 48), hex);
	return arena_printf(m->a,
	    "<Resource type=\"Measurement\" index=\"%u\" active=\"%s\" "
	    "alternatives=\"1\" h:Hash0=\"%s\" size=\"48\"/>",
	    index, active, hex);
}

static bool
rim_of(struct machine *m, struct bytes xml, struct rim *out, struct fault *f)
{
	const struct rim_rules r = {m->anchors, NULL, FORGE_NOW_MS};

	return rim_read(m->a, xml, &r, out, f);
}

static void
refuses_manifest(
    struct machine *m, struct bytes xml, enum fault_kind kind, const char *why)
{
	struct rim rim;
	struct fault f = {0};

	assert_false(rim_of(m, xml, &rim, &f));
	if (strstr(f.why, why) == NULL)
		fail_msg("'%s' lacks '%s'", f.why, why);
	assert_int_equal(f.kind, kind);
}

static void
manifests_are_judged_whole(void **state)
{
	struct machine *m = *state;
	const char *one = resource(m, 3, "True", 4);
	const char *two = arena_printf(m->a, "%s%s", one, one);
	struct rim rim;
	struct fault f = {0};

	/* The first call starts the XML library, which signing needs too. */
	refuses_manifest(m, bytes_of("<a/>", 4), FAULT_INVALID, "Software");
	assert_true(rim_of(m, manifest(m, one, "", NULL, NULL), &rim, &f));
	assert_string_equal(rim.version, "550.1");
	assert_true(rim.entry[3].active);
	assert_int_equal(rim.active, 1);
	refuses_manifest(m, manifest(m, two, "", NULL, NULL), FAULT_INVALID,
	    "index 3 stands twice");
	refuses_manifest(m, manifest(m, one, "", "040404", "040405"),
	    FAULT_TAMPERED, "does not hold");
	refuses_manifest(m, manifest(m, one, "", "GH100\"/>", "GB100\"/>"),
	    FAULT_TAMPERED, "does not hold");
	refuses_manifest(m, manifest(m, one, "#x", NULL, NULL),
	    FAULT_UNSUPPORTED, "whole document");
	refuses_manifest(m,
	    manifest(m, one, "", "<Entity", "<!DOCTYPE a []><Entity"),
	    FAULT_INVALID, "document type");
	refuses_manifest(m,
	    manifest(m, one, "", "<Entity", "<Payload></Payload><Entity"),
	    FAULT_INVALID, "stands twice");
	refuses_manifest(m,
	    manifest(m, one, "", "</Payload>", "<Other/></Payload>"),
	    FAULT_TAMPERED, "does not hold");
	refuses_manifest(m, manifest(m, one, "", "ecdsa-sha384", "hmac-sha1"),
	    FAULT_UNSUPPORTED, "ECDSA");
	refuses_manifest(m,
	    manifest(m, resource(m, 3, "true", 4), "", NULL, NULL),
	    FAULT_INVALID, "neither active nor not");
	refuses_manifest(m,
	    manifest(m, resource(m, 3, "False", 4), "", NULL, NULL),
	    FAULT_INVALID, "no active");
	refuses_manifest(m,
	    manifest(m, resource(m, 254, "True", 4), "", NULL, NULL),
	    FAULT_INVALID, "sound index");
	refuses_manifest(m, bytes_of("", 0), FAULT_INVALID, "0 bytes");
	refuses_manifest(m, bytes_of("<a", 2), FAULT_INVALID, "not XML");
}

static struct rim *
rim_made(struct machine *m, const char *resources)
{
	struct rim *rim = arena_alloc(m->a, sizeof(*rim));
	struct fault f = {0};

	if (!rim_of(m, manifest(m, resources, "", NULL, NULL), rim, &f))
		fail_msg("%s", f.why);
	return rim;
}

static const char *
compared(struct machine *m, const struct nvidia_device *d,
    const struct rim *driver, const struct rim *vbios)
{
	struct verdict v;

	verdict_init(&v, m->a, FORGE_NOW_MS);
	nvidia_manifests_judge(&v, d, driver, vbios);
	verdict_conclude(&v);
	return v.failed != NULL ? v.failed : "";
}

static void
measurements_against_manifests(void **state)
{
	static const struct field enabled[] = {
	    {6, "\x00\x5e\x00\x96\x01\x00\x00\x00", 8}, {3, "550.1\0", 6},
	    {11, "\xaa", 1}};
	struct machine *m = *state;
	struct nvidia_device d, e;
	struct text chain = forged_pem(m->a, m->device, LEVELS);
	struct rim *good, *bad, *nvdec, *beyond;

	assert_string_equal(
	    judged(m, REPORT(m, plain), chain, &d, CODE_OK), "");
	assert_string_equal(
	    judged(m, REPORT(m, enabled), chain, &e, CODE_OK), "");
	good = rim_made(m, arena_printf(m->a, "%s%s", resource(m, 3, "True", 4),
			       resource(m, 4, "False", 9)));
	bad = rim_made(m, resource(m, 4, "True", 9));
	nvdec =
	    rim_made(m, arena_printf(m->a, "%s%s", resource(m, 5, "True", 6),
			    resource(m, 35, "True", 9)));
	beyond = rim_made(m, resource(m, 200, "True", 201));
	assert_string_equal(compared(m, &d, good, NULL), "");
	assert_string_equal(compared(m, &d, bad, NULL), "nvidia.measurements");
	/* Index 35 counts only where NVDEC0 is on. */
	assert_string_equal(compared(m, &d, nvdec, NULL), "");
	assert_string_equal(
	    compared(m, &e, nvdec, NULL), "nvidia.measurements");
	/* An active index that the report does not measure. */
	assert_string_equal(
	    compared(m, &d, beyond, NULL), "nvidia.measurements");
	snprintf(d.vbios, sizeof(d.vbios), "550.1");
	assert_string_equal(compared(m, &d, good, good), "nvidia.rim_conflict");
	snprintf(d.vbios, sizeof(d.vbios), "96");
	assert_string_equal(
	    compared(m, &d, good, good), "nvidia.vbios_version");
	snprintf(d.driver, sizeof(d.driver), "550.2");
	assert_string_equal(
	    compared(m, &d, good, NULL), "nvidia.driver_version");
	snprintf(d.driver, sizeof(d.driver), "550.1");
	snprintf(d.chip, sizeof(d.chip), "GB100");
	assert_string_equal(compared(m, &d, good, NULL), "nvidia.product");
}

static const char *
set_judged(struct machine *m, const struct nvidia_device *d, size_t count,
    int64_t wanted)
{
	struct verdict v;

	verdict_init(&v, m->a, FORGE_NOW_MS);
	nvidia_set_judge(&v, d, count, wanted);
	verdict_conclude(&v);
	return v.failed != NULL ? v.failed : "";
}

static void
eight_reports_are_eight_devices(void **state)
{
	struct machine *m = *state;
	struct nvidia_device d[2] = {{.key = {1},
					 .chip = "GH100",
					 .mode = NVIDIA_PPCIE,
					 .pdi = {{1}, {2}},
					 .pdis = 2},
	    {.key = {2},
		.chip = "GH100",
		.mode = NVIDIA_PPCIE,
		.pdi = {{1}, {2}},
		.pdis = 2}};
	struct nvidia_device s[2] = {
	    {.kind = NVIDIA_SWITCH, .key = {3}, .pdi = {{1}}, .pdis = 1},
	    {.kind = NVIDIA_SWITCH, .key = {4}, .pdi = {{2}}, .pdis = 1}};
	struct verdict v;

	assert_string_equal(set_judged(m, d, 2, 2), "");
	assert_string_equal(set_judged(m, d, 2, 8), "nvidia.count");
	assert_string_equal(set_judged(m, d, 0, -1), "nvidia.count");
	d[1].key[0] = 1;
	assert_string_equal(set_judged(m, d, 2, 2), "nvidia.distinct");
	d[1].key[0] = 2;
	d[1].mode = NVIDIA_SPT;
	assert_string_equal(set_judged(m, d, 2, 2), "nvidia.modes_agree");
	d[1].mode = NVIDIA_PPCIE;
	d[1].pdi[1][0] = 3;
	assert_string_equal(set_judged(m, d, 2, 2), "nvidia.pdis_agree");
	d[1].pdi[1][0] = 2;
	verdict_init(&v, m->a, FORGE_NOW_MS);
	assert_true(nvidia_topology_judge(&v, d, 2, s, 2));
	assert_false(nvidia_topology_judge(&v, d, 2, s, 1));
	s[1].pdi[0][0] = 1; /* one switch twice, the other missing */
	verdict_init(&v, m->a, FORGE_NOW_MS);
	assert_false(nvidia_topology_judge(&v, d, 2, s, 2));
	assert_string_equal(v.failed, "nvswitch.topology");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_sound_gpu_is_verified),
	    cmocka_unit_test(every_part_is_signed),
	    cmocka_unit_test(signed_but_wrong),
	    cmocka_unit_test(measurement_blocks_stand_once),
	    cmocka_unit_test(revocation_is_asked),
	    cmocka_unit_test(chains_are_kept),
	    cmocka_unit_test(manifests_are_judged_whole),
	    cmocka_unit_test(measurements_against_manifests),
	    cmocka_unit_test(eight_reports_are_eight_devices),
	};

	return cmocka_run_group_tests(tests, machine_make, machine_free);
}
