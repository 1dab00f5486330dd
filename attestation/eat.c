/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading of ES384 tokens (RFC 7515, 7518 section 3.4) and of their key
 * set (RFC 7517). The algorithm is fixed before anything is read, so that a
 * header can neither switch the signature off nor choose how it is checked.
 */
#include "attestation/eat.h"

#include <openssl/core_names.h>
#include <string.h>

#include "base/codec.h"
#include "base/json.h"
#include "base/mem.h"

enum { COORDINATE = 48, POINT = 1 + 2 * COORDINATE };

static bool
split(struct text t, struct text part[3])
{
	for (int i = 0; i < 2; i++) {
		const char *dot = memchr(t.at, '.', t.len);

		if (dot == NULL)
			return false;
		part[i] = (struct text){t.at, (size_t)(dot - t.at)};
		t.len -= part[i].len + 1;
		t.at = dot + 1;
	}
	part[2] = t;
	return memchr(t.at, '.', t.len) == NULL;
}

static bool
object_read(struct text part, json_t **out, struct fault *f)
{
	size_t size = part.len + 1, len;
	uint8_t *raw = mem_new(size);
	bool ok = base64url_decode(part, raw, size, &len) ||
		  fault_set(f, FAULT_INVALID, "token: a part is not base64url");

	if (ok && !json_read(
		      (struct text){(char *)raw, len}, EAT_TOKEN_MAX, out, f)) {
		f->kind = FAULT_INVALID;
		ok = false;
	}
	mem_free(raw);
	if (ok && !json_is_object(*out)) {
		json_free(out);
		return fault_set(
		    f, FAULT_INVALID, "token: a part is not a JSON object");
	}
	return ok;
}

static bool
header_judge(const json_t *header, struct eat *out, struct fault *f)
{
	const char *name, *kid, *alg;
	const json_t *value;

	if (!json_get_string(header, "alg", 16, &alg, FAULT_INVALID, f))
		return false;
	if (strcmp(alg, "ES384") != 0)
		return fault_set(f, FAULT_UNSUPPORTED,
		    "token: algorithm %.16s, ES384 wanted", alg);
	json_object_foreach((json_t *)(uintptr_t)header, name, value)
	{
		bool typ = strcmp(name, "typ") == 0 && json_is_string(value) &&
			   strcmp(json_string_value(value), "JWT") == 0;

		if (!typ && strcmp(name, "alg") != 0 &&
		    strcmp(name, "kid") != 0)
			return fault_set(f, FAULT_UNSUPPORTED,
			    "token: header '%.20s' is not accepted", name);
	}
	if (!json_get_string(
		header, "kid", sizeof(out->kid) - 1, &kid, FAULT_INVALID, f))
		return false;
	return text_store(text_of(kid), out->kid, sizeof(out->kid));
}

bool
eat_read(struct text compact, struct eat *out, struct fault *f)
{
	struct text part[3];
	json_t *header = NULL;
	size_t len;
	bool ok;

	memset(out, 0, sizeof(*out));
	if (compact.len > EAT_TOKEN_MAX || !split(compact, part))
		return fault_set(f, FAULT_INVALID,
		    "token: not three parts of at most %d bytes",
		    EAT_TOKEN_MAX);
	if (!object_read(part[0], &header, f))
		return false;
	ok = header_judge(header, out, f);
	json_free(&header);
	if (!ok)
		return false;
	if (!base64url_decode(
		part[2], out->signature, sizeof(out->signature), &len) ||
	    len != EAT_SIGNATURE)
		return fault_set(f, FAULT_INVALID,
		    "token: the signature is not 96 bytes in base64url");
	out->signed_part = bytes_of(compact.at, part[0].len + 1 + part[1].len);
	return object_read(part[1], &out->claims, f);
}

void
eat_free(struct eat *e)
{
	json_free(&e->claims);
}

bool
eat_keys_read(struct text jwks, struct eat_keys *out, struct fault *f)
{
	*out = (struct eat_keys){NULL, NULL};
	return json_read(jwks, EAT_JWKS_MAX, &out->set, f) &&
	       json_get_array(out->set, "keys", EAT_KEYS_MAX, &out->keys,
		   FAULT_INVALID, f);
}

void
eat_keys_free(struct eat_keys *k)
{
	json_free(&k->set);
	k->keys = NULL;
}

/* Two keys under one id would leave the choice to whoever wrote the set. */
static const json_t *
key_by_id(const struct eat_keys *k, const char *kid, struct fault *f)
{
	const json_t *found = NULL, *key;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)k->keys, i, key)
	{
		const char *id = json_string_value(json_object_get(key, "kid"));

		if (id == NULL || strcmp(id, kid) != 0)
			continue;
		if (found != NULL) {
			fault_set(f, FAULT_CONFLICT,
			    "key set: two keys with the token's id");
			return NULL;
		}
		found = key;
	}
	if (found == NULL)
		fault_set(
		    f, FAULT_NOT_FOUND, "key set: no key with the token's id");
	return found;
}

static bool
member_is(const json_t *o, const char *name, const char *wanted, bool needed)
{
	const json_t *j = json_object_get(o, name);

	if (j == NULL)
		return !needed;
	return json_is_string(j) && strcmp(json_string_value(j), wanted) == 0;
}

static bool
coordinate(const json_t *key, const char *name, uint8_t out[COORDINATE])
{
	const char *t = json_string_value(json_object_get(key, name));
	size_t len;

	return t != NULL &&
	       base64url_decode(text_of(t), out, COORDINATE, &len) &&
	       len == COORDINATE;
}

static bool
point_of_jwk(const json_t *key, uint8_t out[POINT], struct fault *f)
{
	if (!member_is(key, "kty", "EC", true) ||
	    !member_is(key, "crv", "P-384", true) ||
	    !member_is(key, "use", "sig", false) ||
	    !member_is(key, "alg", "ES384", false))
		return fault_set(f, FAULT_UNSUPPORTED,
		    "key set: the token's key is not for ES384");
	out[0] = 4;
	if (!coordinate(key, "x", out + 1) ||
	    !coordinate(key, "y", out + 1 + COORDINATE))
		return fault_set(f, FAULT_INVALID,
		    "key set: the token's key has no sound point");
	return true;
}

static bool
chain_of_jwk(const json_t *key, struct chain *c, struct fault *f)
{
	const json_t *list, *item;
	size_t i;

	if (!json_get_array(key, "x5c", CHAIN_MAX, &list, FAULT_INVALID, f))
		return false;
	json_array_foreach((json_t *)(uintptr_t)list, i, item)
	{
		const char *t = json_string_value(item);
		uint8_t der[CERTIFICATE_DER_MAX];
		size_t len;

		if (t == NULL ||
		    !base64_decode(text_of(t), der, sizeof(der), &len))
			return fault_set(f, FAULT_INVALID,
			    "key set: a certificate is not base64");
		if (!chain_add_der(c, bytes_of(der, len), f))
			return false;
	}
	return true;
}

/* The certificate is what is vouched for, so its key is the one to use; the
 * bare point beside it must be the same. */
static bool
key_agrees(X509 *leaf, const uint8_t point[POINT], struct fault *f)
{
	uint8_t own[POINT + 1];
	size_t len = 0;

	if (!key_is_curve(X509_get0_pubkey(leaf), "P-384") ||
	    !EVP_PKEY_get_octet_string_param(X509_get0_pubkey(leaf),
		OSSL_PKEY_PARAM_PUB_KEY, own, sizeof(own), &len) ||
	    len != POINT || memcmp(own, point, POINT) != 0)
		return fault_set(
		    f, FAULT_CONFLICT, "key set: key and certificate differ");
	return true;
}

bool
eat_key_find(const struct eat_keys *k, const char *kid,
    const struct eat_rules *r, EVP_PKEY **key, struct window *window,
    struct fault *f)
{
	const struct chain_rules rules = {
	    .anchors = r->anchors,
	    .anchor = ANCHOR_NRAS_INTERMEDIATE,
	    .signing = CHAIN_RSA,
	    .now_ms = r->now_ms,
	};
	const json_t *jwk = key_by_id(k, kid, f);
	struct chain c = {.count = 0};
	uint8_t point[POINT];
	bool ok;

	ok = jwk != NULL && point_of_jwk(jwk, point, f) &&
	     chain_of_jwk(jwk, &c, f) && chain_walk(&c, &rules, window, f) &&
	     key_agrees(c.at[0], point, f);
	*key = ok ? X509_get_pubkey(c.at[0]) : NULL;
	chain_free(&c);
	return ok;
}

bool
eat_holds(const struct eat *e, EVP_PKEY *key)
{
	return signature_p384(key, e->signed_part, e->signature);
}
