/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who asks a canary, on a migrated database: an offer is asked as often a day
 * whether one gateway holds a tunnel to it or four, and never by two at once.
 * Time goes on by moving what is due.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/gateway_db_priv.h"
#include "tests/unit/migrated_postgres.h"

enum { OFFERS = 40, GATEWAYS = 4, DAYS = 5, STEPS_A_DAY = 144 };
#define PERIOD "7200000" /* twelve a day */

static struct private_postgres server;
static bool is_here;
static char own[200];

static int
start(void **state)
{
	(void)state;
	is_here = migrated_postgres_start(&server);
	if (is_here)
		assert_true(migrated_run(server.conninfo,
		    "INSERT INTO assay.model (canonical) VALUES ('test:m');"
		    "INSERT INTO assay.model_task VALUES ('test:m', 'chat')"));
	migrated_conninfo(&server, "assay_gateway", own, sizeof(own));
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

static struct pg_session *
gateway(void)
{
	struct pg_session *s = NULL;
	struct fault f = {0};

	if (!pg_session_open(own, "test", &s, &f))
		fail_msg("%s", f.why);
	return s;
}

static void
run(struct pg_session *s, const char *sql)
{
	struct fault f = {0};

	if (!pg_session_run(s, sql, 0, NULL, NULL, &f))
		fail_msg("%s", f.why);
}

/* How many of all offers this gateway gets to ask now. */
static int
claim(struct pg_session *s, const char *most)
{
	const struct pg_statement *x = &gateway_statements[CLAIM_CANARY];
	const char *columns[3][OFFERS], *params[5] = {[3] = PERIOD, [4] = most};
	struct arena *a = arena_new();
	struct pg_rows *rows = NULL;
	struct fault f = {0};
	int got = 0;

	for (int i = 0; i < OFFERS; i++) {
		columns[0][i] = arena_printf(a, "did:assay:z%d", i);
		columns[1][i] = "chat";
		columns[2][i] = "test:m";
	}
	for (int i = 0; i < 3; i++)
		params[i] = pg_array(a, columns[i], OFFERS);
	if (!pg_session_run(s, x->sql, x->params, params, &rows, &f))
		fail_msg("%s", f.why);
	for (int i = 0; i < pg_count(rows); i++)
		got += !pg_is_null(rows, i, 0);
	pg_rows_free(&rows);
	arena_free(&a);
	return got;
}

/* All that so many gateways ask in five days. */
static int
live(int gateways)
{
	struct pg_session *super = NULL, *each[GATEWAYS];
	struct fault f = {0};
	int asked = 0;

	assert_true(pg_session_open(server.conninfo, "test", &super, &f));
	run(super, "DELETE FROM assay.canary; SELECT setseed(0.5)");
	for (int g = 0; g < gateways; g++) {
		each[g] = gateway();
		run(each[g], "SELECT setseed(0.25)");
	}
	for (int step = 0; step < DAYS * STEPS_A_DAY; step++) {
		for (int g = 0; g < gateways; g++)
			asked += claim(each[(step + g) % gateways], "100");
		run(super, "UPDATE assay.canary SET due_at = due_at -"
			   " interval '10 minutes'");
	}
	for (int g = 0; g < gateways; g++)
		pg_session_free(&each[g]);
	pg_session_free(&super);
	return asked;
}

static void
more_gateways_ask_no_more(void **state)
{
	const int usual = OFFERS * DAYS * 12;

	(void)state;
	if (!is_here)
		skip();
	/* Ten minutes' steps lose a few; twice as many would be 4,800. */
	assert_in_range(live(1), usual * 85 / 100, usual * 110 / 100);
	assert_in_range(live(GATEWAYS), usual * 85 / 100, usual * 110 / 100);
}

static void
what_one_takes_the_others_leave(void **state)
{
	struct pg_session *a, *b;

	(void)state;
	if (!is_here)
		skip();
	a = gateway();
	b = gateway();
	assert_true(migrated_run(server.conninfo, "DELETE FROM assay.canary"));
	assert_int_equal(
	    claim(a, "100"), 0); /* made, and due within a period */
	assert_true(migrated_run(server.conninfo,
	    "UPDATE assay.canary SET due_at = now() - interval '1 second'"));
	/* Who comes in the midst of it waits for nobody and gets the rest. */
	run(a, "BEGIN");
	run(b, "SET statement_timeout = '10s'");
	assert_int_equal(claim(a, "30"), 30);
	assert_int_equal(claim(b, "100"), OFFERS - 30);
	run(a, "COMMIT");
	assert_int_equal(claim(b, "100"), 0);
	pg_session_free(&a);
	pg_session_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(more_gateways_ask_no_more),
	    cmocka_unit_test(what_one_takes_the_others_leave),
	};

	return cmocka_run_group_tests(tests, start, end);
}
