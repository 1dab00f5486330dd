/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests judged, certificates issued. Extensions are built as structures,
 * never from text, so no name can smuggle in another.
 */
#include "auth/device.h"

#include <arpa/inet.h>
#include <assert.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/tls.h"

struct authority {
	X509 *certificate;
	struct ec_key *key;
};

/* -------------------------------------------------------------------- DIDs */

static void
base58_encode(const uint8_t *in, size_t len, char *out)
{
	static const char digits[] =
	    "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
	uint8_t d[64] = {0};
	size_t n = 0, zeros = 0;

	assert(len <= 40);
	while (zeros < len && in[zeros] == 0)
		zeros++;
	for (size_t i = zeros; i < len; i++) {
		unsigned carry = in[i];

		for (size_t j = 0; j < n || carry > 0; j++) {
			if (j == n)
				n++;
			carry += (unsigned)d[j] << 8;
			d[j] = (uint8_t)(carry % 58);
			carry /= 58;
		}
	}
	for (size_t i = 0; i < zeros; i++)
		*out++ = '1';
	while (n > 0)
		*out++ = digits[d[--n]];
	*out = '\0';
}

void
device_did(const struct ec_key *first_key, char out[DEVICE_DID_TEXT])
{
	static const char method[] = "did:assay:z";
	uint8_t raw[35] = {0x80, 0x24}; /* 0x1200 as a varint */
	uint8_t y[32];

	ec_key_point(first_key, raw + 3, y);
	raw[2] = (uint8_t)(2 + (y[31] & 1));
	memcpy(out, method, sizeof method);
	base58_encode(raw, sizeof raw, out + sizeof method - 1);
}

/* ---------------------------------------------------------------- requests */

static const char *
skip_blanks(const char *at, const char *end)
{
	while (at < end &&
	       (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
		at++;
	return at;
}

/* PEM readers skip whatever stands around a block. We do not. */
static bool
pem_stands_alone(struct text pem, struct fault *f)
{
	static const char end_mark[] = "-----END ";
	const char *limit = pem.at + pem.len;
	const char *end;

	if (pem.len == 0 || pem.len > CSR_BYTES_MAX)
		return fault_set(f, FAULT_CSR_INVALID,
		    "CSR of %zu bytes, not 1 to %d", pem.len, CSR_BYTES_MAX);
	if (!text_starts_with(pem, "-----BEGIN "))
		return fault_set(
		    f, FAULT_CSR_INVALID, "CSR does not begin with a PEM line");
	end = memmem(pem.at, pem.len, end_mark, sizeof end_mark - 1);
	end = end == NULL ? NULL : memchr(end, '\n', (size_t)(limit - end));
	if (end != NULL && skip_blanks(end, limit) != limit)
		return fault_set(
		    f, FAULT_CSR_INVALID, "CSR has text after its PEM block");
	return true;
}

static bool
signature_is_strong(const X509_REQ *req)
{
	int nid = X509_REQ_get_signature_nid(req);

	return nid == NID_ecdsa_with_SHA256 || nid == NID_ecdsa_with_SHA384 ||
	       nid == NID_ecdsa_with_SHA512;
}

static bool
req_check(X509_REQ *req, struct ec_key **out, struct fault *f)
{
	EVP_PKEY *pkey = X509_REQ_get_pubkey(req);
	struct ec_key *k = pkey == NULL ? NULL : ec_key_of_pkey(pkey);

	if (k == NULL)
		return fault_set(f, FAULT_CSR_INVALID,
		    "CSR's key is not on the named curve P-256");
	if (!signature_is_strong(req) ||
	    X509_REQ_verify(req, ec_key_pkey(k)) != 1) {
		ec_key_free(&k);
		return fault_set(
		    f, FAULT_CSR_INVALID, "CSR is not signed by its own key");
	}
	*out = k;
	return true;
}

bool
csr_read(struct text pem, struct ec_key **out, struct fault *f)
{
	X509_REQ *req;
	BIO *bio;
	bool ok;

	*out = NULL;
	if (!pem_stands_alone(pem, f))
		return false;
	bio = BIO_new_mem_buf(pem.at, (int)pem.len);
	if (bio == NULL)
		abort();
	req = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
	BIO_free(bio);
	if (req == NULL)
		ok = fault_set(
		    f, FAULT_CSR_INVALID, "CSR is no PEM PKCS#10 request");
	else
		ok = req_check(req, out, f);
	X509_REQ_free(req);
	ERR_clear_error();
	return ok;
}

static char *
bio_text(struct arena *a, BIO *bio)
{
	char *at;
	long len = BIO_get_mem_data(bio, &at);
	char *out = arena_copy(a, at, (size_t)len);

	BIO_free(bio);
	return out;
}

char *
csr_write(struct arena *a, struct ec_key *k, struct fault *f)
{
	X509_REQ *req = X509_REQ_new();
	BIO *bio = BIO_new(BIO_s_mem());

	if (req == NULL || bio == NULL)
		abort();
	if (X509_REQ_set_pubkey(req, ec_key_pkey(k)) != 1 ||
	    X509_REQ_sign(req, ec_key_pkey(k), EVP_sha256()) <= 0 ||
	    PEM_write_bio_X509_REQ(bio, req) != 1) {
		X509_REQ_free(req);
		BIO_free(bio);
		ERR_clear_error();
		fault_set(f, FAULT_INTERNAL, "the key does not sign a CSR");
		return NULL;
	}
	X509_REQ_free(req);
	return bio_text(a, bio);
}

/* ------------------------------------------------------------ certificates */

static bool
set_time(ASN1_TIME *t, int64_t unix_ms)
{
	return ASN1_TIME_set(t, (time_t)(unix_ms / 1000)) != NULL;
}

static bool
set_serial(X509 *c, const uint8_t serial[SERIAL_BYTES])
{
	uint8_t positive[SERIAL_BYTES];
	ASN1_INTEGER *to = X509_get_serialNumber(c);
	BIGNUM *n;
	bool ok;

	/* RFC 5280 4.1.2.2: positive; and never shortened by leading zeros. */
	memcpy(positive, serial, sizeof positive);
	positive[0] = (uint8_t)((positive[0] & 0x7f) | 0x40);
	n = BN_bin2bn(positive, sizeof positive, NULL);
	ok = n != NULL && BN_to_ASN1_INTEGER(n, to) != NULL;
	BN_free(n);
	return ok;
}

static bool
set_name(X509 *c, const char *common_name, X509_NAME *issuer)
{
	X509_NAME *name = X509_get_subject_name(c);

	return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
		   (const unsigned char *)common_name, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(c, issuer == NULL ? name : issuer) == 1;
}

static bool
add_ext(X509 *c, int nid, void *value, bool critical)
{
	return X509_add1_ext_i2d(c, nid, value, critical, X509V3_ADD_DEFAULT) ==
	       1;
}

static bool
add_basic(X509 *c, bool is_ca)
{
	BASIC_CONSTRAINTS *b = BASIC_CONSTRAINTS_new();
	bool ok;

	if (b == NULL)
		abort();
	b->ca = is_ca ? 0xff : 0;
	if (is_ca) {
		b->pathlen = ASN1_INTEGER_new();
		if (b->pathlen == NULL || !ASN1_INTEGER_set(b->pathlen, 0))
			abort();
	}
	ok = add_ext(c, NID_basic_constraints, b, true);
	BASIC_CONSTRAINTS_free(b);
	return ok;
}

/* Bits of RFC 5280 4.2.1.3: 0 digitalSignature, 5 keyCertSign, 6 cRLSign. */
static bool
add_usage(X509 *c, bool is_ca)
{
	ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
	bool ok;

	if (bits == NULL)
		abort();
	if (is_ca)
		ok = ASN1_BIT_STRING_set_bit(bits, 5, 1) == 1 &&
		     ASN1_BIT_STRING_set_bit(bits, 6, 1) == 1;
	else
		ok = ASN1_BIT_STRING_set_bit(bits, 0, 1) == 1;
	ok = ok && add_ext(c, NID_key_usage, bits, true);
	ASN1_BIT_STRING_free(bits);
	return ok;
}

static bool
add_extended_usage(X509 *c, const struct leaf *l)
{
	EXTENDED_KEY_USAGE *x = EXTENDED_KEY_USAGE_new();
	bool ok;

	if (x == NULL)
		abort();
	ok = (!l->client ||
		 sk_ASN1_OBJECT_push(x, OBJ_nid2obj(NID_client_auth)) > 0) &&
	     (!l->server ||
		 sk_ASN1_OBJECT_push(x, OBJ_nid2obj(NID_server_auth)) > 0) &&
	     add_ext(c, NID_ext_key_usage, x, false);
	sk_ASN1_OBJECT_pop_free(x, ASN1_OBJECT_free);
	return ok;
}

static bool
push_name(GENERAL_NAMES *names, int type, const void *at, size_t len)
{
	GENERAL_NAME *n = GENERAL_NAME_new();
	ASN1_STRING *s = ASN1_STRING_type_new(
	    type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);

	if (n == NULL || s == NULL || !ASN1_STRING_set(s, at, (int)len))
		abort();
	GENERAL_NAME_set0_value(n, type, s);
	return sk_GENERAL_NAME_push(names, n) > 0;
}

static bool
push_host(GENERAL_NAMES *names, const char *host)
{
	uint8_t address[16];

	if (inet_pton(AF_INET, host, address) == 1)
		return push_name(names, GEN_IPADD, address, 4);
	if (inet_pton(AF_INET6, host, address) == 1)
		return push_name(names, GEN_IPADD, address, 16);
	return push_name(names, GEN_DNS, host, strlen(host));
}

static bool
add_names(X509 *c, const struct leaf *l)
{
	GENERAL_NAMES *names;
	bool ok = true;

	if (l->uri == NULL && l->host_count == 0)
		return true;
	names = sk_GENERAL_NAME_new_null();
	if (names == NULL)
		abort();
	if (l->uri != NULL)
		ok = push_name(names, GEN_URI, l->uri, strlen(l->uri));
	for (size_t i = 0; ok && i < l->host_count; i++)
		ok = push_host(names, l->hosts[i]);
	ok = ok && add_ext(c, NID_subject_alt_name, names, false);
	GENERAL_NAMES_free(names);
	return ok;
}

static bool
key_id(const X509 *c, ASN1_OCTET_STRING **out)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len;

	*out = ASN1_OCTET_STRING_new();
	if (*out == NULL)
		abort();
	return X509_pubkey_digest(c, EVP_sha1(), digest, &len) == 1 &&
	       ASN1_OCTET_STRING_set(*out, digest, (int)len) == 1;
}

static bool
add_key_ids(X509 *c, const X509 *issuer)
{
	ASN1_OCTET_STRING *id = NULL;
	AUTHORITY_KEYID *by = AUTHORITY_KEYID_new();
	bool ok;

	if (by == NULL)
		abort();
	ok =
	    key_id(c, &id) && add_ext(c, NID_subject_key_identifier, id, false);
	ASN1_OCTET_STRING_free(id);
	ok = ok && key_id(issuer, &by->keyid) &&
	     add_ext(c, NID_authority_key_identifier, by, false);
	AUTHORITY_KEYID_free(by);
	return ok;
}

/* What every certificate has, but for its extensions and its signature. */
static X509 *
certificate_begin(
    struct ec_key *subject, const struct leaf *l, X509_NAME *issuer)
{
	X509 *c = X509_new();

	if (c == NULL)
		abort();
	if (X509_set_version(c, X509_VERSION_3) == 1 &&
	    set_serial(c, l->serial) && set_name(c, l->common_name, issuer) &&
	    set_time(X509_getm_notBefore(c), l->not_before_ms) &&
	    set_time(X509_getm_notAfter(c), l->not_after_ms) &&
	    X509_set_pubkey(c, ec_key_pkey(subject)) == 1)
		return c;
	X509_free(c);
	return NULL;
}

struct authority *
authority_make(struct ec_key **k, const struct leaf *l)
{
	struct authority *a = mem_new(sizeof *a);
	X509 *c = certificate_begin(*k, l, NULL);

	/* Only a name or a time of our own making could fail here. */
	if (c == NULL || !add_basic(c, true) || !add_usage(c, true) ||
	    !add_key_ids(c, c) ||
	    X509_sign(c, ec_key_pkey(*k), EVP_sha256()) <= 0)
		abort();
	a->certificate = c;
	a->key = *k;
	*k = NULL;
	return a;
}

bool
authority_of(X509 *certificate, struct ec_key **k, struct authority **out,
    struct fault *f)
{
	struct authority *a = mem_new(sizeof *a);

	a->certificate = certificate;
	a->key = *k;
	*k = NULL;
	*out = a;
	if (X509_check_private_key(certificate, ec_key_pkey(a->key)) != 1)
		fault_set(f, FAULT_INVALID,
		    "authority: the key is not the certificate's");
	else if (X509_check_ca(certificate) != 1)
		fault_set(
		    f, FAULT_INVALID, "authority: the certificate is no CA's");
	else
		return true;
	ERR_clear_error();
	authority_free(out);
	return false;
}

static bool
certificate_read(const char *path, X509 **out, struct fault *f)
{
	STACK_OF(X509) *all = NULL;
	char *pem = NULL;
	size_t len;
	bool ok;

	*out = NULL;
	ok = file_read(path, 65536, &pem, &len, f) &&
	     certificates_read_pem((struct text){pem, len}, 8, &all, f);
	if (ok) {
		*out = sk_X509_shift(all);
		ok = *out != NULL ||
		     fault_set(f, FAULT_INVALID, "%s: no certificate", path);
	}
	sk_X509_pop_free(all, X509_free);
	mem_free(pem);
	return ok;
}

bool
authority_read(const char *certificate_file, const char *key_file,
    struct authority **out, struct fault *f)
{
	struct ec_key *k;
	X509 *c;

	*out = NULL;
	if (!certificate_read(certificate_file, &c, f))
		return false;
	if (ec_key_read_file(key_file, &k, f))
		return authority_of(c, &k, out, f);
	X509_free(c);
	return false;
}

X509 *
authority_certificate(const struct authority *a)
{
	return a->certificate;
}

struct ec_key *
authority_key(const struct authority *a)
{
	return a->key;
}

X509 *
authority_issue(struct authority *a, struct ec_key *subject,
    const struct leaf *l, struct fault *f)
{
	struct leaf bounded = *l;
	int64_t begins, ends;
	X509 *c;

	if (!certificate_times(a->certificate, &begins, &ends)) {
		fault_set(f, FAULT_INTERNAL, "authority: times unreadable");
		return NULL;
	}
	if (bounded.not_before_ms < begins)
		bounded.not_before_ms = begins;
	if (bounded.not_after_ms > ends)
		bounded.not_after_ms = ends;
	if (bounded.not_after_ms <= bounded.not_before_ms) {
		fault_set(f, FAULT_INTERNAL,
		    "authority: its own certificate has ended");
		return NULL;
	}
	c = certificate_begin(
	    subject, &bounded, X509_get_subject_name(a->certificate));
	if (c != NULL && add_basic(c, false) && add_usage(c, false) &&
	    add_extended_usage(c, l) && add_names(c, l) &&
	    add_key_ids(c, a->certificate) &&
	    X509_sign(c, ec_key_pkey(a->key), EVP_sha256()) > 0)
		return c;
	X509_free(c);
	ERR_clear_error();
	fault_set(f, FAULT_INTERNAL, "authority: cannot issue a certificate");
	return NULL;
}

void
authority_free(struct authority **a)
{
	if (*a == NULL)
		return;
	X509_free((*a)->certificate);
	ec_key_free(&(*a)->key);
	mem_free(*a);
	*a = NULL;
}

char *
certificate_pem(struct arena *a, X509 *certificate)
{
	BIO *bio = BIO_new(BIO_s_mem());

	if (bio == NULL || PEM_write_bio_X509(bio, certificate) != 1)
		abort();
	return bio_text(a, bio);
}
