/* SPDX-License-Identifier: Apache-2.0 */
/* Raters are weighed in SQL by the worker and in memory by the simulation of
 * attacks: on random markets both find the same, number by number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "reputation/rater.h"
#include "reputation/worker/reputation_db.h"
#include "tests/bench/reputation_raters.h"
#include "tests/unit/migrated_postgres.h"

enum { PROVIDERS = 12, ACCOUNTS = 60, MARKETS = 8 };
#define DAY "2026-11-12"

static struct private_postgres server;
static bool is_here;
static char own[200];
static uint64_t seed;

static int
start(void **state)
{
	(void)state;
	is_here = migrated_postgres_start(&server);
	/* In order: of equals, the first are favourites. */
	for (int p = 0; is_here && p < PROVIDERS; p++) {
		char sql[200];

		snprintf(sql, sizeof(sql),
		    "SET session_replication_role = replica;"
		    "SELECT assay.pair_of('did:assay:z%02d', 'chat', 'm')",
		    p);
		assert_true(migrated_run(server.conninfo, sql));
	}
	migrated_conninfo(&server, "assay_reputation", own, sizeof(own));
	return 0;
}

static int
end(void **state)
{
	(void)state;
	if (is_here)
		private_postgres_end(&server);
	return 0;
}

static unsigned
below(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((seed >> 33) % n);
}

struct market {
	struct rating ratings[PROVIDERS][ACCOUNTS];
	struct rated of[PROVIDERS];
	struct rater raters[ACCOUNTS];
};

/* Few raters of some providers and many of others, ties, groups that favour
 * the same, and verdicts that have faded to nothing. Eighths are exact. */
static void
make_market(struct market *m)
{
	memset(m, 0, sizeof(*m));
	for (int p = 0; p < PROVIDERS; p++) {
		unsigned part = below(10);

		m->of[p].ratings = m->ratings[p];
		for (int i = 0; i < ACCOUNTS; i++) {
			struct rating *r = &m->ratings[p][m->of[p].raters];
			bool is_company = i < 20 && p < 3;

			if (!is_company && below(10) >= part)
				continue;
			r->account = i;
			r->verdicts.good = below(4) * .125;
			r->verdicts.bad =
			    below(6) == 0 ? below(9) * .125 : 1. / 256;
			if (is_company)
				r->verdicts.good += 2;
			m->of[p].raters++;
		}
	}
	raters_weigh(m->of, PROVIDERS, m->raters, ACCOUNTS);
}

/* As decayed sums of hundredths of verdicts. */
static void
store_market(const struct market *m)
{
	struct arena *a = arena_new();
	const char *values = "(0, 0, 0.0, 0.0)";

	for (int p = 0; p < PROVIDERS; p++)
		for (int i = 0; i < m->of[p].raters; i++) {
			const struct rating *r = &m->ratings[p][i];

			values = arena_printf(a, "%s, (%d, %d, %.17g, %.17g)",
			    values, p, r->account, r->verdicts.good,
			    r->verdicts.bad);
		}
	assert_true(migrated_run(server.conninfo,
	    arena_printf(a,
		"TRUNCATE assay.verdict_evidence;"
		" INSERT INTO assay.verdict_evidence"
		" SELECT assay.pair_of('did:assay:z' || lpad(p::text, 2, '0'),"
		"  'chat', 'm'), ('00000000-0000-7000-8000-' ||"
		"  lpad(account::text, 12, '0'))::uuid,"
		" good * 100 * w, bad * 100 * w, NULL, 0"
		" FROM (VALUES %s) x(p, account, good, bad),"
		" assay.evidence_weight('" DAY "') w"
		" WHERE good + bad > 0 ORDER BY p",
		values)));
	arena_free(&a);
}

static void
check_row(const struct market *m, const struct pg_rows *rows, int row)
{
	const char *id = pg_text(rows, row, 2);
	const struct rater *r = &m->raters[atoi(id + strlen(id) - 12)];

	assert_true(fabs(pg_f64(rows, row, 3) - r->all.good) < 1e-9);
	assert_true(fabs(pg_f64(rows, row, 4) - r->all.bad) < 1e-9);
	assert_int_equal(pg_i64(rows, row, 5), r->same);
	assert_int_equal(pg_i64(rows, row, 6), r->raters);
	assert_int_equal(pg_i64(rows, row, 7), r->providers);
	assert_int_equal(pg_i64(rows, row, 8), r->favourites);
}

static void
simulation_weighs_raters_as_the_worker_does(void **state)
{
	const struct pg_statement *begin =
	    &reputation_statements[DB_WEIGH_BEGIN];
	const struct pg_statement *read = &reputation_statements[DB_WEIGH_READ];
	static const char *const day[] = {DAY}, *const all[] = {"1000"};
	static struct market m;
	struct pg_session *s = NULL;
	struct fault f = {0};
	int company = 0;

	(void)state;
	if (!is_here)
		skip();
	seed = 5;
	assert_true(pg_session_open(own, "test", &s, &f));
	for (int round = 0; round < MARKETS; round++) {
		struct pg_rows *rows = NULL;
		int weighed = 0;

		make_market(&m);
		store_market(&m);
		if (!pg_session_run(
			s, begin->sql, begin->params, day, NULL, &f) ||
		    !pg_session_run(s, read->sql, read->params, all, &rows, &f))
			fail_msg("%s", f.why);
		for (int i = 0; i < ACCOUNTS; i++) {
			weighed += m.raters[i].favourites > 0;
			company += m.raters[i].same > RATER_COMPANY_LEAST;
		}
		assert_true(weighed > ACCOUNTS / 2);
		assert_int_equal(pg_count(rows), weighed);
		for (int i = 0; i < pg_count(rows); i++)
			check_row(&m, rows, i);
		pg_rows_free(&rows);
	}
	assert_true(company > 0);
	pg_session_free(&s);
}

/* Whoever has no verdict of weight is as one not weighed yet. */
static void
faded_raters_are_new_again(void **state)
{
	static const struct rating ratings[] = {
	    {0, {.5, 0}}, {1, {.005, .005}}, {2, {0, .02}}};
	struct rated of = {ratings, 3};
	struct rater out[4];

	(void)state;
	raters_weigh(&of, 1, out, 4);
	assert_true(out[0].weight == rater_variety(.5, 0));
	assert_true(out[1].weight == RATER_NEW);
	assert_true(out[2].weight == rater_variety(0, .02));
	assert_true(out[3].weight == RATER_NEW);
	assert_int_equal(out[0].same, 2);
	assert_int_equal(out[0].raters, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(simulation_weighs_raters_as_the_worker_does),
	    cmocka_unit_test(faded_raters_are_new_again),
	};

	return cmocka_run_group_tests(tests, start, end);
}
