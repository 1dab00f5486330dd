/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GPUs of our own making: a chain of five certificates under a test root,
 * reports signed by its leaf, manifests signed inside.
 */
#ifndef TESTS_UNIT_ATTESTATION_GPU_FORGE_H
#define TESTS_UNIT_ATTESTATION_GPU_FORGE_H

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
	const char *version; /* in manifests; NULL: the driver's */
};

static const uint8_t dice[] = {0x30, 0x3d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
    0x65, 0x03, 0x04, 0x02, 0x02, 0x04, 0x30, [15] = 0xf1, [62] = 0xf2};

static inline void
leaf_make(struct machine *m, struct forged *out)
{
	forge(out, &m->device[BROM],
	    &(struct forge_wish){.name = "GH100 A01 GSP FMC LF",
		.curve = "P-384",
		.extension = {
		    {"2.23.133.5.4.1", bytes_of(dice, sizeof(dice))}}});
}

static inline int
machine_make(void **state)
{
	static const char *const names[] = {[BROM] = "GH100 A01 GSP BROM",
	    [PROVISIONER] = "Provisioner",
	    [IDENTITY] = "GH100 Identity",
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

static inline int
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

static inline void
add(struct machine *m, const void *at, size_t len)
{
	memcpy(m->raw + m->len, at, len);
	m->len += len;
}

static inline void
add_u16(struct machine *m, unsigned v)
{
	uint8_t b[2] = {(uint8_t)v, (uint8_t)(v >> 8)};

	add(m, b, 2);
}

static inline void
add_block(struct machine *m, unsigned index, uint8_t fill)
{
	uint8_t b[4 + 3 + 48] = {(uint8_t)index, 1, 51, 0, 1, 48, 0};

	memset(b + 7, fill, 48);
	add(m, b, sizeof(b));
}

/* Request and the head of the response, with `blocks` measurements whose
 * digests are filled with their index. */
static inline void
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

static inline struct bytes
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

static inline struct bytes
report_of(struct machine *m, const struct field *fields, size_t count)
{
	report_begin(m, BLOCKS);
	return report_end(m, fields, count, m->device[LEAF].key);
}

#define REPORT(m, fields) report_of(m, fields, sizeof(fields) / sizeof(*fields))

static inline void
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

static inline const char *
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
static inline struct bytes
manifest(struct machine *m, const char *resources, const char *reference,
    const char *from, const char *to)
{
	const char *text = arena_printf(m->a,
	    "<SoftwareIdentity xmlns=\"http://standards.iso.org/iso/19770/-2/"
	    "2015/schema.xsd\" xmlns:h=\"http://www.w3.org/2001/04/xmlenc#"
	    "sha384\" name=\"GH100\"><Entity name=\"x\"/><Meta "
	    "colloquialVersion=\"%s\" edition=\"GPU\" product=\"GH100\"/>"
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
	    m->version != NULL ? m->version : "550.1", resources, reference,
	    base64_of(m->a, m->rim[0].x509), base64_of(m->a, m->rim[1].x509));
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
static inline const char *
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

#endif
