/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL reads and writes the messages and finds the signer; what may sign,
 * for whom and when is judged here, as for chains: its own verification asks
 * the system's clock. Questions carry no nonce, because answers are kept.
 */
#include "attestation/ocsp.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/codec.h"
#include "base/crypto.h"

enum { SERIAL_MAX = 20, HASH = 48, HASH_HEX = 2 * HASH };

/* ------------------------------------------------------------------ reading */

/* The one encoding of what was read, so that no byte goes unread. */
static bool
is_canonical(OCSP_RESPONSE *whole, struct bytes der)
{
	unsigned char *again = NULL;
	int n = i2d_OCSP_RESPONSE(whole, &again);
	bool same = n > 0 && bytes_equal(bytes_of(again, (size_t)n), der);

	OPENSSL_free(again);
	return same;
}

static bool
basic_of(OCSP_RESPONSE *whole, OCSP_BASICRESP **out, struct fault *f)
{
	int status = OCSP_response_status(whole);

	if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL)
		return fault_set(f, FAULT_UNAVAILABLE,
		    "the OCSP responder refused: %s",
		    OCSP_response_status_str(status));
	*out = OCSP_response_get1_basic(whole);
	return *out != NULL ||
	       fault_set(f, FAULT_INVALID, "not a basic OCSP answer");
}

static bool
answer_read(struct bytes der, OCSP_BASICRESP **out, struct fault *f)
{
	const unsigned char *at = der.at;
	OCSP_RESPONSE *whole;
	bool ok;

	if (der.len == 0 || der.len > OCSP_BYTES_MAX)
		return fault_set(
		    f, FAULT_LIMIT, "OCSP answer of %zu bytes", der.len);
	whole = d2i_OCSP_RESPONSE(NULL, &at, (long)der.len);
	if (whole != NULL && at == der.at + der.len && is_canonical(whole, der))
		ok = basic_of(whole, out, f);
	else
		ok = fault_set(f, FAULT_INVALID, "not an OCSP answer in DER");
	OCSP_RESPONSE_free(whole);
	ERR_clear_error();
	return ok;
}

static bool
time_read(const ASN1_GENERALIZEDTIME *t, int64_t *ms, struct fault *f)
{
	return time_of_asn1(t, ms) ||
	       fault_set(
		   f, FAULT_INVALID, "OCSP answer without one of its times");
}

/* ------------------------------------------------------------------- signer */

static bool
signing_known(const OCSP_BASICRESP *b)
{
	const ASN1_OBJECT *oid;

	X509_ALGOR_get0(&oid, NULL, NULL, OCSP_resp_get0_tbs_sigalg(b));
	switch (OBJ_obj2nid(oid)) {
	case NID_ecdsa_with_SHA256:
	case NID_ecdsa_with_SHA384:
	case NID_ecdsa_with_SHA512:
	case NID_sha256WithRSAEncryption:
	case NID_sha384WithRSAEncryption:
	case NID_sha512WithRSAEncryption:
		return true;
	default:
		return false;
	}
}

static bool
key_fits(EVP_PKEY *key)
{
	if (key == NULL)
		return false;
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
		return EVP_PKEY_get_bits(key) >= 2048;
	return key_is_curve(key, "P-256") || key_is_curve(key, "P-384");
}

/* RFC 6960 4.2.2.2: a certificate of this very issuer, for this purpose. */
static bool
delegate_check(X509 *signer, X509 *issuer, int64_t now_ms,
    struct window *window, struct fault *f)
{
	bool elliptic =
	    EVP_PKEY_get_base_id(X509_get0_pubkey(issuer)) == EVP_PKEY_EC;
	const struct chain_rules rules = {
	    .signing = elliptic ? CHAIN_ECDSA : CHAIN_RSA, .now_ms = now_ms};

	if (!chain_check_link(signer, issuer, 0, &rules, f) ||
	    !chain_check_leaf(signer, &rules, f))
		return false;
	if (!(X509_get_extension_flags(signer) & EXFLAG_XKUSAGE) ||
	    !(X509_get_extended_key_usage(signer) & XKU_OCSP_SIGN))
		return fault_set(f, FAULT_UNTRUSTED,
		    "the OCSP answer's signer may not sign such answers");
	return chain_check_time(signer, now_ms, window, f);
}

static bool
signature_check(OCSP_BASICRESP *b, STACK_OF(X509) * known, X509 *issuer,
    int64_t now_ms, struct window *window, struct fault *f)
{
	X509 *signer = NULL;

	if (!signing_known(b))
		return fault_set(f, FAULT_UNSUPPORTED,
		    "OCSP answer signed in a way that is not accepted");
	if (OCSP_resp_get0_signer(b, &signer, known) != 1 ||
	    !key_fits(X509_get0_pubkey(signer)))
		return fault_set(f, FAULT_UNTRUSTED,
		    "the OCSP answer's signer is not known");
	if (!certificate_same(signer, issuer) &&
	    !delegate_check(signer, issuer, now_ms, window, f))
		return false;
	/* The signature alone: the signer has just been judged. */
	return OCSP_basic_verify(b, known, NULL, OCSP_NOVERIFY) == 1 ||
	       fault_set(f, FAULT_TAMPERED,
		   "the OCSP answer's signature does not hold");
}

static bool
signer_check(OCSP_BASICRESP *b, X509 *issuer, int64_t now_ms,
    struct window *window, struct fault *f)
{
	STACK_OF(X509) *known = sk_X509_new_null();
	bool ok;

	ok = known != NULL && sk_X509_push(known, issuer) > 0
		 ? signature_check(b, known, issuer, now_ms, window, f)
		 : fault_set(f, FAULT_INTERNAL, "no memory");
	sk_X509_free(known);
	ERR_clear_error();
	return ok;
}

/* -------------------------------------------------------------- the answer */

/* Nothing here is understood beyond the answer itself. */
static bool
extensions_check(OCSP_BASICRESP *b, OCSP_SINGLERESP *one, struct fault *f)
{
	if (OCSP_BASICRESP_get_ext_by_critical(b, 1, -1) >= 0 ||
	    OCSP_SINGLERESP_get_ext_by_critical(one, 1, -1) >= 0)
		return fault_set(f, FAULT_UNSUPPORTED,
		    "OCSP answer with a critical extension");
	return true;
}

/* Identifies only: that the issuer is meant is in the signature. */
static const EVP_MD *
digest_of(const ASN1_OBJECT *oid)
{
	switch (OBJ_obj2nid(oid)) {
	case NID_sha1:
		return EVP_sha1();
	case NID_sha256:
		return EVP_sha256();
	case NID_sha384:
		return EVP_sha384();
	default:
		return NULL;
	}
}

static bool
is_about(const OCSP_SINGLERESP *one, const ASN1_INTEGER *serial, X509 *issuer)
{
	OCSP_CERTID *id = OCSP_CERTID_dup(OCSP_SINGLERESP_get0_id(one));
	OCSP_CERTID *own = NULL;
	ASN1_OBJECT *oid;
	const EVP_MD *md = NULL;
	bool same;

	if (id != NULL && OCSP_id_get0_info(NULL, &oid, NULL, NULL, id) == 1)
		md = digest_of(oid);
	if (md != NULL)
		own = OCSP_cert_id_new(md, X509_get_subject_name(issuer),
		    X509_get0_pubkey_bitstr(issuer), serial);
	same = own != NULL && OCSP_id_cmp(own, id) == 0;
	OCSP_CERTID_free(own);
	OCSP_CERTID_free(id);
	return same;
}

static bool
single_find(OCSP_BASICRESP *b, const ASN1_INTEGER *serial, X509 *issuer,
    OCSP_SINGLERESP **out, struct fault *f)
{
	*out = NULL;
	for (int i = 0; i < OCSP_resp_count(b); i++) {
		OCSP_SINGLERESP *one = OCSP_resp_get0(b, i);

		if (!is_about(one, serial, issuer))
			continue;
		if (*out != NULL)
			return fault_set(f, FAULT_CONFLICT,
			    "OCSP answer that speaks twice of a certificate");
		*out = one;
	}
	return *out != NULL || fault_set(f, FAULT_CONFLICT,
				   "OCSP answer about another certificate");
}

struct single {
	int status;
	int reason;
	int64_t produced, from, until;
};

static bool
single_read(OCSP_BASICRESP *b, OCSP_SINGLERESP *one, struct single *out,
    struct fault *f)
{
	ASN1_GENERALIZEDTIME *revoked, *from, *until;

	out->reason = -1;
	out->status =
	    OCSP_single_get0_status(one, &out->reason, &revoked, &from, &until);
	if (!time_read(OCSP_resp_get0_produced_at(b), &out->produced, f) ||
	    !time_read(from, &out->from, f) ||
	    !time_read(until, &out->until, f))
		return false;
	out->until += 999;
	return out->until >= out->from || fault_set(f, FAULT_INVALID,
					      "OCSP answer that ends before it "
					      "begins");
}

/* From when it was known and signed, until it is to be renewed. */
static struct window
window_of(const struct single *s, const struct ocsp_rules *r)
{
	int64_t begun = s->from > s->produced ? s->from : s->produced;
	int64_t known = s->from < s->produced ? s->from : s->produced;
	struct window w = {begun - OCSP_SKEW_MS, s->until};

	if (r->max_age_s > 0 && known + r->max_age_s * 1000 < w.until)
		w.until = known + r->max_age_s * 1000;
	return w;
}

static bool
status_check(
    const struct single *s, bool allow_hold, X509 *certificate, struct fault *f)
{
	char name[64];

	if (s->status == V_OCSP_CERTSTATUS_GOOD)
		return true;
	if (!certificate_common_name(certificate, name, sizeof(name)))
		name[0] = '\0';
	if (s->status != V_OCSP_CERTSTATUS_REVOKED)
		return fault_set(f, FAULT_NOT_FOUND,
		    "the OCSP responder does not know certificate '%s'", name);
	return (allow_hold &&
		   s->reason == OCSP_REVOKED_STATUS_CERTIFICATEHOLD) ||
	       fault_set(f, FAULT_REVOKED,
		   "certificate '%s' is revoked, says the OCSP responder",
		   name);
}

static bool
single_judge(const struct single *s, const struct ocsp_rules *r,
    X509 *certificate, struct window *window, struct fault *f)
{
	struct window own = window_of(s, r);
	char at[RFC3339_TEXT];

	if (r->now_ms < own.from) {
		time_to_rfc3339(own.from + OCSP_SKEW_MS, at);
		return fault_set(f, FAULT_NOT_YET_VALID,
		    "OCSP answer of %s, which has not come yet", at);
	}
	if (!status_check(s, r->allow_hold, certificate, f))
		return false;
	if (r->now_ms > own.until) {
		time_to_rfc3339(own.until - 999, at);
		return fault_set(
		    f, FAULT_STALE, "OCSP answer was to be renewed by %s", at);
	}
	*window = window_meet(*window, own);
	return true;
}

bool
ocsp_verify(struct bytes der, X509 *certificate, X509 *issuer,
    const struct ocsp_rules *r, struct window *window, struct fault *f)
{
	OCSP_BASICRESP *b = NULL;
	OCSP_SINGLERESP *one;
	struct single s;
	bool ok;

	*window = WINDOW_ALWAYS;
	if (!answer_read(der, &b, f))
		return false;
	ok = signer_check(b, issuer, r->now_ms, window, f) &&
	     single_find(
		 b, X509_get0_serialNumber(certificate), issuer, &one, f) &&
	     extensions_check(b, one, f) && single_read(b, one, &s, f) &&
	     single_judge(&s, r, certificate, window, f);
	OCSP_BASICRESP_free(b);
	return ok;
}

bool
ocsp_peek(struct bytes der, struct ocsp_times *out, struct fault *f)
{
	OCSP_BASICRESP *b = NULL;
	struct single s;
	bool ok = true;

	*out = (struct ocsp_times){INT64_MAX, INT64_MAX, INT64_MAX};
	if (!answer_read(der, &b, f))
		return false;
	for (int i = 0; ok && i < OCSP_resp_count(b); i++) {
		ok = single_read(b, OCSP_resp_get0(b, i), &s, f);
		if (!ok)
			break;
		out->produced = s.produced;
		if (s.from < out->this_update)
			out->this_update = s.from;
		if (s.until < out->next_update)
			out->next_update = s.until;
	}
	OCSP_BASICRESP_free(b);
	return ok;
}

/* ----------------------------------------------------------------- questions
 */

bool
ocsp_is_offered(X509 *certificate)
{
	STACK_OF(OPENSSL_STRING) *urls = X509_get1_ocsp(certificate);
	bool offered = sk_OPENSSL_STRING_num(urls) > 0;

	X509_email_free(urls);
	ERR_clear_error();
	return offered;
}

static char *
hex_of(struct arena *a, const ASN1_STRING *s)
{
	struct bytes b =
	    bytes_of(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
	char *out = arena_alloc(a, HEX_SIZE(b.len));

	hex_encode(b, out);
	return out;
}

const char *
ocsp_name(struct arena *a, X509 *certificate, X509 *issuer)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
	int len = ASN1_STRING_length(serial);
	ASN1_OCTET_STRING *name, *key;
	const char *out = NULL;
	OCSP_CERTID *id;

	if (len < 1 || len > SERIAL_MAX ||
	    ASN1_STRING_type(serial) != V_ASN1_INTEGER)
		return NULL;
	id = OCSP_cert_to_id(EVP_sha384(), certificate, issuer);
	if (id != NULL && OCSP_id_get0_info(&name, NULL, &key, NULL, id) == 1)
		out = arena_printf(a, OCSP_NAME_PREFIX "%s/%s/%s",
		    hex_of(a, name), hex_of(a, key), hex_of(a, serial));
	OCSP_CERTID_free(id);
	return out;
}

struct question {
	uint8_t name[HASH], key[HASH], serial[SERIAL_MAX];
	size_t serial_len;
};

static bool
hex_part(struct text t, uint8_t *out, size_t size, size_t *len)
{
	for (size_t i = 0; i < t.len; i++)
		if (t.at[i] >= 'A' && t.at[i] <= 'F')
			return false; /* one name for one question */
	return hex_decode(t, out, size, len);
}

static bool
question_read(const char *name, struct question *q)
{
	const size_t prefix = strlen(OCSP_NAME_PREFIX);
	const char *at = name + prefix;
	size_t len;

	if (strncmp(name, OCSP_NAME_PREFIX, prefix) != 0 ||
	    strlen(at) <= 2 * (HASH_HEX + 1) || at[HASH_HEX] != '/' ||
	    at[2 * HASH_HEX + 1] != '/')
		return false;
	return hex_part((struct text){at, HASH_HEX}, q->name, HASH, &len) &&
	       hex_part((struct text){at + HASH_HEX + 1, HASH_HEX}, q->key,
		   HASH, &len) &&
	       hex_part(text_of(at + 2 * (HASH_HEX + 1)), q->serial,
		   sizeof(q->serial), &q->serial_len) &&
	       q->serial_len > 0;
}

/* Whether that issuer is the one that the name speaks of. */
static bool
question_is_to(
    const struct question *q, const ASN1_INTEGER *serial, X509 *issuer)
{
	OCSP_CERTID *id =
	    OCSP_cert_id_new(EVP_sha384(), X509_get_subject_name(issuer),
		X509_get0_pubkey_bitstr(issuer), serial);
	ASN1_OCTET_STRING *name, *key;
	bool same = id != NULL &&
		    OCSP_id_get0_info(&name, NULL, &key, NULL, id) == 1 &&
		    memcmp(ASN1_STRING_get0_data(name), q->name, HASH) == 0 &&
		    memcmp(ASN1_STRING_get0_data(key), q->key, HASH) == 0;

	OCSP_CERTID_free(id);
	return same;
}

static bool
genuine_check(struct bytes der, const ASN1_INTEGER *serial, X509 *issuer,
    int64_t now_ms, struct fault *f)
{
	struct window window = WINDOW_ALWAYS;
	OCSP_BASICRESP *b = NULL;
	OCSP_SINGLERESP *one;
	bool ok;

	if (!answer_read(der, &b, f))
		return false;
	ok = signer_check(b, issuer, now_ms, &window, f) &&
	     single_find(b, serial, issuer, &one, f) &&
	     extensions_check(b, one, f);
	OCSP_BASICRESP_free(b);
	return ok;
}

bool
ocsp_is_genuine(struct bytes der, const char *name, X509 *issuer,
    int64_t now_ms, struct fault *f)
{
	ASN1_INTEGER *serial = ASN1_INTEGER_new();
	struct question q;
	bool ok;

	if (serial == NULL || !question_read(name, &q) ||
	    !ASN1_STRING_set(serial, q.serial, (int)q.serial_len) ||
	    !question_is_to(&q, serial, issuer))
		ok = fault_set(f, FAULT_NOT_FOUND,
		    "%.80s is not about a certificate of this issuer", name);
	else
		ok = genuine_check(der, serial, issuer, now_ms, f);
	ASN1_INTEGER_free(serial);
	ERR_clear_error();
	return ok;
}

/* A request of one certificate (RFC 6960 4.1.1) in DER. */
static unsigned char *
question_write(const struct question *q, int *len)
{
	OCSP_REQUEST *request = OCSP_REQUEST_new();
	X509_NAME *nobody = X509_NAME_new();
	ASN1_BIT_STRING *key = ASN1_BIT_STRING_new();
	ASN1_INTEGER *serial = ASN1_INTEGER_new();
	ASN1_OCTET_STRING *by_name, *by_key;
	unsigned char *der = NULL;
	OCSP_CERTID *id = NULL;

	*len = -1;
	if (request == NULL || nobody == NULL || key == NULL ||
	    serial == NULL ||
	    !ASN1_STRING_set(serial, q->serial, (int)q->serial_len))
		goto out;
	id = OCSP_cert_id_new(EVP_sha384(), nobody, key, serial);
	if (id == NULL || !OCSP_id_get0_info(&by_name, NULL, &by_key, NULL, id))
		goto out;
	if (ASN1_STRING_set(by_name, q->name, HASH) == 1 &&
	    ASN1_STRING_set(by_key, q->key, HASH) == 1 &&
	    OCSP_request_add0_id(request, id) != NULL) {
		id = NULL;
		*len = i2d_OCSP_REQUEST(request, &der);
	}
out:
	OCSP_CERTID_free(id);
	ASN1_INTEGER_free(serial);
	ASN1_BIT_STRING_free(key);
	X509_NAME_free(nobody);
	OCSP_REQUEST_free(request);
	return der;
}

bool
ocsp_question(
    struct arena *a, const char *name, struct bytes *out, struct fault *f)
{
	struct question q;
	unsigned char *der;
	int len;

	if (!question_read(name, &q))
		return fault_set(f, FAULT_INVALID,
		    "%.80s is not the name of an OCSP answer", name);
	der = question_write(&q, &len);
	ERR_clear_error();
	if (len <= 0)
		return fault_set(
		    f, FAULT_INTERNAL, "an OCSP question was not written");
	*out = bytes_of(arena_copy(a, der, (size_t)len), (size_t)len);
	OPENSSL_free(der);
	return true;
}
