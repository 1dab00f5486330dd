/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that must be read, and every way we know of being wrong. libjwt is
 * the independent check: each reads what the other wrote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jwt.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "auth/jwt.h"
#include "base/codec.h"

struct fixture {
	struct arena *arena;
	struct ec_key *key;
	struct jwks *keys;
	struct jwt_signer signer;
	char kid[JWK_KID_TEXT];
};

static int
setup(void **state)
{
	struct fixture *x = mem_new(sizeof *x);
	struct ec_key *copy;
	uint8_t px[32], py[32];

	x->arena = arena_new();
	x->key = ec_key_generate();
	jwk_thumbprint(x->key, x->kid);
	x->signer = jwt_signer_of(x->key);
	x->keys = jwks_new();
	ec_key_point(x->key, px, py);
	assert_true(ec_key_of_point(px, py, &copy, NULL));
	jwks_add(x->keys, &copy);
	*state = x;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *x = *state;

	arena_free(&x->arena);
	ec_key_free(&x->key);
	jwks_free(&x->keys);
	mem_free(x);
	return 0;
}

static char *
encode(struct arena *a, const void *at, size_t len)
{
	char *out = arena_alloc(a, BASE64_SIZE(len));

	base64url_encode(bytes_of(at, len), out);
	return out;
}

/* Any header over any payload, rightly signed. */
static char *
forge(struct fixture *x, const char *header, const char *payload)
{
	char *input = arena_printf(x->arena, "%s.%s",
	    encode(x->arena, header, strlen(header)),
	    encode(x->arena, payload, strlen(payload)));
	uint8_t digest[32], raw[64];

	sha256(bytes_of(input, strlen(input)), digest);
	assert_true(ec_sign(x->key, digest, raw));
	return arena_printf(
	    x->arena, "%s.%s", input, encode(x->arena, raw, 64));
}

static char *
good_header(struct fixture *x, const char *more)
{
	return arena_printf(x->arena,
	    "{\"alg\":\"ES256\",\"typ\":\"t+jwt\",\"kid\":\"%s\"%s}", x->kid,
	    more);
}

static void
expect(
    struct fixture *x, const char *token, enum fault_kind kind, const char *why)
{
	json_t *claims;
	struct fault f = {0};

	if (jwt_verify(text_of(token), "t+jwt", x->keys, &claims, &f))
		fail_msg("was accepted: %s", token);
	assert_null(claims);
	if (f.kind != kind || strstr(f.why, why) == NULL)
		fail_msg("%s: %s, wanted %s", fault_code(f.kind), f.why, why);
}

static void
test_own_token_is_read(void **state)
{
	struct fixture *x = *state;
	json_t *claims;
	struct fault f;
	char *token;

	assert_true(
	    jwt_sign(x->arena, &x->signer, "t+jwt", "{\"a\":1}", &token, &f));
	assert_true(jwt_verify(text_of(token), "t+jwt", x->keys, &claims, &f));
	assert_int_equal(json_integer_value(json_object_get(claims, "a")), 1);
	json_free(&claims);
	/* The same key, another kind of token. */
	assert_false(
	    jwt_verify(text_of(token), "at+jwt", x->keys, &claims, &f));
	assert_int_equal(f.kind, FAULT_TOKEN_MALFORMED);
}

static void
test_headers_that_are_refused(void **state)
{
	struct fixture *x = *state;
	static const struct {
		const char *header; /* %s: the kid */
		const char *why;
	} cases[] = {
	    {"{\"alg\":\"none\",\"typ\":\"t+jwt\",\"kid\":\"%s\"}",
		"'alg' is 'none'"},
	    {"{\"alg\":\"es256\",\"typ\":\"t+jwt\",\"kid\":\"%s\"}",
		"'alg' is 'es256'"},
	    {"{\"alg\":\"HS256\",\"typ\":\"t+jwt\",\"kid\":\"%s\"}",
		"'alg' is 'HS256'"},
	    {"{\"alg\":\"ES384\",\"typ\":\"t+jwt\",\"kid\":\"%s\"}",
		"'alg' is 'ES384'"},
	    {"{\"alg\":[\"ES256\"],\"typ\":\"t+jwt\",\"kid\":\"%s\"}", "'alg'"},
	    {"{\"typ\":\"t+jwt\",\"kid\":\"%s\"}", "'alg' is missing"},
	    {"{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
		"'typ' is 'JWT'"},
	    {"{\"alg\":\"ES256\",\"kid\":\"%s\"}", "'typ' is missing"},
	    {"{\"alg\":\"ES256\",\"typ\":\"t+jwt\",\"kid\":\"%s\","
	     "\"jku\":\"https://evil\"}",
		"members besides"},
	    {"{\"alg\":\"ES256\",\"typ\":\"t+jwt\",\"kid\":\"%s\","
	     "\"jwk\":{}}",
		"members besides"},
	    {"{\"alg\":\"ES256\",\"typ\":\"t+jwt\",\"kid\":\"%s\","
	     "\"x5u\":\"https://evil\"}",
		"members besides"},
	    {"{\"alg\":\"ES256\",\"typ\":\"t+jwt\",\"kid\":\"%s\","
	     "\"x5c\":[]}",
		"members besides"},
	    {"{\"alg\":\"ES256\",\"typ\":\"t+jwt\",\"kid\":\"%s\","
	     "\"crit\":[\"b64\"],\"b64\":false}",
		"members besides"},
	    {"{\"alg\":\"none\",\"alg\":\"ES256\",\"typ\":\"t+jwt\","
	     "\"kid\":\"%s\"}",
		"duplicate"},
	    {"[\"%s\"]", "is no object"},
	    {"{\"alg\":\"ES256\" %s", "token header"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *text = cases[i].header;
		const char *at = strstr(text, "%s");
		char *header = arena_printf(x->arena, "%.*s%s%s",
		    (int)(at - text), text, x->kid, at + 2);

		expect(x, forge(x, header, "{}"), FAULT_TOKEN_MALFORMED,
		    cases[i].why);
	}
}

static void
test_spellings_that_are_refused(void **state)
{
	struct fixture *x = *state;
	char *token = forge(x, good_header(x, ""), "{\"a\":1}");
	size_t len = strlen(token);
	char *at;

	expect(x, "", FAULT_TOKEN_MALFORMED, "0 bytes");
	expect(x, "a", FAULT_TOKEN_MALFORMED, "three segments");
	expect(x, "a.b", FAULT_TOKEN_MALFORMED, "three segments");
	expect(x, "..", FAULT_TOKEN_MALFORMED, "token header");
	expect(x, arena_printf(x->arena, "%s.x", token), FAULT_TOKEN_MALFORMED,
	    "three segments");
	for (const char *tail = "=!\n ~"; *tail != '\0'; tail++)
		expect(x, arena_printf(x->arena, "%s%c", token, *tail),
		    FAULT_TOKEN_MALFORMED, "canonical");
	expect(x, arena_printf(x->arena, " %s", token), FAULT_TOKEN_MALFORMED,
	    "canonical");
	expect(x, arena_printf(x->arena, "%s==", token), FAULT_TOKEN_MALFORMED,
	    "canonical");
	/* 64 bytes leave 2 bits of the last character unused: they are zero. */
	at = arena_copy(x->arena, token, len);
	at[len - 1]++;
	expect(x, at, FAULT_TOKEN_MALFORMED, "canonical");
	expect(x, forge(x, good_header(x, ""), "[1]"), FAULT_TOKEN_MALFORMED,
	    "is no object");
	expect(x, forge(x, good_header(x, ""), "{\"a\":1,\"a\":2}"),
	    FAULT_TOKEN_MALFORMED, "duplicate");
	expect(x, forge(x, good_header(x, ""), "{\"a\":1} {}"),
	    FAULT_TOKEN_MALFORMED, "token claims");
}

static void
test_long_tokens_are_refused(void **state)
{
	struct fixture *x = *state;
	size_t len = 12 << 20;
	char *huge = mem_new(len + 1);

	memset(huge, 'A', len);
	expect(x, huge, FAULT_TOKEN_MALFORMED, "12582912 bytes");
	huge[10] = '.';
	huge[len - 10] = '.';
	expect(x, huge, FAULT_TOKEN_MALFORMED, "12582912 bytes");
	huge[JWT_BYTES_MAX] = '\0';
	huge[JWT_BYTES_MAX - 88] = '.';
	expect(x, huge, FAULT_TOKEN_MALFORMED, "token header");
	mem_free(huge);
}

static void
test_signatures_that_are_refused(void **state)
{
	struct fixture *x = *state;
	struct arena *a = x->arena;
	char *token = forge(x, good_header(x, ""), "{\"a\":1}");
	char *dot = strrchr(token, '.');
	char *input = arena_copy(a, token, (size_t)(dot - token));
	uint8_t raw[64], zero[70] = {0}, *der = NULL;
	size_t len;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	int der_len;

	assert_true(base64url_decode(text_of(dot + 1), raw, 64, &len));
	ECDSA_SIG_set0(
	    sig, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL));
	der_len = i2d_ECDSA_SIG(sig, &der);
	expect(x,
	    arena_printf(a, "%s.%s", input, encode(a, der, (size_t)der_len)),
	    FAULT_TOKEN_SIGNATURE, "bytes, not 64");
	OPENSSL_free(der);
	ECDSA_SIG_free(sig);
	expect(x, arena_printf(a, "%s.", input), FAULT_TOKEN_SIGNATURE,
	    "0 bytes, not 64");
	expect(x, arena_printf(a, "%s.%s", input, encode(a, zero, 64)),
	    FAULT_TOKEN_SIGNATURE, "does not verify");
	memset(zero, 0xff, sizeof zero);
	expect(x, arena_printf(a, "%s.%s", input, encode(a, zero, 64)),
	    FAULT_TOKEN_SIGNATURE, "does not verify");
	memcpy(zero, raw, 64);
	expect(x, arena_printf(a, "%s.%s", input, encode(a, zero, 67)),
	    FAULT_TOKEN_SIGNATURE, "67 bytes");
	/* Every single bit of the signature counts. */
	for (size_t bit = 0; bit < 512; bit++) {
		raw[bit / 8] ^= (uint8_t)(1 << bit % 8);
		expect(x, arena_printf(a, "%s.%s", input, encode(a, raw, 64)),
		    FAULT_TOKEN_SIGNATURE, "does not verify");
		raw[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	/* Signed header and payload of two tokens do not mix. */
	expect(x,
	    arena_printf(a, "%s.%s.%s",
		arena_copy(a, token, (size_t)(strchr(token, '.') - token)),
		encode(a, "{\"a\":2}", 7), dot + 1),
	    FAULT_TOKEN_SIGNATURE, "does not verify");
}

/* CVE-2016-10555 and its kin: the public key as an HMAC secret. */
static void
test_hmac_with_the_public_key_is_refused(void **state)
{
	struct fixture *x = *state;
	struct arena *a = x->arena;
	BIO *bio = BIO_new(BIO_s_mem());
	uint8_t mac[32];
	unsigned mac_len;
	char *pem, *input;
	long pem_len;

	PEM_write_bio_PUBKEY(bio, ec_key_pkey(x->key));
	pem_len = BIO_get_mem_data(bio, &pem);
	for (int honest = 0; honest < 2; honest++) {
		char *header = arena_printf(a,
		    "{\"alg\":\"%s\",\"typ\":\"t+jwt\",\"kid\":\"%s\"}",
		    honest ? "HS256" : "ES256", x->kid);

		input = arena_printf(a, "%s.%s",
		    encode(a, header, strlen(header)), encode(a, "{}", 2));
		HMAC(EVP_sha256(), pem, (int)pem_len, (uint8_t *)input,
		    strlen(input), mac, &mac_len);
		expect(x, arena_printf(a, "%s.%s", input, encode(a, mac, 32)),
		    honest ? FAULT_TOKEN_MALFORMED : FAULT_TOKEN_SIGNATURE, "");
	}
	BIO_free(bio);
}

static void
test_unknown_keys_are_refused(void **state)
{
	struct fixture *x = *state;
	struct ec_key *other = ec_key_generate();
	struct jwt_signer s = jwt_signer_of(other);
	struct fault f;
	char *token;

	assert_true(jwt_sign(x->arena, &s, "t+jwt", "{}", &token, &f));
	expect(x, token, FAULT_TOKEN_KEY_UNKNOWN, "kid");
	/* Another key under a known name. */
	memcpy(s.kid, x->kid, sizeof s.kid);
	assert_true(jwt_sign(x->arena, &s, "t+jwt", "{}", &token, &f));
	expect(x, token, FAULT_TOKEN_SIGNATURE, "does not verify");
	expect(x,
	    forge(
		x, "{\"alg\":\"ES256\",\"typ\":\"t+jwt\",\"kid\":\"\"}", "{}"),
	    FAULT_TOKEN_KEY_UNKNOWN, "kid");
	expect(x,
	    forge(x,
		arena_printf(x->arena,
		    "{\"alg\":\"ES256\",\"typ\":\"t+jwt\","
		    "\"kid\":\"%s%s\"}",
		    x->kid, x->kid),
		"{}"),
	    FAULT_TOKEN_KEY_UNKNOWN, "kid");
	ec_key_free(&other);
}

static char *
pem_of(struct fixture *x, bool private)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *at, *out;
	long len;

	if (private)
		PEM_write_bio_PKCS8PrivateKey(
		    bio, ec_key_pkey(x->key), NULL, NULL, 0, NULL, NULL);
	else
		PEM_write_bio_PUBKEY(bio, ec_key_pkey(x->key));
	len = BIO_get_mem_data(bio, &at);
	out = arena_copy(x->arena, at, (size_t)len);
	BIO_free(bio);
	return out;
}

/* libjwt knows no typ but JWT. */
static void
test_libjwt_reads_ours(void **state)
{
	struct fixture *x = *state;
	char *pem = pem_of(x, false), *token;
	struct fault f;
	jwt_t *jwt;

	for (int i = 0; i < 50; i++) {
		assert_true(jwt_sign(x->arena, &x->signer, "JWT",
		    "{\"sub\":\"buyer\",\"exp\":99}", &token, &f));
		assert_int_equal(
		    jwt_decode(&jwt, token, (const unsigned char *)pem,
			(int)strlen(pem)),
		    0);
		assert_int_equal(jwt_get_alg(jwt), JWT_ALG_ES256);
		assert_string_equal(jwt_get_grant(jwt, "sub"), "buyer");
		assert_int_equal(jwt_get_grant_int(jwt, "exp"), 99);
		jwt_free(jwt);
	}
}

static void
test_ours_reads_libjwt(void **state)
{
	struct fixture *x = *state;
	char *pem = pem_of(x, true), *token;
	json_t *claims;
	struct fault f;
	jwt_t *jwt;

	for (int i = 0; i < 50; i++) {
		assert_int_equal(jwt_new(&jwt), 0);
		assert_int_equal(
		    jwt_set_alg(jwt, JWT_ALG_ES256, (const unsigned char *)pem,
			(int)strlen(pem)),
		    0);
		jwt_add_header(jwt, "typ", "JWT");
		jwt_add_header(jwt, "kid", x->kid);
		jwt_add_grant(jwt, "sub", "buyer");
		token = jwt_encode_str(jwt);
		assert_non_null(token);
		if (!jwt_verify(text_of(token), "JWT", x->keys, &claims, &f))
			fail_msg("%s: %s", token, f.why);
		assert_string_equal(
		    json_string_value(json_object_get(claims, "sub")), "buyer");
		json_free(&claims);
		free(token);
		jwt_free(jwt);
	}
}

static bool
refuse_to_sign(void *self, const uint8_t digest[32], uint8_t out[64])
{
	(void)self;
	(void)digest;
	(void)out;
	return false;
}

static void
test_signing_can_fail(void **state)
{
	struct fixture *x = *state;
	struct jwt_signer s = x->signer;
	char *claims = mem_new(JWT_BYTES_MAX);
	struct fault f;
	char *token;

	s.sign = refuse_to_sign;
	assert_false(jwt_sign(x->arena, &s, "t+jwt", "{}", &token, &f));
	assert_int_equal(f.kind, FAULT_INTERNAL);
	memset(claims, ' ', JWT_BYTES_MAX - 1);
	assert_false(
	    jwt_sign(x->arena, &x->signer, "t+jwt", claims, &token, &f));
	assert_int_equal(f.kind, FAULT_LIMIT);
	assert_null(token);
	mem_free(claims);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_own_token_is_read),
	    cmocka_unit_test(test_headers_that_are_refused),
	    cmocka_unit_test(test_spellings_that_are_refused),
	    cmocka_unit_test(test_long_tokens_are_refused),
	    cmocka_unit_test(test_signatures_that_are_refused),
	    cmocka_unit_test(test_hmac_with_the_public_key_is_refused),
	    cmocka_unit_test(test_unknown_keys_are_refused),
	    cmocka_unit_test(test_libjwt_reads_ours),
	    cmocka_unit_test(test_ours_reads_libjwt),
	    cmocka_unit_test(test_signing_can_fail),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
