/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of numbers with dots: which are some, and which reaches which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "attestation/dotted.h"

static void
some_are_versions(void **state)
{
	static const char *const good[] = {
	    "15", "15.5", "0.0.0", "26.0.1", "1.2.3.4.5.6.7.8", "999999999"};
	static const char *const bad[] = {"", ".", "15.", ".5", "15..5", "15.x",
	    "v15", "15.5 ", "-1", "1.2.3.4.5.6.7.8.9", "1000000000"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(dotted_is(text_of(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(dotted_is(text_of(bad[i])));
	assert_false(dotted_is((struct text){"15\0", 3}));
}

static void
numbers_decide(void **state)
{
	static const struct {
		const char *seen, *least;
		bool reached;
	} all[] = {
	    {"15.5", "15.5", true},
	    {"15.10", "15.9", true},
	    {"15.9", "15.10", false},
	    {"16", "15.9.9", true},
	    {"15", "15.0.0", true},
	    {"15", "15.0.1", false},
	    {"015.5", "15.5", true},
	    {"x", "1", false},
	    {"1", "x", false},
	    {"", "0", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_int_equal(
		    dotted_reaches(text_of(all[i].seen), text_of(all[i].least)),
		    all[i].reached);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(some_are_versions),
	    cmocka_unit_test(numbers_decide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
