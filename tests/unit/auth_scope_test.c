/* SPDX-License-Identifier: Apache-2.0 */
/* Scopes as text and as bits, and what the restriction does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "auth/scope.h"

static void
test_names_round_trip(void **state)
{
	char text[SCOPES_TEXT];
	uint32_t all = 0, again;
	struct fault f;

	(void)state;
	for (unsigned i = 0; i < SCOPE_COUNT; i++) {
		uint32_t bit = scope_of_name(text_of(scope_name(i)));

		assert_int_equal(bit, UINT32_C(1) << i);
		all |= bit;
	}
	scopes_write(all, text);
	assert_true(scopes_read(text_of(text), &again, &f));
	assert_int_equal(again, all);
	scopes_write(0, text);
	assert_string_equal(text, "");
	assert_int_equal(scope_of_name(text_of("lattice:compute:")), 0);
}

static void
test_reading(void **state)
{
	uint32_t s;
	struct fault f;

	(void)state;
	assert_true(scopes_read_array(text_of("{lattice:compute:inference,"
					      "lattice:compute:marketplace}"),
	    &s, &f));
	assert_int_equal(s, SCOPE_INFERENCE | SCOPE_MARKETPLACE);
	assert_false(scopes_read(text_of(""), &s, &f));
	assert_false(scopes_read_array(text_of("{}"), &s, &f));
	assert_false(scopes_read_array(text_of("{"), &s, &f));
	assert_false(
	    scopes_read(text_of("lattice:compute:inference "), &s, &f));
	assert_false(scopes_read(text_of("lattice:compute:root"), &s, &f));
	assert_int_equal(f.kind, FAULT_INVALID);
	assert_string_equal(f.why, "scope 'lattice:compute:root' is not known");
}

static void
test_restriction(void **state)
{
	const uint32_t market = SCOPE_INFERENCE | SCOPE_MARKETPLACE;

	(void)state;
	assert_true(scopes_reach_marketplace(market));
	assert_false(scopes_reach_marketplace(market | SCOPE_WORKSPACE_ONLY));
	assert_false(scopes_reach_marketplace(SCOPE_INFERENCE));
	assert_true(scopes_grant(market, SCOPE_INFERENCE));
	assert_false(scopes_grant(market, SCOPE_INFERENCE | SCOPE_STREAMING));
	/* Narrowing never widens, and never drops the restriction. */
	assert_int_equal(
	    scopes_narrow(market, SCOPE_INFERENCE | SCOPE_USAGE_READ),
	    SCOPE_INFERENCE);
	assert_int_equal(scopes_narrow(market | SCOPE_WORKSPACE_ONLY, market),
	    market | SCOPE_WORKSPACE_ONLY);
	assert_int_equal(
	    scopes_narrow(market, SCOPE_WORKSPACE_ONLY | SCOPE_INFERENCE),
	    SCOPE_INFERENCE | SCOPE_WORKSPACE_ONLY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names_round_trip),
	    cmocka_unit_test(test_reading),
	    cmocka_unit_test(test_restriction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
