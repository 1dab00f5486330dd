/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See signer.h. libsecp256k1 signs; the message's frame is EIP-191's, and its
 * hash Keccak-256, as whoever recovers the signer expects.
 */
#include "provider/signer.h"

#include <openssl/crypto.h>
#include <secp256k1_recovery.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attestation/keccak.h"
#include "base/crypto.h"
#include "base/mem.h"

struct signer {
	secp256k1_context *context;
	uint8_t key[32];
	uint8_t address[EIP191_ADDRESS];
	char text[2 * EIP191_ADDRESS + 3];
};

static void
derive_address(struct signer *s)
{
	uint8_t point[65];
	size_t len = sizeof(point);
	secp256k1_pubkey public;

	if (!secp256k1_ec_pubkey_create(s->context, &public, s->key))
		abort(); /* the key was checked */
	secp256k1_ec_pubkey_serialize(
	    s->context, point, &len, &public, SECP256K1_EC_UNCOMPRESSED);
	eip191_address_of_point(point + 1, s->address);
	eip191_address_write(s->address, s->text);
}

struct signer *
signer_new(void)
{
	struct signer *s = mem_new(sizeof(*s));
	uint8_t seed[32];

	s->context = secp256k1_context_create(SECP256K1_CONTEXT_SIGN);
	random_bytes(seed, sizeof(seed));
	if (!secp256k1_context_randomize(s->context, seed))
		abort();
	OPENSSL_cleanse(seed, sizeof(seed));
	do
		random_bytes(s->key, sizeof(s->key));
	while (!secp256k1_ec_seckey_verify(s->context, s->key));
	derive_address(s);
	return s;
}

void
signer_free(struct signer **s)
{
	if (*s == NULL)
		return;
	secp256k1_context_destroy((*s)->context);
	mem_wipe_free(*s, sizeof(**s));
	*s = NULL;
}

const uint8_t *
signer_address(const struct signer *s)
{
	return s->address;
}

const char *
signer_address_text(const struct signer *s)
{
	return s->text;
}

void
signer_sign(
    const struct signer *s, struct text message, char out[SIGNATURE_TEXT])
{
	secp256k1_ecdsa_recoverable_signature signature;
	uint8_t digest[32], raw[EIP191_SIGNATURE];
	char length[24];
	int id = 0;

	snprintf(length, sizeof(length), "%zu", message.len);
	keccak256_parts(
	    (const struct bytes[]){bytes_of("\x19"
					    "Ethereum Signed Message:\n",
				       26),
		bytes_of(length, strlen(length)),
		bytes_of(message.at, message.len)},
	    3, digest);
	if (!secp256k1_ecdsa_sign_recoverable(
		s->context, &signature, digest, s->key, NULL, NULL))
		abort(); /* cannot be, with a sound key and RFC 6979 */
	secp256k1_ecdsa_recoverable_signature_serialize_compact(
	    s->context, raw, &id, &signature);
	raw[64] = (uint8_t)(27 + id);
	memcpy(out, "0x", 2);
	hex_encode(bytes_of(raw, sizeof(raw)), out + 2);
}
