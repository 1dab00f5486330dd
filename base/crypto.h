/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The primitives that Assay itself uses, each a thin name over OpenSSL 3:
 * digests, randomness, P-256 keys kept parsed, raw r||s signatures.
 */
#ifndef BASE_CRYPTO_H
#define BASE_CRYPTO_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/fault.h"
#include "base/text.h"

void sha256(struct bytes in, uint8_t out[32]);
void sha384(struct bytes in, uint8_t out[48]);
void sha512(struct bytes in, uint8_t out[64]);
/* SHA-256 over the parts in turn. */
void sha256_parts(const struct bytes *parts, size_t count, uint8_t out[32]);
void random_bytes(void *out, size_t len); /* ends the process on failure */
uint64_t random_below(uint64_t bound);	  /* without bias; 0 gives 0 */

/* A P-256 key (private or public) with the contexts it needs kept ready. */
struct ec_key;
struct ec_key *ec_key_generate(void);
struct ec_key *ec_key_of_pkey(EVP_PKEY *pkey); /* takes; NULL: not P-256 */
bool ec_key_read_pem(struct text pem, struct ec_key **out, struct fault *f);
bool ec_key_read_file(const char *path, struct ec_key **out, struct fault *f);
/* PKCS#8 PEM, created with mode 0600 and fsynced; fails if it exists. */
bool ec_key_write_file(
    const struct ec_key *k, const char *path, struct fault *f);
/* From affine coordinates, as a JWK gives them; checks the curve. */
bool ec_key_of_point(const uint8_t x[32], const uint8_t y[32],
    struct ec_key **out, struct fault *f);
void ec_key_point(const struct ec_key *k, uint8_t x[32], uint8_t y[32]);
EVP_PKEY *ec_key_pkey(struct ec_key *k); /* borrowed */
void ec_key_free(struct ec_key **k);
/* ECDSA over a SHA-256 digest; r||s big-endian (RFC 7518 section 3.4). */
bool ec_sign(struct ec_key *k, const uint8_t digest[32], uint8_t out[64]);
bool ec_verify(
    struct ec_key *k, const uint8_t digest[32], const uint8_t signature[64]);

/* SHA-256 of the DER SubjectPublicKeyInfo. */
void spki_sha256(X509 *certificate, uint8_t out[32]);

#endif
