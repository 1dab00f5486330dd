/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and sets of keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "auth/jwk.h"
#include "base/codec.h"

/* The P-256 key of RFC 7515, appendix A.3. */
#define RFC_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define RFC_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define RFC_KEY                                                                \
	"\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" RFC_X "\",\"y\":\"" RFC_Y  \
	"\""
/* Its thumbprint, computed with another program. */
#define RFC_KID "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"

static json_t *
json_of(const char *text)
{
	json_t *o;
	struct fault f;

	if (!json_read(text_of(text), 8192, &o, &f))
		fail_msg("%s", f.why);
	return o;
}

static void
test_known_key(void **state)
{
	json_t *o = json_of("{" RFC_KEY ",\"ext\":true}"), *again;
	struct arena *a = arena_new();
	struct ec_key *k;
	char kid[JWK_KID_TEXT];
	struct fault f;

	(void)state;
	assert_true(jwk_read(o, &k, &f));
	jwk_thumbprint(k, kid);
	assert_string_equal(kid, RFC_KID);
	again = jwk_write(k);
	assert_string_equal(json_write(a, again),
	    "{" RFC_KEY ",\"kid\":\"" RFC_KID
	    "\",\"alg\":\"ES256\",\"use\":\"sig\"}");
	json_free(&o);
	json_free(&again);
	ec_key_free(&k);
	arena_free(&a);
}

static void
test_keys_that_are_refused(void **state)
{
	static const struct {
		const char *text;
		const char *why;
	} cases[] = {
	    {"[]", "not an object"},
	    {"{}", "'kty'"},
	    {"{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
		"'kty' is 'RSA', not 'EC'"},
	    {"{\"kty\":\"EC\",\"crv\":\"P-384\"}", "'crv' is 'P-384'"},
	    {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" RFC_X "\"}",
		"'y' is missing"},
	    {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"" RFC_Y
	     "\"}",
		"'x' is not 32 bytes"},
	    {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" RFC_Y
	     "\",\"y\":\"" RFC_X "\"}",
		"not on the curve"},
	    {"{" RFC_KEY ",\"d\":\"AA\"}", "private"},
	    {"{" RFC_KEY ",\"alg\":\"ES384\"}", "'alg' is 'ES384'"},
	    {"{" RFC_KEY ",\"use\":\"enc\"}", "'use' is 'enc'"},
	    {"{" RFC_KEY ",\"kid\":\"mine\"}", "'kid' is 'mine'"},
	    {"{" RFC_KEY ",\"kid\":7}", "'kid'"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *o = json_of(cases[i].text);
		struct ec_key *k;
		struct fault f;

		if (jwk_read(o, &k, &f))
			fail_msg("accepted: %s", cases[i].text);
		assert_null(k);
		assert_int_equal(f.kind, FAULT_INVALID);
		if (strstr(f.why, cases[i].why) == NULL)
			fail_msg("%s: %s", cases[i].text, f.why);
		json_free(&o);
	}
}

static void
test_set_round_trip(void **state)
{
	struct jwks *s = jwks_new(), *again;
	struct arena *a = arena_new();
	char kids[3][JWK_KID_TEXT];
	struct fault f;

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct ec_key *k = ec_key_generate();

		jwk_thumbprint(k, kids[i]);
		jwks_add(s, &k);
		assert_null(k);
	}
	if (!jwks_read(text_of(jwks_write(a, s)), &again, &f))
		fail_msg("%s", f.why);
	assert_int_equal(jwks_count(again), 3);
	for (int i = 0; i < 3; i++)
		assert_non_null(jwks_find(again, text_of(kids[i])));
	assert_null(jwks_find(again, text_of("")));
	assert_null(jwks_find(again, text_of(RFC_KID)));
	jwks_free(&s);
	jwks_free(&again);
	arena_free(&a);
}

static void
test_sets_from_outside(void **state)
{
	static const struct {
		const char *text;
		int count; /* -1: refused */
	} cases[] = {
	    {"{\"keys\":[]}", 0},
	    {"{\"keys\":[{" RFC_KEY "}]}", 1},
	    {"{\"keys\":[{" RFC_KEY "},{" RFC_KEY "}]}", 1},
	    {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"},"
	     "{" RFC_KEY "}]}",
		1},
	    {"{\"keys\":[{" RFC_KEY ",\"use\":\"enc\"}]}", 0},
	    {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\"}]}", 0},
	    {"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}", -1},
	    {"{\"keys\":[{\"kty\":\"RSA\",\"d\":\"AAAA\"}]}", -1},
	    {"{\"keys\":[{" RFC_KEY ",\"kid\":\"x\"}]}", -1},
	    {"{\"keys\":[7]}", -1},
	    {"{\"keys\":{}}", -1},
	    {"{}", -1},
	    {"[]", -1},
	    {"{\"keys\":[],\"keys\":[]}", -1},
	    {"", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct jwks *s;
		struct fault f;
		bool ok = jwks_read(text_of(cases[i].text), &s, &f);

		if (ok != (cases[i].count >= 0))
			fail_msg("%s", cases[i].text);
		if (ok)
			assert_int_equal(jwks_count(s), cases[i].count);
		else
			assert_null(s);
		jwks_free(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_known_key),
	    cmocka_unit_test(test_keys_that_are_refused),
	    cmocka_unit_test(test_set_round_trip),
	    cmocka_unit_test(test_sets_from_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
