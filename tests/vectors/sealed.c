/* SPDX-License-Identifier: Apache-2.0 */
/* End-to-end values of NEAR and Privatemode, and ACI's digests. */
#include "attestation/sealed.h"

#include <string.h>

#include "attestation/aci.h"
#include "attestation/eip191.h"
#include "base/codec.h"
#include "base/crypto.h"
#include "base/json.h"
#include "tests/vectors/vectors.h"

static bool
hex_member(const struct vector *x, const char *name, uint8_t *out, size_t size)
{
	const char *t = vector_string(x, name);

	return t != NULL && strlen(t) == 2 * size &&
	       hex_decode(text_of(t), out, size, NULL);
}

bool
vector_near_e2ee(struct vector *x)
{
	const char *algorithm = vector_string(x, "algorithm");
	const char *plain = vector_string(x, "plaintext");
	struct text hex = text_of(vector_string(x, "ciphertext"));
	uint8_t seed[32], *sealed = arena_alloc(x->a, hex.len / 2 + 1);
	struct bytes out = {NULL, 0}, in;
	struct fault f = {0};
	size_t len;
	bool ok;

	if (algorithm == NULL || !hex_member(x, "private_seed", seed, 32) ||
	    !hex_decode(hex, sealed, hex.len / 2 + 1, &len))
		return vector_fail(x, "no algorithm, seed or ciphertext");
	in = bytes_of(sealed, len);
	ok = strcmp(algorithm, "ed25519") == 0
		 ? sealed_open_ed25519(x->a, seed, in, &out, &f)
		 : sealed_open_ecdsa(x->a, seed, in, &out, &f);
	if (ok && (plain == NULL ||
		      !bytes_equal(out, bytes_of(plain, strlen(plain)))))
		return vector_fail(x, "another plaintext");
	return vector_expect_plain(x, ok, verdict_code_of_fault(&f), "sealed",
	    vector_string(x, "expect"));
}

/* Each encrypted value is the JSON text of the plain one. */
static bool
member_is(struct vector *x, const struct sealed_member *m, const char *value,
    const char *wanted_id, const json_t *plain)
{
	struct fault f = {0};
	struct text id;
	struct bytes out;
	json_t *seen = NULL;
	char *wrapped;
	bool same;

	if (value == NULL ||
	    !sealed_open_member(x->a, m, text_of(value), &id, &out, &f))
		return vector_fail(x, "member %u: %s", m->sequence, f.why);
	if (wanted_id != NULL && !text_is(id, wanted_id))
		return vector_fail(x, "member %u: another id", m->sequence);
	wrapped =
	    arena_printf(x->a, "[%.*s]", (int)out.len, (const char *)out.at);
	same = json_read(text_of(wrapped), strlen(wrapped), &seen, &f) &&
	       json_equal(json_array_get(seen, 0), plain);
	json_free(&seen);
	return same || vector_fail(x, "member %u: another value", m->sequence);
}

/* A case in which everything must hold, unless it says otherwise. */
static bool
as_expected(struct vector *x, bool held)
{
	const char *expect = vector_string(x, "expect");

	if (expect == NULL || strcmp(expect, "accept") == 0)
		return held;
	return vector_expect_plain(x, held, CODE_TAMPERED, "whole", expect);
}

/* The whole exchange: each member in its place, both ways. */
static bool
exchange_opens(struct vector *x)
{
	const json_t *sealed = json_object_get(x->c, "request_encrypted");
	const json_t *plain = json_object_get(x->c, "request_plain");
	const json_t *order = json_object_get(x->c, "request_sequence");
	const json_t *response = json_object_get(x->c, "response");
	const char *id = vector_string(x, "secret_id");
	struct sealed_member m;

	if (!hex_member(x, "secret", m.secret, 32) ||
	    !hex_member(x, "request_nonce", m.nonce, 12))
		return vector_fail(x, "no secret or nonce");
	for (size_t i = 0; i < json_array_size(order); i++) {
		const char *name = json_string_value(json_array_get(order, i));

		m.sequence = (uint32_t)i;
		if (!member_is(x, &m,
			json_string_value(json_object_get(sealed, name)), id,
			json_object_get(plain, name)))
			return false;
	}
	for (size_t i = 0; i < json_array_size(response); i++) {
		const json_t *o = json_array_get(response, i);

		m.sequence = (uint32_t)json_integer_value(
		    json_object_get(o, "sequence"));
		if (!member_is(x, &m,
			json_string_value(json_object_get(o, "value")), id,
			json_object_get(o, "plain")))
			return false;
	}
	return (json_array_size(order) > 0 && json_array_size(response) > 0) ||
	       vector_fail(x, "an exchange without values");
}

bool
vector_privatemode(struct vector *x)
{
	return as_expected(x, exchange_opens(x));
}

bool
vector_privatemode_single(struct vector *x)
{
	struct sealed_member m = {.sequence = (uint32_t)json_integer_value(
				      json_object_get(x->c, "sequence"))};
	const json_t *plain = json_object_get(x->c, "plain");
	struct fault f = {0};
	struct text id;
	struct bytes out;
	bool ok;

	if (!hex_member(x, "secret", m.secret, 32) ||
	    !hex_member(x, "request_nonce", m.nonce, 12))
		return vector_malformed(x, "sealed");
	ok = sealed_open_member(
	    x->a, &m, text_of(vector_string(x, "value")), &id, &out, &f);
	if (ok && plain != NULL &&
	    !member_is(x, &m, vector_string(x, "value"), NULL, plain))
		return false;
	return vector_expect_plain(x, ok, verdict_code_of_fault(&f), "sealed",
	    vector_string(x, "expect"));
}

static bool
digest_is(
    struct vector *x, const char *json, const char *prefix, const char *wanted)
{
	uint8_t digest[32];
	char hex[HEX_SIZE(32)];
	struct fault f = {0};

	if (json == NULL || wanted == NULL ||
	    !aci_digest(text_of(json), digest, &f))
		return vector_fail(x, "no digest: %s", f.why);
	hex_encode(bytes_of(digest, 32), hex);
	return strcmp(arena_printf(x->a, "%s%s", prefix, hex), wanted) == 0 ||
	       vector_fail(x, "digest %s is not %s", hex, wanted);
}

static bool
canonical_stays(struct vector *x, const char *member)
{
	const char *text = vector_string(x, member), *again;
	struct fault f = {0};

	again = text != NULL ? aci_canonical(x->a, text_of(text), &f) : NULL;
	return (again != NULL && strcmp(again, text) == 0) ||
	       vector_fail(x, "%s is not its own canonical form", member);
}

static bool
statement_is(struct vector *x, const json_t *o)
{
	const char *jcs = json_string_value(json_object_get(o, "jcs"));
	const char *wanted =
	    json_string_value(json_object_get(o, "report_data"));
	uint8_t digest[32], data[64];
	char hex[HEX_SIZE(64)];
	json_t *j = NULL;
	struct fault f = {0};
	struct text nonce;

	if (jcs == NULL || wanted == NULL ||
	    !aci_digest(text_of(vector_string(x, "keyset_jcs")), digest, &f) ||
	    !json_read(text_of(jcs), strlen(jcs), &j, &f))
		return vector_fail(x, "no statement: %s", f.why);
	nonce = text_of(json_string_value(json_object_get(j, "nonce")));
	aci_report_data(digest, nonce, data);
	json_free(&j);
	hex_encode(bytes_of(data, 64), hex);
	return strcmp(hex, wanted) == 0 ||
	       vector_fail(x, "report data %s", hex);
}

static bool
receipt_holds(struct vector *x)
{
	const char *document = vector_string(x, "receipt_document");
	struct text keyset = text_of(vector_string(x, "keyset_jcs"));
	struct aci_receipt r;
	struct fault f = {0};
	char *forged;

	if (document == NULL ||
	    !aci_receipt_read(x->a, text_of(document), keyset, &r, &f))
		return vector_fail(x, "receipt: %s", f.why);
	if (!text_equal(text_of(r.session_id),
		text_of(vector_string(x, "session_id"))) ||
	    !r.upstream_verified)
		return vector_fail(x, "receipt: another session");
	/* Any byte of what is signed: the receipt no longer holds. */
	for (size_t i = 0; document[i] != '\0'; i++) {
		forged = arena_string(x->a, document);
		forged[i] ^= 1;
		if (aci_receipt_read(x->a, text_of(forged), keyset, &r, &f))
			return vector_fail(x, "receipt: byte %zu is free", i);
	}
	return true;
}

static bool
aci_holds(struct vector *x)
{
	const json_t *list = json_object_get(x->c, "statements");
	const char *signed_text = vector_string(x, "receipt_signing_input");
	struct fault f = {0};

	for (size_t i = 0; i < json_array_size(list); i++)
		if (!statement_is(x, json_array_get(list, i)))
			return false;
	if (signed_text == NULL ||
	    !ed25519_verify_text(bytes_of(signed_text, strlen(signed_text)),
		text_of(vector_string(x, "receipt_signature")),
		text_of(vector_string(x, "receipt_public_key")), &f))
		return vector_fail(x, "signature: %s", f.why);
	return digest_is(x, vector_string(x, "keyset_jcs"),
		   "sha256:", vector_string(x, "keyset_digest")) &&
	       digest_is(x, vector_string(x, "session_jcs"), "",
		   vector_string(x, "session_id")) &&
	       canonical_stays(x, "keyset_jcs") &&
	       canonical_stays(x, "session_jcs") &&
	       canonical_stays(x, "receipt_signing_input") &&
	       canonical_stays(x, "e2ee_request_aad") &&
	       canonical_stays(x, "e2ee_response_aad") && receipt_holds(x);
}

bool
vector_aci(struct vector *x)
{
	return as_expected(x, aci_holds(x));
}
