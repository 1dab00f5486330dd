/* SPDX-License-Identifier: Apache-2.0 */
/* The token bucket, with time passed in: bursts, refills, overflow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/ratelimit.h"

static void
starts_full_and_empties(void **state)
{
	struct ratelimit r;

	(void)state;
	ratelimit_init(&r, 3, 1, 1000, 5000);
	assert_true(ratelimit_take(&r, 2, 5000));
	assert_false(ratelimit_take(&r, 2, 5000)); /* takes none */
	assert_true(ratelimit_take(&r, 1, 5000));
	assert_false(ratelimit_take(&r, 1, 5999));
	assert_true(ratelimit_take(&r, 1, 6000));
	assert_false(ratelimit_take(&r, 1, 6000));
	assert_true(ratelimit_take(&r, 0, 6000));
}

static void
fractions_are_kept(void **state)
{
	struct ratelimit r;
	unsigned got = 0;

	(void)state;
	ratelimit_init(&r, 10, 3, 1000, 0);
	assert_true(ratelimit_take(&r, 10, 0));
	for (int64_t now = 1; now <= 10000; now++)
		got += ratelimit_take(&r, 1, now);
	assert_int_equal(got, 30); /* 3 a second, asked every millisecond */
}

static void
holds_no_more_than_the_burst(void **state)
{
	struct ratelimit r;

	(void)state;
	ratelimit_init(&r, 5, 1, 1, 0);
	assert_true(ratelimit_take(&r, 1, 0));
	assert_int_equal(ratelimit_take_some(&r, 100, 1000000), 5);
	assert_int_equal(ratelimit_take_some(&r, 100, 1000000), 0);
	assert_int_equal(ratelimit_take_some(&r, 2, 1000003), 2);
	assert_int_equal(ratelimit_take_some(&r, 2, 1000003), 1);
}

static void
time_may_go_backwards(void **state)
{
	struct ratelimit r;

	(void)state;
	ratelimit_init(&r, 1, 1, 1000, 10000);
	assert_true(ratelimit_take(&r, 1, 10000));
	assert_false(ratelimit_take(&r, 1, 1000));
	assert_false(ratelimit_take(&r, 1, 1999));
	assert_true(ratelimit_take(&r, 1, 2000));
}

static void
nothing_overflows(void **state)
{
	struct ratelimit r;

	(void)state;
	ratelimit_init(&r, UINT64_MAX, UINT64_MAX, 1, INT64_MIN);
	assert_true(ratelimit_take(&r, UINT64_MAX, INT64_MIN));
	assert_int_equal(ratelimit_wait_ms(&r, UINT64_MAX, INT64_MIN), 1);
	assert_true(ratelimit_take(&r, UINT64_MAX, INT64_MAX));
	ratelimit_init(&r, UINT64_MAX, 1, UINT64_MAX, 0);
	assert_true(ratelimit_take(&r, UINT64_MAX, 0));
	assert_true(ratelimit_wait_ms(&r, UINT64_MAX, 0) == INT64_MAX);
	assert_false(ratelimit_take(&r, 1, INT64_MAX));
}

static void
says_how_long_to_wait(void **state)
{
	static const struct {
		uint64_t n;
		int64_t now;
		int64_t wait;
	} cases[] = {{1, 0, 334}, {2, 0, 667}, {3, 0, 1000}, {1, 333, 1},
	    {1, 334, 0}, {2, 334, 333}, {10, 334, 3000}, {11, 334, INT64_MAX}};
	struct ratelimit r;

	(void)state;
	ratelimit_init(&r, 10, 3, 1000, 0);
	assert_true(ratelimit_take(&r, 10, 0));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_true(ratelimit_wait_ms(&r, cases[i].n, cases[i].now) ==
			    cases[i].wait);
	ratelimit_init(&r, 1, 0, 0, 0);
	assert_int_equal(ratelimit_wait_ms(&r, 1, 0), 0);
	assert_true(ratelimit_take(&r, 1, 0));
	assert_true(ratelimit_wait_ms(&r, 1, 9) == INT64_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(starts_full_and_empties),
	    cmocka_unit_test(fractions_are_kept),
	    cmocka_unit_test(holds_no_more_than_the_burst),
	    cmocka_unit_test(time_may_go_backwards),
	    cmocka_unit_test(nothing_overflows),
	    cmocka_unit_test(says_how_long_to_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
