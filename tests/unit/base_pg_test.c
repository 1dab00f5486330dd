/* SPDX-License-Identifier: Apache-2.0 */
/* base/pg against a real Postgres of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/pg.h"
#include "tests/unit/private_postgres.h"

enum {
	Q_ECHO,
	Q_INSERT,
	Q_SLOW,
	Q_BROKEN,
	Q_BYTES,
	Q_PID,
	Q_DEFERRED,
	Q_TEXT,
	Q_COUNT
};
static const struct pg_statement statements[] = {
    [Q_ECHO] = {"echo", "SELECT $1::bigint, NULL::text, true, 1.5", 1},
    [Q_INSERT] = {"insert", "INSERT INTO t (id, name) VALUES ($1, $2)", 2},
    [Q_SLOW] = {"slow", "SELECT pg_sleep($1::float8)", 1},
    [Q_BROKEN] = {"broken", "SELECT x FROM nowhere", 0},
    [Q_BYTES] = {"bytes", "SELECT $1::bytea, $2::text[]", 2},
    [Q_PID] = {"pid", "SELECT pg_backend_pid()", 0},
    [Q_DEFERRED] = {"deferred", "INSERT INTO d (id, t) VALUES (1, $1)", 1},
    [Q_TEXT] = {"text", "SELECT $1::text, $2::uuid", 2},
};

struct fixture {
	struct private_postgres server;
	struct log log;
};

struct seen {
	struct loop *loop;
	int answers;
	int stop_at;
	struct fault fault;
	bool had_fault;
	int64_t value;
	int64_t affected;
	char text[256];
	int fresh;
	int notifies;
	bool up;
	int changes;
	struct pg *pg;
	bool stop_when_up;
	bool stop_when_down;
};

static void
on_answer(void *arg, const struct pg_rows *rows, const struct fault *f)
{
	struct seen *s = arg;

	assert_true((rows == NULL) != (f == NULL));
	s->had_fault = f != NULL;
	if (f != NULL)
		s->fault = *f;
	if (rows != NULL && pg_count(rows) > 0)
		s->value += pg_i64(rows, 0, 0);
	if (rows != NULL)
		s->affected = pg_affected(rows);
	if (++s->answers == s->stop_at)
		loop_stop(s->loop);
}

static void
on_change(void *arg, bool up)
{
	struct seen *s = arg;

	s->up = up;
	s->changes++;
	if (up ? s->stop_when_up : s->stop_when_down)
		loop_stop(s->loop);
}

static void
on_too_long(void *arg)
{
	(void)arg;
	print_error("the loop did not end in time\n");
	abort();
}

/* Runs until a callback stops the loop; a hang ends the test. */
static void
run(struct seen *s)
{
	struct timer *t = timer_new(s->loop, on_too_long, NULL);

	timer_start(t, 20000);
	loop_run(s->loop);
	timer_free(&t);
}

static struct pg *
pool(struct fixture *x, struct seen *s, struct pg_settings set)
{
	struct pg *p;

	set.conninfo = x->server.conninfo;
	set.application = "base_pg_test";
	set.statements = statements;
	set.statement_count = Q_COUNT;
	p = pg_new(s->loop, &set, &x->log);
	pg_on_change(p, on_change, s);
	s->pg = p;
	s->stop_when_up = true;
	run(s);
	s->stop_when_up = false;
	assert_true(pg_is_up(p));
	return p;
}

static void
sql(struct fixture *x, const char *text)
{
	struct pg_session *s;
	struct fault f;

	assert_true(pg_session_open(x->server.conninfo, "setup", &s, &f));
	if (!pg_session_run(s, text, 0, NULL, NULL, &f))
		fail_msg("%s", f.why);
	pg_session_free(&s);
}

static int
setup(void **state)
{
	struct fixture *x = mem_new(sizeof *x);

	if (!private_postgres_start(&x->server))
		exit(0);
	log_init(&x->log, "test", LOG_ERROR_);
	sql(x, "CREATE TABLE t (id bigint CONSTRAINT t_id_once PRIMARY KEY,"
	       " name text NOT NULL);"
	       "CREATE TABLE d (id bigint, t bigint CONSTRAINT d_needs_t"
	       " REFERENCES t DEFERRABLE INITIALLY DEFERRED)");
	*state = x;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *x = *state;

	private_postgres_end(&x->server);
	mem_free(x);
	return 0;
}

static void
test_pipelined_answers_come_in_order(void **state)
{
	struct seen s = {.loop = loop_new(), .stop_at = 500};
	struct pg *p = pool(*state, &s, (struct pg_settings){0});
	struct arena *a = arena_new();
	int64_t sum = 0;

	for (int i = 1; i <= 500; i++) {
		const char *v = pg_int(a, i);

		assert_non_null(pg_ask(p, Q_ECHO, &v, on_answer, &s));
		sum += i;
	}
	assert_int_equal(s.answers, 0); /* never before pg_ask returned */
	run(&s);
	assert_int_equal(s.answers, 500);
	assert_int_equal(s.value, sum);
	assert_false(s.had_fault);
	arena_free(&a);
	pg_free(&p);
	assert_null(p);
	loop_free(&s.loop);
}

static void
test_constraint_is_a_conflict_with_its_name(void **state)
{
	struct seen s = {.loop = loop_new(), .stop_at = 1};
	struct pg *p = pool(*state, &s, (struct pg_settings){.connections = 1});
	const char *row[] = {"7", "seven"};
	const char *null_name[] = {"8", NULL};

	pg_ask(p, Q_INSERT, row, on_answer, &s);
	run(&s);
	assert_false(s.had_fault);
	assert_int_equal(s.affected, 1);
	/* The failed one takes nothing of its neighbours with it. */
	s.stop_at = 4;
	pg_ask(p, Q_INSERT, row, on_answer, &s);
	pg_ask(p, Q_ECHO, row, on_answer, &s);
	s.had_fault = false;
	pg_ask(p, Q_INSERT, null_name, on_answer, &s);
	run(&s);
	assert_int_equal(s.value, 7);
	assert_int_equal(s.fault.kind, FAULT_CONFLICT);
	assert_string_equal(s.fault.why, "insert: violates name");
	s.stop_at = 5;
	pg_ask(p, Q_INSERT, row, on_answer, &s);
	run(&s);
	assert_string_equal(s.fault.why, "insert: violates t_id_once");
	/* A deferred constraint speaks at the commit. */
	s.stop_at = 6;
	row[0] = "999";
	pg_ask(p, Q_DEFERRED, row, on_answer, &s);
	run(&s);
	assert_int_equal(s.fault.kind, FAULT_CONFLICT);
	assert_string_equal(s.fault.why, "deferred: violates d_needs_t");
	s.stop_at = 7;
	pg_ask(p, Q_ECHO, row, on_answer, &s);
	run(&s);
	assert_false(s.had_fault);
	pg_free(&p);
	loop_free(&s.loop);
}

static void
on_values(void *arg, const struct pg_rows *rows, const struct fault *f)
{
	struct seen *s = arg;
	struct arena *a = arena_new();
	const uint8_t *at;
	size_t len;

	assert_null(f);
	pg_bytes(rows, 0, 0, a, &at, &len);
	assert_int_equal(len, 4);
	assert_memory_equal(at, "a\0\\\xff", 4);
	assert_string_equal(pg_text(rows, 0, 1),
	    "{plain,\"with \\\"quotes\\\"\",\"back\\\\slash\","
	    "\"NULL\",NULL,\"\",\"a,b\"}");
	arena_free(&a);
	loop_stop(s->loop);
}

static void
on_echo(void *arg, const struct pg_rows *rows, const struct fault *f)
{
	struct seen *s = arg;

	assert_null(f);
	assert_int_equal(pg_i64(rows, 0, 0), -5);
	assert_null(pg_text(rows, 0, 1));
	assert_true(pg_is_null(rows, 0, 1));
	assert_true(pg_bool(rows, 0, 2));
	assert_true(pg_f64(rows, 0, 3) == 1.5);
	loop_stop(s->loop);
}

static void
test_values_survive_the_trip(void **state)
{
	struct seen s = {.loop = loop_new()};
	struct pg *p = pool(*state, &s, (struct pg_settings){0});
	struct arena *a = arena_new();
	const char *items[] = {
	    "plain", "with \"quotes\"", "back\\slash", "NULL", NULL, "", "a,b"};
	const char *params[] = {
	    pg_bytea(a, "a\0\\\xff", 4), pg_array(a, items, 7)};
	const char *minus = "-5";
	const char *bad[] = {"secret-value", "secret-value"};

	pg_ask(p, Q_BYTES, params, on_values, &s);
	run(&s);
	pg_ask(p, Q_ECHO, &minus, on_echo, &s);
	run(&s);
	/* A value that does not fit is not quoted in the fault. */
	s.stop_at = 1;
	pg_ask(p, Q_TEXT, bad, on_answer, &s);
	run(&s);
	assert_int_equal(s.fault.kind, FAULT_INTERNAL);
	assert_null(strstr(s.fault.why, "secret"));
	arena_free(&a);
	pg_free(&p);
	loop_free(&s.loop);
}

static void
test_statement_that_cannot_be_prepared(void **state)
{
	struct fixture *x = *state;
	struct seen s = {.loop = loop_new(), .stop_at = 2};
	const char *one = "1";
	int ends[2], keep = dup(2);
	char said[4096] = "";
	struct pg *p;

	assert_int_equal(pipe(ends), 0);
	fflush(stderr);
	dup2(ends[1], 2);
	p = pool(x, &s, (struct pg_settings){.connections = 1});
	dup2(keep, 2);
	assert_true(read(ends[0], said, sizeof said - 1) > 0);
	assert_non_null(strstr(said, "prepare_failed"));
	assert_non_null(strstr(said, "statement=broken"));
	/* The others work. */
	pg_ask(p, Q_BROKEN, NULL, on_answer, &s);
	pg_ask(p, Q_ECHO, &one, on_answer, &s);
	run(&s);
	assert_int_equal(s.fault.kind, FAULT_INTERNAL);
	assert_int_equal(s.value, 1);
	pg_free(&p);
	loop_free(&s.loop);
	close(ends[0]);
	close(ends[1]);
	close(keep);
}

static void
test_silence_is_a_timeout_and_the_line_comes_back(void **state)
{
	struct seen s = {.loop = loop_new(), .stop_at = 2};
	struct pg *p = pool(*state, &s,
	    (struct pg_settings){.connections = 1, .answer_ms = 200});
	struct seen first = {.loop = s.loop};
	const char *ten = "10";
	int64_t began = clock_mono_ms();

	pg_ask(p, Q_SLOW, &ten, on_answer, &first);
	pg_ask(p, Q_ECHO, &ten, on_answer, &s);
	pg_ask(p, Q_ECHO, &ten, on_answer, &s);
	run(&s);
	assert_int_equal(first.answers, 1);
	assert_int_equal(first.fault.kind, FAULT_TIMEOUT);
	assert_non_null(strstr(first.fault.why, "slow: no answer in "));
	assert_int_equal(s.fault.kind, FAULT_UNAVAILABLE);
	assert_true(clock_mono_ms() - began < 2000);
	s.stop_when_up = true;
	run(&s);
	s.stop_at = 3;
	pg_ask(p, Q_ECHO, &ten, on_answer, &s);
	run(&s);
	assert_false(s.had_fault);
	pg_free(&p);
	loop_free(&s.loop);
}

static void
ask_echo(void *arg)
{
	struct seen *s = arg;
	const char *seven = "7", *null = NULL;

	pg_ask(s->pg, Q_ECHO, &seven, on_answer, s);
	pg_ask(s->pg, Q_ECHO, &null, on_answer, s);
}

/* A statement that Postgres ends: the connection stays, and those that waited
 * are sent. */
static void
test_statement_limit(void **state)
{
	struct seen s = {.loop = loop_new(), .stop_at = 2};
	struct pg *p = pool(*state, &s,
	    (struct pg_settings){
		.connections = 1, .answer_ms = 5000, .statement_ms = 1000});
	struct seen slow = {.loop = s.loop}, never = {.loop = s.loop};
	struct timer *later = timer_new(s.loop, ask_echo, &s);
	const char *ten = "10", *seven = "7";
	struct pending *late;

	pg_ask(p, Q_SLOW, &ten, on_answer, &slow);
	late = pg_ask(p, Q_ECHO, &ten, on_answer, &never);
	pending_cancel(&late);
	timer_start(later, 500);
	run(&s);
	timer_free(&later);
	assert_int_equal(slow.answers, 1);
	assert_int_equal(slow.fault.kind, FAULT_TIMEOUT);
	assert_string_equal(slow.fault.why,
	    "slow: canceling statement due to statement timeout");
	assert_int_equal(never.answers, 0);
	assert_false(s.had_fault);
	assert_int_equal(s.value, 7);
	assert_int_equal(s.changes, 1); /* it never went down */
	pg_ask(p, Q_ECHO, &seven, on_answer, &never);
	pg_ask(p, Q_ECHO, &seven, on_answer, &never);
	pg_free(&p); /* one is on its way, and one waits */
	assert_int_equal(never.answers, 0);
	loop_free(&s.loop);
}

/* What was refused while a lock was held is not done when it is let go, whether
 * it had been sent or not; and all of it is refused soon. */
static void
test_what_was_refused_is_not_done(void **state)
{
	struct fixture *x = *state;
	struct seen s = {.loop = loop_new(), .stop_at = 20};
	struct pg *p = pool(x, &s,
	    (struct pg_settings){
		.connections = 2, .answer_ms = 1000, .statement_ms = 400});
	const char *row[] = {"4711", "late"};
	struct pg_session *other;
	int64_t began = clock_mono_ms();
	struct fault f;

	assert_true(pg_session_open(x->server.conninfo, "other", &other, &f));
	assert_true(
	    pg_session_run(other, "BEGIN; LOCK TABLE t", 0, NULL, NULL, &f));
	for (int i = 0; i < 20; i++)
		pg_ask(p, Q_INSERT, row, on_answer, &s);
	run(&s);
	assert_int_equal(s.fault.kind, FAULT_TIMEOUT);
	assert_true(clock_mono_ms() - began < 3000);
	assert_true(pg_session_run(other, "COMMIT", 0, NULL, NULL, &f));
	pg_session_free(&other);
	s.stop_at = 21;
	pg_ask(p, Q_INSERT, row, on_answer, &s);
	run(&s);
	assert_false(s.had_fault);
	assert_int_equal(s.affected, 1);
	sql(x, "DELETE FROM t WHERE id = 4711");
	pg_free(&p);
	loop_free(&s.loop);
}

/* Many at once wait longer than one may take; Postgres is not slow for that. */
static void
test_waiting_for_a_turn_is_not_slowness(void **state)
{
	struct seen s = {.loop = loop_new(), .stop_at = 20};
	struct pg *p = pool(*state, &s,
	    (struct pg_settings){
		.connections = 1, .answer_ms = 1000, .statement_ms = 500});
	const char *tenth = "0.1";
	int64_t began = clock_mono_ms();

	for (int i = 0; i < 20; i++)
		pg_ask(p, Q_SLOW, &tenth, on_answer, &s);
	run(&s);
	assert_int_equal(s.fault.kind, FAULT_NONE);
	assert_true(clock_mono_ms() - began >= 2000);
	pg_free(&p);
	loop_free(&s.loop);
}

static void
test_cancelled_question_is_never_answered(void **state)
{
	struct seen s = {.loop = loop_new(), .stop_at = 1};
	struct pg *p = pool(
	    *state, &s, (struct pg_settings){.connections = 1, .queue = 3});
	struct seen never = {.loop = s.loop};
	const char *one = "1";
	struct pending *a = pg_ask(p, Q_ECHO, &one, on_answer, &never);
	struct pending *b = pg_ask(p, Q_ECHO, &one, on_answer, &never);
	struct pending *late;

	pg_ask(p, Q_ECHO, &one, on_answer, &s);
	/* The queue is full now: refused, through the loop. */
	late = pg_ask(p, Q_ECHO, &one, on_answer, &never);
	assert_non_null(late);
	pending_cancel(&a);
	pending_cancel(&b);
	pending_cancel(&late);
	assert_null(a);
	run(&s);
	assert_int_equal(s.answers, 1);
	assert_int_equal(s.value, 1);
	assert_int_equal(never.answers, 0);
	pg_free(&p);
	loop_free(&s.loop);
}

static void
test_full_queue_refuses_through_the_loop(void **state)
{
	struct seen s = {.loop = loop_new(), .stop_at = 3};
	struct pg *p = pool(
	    *state, &s, (struct pg_settings){.connections = 1, .queue = 2});
	struct seen full = {.loop = s.loop};
	const char *one = "1";

	pg_ask(p, Q_ECHO, &one, on_answer, &s);
	pg_ask(p, Q_ECHO, &one, on_answer, &s);
	pg_ask(p, Q_ECHO, &one, on_answer, &full);
	assert_int_equal(full.answers, 0);
	s.stop_at = 2;
	run(&s);
	assert_int_equal(full.answers, 1);
	assert_int_equal(full.fault.kind, FAULT_UNAVAILABLE);
	assert_string_equal(
	    full.fault.why, "echo: too many questions to postgres are waiting");
	pg_free(&p);
	loop_free(&s.loop);
}

static void
test_server_restart(void **state)
{
	struct fixture *x = *state;
	struct seen s = {.loop = loop_new(), .stop_at = 1};
	struct pg *p = pool(x, &s, (struct pg_settings){0});
	const char *v = "60";

	/* Questions under way when it crashes are answered, once each. */
	s.stop_when_down = true;
	s.stop_at = 2;
	pg_ask(p, Q_SLOW, &v, on_answer, &s);
	pg_ask(p, Q_SLOW, &v, on_answer, &s);
	private_postgres_down(&x->server, SIGQUIT);
	run(&s);
	if (s.answers < 2)
		run(&s);
	assert_int_equal(s.answers, 2);
	assert_int_equal(s.fault.kind, FAULT_UNAVAILABLE);
	while (pg_is_up(p))
		run(&s);
	assert_false(s.up);
	/* Down: refused at once, through the loop. */
	s.stop_at = 3;
	pg_ask(p, Q_ECHO, &v, on_answer, &s);
	assert_int_equal(s.answers, 2);
	run(&s);
	assert_string_equal(s.fault.why, "echo: postgres is not connected");
	/* Back by itself. */
	assert_true(private_postgres_up(&x->server));
	s.stop_when_up = true;
	run(&s);
	s.stop_at = 4;
	pg_ask(p, Q_ECHO, &v, on_answer, &s);
	run(&s);
	assert_false(s.had_fault);
	assert_int_equal(s.value, 60);
	pg_free(&p);
	loop_free(&s.loop);
}

static void
on_free_all(void *arg, const struct pg_rows *rows, const struct fault *f)
{
	struct seen *s = arg;

	assert_non_null(rows);
	assert_null(f);
	pg_free(&s->pg);
	loop_stop(s->loop);
}

static void
test_freed_from_inside_an_answer(void **state)
{
	struct seen s = {.loop = loop_new()};
	struct seen never = {.loop = s.loop};
	const char *one = "1";

	pool(*state, &s, (struct pg_settings){.connections = 1});
	pg_ask(s.pg, Q_ECHO, &one, on_free_all, &s);
	for (int i = 0; i < 10; i++)
		pg_ask(s.pg, Q_ECHO, &one, on_answer, &never);
	run(&s);
	assert_null(s.pg);
	assert_int_equal(never.answers, 0);
	loop_free(&s.loop);
}

static void
on_notify(void *arg, const char *channel, const char *payload)
{
	struct seen *s = arg;

	s->notifies++;
	snprintf(s->text, sizeof s->text, "%s %s", channel, payload);
	loop_stop(s->loop);
}

static void
on_fresh(void *arg)
{
	struct seen *s = arg;

	s->fresh++;
	loop_stop(s->loop);
}

static void
test_listener_hears_and_is_told_to_read_again(void **state)
{
	struct fixture *x = *state;
	struct seen s = {.loop = loop_new()};
	const char *channels[] = {"device_changed", "odd \"name\""};
	struct pg_listener *l = pg_listen(s.loop, x->server.conninfo,
	    "listener", channels, 2, on_notify, on_fresh, &s, &x->log);

	run(&s);
	assert_int_equal(s.fresh, 1);
	sql(x, "NOTIFY device_changed, 'did:assay:z1'");
	run(&s);
	assert_string_equal(s.text, "device_changed did:assay:z1");
	sql(x, "NOTIFY \"odd \"\"name\"\"\", 'x'");
	run(&s);
	assert_string_equal(s.text, "odd \"name\" x");
	sql(x, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
	       " WHERE application_name = 'listener'");
	run(&s);
	assert_int_equal(s.fresh, 2);
	assert_int_equal(s.notifies, 2);
	pg_listener_free(&l);
	assert_null(l);
	loop_free(&s.loop);
}

static void
test_session_for_the_command_line(void **state)
{
	struct fixture *x = *state;
	struct pg_session *s;
	struct pg_rows *rows;
	struct fault f;
	const char *v[] = {"41"};

	assert_true(pg_session_open(x->server.conninfo, "cli", &s, &f));
	assert_true(pg_session_run(s, "SELECT $1::int + 1", 1, v, &rows, &f));
	assert_int_equal(pg_i64(rows, 0, 0), 42);
	pg_rows_free(&rows);
	assert_null(rows);
	assert_true(pg_session_run(s, "SELECT 1; SELECT 2", 0, NULL, NULL, &f));
	assert_false(pg_session_run(s, "SELECT", 0, v, NULL, &f) &&
		     pg_session_run(s, "SELEC", 0, NULL, NULL, &f));
	assert_int_equal(f.kind, FAULT_INTERNAL);
	pg_session_free(&s);
	assert_false(pg_session_open("host=/nowhere", "cli", &s, &f));
	assert_int_equal(f.kind, FAULT_UNAVAILABLE);
	assert_null(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pipelined_answers_come_in_order),
	    cmocka_unit_test(test_constraint_is_a_conflict_with_its_name),
	    cmocka_unit_test(test_values_survive_the_trip),
	    cmocka_unit_test(test_statement_that_cannot_be_prepared),
	    cmocka_unit_test(test_silence_is_a_timeout_and_the_line_comes_back),
	    cmocka_unit_test(test_statement_limit),
	    cmocka_unit_test(test_what_was_refused_is_not_done),
	    cmocka_unit_test(test_waiting_for_a_turn_is_not_slowness),
	    cmocka_unit_test(test_cancelled_question_is_never_answered),
	    cmocka_unit_test(test_full_queue_refuses_through_the_loop),
	    cmocka_unit_test(test_server_restart),
	    cmocka_unit_test(test_freed_from_inside_an_answer),
	    cmocka_unit_test(test_listener_hears_and_is_told_to_read_again),
	    cmocka_unit_test(test_session_for_the_command_line),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
