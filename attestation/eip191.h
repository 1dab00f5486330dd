/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures by which an attested worker vouches for one exchange: EIP-191
 * personal messages on secp256k1 (the signer is recovered and compared) and
 * Ed25519, and the only two texts such a signature may be over. A signature
 * proves who signed the text; it does not prove which model answered.
 */
#ifndef ATTESTATION_EIP191_H
#define ATTESTATION_EIP191_H

#include "base/fault.h"
#include "base/text.h"

enum { EIP191_ADDRESS = 20, EIP191_SIGNATURE = 65 };

/* "0x" and 40 hex digits (the prefix may be missing). Letters of one case say
 * nothing; of both cases they must be the EIP-55 checksum. Fails INVALID. */
bool eip191_address_read(
    struct text t, uint8_t out[EIP191_ADDRESS], struct fault *f);

/* The address of an uncompressed point (x and y, 64 bytes). */
void eip191_address_of_point(
    const uint8_t point[64], uint8_t out[EIP191_ADDRESS]);

/* Lower-case text with 0x, as the API gives it. */
void eip191_address_write(
    const uint8_t address[EIP191_ADDRESS], char out[2 * EIP191_ADDRESS + 3]);

/* The signer of a personal message. The signature text is 65 bytes in hex,
 * with or without 0x; the last byte is 27, 28, 0 or 1. Fails INVALID on its
 * form and TAMPERED on r or s out of range or s in the upper half (EIP-2),
 * where a second spelling of the same signature would exist. */
bool eip191_recover(struct bytes message, struct text signature,
    uint8_t out[EIP191_ADDRESS], struct fault *f);

/* The same, compared with the address wanted. */
bool eip191_verify(struct bytes message, struct text signature,
    const uint8_t wanted[EIP191_ADDRESS], struct fault *f);

/* Ed25519 (RFC 8032) over the message itself. Texts are hex, with or without
 * 0x: signature 64 bytes, key 32. */
bool ed25519_verify_text(struct bytes message, struct text signature,
    struct text key, struct fault *f);

/* What a chat signature is over: "model:request:response" or the older
 * "request:response", each hash 64 lower-case hex digits. */
struct chat_text {
	struct text model; /* empty in the older form */
	uint8_t request[32];
	uint8_t response[32];
};

/* Fails INVALID for any other text. Borrowed from t. */
bool chat_text_read(struct text t, struct chat_text *out, struct fault *f);

struct chat_signature {
	struct text text;
	struct text signature;
	struct text address;   /* or the Ed25519 key */
	struct text algorithm; /* "ecdsa" or "ed25519" */
};

/* The text has a known form and is signed by the address given. What that
 * address is worth the caller knows from the evidence that binds it. */
bool chat_signature_verify(
    const struct chat_signature *s, struct chat_text *out, struct fault *f);

/* The hashes of the text are those of these bytes, and its model, where it
 * names one, is this one. An empty model is not compared. */
bool chat_text_covers(const struct chat_text *t, struct text model,
    struct bytes request, struct bytes response, struct fault *f);

#endif
