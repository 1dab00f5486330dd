/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XChaCha20 is made of HChaCha20 (draft-irtf-cfrg-xchacha), which OpenSSL has
 * not, and the AEAD of RFC 8439, which it has. Secrets are wiped on the way
 * out.
 */
#include "attestation/sealed.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <secp256k1.h>
#include <secp256k1_ecdh.h>
#include <string.h>

#include "base/codec.h"
#include "base/crypto.h"

enum { TAG = 16, IV = 12, X_NONCE = 24, POINT = 65 };

struct aead {
	const EVP_CIPHER *cipher;
	const uint8_t *key; /* 32 bytes */
	const uint8_t *iv;  /* 12 bytes */
	struct bytes aad;
	struct bytes sealed; /* ciphertext and tag */
};

static bool
aead_open(
    struct arena *a, const struct aead *s, struct bytes *out, struct fault *f)
{
	size_t len = s->sealed.len - TAG;
	uint8_t *plain = arena_alloc(a, len + 1);
	uint8_t tag[TAG];
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n;
	bool ok;

	memcpy(tag, s->sealed.at + len, TAG);
	ok = c != NULL &&
	     EVP_DecryptInit_ex(c, s->cipher, NULL, s->key, s->iv) == 1 &&
	     (s->aad.len == 0 || EVP_DecryptUpdate(c, NULL, &n, s->aad.at,
				     (int)s->aad.len) == 1) &&
	     EVP_DecryptUpdate(c, plain, &n, s->sealed.at, (int)len) == 1 &&
	     EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1 &&
	     EVP_DecryptFinal_ex(c, plain + len, &n) == 1;
	EVP_CIPHER_CTX_free(c);
	ERR_clear_error();
	if (!ok) {
		OPENSSL_cleanse(plain, len);
		return fault_set(
		    f, FAULT_TAMPERED, "sealed value: the tag does not hold");
	}
	*out = bytes_of(plain, len);
	return true;
}

static bool
derive(struct bytes shared, const char *info, uint8_t out[32])
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *c = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(
		OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t) "SHA256", 0),
	    OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)shared.at, shared.len),
	    OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info, strlen(info)),
	    OSSL_PARAM_construct_end(),
	};
	bool ok = c != NULL && EVP_KDF_derive(c, out, 32, params) == 1;

	EVP_KDF_CTX_free(c);
	EVP_KDF_free(kdf);
	return ok;
}

static uint32_t
load32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

static void
quarter(uint32_t s[16], unsigned a, unsigned b, unsigned c, unsigned d)
{
	static const unsigned turn[4] = {16, 12, 8, 7};

	for (unsigned i = 0; i < 4; i++) {
		unsigned to = i % 2 == 0 ? a : c, by = i % 2 == 0 ? b : d;
		unsigned x = i % 2 == 0 ? d : b;

		s[to] += s[by];
		s[x] ^= s[to];
		s[x] = s[x] << turn[i] | s[x] >> (32 - turn[i]);
	}
}

static void
hchacha20(const uint8_t key[32], const uint8_t nonce[16], uint8_t out[32])
{
	uint32_t s[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

	for (unsigned i = 0; i < 8; i++)
		s[4 + i] = load32(key + 4 * i);
	for (unsigned i = 0; i < 4; i++)
		s[12 + i] = load32(nonce + 4 * i);
	for (int round = 0; round < 10; round++) {
		for (unsigned i = 0; i < 4; i++)
			quarter(s, i, 4 + i, 8 + i, 12 + i);
		for (unsigned i = 0; i < 4; i++)
			quarter(s, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4,
			    12 + (i + 3) % 4);
	}
	for (unsigned i = 0; i < 32; i++) {
		uint32_t word = s[i < 16 ? i / 4 : 8 + i / 4];

		out[i] = (uint8_t)(word >> (8 * (i % 4)));
	}
	OPENSSL_cleanse(s, sizeof(s));
}

/* RFC 8032 5.1.5: the seed's hash is the scalar; RFC 7748 clamps it. */
static bool
x25519_shared(const uint8_t seed[32], const uint8_t peer[32], uint8_t out[32])
{
	uint8_t hash[64];
	EVP_PKEY *own, *theirs;
	EVP_PKEY_CTX *c;
	size_t len = 32;
	bool ok;

	sha512(bytes_of(seed, 32), hash);
	own = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, hash, 32);
	theirs = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer, 32);
	c = own != NULL ? EVP_PKEY_CTX_new(own, NULL) : NULL;
	ok = c != NULL && theirs != NULL && EVP_PKEY_derive_init(c) == 1 &&
	     EVP_PKEY_derive_set_peer(c, theirs) == 1 &&
	     EVP_PKEY_derive(c, out, &len) == 1 && len == 32;
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(theirs);
	EVP_PKEY_free(own);
	ERR_clear_error();
	OPENSSL_cleanse(hash, sizeof(hash));
	return ok;
}

static bool
long_enough(struct bytes sealed, size_t head, struct fault *f)
{
	if (sealed.len >= head + TAG && sealed.len <= SEALED_MAX)
		return true;
	return fault_set(f, FAULT_INVALID,
	    "sealed value of %zu bytes is shorter than key, nonce and tag",
	    sealed.len);
}

bool
sealed_open_ed25519(struct arena *a, const uint8_t seed[32],
    struct bytes sealed, struct bytes *out, struct fault *f)
{
	const size_t head = 32 + X_NONCE;
	uint8_t shared[32], key[32], sub[32], iv[IV] = {0};
	bool ok;

	if (!long_enough(sealed, head, f))
		return false;
	if (!x25519_shared(seed, sealed.at, shared) ||
	    !derive(bytes_of(shared, 32), "ed25519_encryption", key))
		return fault_set(f, FAULT_INVALID,
		    "sealed value: no shared secret with its key");
	hchacha20(key, sealed.at + 32, sub);
	memcpy(iv + 4, sealed.at + 32 + 16, 8);
	ok = aead_open(a,
	    &(struct aead){EVP_chacha20_poly1305(), sub, iv, {NULL, 0},
		bytes_of(sealed.at + head, sealed.len - head)},
	    out, f);
	OPENSSL_cleanse(shared, sizeof(shared));
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(sub, sizeof(sub));
	return ok;
}

static int
keep_x(unsigned char *out, const unsigned char *x, const unsigned char *y,
    void *data)
{
	(void)y;
	(void)data;
	memcpy(out, x, 32);
	return 1;
}

bool
sealed_open_ecdsa(struct arena *a, const uint8_t secret[32],
    struct bytes sealed, struct bytes *out, struct fault *f)
{
	const size_t head = POINT + IV;
	uint8_t shared[32], key[32];
	secp256k1_pubkey peer;
	bool ok;

	if (!long_enough(sealed, head, f))
		return false;
	if (sealed.at[0] != 4 ||
	    !secp256k1_ec_pubkey_parse(
		secp256k1_context_static, &peer, sealed.at, POINT) ||
	    !secp256k1_ecdh(secp256k1_context_static, shared, &peer, secret,
		keep_x, NULL) ||
	    !derive(bytes_of(shared, 32), "ecdsa_encryption", key))
		return fault_set(f, FAULT_INVALID,
		    "sealed value: no shared secret with its key");
	ok = aead_open(a,
	    &(struct aead){EVP_aes_256_gcm(), key, sealed.at + POINT, {NULL, 0},
		bytes_of(sealed.at + head, sealed.len - head)},
	    out, f);
	OPENSSL_cleanse(shared, sizeof(shared));
	OPENSSL_cleanse(key, sizeof(key));
	return ok;
}

static bool
take_part(struct text *t, struct text *part)
{
	const char *colon = t->len > 0 ? memchr(t->at, ':', t->len) : NULL;

	if (colon == NULL)
		return false;
	*part = (struct text){t->at, (size_t)(colon - t->at)};
	t->len -= part->len + 1;
	t->at = colon + 1;
	return true;
}

static bool
hex_exactly(struct text t, uint8_t *out, size_t size)
{
	return t.len == 2 * size && hex_decode(t, out, size, NULL);
}

bool
sealed_open_member(struct arena *a, const struct sealed_member *m,
    struct text value, struct text *id, struct bytes *out, struct fault *f)
{
	struct text nonce, iv_text, rest = value;
	uint8_t seen[IV], iv[IV], aad[IV + 4], *sealed;
	size_t len;

	if (value.len > (size_t)2 * SEALED_MAX || !take_part(&rest, id) ||
	    !take_part(&rest, &nonce) || !take_part(&rest, &iv_text) ||
	    (rest.len > 0 && memchr(rest.at, ':', rest.len) != NULL))
		return fault_set(
		    f, FAULT_INVALID, "sealed member has not four parts");
	sealed = arena_alloc(a, rest.len / 2 + 1);
	if (!hex_exactly(nonce, seen, IV) || !hex_exactly(iv_text, iv, IV) ||
	    !hex_decode(rest, sealed, rest.len / 2 + 1, &len) || len < TAG)
		return fault_set(f, FAULT_INVALID,
		    "sealed member with a broken nonce, IV or ciphertext");
	if (memcmp(seen, m->nonce, IV) != 0)
		return fault_set(
		    f, FAULT_CONFLICT, "sealed member of another exchange");
	memcpy(aad, m->nonce, IV);
	for (unsigned i = 0; i < 4; i++)
		aad[IV + i] = (uint8_t)(m->sequence >> (8 * i));
	return aead_open(a,
	    &(struct aead){EVP_aes_256_gcm(), m->secret, iv,
		bytes_of(aad, sizeof(aad)), bytes_of(sealed, len)},
	    out, f);
}
