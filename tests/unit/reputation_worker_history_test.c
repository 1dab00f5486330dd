/* SPDX-License-Identifier: Apache-2.0 */
/* What the worker adds up as it comes and what a recomputation sums are the
 * same to the bit, on random histories (tests/fixtures/reputation_history.sql)
 * that it ticks through at random moments: then, and for days after. With
 * ASSAY_SEED it is that history alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/reputation_worker_world.h"

enum {
	HISTORIES = 3,
	ENOUGH_MS = 15000,
	FIRST_SEED = 1,
	DAYS_BEFORE = 12,
	DAYS_AFTER = 3,
	ERA_DAYS = 84
};

/* 2026-01-01: the first era begins. */
#define FIRST_DAY INT64_C(20454)

/* Where a history has come to. Copied, it goes on alike. */
struct life {
	uint64_t seed;
	uint64_t draws;
	unsigned step;
	int64_t at;
	char super[200];
};

static unsigned
below(struct life *l, unsigned n)
{
	uint64_t z = l->draws += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (unsigned)((z ^ z >> 31) % n);
}

/* ----------------------------------------------------------------- a life */

/* A new era begins in the midst of it. */
static void
begin(struct life *l, uint64_t seed, const char *database, struct arena *a)
{
	struct fault f = {0};
	char *sql;
	size_t len;
	int64_t day;

	*l = (struct life){.seed = seed, .draws = seed};
	day = FIRST_DAY + (4 + below(l, 20)) * ERA_DAYS - 4 -
	      (int64_t)below(l, DAYS_BEFORE - 8);
	l->at = day * DAY_MS + below(l, DAY_MS);
	move_to(database, "fresh", l->super);
	if (!file_read(ASSAY_FIXTURES "/reputation_history.sql", 1 << 20, &sql,
		&len, &f))
		fail_msg("%s", f.why);
	assert_true(migrated_run(l->super,
	    arena_printf(a,
		"CREATE SCHEMA history; CREATE FUNCTION history.seed() RETURNS"
		" text LANGUAGE sql IMMUTABLE AS $$ SELECT '%llu' $$; %s;"
		"INSERT INTO assay.day_close VALUES (date '1970-01-01' + %d,"
		" now(), false)",
		(unsigned long long)seed, sql, (int)day - 1)));
	mem_free(sql);
}

/* Rows for the worker to take and pairs to score at a time are drawn too. */
static void
meet(struct life *l, const char *recomputes)
{
	static struct reputation_settings s;
	struct fault f = {0};
	struct ticker *t;
	struct log log;

	s = (struct reputation_settings){.batch_pairs = 1 + below(l, 60),
	    .batch_rows = 1 + below(l, 200),
	    .now = "as given",
	    .database_url = own,
	    .partitions_ahead = 1,
	    .recompute_from = recomputes};
	log_init(&log, "test", LOG_ERROR_);
	t = ticker_new(&s, &log);
	if (recomputes == NULL)
		run_led(t, l->at);
	else
		for (int i = 0; i < 1000 && !ticker_counts(t)->leads; i++)
			if (!ticker_recompute(t, l->at, &f))
				poll(NULL, 0, 10);
	assert_true(ticker_counts(t)->leads);
	ticker_free(&t);
}

/* Steps of hours up to a day; after some of them the worker stays away. */
static void
live(struct life *l, int64_t until, struct arena *a)
{
	while (l->at < until) {
		int64_t since = l->at;

		l->at += 60000 * (1 + (int64_t)below(l, 60 * 24));
		assert_true(migrated_run(l->super,
		    arena_printf(a,
			"SELECT history.live('%u', to_timestamp(%lld / 1e3),"
			" to_timestamp(%lld / 1e3))",
			++l->step, (long long)since, (long long)l->at)));
		if (below(l, 4) > 0)
			meet(l, NULL);
	}
}

/* -------------------------------------------------------------- alike? */

static const char scores_now[] =
    "SELECT string_agg((to_jsonb(s) - 'updated_at' - 'version')::text, E'\\n'"
    " ORDER BY did, task, canonical) FROM assay.score s";

/* And what days closed at, when tiers changed and why, what raters weigh. */
static const char course_now[] =
    "SELECT string_agg(line, E'\\n' ORDER BY line) FROM ("
    " SELECT concat('score ', to_jsonb(s) - 'updated_at' - 'version') AS line"
    "  FROM assay.score s"
    " UNION ALL SELECT concat('day ', d) FROM assay.score_day d"
    " UNION ALL SELECT concat('change ', c) FROM assay.tier_change c"
    " UNION ALL SELECT concat('rater ', r) FROM assay.rater_weight r"
    " UNION ALL SELECT concat('speed ', m) FROM assay.model_speed m"
    " UNION ALL SELECT concat('close ', c) FROM assay.day_close c) x";

static void
same(const struct life *l, const char *seen, const char *was, const char *how)
{
	assert_non_null(seen);
	assert_non_null(was);
	while (*seen != '\0' && strcmp(seen, was) != 0) {
		size_t one = strcspn(seen, "\n"), two = strcspn(was, "\n");

		if (one != two || memcmp(seen, was, one) != 0)
			fail_msg("ASSAY_SEED=%llu, %s:\n%.*s\nis not\n%.*s",
			    (unsigned long long)l->seed, how, (int)one, seen,
			    (int)two, was);
		seen += one + (seen[one] != '\0');
		was += two + (was[two] != '\0');
	}
}

static void
recomputed_now_it_is_the_same(struct life *l, struct arena *a)
{
	static const char *const ways[] = {"log", "minutes"};
	const char *was;

	meet(l, NULL);
	was = migrated_value(l->super, scores_now, a);
	for (size_t i = 0; i < 2; i++) {
		meet(l, ways[i]);
		same(l, migrated_value(l->super, scores_now, a), was, ways[i]);
	}
}

/* The course of days more, whatever waits now: going on, or summed anew first.
 */
static const char *
go_on(struct life *l, const char *recomputes, struct arena *a)
{
	const uint64_t draws = l->draws;

	if (recomputes != NULL)
		meet(l, recomputes);
	meet(l, NULL);
	l->draws = draws;
	live(l, l->at + DAYS_AFTER * DAY_MS, a);
	meet(l, NULL);
	return migrated_value(l->super, course_now, a);
}

static void
one_history(uint64_t seed, const char *database, struct arena *a)
{
	static const char *const ways[] = {"log", "minutes"};
	const char *seen[2], *was;
	struct life l, copy;
	char worker[sizeof(own)];

	printf("ASSAY_SEED=%llu\n", (unsigned long long)seed);
	begin(&l, seed, database, a);
	live(&l, l.at + DAYS_BEFORE * DAY_MS, a);
	memcpy(worker, own, sizeof(own));
	for (size_t i = 0; i < 2; i++) {
		copy = l;
		move_to(arena_printf(a, "%s_%s", database, ways[i]), database,
		    copy.super);
		seen[i] = go_on(&copy, ways[i], a);
	}
	memcpy(own, worker, sizeof(own));
	was = go_on(&l, NULL, a);
	for (size_t i = 0; i < 2; i++)
		same(&l, seen[i], was, ways[i]);
	recomputed_now_it_is_the_same(&l, a);
	if (seed == FIRST_SEED)
		assert_string_equal(migrated_value(l.super,
					"SELECT what FROM history.lacks", a),
		    "");
}

/* The first is always the same, and has everything. A slow machine tries two
 * of them. */
static void
incremental_and_full_are_the_same_in_every_history(void **state)
{
	const char *wanted = getenv("ASSAY_SEED");
	struct arena *a = arena_new();
	int64_t began = clock_mono_ms();

	need_postgres(state, &a);
	if (wanted != NULL)
		one_history(strtoull(wanted, NULL, 10), "wanted", a);
	for (unsigned i = 0; wanted == NULL && i < HISTORIES; i++)
		if (i < 2 || clock_mono_ms() - began < ENOUGH_MS)
			one_history(
			    i == 0 ? FIRST_SEED : (uint64_t)clock_unix_ms(),
			    arena_printf(a, "history%u", i), a);
	move_back();
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		incremental_and_full_are_the_same_in_every_history),
	};

	return cmocka_run_group_tests(tests, start, end);
}
