/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's SQL on a migrated database, under the gateway's own role:
 * every statement is prepared, so that schema, rights and code cannot drift;
 * then keys, requests and kept answers are written and read back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/gateway_db_bench.h"

static void
test_prepare(void **state)
{
	struct pg_session *s;
	struct fault f = {0};
	char conninfo[200];
	char sql[8192];

	(void)state;
	if (!is_here)
		skip();
	migrated_conninfo(&server, "assay_gateway", conninfo, sizeof(conninfo));
	assert_true(pg_session_open(conninfo, "test", &s, &f));
	for (size_t i = 0; i < gateway_statement_count; i++) {
		const struct pg_statement *x = &gateway_statements[i];
		int len = snprintf(
		    sql, sizeof(sql), "PREPARE %s AS %s", x->name, x->sql);

		assert_in_range(len, 1, sizeof(sql) - 1);
		if (!pg_session_run(s, sql, 0, NULL, NULL, &f))
			fail_msg("%s: %s", x->name, f.why);
	}
	pg_session_free(&s);
}

static void
test_key(void **state)
{
	uint8_t good[32], old[32], none[32] = {0};
	struct bench b;

	(void)state;
	if (!is_here)
		skip();
	sha256(bytes_of("good", 4), good);
	sha256(bytes_of("old", 3), old);
	bench_open(&b);
	await(&b, gateway_db_find_key(b.pg, good, on_key, &b));
	assert_true(b.is_there);
	assert_string_equal(b.key.principal.key, KEY);
	assert_string_equal(b.key.principal.account, ACCOUNT);
	assert_string_equal(b.key.principal.workspace, W);
	assert_int_equal(
	    b.key.principal.scopes, SCOPE_INFERENCE | SCOPE_WORKSPACE_ONLY);
	assert_int_equal(b.key.principal.limits.requests_per_minute, 60);
	assert_int_equal(b.key.principal.limits.concurrent, 0);
	assert_true(b.key.principal.expires_at == INT64_C(4102444800000));
	assert_false(b.key.is_revoked || b.key.is_suspended);

	await(&b, gateway_db_find_key(b.pg, old, on_key, &b));
	assert_true(b.is_there && b.key.is_revoked);
	await(&b, gateway_db_find_key(b.pg, none, on_key, &b));
	assert_false(b.is_there);

	assert_true(migrated_run(server.conninfo,
	    "UPDATE assay.workspace SET suspended_at = now() WHERE id = '" W
	    "'"));
	await(&b, gateway_db_find_key(b.pg, good, on_key, &b));
	assert_true(b.key.is_suspended);
	assert_true(migrated_run(
	    server.conninfo, "UPDATE assay.workspace SET suspended_at = NULL"));
	bench_close(&b);
}

static void
test_unknown_scope_fails_closed(void **state)
{
	uint8_t odd[32];
	struct bench b;

	(void)state;
	if (!is_here)
		skip();
	assert_true(migrated_run(server.conninfo,
	    "INSERT INTO assay.api_key (id, account_id, workspace_id, sha256,"
	    " hint, scopes) VALUES (gen_random_uuid(), '" ACCOUNT "', '" W
	    "', sha256('odd'), 'x',"
	    " '{lattice:compute:inference,lattice:compute:not_yet}')"));
	sha256(bytes_of("odd", 3), odd);
	bench_open(&b);
	b.pending = gateway_db_find_key(b.pg, odd, on_key, &b);
	loop_run(b.loop);
	assert_false(b.is_there);
	assert_int_equal(b.fault.kind, FAULT_INTERNAL);
	bench_close(&b);
}

static struct request_row
request_row(const char *id)
{
	return (struct request_row){.id = id,
	    .created_at = CREATED,
	    .account = ACCOUNT,
	    .workspace = W,
	    .key = KEY,
	    .endpoint = "chat/completions",
	    .task = "chat",
	    .model = "test:public",
	    .streamed = true,
	    .pool_wanted = "any",
	    .did = DID,
	    .pool = "marketplace",
	    .tier = "gold",
	    .quantization = "Q4_K_M",
	    .outcome = "served",
	    .status = 200,
	    .attempts = 2,
	    .rejected = "{\"draining\":1}",
	    .prompt_tokens = 7,
	    .completion_tokens = -1,
	    .request_bytes = 100,
	    .response_bytes = 200,
	    .auth_us = 1,
	    .route_us = 2,
	    .mint_us = 3,
	    .connect_us = -1,
	    .first_byte_us = 4,
	    .total_us = 5,
	    .instance = "gw-1"};
}

static struct attempt_row
attempt_row(const char *request, int ordinal, const char *code)
{
	return (struct attempt_row){.request = request,
	    .created_at = CREATED,
	    .ordinal = ordinal,
	    .did = DID,
	    .pool = "marketplace",
	    .tier = "bronze",
	    .outcome = code != NULL ? "failed" : "served",
	    .status = -1,
	    .fault_code = code,
	    .fault_why =
		code != NULL ? "it \"broke\" {off}, \\ said NULL" : NULL,
	    .started_us = 9,
	    .first_byte_us = -1,
	    .total_us = 10};
}

static void
test_requests(void **state)
{
	uint8_t random[10] = {1};
	char one[UUID_TEXT], two[UUID_TEXT];
	struct request_row rows[2];
	struct attempt_row attempts[2];
	struct bench b;

	(void)state;
	if (!is_here)
		skip();
	uuid_v7(CREATED, random, one);
	random[9] = 2;
	uuid_v7(CREATED, random, two);
	rows[0] = request_row(one);
	rows[1] = request_row(two);
	rows[1].account = rows[1].workspace = rows[1].key = NULL;
	rows[1].pool = rows[1].tier = rows[1].rejected = NULL;
	attempts[0] = attempt_row(one, 1, "provider_error");
	attempts[1] = attempt_row(one, 2, NULL);
	bench_open(&b);
	await(&b,
	    gateway_db_write_requests(b.pg, rows, 2, attempts, 2, on_done, &b));
	/* Again, and once more with something new: nothing doubles. */
	await(&b,
	    gateway_db_write_requests(b.pg, rows, 2, attempts, 2, on_done, &b));
	await(
	    &b, gateway_db_write_requests(b.pg, rows, 1, NULL, 0, on_done, &b));
	assert_string_equal(
	    value(&b, "SELECT count(*) FROM assay.request"), "2");
	assert_string_equal(
	    value(&b, "SELECT count(*) FROM assay.request_attempt"), "2");
	assert_string_equal(
	    value(&b, "SELECT fault_why FROM assay.request_attempt"
		      " WHERE ordinal = 1"),
	    "it \"broke\" {off}, \\ said NULL");

	await(&b, gateway_db_find_request(b.pg, one, ACCOUNT, on_request, &b));
	assert_true(b.is_there);
	assert_string_equal(b.request.id, one);
	assert_true(b.request.created_at == CREATED);
	assert_string_equal(b.request.model, "test:public");
	assert_string_equal(b.request.pool, "marketplace");
	assert_string_equal(b.request.outcome, "served");
	assert_true(b.request.streamed && !b.request.verified);
	assert_true(b.request.prompt_tokens == 7);
	assert_true(b.request.completion_tokens == -1);
	assert_true(b.request.connect_us == -1);
	assert_true(b.request.total_us == 5);
	assert_int_equal(b.attempt_count, 2);
	assert_true(b.attempts[0].ordinal == 1);
	assert_string_equal(b.attempts[0].fault_code, "provider_error");
	assert_null(b.attempts[1].fault_code);

	/* Somebody else's is as none, and so is what is no id of ours. */
	await(&b, gateway_db_find_request(b.pg, one, W, on_request, &b));
	assert_false(b.is_there);
	await(&b, gateway_db_find_request(b.pg, two, ACCOUNT, on_request, &b));
	assert_false(b.is_there);
	await(&b,
	    gateway_db_find_request(b.pg, "'; --", ACCOUNT, on_request, &b));
	assert_false(b.is_there);
	bench_close(&b);
}

static void
test_kept_answers(void **state)
{
	struct answer_row row = {.status = 200, .body = "{\"token\":1}"};
	struct answer_row other = {.status = 201, .body = "{}"};
	struct bench b;

	(void)state;
	if (!is_here)
		skip();
	memset(row.request_sha256, 7, 32);
	bench_open(&b);
	await(&b, gateway_db_find_answer(
		      b.pg, ACCOUNT, "handoffs", "k", on_kept, &b));
	assert_false(b.is_there);
	await(&b, gateway_db_keep_answer(
		      b.pg, ACCOUNT, "handoffs", "k", &row, on_done, &b));
	await(&b, gateway_db_keep_answer(
		      b.pg, ACCOUNT, "handoffs", "k", &other, on_done, &b));
	await(&b, gateway_db_find_answer(
		      b.pg, ACCOUNT, "handoffs", "k", on_kept, &b));
	assert_true(b.is_there);
	assert_int_equal(b.kept.status, 200);
	assert_string_equal(b.kept.body, "{\"token\":1}");
	assert_memory_equal(b.kept.request_sha256, row.request_sha256, 32);

	/* After a day the key is free again. */
	assert_true(migrated_run(server.conninfo,
	    "UPDATE assay.idempotency SET created_at = now() "
	    "- interval '25h'"));
	await(&b, gateway_db_find_answer(
		      b.pg, ACCOUNT, "handoffs", "k", on_kept, &b));
	assert_false(b.is_there);
	await(&b, gateway_db_keep_answer(
		      b.pg, ACCOUNT, "handoffs", "k", &other, on_done, &b));
	await(&b, gateway_db_find_answer(
		      b.pg, ACCOUNT, "handoffs", "k", on_kept, &b));
	assert_true(b.is_there);
	assert_int_equal(b.kept.status, 201);
	bench_close(&b);
}

static void
test_cancel(void **state)
{
	struct pending *p;
	struct bench b;

	(void)state;
	if (!is_here)
		skip();
	bench_open(&b);
	p = gateway_db_load(b.pg, CATALOG_MODELS, on_part, &b);
	pending_cancel(&p);
	assert_null(p);
	await(&b, gateway_db_versions(b.pg, on_versions, &b));
	assert_int_equal(b.answers, 1);
	bench_close(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_prepare),
	    cmocka_unit_test(test_key),
	    cmocka_unit_test(test_unknown_scope_fails_closed),
	    cmocka_unit_test(test_requests),
	    cmocka_unit_test(test_kept_answers),
	    cmocka_unit_test(test_cancel),
	};

	return cmocka_run_group_tests(tests, start, end);
}
