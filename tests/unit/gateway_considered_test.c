/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts of "considered and not chosen" fall on the UTC day on which the
 * choice was made, whenever they come to be written: on both sides of
 * midnight, and through a spool that lay for a day. On a migrated database.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/considered.h"
#include "tests/unit/gateway_db_bench.h"
#include "tests/unit/gateway_world.h"

/* 2026-11-22T00:00Z */
#define MIDNIGHT INT64_C(1795305600000)

static char folder[] = "/tmp/considered-XXXXXX";

/* Two offers, of which one is asked for and the other is not taken. */
static void
two_offers(struct world *w)
{
	char one[] = "home=B", two[] = "home=C";

	world_init(w);
	assert_true(world_offer(w, "one", one));
	assert_true(world_offer(w, "two", two));
	world_close(w);
}

static void
choose_at(struct considered *x, struct world *w, int64_t now_ms, int times)
{
	struct route_ask ask = world_ask(w);
	struct fault f = {0};
	struct route r;

	ask.admission.now_ms = now_ms;
	for (int i = 0; i < times; i++) {
		assert_true(route_choose(&ask, &r, &f));
		considered_note(x, &ask, &r);
	}
}

static void
on_drained(void *arg)
{
	struct bench *b = arg;

	loop_stop(b->loop);
}

static struct considered *
open_counts(struct bench *b)
{
	struct considered *x;
	struct fault f = {0};

	if (!considered_open(b->loop, b->pg, folder, &b->log, &x, &f))
		fail_msg("%s", f.why);
	return x;
}

static void
drain(struct bench *b, struct considered *x)
{
	considered_drain(x, on_drained, b);
	loop_run(b->loop);
}

static const char *
days(struct bench *b)
{
	return value(b,
	    "SELECT string_agg(day || ' ' || reason || ' ' || times,"
	    " ', ' ORDER BY day) FROM (SELECT day, reason,"
	    " sum(times) AS times FROM assay.not_chosen"
	    " GROUP BY 1, 2) x");
}

static void
both_sides_of_midnight(void **state)
{
	struct considered *x;
	struct world w;
	struct bench b;

	(void)state;
	if (!is_here)
		skip();
	bench_open(&b);
	two_offers(&w);
	x = open_counts(&b);
	choose_at(x, &w, MIDNIGHT - 1, 3);
	choose_at(x, &w, MIDNIGHT, 5);
	drain(&b, x);
	assert_string_equal(days(&b), "2026-11-21 another_preferred 3,"
				      " 2026-11-22 another_preferred 5");
	/* A clock that steps back to the old day adds to it. */
	choose_at(x, &w, MIDNIGHT + 1, 2);
	choose_at(x, &w, MIDNIGHT - 1000, 4);
	drain(&b, x);
	assert_string_equal(days(&b), "2026-11-21 another_preferred 7,"
				      " 2026-11-22 another_preferred 7");
	considered_free(&x);
	world_free(&w);
	bench_close(&b);
}

/* A worker that ends without Postgres, and the next one two days later. */
static void
a_spool_keeps_the_day(void **state)
{
	struct considered *x;
	struct world w;
	struct bench b;

	(void)state;
	if (!is_here)
		skip();
	bench_open(&b);
	assert_true(
	    migrated_run(server.conninfo, "DELETE FROM assay.not_chosen"));
	two_offers(&w);
	x = open_counts(&b);
	choose_at(x, &w, MIDNIGHT - 1, 2);
	considered_free(&x);
	x = open_counts(&b);
	choose_at(x, &w, MIDNIGHT + INT64_C(172800000), 1);
	drain(&b, x);
	assert_string_equal(days(&b), "2026-11-21 another_preferred 2,"
				      " 2026-11-24 another_preferred 1");
	considered_free(&x);
	world_free(&w);
	bench_close(&b);
}

static int
start_all(void **state)
{
	if (mkdtemp(folder) == NULL)
		return -1;
	return start(state);
}

static int
end_all(void **state)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	return end(state) + system(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_sides_of_midnight),
	    cmocka_unit_test(a_spool_keeps_the_day),
	};

	return cmocka_run_group_tests(tests, start_all, end_all);
}
