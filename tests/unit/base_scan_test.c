/* SPDX-License-Identifier: Apache-2.0 */
/* The scanner: what is JSON and what is not, where members stand, and that
 * cutting one out leaves JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/scan.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static void
good_and_bad_texts(void **state)
{
	static const char *const good[] = {"{}", " \t\r\n{ } ",
	    "{\"a\":1,\"b\":[],\"c\":{},\"d\":\"\",\"e\":null}",
	    "{\"a\":[1,-0,0.5,1e9,1E+2,1.5e-3,true,false]}",
	    "{\"a\":{\"a\":{\"a\":1}}}",
	    "{\"\":\"\\u0000 \\ud83d\\ude00 \\\"\\\\\\/\\b\\f\\n\\r\\t\"}",
	    "{\"k\xc3\xa9y\":\"\xf0\x9f\x98\x80 long plain text after\"}",
	    "{\"a\":[{\"x\":1},{\"x\":2}]}",
	    "{\"n\":123456789012345678901234567890}"};
	static const struct {
		const char *text;
		const char *why;
	} bad[] = {
	    {"", "JSON: empty text"},
	    {" ", "JSON: no object at byte 1"},
	    {"[]", "JSON: no object at byte 0"},
	    {"{", "JSON: no name where one must be at byte 1"},
	    {"{\"a\":1", "JSON: unterminated object at byte 6"},
	    {"{\"a\":1,}", "JSON: no name where one must be at byte 7"},
	    {"{,}", "JSON: no name where one must be at byte 1"},
	    {"{\"a\" 1}", "JSON: no colon after a name at byte 5"},
	    {"{\"a\":}", "JSON: bad value at byte 5"},
	    {"{\"a\":", "JSON: no value where one must be at byte 5"},
	    {"{\"a\":1 \"b\":2}", "JSON: no comma between members at byte 7"},
	    {"{\"a\":[1 2]}", "JSON: no comma in an array at byte 8"},
	    {"{\"a\":[1,]}", "JSON: bad value at byte 8"},
	    {"{\"a\":[", "JSON: no value where one must be at byte 6"},
	    {"{\"a\":[1", "JSON: unterminated array at byte 7"},
	    {"{\"a\":01}", "JSON: number with a leading zero at byte 5"},
	    {"{\"a\":+1}", "JSON: bad value at byte 5"},
	    {"{\"a\":-}", "JSON: bad value at byte 6"},
	    {"{\"a\":1.}",
		"JSON: number without digits after its point at byte 7"},
	    {"{\"a\":1e}",
		"JSON: number without digits in its exponent at byte 7"},
	    {"{\"a\":tru}", "JSON: bad value at byte 5"},
	    {"{\"a\":nul", "JSON: bad value at byte 5"},
	    {"{\"a\":NaN}", "JSON: bad value at byte 5"},
	    {"{'a':1}", "JSON: no name where one must be at byte 1"},
	    {"{\"a", "JSON: unterminated string at byte 3"},
	    {"{\"a\":\"\n\"}", "JSON: control character in a string at byte 6"},
	    {"{\"a\":\"1234567\x1f\"}",
		"JSON: control character in a string at byte 13"},
	    {"{\"a\":\"\\x\"}", "JSON: bad escape at byte 6"},
	    {"{\"a\":\"\\u12g4\"}", "JSON: bad escape at byte 6"},
	    {"{\"a\":\"\\ud83d\"}", "JSON: bad escape at byte 6"},
	    {"{\"a\":\"\\ud83dx\"}", "JSON: bad escape at byte 6"},
	    {"{\"a\":\"\\ud83d\\u0041\"}", "JSON: bad escape at byte 6"},
	    {"{\"a\":\"\\ude00\"}", "JSON: bad escape at byte 6"},
	    {"{\"a\":\"\\", "JSON: bad escape at byte 6"},
	    {"{\"a\":\"\\u12", "JSON: bad escape at byte 6"},
	    {"{\"\\u0000\":1}", "JSON: NUL escape at byte 2"},
	    {"{\"a\":\"\x80\"}", "JSON: bytes are not UTF-8 at byte 6"},
	    {"{\"a\":\"12345678\xe2\x82\"}",
		"JSON: bytes are not UTF-8 at byte 14"},
	    {"{\"a\":\"\xf0\x9f", "JSON: bytes are not UTF-8 at byte 6"},
	    {"{\"a\":1,\"a\":2}", "JSON: repeated name at byte 8"},
	    {"{\"a\":1,\"\\u0061\":2}", "JSON: repeated name at byte 8"},
	    {"{\"\xc3\xa9\":1,\"\\u00e9\":2}", "JSON: repeated name at byte 9"},
	    {"{\"\xf0\x9f\x98\x80\":1,\"\\uD83D\\uDE00\":2}",
		"JSON: repeated name at byte 11"},
	    {"{\"a\":[{\"b\":{\"c\":1,\"d\":2,\"c\":3}}]}",
		"JSON: repeated name at byte 25"},
	    {"{} {}", "JSON: more than one value at byte 3"},
	    {"{}x", "JSON: more than one value at byte 2"},
	    {"\xef\xbb\xbf{}", "JSON: no object at byte 0"},
	};
	struct fault f;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(scan_object(text_of(good[i]), 64, NULL, 0, &f));
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(
		    scan_object(text_of(bad[i].text), 64, NULL, 0, &f));
		assert_int_equal(f.kind, FAULT_INVALID_JSON);
		assert_string_equal(f.why, bad[i].why);
	}
}

static void
depth_is_bounded(void **state)
{
	char text[700];
	struct fault f;

	(void)state;
	assert_true(scan_object(text_of("{\"a\":[[1]]}"), 3, NULL, 0, &f));
	assert_false(scan_object(text_of("{\"a\":[[1]]}"), 2, NULL, 0, &f));
	assert_string_equal(f.why, "JSON: nested too deep at byte 6");
	assert_false(scan_object(text_of("{}"), 0, NULL, 0, &f));
	memcpy(text, "{\"a\":", 5);
	memset(text + 5, '[', 256);
	memset(text + 261, ']', 256);
	text[517] = '}';
	assert_false(
	    scan_object((struct text){text, 518}, 100000, NULL, 0, &f));
	assert_string_equal(f.why, "JSON: nested too deep at byte 260");
}

static const struct {
	const char *text;
	const char *value;
	const char *without;
} members[] = {
    {"{\"w\":1}", "1", "{}"},
    {"{ \"w\" : [1, 2] }", "[1, 2]", "{  }"},
    {"{\"w\":1,\"b\":2}", "1", "{\"b\":2}"},
    {"{\"a\":0,\"w\":1}", "1", "{\"a\":0}"},
    {"{\"a\":0 , \"w\":1 }", "1", "{\"a\":0  }"},
    {"{\"a\":0, \"w\" : \"x\" , \"b\":2}", "\"x\"", "{\"a\":0,  \"b\":2}"},
    {"{\"\\u0077\":{\"w\":2},\"b\":2}", "{\"w\":2}", "{\"b\":2}"},
    {"{\"a\":{\"w\":1}}", NULL, NULL},
    {"{\"ww\":1,\"\":2,\"W\":3}", NULL, NULL},
};

static void
members_are_found_and_cut(void **state)
{
	struct fault f;

	(void)state;
	for (size_t i = 0; i < COUNT(members); i++) {
		struct text t = text_of(members[i].text);
		struct scan_member m = {.name = "w"};
		char rest[100];
		size_t head;

		assert_true(scan_object(t, 64, &m, 1, &f));
		if (members[i].value == NULL) {
			assert_null(m.value.at);
			assert_null(m.around.at);
			continue;
		}
		assert_true(text_is(m.value, members[i].value));
		head = (size_t)(m.around.at - t.at);
		(void)snprintf(rest, sizeof(rest), "%.*s%s", (int)head, t.at,
		    m.around.at + m.around.len);
		assert_string_equal(rest, members[i].without);
		assert_true(scan_object(text_of(rest), 64, NULL, 0, &f));
	}
}

static void
several_members_at_once(void **state)
{
	struct scan_member m[] = {
	    {.name = "model"}, {.name = "stream"}, {.name = "options"}};
	struct fault f;
	char model[8];
	bool stream;

	(void)state;
	assert_true(scan_object(
	    text_of("{\"stream\":true,\"model\":\"m-\\u0031\",\"n\":1}"), 64, m,
	    3, &f));
	assert_true(scan_string(m[0].value, model, sizeof(model), &f));
	assert_string_equal(model, "m-1");
	assert_true(scan_bool(m[1].value, &stream, &f));
	assert_true(stream);
	assert_null(m[2].value.at);
}

/* An object of `count` members; the last repeats the first if asked. */
static char *
many_members(size_t count, bool repeat)
{
	char *text = mem_array(count + 2, 16);
	size_t at = 0;

	text[at++] = '{';
	for (size_t i = 0; i < count; i++) {
		size_t n = repeat && i == count - 1 ? 0 : i;

		at += (size_t)snprintf(
		    text + at, 16, "%s\"k%zu\":0", i == 0 ? "" : ",", n);
	}
	text[at++] = '}';
	return text;
}

static void
many_names(void **state)
{
	static const struct {
		size_t count;
		bool repeat;
		bool ok;
	} cases[] = {{16, false, true}, {16, true, false}, {17, false, true},
	    {17, true, false}, {5000, false, true}, {5000, true, false},
	    {65536, false, true}, {65537, false, false}};
	struct fault f;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *text = many_members(cases[i].count, cases[i].repeat);

		assert_int_equal(
		    scan_object(text_of(text), 64, NULL, 0, &f), cases[i].ok);
		if (!cases[i].ok)
			assert_non_null(
			    strstr(f.why, cases[i].repeat ? "repeated name"
							  : "too many names"));
		mem_free(text);
	}
}

static void
strings_are_unescaped(void **state)
{
	static const struct {
		const char *raw;
		const char *out; /* NULL: refused */
	} cases[] = {
	    {"\"\"", ""},
	    {"\"plain\"", "plain"},
	    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
	    {"\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"",
		"A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
	    {"\"fifteen bytes..\"", "fifteen bytes.."},
	    {"\"sixteen bytes...\"", NULL},
	    {"\"\\u0000\"", NULL},
	    {"\"a\"b\"", NULL},
	    {"\"a", NULL},
	    {"1", NULL},
	    {"", NULL},
	    {"null", NULL},
	};
	struct fault f;
	char out[16];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		bool ok =
		    scan_string(text_of(cases[i].raw), out, sizeof(out), &f);

		assert_int_equal(ok, cases[i].out != NULL);
		if (ok)
			assert_string_equal(out, cases[i].out);
		else
			assert_int_equal(f.kind, FAULT_INVALID_JSON);
	}
}

static void
bools_are_words(void **state)
{
	struct fault f;
	bool b = false;

	(void)state;
	assert_true(scan_bool(text_of("true"), &b, &f));
	assert_true(b);
	assert_true(scan_bool(text_of("false"), &b, &f));
	assert_false(b);
	assert_false(scan_bool(text_of("1"), &b, &f));
	assert_false(scan_bool(text_of("\"true\""), &b, &f));
	assert_string_equal(f.why, "JSON: not true or false");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good_and_bad_texts),
	    cmocka_unit_test(depth_is_bounded),
	    cmocka_unit_test(members_are_found_and_cut),
	    cmocka_unit_test(several_members_at_once),
	    cmocka_unit_test(many_names),
	    cmocka_unit_test(strings_are_unescaped),
	    cmocka_unit_test(bools_are_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
