/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TDX platform of our own: chain, quote and collateral under a test root,
 * sound unless a test turns one of the knobs first. Members are what will be
 * written; tdx_forge_quote and tdx_forge_bundle sign what stands there then.
 */
#ifndef TESTS_UNIT_ATTESTATION_TDX_FORGE_H
#define TESTS_UNIT_ATTESTATION_TDX_FORGE_H

#include <stdarg.h>

#include "attestation/tdx.h"
#include "base/codec.h"
#include "base/crypto.h"
#include "tests/unit/attestation_forge.h"

#define TDX_FORGE_FMSPC "\xc0\xff\xee\x00\x00\x01"

struct tdx_forge {
	struct arena *a;
	struct anchors *anchors;
	struct forged root, tcb, ca, pck;
	EVP_PKEY *ak;

	uint16_t version; /* 4, or 5 with is_15 */
	bool is_15;
	uint8_t body[648];
	uint8_t qe[384];
	uint8_t auth[UINT16_MAX];
	size_t auth_len;
	uint16_t outer_type, inner_type;
	bool other_ak; /* QE report data binds another key */

	const char *tcb_info; /* JSON texts; NULL: the sound ones */
	const char *qe_identity;
	struct bytes root_crl, pck_crl; /* empty: lists of nothing */
};

/* Offsets in the body. */
enum {
	TDX_FORGE_SVN = 0,
	TDX_FORGE_SIGNER = 64,
	TDX_FORGE_SEAM_ATTRIBUTES = 112,
	TDX_FORGE_ATTRIBUTES = 120,
	TDX_FORGE_XFAM = 128,
	TDX_FORGE_MRTD = 136,
	TDX_FORGE_CONFIG = 184,
	TDX_FORGE_RTMR0 = 328,
	TDX_FORGE_REPORT_DATA = 520,
	TDX_FORGE_SVN_2 = 584,
	TDX_FORGE_SERVICE = 600
};

struct tdx_der {
	uint8_t at[1024];
	size_t len;
};

static inline void
tdx_der_put(struct tdx_der *d, const void *at, size_t len)
{
	memcpy(d->at + d->len, at, len);
	d->len += len;
}

/* tag, length, content; the content is below 64 KiB. */
static inline void
tdx_der_wrap(struct tdx_der *d, uint8_t tag, const void *at, size_t len)
{
	uint8_t head[4] = {tag, (uint8_t)len};
	size_t n = 2;

	if (len >= 256) {
		head[1] = 0x82;
		head[2] = (uint8_t)(len >> 8);
		head[3] = (uint8_t)len;
		n = 4;
	} else if (len >= 128) {
		head[1] = 0x81;
		head[2] = (uint8_t)len;
		n = 3;
	}
	tdx_der_put(d, head, n);
	tdx_der_put(d, at, len);
}

/* (OID below the PCK arc, value) */
static inline void
tdx_der_pair(struct tdx_der *d, const char *below, size_t depth, uint8_t tag,
    const void *at, size_t len)
{
	static const uint8_t arc[] = {
	    0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};
	struct tdx_der oid = {{0}, 0}, pair = {{0}, 0};

	tdx_der_put(&oid, arc, sizeof(arc));
	tdx_der_put(&oid, below, depth);
	tdx_der_wrap(&pair, 0x06, oid.at, oid.len);
	tdx_der_wrap(&pair, tag, at, len);
	tdx_der_wrap(d, 0x30, pair.at, pair.len);
}

/* SGX components 8 8 2 2 4 1 0 5 …, PCE 13, type 1, static platform. */
static inline struct bytes
tdx_forge_extension(struct arena *a)
{
	static const uint8_t svn[16] = {8, 8, 2, 2, 4, 1, 0, 5};
	static const uint8_t zeros[16] = {0}, no = 0x00, type = 1, pce = 13;
	struct tdx_der tcb = {{0}, 0}, config = {{0}, 0}, all = {{0}, 0};
	struct tdx_der out = {{0}, 0};
	char i;

	for (i = 1; i <= 16; i++) {
		const char below[] = {2, i};

		tdx_der_pair(&tcb, below, 2, 0x02, &svn[i - 1], 1);
	}
	tdx_der_pair(&tcb, "\x02\x11", 2, 0x02, &pce, 1);
	tdx_der_pair(&tcb, "\x02\x12", 2, 0x04, svn, 16);
	for (i = 1; i <= 3; i++) {
		const char below[] = {7, i};

		tdx_der_pair(&config, below, 2, 0x01, &no, 1);
	}
	tdx_der_pair(&all, "\x01", 1, 0x04, zeros, 16);
	tdx_der_pair(&all, "\x02", 1, 0x30, tcb.at, tcb.len);
	tdx_der_pair(&all, "\x03", 1, 0x04, zeros, 2);
	tdx_der_pair(&all, "\x04", 1, 0x04, TDX_FORGE_FMSPC, 6);
	tdx_der_pair(&all, "\x05", 1, 0x0a, &type, 1);
	tdx_der_pair(&all, "\x06", 1, 0x04, svn, 16);
	tdx_der_pair(&all, "\x07", 1, 0x30, config.at, config.len);
	tdx_der_wrap(&out, 0x30, all.at, all.len);
	return bytes_of(arena_copy(a, out.at, out.len), out.len);
}

static inline void
tdx_forge_pck(struct tdx_forge *t, long serial, int64_t from, int64_t until,
    const char *name)
{
	struct forge_wish w = {.name = name,
	    .curve = "P-256",
	    .serial = serial,
	    .from = from,
	    .until = until};

	w.extension[0].oid = "1.2.840.113741.1.13.1";
	w.extension[0].value = tdx_forge_extension(t->a);
	forged_free(&t->pck);
	forge(&t->pck, &t->ca, &w);
}

static inline void
tdx_forge_start(struct tdx_forge *t)
{
	static const uint8_t signer[] = {0xdc, 0x9e};

	memset(t, 0, sizeof(*t));
	t->a = arena_new();
	forge(&t->root, NULL,
	    &(struct forge_wish){.name = "Intel SGX Root CA",
		.curve = "P-256",
		.ca = true,
		.serial = 11});
	forge(&t->tcb, &t->root,
	    &(struct forge_wish){.name = "Intel SGX TCB Signing",
		.curve = "P-256",
		.serial = 12});
	forge(&t->ca, &t->root,
	    &(struct forge_wish){.name = "Intel SGX PCK Platform CA",
		.curve = "P-256",
		.ca = true,
		.serial = 13});
	tdx_forge_pck(t, 14, 0, 0, "Intel SGX PCK Certificate");
	t->ak = EVP_EC_gen("P-256");
	t->anchors = anchors_test_new();
	anchors_test_set(t->anchors, ANCHOR_INTEL_SGX_ROOT, t->root.x509);
	t->version = 4;
	t->outer_type = 6;
	t->inner_type = 5;
	t->auth_len = 32;
	memcpy(t->body + TDX_FORGE_SVN, "\x05\x01\x03", 3);
	t->body[TDX_FORGE_ATTRIBUTES + 3] = 0x10;
	memset(t->body + TDX_FORGE_MRTD, 0xab, 48);
	memcpy(t->qe + 128, signer, sizeof(signer));
	t->qe[48] = 0x11;
	t->qe[256] = 2; /* ISVPRODID */
	t->qe[258] = 6; /* ISVSVN */
}

static inline void
tdx_forge_end(struct tdx_forge *t)
{
	forged_free(&t->root);
	forged_free(&t->tcb);
	forged_free(&t->ca);
	forged_free(&t->pck);
	EVP_PKEY_free(t->ak);
	anchors_test_free(&t->anchors);
	arena_free(&t->a);
}

static inline void
tdx_forge_number(uint8_t **at, uint64_t n, size_t width)
{
	for (; width > 0; width--, n >>= 8)
		*(*at)++ = (uint8_t)n;
}

static inline void
tdx_forge_bytes(uint8_t **at, const void *from, size_t len)
{
	memcpy(*at, from, len);
	*at += len;
}

static inline size_t
tdx_forge_header(const struct tdx_forge *t, uint8_t *out)
{
	static const uint8_t vendor[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c,
	    0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};
	uint8_t *at = out;

	tdx_forge_number(&at, t->version, 2);
	tdx_forge_number(&at, 2, 2);
	tdx_forge_number(&at, 0x81, 4);
	tdx_forge_number(&at, 0, 4);
	tdx_forge_bytes(&at, vendor, 16);
	tdx_forge_number(&at, 0, 8);
	tdx_forge_number(&at, 0, 8);
	tdx_forge_number(&at, 0, 4);
	if (t->version == 5) {
		tdx_forge_number(&at, t->is_15 ? 3 : 2, 2);
		tdx_forge_number(&at, t->is_15 ? 648 : 584, 4);
	}
	return (size_t)(at - out);
}

/* Whole quote, in the arena; 70 bytes of padding follow, as hosts emit. */
static inline struct bytes
tdx_forge_quote(struct tdx_forge *t)
{
	const struct forged chain[] = {t->pck, t->ca, t->root};
	struct text pem = forged_pem(t->a, chain, 3);
	uint8_t *out = arena_alloc(t->a, 16384 + t->auth_len), *at = out,
		*length;
	uint8_t point[97], signature[64], digest[32];
	size_t body = t->version == 5 && t->is_15 ? 648 : 584;

	at += tdx_forge_header(t, out);
	tdx_forge_bytes(&at, t->body, body);
	forge_sign(t->ak, EVP_sha256(), bytes_of(out, (size_t)(at - out)),
	    signature, 32);
	length = at;
	at += 4;
	forged_point(t->ak, point);
	tdx_forge_bytes(&at, signature, 64);
	tdx_forge_bytes(&at, point + 1, 64);
	sha256_parts((const struct bytes[]){bytes_of(point + 1, 64),
			 bytes_of(t->auth, t->auth_len)},
	    2, digest);
	digest[0] ^= t->other_ak;
	memcpy(t->qe + 320, digest, 32);
	tdx_forge_number(&at, t->outer_type, 2);
	tdx_forge_number(&at, 384 + 64 + 2 + t->auth_len + 6 + pem.len, 4);
	tdx_forge_bytes(&at, t->qe, 384);
	forge_sign(
	    t->pck.key, EVP_sha256(), bytes_of(t->qe, 384), signature, 32);
	tdx_forge_bytes(&at, signature, 64);
	tdx_forge_number(&at, t->auth_len, 2);
	tdx_forge_bytes(&at, t->auth, t->auth_len);
	tdx_forge_number(&at, t->inner_type, 2);
	tdx_forge_number(&at, pem.len, 4);
	tdx_forge_bytes(&at, pem.at, pem.len);
	tdx_forge_number(&length, (uint64_t)(at - length - 4), 4);
	return bytes_of(out, (size_t)(at - out) + 70);
}

#define TDX_FORGE_DATES                                                        \
	"\"issueDate\":\"2026-01-01T00:00:00Z\","                              \
	"\"nextUpdate\":\"2026-01-31T00:00:00Z\","                             \
	"\"tcbEvaluationDataNumber\":19,"

#define TDX_FORGE_DATE "\"tcbDate\":\"2025-05-14T00:00:00Z\","

/* One level: 16 SGX components, PCE, 16 TDX components. */
static inline const char *
tdx_forge_level(struct arena *a, unsigned sgx, unsigned pce, unsigned tdx,
    const char *status)
{
	char *s = arena_printf(a, "{\"tcb\":{\"sgxtcbcomponents\":[");
	int i;

	for (i = 0; i < 16; i++)
		s = arena_printf(a, "%s{\"svn\":%u}%s", s, i < 2 ? sgx : 0,
		    i < 15 ? "," : "");
	s = arena_printf(a, "%s],\"pcesvn\":%u,\"tdxtcbcomponents\":[", s, pce);
	for (i = 0; i < 16; i++)
		s = arena_printf(a, "%s{\"svn\":%u}%s", s,
		    i == 0   ? 5
		    : i == 2 ? tdx
			     : 0,
		    i < 15 ? "," : "");
	return arena_printf(a,
	    "%s]}," TDX_FORGE_DATE
	    "\"tcbStatus\":\"%s\",\"advisoryIDs\":[\"INTEL-SA-%s\"]}",
	    s, status, status);
}

#define TDX_FORGE_ZERO48                                                       \
	"000000000000000000000000000000000000000000000000"                     \
	"000000000000000000000000000000000000000000000000"
#define TDX_FORGE_MODULE                                                       \
	"\"mrsigner\":\"" TDX_FORGE_ZERO48 "\","                               \
	"\"attributes\":\"0000000000000000\","                                 \
	"\"attributesMask\":\"FFFFFFFFFFFFFFFF\""

/* TCB info with the given levels (a JSON list's inside). */
static inline const char *
tdx_forge_tcb_info(struct arena *a, const char *levels)
{
	return arena_printf(a,
	    "{\"id\":\"TDX\",\"version\":3," TDX_FORGE_DATES
	    "\"fmspc\":\"c0ffee000001\",\"pceId\":\"0000\",\"tcbType\":0,"
	    "\"tdxModule\":{" TDX_FORGE_MODULE "},"
	    "\"tdxModuleIdentities\":[{\"id\":\"TDX_01\"," TDX_FORGE_MODULE
	    ",\"tcbLevels\":["
	    "{\"tcb\":{\"isvsvn\":5}," TDX_FORGE_DATE
	    "\"tcbStatus\":\"UpToDate\"},"
	    "{\"tcb\":{\"isvsvn\":3}," TDX_FORGE_DATE
	    "\"tcbStatus\":\"OutOfDate\","
	    "\"advisoryIDs\":[\"INTEL-SA-module\"]}]}],"
	    "\"tcbLevels\":[%s]}",
	    levels);
}

static inline const char *
tdx_forge_sound_tcb_info(struct arena *a)
{
	return tdx_forge_tcb_info(a,
	    arena_printf(a, "%s,%s", tdx_forge_level(a, 8, 13, 3, "UpToDate"),
		tdx_forge_level(a, 4, 5, 2, "OutOfDate")));
}

static inline const char *
tdx_forge_sound_qe(void)
{
	return "{\"id\":\"TD_QE\",\"version\":2," TDX_FORGE_DATES
	       "\"miscselect\":\"00000000\",\"miscselectMask\":\"FFFFFFFF\","
	       "\"attributes\":\"11000000000000000000000000000000\","
	       "\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\","
	       "\"mrsigner\":\"DC9E0000000000000000000000000000"
	       "00000000000000000000000000000000\",\"isvprodid\":2,"
	       "\"tcbLevels\":["
	       "{\"tcb\":{\"isvsvn\":6}," TDX_FORGE_DATE
	       "\"tcbStatus\":\"UpToDate\"},"
	       "{\"tcb\":{\"isvsvn\":4}," TDX_FORGE_DATE
	       "\"tcbStatus\":\"OutOfDate\"}]}";
}

static inline struct text
tdx_forge_signature(struct tdx_forge *t, const char *message)
{
	char *hex = arena_alloc(t->a, HEX_SIZE(64));
	uint8_t rs[64];

	forge_sign(t->tcb.key, EVP_sha256(), bytes_of(message, strlen(message)),
	    rs, 32);
	hex_encode(bytes_of(rs, 64), hex);
	return text_of(hex);
}

/* Collateral as verified parts. */
static inline struct tdx_source
tdx_forge_source(struct tdx_forge *t)
{
	const struct forged tcb[] = {t->tcb, t->root};
	const struct forged ca[] = {t->ca, t->root};
	struct tdx_source s = {.root_crl = {NULL, 0}};
	int64_t next = FORGE_NOW + 10 * FORGE_DAY;

	if (t->tcb_info == NULL)
		t->tcb_info = tdx_forge_sound_tcb_info(t->a);
	if (t->qe_identity == NULL)
		t->qe_identity = tdx_forge_sound_qe();
	if (t->root_crl.len == 0)
		t->root_crl = forge_list(t->a, &t->root, 0, next);
	if (t->pck_crl.len == 0)
		t->pck_crl = forge_list(t->a, &t->ca, 0, next);
	s.tcb_info = text_of(t->tcb_info);
	s.tcb_info_signature = tdx_forge_signature(t, t->tcb_info);
	s.tcb_info_chain = s.qe_identity_chain = forged_pem(t->a, tcb, 2);
	s.qe_identity = text_of(t->qe_identity);
	s.qe_identity_signature = tdx_forge_signature(t, t->qe_identity);
	s.root_crl = t->root_crl;
	s.pck_crl = t->pck_crl;
	s.pck_crl_chain = forged_pem(t->a, ca, 2);
	return s;
}

/* The same as one JSON document. */
static inline char *
tdx_forge_bundle(struct tdx_forge *t)
{
	struct tdx_source s = tdx_forge_source(t);
	char *root = arena_alloc(t->a, HEX_SIZE(s.root_crl.len));
	char *pck = arena_alloc(t->a, HEX_SIZE(s.pck_crl.len));
	char *out, *kept;
	json_t *j;

	hex_encode(s.root_crl, root);
	hex_encode(s.pck_crl, pck);
	j = json_pack("{s:s%, s:s%, s:s%, s:s%, s:s%, s:s%, s:s, s:s, s:s%}",
	    "tcb_info", s.tcb_info.at, s.tcb_info.len, "tcb_info_signature",
	    s.tcb_info_signature.at, s.tcb_info_signature.len,
	    "tcb_info_issuer_chain", s.tcb_info_chain.at, s.tcb_info_chain.len,
	    "qe_identity", s.qe_identity.at, s.qe_identity.len,
	    "qe_identity_signature", s.qe_identity_signature.at,
	    s.qe_identity_signature.len, "qe_identity_issuer_chain",
	    s.qe_identity_chain.at, s.qe_identity_chain.len, "root_ca_crl",
	    root, "pck_crl", pck, "pck_crl_issuer_chain", s.pck_crl_chain.at,
	    s.pck_crl_chain.len);
	out = json_dumps(j, JSON_COMPACT);
	kept = arena_string(t->a, out);
	free(out);
	json_decref(j);
	return kept;
}

#endif
