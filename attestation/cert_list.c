/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a revocation list as one pass over its DER (RFC 5280 5.1). Every
 * field is in its place or the whole is refused: an entry that could not be
 * read could be the one that counts.
 */
#include "attestation/cert_list.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "attestation/der.h"

#define DER_EXTENSIONS 0xa0

/* clang-format off */
static const uint8_t oid_number[] = {0x55, 0x1d, 0x14};
static const uint8_t oid_delta[] = {0x55, 0x1d, 0x1b};
static const uint8_t oid_distribution[] = {0x55, 0x1d, 0x1c};
static const uint8_t oid_authority_key[] = {0x55, 0x1d, 0x23};
/* clang-format on */

#define IS(b, constant) bytes_equal((b), bytes_of((constant), sizeof(constant)))

static bool
broken(struct fault *f)
{
	return fault_set(f, FAULT_INVALID, "not a revocation list");
}

/* The serial number of an entry (RFC 5280 5.1.2.6). */
static bool
take_entry(struct bytes *in, struct bytes *serial)
{
	struct bytes one, date, more;

	if (!der_take(in, DER_SEQUENCE, &one) ||
	    !der_take(&one, DER_INTEGER, serial) || serial->len == 0)
		return false;
	if (!der_take(&one, DER_UTC_TIME, &date) &&
	    !der_take(&one, DER_GENERALIZED_TIME, &date))
		return false;
	return one.len == 0 ||
	       (der_take(&one, DER_SEQUENCE, &more) && one.len == 0);
}

static bool
read_entries(struct bytes *in, struct cert_list *l)
{
	struct bytes rest, serial;

	/* The list is left out where it would be empty. */
	if (!der_take(in, DER_SEQUENCE, &l->entries))
		return true;
	for (rest = l->entries; rest.len > 0;)
		if (!take_entry(&rest, &serial))
			return false;
	return true;
}

/* An issuing distribution point or delta indicator narrows what a list says;
 * such a list is no answer to "is it revoked?". */
static bool
read_extensions(struct bytes in, struct fault *f)
{
	struct bytes all, oid, value;
	bool critical;

	if (!der_only(in, DER_SEQUENCE, &all))
		return broken(f);
	while (all.len > 0) {
		if (!cert_take_extension(&all, &oid, &critical, &value))
			return broken(f);
		if (IS(oid, oid_delta) || IS(oid, oid_distribution) ||
		    (critical && !IS(oid, oid_number) &&
			!IS(oid, oid_authority_key)))
			return fault_set(f, FAULT_UNSUPPORTED,
			    "revocation list that does not cover all its "
			    "issuer's certificates");
	}
	return true;
}

static bool
read_window(struct bytes *in, struct cert_list *l, struct fault *f)
{
	if (!der_take_time(in, &l->window.from))
		return broken(f);
	if (!der_take_time(in, &l->window.until))
		return fault_set(
		    f, FAULT_INVALID, "revocation list without its two times");
	l->window.until += 999; /* the last second counts */
	return true;
}

static bool
read_tbs(struct cert_list *l, struct bytes algorithm, struct fault *f)
{
	static const uint8_t v2[] = {1};
	struct bytes in, part;

	if (!der_only(l->tbs, DER_SEQUENCE, &in) ||
	    !der_take(&in, DER_INTEGER, &part) || !IS(part, v2) ||
	    !der_take_whole(&in, DER_SEQUENCE, &part) ||
	    !bytes_equal(part, algorithm) ||
	    !der_take_whole(&in, DER_SEQUENCE, &l->issuer))
		return broken(f);
	if (!read_window(&in, l, f))
		return false;
	if (!read_entries(&in, l))
		return broken(f);
	if (in.len == 0)
		return true;
	if (!der_take(&in, DER_EXTENSIONS, &part) || in.len != 0)
		return broken(f);
	return read_extensions(part, f);
}

/* The DER in one PEM block. */
static bool
unwrap(struct arena *a, struct bytes *b, struct fault *f)
{
	BIO *in = BIO_new_mem_buf(b->at, (int)b->len);
	X509_CRL *crl = PEM_read_bio_X509_CRL(in, NULL, NULL, NULL);
	unsigned char *der = NULL;
	int n = crl != NULL ? i2d_X509_CRL(crl, &der) : -1;

	if (n > 0)
		*b = bytes_of(arena_copy(a, der, (size_t)n), (size_t)n);
	OPENSSL_free(der);
	X509_CRL_free(crl);
	BIO_free(in);
	ERR_clear_error();
	return n > 0 || broken(f);
}

bool
cert_list_read(
    struct arena *a, struct bytes b, struct cert_list *out, struct fault *f)
{
	struct bytes in, algorithm;

	*out = (struct cert_list){.window = WINDOW_ALWAYS};
	if (b.len == 0 || b.len > CRL_DER_MAX)
		return fault_set(
		    f, FAULT_INVALID, "revocation list of %zu bytes", b.len);
	if (b.at[0] == '-' && !unwrap(a, &b, f))
		return false;
	if (!der_only(b, DER_SEQUENCE, &in) ||
	    !der_take_whole(&in, DER_SEQUENCE, &out->tbs) ||
	    !der_take_whole(&in, DER_SEQUENCE, &algorithm) ||
	    !der_take_bits(&in, &out->signature) || in.len != 0)
		return broken(f);
	if (!cert_signing_read(algorithm, &out->signing))
		return fault_set(f, FAULT_UNSUPPORTED,
		    "revocation list signed in a way that is not accepted");
	return read_tbs(out, algorithm, f);
}

bool
cert_list_check(const struct cert_list *l, const struct cert *issuer,
    EVP_PKEY *issuer_key, struct fault *f)
{
	if (!bytes_equal(l->issuer, issuer->subject))
		return fault_set(
		    f, FAULT_CONFLICT, "revocation list of another issuer");
	if (!issuer->ca || (issuer->has_usage && !issuer->may_sign_lists))
		return fault_set(f, FAULT_UNTRUSTED,
		    "the issuer may not sign revocation lists");
	if (issuer_key == NULL ||
	    !cert_signing_fits(l->signing,
		issuer->curve == 0 ? CHAIN_RSA_PSS : CHAIN_ECDSA, issuer_key))
		return fault_set(f, FAULT_UNSUPPORTED,
		    "revocation list signed in a way that is not accepted");
	if (!cert_signature_holds(l->signing, issuer_key, l->tbs, l->signature))
		return fault_set(f, FAULT_TAMPERED,
		    "the revocation list's signature does not hold");
	return true;
}

bool
cert_list_has(const struct cert_list *l, const struct cert *c)
{
	struct bytes rest = l->entries, serial;

	while (rest.len > 0 && take_entry(&rest, &serial))
		if (bytes_equal(serial, c->serial))
			return true;
	return false;
}
