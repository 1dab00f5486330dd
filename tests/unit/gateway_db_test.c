/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's SQL on a migrated database, under the gateway's own role:
 * every statement is prepared, so that schema, rights and code cannot drift,
 * and then each is asked and read back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "auth/scope.h"
#include "base/crypto.h"
#include "gateway/gateway_db.h"
#include "tests/unit/migrated_postgres.h"

#define W "11111111-1111-7111-8111-111111111111"
#define W2 "22222222-2222-7222-8222-222222222222"
#define ACCOUNT "33333333-3333-7333-8333-333333333333"
#define KEY "44444444-4444-7444-8444-444444444444"
#define OLD_KEY "44444444-4444-7444-8444-444444444445"
#define ARTIFACT "55555555-5555-7555-8555-555555555555"
#define SESSION "66666666-6666-7666-8666-666666666666"
#define DID "did:assay:z1"
#define CREATED INT64_C(1700000000123)

static struct private_postgres server;
static bool is_here;

static const char world[] =
    "INSERT INTO assay.workspace (id, name) VALUES ('" W "', 'w'),"
    " ('" W2 "', 'w2');"
    "INSERT INTO assay.account (id, name) VALUES ('" ACCOUNT "', 'a');"
    "INSERT INTO assay.membership VALUES ('" W "', '" ACCOUNT "');"
    "INSERT INTO assay.api_key (id, account_id, workspace_id, sha256, hint,"
    " scopes, requests_per_minute, expires_at) VALUES ('" KEY "',"
    " '" ACCOUNT "', '" W "', sha256('good'), 'x',"
    " '{lattice:compute:inference,lattice:compute:workspace_only}', 60,"
    " '2100-01-01T00:00:00Z');"
    "INSERT INTO assay.api_key (id, account_id, workspace_id, sha256, hint,"
    " scopes, revoked_at) VALUES ('" OLD_KEY "', '" ACCOUNT "', '" W "',"
    " sha256('old'), 'x', '{lattice:compute:inference}', now());"
    "INSERT INTO assay.device (did, workspace_id, name, public_jwk) VALUES"
    " ('" DID "', '" W "', 'box', '{}'), ('did:assay:z2', '" W2 "', '', '{}');"
    "UPDATE assay.device SET state = 'revoked', revoked_at = now()"
    " WHERE did = 'did:assay:z2';"
    "INSERT INTO assay.device_certificate (serial, did, sha256, spki_sha256,"
    " not_before, not_after, revoked_at) VALUES"
    " ('0A', '" DID "', sha256('c1'), sha256('k1'), now(), '2100-01-01', NULL),"
    " ('0B', '" DID "', sha256('c2'), sha256('k2'), now(), '2100-01-02',"
    " now());"
    "INSERT INTO assay.model (canonical, display_name, context_length) VALUES"
    " ('test:public', 'Public', 4096);"
    "INSERT INTO assay.model (canonical, workspace_id) VALUES"
    " ('test:private', '" W2 "');"
    "INSERT INTO assay.model_task VALUES ('test:public', 'chat'),"
    " ('test:public', 'completion'), ('test:private', 'chat');"
    "INSERT INTO assay.artifact (id, canonical, runtime, quantization, digest)"
    " VALUES ('" ARTIFACT "', 'test:public', 'llama.cpp', 'Q4_K_M',"
    " sha256('d'));"
    "INSERT INTO assay.artifact_file VALUES"
    " ('" ARTIFACT "', 0, 'a', 1, sha256('two')),"
    " ('" ARTIFACT "', 1, 'b', 1, sha256('one'));"
    "INSERT INTO assay.score (did, task, canonical, tier, score, sample_size)"
    " VALUES ('" DID "', 'chat', 'test:public', 'gold', 91.5, 30),"
    " ('" DID "', 'completion', 'test:public', 'bronze', NULL, 0);";

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
end(void **state)
{
	(void)state;
	if (is_here)
		private_postgres_end(&server);
	return 0;
}

/* ---------------------------------------------------------------- asking */

/* One worker's end of the database, and the answer that came last. */
struct bench {
	struct log log;
	struct loop *loop;
	struct pg *pg;
	struct arena *arena;
	struct pending *pending;
	unsigned answers;
	struct fault fault;
	struct key_row key;
	bool is_there;
	struct change_versions versions;
	struct draft *draft;
	int64_t version;
	struct request_row request;
	struct attempt_row attempts[4];
	size_t attempt_count;
	struct answer_row kept;
};

static void
on_up(void *arg, bool up)
{
	struct bench *b = arg;

	if (up)
		loop_stop(b->loop);
}

static void
bench_open(struct bench *b)
{
	char conninfo[200];
	struct pg_settings settings = {
	    .conninfo = conninfo,
	    .application = "assay-gateway",
	    .statements = gateway_statements,
	    .statement_count = gateway_statement_count,
	};

	memset(b, 0, sizeof(*b));
	migrated_conninfo(&server, "assay_gateway", conninfo, sizeof(conninfo));
	log_init(&b->log, "test", LOG_ERROR_);
	b->arena = arena_new();
	b->loop = loop_new();
	b->pg = pg_new(b->loop, &settings, &b->log);
	pg_on_change(b->pg, on_up, b);
	loop_run(b->loop);
	assert_true(pg_is_up(b->pg));
}

static void
bench_close(struct bench *b)
{
	pg_free(&b->pg);
	loop_free(&b->loop);
	arena_free(&b->arena);
	draft_free(&b->draft);
}

static void
answered(struct bench *b, const struct fault *f)
{
	assert_non_null(b->pending); /* never before the ask has returned */
	b->pending = NULL;
	b->answers++;
	b->fault = f != NULL ? *f : (struct fault){0};
	loop_stop(b->loop);
}

/* Runs until the question just asked is answered, well. */
static void
await(struct bench *b, struct pending *pending)
{
	unsigned before = b->answers;

	b->pending = pending;
	loop_run(b->loop);
	assert_int_equal(b->answers, before + 1);
	if (b->fault.kind != FAULT_NONE)
		fail_msg("%s", b->fault.why);
}

static void
on_key(void *arg, const struct key_row *row, const struct fault *f)
{
	struct bench *b = arg;

	b->is_there = row != NULL;
	if (row != NULL)
		b->key = *row;
	answered(b, f);
}

static void
on_versions(void *arg, const struct change_versions *v, const struct fault *f)
{
	struct bench *b = arg;

	if (v != NULL)
		b->versions = *v;
	answered(b, f);
}

static void
on_part(void *arg, struct draft **d, int64_t version, const struct fault *f)
{
	struct bench *b = arg;

	b->draft = *d;
	*d = NULL;
	b->version = version;
	answered(b, f);
}

static void
on_request(void *arg, const struct request_row *row,
    const struct attempt_row *attempts, size_t count, const struct fault *f)
{
	struct bench *b = arg;

	b->is_there = row != NULL;
	b->attempt_count = count;
	if (row != NULL) {
		b->request = *row;
		b->request.id = arena_string(b->arena, row->id);
		b->request.model = arena_string(b->arena, row->model);
		b->request.pool = arena_string(b->arena, row->pool);
		b->request.rejected = arena_string(b->arena, row->rejected);
		b->request.outcome = arena_string(b->arena, row->outcome);
	}
	for (size_t i = 0; i < count && i < 4; i++) {
		b->attempts[i] = attempts[i];
		b->attempts[i].did = arena_string(b->arena, attempts[i].did);
		b->attempts[i].fault_code =
		    arena_string(b->arena, attempts[i].fault_code);
	}
	answered(b, f);
}

static void
on_kept(void *arg, const struct answer_row *row, const struct fault *f)
{
	struct bench *b = arg;

	b->is_there = row != NULL;
	if (row != NULL) {
		b->kept = *row;
		b->kept.body = arena_string(b->arena, row->body);
	}
	answered(b, f);
}

static void
on_done(void *arg, const struct fault *f)
{
	answered(arg, f);
}

static const char *
value(struct bench *b, const char *sql)
{
	return migrated_value(server.conninfo, sql, b->arena);
}

/* ----------------------------------------------------------------- tests */

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

static const struct catalog *
load(struct bench *b, enum catalog_part part)
{
	await(b, gateway_db_load(b->pg, part, on_part, b));
	assert_non_null(b->draft);
	assert_int_equal(draft_dropped(b->draft), 0);
	return catalog_next(NULL, &b->draft);
}

static void
test_models(void **state)
{
	const struct catalog_artifact *const *at;
	const struct catalog_model *m;
	const struct catalog *c;
	uint8_t hash[32];
	size_t count;
	struct bench b;

	(void)state;
	if (!is_here)
		skip();
	bench_open(&b);
	c = load(&b, CATALOG_MODELS);
	assert_int_equal(catalog_task_count(c), 6);
	assert_true(
	    catalog_task_find(c, text_of("transcription"))->is_multipart);
	m = catalog_model_find(c, text_of("test:public"), W);
	assert_non_null(m);
	assert_string_equal(m->display_name, "Public");
	assert_int_equal(m->context_length, 4096);
	assert_int_equal(m->task_count, 2);
	assert_true(m->created_at > CREATED);
	assert_int_equal(m->artifact_count, 1);
	assert_int_equal(m->artifacts[0]->file_count, 2);
	assert_int_equal(m->artifacts[0]->runtime, RUNTIME_LLAMA_CPP);
	assert_null(catalog_model_find(c, text_of("test:private"), W));
	assert_non_null(catalog_model_find(c, text_of("test:private"), W2));
	sha256(bytes_of("one", 3), hash);
	at = catalog_artifacts_with(c, hash, &count);
	assert_int_equal(count, 1);
	assert_string_equal(at[0]->id, ARTIFACT);
	assert_true(memcmp(at[0]->files[0], at[0]->files[1], 32) < 0);

	await(&b, gateway_db_versions(b.pg, on_versions, &b));
	assert_true(b.versions.at[CHANGE_CATALOG] == b.version);
	assert_true(b.version > 0);
	catalog_unref(&c);
	bench_close(&b);
}

static void
test_devices_and_scores(void **state)
{
	const struct catalog_score *s;
	const struct catalog *c;
	size_t count;
	struct bench b;

	(void)state;
	if (!is_here)
		skip();
	bench_open(&b);
	c = load(&b, CATALOG_DEVICES);
	assert_string_equal(catalog_device_find(c, DID)->workspace, W);
	assert_string_equal(catalog_device_find(c, DID)->name, "box");
	assert_false(catalog_device_find(c, DID)->is_revoked);
	assert_true(catalog_device_find(c, DID)->certificate_expires_at ==
		    INT64_C(4102444800000));
	assert_true(catalog_device_find(c, "did:assay:z2")->is_revoked);
	assert_null(catalog_device_find(c, "did:assay:z3"));
	assert_true(catalog_certificate_is_revoked(c, "0B"));
	assert_false(catalog_certificate_is_revoked(c, "0A"));
	catalog_unref(&c);

	c = load(&b, CATALOG_SCORES);
	s = catalog_score_find(c, DID, "chat", "test:public");
	assert_int_equal(s->tier, TIER_GOLD);
	assert_true(s->score > 91.4 && s->score < 91.6);
	assert_true(s->samples > 29.9);
	s = catalog_score_find(c, DID, "completion", "test:public");
	assert_true(s->score < 0);
	assert_null(catalog_score_find(c, DID, "chat", "test:private"));
	(void)catalog_scores_of(c, DID, &count);
	assert_int_equal(count, 2);
	catalog_unref(&c);
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
	assert_true(migrated_run(
	    server.conninfo, "UPDATE assay.idempotency SET created_at = now() "
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
test_tunnels(void **state)
{
	static const char id[] = SESSION;
	const char *ids[] = {id};
	struct tunnel_row t = {.id = id,
	    .did = DID,
	    .slot = 1,
	    .instance = "gw-1",
	    .remote = "127.0.0.1:1",
	    .serial = "0A",
	    .daemon = "d",
	    .runtime_kind = "ollama",
	    .runtime_version = "1",
	    .opened_at = CREATED};
	struct bench b;

	(void)state;
	if (!is_here)
		skip();
	bench_open(&b);
	await(&b, gateway_db_open_tunnel(b.pg, &t, on_done, &b));
	t.runtime_version = "2";
	await(&b, gateway_db_open_tunnel(b.pg, &t, on_done, &b));
	assert_string_equal(
	    value(&b, "SELECT runtime_version FROM assay.tunnel_session"), "2");
	await(&b, gateway_db_touch_tunnels(b.pg, ids, 1, on_done, &b));
	assert_string_equal(
	    value(&b, "SELECT workspace FROM operator.connected"), "w");
	await(&b,
	    gateway_db_close_tunnel(b.pg, id, "draining", "bye", on_done, &b));
	await(&b,
	    gateway_db_close_tunnel(b.pg, id, "internal", "late", on_done, &b));
	assert_string_equal(
	    value(&b, "SELECT close_reason FROM assay.tunnel_session"), "bye");
	assert_true(migrated_run(server.conninfo,
	    "UPDATE assay.tunnel_session SET closed_at = NULL"));
	await(&b, gateway_db_close_left(b.pg, "gw-2", on_done, &b));
	assert_string_equal(
	    value(&b, "SELECT count(*) FROM assay.tunnel_session"
		      " WHERE closed_at IS NULL"),
	    "1");
	await(&b, gateway_db_close_left(b.pg, "gw-1", on_done, &b));
	assert_string_equal(
	    value(&b, "SELECT count(*) FROM assay.tunnel_session"
		      " WHERE closed_at IS NULL"),
	    "0");
	bench_close(&b);
}

static const char statement_text[] =
    "{\"protocol\":1,\"daemon\":\"d\",\"runtime\":{\"kind\":\"llama.cpp\","
    "\"version\":\"1\"},\"models\":["
    "{\"canonical\":\"test:public\",\"tasks\":[\"chat\"],\"files\":"
    "[{\"name\":\"a \\\"b\\\"\",\"size\":1,\"sha256\":\"%s\"},"
    "{\"name\":\"c\",\"size\":1,\"sha256\":\"%s\"}],"
    "\"quantization\":\"Q4_K_M\"},"
    "{\"canonical\":\"test:other\",\"tasks\":[],\"files\":[],"
    "\"quantization\":\"F16\"},"
    "{\"canonical\":\"test:public\",\"tasks\":[],\"files\":[]}]}";

static const char *
first_seen(struct bench *b)
{
	return value(b, "SELECT first_seen_at FROM assay.fingerprint"
			" WHERE canonical = 'test:public'");
}

static void
test_fingerprints(void **state)
{
	char one[65], two[65];
	uint8_t hash[32];
	struct statement_verdict v[3];
	const struct catalog *c;
	const char *seen;
	struct statement s;
	struct fault f = {0};
	struct bench b;

	(void)state;
	if (!is_here)
		skip();
	bench_open(&b);
	c = load(&b, CATALOG_MODELS);
	sha256(bytes_of("one", 3), hash);
	for (int i = 0; i < 32; i++)
		snprintf(one + i * 2, 3, "%02x", hash[i]);
	sha256(bytes_of("two", 3), hash);
	for (int i = 0; i < 32; i++)
		snprintf(two + i * 2, 3, "%02x", hash[i]);
	if (!statement_read(
		text_of(arena_printf(b.arena, statement_text, one, two)),
		b.arena, &s, &f))
		fail_msg("%s", f.why);
	assert_int_equal(statement_judge(&s, c, W, v), 1);
	await(&b, gateway_db_write_fingerprints(
		      b.pg, DID, 1, SESSION, &s, v, on_done, &b));
	assert_string_equal(
	    value(&b, "SELECT string_agg(canonical || ' ' || status || ' ' ||"
		      " coalesce(reason, ''), ',' ORDER BY canonical)"
		      " FROM assay.fingerprint"),
	    "test:other refused artifact_incomplete,test:public accepted ");
	assert_string_equal(
	    value(&b, "SELECT files->0->>'name' FROM assay.fingerprint"
		      " WHERE canonical = 'test:public'"),
	    "a \"b\"");
	seen = first_seen(&b);

	/* Said again: still since then. Without the other: it is gone. */
	s.model_count = 1;
	await(&b, gateway_db_write_fingerprints(
		      b.pg, DID, 1, SESSION, &s, v, on_done, &b));
	assert_string_equal(first_seen(&b), seen);
	assert_string_equal(
	    value(&b, "SELECT count(*) FROM assay.fingerprint"), "1");
	v[0].reason = STATEMENT_MODEL_WITHDRAWN;
	v[0].artifact = NULL;
	await(&b, gateway_db_write_fingerprints(
		      b.pg, DID, 1, SESSION, &s, v, on_done, &b));
	assert_string_not_equal(first_seen(&b), seen);
	assert_string_equal(value(&b, "SELECT reason FROM assay.fingerprint"),
	    "model_withdrawn");
	statement_free(&s);
	catalog_unref(&c);
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
	    cmocka_unit_test(test_models),
	    cmocka_unit_test(test_devices_and_scores),
	    cmocka_unit_test(test_requests),
	    cmocka_unit_test(test_kept_answers),
	    cmocka_unit_test(test_tunnels),
	    cmocka_unit_test(test_fingerprints),
	    cmocka_unit_test(test_cancel),
	};

	return cmocka_run_group_tests(tests, start, end);
}
