/* SPDX-License-Identifier: Apache-2.0 */
/* Field lists: what may stand in them, and what can not split a message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/http.h"

static void
test_adding_and_finding(void **state)
{
	struct arena *a = arena_new();
	struct http_fields fs = {0};
	char name[32], value[32];

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "x-%d", i);
		snprintf(value, sizeof value, "%d", i);
		assert_true(http_fields_add(&fs, a, name, value));
	}
	assert_true(http_fields_add(&fs, a, "x-7", "again"));
	name[0] = value[0] = '\0'; /* they were copied */
	assert_int_equal(fs.count, 101);
	assert_string_equal(http_fields_find(&fs, "x-7"), "7");
	assert_string_equal(http_fields_find(&fs, "x-99"), "99");
	assert_null(http_fields_find(&fs, "x-100"));
	assert_int_equal(http_fields_count(&fs, "x-7"), 2);
	assert_int_equal(http_fields_count(&fs, "x-100"), 0);
	arena_free(&a);
}

static void
test_what_may_stand_there(void **state)
{
	static const struct {
		const char *name, *value;
		bool good;
	} table[] = {
	    {"a", "b", true},
	    {"a", "", true},
	    {"a", "b c\td", true},
	    {"a", "\xc3\xa9", true},
	    {"!#$%&'*+-.^_`|~09az", "b", true},
	    {"", "b", false},
	    {"A", "b", false},
	    {"a b", "b", false},
	    {"a:", "b", false},
	    {"a\r\n", "b", false},
	    {"\xc3\xa9", "b", false},
	    {"a", "b\r\nc: d", false},
	    {"a", "b\nc", false},
	    {"a", "b\rc", false},
	    {"a", " b", false},
	    {"a", "b ", false},
	    {"a", "\tb", false},
	    {"a", "b\x01", false},
	    {"a", "b\x7f", false},
	};
	struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct http_fields fs = {0};

		assert_int_equal(
		    http_fields_add(&fs, a, table[i].name, table[i].value),
		    table[i].good);
		assert_int_equal(fs.count, table[i].good);
	}
	assert_false(http_value_is_good("a\0b", 3));
	assert_false(http_name_is_good("a\0", 2));
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_adding_and_finding),
	    cmocka_unit_test(test_what_may_stand_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
