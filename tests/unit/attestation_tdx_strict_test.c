/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a TDX quote and its collateral are made of, bent one piece at a time:
 * lengths, certification data, the PCK extension, chains and lists. What a
 * sound host may do as well is accepted here, so that strict stays exact.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/attestation_tdx_judge.h"

enum { V4_SIGNATURE = 48 + 584, CERTIFICATION = V4_SIGNATURE + 4 + 128 };

static uint8_t *
copy(struct tdx_forge *t, struct bytes quote)
{
	return (uint8_t *)arena_copy(t->a, quote.at, quote.len);
}

static struct verdict
judge_bytes(struct tdx_forge *t, const uint8_t *at, size_t len)
{
	struct tdx_source s = tdx_forge_source(t);

	return tdx_judge_parts(t, bytes_of(at, len), &s);
}

/* One number in the quote is another. */
static void
altered(struct tdx_forge *t, size_t at, size_t width, uint64_t n,
    enum verdict_code code, const char *check)
{
	struct bytes quote = tdx_forge_quote(t);
	uint8_t *b = copy(t, quote), *place = b + at;

	tdx_forge_number(&place, n, width);
	tdx_refused(judge_bytes(t, b, quote.len), code, check);
}

static void
test_header(void **state)
{
	struct tdx_forge *t = *state;

	altered(t, 0, 2, 2, CODE_UNSUPPORTED, "tdx.quote_format");
	altered(t, 0, 2, 0x104, CODE_UNSUPPORTED, "tdx.quote_format");
	altered(t, 2, 2, 3, CODE_UNSUPPORTED, "tdx.quote_format");
	altered(t, 4, 4, 0, CODE_UNSUPPORTED, "tdx.quote_format");
	altered(t, 4, 4, 0x10081, CODE_UNSUPPORTED, "tdx.quote_format");
	altered(t, 12, 1, 0, CODE_UNSUPPORTED, "tdx.qe_vendor");
	altered(t, 8, 4, 1, CODE_TAMPERED, "tdx.quote_signature");
}

static void
test_lengths(void **state)
{
	struct tdx_forge *t = *state;
	const size_t auth = CERTIFICATION + 6 + 384 + 64;
	const size_t inner = auth + 2 + 32;

	altered(
	    t, V4_SIGNATURE, 4, 0xffffffff, CODE_MALFORMED, "tdx.quote_format");
	altered(t, V4_SIGNATURE, 4, 0, CODE_MALFORMED, "tdx.quote_format");
	altered(t, CERTIFICATION, 2, 5, CODE_UNSUPPORTED, "tdx.quote_format");
	altered(t, CERTIFICATION + 2, 4, 0xfffffff0, CODE_MALFORMED,
	    "tdx.quote_format");
	altered(
	    t, CERTIFICATION + 2, 4, 100, CODE_MALFORMED, "tdx.quote_format");
	altered(t, auth, 2, 0xffff, CODE_MALFORMED, "tdx.quote_format");
	altered(t, auth, 2, 33, CODE_MALFORMED, "tdx.quote_format");
	altered(t, inner, 2, 6, CODE_UNSUPPORTED, "tdx.quote_format");
	altered(
	    t, inner + 2, 4, 0xfffffff0, CODE_MALFORMED, "tdx.quote_format");
	for (int type = 0; type < 9; type++) {
		t->inner_type = (uint16_t)type;
		if (type != 5)
			tdx_refused(
			    tdx_judge(t), CODE_UNSUPPORTED, "tdx.quote_format");
	}
}

static void
test_descriptor(void **state)
{
	struct tdx_forge *t = *state;

	t->version = 5;
	altered(t, 48, 2, 1, CODE_UNSUPPORTED, "tdx.quote_format");
	altered(t, 48, 2, 4, CODE_UNSUPPORTED, "tdx.quote_format");
	altered(t, 48, 2, 3, CODE_MALFORMED, "tdx.quote_format");
	altered(t, 50, 4, 648, CODE_MALFORMED, "tdx.quote_format");
	altered(t, 50, 4, 0, CODE_MALFORMED, "tdx.quote_format");
	t->is_15 = true;
	altered(t, 48, 2, 2, CODE_MALFORMED, "tdx.quote_format");
	altered(t, 54 + TDX_FORGE_SVN_2, 1, 9, CODE_TAMPERED,
	    "tdx.quote_signature");
}

/* Hosts pad their buffers; nothing that they pad with matters. */
static void
test_padding(void **state)
{
	struct tdx_forge *t = *state;
	struct bytes quote = tdx_forge_quote(t);
	uint8_t *b = arena_alloc(t->a, TDX_QUOTE_MAX + 1);

	memcpy(b, quote.at, quote.len);
	memset(b + quote.len - 70, 0xff, 70);
	tdx_holds(judge_bytes(t, b, quote.len), "UpToDate");
	tdx_holds(judge_bytes(t, b, quote.len - 70), "UpToDate");
	tdx_holds(judge_bytes(t, b, TDX_QUOTE_MAX), "UpToDate");
	tdx_refused(judge_bytes(t, b, TDX_QUOTE_MAX + 1), CODE_MALFORMED,
	    "tdx.quote_format");
}

/* A key that is no point of the curve, bound as it should be. */
static void
test_key_off_the_curve(void **state)
{
	struct tdx_forge *t = *state;
	struct bytes quote = tdx_forge_quote(t);
	uint8_t *b = copy(t, quote), *key = b + V4_SIGNATURE + 4 + 64;
	uint8_t *qe = b + CERTIFICATION + 6, digest[32];

	key[63] ^= 1;
	sha256_parts((const struct bytes[]){bytes_of(key, 64),
			 bytes_of(t->auth, t->auth_len)},
	    2, digest);
	memcpy(qe + 320, digest, 32);
	forge_sign(t->pck.key, EVP_sha256(), bytes_of(qe, 384), qe + 384, 32);
	tdx_refused(
	    judge_bytes(t, b, quote.len), CODE_TAMPERED, "tdx.quote_signature");
}

/* What the extension says, with one change to its bytes. */
static void
extension(struct tdx_forge *t, struct bytes value)
{
	struct forge_wish w = {.name = "Intel SGX PCK Certificate",
	    .curve = "P-256",
	    .serial = 14};

	if (value.len > 0) {
		w.extension[0].oid = "1.2.840.113741.1.13.1";
		w.extension[0].value = value;
	}
	forged_free(&t->pck);
	forge(&t->pck, &t->ca, &w);
}

/* Where a pair begins whose OID ends in these numbers. */
static uint8_t *
pair_at(struct tdx_forge *t, struct bytes *e, const char *below, size_t depth)
{
	static const uint8_t arc[] = {
	    0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};
	uint8_t oid[16], *at;

	*e = tdx_forge_extension(t->a);
	at = (uint8_t *)arena_copy(t->a, e->at, e->len);
	*e = bytes_of(at, e->len);
	oid[0] = 0x06;
	oid[1] = (uint8_t)(sizeof(arc) + depth);
	memcpy(oid + 2, arc, sizeof(arc));
	memcpy(oid + 2 + sizeof(arc), below, depth);
	at = memmem(at, e->len, oid, 2 + sizeof(arc) + depth);
	forge_must(at != NULL);
	return at;
}

static void
test_pck_extension(void **state)
{
	struct tdx_forge *t = *state;
	struct bytes e;
	uint8_t *at;

	extension(t, bytes_of(NULL, 0));
	tdx_refused(tdx_judge(t), CODE_MALFORMED, "tdx.pck_extension");
	extension(t, bytes_of("\x30\x00", 2));
	tdx_refused(tdx_judge(t), CODE_MALFORMED, "tdx.pck_extension");
	/* Said twice, left out, and of another kind. */
	at = pair_at(t, &e, "\x03", 1);
	at[11] = 4;
	extension(t, e);
	tdx_refused(tdx_judge(t), CODE_MALFORMED, "tdx.pck_extension");
	at = pair_at(t, &e, "\x04", 1);
	at[11] = 9;
	extension(t, e);
	tdx_refused(tdx_judge(t), CODE_MALFORMED, "tdx.pck_extension");
	at = pair_at(t, &e, "\x02\x05", 2);
	at[12] = 6;
	extension(t, e);
	tdx_refused(tdx_judge(t), CODE_MALFORMED, "tdx.pck_extension");
	at = pair_at(t, &e, "\x04", 1);
	at[12] = 0x0c;
	extension(t, e);
	tdx_refused(tdx_judge(t), CODE_MALFORMED, "tdx.pck_extension");
	/* A negative number of the PCE. */
	at = pair_at(t, &e, "\x02\x11", 2);
	at[15] = 0x80;
	extension(t, e);
	tdx_refused(tdx_judge(t), CODE_MALFORMED, "tdx.pck_extension");
	e = tdx_forge_extension(t->a);
	extension(t, bytes_of(e.at, e.len - 1));
	tdx_refused(tdx_judge(t), CODE_MALFORMED, "tdx.pck_extension");
}

/* Members may stand in any order; what they say is held to the collateral. */
static void
test_pck_platform(void **state)
{
	struct tdx_forge *t = *state;
	struct bytes e;
	uint8_t *at = pair_at(t, &e, "\x04", 1);

	at[14] ^= 1;
	extension(t, e);
	tdx_refused(tdx_judge(t), CODE_MISMATCH, "tdx.fmspc");
	at = pair_at(t, &e, "\x03", 1);
	at[14] ^= 1;
	extension(t, e);
	tdx_refused(tdx_judge(t), CODE_MISMATCH, "tdx.pceid");
	at = pair_at(t, &e, "\x02\x01", 2);
	at[15] = 7;
	extension(t, e);
	tdx_holds(tdx_judge(t), "OutOfDate");
	/* The second component before the first. */
	at = pair_at(t, &e, "\x02\x01", 2);
	at[12] = 2;
	at = (uint8_t *)(uintptr_t)memmem(at + 13, 30, "\x02\x02\x02", 3);
	at[1] = 1;
	extension(t, e);
	tdx_holds(tdx_judge(t), "UpToDate");
}

static void
test_pck_chain(void **state)
{
	struct tdx_forge *t = *state;
	struct forged kept = t->pck;

	/* A PCK certificate that could issue further ones. */
	t->pck = (struct forged){NULL, NULL};
	forge(&t->pck, &t->ca,
	    &(struct forge_wish){.name = "Intel SGX PCK Certificate",
		.curve = "P-256",
		.ca = true});
	tdx_refused(tdx_judge(t), CODE_UNTRUSTED, "tdx.pck_chain");
	forged_free(&t->pck);
	/* Issued by the root itself, or by a leaf. */
	forge(&t->pck, &t->root,
	    &(struct forge_wish){
		.name = "Intel SGX PCK Certificate", .curve = "P-256"});
	tdx_refused(tdx_judge(t), CODE_UNTRUSTED, "tdx.pck_chain");
	forged_free(&t->pck);
	t->pck = kept;
	tdx_holds(tdx_judge(t), "UpToDate");
}

static struct text
pem(struct tdx_forge *t, const struct forged *a, const struct forged *b)
{
	const struct forged chain[] = {*a, *b};

	return forged_pem(t->a, chain, 2);
}

/* Each certificate plays the part that its name says, and no other. */
static void
test_collateral_chains(void **state)
{
	struct tdx_forge *t = *state;
	struct bytes quote = tdx_forge_quote(t);
	struct tdx_source sound = tdx_forge_source(t), s = sound;
	const struct forged three[] = {t->pck, t->ca, t->root};

	s.tcb_info_chain = forged_pem(t->a, three, 3);
	tdx_refused(tdx_judge_parts(t, quote, &s), CODE_MALFORMED,
	    "tdx.tcb_info_chain");
	s.tcb_info_chain = pem(t, &t->pck, &t->root);
	tdx_refused(tdx_judge_parts(t, quote, &s), CODE_UNTRUSTED,
	    "tdx.tcb_info_chain");
	s.tcb_info_chain = pem(t, &t->ca, &t->root);
	tdx_refused(tdx_judge_parts(t, quote, &s), CODE_UNTRUSTED,
	    "tdx.tcb_info_chain");
	s.tcb_info_chain = pem(t, &t->root, &t->tcb);
	tdx_refused(tdx_judge_parts(t, quote, &s), CODE_UNTRUSTED,
	    "tdx.tcb_info_chain");
	s = sound;
	s.qe_identity_chain = pem(t, &t->ca, &t->root);
	tdx_refused(tdx_judge_parts(t, quote, &s), CODE_UNTRUSTED,
	    "tdx.qe_identity_chain");
	s = sound;
	s.pck_crl_chain = pem(t, &t->tcb, &t->root);
	tdx_refused(tdx_judge_parts(t, quote, &s), CODE_UNTRUSTED,
	    "tdx.pck_crl_signer");
	s = sound;
	s.tcb_info_signature.len--;
	tdx_refused(tdx_judge_parts(t, quote, &s), CODE_MALFORMED,
	    "tdx.tcb_info_signature");
	s = sound;
	s.qe_identity_signature = sound.tcb_info_signature;
	tdx_refused(tdx_judge_parts(t, quote, &s), CODE_TAMPERED,
	    "tdx.qe_identity_signature");
}

/* A signer of Intel's that is called otherwise. */
static void
test_signer_by_name(void **state)
{
	struct tdx_forge *t = *state;
	struct bytes quote = tdx_forge_quote(t);
	struct tdx_source s;

	forged_free(&t->tcb);
	forge(&t->tcb, &t->root,
	    &(struct forge_wish){.name = "Intel SGX TCB Signing 2",
		.curve = "P-256",
		.serial = 12});
	s = tdx_forge_source(t);
	tdx_refused(tdx_judge_parts(t, quote, &s), CODE_UNTRUSTED,
	    "tdx.tcb_info_signer");
}

/* The Processor CA issues PCK certificates as well as the Platform CA; a list
 * by one says nothing about those of the other. */
static void
test_processor_ca(void **state)
{
	struct tdx_forge *t = *state;
	struct bytes other = tdx_forge_quote(t);
	struct tdx_source s;

	forged_free(&t->ca);
	forge(&t->ca, &t->root,
	    &(struct forge_wish){.name = "Intel SGX PCK Processor CA",
		.curve = "P-256",
		.ca = true,
		.serial = 13});
	tdx_forge_pck(t, 14, 0, 0, "Intel SGX PCK Certificate");
	tdx_holds(tdx_judge(t), "UpToDate");
	s = tdx_forge_source(t);
	tdx_refused(
	    tdx_judge_parts(t, other, &s), CODE_MISMATCH, "tdx.pck_chain");
}

struct list_wish {
	const struct forged *issuer; /* by name */
	const struct forged *key;
	int64_t from, until; /* until 0: no next update */
	int nid;	     /* of a further extension, the number 7; 0: none */
	bool critical;
	const EVP_MD *digest;
};

static struct bytes
list(struct tdx_forge *t, const struct list_wish *w)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *at = ASN1_TIME_new();
	unsigned char *der = NULL;
	struct bytes out;
	int n;

	X509_CRL_set_version(crl, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(w->issuer->x509));
	ASN1_TIME_set(at, w->from);
	X509_CRL_set1_lastUpdate(crl, at);
	if (w->until != 0) {
		ASN1_TIME_set(at, w->until);
		X509_CRL_set1_nextUpdate(crl, at);
	}
	if (w->nid != 0) {
		ASN1_INTEGER *seven = ASN1_INTEGER_new();

		ASN1_INTEGER_set(seven, 7);
		forge_must(X509_CRL_add1_ext_i2d(
			       crl, w->nid, seven, w->critical, 0) == 1);
		ASN1_INTEGER_free(seven);
	}
	forge_must(X509_CRL_sign(crl, w->key->key,
		       w->digest != NULL ? w->digest : EVP_sha256()) > 0);
	n = i2d_X509_CRL(crl, &der);
	out = bytes_of(arena_copy(t->a, der, (size_t)n), (size_t)n);
	OPENSSL_free(der);
	ASN1_TIME_free(at);
	X509_CRL_free(crl);
	return out;
}

static void
pck_list(struct tdx_forge *t, struct bytes quote, struct list_wish w,
    enum verdict_code code, const char *check)
{
	struct tdx_source s;

	t->pck_crl = list(t, &w);
	s = tdx_forge_source(t);
	tdx_refused(tdx_judge_parts(t, quote, &s), code, check);
}

static void
test_lists(void **state)
{
	struct tdx_forge *t = *state;
	struct bytes quote = tdx_forge_quote(t);
	const int64_t from = FORGE_NOW - FORGE_DAY;
	const int64_t until = FORGE_NOW + FORGE_DAY;
	struct list_wish w = {&t->ca, &t->ca, from, until, 0, false, NULL};

	t->pck_crl = list(t, &w);
	tdx_holds(tdx_judge(t), "UpToDate");
	w.digest = EVP_sha1();
	pck_list(t, quote, w, CODE_UNSUPPORTED, "tdx.pck_crl");
	w.digest = NULL;
	w.until = 0;
	pck_list(t, quote, w, CODE_MALFORMED, "tdx.pck_crl");
	w.until = until;
	w.key = &t->root;
	pck_list(t, quote, w, CODE_TAMPERED, "tdx.pck_crl");
	w.issuer = &t->root;
	pck_list(t, quote, w, CODE_MISMATCH, "tdx.pck_crl");
	w = (struct list_wish){
	    &t->ca, &t->ca, FORGE_NOW + 1, until, 0, NULL, NULL};
	pck_list(t, quote, w, CODE_NOT_YET_VALID, "tdx.pck_crl_time");
	w.from = from;
	w.nid = NID_delta_crl;
	pck_list(t, quote, w, CODE_UNSUPPORTED, "tdx.pck_crl");
	w.nid = NID_inhibit_any_policy;
	w.critical = true;
	pck_list(t, quote, w, CODE_UNSUPPORTED, "tdx.pck_crl");
	w.nid = NID_crl_number;
	t->pck_crl = list(t, &w);
	tdx_holds(tdx_judge(t), "UpToDate");
}

static void
test_root_list(void **state)
{
	struct tdx_forge *t = *state;
	struct bytes quote = tdx_forge_quote(t);
	const int64_t from = FORGE_NOW - FORGE_DAY;
	struct list_wish w = {
	    &t->root, &t->root, from, FORGE_NOW - 1, 0, false, NULL};
	struct tdx_source s;

	t->root_crl = list(t, &w);
	s = tdx_forge_source(t);
	tdx_refused(
	    tdx_judge_parts(t, quote, &s), CODE_STALE, "tdx.root_crl_time");
	w.until = FORGE_NOW + FORGE_DAY;
	w.key = &t->ca;
	t->root_crl = list(t, &w);
	s = tdx_forge_source(t);
	tdx_refused(
	    tdx_judge_parts(t, quote, &s), CODE_TAMPERED, "tdx.root_crl");
	s.root_crl = bytes_of("", 0);
	tdx_refused(
	    tdx_judge_parts(t, quote, &s), CODE_MALFORMED, "tdx.root_crl");
	s.root_crl = s.pck_crl;
	tdx_refused(
	    tdx_judge_parts(t, quote, &s), CODE_MISMATCH, "tdx.root_crl");
}

/* Cut, or with a byte more, anywhere. */
static void
test_list_bytes(void **state)
{
	struct tdx_forge *t = *state;
	struct bytes quote = tdx_forge_quote(t), whole;
	struct tdx_source s;
	uint8_t *more;
	size_t n;

	t->pck_crl = forge_list(t->a, &t->ca, 77, FORGE_NOW + FORGE_DAY);
	s = tdx_forge_source(t);
	whole = s.pck_crl;
	tdx_holds(tdx_judge_parts(t, quote, &s), "UpToDate");
	for (n = 0; n < whole.len; n++) {
		s.pck_crl = bytes_of(whole.at, n);
		tdx_refused(tdx_judge_parts(t, quote, &s), CODE_MALFORMED,
		    "tdx.pck_crl");
	}
	more = (uint8_t *)arena_copy(t->a, whole.at, whole.len);
	s.pck_crl = bytes_of(more, whole.len + 1);
	tdx_refused(
	    tdx_judge_parts(t, quote, &s), CODE_MALFORMED, "tdx.pck_crl");
	s.pck_crl.len--;
	for (n = 0; n < whole.len; n++) {
		struct verdict v;

		more[n] ^= 1;
		v = tdx_judge_parts(t, quote, &s);
		assert_int_equal(v.outcome, VERDICT_ERROR);
		more[n] ^= 1;
	}
}

/* Issued and next update of both statements, to the second. */
static void
test_dates(void **state)
{
	/* clang-format off */
	static const struct {
		const char *from, *to;
		enum verdict_code code;
	} dates[] = {
		{"issueDate\":\"2026-01-01T", "issueDate\":\"2026-01-16T",
		    CODE_NOT_YET_VALID},
		{"nextUpdate\":\"2026-01-31T", "nextUpdate\":\"2026-01-14T",
		    CODE_STALE},
	};
	/* clang-format on */
	struct tdx_forge *t = *state;

	for (int i = 0; i < 2; i++) {
		t->tcb_info = tdx_swap(t->a, tdx_forge_sound_tcb_info(t->a),
		    dates[i].from, dates[i].to);
		t->qe_identity = NULL;
		tdx_refused(tdx_judge(t), dates[i].code, "tdx.tcb_info_time");
		t->tcb_info = NULL;
		t->qe_identity = tdx_swap(
		    t->a, tdx_forge_sound_qe(), dates[i].from, dates[i].to);
		tdx_refused(
		    tdx_judge(t), dates[i].code, "tdx.qe_identity_time");
	}
}

/* Without a policy that allows it, a TD that may be moved is refused; what
 * protects keys inside is not asked about. */
static void
test_attributes_without_policy(void **state)
{
	struct tdx_forge *t = *state;

	t->body[TDX_FORGE_ATTRIBUTES + 3] |= 0xc0;
	t->body[TDX_FORGE_ATTRIBUTES + 7] |= 0x80;
	tdx_holds(tdx_judge(t), "UpToDate");
	t->body[TDX_FORGE_ATTRIBUTES + 3] |= 0x20;
	tdx_refused(tdx_judge(t), CODE_POLICY, "tdx.td_migratable");
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, tdx_start, tdx_end)
	const struct CMUnitTest tests[] = {
	    T(test_header),
	    T(test_lengths),
	    T(test_descriptor),
	    T(test_padding),
	    T(test_key_off_the_curve),
	    T(test_pck_extension),
	    T(test_pck_platform),
	    T(test_pck_chain),
	    T(test_collateral_chains),
	    T(test_signer_by_name),
	    T(test_processor_ca),
	    T(test_lists),
	    T(test_root_list),
	    T(test_list_bytes),
	    T(test_dates),
	    T(test_attributes_without_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
