/* SPDX-License-Identifier: Apache-2.0 */
/* Days of assay-reputation: when audits count, which days are excused, and that
 * downtime noted late leaves the runs that it would have left in time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/reputation_worker_world.h"

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

/* Three canaries that disagree take the tier at once, two do not. */
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
		"false") CANARY("2026-11-12T10:00Z", "false")));
	assert_string_equal(
	    migrated_value(super, "SELECT count(*) FROM assay.score_due", a),
	    "0");
	assert_true(migrated_run(super, CANARY("2026-11-12T11:00Z", "false")));
	assert_string_equal(
	    migrated_value(super, "SELECT count(*) FROM assay.score_due", a),
	    "1");
	tick(NOON, 100);
	assert_string_equal(
	    migrated_value(
		super, "SELECT tier || reason FROM assay.tier_change", a),
	    "bronzeaudit_failed");
	/* 24 hours and a second after the second before it. */
	assert_true(migrated_run(super,
	    "UPDATE assay.score SET tier = 'silver', silver_days = 7;"
	    "DELETE FROM assay.score_due;" CANARY(
		"2026-11-13T10:00:01Z", "false")));
	assert_string_equal(
	    migrated_value(super, "SELECT count(*) FROM assay.score_due", a),
	    "0");
	move_back();
	arena_free(&a);
}

/* The tier, both runs and why the tier last changed. */
static const char standing_now[] =
    "SELECT tier || ' ' || silver_days || ' ' || gold_days || ' ' ||"
    " coalesce((SELECT reason || to_char(changed_at AT TIME ZONE 'UTC',"
    "  ' DD') FROM assay.tier_change ORDER BY changed_at DESC LIMIT 1), '-')"
    " FROM assay.score WHERE did = 'did:assay:z1'";

static const char runs[] =
    "SELECT string_agg(right(did, 2) || ' ' || gold_days, ' ' ORDER BY did)"
    " FROM assay.score";

/* Gold by its runs, and good on every day of these, whatever an audit says. */
#define GOLD(first, last)                                                      \
	"INSERT INTO assay.score (did, task, canonical, tier, silver_days,"    \
	" gold_days, closed_day) VALUES ('did:assay:z1', 'chat', 'test:m',"    \
	" 'gold', 20, 20, date '" first "' - 1);"                              \
	"INSERT INTO assay.day_close VALUES (date '" first "' - 1,"            \
	" '" first "T00:01Z', false);"                                         \
	"INSERT INTO assay.outcome_new SELECT day, assay.pair_of("             \
	"'did:assay:z1', 'chat', 'test:m'), 1000, 0, 0, 0, 0, b FROM"          \
	" generate_series(timestamptz '" first "T10:00Z', '" last "T10:00Z',"  \
	"  interval '1 day') day, generate_series(0, 20) b;"                   \
	"INSERT INTO assay.audit_result SELECT 'did:assay:z1', 'chat',"        \
	" 'test:m', '" first "T00:00Z', 'canary', true, ''"                    \
	" FROM generate_series(1, 99);"

/* It breaks the day that it was on, and none after. */
static void
a_failed_audit_is_seen_by_a_worker_that_was_away(void **state)
{
	struct arena *a = arena_new();
	char super[200];

	need_postgres(state, &a);
	move_to("away", "fresh", super);
	assert_true(migrated_run(super,
	    GOLD("2026-11-10", "2026-11-12") "INSERT INTO assay.audit_result"
					     " VALUES ('did:assay:z1', 'chat', "
					     "'test:m', '2026-11-10T10:00Z',"
					     " 'fingerprint', false, 'x')"));
	tick(NOON, 100);
	assert_string_equal(migrated_value(super, standing_now, a),
	    "bronze 1 1 audit_failed 12");
	move_back();
	arena_free(&a);
}

/* Where all are of one day, of two, and of more than 24 hours. */
static void
three_canaries_fail_the_day_of_the_third(void **state)
{
	struct arena *a = arena_new();
	char super[200];

	need_postgres(state, &a);
	move_to("pair1", "fresh", super);
	assert_true(migrated_run(super,
	    GOLD("2026-11-08", "2026-11-12") CANARY("2026-11-08T10:00Z",
		"false") CANARY("2026-11-08T11:00Z", "false")
		CANARY("2026-11-08T22:00Z", "false")));
	tick(NOON, 100);
	assert_string_equal(migrated_value(super, standing_now, a),
	    "bronze 3 3 audit_failed 12");
	move_to("pair2", "fresh", super);
	assert_true(migrated_run(super,
	    GOLD("2026-11-08", "2026-11-12") CANARY("2026-11-08T23:00Z",
		"false") CANARY("2026-11-08T23:30Z", "false")
		CANARY("2026-11-09T22:00Z", "false")));
	tick(NOON, 100);
	assert_string_equal(migrated_value(super, standing_now, a),
	    "bronze 2 2 audit_failed 12");
	move_to("pair3", "fresh", super);
	assert_true(migrated_run(super,
	    GOLD("2026-11-08", "2026-11-12") CANARY("2026-11-08T22:00Z",
		"false") CANARY("2026-11-09T22:30Z", "false")
		CANARY("2026-11-09T23:00Z", "false")));
	tick(NOON, 100);
	assert_string_equal(
	    migrated_value(super, standing_now, a), "gold 24 24 -");
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

#define REQUESTS(did, ending)                                                  \
	"INSERT INTO assay.request (id, created_at, account_id, workspace_id," \
	" endpoint, did, outcome, status, fault_code, gateway_instance)"       \
	" SELECT gen_random_uuid(), '2026-11-11T10:30Z', gen_random_uuid(),"   \
	" gen_random_uuid(), 'x', " did ", " ending                            \
	", 'g' FROM generate_series(1, 20);"
#define OWN_FAULTS                                                             \
	REQUESTS("NULL", "'failed', 503, 'upstream_dependency_unavailable'")

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
	/* Requests that came to no choice of a provider hide it neither; those
	 * that were served do. */
	assert_string_equal(excused("noise",
				OWN_FAULTS REQUESTS("NULL", "'refused', 401,"
							    " 'invalid_key'"),
				a),
	    "t");
	assert_string_equal(
	    excused("served",
		OWN_FAULTS REQUESTS("'did:assay:z1'", "'served', 200, NULL"),
		a),
	    "f");
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

#define NOTE(began, ended, reason)                                             \
	"SELECT operator.note_downtime(now() - interval '" began "', now() -"  \
	" interval '" ended "', " reason ")"

/* Whatever the mistake, no day to come is excused, nor more than two. */
static void
operators_note_downtime_and_are_audited(void **state)
{
	static const char *const refused[] = {
	    NOTE("2 hours", "-1 hour", "'not over'"),
	    NOTE("2 hours", "-100 years", "'mistyped'"),
	    NOTE("1 hour", "2 hours", "'backwards'"),
	    NOTE("15 days", "14 days 20 hours", "'too late'"),
	    NOTE("3 days", "1 day", "'two days'"),
	    NOTE("2 hours", "1 hour", "''"),
	    NOTE("2 hours", "1 hour", "NULL"),
	    "SELECT operator.note_downtime(NULL, now(), 'no begin')",
	    "SELECT operator.take_back_downtime(now())",
	    "SELECT operator.take_back_downtime('2026-11-01T10:00Z')",
	    "INSERT INTO assay.platform_downtime VALUES (now() - interval"
	    " '2 hours', now(), 'directly', 'operator')",
	    "DELETE FROM assay.platform_downtime",
	};
	struct arena *a = arena_new();
	char super[200], as_operator[200];

	need_postgres(state, &a);
	move_to("noted", "fresh", super);
	snprintf(as_operator, sizeof(as_operator),
	    "host=%s user=assay_operator dbname=noted", server.folder);
	assert_true(migrated_run(super,
	    "INSERT INTO assay.platform_downtime VALUES ('2026-11-01T10:00Z',"
	    " '2026-11-01T11:00Z', 'seen', 'assay')"));
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (migrated_run(as_operator, refused[i]))
			fail_msg("%s", refused[i]);
	assert_false(migrated_run(own, NOTE("2 hours", "1 hour", "'other'")));
	assert_true(migrated_run(
	    as_operator, NOTE("2 hours", "1 hour", "'the router'")));
	assert_true(migrated_run(as_operator,
	    "SELECT operator.take_back_downtime(began_at) FROM"
	    " assay.platform_downtime WHERE reason = 'the router'"));
	assert_string_equal(
	    migrated_value(as_operator,
		"SELECT string_agg(actor || ' ' || action || ' ' ||"
		" (detail ->> 'reason'), ', ' ORDER BY seq)"
		" FROM operator.audit WHERE actor = 'assay_operator'",
		a),
	    "assay_operator platform_downtime.insert the router");
	assert_string_equal(
	    migrated_value(as_operator,
		"SELECT count(*) || ' ' || max(action) FILTER (WHERE"
		" action LIKE '%delete') || ' ' || (SELECT string_agg(reason,"
		" ' ') FROM assay.platform_downtime) FROM operator.audit"
		" WHERE action LIKE 'platform_downtime.%'",
		a),
	    "3 platform_downtime.delete seen");
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

/* A day at scores on both sides of the lines. Some providers fail an audit, and
 * some have pairs of canaries that disagree, 23 and 25 hours apart by turns.
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
    "INSERT INTO assay.audit_result SELECT 'did:assay:z' || p, 'chat',"
    " 'test:m', day + (23 - n % 2) * interval '1 hour', 'canary', false, ''"
    " FROM the_day, generate_series(101, 112) p, generate_series(1, 2)"
    " WHERE p % 3 = 1 AND draw('c' || p || '/' || n) < 4;"
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

/* Canaries of two days, within 23 hours: downtime noted late does not join the
 * runs on both sides of the day that failed. */
static void
a_day_taken_back_joins_no_run_over_a_failed_audit(void **state)
{
	struct arena *a = arena_new();
	char super[200];

	need_postgres(state, &a);
	move_to("joins", "fresh", super);
	assert_true(migrated_run(super,
	    GOLD("2026-11-01", "2026-11-06") CANARY("2026-11-02T23:00Z",
		"false") CANARY("2026-11-03T21:00Z", "false")
		CANARY("2026-11-03T22:00Z", "false")));
	for (int day = 10; day >= 7; day--)
		tick(NOON - day * DAY_MS, 100);
	assert_string_equal(migrated_value(super, standing_now, a),
	    "bronze 1 1 audit_failed 04");
	/* Had nothing failed, a low day taken back would join them. */
	assert_true(migrated_run(super,
	    "UPDATE assay.score_day SET score = 60"
	    " WHERE day = '2026-11-03T00:00Z';"
	    "INSERT INTO assay.platform_downtime VALUES"
	    " ('2026-11-03T10:00Z', '2026-11-03T11:00Z', 'a')"));
	tick(NOON - 6 * DAY_MS, 100);
	assert_string_equal(
	    migrated_value(super,
		"SELECT string_agg(to_char(day, 'DD'), ' ' ORDER BY day)"
		" FROM assay.day_close WHERE excused",
		a),
	    "03");
	assert_string_equal(migrated_value(super, standing_now, a),
	    "bronze 2 2 audit_failed 04");
	move_back();
	arena_free(&a);
}

/* Who led before closed one pair of the day and fell; then its downtime was
 * noted, and the other pair closed excused. */
static void
a_day_is_excused_for_those_closed_before_a_takeover(void **state)
{
	struct arena *a = arena_new();
	char super[200];

	need_postgres(state, &a);
	move_to("takeover", "fresh", super);
	assert_true(migrated_run(super,
	    GOLD("2026-11-11",
		"2026-11-12") "INSERT INTO assay.score (did, task, canonical, "
			      "tier, silver_days,"
			      " gold_days, closed_day) VALUES ('did:assay:z2', "
			      "'chat',"
			      " 'test:m', 'gold', 21, 21, '2026-11-11');"
			      "INSERT INTO assay.score_day SELECT did, task, "
			      "canonical,"
			      " '2026-11-11T00:00Z', 99, 20, '{}', false FROM "
			      "assay.score"
			      " WHERE did = 'did:assay:z2';"
			      "INSERT INTO assay.outcome_new SELECT minute, "
			      "assay.pair_of("
			      "'did:assay:z2', 'chat', 'test:m'), delivered, "
			      "failed, fast, slow,"
			      " not_counted, bucket FROM assay.outcome_new;"
			      "INSERT INTO assay.platform_downtime VALUES"
			      " ('2026-11-11T10:00Z', '2026-11-11T11:00Z', "
			      "'a')"));
	tick(NOON, 100);
	assert_string_equal(migrated_value(super, runs, a), "z1 20 z2 21");
	/* With the next close, and once. */
	for (int day = 1; day <= 2; day++) {
		tick(NOON + day * DAY_MS, 100);
		assert_string_equal(migrated_value(super, runs, a),
		    day == 1 ? "z1 21 z2 21" : "z1 22 z2 22");
	}
	assert_string_equal(
	    migrated_value(super,
		"SELECT count(*) || ' ' || bool_and(excused)"
		" FROM assay.score_day WHERE day = '2026-11-11T00:00Z'",
		a),
	    "2 true");
	move_back();
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_audit_fails_though_our_clock_is_behind),
	    cmocka_unit_test(the_first_day_may_have_audits_alone),
	    cmocka_unit_test(an_audit_shows_at_the_close_of_its_day),
	    cmocka_unit_test(a_failed_audit_waits_for_no_close),
	    cmocka_unit_test(a_failed_audit_is_seen_by_a_worker_that_was_away),
	    cmocka_unit_test(three_canaries_fail_the_day_of_the_third),
	    cmocka_unit_test(downtime_is_the_union_of_what_is_said),
	    cmocka_unit_test(operators_note_downtime_and_are_audited),
	    cmocka_unit_test(
		downtime_noted_late_counts_as_if_it_had_been_known),
	    cmocka_unit_test(a_day_taken_back_joins_no_run_over_a_failed_audit),
	    cmocka_unit_test(
		a_day_is_excused_for_those_closed_before_a_takeover),
	};

	return cmocka_run_group_tests(tests, start, end);
}
