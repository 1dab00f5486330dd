/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests, randomness and P-256 over OpenSSL 3. A key is parsed once and its
 * contexts are kept, because setting one up costs as much as a signature.
 * A digest or a random byte that cannot be had ends the process.
 */
#include "base/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

enum { MAX_PEM = 16384, MAX_DER_SIGNATURE = 72 };

struct ec_key {
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *sign; /* NULL: the private half is not here */
	EVP_PKEY_CTX *verify;
};

static void
digest(const EVP_MD *md, struct bytes in, uint8_t *out)
{
	if (EVP_Digest(in.at, in.len, out, NULL, md, NULL) != 1)
		abort();
}

void
sha256(struct bytes in, uint8_t out[32])
{
	digest(EVP_sha256(), in, out);
}

void
sha384(struct bytes in, uint8_t out[48])
{
	digest(EVP_sha384(), in, out);
}

void
sha512(struct bytes in, uint8_t out[64])
{
	digest(EVP_sha512(), in, out);
}

void
sha256_parts(const struct bytes *parts, size_t count, uint8_t out[32])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
		abort();
	for (size_t i = 0; i < count; i++)
		if (EVP_DigestUpdate(ctx, parts[i].at, parts[i].len) != 1)
			abort();
	if (EVP_DigestFinal_ex(ctx, out, NULL) != 1)
		abort();
	EVP_MD_CTX_free(ctx);
}

void
random_bytes(void *out, size_t len)
{
	if (len > 0 && RAND_bytes_ex(NULL, out, len, 0) != 1)
		abort();
}

uint64_t
random_below(uint64_t bound)
{
	uint64_t n;
	uint64_t unfair;

	if (bound == 0)
		return 0;
	unfair = -bound % bound; /* 2^64 mod bound: that many are too many */
	do
		random_bytes(&n, sizeof(n));
	while (n < unfair);
	return n % bound;
}

static bool
is_p256(EVP_PKEY *pkey)
{
	char group[32];
	int explicit_curve = 0;

	if (!EVP_PKEY_is_a(pkey, "EC") ||
	    EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) != 1 ||
	    strcmp(group, "prime256v1") != 0)
		return false;
	/* A curve spelled out may differ from the named one in its base point
	 * (CVE-2020-0601). */
	(void)EVP_PKEY_get_int_param(pkey,
	    OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &explicit_curve);
	return explicit_curve == 0;
}

static bool
has_private(EVP_PKEY *pkey)
{
	BIGNUM *d = NULL;
	bool has =
	    EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_PRIV_KEY, &d) == 1;

	BN_clear_free(d);
	return has;
}

static EVP_PKEY_CTX *
context_of(EVP_PKEY *pkey, int (*init)(EVP_PKEY_CTX *))
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);

	if (ctx == NULL || init(ctx) != 1 ||
	    EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) != 1)
		abort();
	return ctx;
}

struct ec_key *
ec_key_of_pkey(EVP_PKEY *pkey)
{
	struct ec_key *k;

	if (pkey == NULL || !is_p256(pkey)) {
		EVP_PKEY_free(pkey);
		ERR_clear_error();
		return NULL;
	}
	k = mem_new(sizeof(*k));
	k->pkey = pkey;
	if (has_private(pkey))
		k->sign = context_of(pkey, EVP_PKEY_sign_init);
	k->verify = context_of(pkey, EVP_PKEY_verify_init);
	ERR_clear_error();
	return k;
}

struct ec_key *
ec_key_generate(void)
{
	struct ec_key *k = ec_key_of_pkey(EVP_EC_gen("P-256"));

	if (k == NULL)
		abort();
	return k;
}

/* Never asks the terminal: an encrypted key is refused. */
static int
no_passphrase(char *buffer, int size, int writing, void *arg)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static EVP_PKEY *
pkey_of_pem(struct text pem)
{
	BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.len);
	EVP_PKEY *pkey;

	if (bio == NULL)
		abort();
	pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	if (pkey == NULL && BIO_reset(bio) == 1)
		pkey = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	ERR_clear_error();
	return pkey;
}

bool
ec_key_read_pem(struct text pem, struct ec_key **out, struct fault *f)
{
	EVP_PKEY *pkey;

	*out = NULL;
	if (pem.len == 0 || pem.len > MAX_PEM)
		return fault_set(f, FAULT_INVALID,
		    "key: a PEM text has 1 to %d bytes, not %zu", MAX_PEM,
		    pem.len);
	pkey = pkey_of_pem(pem);
	if (pkey == NULL)
		return fault_set(f, FAULT_INVALID,
		    "key: no unencrypted PEM key in these %zu bytes", pem.len);
	*out = ec_key_of_pkey(pkey);
	if (*out == NULL)
		return fault_set(f, FAULT_INVALID,
		    "key: not an EC key on the named curve P-256");
	return true;
}

bool
ec_key_read_file(const char *path, struct ec_key **out, struct fault *f)
{
	struct fault inner;
	char *pem;
	size_t len;
	bool ok;

	*out = NULL;
	if (!file_read(path, MAX_PEM, &pem, &len, f))
		return false;
	ok = ec_key_read_pem((struct text){pem, len}, out, &inner);
	mem_wipe_free(pem, len);
	return ok || fault_set(f, inner.kind, "%s: %s", path, inner.why);
}

/* All of it, to a file that did not exist before, and onto the disk. */
static bool
write_new(const char *path, const char *at, size_t len, struct fault *f)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int error;

	if (fd < 0)
		return fault_set(f,
		    errno == EEXIST ? FAULT_CONFLICT : FAULT_SYSTEM,
		    "%s: cannot create: %s", path, strerror(errno));
	errno = EIO; /* for a short write */
	if (write(fd, at, len) == (ssize_t)len && fsync(fd) == 0 &&
	    close(fd) == 0)
		return true;
	error = errno;
	(void)unlink(path);
	return fault_set(
	    f, FAULT_SYSTEM, "%s: cannot write: %s", path, strerror(error));
}

bool
ec_key_write_file(const struct ec_key *k, const char *path, struct fault *f)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *pem = NULL;
	long len;
	bool ok;

	if (bio == NULL)
		abort();
	if (PEM_write_bio_PKCS8PrivateKey(
		bio, k->pkey, NULL, NULL, 0, NULL, NULL) != 1) {
		BIO_free(bio);
		ERR_clear_error();
		return fault_set(f, FAULT_INVALID,
		    "%s: the private half of the key is not here", path);
	}
	len = BIO_get_mem_data(bio, &pem);
	ok = write_new(path, pem, (size_t)len, f);
	BIO_free(bio); /* wipes */
	return ok;
}

/* The uncompressed point of SEC 1, 2.3.3. */
static EVP_PKEY *
pkey_of_point(uint8_t point[65])
{
	char group[] = "prime256v1";
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(
		OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
	    OSSL_PARAM_construct_octet_string(
		OSSL_PKEY_PARAM_PUB_KEY, point, 65),
	    OSSL_PARAM_construct_end(),
	};
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *pkey = NULL;

	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1)
		abort();
	if (EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

static bool
point_is_valid(EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	bool valid = ctx != NULL && EVP_PKEY_public_check(ctx) == 1;

	EVP_PKEY_CTX_free(ctx);
	return valid;
}

bool
ec_key_of_point(const uint8_t x[32], const uint8_t y[32], struct ec_key **out,
    struct fault *f)
{
	uint8_t point[65];
	EVP_PKEY *pkey;

	*out = NULL;
	point[0] = 4;
	memcpy(point + 1, x, 32);
	memcpy(point + 33, y, 32);
	pkey = pkey_of_point(point);
	if (pkey == NULL || !point_is_valid(pkey)) {
		EVP_PKEY_free(pkey);
		ERR_clear_error();
		return fault_set(f, FAULT_INVALID,
		    "key: the point is not on the curve P-256");
	}
	*out = ec_key_of_pkey(pkey);
	return *out != NULL ||
	       fault_set(f, FAULT_INVALID, "key: not a P-256 key");
}

static void
coordinate(const struct ec_key *k, const char *name, uint8_t out[32])
{
	BIGNUM *n = NULL;

	if (EVP_PKEY_get_bn_param(k->pkey, name, &n) != 1 ||
	    BN_bn2binpad(n, out, 32) != 32)
		abort();
	BN_free(n);
}

void
ec_key_point(const struct ec_key *k, uint8_t x[32], uint8_t y[32])
{
	coordinate(k, OSSL_PKEY_PARAM_EC_PUB_X, x);
	coordinate(k, OSSL_PKEY_PARAM_EC_PUB_Y, y);
}

EVP_PKEY *
ec_key_pkey(struct ec_key *k)
{
	return k->pkey;
}

void
ec_key_free(struct ec_key **k)
{
	if (k == NULL || *k == NULL)
		return;
	EVP_PKEY_CTX_free((*k)->sign);
	EVP_PKEY_CTX_free((*k)->verify);
	EVP_PKEY_free((*k)->pkey);
	mem_free(*k);
	*k = NULL;
}

/* DER SEQUENCE { INTEGER r, INTEGER s } to r||s of 32 bytes each. */
static bool
raw_of_der(const uint8_t *der, size_t len, uint8_t out[64])
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
	bool ok = sig != NULL &&
		  BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, 32) == 32 &&
		  BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + 32, 32) == 32;

	ECDSA_SIG_free(sig);
	return ok;
}

/* One DER INTEGER from 32 bytes big-endian: no leading zeros, and one in
 * front where the first bit would make it negative. */
static size_t
put_integer(const uint8_t n[32], uint8_t *out)
{
	size_t skip = 0;
	size_t pad;

	while (skip < 31 && n[skip] == 0)
		skip++;
	pad = n[skip] >> 7;
	out[0] = 0x02;
	out[1] = (uint8_t)(32 - skip + pad);
	out[2] = 0;
	memcpy(out + 2 + pad, n + skip, 32 - skip);
	return 2 + pad + 32 - skip;
}

static size_t
der_of_raw(const uint8_t raw[64], uint8_t out[MAX_DER_SIGNATURE])
{
	size_t len = put_integer(raw, out + 2);

	len += put_integer(raw + 32, out + 2 + len);
	out[0] = 0x30;
	out[1] = (uint8_t)len;
	return 2 + len;
}

bool
ec_sign(struct ec_key *k, const uint8_t hash[32], uint8_t out[64])
{
	uint8_t der[MAX_DER_SIGNATURE + 8];
	size_t len = sizeof(der);

	if (k->sign == NULL)
		return false;
	if (EVP_PKEY_sign(k->sign, der, &len, hash, 32) != 1) {
		ERR_clear_error();
		return false;
	}
	return raw_of_der(der, len, out);
}

bool
ec_verify(struct ec_key *k, const uint8_t hash[32], const uint8_t signature[64])
{
	uint8_t der[MAX_DER_SIGNATURE];
	size_t len = der_of_raw(signature, der);
	/* 1 is the only yes; 0 and negative values are both no. */
	bool valid = EVP_PKEY_verify(k->verify, der, len, hash, 32) == 1;

	if (!valid)
		ERR_clear_error();
	return valid;
}

void
spki_sha256(X509 *certificate, uint8_t out[32])
{
	uint8_t *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);

	if (len <= 0)
		abort();
	sha256(bytes_of(der, (size_t)len), out);
	OPENSSL_free(der);
}
