/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entity attestation tokens as NVIDIA's service signs them: compact JWTs with
 * ES384 and no other algorithm, by a key of a JWK set whose certificate
 * chains to a pinned intermediate. The token names a key; it never brings one.
 */
#ifndef ATTESTATION_EAT_H
#define ATTESTATION_EAT_H

#include <jansson.h>

#include "attestation/anchors.h"
#include "attestation/chain.h"
#include "base/fault.h"
#include "base/text.h"

enum {
	EAT_TOKEN_MAX = 64 * 1024,
	EAT_SIGNATURE = 96,
	EAT_KEYS_MAX = 256,
	EAT_JWKS_MAX = 1024 * 1024
};

struct eat {
	struct bytes signed_part;
	uint8_t signature[EAT_SIGNATURE];
	char kid[128];
	json_t *claims; /* an object */
};

/* Exactly three parts of unpadded base64url; a header of alg "ES384", kid and
 * at most typ "JWT". Faults: INVALID, UNSUPPORTED (another algorithm or any
 * other header, so also jwk, jku, x5c, x5u, crit). */
bool eat_read(struct text compact, struct eat *out, struct fault *f);
void eat_free(struct eat *e);

/* The key set, read once for all the tokens of an answer. */
struct eat_keys {
	json_t *set;
	const json_t *keys; /* its array */
};
bool eat_keys_read(struct text jwks, struct eat_keys *out, struct fault *f);
void eat_keys_free(struct eat_keys *k);

struct eat_rules {
	const struct anchors *anchors;
	int64_t now_ms;
};

/* The key with that id: once in the set, EC on P-384, the same point as in
 * its certificate, which chains to the pinned intermediate and is valid now.
 * The caller frees *key. Faults: NOT_FOUND, INVALID, CONFLICT and those of
 * the chain. */
bool eat_key_find(const struct eat_keys *k, const char *kid,
    const struct eat_rules *r, EVP_PKEY **key, struct window *window,
    struct fault *f);

bool eat_holds(const struct eat *e, EVP_PKEY *key);

#endif
