/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Report data, form by form. Evidence that is sound but was made for another
 * question, connection or key proves nothing here; every form therefore
 * starts from what this verifier asked and sees, never from what the answer
 * says about itself.
 */
#include "attestation/binding.h"

#include <string.h>

#include "attestation/eip191.h"
#include "base/codec.h"
#include "base/crypto.h"
#include "base/json.h"

enum { ACTIONS_MAX = 256 * 1024, NONCE_LEAST = 16 };

static void
sha512_parts(const struct bytes *parts, size_t count, uint8_t out[64])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	EVP_DigestInit_ex(c, EVP_sha512(), NULL);
	for (size_t i = 0; i < count; i++)
		EVP_DigestUpdate(c, parts[i].at, parts[i].len);
	EVP_DigestFinal_ex(c, out, NULL);
	EVP_MD_CTX_free(c);
}

void
binding_tunnel(const struct binding_tunnel *b, uint8_t out[REPORT_DATA])
{
	const struct bytes parts[] = {
	    bytes_of(b->nonce, sizeof(b->nonce)),
	    bytes_of(b->did.at, b->did.len),
	    b->spki,
	    bytes_of(b->statement, sizeof(b->statement)),
	    b->signing_key,
	};

	sha512_parts(parts, 5, out);
}

bool
binding_key_read(struct text algorithm, struct text address,
    struct binding_key *out, struct fault *f)
{
	memset(out, 0, sizeof(*out));
	if (text_is(algorithm, "ecdsa")) {
		out->len = EIP191_ADDRESS;
		return eip191_address_read(address, out->at, f);
	}
	if (!text_is(algorithm, "ed25519"))
		return fault_set(f, FAULT_INVALID,
		    "signing algorithm is neither ecdsa nor ed25519");
	if (text_starts_with(address, "0x"))
		address = (struct text){address.at + 2, address.len - 2};
	out->len = sizeof(out->at);
	if (address.len != 2 * sizeof(out->at) ||
	    !hex_decode(address, out->at, sizeof(out->at), NULL))
		return fault_set(f, FAULT_INVALID,
		    "Ed25519 key is not 32 bytes in hexadecimal");
	return true;
}

void
binding_address(const struct binding_key *k, const uint8_t nonce[BINDING_NONCE],
    uint8_t out[REPORT_DATA])
{
	memset(out, 0, REPORT_DATA);
	memcpy(out, k->at, k->len);
	memcpy(out + 32, nonce, BINDING_NONCE);
}

void
binding_address_tls(const struct binding_key *k,
    const uint8_t tls_spki_sha256[32], const uint8_t nonce[BINDING_NONCE],
    uint8_t out[REPORT_DATA])
{
	const struct bytes parts[] = {
	    bytes_of(k->at, k->len),
	    bytes_of(tls_spki_sha256, 32),
	};

	sha256_parts(parts, 2, out);
	memcpy(out + 32, nonce, BINDING_NONCE);
}

void
binding_text_key(struct text nonce_hex, struct text key_base64, uint8_t out[32])
{
	const struct bytes parts[] = {
	    bytes_of(nonce_hex.at, nonce_hex.len),
	    bytes_of(key_base64.at, key_base64.len),
	};

	sha256_parts(parts, 2, out);
}

void
binding_tinfoil(const struct binding_tinfoil *b, uint8_t out[REPORT_DATA])
{
	const struct bytes parts[] = {
	    b->tls_key_fp,
	    b->hpke_key,
	    b->nonce,
	    b->gpu_evidence_hash,
	    b->nvswitch_evidence_hash,
	};

	memset(out, 0, REPORT_DATA);
	sha256_parts(parts, 5, out);
}

void
binding_contrast(const struct binding_contrast *b, uint8_t out[REPORT_DATA])
{
	uint8_t ca[64];
	struct bytes parts[3];

	sha256(b->root_ca, ca);
	sha256(b->mesh_ca, ca + 32);
	parts[0] = b->nonce;
	parts[1] = b->transition;
	parts[2] = bytes_of(ca, sizeof(ca));
	memset(out, 0, REPORT_DATA);
	sha256_parts(parts, 3, out);
}

void
binding_contrast_tls(
    struct bytes public_key, struct bytes nonce, uint8_t out[REPORT_DATA])
{
	const struct bytes parts[] = {public_key, nonce};

	sha512_parts(parts, 2, out);
}

bool
binding_actions(struct text actions, enum binding_order order,
    const uint8_t nonce[BINDING_NONCE], uint8_t out[REPORT_DATA],
    struct fault *f)
{
	struct arena *a = arena_new();
	json_t *list = NULL;
	const char *text = NULL;
	bool ok = json_read(actions, ACTIONS_MAX, &list, f);

	if (ok && json_is_array(list))
		text = order == BINDING_SORTED ? json_write_canonical(a, list)
					       : json_write(a, list);
	if (ok && text == NULL)
		ok = fault_set(f, FAULT_INVALID,
		    "compose actions are not an array of plain values");
	if (ok) {
		sha256(bytes_of(text, strlen(text)), out);
		memcpy(out + 32, nonce, BINDING_NONCE);
	}
	json_free(&list);
	arena_free(&a);
	return ok;
}

bool
binding_holds(
    const uint8_t seen[REPORT_DATA], struct bytes wanted, struct fault *f)
{
	char got[17], want[17];

	if (wanted.len <= REPORT_DATA && wanted.len >= 32 &&
	    memcmp(seen, wanted.at, wanted.len) == 0)
		return true;
	hex_encode(bytes_of(seen, 8), got);
	hex_encode(bytes_of(wanted.at, 8), want);
	return fault_set(f, FAULT_CONFLICT,
	    "report data %s... is not the binding wanted, %s...", got, want);
}

bool
binding_actions_hold(const uint8_t seen[REPORT_DATA], struct text actions,
    const uint8_t nonce[BINDING_NONCE], struct fault *f)
{
	uint8_t wanted[REPORT_DATA];

	if (!binding_actions(actions, BINDING_SORTED, nonce, wanted, f))
		return false;
	if (memcmp(seen, wanted, sizeof(wanted)) == 0)
		return true;
	return binding_actions(actions, BINDING_AS_WRITTEN, nonce, wanted, f) &&
	       binding_holds(seen, bytes_of(wanted, sizeof(wanted)), f);
}

bool
binding_nonce_read(struct text hex, uint8_t out[BINDING_NONCE], struct fault *f)
{
	size_t len;

	memset(out, 0, BINDING_NONCE);
	if (hex.len < (size_t)2 * NONCE_LEAST ||
	    !hex_decode(hex, out, BINDING_NONCE, &len))
		return fault_set(f, FAULT_INVALID,
		    "nonce is not 16 to 32 bytes in hexadecimal");
	return true;
}

bool
binding_nonce_answers(struct text asked, struct text answer, struct fault *f)
{
	uint8_t wanted[BINDING_NONCE], seen[BINDING_NONCE];

	if (!binding_nonce_read(asked, wanted, f))
		return false;
	if (answer.len != (size_t)2 * BINDING_NONCE ||
	    !hex_decode(answer, seen, sizeof(seen), NULL))
		return fault_set(f, FAULT_INVALID,
		    "answered nonce is not 32 bytes in hexadecimal");
	if (memcmp(seen, wanted, sizeof(seen)) != 0)
		return fault_set(f, FAULT_CONFLICT,
		    "answered nonce is not the one asked, filled with zeros");
	return true;
}
