/* SPDX-License-Identifier: Apache-2.0 */
/* assay-reputation's statements on a migrated database, under its own role:
 * they prepare, count what happened once, and add up to the same bits however
 * the events came and when all is recomputed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/reputation_worker_world.h"

static void
every_statement_prepares_under_its_role(void **state)
{
	struct pg_session *s = NULL;
	struct fault f = {0};

	(void)state;
	if (!is_here)
		skip();
	assert_true(pg_session_open(own, "test", &s, &f));
	for (size_t i = 0; i < reputation_statement_count; i++) {
		char sql[8192];

		snprintf(sql, sizeof(sql), "PREPARE %s AS %s",
		    reputation_statements[i].name,
		    reputation_statements[i].sql);
		if (!pg_session_run(s, sql, 0, NULL, NULL, &f))
			fail_msg(
			    "%s: %s", reputation_statements[i].name, f.why);
	}
	pg_session_free(&s);
}

static void
incremental_and_full_are_the_same_to_the_bit(void **state)
{
	struct arena *a = arena_new();
	const char *was, *edits, *audits;

	need_postgres(state, &a);
	edits = "UPDATE assay.feedback SET quality = 100 - quality,"
		" value = 100 - value WHERE random() < .2";
	audits = "INSERT INTO assay.audit_result SELECT 'did:assay:z' ||"
		 " (1 + floor(random() * 5)), 'chat', 'test:m', timestamptz"
		 " '2026-11-01T00:00:00Z' + random() * interval '10 days',"
		 " 'canary', random() < .9, '' FROM generate_series(1, 9)";
	for (unsigned round = 0; round < 6; round++) {
		bring(1 + round * 200, 200);
		assert_true(migrated_run(server.conninfo, edits));
		assert_true(migrated_run(server.conninfo, audits));
		tick(NOON + round * 1000, 1 + round);
	}
	was = migrated_value(server.conninfo, scores, a);
	assert_non_null(was);
	assert_string_equal(
	    migrated_value(server.conninfo,
		"SELECT count(*) FROM assay.score WHERE score IS NOT NULL", a),
	    "5");
	recompute("log");
	assert_string_equal(migrated_value(server.conninfo, scores, a), was);
	recompute("minutes");
	assert_string_equal(migrated_value(server.conninfo, scores, a), was);
	/* Nothing waits, and what was counted is what is in the log. */
	assert_string_equal(
	    migrated_value(server.conninfo,
		"SELECT outcomes_waiting + verdicts_waiting + scores_due FROM"
		" operator.reputation_lag",
		a),
	    "0");
	assert_string_equal(
	    migrated_value(server.conninfo,
		"SELECT (SELECT sum(delivered + failed) FROM "
		"assay.outcome_minute)"
		" = (SELECT count(*) FROM assay.attempt_evidence WHERE delivery"
		" <> 0)",
		a),
	    "t");
	arena_free(&a);
}

static void
what_is_nobodys_fault_counts_nowhere(void **state)
{
	struct arena *a = arena_new();

	need_postgres(state, &a);
	assert_string_equal(
	    migrated_value(server.conninfo,
		"SELECT string_agg(c::text, ' ') FROM (VALUES"
		" ('served', NULL), ('failed', 'provider_error'),"
		" ('failed', 'first_byte_timeout'), ('truncated', 'truncated'),"
		" ('truncated', 'stream_stalled'), ('buyer_gone', "
		"'buyer_gone'),"
		" ('drained', 'draining'), ('failed', 'provider_unreachable'),"
		" ('failed', 'upstream_dependency_unavailable'),"
		" ('refused', 'capacity_exceeded')) v(o, f),"
		" assay.attempt_counts(o::assay.outcome, f) c",
		a),
	    "1 -1 -1 -1 -1 0 0 0 0 0");
	/* Account 1 is a member of the providers' workspace. */
	assert_string_equal(migrated_value(server.conninfo,
				"SELECT count(*) FROM assay.attempt_evidence e "
				"JOIN assay.request r"
				" ON r.id = e.request_id WHERE r.account_id ="
				" '33333333-3333-7333-8333-000000000001'",
				a),
	    "0");
	arena_free(&a);
}

static void
a_day_is_closed_once_and_a_run_makes_silver(void **state)
{
	struct arena *a = arena_new();
	static const char days[] =
	    "SELECT count(*) || ' ' || count(DISTINCT day) FROM"
	    " assay.score_day WHERE did = 'did:assay:z1'";
	const char *was;

	need_postgres(state, &a);
	was = migrated_value(server.conninfo, days, a);
	assert_true(atoi(was) >= 1);
	tick(NOON + 20000, 500);
	assert_string_equal(migrated_value(server.conninfo, days, a), was);
	/* Eight days of a flawless provider, one of them excused. */
	assert_true(migrated_run(server.conninfo,
	    "INSERT INTO assay.device (did, workspace_id, public_jwk) VALUES"
	    " ('did:assay:z9', '11111111-1111-7111-8111-000000000001', '{}');"
	    "INSERT INTO assay.platform_downtime VALUES"
	    " ('2026-11-15T10:00Z', '2026-11-15T11:00Z', 'test');"
	    "INSERT INTO assay.outcome_new SELECT '2026-11-12T13:00Z',"
	    " assay.pair_of('did:assay:z9', 'chat', 'test:m'), 100, 0, 0, 0,"
	    " 0, b"
	    " FROM generate_series(0, 20) b;"));
	for (int day = 0; day <= 8; day++)
		tick(NOON + 7200000 + day * DAY_MS, 500);
	assert_string_equal(
	    migrated_value(server.conninfo,
		"SELECT tier || ' ' || silver_days FROM assay.score"
		" WHERE did = 'did:assay:z9'",
		a),
	    "silver 7");
	assert_string_equal(
	    migrated_value(server.conninfo,
		"SELECT was || ' ' || tier || ' ' || reason || ' ' ||"
		" (evidence ? 'delivery') FROM assay.tier_change"
		" WHERE did = 'did:assay:z9'",
		a),
	    "bronze silver run_complete true");
	/* What buyers say holds the score under 65, and takes no tier while few
	 * say it: voices of 240 new accounts for, of 100 against. */
	assert_true(migrated_run(server.conninfo,
	    "INSERT INTO assay.verdict_new SELECT"
	    " assay.pair_of('did:assay:z9', 'chat', 'test:m'), "
	    "('44444444-4444-7444-8444-' || lpad(i::text, 12,"
	    " '0'))::uuid, '2026-11-20T13:00Z', 100 * (i <= 240)::int,"
	    " 100 * (i > 240)::int FROM generate_series(1, 340) i"));
	tick(NOON + 7200000 + 8 * DAY_MS + 2000, 500);
	assert_string_equal(
	    migrated_value(server.conninfo,
		"SELECT tier || ' ' || round(score) || ' ' ||"
		" (parts ->> 'held_by_quality') FROM assay.score"
		" WHERE did = 'did:assay:z9'",
		a),
	    "silver 54 true");
	/* A fingerprint that no longer matches takes it at once. */
	assert_true(migrated_run(server.conninfo,
	    "INSERT INTO assay.audit_result VALUES ('did:assay:z9', 'chat',"
	    " 'test:m', '2026-11-20T13:00Z', 'fingerprint', false, 'x')"));
	tick(NOON + 7200000 + 8 * DAY_MS + 5000, 500);
	assert_string_equal(
	    migrated_value(server.conninfo,
		"SELECT tier || ' ' || silver_days FROM assay.score"
		" WHERE did = 'did:assay:z9'",
		a),
	    "bronze 0");
	arena_free(&a);
}

/* What days closed at, runs, tiers and their changes. */
static const char course[] =
    "SELECT (SELECT string_agg(d::text, ',' ORDER BY d::text)"
    " FROM assay.score_day d) || (SELECT string_agg(did || tier || score ||"
    " silver_days || gold_days || closed_day, ',' ORDER BY did)"
    " FROM assay.score) || coalesce((SELECT string_agg(c::text, ','"
    " ORDER BY c::text) FROM assay.tier_change c), '-')";

static void
days_missed_close_alike_with_and_without_recomputing(void **state)
{
	static const char *const ways[] = {NULL, "log", "minutes"};
	struct arena *a = arena_new();
	const char *was = NULL;
	char super[200];

	need_postgres(state, &a);
	/* All that is to come is there, and waits for its days. */
	move_to("away", "fresh", super);
	bring_to(super, 1, 600);
	tick(NOON - 7 * DAY_MS, 500);
	for (size_t i = 0; i < 3; i++) {
		const char *seen;

		move_to(arena_printf(a, "away%zu", i), "away", super);
		if (ways[i] != NULL)
			recompute_at(ways[i], NOON - 4 * DAY_MS);
		tick(NOON - 4 * DAY_MS, 500);
		seen = migrated_value(super, course, a);
		assert_non_null(seen);
		if (was == NULL)
			was = seen;
		assert_string_equal(seen, was);
	}
	move_back();
	arena_free(&a);
}

/* The worker's monotonic clock (see CMakeLists.txt), which may jump, once or
 * whenever it is read. */
static int64_t jumped_ms, jump_each_ms;
int64_t __real_clock_mono_ms(void);
int64_t __wrap_clock_mono_ms(void);

int64_t
__wrap_clock_mono_ms(void)
{
	jumped_ms += jump_each_ms;
	return __real_clock_mono_ms() + jumped_ms;
}

static void
a_wrong_clock_neither_leads_nor_drops(void **state)
{
	static const char tables[] =
	    "SELECT count(*) FROM pg_inherits WHERE inhparent ="
	    " 'assay.outcome_minute'::regclass AND"
	    " inhrelid::regclass::text < 'assay.outcome_minute_'"
	    " || to_char(now() + interval '8 days', 'YYYYMMDD')";
	struct arena *a = arena_new();
	struct reputation_settings settings;
	struct fault f = {0};
	struct ticker *t;
	struct log log;
	char super[200];
	const char *was;

	need_postgres(state, &a);
	move_to("clock", "fresh", super);
	was = migrated_value(super, tables, a);
	settings = (struct reputation_settings){.batch_pairs = 100,
	    .batch_rows = 100,
	    .database_url = own,
	    .partitions_ahead = 1,
	    .recompute_from = "log"};
	log_init(&log, "test", LOG_ERROR_);
	t = ticker_new(&settings, &log);
	for (int way = -1; way <= 1; way += 2) {
		int64_t now = clock_unix_ms() + way * 15000;

		assert_true(ticker_run(t, now, &f));
		assert_true(ticker_counts(t)->is_off);
		assert_false(ticker_counts(t)->leads);
		assert_false(ticker_recompute(t, now, &f));
		assert_non_null(strstr(f.why, "clock"));
	}
	assert_string_equal(
	    migrated_value(super, "SELECT count(*) FROM assay.day_close", a),
	    "0");
	/* A Postgres that takes so long to answer has no other clock. */
	jump_each_ms = 15000;
	assert_true(ticker_run(t, clock_unix_ms() - 14000, &f));
	assert_false(ticker_counts(t)->is_off);
	jump_each_ms = 0;
	run_led(t, clock_unix_ms() + 5000);
	assert_false(ticker_counts(t)->is_off);
	/* Who leads and loses the time leads no longer. */
	assert_true(ticker_run(t, clock_unix_ms() + 15000, &f));
	assert_false(ticker_counts(t)->leads);
	ticker_free(&t);
	/* A time given on purpose makes partitions, and drops none. */
	tick(clock_unix_ms() + 500 * DAY_MS, 100);
	assert_string_equal(migrated_value(super, tables, a), was);
	move_back();
	arena_free(&a);
}

static void
a_day_waits_for_what_comes_once_postgres_is_back(void **state)
{
	enum { HOUR_MS = 3600000 };
	struct arena *a = arena_new();
	struct reputation_settings settings;
	struct fault f = {0};
	struct ticker *t;
	struct log log;
	char super[200];

	need_postgres(state, &a);
	move_to("back", "fresh", super);
	assert_true(migrated_run(super,
	    "INSERT INTO assay.day_close VALUES ('2026-11-10', now(), false)"));
	settings = (struct reputation_settings){.batch_pairs = 100,
	    .batch_rows = 100,
	    .close_grace = HOUR_MS,
	    .database_url = own,
	    .now = "as given",
	    .partitions_ahead = 1,
	    .recompute_from = "log"};
	log_init(&log, "test", LOG_ERROR_);
	t = ticker_new(&settings, &log);
	for (int round = 0; round < 2; round++) {
		run_led(t, NOON + round * DAY_MS);
		assert_int_equal(ticker_counts(t)->days_closed, round);
		jumped_ms += HOUR_MS;
		assert_true(ticker_run(t, NOON + round * DAY_MS, &f));
		assert_int_equal(ticker_counts(t)->days_closed, round + 1);
		/* Postgres ends the session, as where it went away. */
		assert_true(migrated_run(server.conninfo,
		    "SELECT pg_terminate_backend(pid, 5000) FROM"
		    " pg_stat_activity WHERE datname = 'back' AND"
		    " application_name = 'assay-reputation'"));
		assert_false(ticker_run(t, NOON, &f));
	}
	ticker_free(&t);
	move_back();
	arena_free(&a);
}

/* Until Postgres has seen the end of a session that was left open. */
static void
leave_open_no_more(struct pg_session **holder)
{
	struct arena *a = arena_new();
	bool ok = false;

	pg_session_free(holder);
	for (int i = 0; i < 1000 && !ok; i++) {
		ok = strcmp(migrated_value(server.conninfo,
				"SELECT count(*) FROM pg_stat_activity WHERE"
				" application_name = 'holder'",
				a),
			 "0") == 0;
		if (!ok)
			poll(NULL, 0, 10);
	}
	arena_free(&a);
	assert_true(ok);
}

/* What came before its partition was there goes into it. */
static void
upkeep_gives_way_to_a_reader_and_comes_back(void **state)
{
	static const char where[] =
	    "SELECT string_agg(tableoid::regclass || '', ' ') ="
	    " 'assay.request_' || to_char(assay.utc_day(now()) + 9, 'YYYYMMDD')"
	    " FROM assay.request";
	struct arena *a = arena_new();
	struct pg_session *holder;
	struct reputation_settings settings;
	struct fault f = {0};
	struct ticker *t;
	struct log log;
	char super[200];
	int64_t now = clock_unix_ms();

	need_postgres(state, &a);
	move_to("upkeep", "fresh", super);
	assert_true(migrated_run(super,
	    "INSERT INTO assay.request (id, created_at, endpoint, outcome,"
	    " status, gateway_instance) SELECT gen_random_uuid(), now() +"
	    " interval '9 days', 'x', 'refused', 400, 'g'"));
	assert_true(pg_session_open(super, "holder", &holder, &f));
	assert_true(pg_session_run(holder,
	    "BEGIN; SELECT count(*) FROM assay.request", 0, NULL, NULL, &f));
	settings = (struct reputation_settings){.batch_pairs = 100,
	    .batch_rows = 100,
	    .database_url = own,
	    .partitions_ahead = 9,
	    .recompute_from = "log"};
	log_init(&log, "test", LOG_ERROR_);
	t = ticker_new(&settings, &log);
	run_led(t, now);
	assert_int_equal(ticker_counts(t)->partitions_waiting, 2);
	assert_int_equal(ticker_counts(t)->failures, 0);
	assert_string_equal(migrated_value(super, where, a), "f");
	/* Not before a minute has passed. */
	leave_open_no_more(&holder);
	assert_true(ticker_run(t, now, &f));
	assert_int_equal(ticker_counts(t)->partitions_waiting, 2);
	jumped_ms += 60000;
	assert_true(ticker_run(t, now, &f));
	assert_int_equal(ticker_counts(t)->partitions_waiting, 0);
	assert_string_equal(migrated_value(super, where, a), "t");
	/* Nor does a lock on all of a table end a tick. */
	assert_true(pg_session_open(super, "holder", &holder, &f));
	assert_true(pg_session_run(holder,
	    "BEGIN; LOCK TABLE assay.feedback IN ACCESS EXCLUSIVE MODE", 0,
	    NULL, NULL, &f));
	ticker_free(&t);
	t = ticker_new(&settings, &log);
	run_led(t, now);
	assert_true(ticker_counts(t)->partitions_waiting > 0);
	assert_int_equal(ticker_counts(t)->failures, 0);
	leave_open_no_more(&holder);
	/* What is kept is not dropped, and what is old is not made. */
	assert_false(migrated_run(own,
	    "SELECT assay.partition_drop('request', assay.utc_day(now()))"));
	assert_false(migrated_run(
	    own, "SELECT assay.partition_drop('day_close', '2020-01-01')"));
	assert_string_equal(
	    migrated_value(own,
		"SELECT string_agg(DISTINCT name, ' ' ORDER BY name)"
		" FROM assay.partition_due(assay.utc_day(now()) - 399, 0)",
		a),
	    "audit_result feedback score_day");
	ticker_free(&t);
	move_back();
	arena_free(&a);
}

/* As where nobody kept partitions for long: each row gets to its day's table,
 * and what is too old goes with its own a day later. */
static void
upkeep_empties_the_default_partitions(void **state)
{
	static const char left[] =
	    "SELECT string_agg(CASE WHEN tableoid = 'assay.request_default'"
	    "::regclass THEN 'default' WHEN tableoid::regclass::text ="
	    " 'assay.request_' || to_char(created_at AT TIME ZONE 'UTC',"
	    " 'YYYYMMDD') THEN 'own' END, ' ' ORDER BY created_at)"
	    " FROM assay.request";
	struct arena *a = arena_new();
	char super[200];

	need_postgres(state, &a);
	move_to("late", "fresh", super);
	assert_true(migrated_run(super,
	    "INSERT INTO assay.request (id, created_at, endpoint, outcome,"
	    " status, gateway_instance) SELECT gen_random_uuid(), now() +"
	    " d * interval '1 day', 'x', 'refused', 400, 'g'"
	    " FROM unnest(ARRAY[-100, -30, 0, 40]) d"));
	assert_string_equal(
	    migrated_value(super, left, a), "default default own default");
	tick(clock_unix_ms(), 100);
	assert_string_equal(
	    migrated_value(super, left, a), "own own own default");
	tick(clock_unix_ms(), 100);
	assert_string_equal(migrated_value(super, left, a), "own own default");
	move_back();
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_statement_prepares_under_its_role),
	    cmocka_unit_test(incremental_and_full_are_the_same_to_the_bit),
	    cmocka_unit_test(what_is_nobodys_fault_counts_nowhere),
	    cmocka_unit_test(a_day_is_closed_once_and_a_run_makes_silver),
	    cmocka_unit_test(
		days_missed_close_alike_with_and_without_recomputing),
	    cmocka_unit_test(a_wrong_clock_neither_leads_nor_drops),
	    cmocka_unit_test(a_day_waits_for_what_comes_once_postgres_is_back),
	    cmocka_unit_test(upkeep_gives_way_to_a_reader_and_comes_back),
	    cmocka_unit_test(upkeep_empties_the_default_partitions),
	};

	return cmocka_run_group_tests(tests, start, end);
}
