/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's end of a migrated database, for the tests of its readers: a
 * small world of rows, and every kind of answer kept for the test to look at.
 */
#ifndef TESTS_GATEWAY_DB_BENCH_H
#define TESTS_GATEWAY_DB_BENCH_H

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
    "INSERT INTO assay.score (did, task, canonical, tier, score, sample_size,"
    " parts) VALUES ('" DID "', 'chat', 'test:public', 'gold', 91.5, 70,"
    " '{\"delivery\": {\"good\": 29.5, \"bad\": 0.5},"
    " \"audit\": {\"good\": 40, \"bad\": 0}}'),"
    " ('" DID "', 'completion', 'test:public', 'bronze', NULL, 9, '{}');";

static inline int
start(void **state)
{
	(void)state;
	is_here = migrated_postgres_start(&server);
	if (is_here)
		assert_true(migrated_run(server.conninfo, world));
	return 0;
}

static inline int
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

static inline void
on_up(void *arg, bool up)
{
	struct bench *b = arg;

	if (up)
		loop_stop(b->loop);
}

static inline void
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

static inline void
bench_close(struct bench *b)
{
	pg_free(&b->pg);
	loop_free(&b->loop);
	arena_free(&b->arena);
	draft_free(&b->draft);
}

static inline void
answered(struct bench *b, const struct fault *f)
{
	assert_non_null(b->pending); /* never before the ask has returned */
	b->pending = NULL;
	b->answers++;
	b->fault = f != NULL ? *f : (struct fault){0};
	loop_stop(b->loop);
}

/* Runs until the question just asked is answered, well. */
static inline void
await(struct bench *b, struct pending *pending)
{
	unsigned before = b->answers;

	b->pending = pending;
	loop_run(b->loop);
	assert_int_equal(b->answers, before + 1);
	if (b->fault.kind != FAULT_NONE)
		fail_msg("%s", b->fault.why);
}

static inline void
on_key(void *arg, const struct key_row *row, const struct fault *f)
{
	struct bench *b = arg;

	b->is_there = row != NULL;
	if (row != NULL)
		b->key = *row;
	answered(b, f);
}

static inline void
on_versions(void *arg, const struct change_versions *v, const struct fault *f)
{
	struct bench *b = arg;

	if (v != NULL)
		b->versions = *v;
	answered(b, f);
}

static inline void
on_part(void *arg, struct draft **d, int64_t version, const struct fault *f)
{
	struct bench *b = arg;

	b->draft = *d;
	*d = NULL;
	b->version = version;
	answered(b, f);
}

static inline void
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

static inline void
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

static inline void
on_done(void *arg, const struct fault *f)
{
	answered(arg, f);
}

static inline const char *
value(struct bench *b, const char *sql)
{
	return migrated_value(server.conninfo, sql, b->arena);
}

#endif
