/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compact JSON Web Signatures (RFC 7515), ES256 and nothing else, with keys
 * that stay parsed. The header is exactly {"alg":"ES256","typ","kid"}: there
 * is no negotiation and nothing in a token can name, bring or fetch a key.
 * One token has one spelling; none other is read.
 */
#ifndef AUTH_JWT_H
#define AUTH_JWT_H

#include "auth/jwk.h"

#define JWT_BYTES_MAX 8192

/* Whoever holds the private key: signs a SHA-256 digest as r||s. A key file,
 * a token in hardware or another process. */
struct jwt_signer {
	char kid[JWK_KID_TEXT];
	bool (*sign)(void *self, const uint8_t digest[32], uint8_t out[64]);
	void *self;
};
/* A signer over a key in memory, which it borrows. */
struct jwt_signer jwt_signer_of(struct ec_key *k);

/* claims: one JSON object as text. Fails INTERNAL where the signer does not
 * sign, LIMIT where the token would be longer than JWT_BYTES_MAX. */
bool jwt_sign(struct arena *a, const struct jwt_signer *s, const char *typ,
    const char *claims, char **out, struct fault *f);

/* Verifies, then reads: the caller frees *claims with json_free. Faults:
 * TOKEN_MALFORMED   not three canonical base64url segments, too long, JSON
 *                   broken or with a duplicate member, a header member more
 *                   or less, another alg (none, HS256, …) or another typ
 * TOKEN_KEY_UNKNOWN no key of that kid in the set
 * TOKEN_SIGNATURE   not 64 bytes (DER, say), or it does not verify */
bool jwt_verify(struct text token, const char *typ, const struct jwks *keys,
    json_t **claims, struct fault *f);

#endif
