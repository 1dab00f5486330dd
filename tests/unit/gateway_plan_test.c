/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway's statements about reputation read, on 40 days of a market:
 * the scores that changed, the one request judged, the provider asked for. */
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
changed_scores_are_read_by_version(void **state)
{
	struct plan p;

	(void)state;
	if (!is_here)
		skip();
	plan_read(&p, gateway, &gateway_statements[LOAD_SCORES], "(1990)");
	plan_reads_never_whole(&p, "score");
	plan_uses(&p, "score_written_version");
	plan_uses(&p, "score_pair_key");
	plan_free(&p);
	plan_read(&p, gateway, &gateway_statements[LOAD_SCORES], "(-1)");
	assert_int_equal(plan_count(p.root, NULL, "Relation Name", "score"), 1);
	plan_free(&p);
	/* Of a database that is older than what the gateway knows: all. */
	plan_read(&p, gateway, &gateway_statements[LOAD_SCORES], "(5000)");
	assert_int_equal(
	    plan_count(p.root, "Seq Scan", "Relation Name", "score"), 1);
	plan_free(&p);
}

/* The time in the request's id says in which two days to look at most. */
static void
feedback_reads_the_day_of_its_request(void **state)
{
	struct plan p;

	(void)state;
	if (!is_here)
		skip();
	plan_read(&p, gateway, &gateway_statements[GIVE_FEEDBACK],
	    "(md5('r1000')::uuid, (extract(epoch FROM now() - interval"
	    " '2000 minutes') * 1000)::bigint, md5('a0')::uuid,"
	    " gen_random_uuid(), 90, 'good', '{}', NULL, NULL, NULL, NULL)");
	plan_reads_at_most(&p, "request_2*", 2);
	plan_reads_never_whole(&p, "request_2*");
	plan_reads_never_whole(&p, "feedback_2*");
	plan_reads_never_whole(&p, "device");
	assert_true(plan_count(p.root, "Index Scan", "Relation Name",
			"feedback_2*") <= 2);
	plan_free(&p);
	plan_read(&p, gateway, &gateway_statements[EDIT_FEEDBACK],
	    "(md5('r100')::uuid, (extract(epoch FROM now() - interval"
	    " '200 minutes') * 1000)::bigint, md5('a0')::uuid, 10, NULL, '{}',"
	    " NULL)");
	plan_reads_never_whole(&p, "feedback_2*");
	assert_true(plan_count(p.root, "Index Scan", "Relation Name",
			"feedback_2*") <= 20);
	plan_free(&p);
}

static void
a_provider_reads_its_own_reasons(void **state)
{
	struct plan p;

	(void)state;
	if (!is_here)
		skip();
	plan_read(&p, gateway, &gateway_statements[FIND_NOT_CHOSEN],
	    "('did:assay:z7')");
	plan_reads_never_whole(&p, "not_chosen");
	plan_uses(&p, "not_chosen_pkey");
	plan_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(changed_scores_are_read_by_version),
	    cmocka_unit_test(feedback_reads_the_day_of_its_request),
	    cmocka_unit_test(a_provider_reads_its_own_reasons),
	};

	return cmocka_run_group_tests(tests, start, end);
}
