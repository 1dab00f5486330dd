/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/ledger: what was written is in Postgres in the end, through an
 * outage and a death between spool and table, once, and a row that Postgres
 * refuses holds up nobody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/ledger.h"
#include "tests/unit/gateway_fakes.h"
#include "tests/unit/migrated_postgres.h"

static struct private_postgres server;
static bool is_here;

struct scene {
	struct loop *loop;
	struct log log;
	struct pg *pg;
	struct ledger *ledger;
	struct arena *arena;
	char folder[64];
};

static void
open_with(struct scene *s, const char *conninfo)
{
	struct pg_settings pg = {.conninfo = conninfo,
	    .application = "test",
	    .statements = gateway_statements,
	    .statement_count = gateway_statement_count};
	struct ledger_settings l = {s->folder, 5, 10};
	struct fault f;

	s->loop = loop_new();
	s->pg = pg_new(s->loop, &pg, &s->log);
	if (!ledger_open(s->loop, s->pg, &l, &s->log, &s->ledger, &f))
		fail_msg("%s", f.why);
}

static void
shut(struct scene *s)
{
	ledger_free(&s->ledger);
	pg_free(&s->pg);
	loop_free(&s->loop);
}

static void
begin(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	s->arena = arena_new();
	log_init(&s->log, "test", LOG_ERROR_ + 1);
	snprintf(s->folder, sizeof(s->folder), "/tmp/assay-test-XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	if (is_here)
		assert_true(migrated_run(server.conninfo,
		    "TRUNCATE assay.request, assay.request_attempt"));
}

static void
end(struct scene *s)
{
	char command[128];

	shut(s);
	arena_free(&s->arena);
	snprintf(command, sizeof(command), "rm -rf %s", s->folder);
	assert_int_equal(system(command), 0);
}

static void
fill(struct request_row *r, int number)
{
	static char ids[64][UUID_TEXT];

	memset(r, 0, sizeof(*r));
	snprintf(ids[number], UUID_TEXT,
	    "01900000-0000-7000-8000-0000000000%02d", number);
	r->id = ids[number];
	r->created_at = INT64_C(1718000000000);
	r->endpoint = "chat/completions";
	r->pool_wanted = "any";
	r->outcome = "served";
	r->status = 200;
	r->rejected = "{}";
	r->prompt_tokens = -1;
	r->completion_tokens = -1;
	r->instance = "gw-1";
}

static void
write_one(struct scene *s, int number, const char *outcome)
{
	struct attempt_row t = {.ordinal = 1,
	    .did = "did:assay:z1",
	    .pool = "marketplace",
	    .tier = "bronze",
	    .outcome = "served",
	    .status = -1,
	    .first_byte_us = -1};
	struct request_row r;

	fill(&r, number);
	r.outcome = outcome;
	assert_true(ledger_write(s->ledger, &r, &t, 1));
}

static bool
is_written(void *arg)
{
	return ledger_backlog(((struct scene *)arg)->ledger) == 0;
}

static void
assert_rows(struct scene *s, const char *requests, const char *attempts)
{
	assert_string_equal(migrated_value(server.conninfo,
				"SELECT count(*) FROM assay.request", s->arena),
	    requests);
	assert_string_equal(
	    migrated_value(server.conninfo,
		"SELECT count(*) FROM assay.request_attempt", s->arena),
	    attempts);
}

static void
test_record_is_read_as_written(void **state)
{
	struct arena *a = arena_new();
	struct request_row r, back;
	struct attempt_row t = {.ordinal = 2, .did = "d"}, *tried;
	struct fault f;
	size_t count;

	(void)state;
	fill(&r, 1);
	r.fault_why = "a \"quoted\" sentence";
	r.streamed = true;
	r.total_us = 123456789012;
	assert_true(record_read(
	    text_of(record_write(a, &r, &t, 1)), a, &back, &tried, &count, &f));
	assert_string_equal(back.id, r.id);
	assert_string_equal(back.fault_why, r.fault_why);
	assert_null(back.account);
	assert_true(back.streamed);
	assert_int_equal(back.prompt_tokens, -1);
	assert_int_equal(back.total_us, 123456789012);
	assert_int_equal(count, 1);
	assert_int_equal(tried->ordinal, 2);
	assert_string_equal(tried->request, r.id);
	assert_false(
	    record_read(text_of("{\"id\":1}"), a, &back, &tried, &count, &f));
	assert_false(record_read(text_of(""), a, &back, &tried, &count, &f));
	arena_free(&a);
}

static void
test_rows_arrive_in_batches(void **state)
{
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	open_with(&s, server.conninfo);
	for (int i = 0; i < 25; i++)
		write_one(&s, i, "served");
	assert_true(run_until(s.loop, is_written, &s));
	assert_rows(&s, "25", "25");
	end(&s);
}

static void
test_outage_and_death(void **state)
{
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	open_with(&s, "host=/nonexistent");
	for (int i = 0; i < 3; i++)
		write_one(&s, i, "served");
	run_for(s.loop, 50);
	assert_int_equal(ledger_backlog(s.ledger), 3);
	shut(&s); /* the next life finds them */
	open_with(&s, server.conninfo);
	assert_int_equal(ledger_backlog(s.ledger), 3);
	assert_true(run_until(s.loop, is_written, &s));
	assert_rows(&s, "3", "3");
	write_one(&s, 0, "served"); /* again: nothing changes */
	assert_true(run_until(s.loop, is_written, &s));
	assert_rows(&s, "3", "3");
	end(&s);
}

static void
test_refused_row_holds_up_nobody(void **state)
{
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	open_with(&s, server.conninfo);
	write_one(&s, 1, "served");
	write_one(&s, 2, "no such outcome");
	write_one(&s, 3, "served");
	assert_true(run_until(s.loop, is_written, &s));
	assert_rows(&s, "2", "2");
	end(&s);
}

static void
on_drained(void *arg)
{
	(*(unsigned *)arg)++;
}

static bool
is_one(void *arg)
{
	return *(unsigned *)arg == 1;
}

static void
test_drain(void **state)
{
	unsigned drained = 0;
	struct scene s;

	(void)state;
	begin(&s);
	open_with(&s, "host=/nonexistent");
	write_one(&s, 1, "served");
	ledger_drain(s.ledger, on_drained, &drained);
	assert_true(run_until(s.loop, is_one, &drained)); /* cannot be asked */
	assert_int_equal(ledger_backlog(s.ledger), 1);
	end(&s);
}

static int
start(void **state)
{
	(void)state;
	is_here = migrated_postgres_start(&server);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	if (is_here)
		private_postgres_end(&server);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_record_is_read_as_written),
	    cmocka_unit_test(test_rows_arrive_in_batches),
	    cmocka_unit_test(test_outage_and_death),
	    cmocka_unit_test(test_refused_row_holds_up_nobody),
	    cmocka_unit_test(test_drain),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
