/* SPDX-License-Identifier: Apache-2.0 */
/* Used names: remembered until they expire, bounded, never forgotten early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/replay.h"

static void
test_once_until_it_expires(void **state)
{
	struct replay *r = replay_new(10);
	struct fault f;

	(void)state;
	assert_true(replay_use(r, "a", 1000, 0, &f));
	assert_false(replay_use(r, "a", 1000, 1000, &f));
	assert_int_equal(f.kind, FAULT_TOKEN_REPLAYED);
	assert_string_equal(f.why, "token a was used before");
	assert_true(replay_use(r, "b", 1000, 1000, &f));
	assert_true(replay_use(r, "a", 2000, 1001, &f));
	assert_int_equal(replay_count(r), 1);
	replay_free(&r);
	assert_null(r);
}

static void
test_full_refuses_and_never_forgets(void **state)
{
	struct replay *r = replay_new(3);
	struct fault f;

	(void)state;
	assert_true(replay_use(r, "a", 100, 0, &f));
	assert_true(replay_use(r, "b", 200, 0, &f));
	assert_true(replay_use(r, "c", 300, 0, &f));
	assert_false(replay_use(r, "d", 300, 0, &f));
	assert_int_equal(f.kind, FAULT_OVERLOADED);
	assert_false(replay_use(r, "a", 300, 50, &f));
	assert_int_equal(f.kind, FAULT_TOKEN_REPLAYED);
	assert_true(replay_use(r, "d", 300, 101, &f));
	assert_false(replay_use(r, "b", 300, 101, &f));
	replay_free(&r);
}

/* A long-lived name in front keeps those behind it, which is safe. */
static void
test_many(void **state)
{
	struct replay *r = replay_new(1000);
	struct fault f;
	char name[32];

	(void)state;
	for (int i = 0; i < 100000; i++) {
		snprintf(name, sizeof name, "name-%d", i);
		assert_true(replay_use(r, name, i + 900, i, &f));
		assert_false(replay_use(r, name, i + 900, i, &f));
		if (i < 900)
			continue;
		snprintf(name, sizeof name, "name-%d", i - 900);
		assert_false(replay_use(r, name, i, i, &f));
	}
	assert_true(replay_count(r) <= 902);
	replay_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_once_until_it_expires),
	    cmocka_unit_test(test_full_refuses_and_never_forgets),
	    cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
