/* SPDX-License-Identifier: Apache-2.0 */
/* What assay-reputation's statements and the operators' views read, on 40 days
 * of a market: the days and pairs they are about, by index, and never all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "reputation/worker/reputation_db.h"
#include "tests/unit/migrated_postgres.h"
#include "tests/unit/plans.h"

static struct private_postgres server;
static bool is_here;
static char worker[200], operator[200];

static int
start(void **state)
{
	(void)state;
	is_here = migrated_postgres_start(&server);
	if (is_here)
		assert_true(migrated_run(server.conninfo, plans_world));
	migrated_conninfo(&server, "assay_reputation", worker, sizeof(worker));
	migrated_conninfo(
	    &server, "assay_operator", operator, sizeof(operator));
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

#define TODAY "(now() AT TIME ZONE 'UTC')::date"
#define NOW_MS "(extract(epoch FROM now()) * 1000)::bigint"

/* The two kinds of reading: none of these tables is ever read whole. */
static void
of_pairs(struct plan *p)
{
	plan_reads_never_whole(p, "outcome_evidence");
	plan_reads_never_whole(p, "verdict_evidence");
	plan_reads_never_whole(p, "audit_evidence");
	plan_reads_at_most(p, "outcome_minute*", 0);
	plan_reads_at_most(p, "feedback*", 0);
	plan_reads_at_most(p, "request*", 0);
}

static void
a_tick_reads_what_changed(void **state)
{
	struct plan p;

	(void)state;
	if (!is_here)
		skip();
	plan_read(&p, worker, &reputation_statements[DB_DUE],
	    "(" TODAY ", 20, 0, " NOW_MS " - 86400000, " NOW_MS " + 120000)");
	plan_reads_never_whole(&p, "score_due");
	plan_uses(&p, "score_due_pkey");
	of_pairs(&p);
	plan_reads_never_whole(&p, "score");
	plan_uses(&p, "outcome_evidence_pkey");
	plan_uses(&p, "verdict_evidence_pkey");
	plan_uses(&p, "audit_evidence_pkey");
	plan_uses(&p, "score_pair_key");
	/* Two days back, and two minutes ahead. */
	plan_reads_at_most(&p, "audit_result*", 4);
	plan_free(&p);
	plan_read(
	    &p, worker, &reputation_statements[DB_FOLD], "(" TODAY ", 20000)");
	of_pairs(&p);
	plan_free(&p);
	plan_read(&p, worker, &reputation_statements[DB_FOLD_VERDICTS],
	    "(" TODAY ", 20000)");
	of_pairs(&p);
	plan_free(&p);
	plan_read(&p, worker, &reputation_statements[DB_FOLD_AUDITS],
	    "(" TODAY ", 20000)");
	of_pairs(&p);
	plan_reads_at_most(&p, "audit_result*", 0);
	plan_free(&p);
	plan_read(
	    &p, worker, &reputation_statements[DB_NEXT_DAY], "(" TODAY ")");
	plan_uses(&p, "day_close_pkey");
	plan_reads_at_most(&p, "outcome*", 0);
	plan_free(&p);
}

static void
scores_are_written_by_key(void **state)
{
	struct plan p;

	(void)state;
	if (!is_here)
		skip();
	plan_read(&p, worker, &reputation_statements[DB_WRITE],
	    "(ARRAY[2], ARRAY['silver']::assay.tier[], ARRAY[80], ARRAY[10],"
	    " ARRAY['{}']::jsonb[], ARRAY[7], ARRAY[0], ARRAY[20000],"
	    " ARRAY['{}'], " TODAY " - 1, false, " NOW_MS
	    ", ARRAY[2], ARRAY['bronze']::assay.tier[],"
	    " ARRAY['silver']::assay.tier[], ARRAY['run_complete'])");
	plan_reads_never_whole(&p, "score_2*");
	plan_reads_never_whole(&p, "pair");
	plan_reads_never_whole(&p, "score_due");
	assert_true(
	    plan_count(p.root, "ModifyTable", "Relation Name", "score") > 0);
	plan_free(&p);
}

static void
a_close_reads_its_day(void **state)
{
	static const enum reputation_statement of_a_day[] = {
	    DB_SPEED, DB_NOTE_DOWNTIME};
	struct plan p;

	(void)state;
	if (!is_here)
		skip();
	plan_read(&p, worker, &reputation_statements[DB_UNCLOSED],
	    "(" TODAY ", 20, 0, assay.day_ms(" TODAY "), assay.day_ms(" TODAY
	    " + 1))");
	of_pairs(&p);
	plan_uses(&p, "score_pair_key");
	plan_reads_at_most(&p, "audit_result*", 3);
	plan_free(&p);
	for (size_t i = 0; i < 2; i++) {
		plan_read(&p, worker, &reputation_statements[of_a_day[i]],
		    "(" TODAY " - 3)");
		/* One day of requests, and one of attempts at most; of
		 * downtime, the two days before too. */
		plan_reads_at_most(&p, "request_2*", i == 1 ? 3 : 1);
		plan_reads_at_most(&p, "request_attempt_2*", 1);
		plan_free(&p);
	}
}

/* How often each day's table was read in full, and how many never were, is
 * told within the transaction that reads. */
static void
a_recompute_reads_each_day_once(void **state)
{
	struct arena *a = arena_new();

	(void)state;
	if (!is_here) {
		arena_free(&a);
		skip();
	}
	assert_string_equal(
	    migrated_value(server.conninfo,
		"BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT"
		" assay.reputation_rebuild('minutes', " TODAY ");"
		"SELECT max(seq_scan) || ' ' || count(*) FILTER (WHERE"
		" seq_scan = 1) FROM pg_stat_xact_user_tables WHERE relname"
		" BETWEEN 'outcome_minute_' || to_char(" TODAY
		" - 30, 'YYYYMMDD') AND 'outcome_minute_' ||"
		" to_char(" TODAY " - 1, 'YYYYMMDD')",
		a),
	    "1 30");
	arena_free(&a);
}

/* Scores of the two weeks before it and of all days after, audits of a day
 * more; each day by its pairs at once: twice the one that is taken back. */
static void
a_day_taken_back_reads_each_day_of_two_weeks_once(void **state)
{
	struct arena *a = arena_new();

	(void)state;
	if (!is_here) {
		arena_free(&a);
		skip();
	}
	assert_string_equal(
	    migrated_value(server.conninfo,
		"BEGIN; SET LOCAL ROLE assay_reputation; SELECT"
		" assay.excuse_late(" TODAY " - 5, 70, 85);"
		"SELECT coalesce(sum(seq_scan + idx_scan) FILTER (WHERE"
		"  right(relname, 8) < to_char(" TODAY " - 20, 'YYYYMMDD')), 0)"
		" || ' ' || max(seq_scan + idx_scan) || ' ' || sum(n_tup_upd)"
		" FROM pg_stat_xact_user_tables"
		" WHERE relname ~ '^(score_day|audit_result)_2'",
		a),
	    "0 2 100");
	assert_string_equal(migrated_value(server.conninfo,
				"BEGIN; SET LOCAL ROLE assay_reputation; SELECT"
				" assay.excuse_late(" TODAY " - 5, 70, 85);"
				"SELECT bool_and(seq_scan + idx_scan < 20)"
				" FROM pg_stat_xact_user_tables"
				" WHERE relname IN ('score', 'tier_change')",
				a),
	    "t");
	arena_free(&a);
}

#define BATCH                                                                  \
	"BEGIN; INSERT INTO assay.request_attempt (request_id, created_at,"    \
	" ordinal, did, pool, tier, outcome) SELECT id, created_at, 2, did,"   \
	" pool, tier, 'served' FROM assay.request WHERE created_at > now() -"  \
	" interval '10 hours' AND created_at < now() - interval '1 hour';"     \
	"SELECT sum(seq_scan + idx_scan) || ' ' || (SELECT count(*) FROM"      \
	" assay.request WHERE created_at > now() - interval '10 hours' AND"    \
	" created_at < now() - interval '1 hour') - (SELECT sum(delivered)"    \
	" FROM assay.outcome_minute WHERE minute > now() - interval"           \
	" '11 hours' AND minute = date_trunc('minute', minute))"               \
	" FROM pg_stat_xact_user_tables WHERE relname ~"                       \
	" '^request(_attempt)?_2' AND right(relname, 8) <"                     \
	" to_char(" TODAY " - 1, 'YYYYMMDD')"

/* What a gateway's batch adds up is found in the days of the batch: by a plan
 * for its days, and by one for any. */
static void
a_batch_reads_its_own_day(void **state)
{
	struct arena *a = arena_new();

	(void)state;
	if (!is_here) {
		arena_free(&a);
		skip();
	}
	assert_string_equal(migrated_value(server.conninfo, BATCH, a), "0 0");
	assert_string_equal(
	    migrated_value(server.conninfo,
		"SET plan_cache_mode = force_generic_plan;" BATCH, a),
	    "0 0");
	arena_free(&a);
}

/* Those of the two days before, and those made ahead. */
static void
a_canary_that_disagrees_locks_its_days(void **state)
{
	static const struct pg_statement disagrees = {"disagrees",
	    "INSERT INTO assay.audit_result VALUES ('did:assay:z1', 'chat',"
	    " 'test:m', now(), 'canary', false, '')",
	    0};

	(void)state;
	if (!is_here)
		skip();
	assert_in_range(plan_locks(server.conninfo, &disagrees, "", 10), 1, 11);
}

static void
operators_views_read_their_days(void **state)
{
	static const struct {
		struct pg_statement view;
		const char *table;
		size_t most;
	} views[] = {
	    {{"feedback_by_issue", "SELECT * FROM operator.feedback_by_issue",
		 0},
		"feedback*", 50},
	    {{"tier_change_week", "SELECT * FROM operator.tier_change_week", 0},
		"tier_change", 1},
	    {{"score",
		 "SELECT * FROM operator.score WHERE did ="
		 " 'did:assay:z7'",
		 0},
		"score", 1},
	    {{"not_chosen",
		 "SELECT * FROM operator.not_chosen WHERE did ="
		 " 'did:assay:z7'",
		 0},
		"not_chosen", 1},
	    {{"reputation_lag", "SELECT * FROM operator.reputation_lag", 0},
		"outcome_minute*", 0},
	};
	struct plan p;

	(void)state;
	if (!is_here)
		skip();
	for (size_t i = 0; i < sizeof(views) / sizeof(*views); i++) {
		plan_read(&p, operator, & views[i].view, "");
		plan_reads_at_most(&p, views[i].table, views[i].most);
		if (i == 1)
			plan_uses(&p, "tier_change_at");
		if (i == 2)
			plan_uses(&p, "score_pkey");
		if (i == 3)
			plan_uses(&p, "not_chosen_pkey");
		plan_free(&p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_tick_reads_what_changed),
	    cmocka_unit_test(scores_are_written_by_key),
	    cmocka_unit_test(a_close_reads_its_day),
	    cmocka_unit_test(a_recompute_reads_each_day_once),
	    cmocka_unit_test(a_day_taken_back_reads_each_day_of_two_weeks_once),
	    cmocka_unit_test(a_batch_reads_its_own_day),
	    cmocka_unit_test(a_canary_that_disagrees_locks_its_days),
	    cmocka_unit_test(operators_views_read_their_days),
	};

	return cmocka_run_group_tests(tests, start, end);
}
