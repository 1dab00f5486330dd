/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: strict reading, getters with exact sentences, canonical writing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/json.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static bool
reads(const char *s)
{
	struct fault f = {FAULT_NONE, ""};
	json_t *j;
	bool ok = json_read(text_of(s), 1000, &j, &f);

	assert_int_equal(ok, j != NULL);
	if (!ok)
		assert_int_equal(f.kind, FAULT_INVALID_JSON);
	json_free(&j);
	assert_null(j);
	return ok;
}

static void
strict_reading(void **state)
{
	static const char *const good[] = {"{}", "[]", " {\"a\" : 1}\n",
	    "{\"a\":{\"a\":1},\"b\":{\"a\":1}}", "[\"\\ud83d\\ude00\"]",
	    "[\"\xf0\x9f\x98\x80\"]", "[-0, 1e3, 0.5, 9223372036854775807]",
	    "[\"]}[{\\\"]}\"]"};
	static const char *const bad[] = {"", " ", "{", "}", "[1,]",
	    "{\"a\":1,}", "{'a':1}", "{a:1}", "[01]", "[+1]", "[.5]", "[1.]",
	    "[0x1]", "[NaN]", "[Infinity]", "[tru]", "[1] x", "[1][2]",
	    "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}",
	    "[{\"b\":[{\"a\":1,\"a\":1}]}]", "[\"\\u0000\"]", "{\"\\u0000\":1}",
	    "[\"\\ud83d\"]", "[\"\\ude00\\ud83d\"]", "[\"\xff\"]",
	    "[\"\xc0\x80\"]", "[\"\xed\xa0\x80\"]", "[\"\n\"]", "[\"\\x41\"]",
	    "[\"a]", "/**/[]", "\xef\xbb\xbf[]", "[9223372036854775808]",
	    "[1e999]"};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(reads(good[i]));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(reads(bad[i]));
}

static void
values_of_any_type(void **state)
{
	static const char *const good[] = {
	    "1", "-0.5", "\"x\"", "null", "true", "[]", "{}"};
	static const char *const bad[] = {
	    "", "x", "1 2", "{\"a\":1,\"a\":1}", "\"\\u0000\""};
	struct fault f;
	json_t *j;

	(void)state;
	assert_false(json_read(text_of("1"), 10, &j, &f));
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_true(json_read_value(text_of(good[i]), 99, &j, &f));
		json_free(&j);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(json_read_value(text_of(bad[i]), 99, &j, &f));
}

static void
bounds_come_first(void **state)
{
	char deep[200];
	struct fault f;
	json_t *j;

	(void)state;
	assert_false(json_read(text_of("[1,2]"), 4, &j, &f));
	assert_int_equal(f.kind, FAULT_INVALID_JSON);
	assert_string_equal(f.why, "JSON: 5 bytes are more than the 4 allowed");
	memset(deep, '[', 65);
	memset(deep + 65, ']', 65);
	assert_false(json_read((struct text){deep, 130}, 200, &j, &f));
	assert_string_equal(f.why, "JSON: nested deeper than 64 at byte 64");
	assert_true(json_read((struct text){deep + 1, 128}, 200, &j, &f));
	json_free(&j);
	assert_false(json_read((struct text){"[1]\0", 4}, 9, &j, &f));
	assert_false(json_read((struct text){"[\"a\0b\"]", 7}, 9, &j, &f));
	assert_false(json_read((struct text){"[1\0,2]", 6}, 9, &j, &f));
	assert_string_equal(f.why, "JSON: the text holds a NUL");
}

static void
writing(void **state)
{
	static const struct {
		const char *in;
		const char *canonical; /* NULL: has a real number */
	} cases[] = {
	    {"{\"b\":1,\"a\":[true,false,null,-7]}",
		"{\"a\":[true,false,null,-7],\"b\":1}"},
	    {"{\"\":{}, \"B\":[], \"a\":\"\"}",
		"{\"\":{},\"B\":[],\"a\":\"\"}"},
	    {"[\"\\u0008\\t\\n\\f\\r\\\"\\\\\\/\\u001F\\u007f\"]",
		"[\"\\b\\t\\n\\f\\r\\\"\\\\/\\u001f\x7f\"]"},
	    {"[\"\\u00e9\"]", "[\"\xc3\xa9\"]"},
	    {"[0.5]", NULL},
	    {"{\"a\":{\"b\":1.0}}", NULL},
	};
	struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *j;
		char *out;

		assert_true(json_read(text_of(cases[i].in), 100, &j, NULL));
		out = json_write_canonical(a, j);
		if (cases[i].canonical == NULL)
			assert_null(out);
		else
			assert_string_equal(out, cases[i].canonical);
		out = json_write(a, j);
		json_free(&j);
		assert_true(json_read(text_of(out), 100, &j, NULL));
		assert_string_equal(json_write(a, j), out);
		json_free(&j);
	}
	arena_free(&a);
}

static json_t *
sample(void)
{
	json_t *j;

	assert_true(
	    json_read(text_of("{\"s\":\"four\",\"i\":7,\"t\":true,\"o\":{},"
			      "\"a\":[1,2],\"n\":null,\"r\":1.5}"),
		200, &j, NULL));
	return j;
}

static void
getters_give(void **state)
{
	json_t *o = sample();
	const json_t *j;
	const char *s;
	struct fault f;
	int64_t i;
	bool b;

	(void)state;
	assert_true(json_get_string(o, "s", 4, &s, FAULT_INVALID, &f));
	assert_string_equal(s, "four");
	assert_true(
	    json_get_string_or(o, "x", 4, "else", &s, FAULT_INVALID, &f));
	assert_string_equal(s, "else");
	assert_true(json_get_string_or(o, "n", 4, NULL, &s, FAULT_INVALID, &f));
	assert_null(s);
	assert_true(json_get_int(o, "i", 7, 7, &i, FAULT_INVALID, &f));
	assert_int_equal(i, 7);
	assert_true(json_get_int_or(o, "n", 1, 2, 99, &i, FAULT_INVALID, &f));
	assert_int_equal(i, 99);
	assert_true(json_get_bool_or(o, "t", false, &b, FAULT_INVALID, &f));
	assert_true(b);
	assert_true(json_get_bool_or(o, "x", false, &b, FAULT_INVALID, &f));
	assert_false(b);
	assert_true(json_get_object(o, "o", &j, FAULT_INVALID, &f));
	assert_true(json_is_object(j));
	assert_true(json_get_object_or(o, "x", &j, FAULT_INVALID, &f));
	assert_null(j);
	assert_true(json_get_array(o, "a", 2, &j, FAULT_INVALID, &f));
	assert_int_equal(json_array_size(j), 2);
	assert_true(json_get_array_or(o, "n", 2, &j, FAULT_INVALID, &f));
	assert_null(j);
	json_free(&o);
}

#define REFUSES(call, sentence)                                                \
	do {                                                                   \
		assert_false(call);                                            \
		assert_int_equal(f.kind, FAULT_INVALID_OPTION);                \
		assert_string_equal(f.why, sentence);                          \
	} while (0)

static void
getters_refuse(void **state)
{
	const enum fault_kind kind = FAULT_INVALID_OPTION;
	json_t *o = sample();
	const json_t *j;
	const char *s;
	struct fault f;
	int64_t i;
	bool b;

	(void)state;
	REFUSES(json_get_string(o, "x", 9, &s, kind, &f), "'x' is missing");
	REFUSES(
	    json_get_string(o, "n", 9, &s, kind, &f), "'n' must be a string");
	REFUSES(json_get_string_or(o, "i", 9, "", &s, kind, &f),
	    "'i' must be a string");
	REFUSES(json_get_string(o, "s", 3, &s, kind, &f),
	    "'s' is longer than 3 bytes");
	REFUSES(json_get_int(o, "x", 0, 9, &i, kind, &f), "'x' is missing");
	REFUSES(
	    json_get_int(o, "n", 0, 9, &i, kind, &f), "'n' must be an integer");
	REFUSES(
	    json_get_int(o, "r", 0, 9, &i, kind, &f), "'r' must be an integer");
	REFUSES(json_get_int_or(o, "i", 8, 9, 0, &i, kind, &f),
	    "'i' must be from 8 to 9, not 7");
	REFUSES(json_get_bool_or(o, "i", true, &b, kind, &f),
	    "'i' must be true or false");
	REFUSES(json_get_object(o, "x", &j, kind, &f), "'x' is missing");
	REFUSES(json_get_object(o, "n", &j, kind, &f), "'n' must be an object");
	REFUSES(
	    json_get_object_or(o, "a", &j, kind, &f), "'a' must be an object");
	REFUSES(json_get_array(o, "x", 1, &j, kind, &f), "'x' is missing");
	REFUSES(
	    json_get_array(o, "n", 1, &j, kind, &f), "'n' must be an array");
	REFUSES(
	    json_get_array_or(o, "o", 1, &j, kind, &f), "'o' must be an array");
	REFUSES(json_get_array(o, "a", 1, &j, kind, &f),
	    "'a' has more than 1 items");
	json_free(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(strict_reading),
	    cmocka_unit_test(values_of_any_type),
	    cmocka_unit_test(bounds_come_first),
	    cmocka_unit_test(writing),
	    cmocka_unit_test(getters_give),
	    cmocka_unit_test(getters_refuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
