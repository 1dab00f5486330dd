/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EIP-191 version 0x45 ("personal message") through libsecp256k1's recovery,
 * Ed25519 through OpenSSL, and the texts of chat signatures. Every refusal
 * here is on purpose narrower than what the libraries would let pass: one
 * signature has one spelling.
 */
#include "attestation/eip191.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <secp256k1.h>
#include <secp256k1_recovery.h>
#include <stdio.h>
#include <string.h>

#include "attestation/keccak.h"
#include "base/codec.h"
#include "base/crypto.h"

static struct text
without_0x(struct text t)
{
	if (t.len >= 2 && t.at[0] == '0' && t.at[1] == 'x')
		return (struct text){t.at + 2, t.len - 2};
	return t;
}

static bool
hex_exact(struct text t, uint8_t *out, size_t size)
{
	t = without_0x(t);
	return t.len == 2 * size && hex_decode(t, out, size, NULL);
}

/* EIP-55: digit i of the text is a capital where nibble i of the hash of the
 * lower-case text is 8 or more. */
static bool
checksum_holds(struct text digits, const uint8_t address[EIP191_ADDRESS])
{
	char lower[HEX_SIZE(EIP191_ADDRESS)];
	uint8_t hash[32];

	hex_encode(bytes_of(address, EIP191_ADDRESS), lower);
	keccak256(bytes_of(lower, 2 * EIP191_ADDRESS), hash);
	for (size_t i = 0; i < digits.len; i++) {
		char c = digits.at[i];
		unsigned nibble =
		    i % 2 == 0 ? hash[i / 2] >> 4 : hash[i / 2] & 15u;

		if (c >= '0' && c <= '9')
			continue;
		if ((c >= 'A' && c <= 'F') != (nibble >= 8))
			return false;
	}
	return true;
}

static bool
is_mixed_case(struct text t)
{
	bool upper = false, lower = false;

	for (size_t i = 0; i < t.len; i++) {
		upper |= t.at[i] >= 'A' && t.at[i] <= 'F';
		lower |= t.at[i] >= 'a' && t.at[i] <= 'f';
	}
	return upper && lower;
}

bool
eip191_address_read(struct text t, uint8_t out[EIP191_ADDRESS], struct fault *f)
{
	struct text digits = without_0x(t);

	if (!hex_exact(t, out, EIP191_ADDRESS))
		return fault_set(f, FAULT_INVALID,
		    "signing address is not 20 bytes in hexadecimal");
	if (is_mixed_case(digits) && !checksum_holds(digits, out))
		return fault_set(f, FAULT_INVALID,
		    "signing address has a wrong EIP-55 checksum");
	return true;
}

void
eip191_address_of_point(const uint8_t point[64], uint8_t out[EIP191_ADDRESS])
{
	uint8_t hash[32];

	keccak256(bytes_of(point, 64), hash);
	memcpy(out, hash + 12, EIP191_ADDRESS);
}

void
eip191_address_write(
    const uint8_t address[EIP191_ADDRESS], char out[2 * EIP191_ADDRESS + 3])
{
	out[0] = '0';
	out[1] = 'x';
	hex_encode(bytes_of(address, EIP191_ADDRESS), out + 2);
}

static void
personal_hash(struct bytes message, uint8_t out[32])
{
	char prefix[64];
	int len = snprintf(prefix, sizeof(prefix),
	    "\x19"
	    "Ethereum Signed Message:\n%zu",
	    message.len);
	struct bytes parts[] = {bytes_of(prefix, (size_t)len), message};

	keccak256_parts(parts, 2, out);
}

static bool
recovery_id(uint8_t v, int *out)
{
	if (v == 27 || v == 28)
		*out = v - 27;
	else if (v <= 1)
		*out = v;
	else
		return false;
	return true;
}

static bool
s_is_high(const secp256k1_ecdsa_recoverable_signature *recoverable)
{
	secp256k1_ecdsa_signature plain;

	secp256k1_ecdsa_recoverable_signature_convert(
	    secp256k1_context_static, &plain, recoverable);
	return secp256k1_ecdsa_signature_normalize(
		   secp256k1_context_static, NULL, &plain) == 1;
}

static bool
signature_read(
    struct text t, secp256k1_ecdsa_recoverable_signature *out, struct fault *f)
{
	uint8_t raw[EIP191_SIGNATURE];
	int id;

	if (!hex_exact(t, raw, sizeof(raw)))
		return fault_set(f, FAULT_INVALID,
		    "signature is not 65 bytes in hexadecimal");
	if (!recovery_id(raw[64], &id))
		return fault_set(f, FAULT_INVALID,
		    "signature: recovery id %u is none of 27, 28, 0, 1",
		    raw[64]);
	if (!secp256k1_ecdsa_recoverable_signature_parse_compact(
		secp256k1_context_static, out, raw, id))
		return fault_set(f, FAULT_TAMPERED,
		    "signature: r or s is not below the group order");
	if (s_is_high(out))
		return fault_set(f, FAULT_TAMPERED,
		    "signature: s is in the upper half (malleable)");
	return true;
}

bool
eip191_recover(struct bytes message, struct text signature,
    uint8_t out[EIP191_ADDRESS], struct fault *f)
{
	secp256k1_ecdsa_recoverable_signature s;
	secp256k1_pubkey key;
	uint8_t hash[32], point[65];
	size_t len = sizeof(point);

	if (!signature_read(signature, &s, f))
		return false;
	personal_hash(message, hash);
	if (!secp256k1_ecdsa_recover(secp256k1_context_static, &key, &s, hash))
		return fault_set(f, FAULT_TAMPERED,
		    "signature: no key can be recovered from it");
	secp256k1_ec_pubkey_serialize(secp256k1_context_static, point, &len,
	    &key, SECP256K1_EC_UNCOMPRESSED);
	eip191_address_of_point(point + 1, out);
	return true;
}

bool
eip191_verify(struct bytes message, struct text signature,
    const uint8_t wanted[EIP191_ADDRESS], struct fault *f)
{
	uint8_t got[EIP191_ADDRESS];
	char got_text[2 * EIP191_ADDRESS + 3], wanted_text[sizeof(got_text)];

	if (!eip191_recover(message, signature, got, f))
		return false;
	if (memcmp(got, wanted, sizeof(got)) == 0)
		return true;
	eip191_address_write(got, got_text);
	eip191_address_write(wanted, wanted_text);
	return fault_set(f, FAULT_UNTRUSTED, "signature is by %s, not by %s",
	    got_text, wanted_text);
}

bool
ed25519_verify_text(struct bytes message, struct text signature,
    struct text key, struct fault *f)
{
	uint8_t raw_key[32], raw_signature[64];
	EVP_PKEY *pkey;
	EVP_MD_CTX *ctx;
	bool holds;

	if (!hex_exact(key, raw_key, sizeof(raw_key)))
		return fault_set(f, FAULT_INVALID,
		    "Ed25519 key is not 32 bytes in hexadecimal");
	if (!hex_exact(signature, raw_signature, sizeof(raw_signature)))
		return fault_set(f, FAULT_INVALID,
		    "Ed25519 signature is not 64 bytes in hexadecimal");
	pkey = EVP_PKEY_new_raw_public_key(
	    EVP_PKEY_ED25519, NULL, raw_key, sizeof(raw_key));
	ctx = EVP_MD_CTX_new();
	holds = pkey != NULL && ctx != NULL &&
		EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
		EVP_DigestVerify(ctx, raw_signature, sizeof(raw_signature),
		    message.at, message.len) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	ERR_clear_error();
	if (!holds)
		return fault_set(f, FAULT_TAMPERED,
		    "Ed25519 signature does not hold under the key given");
	return true;
}

enum { HASH_DIGITS = 64, MODEL_MAX = 200 };

static bool
hash_read(struct text t, uint8_t out[32])
{
	for (size_t i = 0; i < t.len; i++)
		if (t.at[i] >= 'A' && t.at[i] <= 'F')
			return false;
	return hex_decode(t, out, 32, NULL);
}

static bool
model_is_plain(struct text t)
{
	if (t.len == 0 || t.len > MODEL_MAX)
		return false;
	for (size_t i = 0; i < t.len; i++)
		if (t.at[i] <= ' ' || t.at[i] > '~')
			return false;
	return true;
}

static bool
chat_text_parse(struct text t, struct chat_text *out)
{
	const size_t tail = 2 * HASH_DIGITS + 1;
	const char *hashes;

	*out = (struct chat_text){{NULL, 0}, {0}, {0}};
	if (t.len < tail)
		return false;
	hashes = t.at + t.len - tail;
	if (t.len > tail) {
		out->model = (struct text){t.at, t.len - tail - 1};
		if (hashes[-1] != ':' || !model_is_plain(out->model))
			return false;
	}
	return hashes[HASH_DIGITS] == ':' &&
	       hash_read((struct text){hashes, HASH_DIGITS}, out->request) &&
	       hash_read((struct text){hashes + HASH_DIGITS + 1, HASH_DIGITS},
		   out->response);
}

bool
chat_text_read(struct text t, struct chat_text *out, struct fault *f)
{
	if (chat_text_parse(t, out))
		return true;
	return fault_set(f, FAULT_INVALID,
	    "signed text is neither model:request:response nor "
	    "request:response with SHA-256 in lower-case hexadecimal");
}

bool
chat_signature_verify(
    const struct chat_signature *s, struct chat_text *out, struct fault *f)
{
	struct bytes message = bytes_of(s->text.at, s->text.len);
	uint8_t address[EIP191_ADDRESS];

	if (!chat_text_read(s->text, out, f))
		return false;
	if (text_is(s->algorithm, "ed25519"))
		return ed25519_verify_text(
		    message, s->signature, s->address, f);
	if (!text_is(s->algorithm, "ecdsa"))
		return fault_set(f, FAULT_INVALID,
		    "signing algorithm is neither ecdsa nor ed25519");
	return eip191_address_read(s->address, address, f) &&
	       eip191_verify(message, s->signature, address, f);
}

bool
chat_text_covers(const struct chat_text *t, struct text model,
    struct bytes request, struct bytes response, struct fault *f)
{
	uint8_t hash[32];

	if (model.len > 0 && t->model.len > 0 && !text_equal(model, t->model))
		return fault_set(
		    f, FAULT_CONFLICT, "signed text names another model");
	sha256(request, hash);
	if (memcmp(hash, t->request, 32) != 0)
		return fault_set(
		    f, FAULT_CONFLICT, "signed text is over another request");
	sha256(response, hash);
	if (memcmp(hash, t->response, 32) != 0)
		return fault_set(
		    f, FAULT_CONFLICT, "signed text is over another response");
	return true;
}
