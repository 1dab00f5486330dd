/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OCSP answers of our own making, for certificates of our own making: any
 * status, any times, any signer.
 */
#ifndef TESTS_UNIT_ATTESTATION_OCSP_FORGE_H
#define TESTS_UNIT_ATTESTATION_OCSP_FORGE_H

#include <openssl/ocsp.h>

#include "tests/unit/attestation_forge.h"

/* AIA with one OCSP access location, "http://x". */
static const uint8_t forge_responder[] = {0x30, 0x16, 0x30, 0x14, 0x06, 0x08,
    0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x86, 0x08, 'h', 't', 't',
    'p', ':', '/', '/', 'x'};

struct forge_answer {
	const struct forged *subject, *issuer;
	const struct forged *signer; /* NULL: the issuer */
	const EVP_MD *named_by;	     /* NULL: SHA-384 */
	const EVP_MD *signed_by;     /* NULL: SHA-384 */
	int status, reason;	     /* V_OCSP_CERTSTATUS_…; -1: no reason */
	bool twice;		     /* the certificate is spoken of again */
	bool critical;		     /* with an extension nobody knows */
	bool endless;		     /* without a next update */
	int64_t from, until, produced; /* Unix s; 0: an hour around now */
};

static inline ASN1_TIME *
forge_answer_time(int64_t wanted, int64_t otherwise)
{
	return ASN1_GENERALIZEDTIME_set(NULL, wanted != 0 ? wanted : otherwise);
}

static inline void
forge_answer_single(OCSP_BASICRESP *b, const struct forge_answer *w, int status)
{
	ASN1_TIME *from = forge_answer_time(w->from, FORGE_NOW - 3600);
	ASN1_TIME *until = forge_answer_time(w->until, FORGE_NOW + 3600);
	OCSP_CERTID *id =
	    OCSP_cert_to_id(w->named_by != NULL ? w->named_by : EVP_sha384(),
		w->subject->x509, w->issuer->x509);
	OCSP_SINGLERESP *one = OCSP_basic_add1_status(
	    b, id, status, w->reason, from, from, w->endless ? NULL : until);

	forge_must(one != NULL);
	if (w->critical)
		forge_must(
		    OCSP_SINGLERESP_add1_ext_i2d(
			one, NID_id_pkix_OCSP_archiveCutoff, from, 1, 0) == 1);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
}

/* The one field that OpenSSL would set to the present itself. */
static inline void
forge_answer_produced(OCSP_BASICRESP *b, const struct forge_answer *w)
{
	const ASN1_GENERALIZEDTIME *there = OCSP_resp_get0_produced_at(b);
	ASN1_GENERALIZEDTIME *writable;

	memcpy(&writable, &there, sizeof(writable));
	forge_must(
	    ASN1_GENERALIZEDTIME_set(writable,
		w->produced != 0 ? w->produced : FORGE_NOW - 1800) != NULL);
}

static inline struct bytes
forge_answer(struct arena *a, const struct forge_answer *w)
{
	const struct forged *signer = w->signer != NULL ? w->signer : w->issuer;
	OCSP_BASICRESP *b = OCSP_BASICRESP_new();
	OCSP_RESPONSE *whole;
	unsigned char *der = NULL;
	struct bytes out;
	int n;

	forge_answer_single(b, w, w->status);
	if (w->twice)
		forge_answer_single(b, w, V_OCSP_CERTSTATUS_GOOD);
	forge_answer_produced(b, w);
	forge_must(OCSP_basic_sign(b, signer->x509, signer->key,
		       w->signed_by != NULL ? w->signed_by : EVP_sha384(), NULL,
		       OCSP_NOTIME) == 1);
	whole = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, b);
	n = i2d_OCSP_RESPONSE(whole, &der);
	forge_must(n > 0);
	out = bytes_of(arena_copy(a, der, (size_t)n), (size_t)n);
	OPENSSL_free(der);
	OCSP_RESPONSE_free(whole);
	OCSP_BASICRESP_free(b);
	return out;
}

/* A responder's certificate, with or without its purpose (RFC 6960). */
static inline void
forge_delegate(struct forged *out, const struct forged *issuer, bool purpose,
    int64_t until)
{
	static const uint8_t signing[] = {0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06,
	    0x01, 0x05, 0x05, 0x07, 0x03, 0x09};
	struct forge_wish w = {.name = "OCSP responder",
	    .curve = "P-384",
	    .serial = 99,
	    .from = FORGE_NOW - 20 * FORGE_DAY,
	    .until = until};

	if (purpose) {
		w.extension[0].oid = "2.5.29.37";
		w.extension[0].value = bytes_of(signing, sizeof(signing));
	}
	forge(out, issuer, &w);
}

#endif
