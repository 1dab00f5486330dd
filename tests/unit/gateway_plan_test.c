/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway's statements about reputation read, on 40 days of a market:
 * the scores that changed, the one request judged, the provider asked for; by
 * plans for these arguments and by plans for any. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/gateway_db_priv.h"
#include "tests/unit/migrated_postgres.h"
#include "tests/unit/plans.h"

static struct private_postgres server;
static bool is_here;
static char gateway[200];

static int
start(void **state)
{
	(void)state;
	is_here = migrated_postgres_start(&server);
	if (is_here)
		assert_true(migrated_run(server.conninfo, plans_world));
	migrated_conninfo(&server, "assay_gateway", gateway, sizeof(gateway));
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
changed_scores_are_read_by_version_by(bool is_generic)
{
	struct plan p;

	plan_read_as(&p, gateway, &gateway_statements[LOAD_SCORES], "(1990)",
	    is_generic);
	plan_reads_never_whole(&p, "score");
	plan_uses(&p, "score_written_version");
	plan_uses(&p, "score_pair_key");
	plan_free(&p);
	plan_read_as(
	    &p, gateway, &gateway_statements[LOAD_SCORES], "(-1)", is_generic);
	assert_int_equal(plan_count(p.root, NULL, "Relation Name", "score"), 1);
	plan_free(&p);
	/* Of a database that is older than what the gateway knows: all. */
	plan_read_as(&p, gateway, &gateway_statements[LOAD_SCORES], "(5000)",
	    is_generic);
	assert_int_equal(
	    plan_count(p.root, "Seq Scan", "Relation Name", "score"), 1);
	plan_free(&p);
}

static void
changed_scores_are_read_by_version(void **state)
{
	(void)state;
	if (!is_here)
		skip();
	changed_scores_are_read_by_version_by(false);
	changed_scores_are_read_by_version_by(true);
}

#define MS_AGO(ago) "(extract(epoch FROM now() - interval '" ago "') * 1000)"
#define GIVEN                                                                  \
	"(md5('r1000')::uuid, " MS_AGO(                                        \
	    "2000 minutes") "::bigint,"                                        \
			    " md5('a0')::uuid, gen_random_uuid(), 90, "        \
			    "'good', '{}', NULL, NULL,"                        \
			    " NULL, NULL)"
/* Of the last 24 hours, and of a day that has its share of rows by now: of a
 * few Postgres reads all. */
#define LATE                                                                   \
	"(CASE WHEN extract(hour FROM now() AT TIME ZONE 'UTC') < 12"          \
	" THEN 400 ELSE 100 END)"
#define EDITED                                                                 \
	"(md5('r' || " LATE ")::uuid, (extract(epoch FROM now() - " LATE       \
	" * interval '2 minutes') * 1000)::bigint,"                            \
	" md5('a0')::uuid, 10, NULL, '{}', NULL)"
#define FOUND                                                                  \
	"(md5('r2000')::uuid, md5('a0')::uuid, " MS_AGO(                       \
	    "4000 minutes") "::bigint)"

/* The time in the request's id says in which two days to look at most. */
static void
feedback_reads_the_day_of_its_request_by(bool is_generic)
{
	struct plan p;

	plan_read_as(
	    &p, gateway, &gateway_statements[GIVE_FEEDBACK], GIVEN, is_generic);
	plan_reads_at_most(&p, "request_2*", 2);
	plan_reads_never_whole(&p, "request_2*");
	plan_reads_never_whole(&p, "feedback_2*");
	plan_reads_never_whole(&p, "device");
	assert_true(plan_count(p.root, "Index Scan", "Relation Name",
			"feedback_2*") <= 2);
	plan_free(&p);
	plan_read_as(&p, gateway, &gateway_statements[EDIT_FEEDBACK], EDITED,
	    is_generic);
	plan_reads_never_whole(&p, "feedback_2*");
	assert_true(plan_count(p.root, "Index Scan", "Relation Name",
			"feedback_2*") <= 20);
	plan_free(&p);
	plan_read_as(
	    &p, gateway, &gateway_statements[FIND_REQUEST], FOUND, is_generic);
	plan_reads_at_most(&p, "request_2*", 2);
	plan_reads_at_most(&p, "request_attempt_2*", 2);
	plan_reads_never_whole(&p, "request_2*");
	plan_reads_never_whole(&p, "request_attempt_2*");
	plan_free(&p);
}

static void
feedback_reads_the_day_of_its_request(void **state)
{
	(void)state;
	if (!is_here)
		skip();
	feedback_reads_the_day_of_its_request_by(false);
	feedback_reads_the_day_of_its_request_by(true);
}

static void
a_provider_reads_its_own_reasons_by(bool is_generic)
{
	struct plan p;

	plan_read_as(&p, gateway, &gateway_statements[FIND_NOT_CHOSEN],
	    "('did:assay:z7')", is_generic);
	plan_reads_never_whole(&p, "not_chosen");
	plan_uses(&p, "not_chosen_pkey");
	plan_free(&p);
}

static void
a_provider_reads_its_own_reasons(void **state)
{
	(void)state;
	if (!is_here)
		skip();
	a_provider_reads_its_own_reasons_by(false);
	a_provider_reads_its_own_reasons_by(true);
}

/* A prepared statement's own plans are kept to when none but the days it is
 * about are in them: the tenth time as the first. Nobody waits then for a lock
 * on another day, and 400 days do not fill Postgres's table of locks. */
static void
prepared_statements_lock_the_days_they_read(void **state)
{
	static const struct {
		int statement;
		const char *arguments;
		int64_t most;
	} asked[] = {
	    {GIVE_FEEDBACK, GIVEN, 4},
	    {EDIT_FEEDBACK, EDITED, 20},
	    {FIND_REQUEST, FOUND, 4},
	};

	(void)state;
	if (!is_here)
		skip();
	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++)
		assert_in_range(
		    plan_locks(gateway, &gateway_statements[asked[i].statement],
			asked[i].arguments, 10),
		    1, asked[i].most);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(changed_scores_are_read_by_version),
	    cmocka_unit_test(feedback_reads_the_day_of_its_request),
	    cmocka_unit_test(a_provider_reads_its_own_reasons),
	    cmocka_unit_test(prepared_statements_lock_the_days_they_read),
	};

	return cmocka_run_group_tests(tests, start, end);
}
