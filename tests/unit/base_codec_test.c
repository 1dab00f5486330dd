/* SPDX-License-Identifier: Apache-2.0 */
/* Codecs: the vectors of RFC 4648, and everything that must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/codec.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static void
hex_both_ways(void **state)
{
	static const char *const bad[] = {
	    "0", "abc", "0g", "g0", " 00", "0x00", "00 "};
	uint8_t out[4];
	char text[HEX_SIZE(3)];
	size_t n;

	(void)state;
	hex_encode(bytes_of("\x00\xab\xff", 3), text);
	assert_string_equal(text, "00abff");
	hex_encode(bytes_of(NULL, 0), text);
	assert_string_equal(text, "");
	assert_true(hex_decode(text_of("00aBFf"), out, 3, &n));
	assert_int_equal(n, 3);
	assert_memory_equal(out, "\x00\xab\xff", 3);
	assert_true(hex_decode(text_of(""), out, 0, NULL));
	assert_false(hex_decode(text_of("00abff"), out, 2, NULL));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(hex_decode(text_of(bad[i]), out, 4, NULL));
}

static const struct {
	const char *plain;
	const char *padded;
	const char *url;
} vectors[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xfb\xff\xfe", "+//+", "-__-"},
};

static void
base64_by_rfc_4648(void **state)
{
	uint8_t out[16];
	char text[BASE64_SIZE(16)];
	size_t n;

	(void)state;
	for (size_t i = 0; i < COUNT(vectors); i++) {
		size_t len = strlen(vectors[i].plain);

		base64_encode(bytes_of(vectors[i].plain, len), text);
		assert_string_equal(text, vectors[i].padded);
		assert_true(base64_decode(text_of(text), out, len, &n));
		assert_int_equal(n, len);
		assert_memory_equal(out, vectors[i].plain, len);
		base64url_encode(bytes_of(vectors[i].plain, len), text);
		assert_string_equal(text, vectors[i].url);
		assert_true(base64url_decode(text_of(text), out, len, &n));
		assert_int_equal(n, len);
		assert_memory_equal(out, vectors[i].plain, len);
		if (len > 0)
			assert_false(
			    base64url_decode(text_of(text), out, len - 1, &n));
	}
}

static void
base64_has_one_spelling(void **state)
{
	static const char *const bad[] = {"Zg", "Zg=", "Zg===", "=", "==",
	    "====", "Z===", "Zh==", "Zm9=", "Zm8=Zm8=", "Zg==Zg==", "Zm 8",
	    "Zm8=\n", "\nZm8=", "-__-", "Zm9v!", "Zm9v===="};
	static const char *const bad_url[] = {"Zg==", "Zm8=", "Z", "Zh", "Zm9",
	    "+//+", "Zm9v ", "Zm9v\n", "Zm9vA", "Zm.v"};
	uint8_t out[16];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(base64_decode(text_of(bad[i]), out, 16, NULL));
	for (size_t i = 0; i < COUNT(bad_url); i++)
		assert_false(
		    base64url_decode(text_of(bad_url[i]), out, 16, NULL));
}

static void
base62_uses_every_digit(void **state)
{
	char out[4001];
	bool seen[256] = {false};
	size_t kinds = 0;

	(void)state;
	base62_random(out, sizeof(out) - 1);
	assert_int_equal(strlen(out), sizeof(out) - 1);
	for (size_t i = 0; out[i] != '\0'; i++)
		seen[(unsigned char)out[i]] = true;
	for (int c = 0; c < 256; c++) {
		bool digit = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
			     (c >= 'a' && c <= 'z');

		assert_true(digit || !seen[c]);
		kinds += seen[c];
	}
	assert_int_equal(kinds, 62);
	base62_random(out, 0);
	assert_string_equal(out, "");
}

static void
percent_by_rfc_3986(void **state)
{
	static const struct {
		const char *in;
		const char *out; /* NULL: refused */
	} cases[] = {
	    {"", ""}, {"plain", "plain"}, {"a%2Fb%2fc", "a/b/c"},
	    {"did%3Aassay%3Az", "did:assay:z"}, {"%C3%A9", "\xc3\xa9"},
	    {"a+b", "a+b"}, {"%2541", "%41"}, {"%", NULL}, {"%4", NULL},
	    {"a%4", NULL}, {"%zz", NULL}, {"%4z", NULL}, {"%00", NULL},
	    {"a%00b", NULL}, {"0123456789abcdef", NULL}, /* does not fit */
	};
	char out[16];
	size_t n;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		bool ok =
		    percent_decode(text_of(cases[i].in), out, sizeof(out), &n);

		assert_int_equal(ok, cases[i].out != NULL);
		if (ok) {
			assert_string_equal(out, cases[i].out);
			assert_int_equal(n, strlen(out));
		}
	}
	assert_false(percent_decode((struct text){"a\0b", 3}, out, 16, &n));
	assert_false(percent_decode(text_of(""), out, 0, NULL));
	assert_true(percent_decode(text_of("1234567"), out, 8, NULL));
	assert_string_equal(out, "1234567");
}

static void
percent_comes_back(void **state)
{
	char all[255], out[PERCENT_SIZE(sizeof(all))], again[sizeof(all) + 1];
	size_t n;

	(void)state;
	percent_encode(text_of("aZ0-._~ /?&=%+\xc3\xa9"), out);
	assert_string_equal(out, "aZ0-._~%20%2F%3F%26%3D%25%2B%C3%A9");
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)(i + 1);
	percent_encode((struct text){all, sizeof(all)}, out);
	assert_true(percent_decode(text_of(out), again, sizeof(again), &n));
	assert_int_equal(n, sizeof(all));
	assert_memory_equal(again, all, n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hex_both_ways),
	    cmocka_unit_test(base64_by_rfc_4648),
	    cmocka_unit_test(base64_has_one_spelling),
	    cmocka_unit_test(base62_uses_every_digit),
	    cmocka_unit_test(percent_by_rfc_3986),
	    cmocka_unit_test(percent_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
