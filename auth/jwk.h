/* SPDX-License-Identifier: Apache-2.0 */
/*
 * P-256 public keys as JSON Web Keys (RFC 7517, RFC 7518 section 6.2), the
 * sets they are published in, and the thumbprint that names them (RFC 7638).
 * A key's `kid` is its thumbprint, always: a set that says otherwise is
 * refused, so a name can never be moved to another key.
 */
#ifndef AUTH_JWK_H
#define AUTH_JWK_H

#include "base/crypto.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#define JWK_KID_TEXT 44 /* base64url of a SHA-256, and a NUL */
#define JWKS_BYTES_MAX 65536
#define JWKS_KEYS_MAX 32

void jwk_thumbprint(const struct ec_key *k, char out[JWK_KID_TEXT]);
/* {"kty","crv","x","y","kid","alg":"ES256","use":"sig"}; the public half
 * only. The caller frees it with json_free. */
json_t *jwk_write(const struct ec_key *k);
/* An EC P-256 key. Refuses (INVALID) another kty or crv, coordinates that are
 * not 32 bytes of canonical base64url or not on the curve, a private `d`, an
 * `alg` other than ES256, a `use` other than sig, a `kid` that is not the
 * thumbprint. */
bool jwk_read(const json_t *o, struct ec_key **out, struct fault *f);

/* A set of keys, found by kid; keys stay parsed. */
struct jwks;
struct jwks *jwks_new(void);
/* {"keys":[…]}. Keys of a kind that is not ours (RSA, another curve, an
 * encryption key) are passed over, as RFC 7517 section 5 says; one of ours
 * that is wrong, or any private key, refuses the whole set. */
bool jwks_read(struct text t, struct jwks **out, struct fault *f);
/* Takes the key; one that is already there is dropped. */
void jwks_add(struct jwks *s, struct ec_key **k);
size_t jwks_count(const struct jwks *s);
/* Borrowed; NULL where there is none of that name. */
struct ec_key *jwks_find(const struct jwks *s, struct text kid);
/* Keys in the order they were added. */
char *jwks_write(struct arena *a, const struct jwks *s);
void jwks_free(struct jwks **s);

#endif
