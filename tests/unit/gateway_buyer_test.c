/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/buyer: which credentials there are, what is remembered, and what
 * an outage of Postgres does and does not change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/scope.h"
#include "gateway/buyer.h"
#include "gateway/gateway_db.h"
#include "tests/unit/gateway_fakes.h"
#include "tests/unit/migrated_postgres.h"

static struct private_postgres server;
static bool is_here;

static const char world[] =
    "INSERT INTO assay.workspace (id, name) VALUES"
    " ('11111111-1111-7111-8111-111111111111', 'w');"
    "INSERT INTO assay.account (id, name) VALUES"
    " ('33333333-3333-7333-8333-333333333333', 'a');"
    "INSERT INTO assay.membership VALUES"
    " ('11111111-1111-7111-8111-111111111111',"
    " '33333333-3333-7333-8333-333333333333');"
    "INSERT INTO assay.api_key (id, account_id, workspace_id, sha256, hint,"
    " scopes) VALUES ('44444444-4444-7444-8444-444444444441',"
    " '33333333-3333-7333-8333-333333333333',"
    " '11111111-1111-7111-8111-111111111111', sha256('lv_live_good'), 'x',"
    " '{lattice:compute:inference}');";

struct scene {
	struct loop *loop;
	struct log log;
	struct pg *pg;
	struct buyers *buyers;
	struct arena *arena;
	struct pending *question;
	unsigned answers;
	bool is_known;
	struct principal principal;
	struct fault fault;
};

static void
begin(struct scene *s, const char *conninfo, int64_t fresh_ms)
{
	struct pg_settings pg = {.conninfo = conninfo,
	    .application = "test",
	    .statements = gateway_statements,
	    .statement_count = gateway_statement_count};
	struct buyers_settings b = {fresh_ms, 50, 4};

	memset(s, 0, sizeof(*s));
	s->arena = arena_new();
	log_init(&s->log, "test", LOG_ERROR_);
	s->loop = loop_new();
	s->pg = pg_new(s->loop, &pg, &s->log);
	s->buyers = buyers_new(s->loop, s->pg, &b);
}

static void
end(struct scene *s)
{
	buyers_free(&s->buyers);
	pg_free(&s->pg);
	loop_free(&s->loop);
	arena_free(&s->arena);
}

static void
on_answer(void *arg, const struct principal *p, const struct fault *f)
{
	struct scene *s = arg;

	s->question = NULL;
	s->answers++;
	s->is_known = p != NULL;
	if (p != NULL)
		s->principal = *p;
	else
		s->fault = *f;
}

static bool
is_answered(void *arg)
{
	return ((struct scene *)arg)->answers > 0;
}

static bool
is_up(void *arg)
{
	return pg_is_up(((struct scene *)arg)->pg);
}

static bool
is_down(void *arg)
{
	return !is_up(arg);
}

static void
ask(struct scene *s, const char *key)
{
	struct http_fields fs = {0};

	http_fields_add(&fs, s->arena, "x-api-key", key);
	s->answers = 0;
	s->question = buyer_ask(s->buyers, &fs, on_answer, s);
	assert_int_equal(s->answers, 0); /* never before it has returned */
	assert_true(run_until(s->loop, is_answered, s));
	assert_int_equal(s->answers, 1);
}

static void
assert_refused(struct scene *s, const char *key, enum fault_kind kind)
{
	ask(s, key);
	assert_false(s->is_known);
	assert_int_equal(s->fault.kind, kind);
}

static void
test_credentials(void **state)
{
	static const struct {
		const char *name, *value, *out, *why;
	} rows[] = {
	    {"authorization", "Bearer lv_live_abc", "lv_live_abc", NULL},
	    {"authorization", "bearer  lv_live_abc", "lv_live_abc", NULL},
	    {"x-api-key", "lv_live_abc", "lv_live_abc", NULL},
	    {"authorization", "Basic abc", NULL,
		"Authorization must be Bearer <api key>"},
	    {"authorization", "Bearer a.b.c", NULL,
		"that is a token, not an API key of this gateway"},
	    {"authorization", "Bearer sk-abc", NULL,
		"an API key begins with lv_live_"},
	    {"authorization", "Bearer lv_live_", NULL,
		"that is not the form of an API key"},
	    {"authorization", "Bearer lv_live_a b", NULL,
		"that is not the form of an API key"},
	    {"x-other", "lv_live_abc", NULL,
		"no credential: send Authorization: Bearer <api key>"},
	};
	struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct http_fields fs = {0};
		struct fault f = {0};
		const char *out;
		bool ok;

		http_fields_add(&fs, a, rows[i].name, rows[i].value);
		ok = credential_read(&fs, &out, &f);
		assert_int_equal(ok, rows[i].out != NULL);
		if (ok) {
			assert_string_equal(out, rows[i].out);
			continue;
		}
		assert_int_equal(f.kind, FAULT_INVALID_CREDENTIAL);
		assert_string_equal(f.why, rows[i].why);
	}
	arena_free(&a);
}

static void
test_several_credentials(void **state)
{
	struct arena *a = arena_new();
	struct http_fields fs = {0};
	struct fault f;
	const char *out;

	(void)state;
	http_fields_add(&fs, a, "authorization", "Bearer lv_live_a");
	http_fields_add(&fs, a, "x-api-key", "lv_live_a");
	assert_true(credential_read(&fs, &out, &f));
	fs.at[1].value = "lv_live_b";
	assert_false(credential_read(&fs, &out, &f));
	assert_string_equal(f.why, "Authorization and x-api-key differ");
	fs.at[1].name = "authorization";
	assert_false(credential_read(&fs, &out, &f));
	assert_string_equal(f.why, "the request carries several credentials");
	arena_free(&a);
}

static void
test_known_and_revoked(void **state)
{
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s, server.conninfo, 60000);
	assert_true(run_until(s.loop, is_up, &s));
	ask(&s, "lv_live_good");
	assert_true(s.is_known);
	assert_int_equal(s.principal.scopes, SCOPE_INFERENCE);
	assert_refused(&s, "lv_live_bad", FAULT_INVALID_CREDENTIAL);
	assert_true(migrated_run(
	    server.conninfo, "UPDATE assay.api_key SET revoked_at = now()"));
	ask(&s, "lv_live_good");
	assert_true(s.is_known); /* nobody told us yet */
	buyers_doubt(s.buyers);
	assert_refused(&s, "lv_live_good", FAULT_REVOKED_GRANT);
	assert_true(migrated_run(
	    server.conninfo, "UPDATE assay.api_key SET revoked_at = NULL"));
	buyers_doubt(s.buyers);
	ask(&s, "lv_live_good");
	assert_true(s.is_known);
	for (int i = 0; i < 10; i++) /* more than are kept */
		assert_refused(&s, arena_printf(s.arena, "lv_live_bad%d", i),
		    FAULT_INVALID_CREDENTIAL);
	end(&s);
}

static void
test_outage(void **state)
{
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s, server.conninfo, 0); /* never fresh: always asked again */
	assert_true(run_until(s.loop, is_up, &s));
	ask(&s, "lv_live_good");
	assert_true(s.is_known);
	private_postgres_down(&server, SIGINT);
	assert_true(run_until(s.loop, is_down, &s));
	ask(&s, "lv_live_good");
	assert_true(s.is_known);
	assert_refused(
	    &s, "lv_live_other", FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE);
	assert_refused(&s, "a.b.c", FAULT_INVALID_CREDENTIAL);
	end(&s);
	assert_true(private_postgres_up(&server));
}

static void
test_cancelled(void **state)
{
	struct http_fields fs = {0};
	struct scene s;

	(void)state;
	begin(&s, "host=/nonexistent", 60000);
	http_fields_add(&fs, s.arena, "x-api-key", "lv_live_good");
	s.question = buyer_ask(s.buyers, &fs, on_answer, &s);
	pending_cancel(&s.question);
	run_for(s.loop, 10);
	assert_int_equal(s.answers, 0);
	end(&s);
}

static int
start(void **state)
{
	(void)state;
	is_here = migrated_postgres_start(&server);
	if (is_here)
		assert_true(migrated_run(server.conninfo, world));
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
	    cmocka_unit_test(test_credentials),
	    cmocka_unit_test(test_several_credentials),
	    cmocka_unit_test(test_known_and_revoked),
	    cmocka_unit_test(test_outage),
	    cmocka_unit_test(test_cancelled),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
