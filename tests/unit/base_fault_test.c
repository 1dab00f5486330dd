/* SPDX-License-Identifier: Apache-2.0 */
/* Faults: codes are stable and unique, sentences are printable and fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/fault.h"

static void
set_fills_and_returns_false(void **state)
{
	struct fault f;

	(void)state;
	assert_false(fault_set(&f, FAULT_LIMIT, "%d bytes are too many", 7));
	assert_int_equal(f.kind, FAULT_LIMIT);
	assert_string_equal(f.why, "7 bytes are too many");
	assert_false(fault_set(NULL, FAULT_LIMIT, "nobody asks"));
}

static void
hostile_text_is_made_printable_and_cut(void **state)
{
	struct fault f;
	char longer[500];

	(void)state;
	fault_set(&f, FAULT_INVALID, "name %s", "a\x1b[31m\n\xc3\xa9\x7f");
	assert_string_equal(f.why, "name a?[31m????");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	fault_set(&f, FAULT_INVALID, "%s", longer);
	assert_int_equal(strlen(f.why), sizeof(f.why) - 1);
}

static void
codes_go_there_and_back(void **state)
{
	(void)state;
	assert_string_equal(fault_code(FAULT_NONE), "none");
	assert_string_equal(fault_code(FAULT_LIMIT), "limit_exceeded");
	assert_string_equal(fault_code(FAULT_NO_PROVIDER), "no_provider");
	assert_string_equal(fault_code((enum fault_kind)9999), "internal");
	for (unsigned k = 1; k < FAULT_COUNT; k++) {
		const char *code = fault_code((enum fault_kind)k);

		assert_non_null(code);
		assert_int_equal(fault_of_code(code), k); /* so unique */
	}
	assert_int_equal(fault_of_code("none"), FAULT_NONE);
	assert_int_equal(fault_of_code("No_Provider"), FAULT_NONE);
	assert_int_equal(fault_of_code(""), FAULT_NONE);
	assert_int_equal(fault_of_code(NULL), FAULT_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(set_fills_and_returns_false),
	    cmocka_unit_test(hostile_text_is_made_printable_and_cut),
	    cmocka_unit_test(codes_go_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
