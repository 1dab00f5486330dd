/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalog read from rows, and tunnels and fingerprints written to them, on
 * a migrated database under the gateway's own role.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/gateway_db_bench.h"

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
	assert_true(s->delivered == 30);
	s = catalog_score_find(c, DID, "completion", "test:public");
	assert_true(s->score < 0);
	assert_true(s->delivered == 0);
	assert_null(catalog_score_find(c, DID, "chat", "test:private"));
	(void)catalog_scores_of(c, DID, &count);
	assert_int_equal(count, 2);
	catalog_unref(&c);
	bench_close(&b);
}

/* It was said and not waited for: it is done when it can be seen. */
static void
await_closed(struct bench *b)
{
	for (int i = 0; i < 1000; i++) {
		await(b, gateway_db_versions(b->pg, on_versions, b));
		if (strcmp(value(b, "SELECT count(*) FROM assay.tunnel_session"
				    " WHERE closed_at IS NULL"),
			"0") == 0)
			return;
	}
	fail_msg("the tunnel's row is still open");
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
	gateway_db_close_tunnel(b.pg, id, "draining", "bye", &b.log);
	await_closed(&b);
	gateway_db_close_tunnel(b.pg, id, "internal", "late", &b.log);
	/* Nobody waits for it, and nothing is left of it with the pool. */
	await(&b, gateway_db_versions(b.pg, on_versions, &b));
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_models),
	    cmocka_unit_test(test_devices_and_scores),
	    cmocka_unit_test(test_tunnels),
	    cmocka_unit_test(test_fingerprints),
	};

	return cmocka_run_group_tests(tests, start, end);
}
