/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Web Keys: read as strictly as they are written. */
#include "auth/jwk.h"

#include <stdio.h>
#include <string.h>

#include "base/codec.h"

#define COORDINATE_TEXT BASE64_SIZE(32)

struct entry {
	char kid[JWK_KID_TEXT];
	struct ec_key *key;
};

struct jwks {
	struct entry at[JWKS_KEYS_MAX];
	size_t count;
};

static void
coordinates(
    const struct ec_key *k, char x[COORDINATE_TEXT], char y[COORDINATE_TEXT])
{
	uint8_t rx[32], ry[32];

	ec_key_point(k, rx, ry);
	base64url_encode(bytes_of(rx, 32), x);
	base64url_encode(bytes_of(ry, 32), y);
}

/* RFC 7638 section 3: the required members in order, no white space. */
void
jwk_thumbprint(const struct ec_key *k, char out[JWK_KID_TEXT])
{
	char x[COORDINATE_TEXT], y[COORDINATE_TEXT], text[200];
	uint8_t digest[32];
	int len;

	coordinates(k, x, y);
	len = snprintf(text, sizeof text,
	    "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x,
	    y);
	sha256(bytes_of(text, (size_t)len), digest);
	base64url_encode(bytes_of(digest, 32), out);
}

json_t *
jwk_write(const struct ec_key *k)
{
	char x[COORDINATE_TEXT], y[COORDINATE_TEXT], kid[JWK_KID_TEXT];
	json_t *o = json_object();

	coordinates(k, x, y);
	jwk_thumbprint(k, kid);
	json_object_set_new(o, "kty", json_string("EC"));
	json_object_set_new(o, "crv", json_string("P-256"));
	json_object_set_new(o, "x", json_string(x));
	json_object_set_new(o, "y", json_string(y));
	json_object_set_new(o, "kid", json_string(kid));
	json_object_set_new(o, "alg", json_string("ES256"));
	json_object_set_new(o, "use", json_string("sig"));
	return o;
}

/* RFC 7518 section 6.2.1.2: the full 32 octets. */
static bool
read_coordinate(
    const json_t *o, const char *name, uint8_t out[32], struct fault *f)
{
	const char *text;
	size_t len;

	if (!json_get_string(o, name, 43, &text, FAULT_INVALID, f))
		return false;
	if (!base64url_decode(text_of(text), out, 32, &len) || len != 32)
		return fault_set(f, FAULT_INVALID,
		    "JWK: '%s' is not 32 bytes of base64url", name);
	return true;
}

static bool
must_be(const json_t *o, const char *name, const char *wanted, bool required,
    struct fault *f)
{
	const char *is;

	if (!json_get_string_or(
		o, name, 64, required ? "" : wanted, &is, FAULT_INVALID, f))
		return false;
	if (strcmp(is, wanted) == 0)
		return true;
	return fault_set(
	    f, FAULT_INVALID, "JWK: '%s' is '%s', not '%s'", name, is, wanted);
}

static bool
kid_is_thumbprint(const json_t *o, const struct ec_key *k, struct fault *f)
{
	char kid[JWK_KID_TEXT];

	jwk_thumbprint(k, kid);
	return must_be(o, "kid", kid, false, f);
}

bool
jwk_read(const json_t *o, struct ec_key **out, struct fault *f)
{
	uint8_t x[32], y[32];

	*out = NULL;
	if (!json_is_object(o))
		return fault_set(f, FAULT_INVALID, "JWK: not an object");
	if (json_object_get(o, "d") != NULL)
		return fault_set(f, FAULT_INVALID, "JWK: holds a private key");
	if (!must_be(o, "kty", "EC", true, f) ||
	    !must_be(o, "crv", "P-256", true, f) ||
	    !must_be(o, "alg", "ES256", false, f) ||
	    !must_be(o, "use", "sig", false, f) ||
	    !read_coordinate(o, "x", x, f) || !read_coordinate(o, "y", y, f) ||
	    !ec_key_of_point(x, y, out, f))
		return false;
	if (kid_is_thumbprint(o, *out, f))
		return true;
	ec_key_free(out);
	return false;
}

struct jwks *
jwks_new(void)
{
	return mem_new(sizeof(struct jwks));
}

void
jwks_free(struct jwks **s)
{
	if (*s == NULL)
		return;
	for (size_t i = 0; i < (*s)->count; i++)
		ec_key_free(&(*s)->at[i].key);
	mem_free(*s);
	*s = NULL;
}

void
jwks_add(struct jwks *s, struct ec_key **k)
{
	char kid[JWK_KID_TEXT];

	jwk_thumbprint(*k, kid);
	if (s->count == JWKS_KEYS_MAX || jwks_find(s, text_of(kid)) != NULL) {
		ec_key_free(k);
		return;
	}
	memcpy(s->at[s->count].kid, kid, sizeof kid);
	s->at[s->count++].key = *k;
	*k = NULL;
}

size_t
jwks_count(const struct jwks *s)
{
	return s->count;
}

struct ec_key *
jwks_find(const struct jwks *s, struct text kid)
{
	for (size_t i = 0; i < s->count; i++) {
		if (text_is(kid, s->at[i].kid))
			return s->at[i].key;
	}
	return NULL;
}

char *
jwks_write(struct arena *a, const struct jwks *s)
{
	json_t *o = json_object();
	json_t *keys = json_array();
	char *out;

	for (size_t i = 0; i < s->count; i++)
		json_array_append_new(keys, jwk_write(s->at[i].key));
	json_object_set_new(o, "keys", keys);
	out = json_write(a, o);
	json_free(&o);
	return out;
}

static bool
member_is(const json_t *o, const char *name, const char *wanted, bool otherwise)
{
	const json_t *m = json_object_get(o, name);

	if (m == NULL)
		return otherwise;
	return json_is_string(m) && strcmp(json_string_value(m), wanted) == 0;
}

/* Ours: what jwk_read must then find in order. */
static bool
is_ours(const json_t *o)
{
	return member_is(o, "kty", "EC", false) &&
	       member_is(o, "crv", "P-256", false) &&
	       member_is(o, "use", "sig", true) &&
	       member_is(o, "alg", "ES256", true);
}

static bool
read_entry(struct jwks *s, const json_t *o, struct fault *f)
{
	struct ec_key *k;

	if (!json_is_object(o))
		return fault_set(f, FAULT_INVALID, "JWKS: a key is no object");
	if (json_object_get(o, "d") != NULL || json_object_get(o, "k") != NULL)
		return fault_set(f, FAULT_INVALID, "JWKS: holds a secret key");
	if (!is_ours(o))
		return true;
	if (!jwk_read(o, &k, f))
		return false;
	jwks_add(s, &k);
	return true;
}

bool
jwks_read(struct text t, struct jwks **out, struct fault *f)
{
	struct jwks *s = NULL;
	json_t *o = NULL;
	const json_t *keys;
	bool ok = false;

	*out = NULL;
	if (!json_read(t, JWKS_BYTES_MAX, &o, f) ||
	    !json_get_array(o, "keys", JWKS_KEYS_MAX, &keys, FAULT_INVALID, f))
		goto out;
	s = jwks_new();
	for (size_t i = 0; i < json_array_size(keys); i++) {
		if (!read_entry(s, json_array_get(keys, i), f))
			goto out;
	}
	*out = s;
	s = NULL;
	ok = true;
out:
	jwks_free(&s);
	json_free(&o);
	return ok;
}
