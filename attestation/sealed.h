/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening what services encrypt end to end to a key that their evidence (or
 * the caller's) binds: NEAR's two schemes and Privatemode's members. Only the
 * key's owner opens; nothing is returned unless the tag holds.
 */
#ifndef ATTESTATION_SEALED_H
#define ATTESTATION_SEALED_H

#include "base/fault.h"
#include "base/mem.h"
#include "base/text.h"

enum { SEALED_MAX = 1024 * 1024 };

/* Ephemeral X25519 key 32 ‖ nonce 24 ‖ XChaCha20-Poly1305, to the X25519 key
 * that the Ed25519 seed stands for. The plaintext is in the arena. Faults:
 * INVALID (too short), TAMPERED. */
bool sealed_open_ed25519(struct arena *a, const uint8_t seed[32],
    struct bytes sealed, struct bytes *out, struct fault *f);

/* Ephemeral secp256k1 point 65 ‖ nonce 12 ‖ AES-256-GCM. */
bool sealed_open_ecdsa(struct arena *a, const uint8_t secret[32],
    struct bytes sealed, struct bytes *out, struct fault *f);

/* "id:nonce:iv:ciphertext", AES-256-GCM with the exchange's nonce and the
 * member's place as additional data: each value has one place. *id is the
 * text before the first colon. */
struct sealed_member {
	uint8_t secret[32];
	uint8_t nonce[12]; /* of the exchange */
	uint32_t sequence;
};
bool sealed_open_member(struct arena *a, const struct sealed_member *m,
    struct text value, struct text *id, struct bytes *out, struct fault *f);

#endif
