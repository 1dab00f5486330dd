/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ES256 tokens on OpenSSL with kept keys: a token costs one digest and one
 * P-256 operation. libjwt 1.10 parses the key's PEM again for each token
 * (twenty times slower to sign), cannot sign through somebody else, and reads
 * tokens that must be refused; it checks this file in the tests instead.
 */
#include "auth/jwt.h"

#include <stdio.h>
#include <string.h>

#include "base/codec.h"

#define HEADER_MAX 512
#define SIGNATURE_SEGMENT_MAX 256

struct segments {
	struct text header;
	struct text payload;
	struct text signature;
	struct text signing_input;
};

static bool
key_sign(void *self, const uint8_t digest[32], uint8_t out[64])
{
	return ec_sign(self, digest, out);
}

struct jwt_signer
jwt_signer_of(struct ec_key *k)
{
	struct jwt_signer s = {.sign = key_sign, .self = k};

	jwk_thumbprint(k, s.kid);
	return s;
}

bool
jwt_sign(struct arena *a, const struct jwt_signer *s, const char *typ,
    const char *claims, char **out, struct fault *f)
{
	struct bytes payload = bytes_of(claims, strlen(claims));
	uint8_t digest[32], signature[64];
	char header[HEADER_MAX], *token, *at;
	int header_len = snprintf(header, sizeof header,
	    "{\"alg\":\"ES256\",\"typ\":\"%s\",\"kid\":\"%s\"}", typ, s->kid);
	size_t size;

	*out = NULL;
	if (header_len < 0 || (size_t)header_len >= sizeof header)
		return fault_set(f, FAULT_LIMIT, "JWT: typ too long");
	size = BASE64_SIZE((size_t)header_len) + BASE64_SIZE(payload.len) +
	       BASE64_SIZE(sizeof signature) + 2;
	if (size > JWT_BYTES_MAX)
		return fault_set(f, FAULT_LIMIT,
		    "JWT: claims of %zu bytes do not fit", payload.len);
	token = arena_alloc(a, size);
	base64url_encode(bytes_of(header, (size_t)header_len), token);
	at = token + strlen(token);
	*at++ = '.';
	base64url_encode(payload, at);
	at += strlen(at);
	sha256(bytes_of(token, (size_t)(at - token)), digest);
	if (!s->sign(s->self, digest, signature))
		return fault_set(
		    f, FAULT_INTERNAL, "JWT: key %s did not sign", s->kid);
	*at++ = '.';
	base64url_encode(bytes_of(signature, sizeof signature), at);
	*out = token;
	return true;
}

/* RFC 7515 section 7.1: exactly two periods. */
static bool
split(struct text t, struct segments *out, struct fault *f)
{
	const char *first, *second, *end = t.at + t.len;

	if (t.len == 0 || t.len > JWT_BYTES_MAX)
		return fault_set(f, FAULT_TOKEN_MALFORMED,
		    "token of %zu bytes, not 1 to %d", t.len, JWT_BYTES_MAX);
	first = memchr(t.at, '.', t.len);
	second = first == NULL
		     ? NULL
		     : memchr(first + 1, '.', (size_t)(end - first - 1));
	if (second == NULL ||
	    memchr(second + 1, '.', (size_t)(end - second - 1)) != NULL)
		return fault_set(
		    f, FAULT_TOKEN_MALFORMED, "token is not three segments");
	out->header = (struct text){t.at, (size_t)(first - t.at)};
	out->payload = (struct text){first + 1, (size_t)(second - first - 1)};
	out->signature = (struct text){second + 1, (size_t)(end - second - 1)};
	out->signing_input = (struct text){t.at, (size_t)(second - t.at)};
	return true;
}

static bool
read_object(
    struct text segment, const char *which, json_t **out, struct fault *f)
{
	uint8_t raw[JWT_BYTES_MAX];
	struct fault inner;
	size_t len;

	if (!base64url_decode(segment, raw, sizeof raw, &len))
		return fault_set(f, FAULT_TOKEN_MALFORMED,
		    "token %s is not canonical base64url", which);
	if (!json_read(
		(struct text){(const char *)raw, len}, sizeof raw, out, &inner))
		return fault_set(
		    f, FAULT_TOKEN_MALFORMED, "token %s: %s", which, inner.why);
	if (json_is_object(*out))
		return true;
	json_free(out);
	return fault_set(
	    f, FAULT_TOKEN_MALFORMED, "token %s is no object", which);
}

static bool
header_says(
    const json_t *header, const char *name, const char *wanted, struct fault *f)
{
	const char *is;

	if (!json_get_string(header, name, 64, &is, FAULT_TOKEN_MALFORMED, f))
		return false;
	if (strcmp(is, wanted) == 0)
		return true;
	return fault_set(f, FAULT_TOKEN_MALFORMED,
	    "token header: '%s' is '%s', not '%s'", name, is, wanted);
}

/* Three members and no more: whatever would name a key, a place to fetch one
 * from (jwk, jku, x5u, x5c) or a rule to understand (crit) is refused. */
static bool
read_header(struct text segment, const char *typ, char kid[JWK_KID_TEXT],
    struct fault *f)
{
	json_t *header = NULL;
	const char *name;
	bool ok = false;

	if (segment.len > HEADER_MAX)
		return fault_set(f, FAULT_TOKEN_MALFORMED,
		    "token header of %zu bytes", segment.len);
	if (!read_object(segment, "header", &header, f))
		return false;
	if (!header_says(header, "alg", "ES256", f) ||
	    !header_says(header, "typ", typ, f) ||
	    !json_get_string(
		header, "kid", HEADER_MAX, &name, FAULT_TOKEN_MALFORMED, f))
		goto out;
	if (json_object_size(header) != 3) {
		fault_set(f, FAULT_TOKEN_MALFORMED,
		    "token header has members besides alg, typ and kid");
		goto out;
	}
	/* A name of another length is no thumbprint, so no key of ours. */
	ok = text_store(text_of(name), kid, JWK_KID_TEXT) ||
	     fault_set(f, FAULT_TOKEN_KEY_UNKNOWN,
		 "no key of the token's kid is known");
out:
	json_free(&header);
	return ok;
}

static bool
check_signature(const struct segments *s, struct ec_key *k, struct fault *f)
{
	uint8_t signature[SIGNATURE_SEGMENT_MAX], digest[32];
	size_t len = 0;

	if (s->signature.len > SIGNATURE_SEGMENT_MAX ||
	    !base64url_decode(s->signature, signature, sizeof signature, &len))
		return fault_set(f, FAULT_TOKEN_MALFORMED,
		    "token signature is not canonical base64url");
	/* RFC 7518 section 3.4; DER would be 70 to 72. */
	if (len != 64)
		return fault_set(f, FAULT_TOKEN_SIGNATURE,
		    "token signature has %zu bytes, not 64", len);
	sha256(bytes_of(s->signing_input.at, s->signing_input.len), digest);
	return ec_verify(k, digest, signature) ||
	       fault_set(
		   f, FAULT_TOKEN_SIGNATURE, "token signature does not verify");
}

bool
jwt_verify(struct text token, const char *typ, const struct jwks *keys,
    json_t **claims, struct fault *f)
{
	char kid[JWK_KID_TEXT];
	struct segments s = {0};
	struct ec_key *k;

	*claims = NULL;
	if (!split(token, &s, f) || !read_header(s.header, typ, kid, f))
		return false;
	k = jwks_find(keys, text_of(kid));
	if (k == NULL)
		return fault_set(f, FAULT_TOKEN_KEY_UNKNOWN,
		    "no key of the token's kid is known");
	return check_signature(&s, k, f) &&
	       read_object(s.payload, "claims", claims, f);
}
