/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of docs/reputation.md that stand in SQL: what is fast, on which day an
 * event counts and what it weighs, whose buyers share a bucket, which prompts a
 * model has, and that nothing asked for is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "reputation/score.h"
#include "reputation/worker/scorer.h"
#include "tests/unit/reputation_worker_world.h"

/* Twice the median's first byte and half its rate are still fast; then: no time
 * to measure, no first byte, no median. Where tokens are not told, neither by
 * this answer nor by any, nothing is known, be the first byte late or not. */
static void
speed_is_held_against_medians(void **state)
{
	struct arena *a = arena_new();

	need_postgres(state, &a);
	assert_string_equal(
	    migrated_value(server.conninfo,
		"SELECT string_agg(assay.attempt_speed(fb, total, tokens,"
		" ROW('2026-11-08', 'chat', 'test:m', 'F16', 3, usual, rate)"
		"::assay.model_speed)::text, ' ' ORDER BY n) FROM (VALUES"
		" (1, 200000::bigint, 1200000::bigint, 25, 100000::float8, 50),"
		" (2, 200001, 1200000, 25, 100000, 50),"
		" (3, 200000, 1200000, 24, 100000, 50),"
		" (4, 1, 1, 1, 100000, 50),"
		" (5, NULL, 1200000, 99, 100000, 50),"
		" (6, 1, 1200000, 99, NULL, NULL),"
		" (7, 1, 60000000, NULL, 100000, 50),"
		" (8, 200001, 1200000, NULL, 100000, 50),"
		" (9, 1, 1200000, 0, 100000, 50),"
		" (10, 1, 1200000, 99, 100000, NULL),"
		" (11, 200001, 1200000, 99, 100000, NULL)"
		") x(n, fb, total, tokens, usual, rate)",
		a),
	    "1 -1 -1 1 0 0 0 0 0 0 0");
	arena_free(&a);
}

#define SERVED(at, did, kind, us)                                              \
	"SELECT public.served('" at "', '" did "', '" kind "', " us ");"

static const char served[] =
    "CREATE FUNCTION public.served(at timestamptz, by text, kind text,"
    " us bigint) RETURNS void LANGUAGE sql AS $$"
    " WITH r AS (INSERT INTO assay.request (id, created_at, account_id,"
    "  workspace_id, endpoint, task, canonical, did, pool, tier, quantization,"
    "  outcome, status, gateway_instance, streamed, completion_tokens)"
    "  SELECT gen_random_uuid(), at, gen_random_uuid(),"
    "  '11111111-1111-7111-8111-000000000002', 'x', 'chat', 'test:m', by,"
    "  'marketplace', 'bronze', split_part(kind, ' ', 1), 'served', 200, 'g',"
    "  kind NOT LIKE '% whole', CASE WHEN kind NOT LIKE '% untold' THEN 9 END"
    "  RETURNING id, created_at)"
    " INSERT INTO assay.request_attempt (request_id, created_at, ordinal, did,"
    "  pool, tier, outcome, first_byte_us, total_us) SELECT id, created_at, 1,"
    "  by, 'marketplace', 'bronze', 'served', us, 500000 + us FROM r $$;";

/* Of what was streamed, and its tokens told, on two days of one kind by three
 * and of another by two. An answer in one piece begins when it ends. */
static void
medians_are_of_three_providers_and_two_days_before(void **state)
{
	struct arena *a = arena_new();
	char super[200];

	need_postgres(state, &a);
	move_to("speed", "fresh", super);
	assert_true(migrated_run(super, served));
	assert_true(migrated_run(super,
	    SERVED("2026-11-08T10:00Z", "did:assay:z1", "F16", "100000") SERVED(
		"2026-11-08T10:00Z", "did:assay:z2", "F16", "200000")
		SERVED("2026-11-08T10:00Z", "did:assay:z3", "F16", "900000")
		    SERVED("2026-11-08T10:00Z", "did:assay:z4", "F16 whole",
			"9000000") SERVED("2026-11-08T10:00Z", "did:assay:z5",
			"F16 untold", "9000000") SERVED("2026-11-08T10:00Z",
			"did:assay:z4", "Q8_0", "1") SERVED("2026-11-08T10:00Z",
			"did:assay:z5", "Q8_0", "1")));
	tick(NOON - 3 * DAY_MS, 100);
	assert_string_equal(
	    migrated_value(super,
		"SELECT string_agg(day || ' ' || quantization || ' ' ||"
		" providers || ' ' || first_byte_us, ',') FROM"
		" assay.model_speed",
		a),
	    "2026-11-08 F16 3 200000");
	assert_true(migrated_run(super,
	    SERVED("2026-11-09T10:00Z", "did:assay:z1", "F16", "1") SERVED(
		"2026-11-10T10:00Z", "did:assay:z1", "F16",
		"400000") SERVED("2026-11-10T10:00Z", "did:assay:z1", "F16",
		"400001") SERVED("2026-11-10T10:00Z", "did:assay:z1",
		"F16 whole", "400001") SERVED("2026-11-10T10:00Z",
		"did:assay:z1", "F16 whole", "1") SERVED("2026-11-10T10:00Z",
		"did:assay:z1", "F16 untold", "400001")
		SERVED("2026-11-10T10:00Z", "did:assay:z4", "Q8_0", "9")
		    SERVED("2026-11-11T10:00Z", "did:assay:z1", "F16", "1")));
	assert_string_equal(
	    migrated_value(super,
		"SELECT string_agg(right(d::text, 2) || ' ' || fast || '/' ||"
		" slow, ', ' ORDER BY d) FROM (SELECT assay.utc_day(minute) AS"
		" d, sum(fast) AS fast, sum(slow) AS slow FROM"
		" assay.outcome_minute GROUP BY 1) x",
		a),
	    "08 0/0, 09 0/0, 10 1/1, 11 0/0");
	move_back();
	arena_free(&a);
}

/* A stream that began before midnight, and words about it that came after, and
 * were changed on a third day. */
static void
events_count_on_their_own_days(void **state)
{
	struct arena *a = arena_new();
	char super[200];

	need_postgres(state, &a);
	move_to("midnight", "fresh", super);
	assert_true(migrated_run(super, served));
	tick(NOON - 4 * DAY_MS, 100);
	assert_true(migrated_run(super,
	    SERVED("2026-11-08T23:59:59.9Z", "did:assay:z1", "F16",
		"100000") "INSERT INTO assay.feedback (request_id, request_at, "
			  "id,"
			  " created_at, account_id, workspace_id, did, task, "
			  "canonical,"
			  " quality, value, counts) SELECT id, created_at, id,"
			  " '2026-11-09T00:01Z', account_id, workspace_id, "
			  "did, task,"
			  " canonical, 80, 80, true FROM assay.request;"));
	assert_string_equal(
	    migrated_value(super,
		"SELECT to_char(minute AT TIME ZONE 'UTC', 'DD HH24:MI') FROM"
		" assay.outcome_new",
		a),
	    "08 23:59");
	tick(NOON - 2 * DAY_MS, 100);
	assert_true(migrated_run(super,
	    "UPDATE assay.feedback SET quality = 30, value = 30,"
	    " edited_at = '2026-11-10T00:00:30Z'"));
	tick(NOON - 2 * DAY_MS + 5000, 100);
	assert_string_equal(
	    migrated_value(super,
		"SELECT o.delivered = assay.evidence_weight('2026-11-08') AND"
		" v.good = 30 * assay.evidence_weight('2026-11-09') AND"
		" v.bad = 70 * assay.evidence_weight('2026-11-09')"
		" FROM assay.outcome_evidence o JOIN assay.verdict_evidence v"
		" USING (pair)",
		a),
	    "t");
	/* Which had closed, and stays as it was. */
	assert_string_equal(
	    migrated_value(super,
		"SELECT round((parts -> 'quality' ->> 'good')::numeric, 2)"
		" FROM assay.score_day WHERE day = '2026-11-09T00:00Z'",
		a),
	    "0.20");
	move_back();
	arena_free(&a);
}

/* As the pure function has it, to a millionth. */
static void
weights_halve_every_seven_days(void **state)
{
	struct arena *a = arena_new();

	need_postgres(state, &a);
	for (int age = 0; age < 400; age += 13) {
		const char *share = migrated_value(server.conninfo,
		    arena_printf(a,
			"SELECT assay.evidence_weight(date '2028-02-29' - %d)"
			" / assay.evidence_weight('2028-02-29')",
			age),
		    a);

		assert_true(
		    fabs(strtod(share, NULL) / score_decay(age) - 1) < 1e-6);
	}
	arena_free(&a);
}

static void
buyers_fall_into_64_buckets(void **state)
{
	struct arena *a = arena_new();

	need_postgres(state, &a);
	assert_string_equal(
	    migrated_value(server.conninfo,
		"SELECT count(*) || ' ' || min(b) || ' ' || max(b) || ' ' ||"
		" (min(n) > 20) FROM (SELECT assay.buyer_bucket(md5('a' || i)"
		"::uuid) AS b, count(*) AS n FROM generate_series(1, 4000) i"
		" GROUP BY 1) x",
		a),
	    "64 0 63 true");
	arena_free(&a);
}

#define PROMPTS                                                                \
	"SELECT count(DISTINCT assay.canary_seed('chat', m)) FROM"             \
	" generate_series(1, 400) i, unnest('%s'::text[]) m"

static void
a_model_has_sixteen_prompts(void **state)
{
	struct arena *a = arena_new();

	need_postgres(state, &a);
	assert_string_equal(migrated_value(server.conninfo,
				arena_printf(a, PROMPTS, "{test:m}"), a),
	    "16");
	assert_string_equal(migrated_value(server.conninfo,
				arena_printf(a, PROMPTS, "{test:m,test:n}"), a),
	    "32");
	arena_free(&a);
}

#define ASK_AGAIN                                                              \
	"INSERT INTO assay.score_due SELECT assay.pair_of('did:assay:z5',"     \
	" 'chat', 'test:m') FROM generate_series(1, 2)"
#define ASKED                                                                  \
	"SELECT count(*) FROM assay.score_due JOIN assay.pair ON pair ="       \
	" assay.pair.id WHERE did = 'did:assay:z5'"

/* An audit may fail between the reading of evidence and the writing of what
 * was made of it: what it asked for is not answered by that. */
static void
what_is_asked_meanwhile_stays(void **state)
{
	const struct scorer_moment m = {.now_ms = NOON, .day = tier_day(NOON)};
	const struct pg_statement *due = &reputation_statements[DB_DUE];
	const struct pg_statement *write = &reputation_statements[DB_WRITE];
	const char *params[SCORER_PARAMS];
	struct fault f = {0};
	struct pg_session *s;
	struct pg_rows *rows;
	struct arena *a = arena_new();

	need_postgres(state, &a);
	assert_true(migrated_run(server.conninfo, ASK_AGAIN));
	assert_true(pg_session_open(own, "test", &s, &f));
	assert_true(pg_session_run(s, due->sql, due->params,
	    (const char *[]){"2026-11-20", "1000", "0", "0", "1"}, &rows, &f));
	assert_true(scorer_judge(rows, &m, a, params) > 0);
	pg_rows_free(&rows);
	assert_true(migrated_run(server.conninfo, ASK_AGAIN));
	assert_true(
	    pg_session_run(s, write->sql, write->params, params, NULL, &f));
	assert_string_equal(migrated_value(server.conninfo, ASKED, a), "2");
	pg_session_free(&s);
	arena_free(&a);
}

#define VERDICT(account, era)                                                  \
	"INSERT INTO assay.feedback (request_id, request_at, id, created_at,"  \
	" account_id, workspace_id, did, task, canonical, quality, value,"     \
	" counts) SELECT gen_random_uuid(), at, gen_random_uuid(), at,"        \
	" md5('" account "')::uuid, gen_random_uuid(), 'did:assay:z1',"        \
	" 'chat', 'test:m', 90, 90, true FROM (SELECT (date '2026-01-01'"      \
	" + 84 * " #era ")::timestamp AT TIME ZONE 'UTC' AS at) x;"
/* In verdicts of the day on which era 5 begins. */
#define VERDICTS                                                               \
	"SELECT string_agg(v, ' ' ORDER BY v) FROM (SELECT CASE account_id"    \
	" WHEN md5('once')::uuid THEN 'once' WHEN md5('twice')::uuid THEN"     \
	" 'twice' ELSE 'again' END || ',' || round(good / 90 /"                \
	" assay.evidence_weight('2027-02-25'), 4) || ',' || era AS v"          \
	" FROM assay.verdict_evidence) x"

/* Where a whole run of twelve weeks has closed without a verdict, what was
 * before it is gone: of a rater who comes again too, and where all is
 * recomputed too. */
static void
silent_raters_lapse(void **state)
{
	static const struct {
		enum reputation_statement which;
		const char *day, *left;
	} steps[] = {
	    {DB_FOLD_VERDICTS, "2027-02-24",
		"again,0.0002,4 once,0.0002,4 twice,0.0002,4"},
	    {DB_LAPSE, "2027-02-24",
		"again,0.0002,4 once,0.0002,4 twice,0.0002,4"},
	    {DB_FOLD_VERDICTS, "2027-05-19",
		"again,0.0002,4 once,0.0002,4 twice,1.0002,5"},
	    {DB_LAPSE, "2027-05-18",
		"again,0.0002,4 once,0.0002,4 twice,1.0002,5"},
	    {DB_LAPSE, "2027-05-19", "twice,1.0002,5"},
	    {DB_FOLD_VERDICTS, "2027-05-20",
		"again,4096.0000,6 twice,1.0002,5"},
	};
	char super[200];
	struct fault f = {0};
	struct pg_session *s;
	struct arena *a = arena_new();

	need_postgres(state, &a);
	move_to("silent", "fresh", super);
	assert_true(migrated_run(super,
	    VERDICT("once", 4) VERDICT("twice", 4) VERDICT("twice", 5)
		VERDICT("again", 4) VERDICT("again", 6)));
	assert_true(pg_session_open(own, "test", &s, &f));
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const struct pg_statement *x =
		    &reputation_statements[steps[i].which];

		assert_true(pg_session_run(s, x->sql, x->params,
		    (const char *[]){steps[i].day, "1000"}, NULL, &f));
		assert_string_equal(
		    migrated_value(super, VERDICTS, a), steps[i].left);
	}
	assert_true(pg_session_run(s,
	    "BEGIN ISOLATION LEVEL REPEATABLE READ;"
	    "SELECT assay.reputation_rebuild('minutes', '2027-05-20'); COMMIT",
	    0, NULL, NULL, &f));
	assert_string_equal(migrated_value(super, VERDICTS, a), steps[5].left);
	pg_session_free(&s);
	move_back();
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(speed_is_held_against_medians),
	    cmocka_unit_test(
		medians_are_of_three_providers_and_two_days_before),
	    cmocka_unit_test(events_count_on_their_own_days),
	    cmocka_unit_test(weights_halve_every_seven_days),
	    cmocka_unit_test(buyers_fall_into_64_buckets),
	    cmocka_unit_test(a_model_has_sixteen_prompts),
	    cmocka_unit_test(what_is_asked_meanwhile_stays),
	    cmocka_unit_test(silent_raters_lapse),
	};

	return cmocka_run_group_tests(tests, start, end);
}
