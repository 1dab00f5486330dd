/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/object: one object or not, in whatever pieces it comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "gateway/object.h"

static void
test_states(void **state)
{
	static const struct {
		const char *text;
		enum object_state state;
	} rows[] = {
	    {"", OBJECT_AWAITED},
	    {" \r\n\t", OBJECT_AWAITED},
	    {"{}", OBJECT_OVER},
	    {"\n {} \n", OBJECT_OVER},
	    {"{\"a\":{\"b\":[{}]}}", OBJECT_OVER},
	    {"{\"a\":\"}\"}", OBJECT_OVER},
	    {"{\"a\":\"\\\"}\"}", OBJECT_OVER},
	    {"{\"a\":\"\\\\\"}", OBJECT_OVER},
	    {"{", OBJECT_OPEN},
	    {"{\"a\":{}", OBJECT_OPEN},
	    {"{\"a\":\"}", OBJECT_OPEN},
	    {"{\"a\":\"\\\\\\\"}", OBJECT_OPEN},
	    {"<h1>", OBJECT_NONE},
	    {" []", OBJECT_NONE},
	    {"null", OBJECT_NONE},
	    {"\"{}\"", OBJECT_NONE},
	    {"}{", OBJECT_NONE},
	    {"{}{}", OBJECT_NONE},
	    {"{} x", OBJECT_NONE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		for (size_t step = 1; step < 9; step++) {
			const char *at = rows[i].text;
			struct object o = {.depth = 0};

			for (size_t left = strlen(at); left > 0;) {
				size_t n = left < step ? left : step;

				object_feed(&o, at, n);
				at += n;
				left -= n;
			}
			assert_int_equal(o.state, rows[i].state);
		}
	}
}

static void
test_take_stops_behind_the_object(void **state)
{
	struct object o = {.depth = 0};

	(void)state;
	assert_int_equal(object_take(&o, " {\"a\":1} , 2", 12), 8);
	assert_int_equal(o.state, OBJECT_OVER);
	assert_int_equal(object_take(&o, " , 2", 4), 1);
	assert_int_equal(o.state, OBJECT_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_states),
	    cmocka_unit_test(test_take_stops_behind_the_object),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
