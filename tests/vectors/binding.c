/* SPDX-License-Identifier: Apache-2.0 */
/* Report data forms, nonces as services answer them, and signatures. */
#include "attestation/binding.h"

#include <string.h>

#include "attestation/eip191.h"
#include "base/codec.h"
#include "tests/vectors/vectors.h"

static bool
hex_of(const json_t *o, const char *name, uint8_t *out, size_t size)
{
	const char *t = json_string_value(json_object_get(o, name));

	return t != NULL && strlen(t) == 2 * size &&
	       hex_decode(text_of(t), out, size, NULL);
}

static struct text
member(const struct vector *x, const char *name)
{
	return text_of(vector_string(x, name));
}

static bool
address_form(
    struct vector *x, bool tls, const uint8_t seen[64], struct fault *f)
{
	struct binding_key key;
	uint8_t nonce[32], spki[32], wanted[64];

	if (!hex_of(x->c, "nonce", nonce, 32) ||
	    (tls && !hex_of(x->c, "tls_spki_sha256", spki, 32)))
		return fault_set(f, FAULT_INVALID, "no nonce or fingerprint");
	if (!binding_key_read(member(x, "signing_algo"),
		member(x, "signing_address"), &key, f))
		return false;
	if (tls)
		binding_address_tls(&key, spki, nonce, wanted);
	else
		binding_address(&key, nonce, wanted);
	return binding_holds(seen, bytes_of(wanted, sizeof(wanted)), f);
}

static bool
tinfoil_form(struct vector *x, const uint8_t seen[64], struct fault *f)
{
	const json_t *o = json_object_get(x->c, "report_data_fields");
	const char *const names[5] = {"tls_key_fp", "hpke_key", "nonce",
	    "gpu_evidence_hash", "nvswitch_evidence_hash"};
	uint8_t raw[5][32], wanted[64];
	struct bytes part[5];

	for (int i = 0; i < 5; i++) {
		part[i] = (struct bytes){NULL, 0};
		if (hex_of(o, names[i], raw[i], 32))
			part[i] = bytes_of(raw[i], 32);
	}
	/* A nonce that was asked for is the one to be bound. */
	if (vector_string(x, "nonce") != NULL &&
	    (!hex_of(x->c, "nonce", wanted, 32) ||
		!bytes_equal(part[2], bytes_of(wanted, 32))))
		return fault_set(f, FAULT_CONFLICT, "another nonce");
	binding_tinfoil(&(struct binding_tinfoil){part[0], part[1], part[2],
			    part[3], part[4]},
	    wanted);
	return binding_holds(seen, bytes_of(wanted, sizeof(wanted)), f);
}

bool
vector_binding(struct vector *x)
{
	const char *scheme = vector_string(x, "scheme");
	uint8_t seen[64], wanted[32];
	struct fault f = {0};
	bool ok;

	if (scheme == NULL || vector_string(x, "report_data") == NULL)
		return vector_fail(x, "no scheme or report data");
	if (!hex_of(x->c, "report_data", seen, 64))
		return vector_malformed(x, scheme);
	if (strcmp(scheme, "address") == 0) {
		ok = address_form(x, false, seen, &f);
	} else if (strcmp(scheme, "address+tls") == 0) {
		ok = address_form(x, true, seen, &f);
	} else if (strcmp(scheme, "nonce-hex+key-base64") == 0) {
		binding_text_key(
		    member(x, "nonce"), member(x, "e2e_pubkey"), wanted);
		ok = binding_holds(seen, bytes_of(wanted, 32), &f);
	} else if (strcmp(scheme, "tls+hpke+nonce+gpu") == 0) {
		ok = tinfoil_form(x, seen, &f);
	} else {
		return vector_fail(x, "unknown scheme %s", scheme);
	}
	return vector_expect_plain(x, ok, verdict_code_of_fault(&f), scheme,
	    vector_string(x, "expect"));
}

/* The answer is the nonce asked, filled; the GPUs carry what was answered. */
bool
vector_ionet_nonce(struct vector *x)
{
	struct fault f = {0};
	bool ok = binding_nonce_answers(member(x, "asked_nonce"),
		      member(x, "answer_nonce"), &f) &&
		  (vector_string(x, "gpu_nonce") == NULL ||
		      binding_nonce_answers(member(x, "asked_nonce"),
			  member(x, "gpu_nonce"), &f));

	return vector_expect_plain(x, ok, verdict_code_of_fault(&f), "nonce",
	    vector_string(x, "expect"));
}

bool
vector_eip191(struct vector *x)
{
	struct text hex = member(x, "message_hex");
	uint8_t *message = arena_alloc(x->a, hex.len / 2 + 1);
	uint8_t address[EIP191_ADDRESS];
	struct fault f = {0};
	size_t len;
	bool ok;

	if (!hex_decode(hex, message, hex.len / 2 + 1, &len))
		return vector_fail(x, "the message is not hexadecimal");
	ok = eip191_address_read(member(x, "address"), address, &f) &&
	     eip191_verify(
		 bytes_of(message, len), member(x, "signature"), address, &f);
	return vector_expect_plain(x, ok, verdict_code_of_fault(&f), "eip191",
	    vector_string(x, "expect"));
}

bool
vector_chat_signature(struct vector *x)
{
	const struct chat_signature s = {member(x, "text"),
	    member(x, "signature"), member(x, "signing_address"),
	    member(x, "signing_algo")};
	struct bytes request, response;
	struct chat_text t;
	struct fault f = {0};
	bool ok = chat_signature_verify(&s, &t, &f);

	if (ok && vector_string(x, "request") != NULL) {
		if (!vector_member_file(x, "request", &request) ||
		    !vector_member_file(x, "response", &response))
			return false;
		ok = chat_text_covers(
		    &t, member(x, "model"), request, response, &f);
	}
	return vector_expect_plain(x, ok, verdict_code_of_fault(&f),
	    "chat_signature", vector_string(x, "expect"));
}
