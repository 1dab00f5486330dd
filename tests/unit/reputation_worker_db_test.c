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

#include "base/clock.h"
#include "reputation/tier.h"
#include "reputation/worker/reputation_db.h"
#include "reputation/worker/ticker.h"
#include "tests/unit/migrated_postgres.h"

static struct private_postgres server;
static bool is_here;
static char own[200];

static const char world[] =
    "INSERT INTO assay.workspace (id, name) SELECT"
    " ('11111111-1111-7111-8111-' || lpad(i::text, 12, '0'))::uuid, 'w' || i"
    " FROM generate_series(1, 2) i;"
    "INSERT INTO assay.account (id, name) SELECT"
    " ('33333333-3333-7333-8333-' || lpad(i::text, 12, '0'))::uuid, 'a' || i"
    " FROM generate_series(1, 60) i;"
    "INSERT INTO assay.membership SELECT"
    " '11111111-1111-7111-8111-000000000001',"
    " '33333333-3333-7333-8333-000000000001';"
    "INSERT INTO assay.device (did, workspace_id, public_jwk) SELECT"
    " 'did:assay:z' || i, '11111111-1111-7111-8111-000000000001', '{}'"
    " FROM generate_series(1, 5) i;"
    "INSERT INTO assay.model (canonical) VALUES ('test:m');"
    "INSERT INTO assay.model_task VALUES ('test:m', 'chat');";

/* Requests of a random day of ten, each served, failed, left or truncated. */
#define TRAFFIC                                                                \
	"WITH r AS (SELECT ('00000000-0000-7000-8000-' ||"                     \
	"  lpad((%u + i)::text, 12, '0'))::uuid AS id, timestamptz"            \
	"  '2026-11-01T00:00:00Z' + random() * interval '10 days' AS at,"      \
	"  ('33333333-3333-7333-8333-' || lpad((1 + floor(random() * "         \
	"60))::text,"                                                          \
	"  12, '0'))::uuid AS account,"                                        \
	"  'did:assay:z' || (1 + floor(random() * 5)) AS did, random() AS "    \
	"luck"                                                                 \
	"  FROM generate_series(1, %u) i),"                                    \
	" w AS (INSERT INTO assay.request (id, created_at, account_id,"        \
	"  workspace_id, endpoint, task, canonical, did, pool, tier,"          \
	"  quantization, outcome, status, gateway_instance)"                   \
	"  SELECT id, at, account, '11111111-1111-7111-8111-000000000002',"    \
	"  'x', 'chat', 'test:m', did, 'marketplace', 'bronze', 'F16',"        \
	"  'served', 200, 'g' FROM r)"                                         \
	" INSERT INTO assay.request_attempt (request_id, created_at, ordinal," \
	"  did, pool, tier, outcome, fault_code, first_byte_us, total_us)"     \
	"  SELECT id, at, 1, did, 'marketplace', 'bronze',"                    \
	"  (CASE WHEN luck < .9 THEN 'served' WHEN luck < .94 THEN "           \
	"'truncated'"                                                          \
	"  WHEN luck < .97 THEN 'buyer_gone' ELSE 'failed' "                   \
	"END)::assay.outcome,"                                                 \
	"  CASE WHEN luck >= .9 AND luck < .94 THEN 'stream_stalled'"          \
	"  WHEN luck >= .97 THEN 'provider_unreachable' END,"                  \
	"  100000 * (1 + random()), 500000 FROM r;"                            \
	"INSERT INTO assay.feedback (request_id, request_at, id, created_at,"  \
	" account_id, workspace_id, did, task, canonical, quality, value, "    \
	"counts)"                                                              \
	" SELECT id, created_at, id, created_at + interval '1 minute',"        \
	" account_id, workspace_id, did, task, canonical, q, q, true FROM"     \
	" (SELECT *, floor(100 * sqrt(random()))::smallint AS q"               \
	"  FROM assay.request r WHERE NOT EXISTS (SELECT FROM assay.feedback " \
	"f"                                                                    \
	"  WHERE f.request_id = r.id) AND random() < .3) x;"

/* Both programs of the test turn to that database, made like another. */
static void
move_to(const char *database, const char *like, char super[200])
{
	struct arena *a = arena_new();
	char there[200];
	bool ok = false;

	snprintf(there, sizeof(there), "host=%s user=postgres dbname=template1",
	    server.folder);
	/* Until Postgres has seen everybody's end there. */
	for (int i = 0; i < 1000 && !ok; i++) {
		ok = strcmp(migrated_value(there,
				arena_printf(a,
				    "SELECT count(*) FROM pg_stat_activity"
				    " WHERE datname = '%s'",
				    like),
				a),
			 "0") == 0;
		if (!ok)
			poll(NULL, 0, 10);
	}
	assert_true(migrated_run(there,
	    arena_printf(a, "CREATE DATABASE %s TEMPLATE %s", database, like)));
	snprintf(own, sizeof(own), "host=%s user=assay_reputation dbname=%s",
	    server.folder, database);
	snprintf(super, 200, "host=%s user=postgres dbname=%s", server.folder,
	    database);
	arena_free(&a);
}

static void
move_back(void)
{
	migrated_conninfo(&server, "assay_reputation", own, sizeof(own));
}

static int
start(void **state)
{
	char super[200];

	(void)state;
	is_here = migrated_postgres_start(&server);
	if (is_here) {
		assert_true(migrated_run(server.conninfo, world));
		move_to("fresh", "postgres", super);
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

static void
need_postgres(void **state, struct arena **a)
{
	(void)state;
	if (is_here)
		return;
	arena_free(a);
	skip();
}

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
bring_to(const char *conninfo, unsigned from, unsigned count)
{
	char sql[8192];
	int len;

	/* The format is the constant above. */
	len = snprintf(sql, sizeof(sql), TRAFFIC, from, count);
	assert_true(len > 0 && (size_t)len < sizeof(sql));
	assert_true(migrated_run(conninfo, sql));
}

static void
bring(unsigned from, unsigned count)
{
	bring_to(server.conninfo, from, count);
}

static struct ticker *
ticker(int64_t pairs, const char *from)
{
	static struct reputation_settings settings;
	struct log log;

	settings = (struct reputation_settings){.batch_pairs = pairs,
	    .batch_rows = 100,
	    .close_grace = 0,
	    .now = "as given",
	    .database_url = own,
	    .partitions_ahead = 1,
	    .recompute_from = from};
	log_init(&log, "test", LOG_ERROR_);
	return ticker_new(&settings, &log);
}

/* Until we lead: Postgres may take a moment to see the last one's end. A run
 * closes one day, and says whether there are more. */
static void
run_led(struct ticker *t, int64_t now_ms)
{
	struct fault f = {0};

	for (int i = 0; i < 1000 && (!ticker_counts(t)->leads ||
					ticker_counts(t)->is_behind);
	     i++) {
		if (!ticker_run(t, now_ms, &f))
			fail_msg("%s", f.why);
		if (!ticker_counts(t)->leads)
			poll(NULL, 0, 10);
	}
	assert_true(ticker_counts(t)->leads);
}

static void
tick(int64_t now_ms, int64_t pairs)
{
	struct ticker *t = ticker(pairs, "log");

	run_led(t, now_ms);
	ticker_free(&t);
}

static const char scores[] =
    "SELECT string_agg(did || tier || score || sample_size || parts::text ||"
    " silver_days || gold_days, ',' ORDER BY did) FROM assay.score";

/* 2026-11-12 12:00 UTC: every day of the traffic is over. */
#define NOON INT64_C(1794484800000)

static void
recompute_at(const char *from, int64_t now_ms)
{
	struct ticker *t = ticker(2, from);
	struct fault f = {0};

	for (int i = 0; i < 1000 && !ticker_counts(t)->leads; i++)
		if (!ticker_recompute(t, now_ms, &f))
			poll(NULL, 0, 10);
	if (!ticker_counts(t)->leads)
		fail_msg("%s", f.why);
	ticker_free(&t);
}

static void
recompute(const char *from)
{
	recompute_at(from, NOON + 10000);
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
	/* What buyers say holds the score under 65, by less than words alone
	 * have to: voices of 240 new accounts for, of 100 against. */
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
	    "silver 57 true");
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
		int64_t now = clock_unix_ms() + way * 70000;

		assert_true(ticker_run(t, now, &f));
		assert_true(ticker_counts(t)->is_off);
		assert_false(ticker_counts(t)->leads);
		assert_false(ticker_recompute(t, now, &f));
		assert_non_null(strstr(f.why, "clock"));
	}
	assert_string_equal(
	    migrated_value(super, "SELECT count(*) FROM assay.day_close", a),
	    "0");
	run_led(t, clock_unix_ms() + 30000);
	assert_false(ticker_counts(t)->is_off);
	/* Who leads and loses the time leads no longer. */
	assert_true(ticker_run(t, clock_unix_ms() + 70000, &f));
	assert_false(ticker_counts(t)->leads);
	ticker_free(&t);
	/* A time given on purpose makes partitions, and drops none. */
	tick(clock_unix_ms() + 500 * DAY_MS, 100);
	assert_string_equal(migrated_value(super, tables, a), was);
	move_back();
	arena_free(&a);
}

static void
an_audit_fails_though_our_clock_is_behind(void **state)
{
	struct arena *a = arena_new();
	char super[200];

	need_postgres(state, &a);
	move_to("behind", "fresh", super);
	assert_true(migrated_run(super,
	    "INSERT INTO assay.score (did, task, canonical, tier, silver_days)"
	    " VALUES ('did:assay:z1', 'chat', 'test:m', 'silver', 7);"
	    "INSERT INTO assay.outcome_new SELECT '2026-11-12T11:00Z',"
	    " assay.pair_of('did:assay:z1', 'chat', 'test:m'), 100, 0, 0, 0,"
	    " 0, b"
	    " FROM generate_series(0, 20) b;"
	    "INSERT INTO assay.audit_result VALUES ('did:assay:z1', 'chat',"
	    " 'test:m', '2026-11-12T12:00:01Z', 'fingerprint', false, 'x')"));
	tick(NOON, 100);
	assert_string_equal(
	    migrated_value(
		super, "SELECT tier || reason FROM assay.tier_change", a),
	    "bronzeaudit_failed");
	move_back();
	arena_free(&a);
}

static void
the_first_day_may_have_audits_alone(void **state)
{
	struct arena *a = arena_new();
	char super[200];

	need_postgres(state, &a);
	move_to("audits", "fresh", super);
	assert_true(migrated_run(super,
	    "INSERT INTO assay.audit_result VALUES ('did:assay:z1', 'chat',"
	    " 'test:m', '2026-11-10T12:00Z', 'canary', true, '')"));
	tick(NOON, 100);
	assert_string_equal(migrated_value(super,
				"SELECT string_agg(to_char(day, 'DD'), ' '"
				" ORDER BY day) FROM assay.score_day",
				a),
	    "10 11");
	move_back();
	arena_free(&a);
}

/* Score, size and time of a score are what a provider polls. */
static const char polled[] =
    "SELECT coalesce(score::text, '-') || ' ' || sample_size || ' ' ||"
    " coalesce((parts -> 'audit')::text, '-') || ' ' || updated_at"
    " FROM assay.score WHERE did = 'did:assay:z1'";

#define CANARY(at, agrees)                                                     \
	"INSERT INTO assay.audit_result VALUES ('did:assay:z1', 'chat',"       \
	" 'test:m', '" at "', 'canary', " agrees ", '');"

static void
an_audit_shows_at_the_close_of_its_day(void **state)
{
	struct arena *a = arena_new();
	const char *was, *seen;
	char super[200];

	need_postgres(state, &a);
	move_to("polled", "fresh", super);
	assert_true(migrated_run(super,
	    "INSERT INTO assay.score (did, task, canonical, tier, silver_days)"
	    " VALUES ('did:assay:z1', 'chat', 'test:m', 'silver', 7);" CANARY(
		"2026-11-11T12:00Z", "true")));
	tick(NOON, 100);
	was = migrated_value(super, polled, a);
	assert_non_null(strstr(was, "\"good\""));
	/* On the day itself nothing moves, for or against. */
	assert_true(
	    migrated_run(super, CANARY("2026-11-12T12:00:01Z", "true")
				    CANARY("2026-11-12T12:00:02Z", "false")));
	tick(NOON + 5000, 100);
	assert_string_equal(migrated_value(super, polled, a), was);
	assert_string_equal(migrated_value(super,
				"SELECT verdicts_waiting || ' ' || scores_due"
				" FROM operator.reputation_lag",
				a),
	    "0 0");
	/* Nor where all is summed anew. */
	recompute_at("log", NOON + 5000);
	seen = migrated_value(super, polled, a);
	assert_memory_equal(seen, was, strlen(was) - strlen("00:00:00+00"));
	assert_string_equal(
	    migrated_value(super, "SELECT count(*) FROM assay.audit_new", a),
	    "2");
	tick(NOON + DAY_MS, 100);
	seen = migrated_value(super,
	    "SELECT round((parts -> 'audit' ->> 'good')::numeric, 2) || ' ' ||"
	    " round((parts -> 'audit' ->> 'bad')::numeric, 2)"
	    " FROM assay.score_day WHERE day = '2026-11-12T00:00Z'",
	    a);
	assert_string_equal(seen, "1.91 1.00");
	move_back();
	arena_free(&a);
}

/* Two canaries that disagree take the tier at once, one does not. */
static void
a_failed_audit_waits_for_no_close(void **state)
{
	struct arena *a = arena_new();
	char super[200];

	need_postgres(state, &a);
	move_to("failed", "fresh", super);
	assert_true(migrated_run(super,
	    "INSERT INTO assay.score (did, task, canonical, tier, silver_days)"
	    " VALUES ('did:assay:z1', 'chat', 'test:m', 'silver', 7);" CANARY(
		"2026-11-11T12:00Z", "true") CANARY("2026-11-11T12:30Z",
		"false") CANARY("2026-11-12T11:00Z", "false")));
	assert_string_equal(
	    migrated_value(super, "SELECT count(*) FROM assay.score_due", a),
	    "1");
	tick(NOON, 100);
	assert_string_equal(
	    migrated_value(
		super, "SELECT tier || reason FROM assay.tier_change", a),
	    "bronzeaudit_failed");
	/* 24 hours and a second apart. */
	assert_true(migrated_run(super,
	    "UPDATE assay.score SET tier = 'silver', silver_days = 7;"
	    "DELETE FROM assay.score_due;" CANARY(
		"2026-11-13T11:00:01Z", "false")));
	assert_string_equal(
	    migrated_value(super, "SELECT count(*) FROM assay.score_due", a),
	    "0");
	move_back();
	arena_free(&a);
}

/* Closes the day of these rows, and says whether it was excused. */
static const char *
excused(const char *database, const char *rows, struct arena *a)
{
	char super[200];

	move_to(database, "fresh", super);
	assert_true(migrated_run(super, rows));
	assert_true(migrated_run(super,
	    "INSERT INTO assay.day_close VALUES ('2026-11-10', now(), false)"));
	tick(NOON, 100);
	return migrated_value(super,
	    "SELECT excused FROM assay.day_close"
	    " WHERE day = '2026-11-11'",
	    a);
}

#define OWN_FAULTS                                                             \
	"INSERT INTO assay.request (id, created_at, account_id, workspace_id," \
	" endpoint, outcome, status, fault_code, gateway_instance) SELECT"     \
	" gen_random_uuid(), '2026-11-11T10:30Z', gen_random_uuid(),"          \
	" gen_random_uuid(), 'x', 'failed', 503,"                              \
	" 'upstream_dependency_unavailable', 'g' FROM generate_series(1, 20);"

static void
downtime_is_the_union_of_what_is_said(void **state)
{
	struct arena *a = arena_new();

	need_postgres(state, &a);
	/* 35 and 35 minutes, 15 of them the same; then 10 of them. */
	assert_string_equal(
	    excused("down1",
		"INSERT INTO assay.platform_downtime VALUES"
		" ('2026-11-11T10:00Z', '2026-11-11T10:35Z', 'a'),"
		" ('2026-11-11T10:20Z', '2026-11-11T10:55Z', 'b')",
		a),
	    "f");
	assert_string_equal(
	    excused("down2",
		"INSERT INTO assay.platform_downtime VALUES"
		" ('2026-11-11T10:00Z', '2026-11-11T10:35Z', 'a'),"
		" ('2026-11-11T10:25Z', '2026-11-11T11:00Z', 'b')",
		a),
	    "t");
	/* Only what is of the day. */
	assert_string_equal(
	    excused("down3",
		"INSERT INTO assay.platform_downtime VALUES"
		" ('2026-11-10T22:00Z', '2026-11-11T00:59Z', 'a')",
		a),
	    "f");
	/* An operator's few minutes do not hide the hour that we saw. */
	assert_string_equal(
	    excused("down4",
		OWN_FAULTS "INSERT INTO assay.platform_downtime VALUES"
			   " ('2026-11-11T10:00Z', '2026-11-11T10:05Z', 'a')",
		a),
	    "t");
	/* What came late is seen with the next day. */
	assert_string_equal(
	    excused("down5",
		"INSERT INTO assay.day_close VALUES ('2026-11-09', now(), "
		"false);" OWN_FAULTS "UPDATE assay.request SET"
		" created_at = '2026-11-09T10:30Z'",
		a),
	    "f");
	{
		char super[200];

		snprintf(super, sizeof(super),
		    "host=%s user=postgres"
		    " dbname=down5",
		    server.folder);
		assert_string_equal(migrated_value(super,
					"SELECT to_char(began_at AT TIME ZONE "
					"'UTC', 'DD HH24') ||"
					" source FROM assay.platform_downtime",
					a),
		    "09 10assay");
	}
	move_back();
	arena_free(&a);
}

/* Numbers from 0 to 15 that every database draws alike; twelve providers. */
static const char twelve[] =
    "CREATE FUNCTION public.draw(of text) RETURNS integer LANGUAGE sql AS $$"
    " SELECT ('x' || left(md5('7/' || of), 1))::bit(4)::integer $$;"
    "INSERT INTO assay.device (did, workspace_id, public_jwk) SELECT"
    " 'did:assay:z' || p, '11111111-1111-7111-8111-000000000001', '{}'"
    " FROM generate_series(101, 112) p";

/* A day at scores on both sides of the lines. Some providers fail an audit.
 * Downtime is noted on its day, or up to nine days late. */
static const char a_day[] =
    "TRUNCATE assay.outcome_evidence;"
    "INSERT INTO assay.outcome_new SELECT day + interval '10 hours',"
    " assay.pair_of('did:assay:z' || p, 'chat', 'test:m'), good,"
    " 1000 - good, 0, 0, 0, b FROM the_day, generate_series(101, 112) p,"
    " generate_series(0, 20) b, LATERAL (SELECT CASE"
    "  WHEN draw('s' || p || '/' || n) > 1 THEN 950 WHEN p % 2 = 0 THEN 780"
    "  ELSE 600 END AS good) g;"
    "INSERT INTO assay.audit_result SELECT 'did:assay:z' || p, 'chat',"
    " 'test:m', day + interval '20 hours', 'fingerprint', false, ''"
    " FROM the_day, generate_series(101, 112) p"
    " WHERE p % 3 = 0 AND draw('a' || p || '/' || n) = 0;"
    "INSERT INTO assay.platform_downtime SELECT at, at + interval '1 hour',"
    " 'test' FROM the_day, (SELECT d, timestamptz '2026-11-01T10:00Z'"
    "  + d * interval '1 day' AS at FROM generate_series(0, 30) d) x"
    " WHERE draw('d' || d) < 5"
    " AND n = least(30, d + late * (1 + draw('l' || d) % 9))";

static void
live_a_day(const char *super, int day, bool is_late, struct arena *a)
{
	assert_true(migrated_run(super,
	    arena_printf(a,
		"CREATE OR REPLACE VIEW public.the_day AS SELECT %d AS n,"
		" %d AS late, timestamptz '2026-11-01T00:00Z' + %d *"
		" interval '1 day' AS day",
		day, is_late, day)));
	assert_true(migrated_run(super, a_day));
}

static const char *
live(const char *database, bool is_late, struct arena *a)
{
	/* 2026-11-02T12:00Z: the day before has just closed. */
	const int64_t noon = NOON - 10 * DAY_MS;
	char super[200];

	move_to(database, "fresh", super);
	assert_true(migrated_run(super, twelve));
	for (int day = 0; day < 31; day++) {
		live_a_day(super, day, is_late, a);
		tick(noon + day * DAY_MS, 100);
	}
	return migrated_value(super,
	    "SELECT (SELECT count(*) || ' excused ' FROM assay.day_close"
	    " WHERE excused) || string_agg(right(did, 2) || ':' ||"
	    " least(silver_days, 14) || '/' || least(gold_days, 14), ' '"
	    " ORDER BY did) FROM assay.score",
	    a);
}

static void
downtime_noted_late_counts_as_if_it_had_been_known(void **state)
{
	struct arena *a = arena_new();
	const char *known, *late;

	need_postgres(state, &a);
	known = live("known", false, a);
	late = live("late", true, a);
	assert_non_null(strstr(known, " excused "));
	assert_true(atoi(known) >= 3);
	assert_string_equal(late, known);
	move_back();
	arena_free(&a);
}

static void
a_day_waits_for_what_comes_once_postgres_is_back(void **state)
{
	struct arena *a = arena_new();
	struct reputation_settings settings;
	struct fault f = {0};
	struct ticker *t;
	struct log log;
	char super[200];
	int64_t began;

	need_postgres(state, &a);
	move_to("back", "fresh", super);
	assert_true(migrated_run(super,
	    "INSERT INTO assay.day_close VALUES ('2026-11-10', now(), false)"));
	settings = (struct reputation_settings){.batch_pairs = 100,
	    .batch_rows = 100,
	    .close_grace = 1500,
	    .database_url = own,
	    .now = "as given",
	    .partitions_ahead = 1,
	    .recompute_from = "log"};
	log_init(&log, "test", LOG_ERROR_);
	t = ticker_new(&settings, &log);
	for (int round = 0; round < 2; round++) {
		began = clock_mono_ms();
		run_led(t, NOON + round * DAY_MS);
		assert_int_equal(ticker_counts(t)->days_closed, round);
		while (ticker_counts(t)->days_closed == (uint64_t)round) {
			poll(NULL, 0, 10);
			assert_true(ticker_run(t, NOON + round * DAY_MS, &f));
		}
		assert_true(clock_mono_ms() - began >= 1400);
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
	    cmocka_unit_test(an_audit_fails_though_our_clock_is_behind),
	    cmocka_unit_test(the_first_day_may_have_audits_alone),
	    cmocka_unit_test(an_audit_shows_at_the_close_of_its_day),
	    cmocka_unit_test(a_failed_audit_waits_for_no_close),
	    cmocka_unit_test(downtime_is_the_union_of_what_is_said),
	    cmocka_unit_test(
		downtime_noted_late_counts_as_if_it_had_been_known),
	    cmocka_unit_test(a_day_waits_for_what_comes_once_postgres_is_back),
	};

	return cmocka_run_group_tests(tests, start, end);
}
