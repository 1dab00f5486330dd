/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a buyer reads: models with counts, a provider's facts, a request, a
 * decision explained; and what they do not read, because it is another
 * workspace's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>

#include "auth/scope.h"
#include "base/json.h"
#include "gateway/describe.h"
#include "gateway_world.h"

struct bench {
	struct world w;
	struct principal principal;
	struct describe d;
	json_t *json;
};

static void
bench_open(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	world_init(&b->w);
	assert_true(world_offer(&b->w, "own", (char[]){"home=A,direct"}));
	assert_true(world_offer(&b->w, "gold",
	    (char[]){"tier=gold,score=91.5,delivered=40,verified=60000"}));
	assert_true(world_offer(&b->w, "full", (char[]){"active=4,quant=F16"}));
	assert_true(world_offer(&b->w, "away", (char[]){"window=closed"}));
	draft_score(b->w.drafts[CATALOG_SCORES],
	    &(struct catalog_score){.did = "did:assay:away",
		.task = "chat",
		.model = "test:model",
		.score = 91.2345,
		.delivered = 55.4,
		.parts = "{\"audit\":{\"value\":0.8734,\"weight\":15,\"good\":"
			 "21.9,\"bad\":1.2},\"delivery\":{\"value\":0.9123,"
			 "\"weight\":40,\"good\":51.3,\"bad\":4.1}}",
		.updated_at = WORLD_NOW});
	world_close(&b->w);
	memcpy(b->principal.workspace, WORLD_A, sizeof(WORLD_A));
	b->principal.scopes = SCOPE_INFERENCE | SCOPE_MARKETPLACE;
	b->d = (struct describe){
	    b->w.catalog, b->w.offers, &b->principal, WORLD_NOW};
}

static void
bench_close(struct bench *b)
{
	json_free(&b->json);
	world_free(&b->w);
}

static const json_t *
parse(struct bench *b, const char *text)
{
	struct fault f = {0};

	json_free(&b->json);
	if (!json_read(text_of(text), 1 << 20, &b->json, &f))
		fail_msg("%s: %s", f.why, text);
	return b->json;
}

/* The value at "a.b.0.c". */
static const json_t *
at(const json_t *j, const char *path)
{
	char name[64];

	while (j != NULL && *path != '\0') {
		size_t len = strcspn(path, ".");

		snprintf(name, sizeof(name), "%.*s", (int)len, path);
		j = json_is_array(j) ? json_array_get(j, (size_t)atoi(name))
				     : json_object_get(j, name);
		path += len + (path[len] == '.');
	}
	assert_non_null(j);
	return j;
}

static int64_t
number(const json_t *j, const char *path)
{
	assert_true(json_is_integer(at(j, path)));
	return json_integer_value(at(j, path));
}

static const char *
string(const json_t *j, const char *path)
{
	assert_true(json_is_string(at(j, path)));
	return json_string_value(at(j, path));
}

static void
assert_real(const json_t *j, const char *path, double wanted)
{
	assert_true(fabs(json_number_value(at(j, path)) - wanted) < 1e-9);
}

static void
test_models(void **state)
{
	struct bench b;
	const json_t *j;

	(void)state;
	bench_open(&b);
	j = parse(&b, describe_models(&b.d, b.w.arena));
	assert_string_equal(string(j, "object"), "list");
	assert_int_equal(json_array_size(at(j, "data")), 1);
	assert_string_equal(string(j, "data.0.id"), "test:model");
	assert_string_equal(string(j, "data.0.object"), "model");
	assert_string_equal(string(j, "data.0.owned_by"), "test");
	assert_int_equal(number(j, "data.0.created"), 0);
	assert_string_equal(string(j, "data.0.tasks.0.task"), "chat");
	assert_int_equal(number(j, "data.0.tasks.0.providers.workspace"), 1);
	assert_int_equal(number(j, "data.0.tasks.0.providers.marketplace"), 2);
	assert_int_equal(number(j, "data.0.tasks.0.providers.verified"), 1);
	assert_int_equal(number(j, "data.0.tasks.0.tiers.gold"), 1);
	assert_int_equal(number(j, "data.0.tasks.0.tiers.bronze"), 2);
	assert_int_equal(json_array_size(at(j, "data.0.quantizations")), 2);

	/* Servable to this caller: with the restriction, by its own alone. */
	b.principal.scopes |= SCOPE_WORKSPACE_ONLY;
	j = parse(&b, describe_models(&b.d, b.w.arena));
	assert_int_equal(number(j, "data.0.tasks.0.providers.workspace"), 1);
	assert_int_equal(number(j, "data.0.tasks.0.providers.marketplace"), 0);
	memcpy(b.principal.workspace, WORLD_C, sizeof(WORLD_C));
	j = parse(&b, describe_models(&b.d, b.w.arena));
	assert_int_equal(json_array_size(at(j, "data")), 0);
	bench_close(&b);
}

static void
test_one_model(void **state)
{
	struct fault f = {0};
	struct bench b;
	const json_t *j;
	char *out;

	(void)state;
	bench_open(&b);
	assert_true(
	    describe_model(&b.d, text_of("test:model"), b.w.arena, &out, &f));
	j = parse(&b, out);
	assert_string_equal(string(j, "id"), "test:model");
	assert_true(json_is_true(at(j, "servable")));
	assert_false(
	    describe_model(&b.d, text_of("test:none"), b.w.arena, &out, &f));
	assert_int_equal(f.kind, FAULT_MODEL_NOT_FOUND);
	bench_close(&b);
}

static void
test_provider(void **state)
{
	struct fault f = {0};
	struct bench b;
	const json_t *j;
	char *out;

	(void)state;
	bench_open(&b);
	assert_true(
	    describe_provider(&b.d, "did:assay:gold", b.w.arena, &out, &f));
	j = parse(&b, out);
	assert_string_equal(string(j, "did"), "did:assay:gold");
	assert_string_equal(string(j, "status"), "connected");
	assert_string_equal(string(j, "attestation.status"), "verified");
	assert_true(json_is_false(at(j, "own_workspace")));
	assert_int_equal(json_array_size(at(j, "pairs")), 1);
	assert_string_equal(string(j, "pairs.0.tier"), "gold");
	assert_true(json_is_null(at(j, "pairs.0.score")));
	assert_int_equal(number(j, "pairs.0.half_life_days"), 7);
	assert_string_equal(string(j, "pairs.0.fingerprint"), "accepted");

	/* In steps: nobody reads which event was the last, or how many of one
	 * kind there were; and the values are no finer than the counts. */
	assert_true(
	    describe_provider(&b.d, "did:assay:away", b.w.arena, &out, &f));
	j = parse(&b, out);
	assert_real(j, "pairs.0.score", 92);
	assert_real(j, "pairs.0.sample_size", 70);
	assert_real(j, "pairs.0.parts.audit.value", 0.87);
	assert_real(j, "pairs.0.parts.audit.good", 20);
	assert_real(j, "pairs.0.parts.audit.bad", 0);
	assert_real(j, "pairs.0.parts.delivery.value", 0.94);
	assert_real(j, "pairs.0.parts.delivery.good", 50);
	assert_string_equal(
	    string(j, "pairs.0.updated_at"), "2023-11-14T00:00:00Z");

	/* No data is null, not a number. */
	assert_true(
	    describe_provider(&b.d, "did:assay:own", b.w.arena, &out, &f));
	j = parse(&b, out);
	assert_true(json_is_null(at(j, "pairs.0.score")));
	assert_string_equal(string(j, "attestation.status"), "none");
	assert_true(json_is_true(at(j, "own_workspace")));
	assert_false(
	    describe_provider(&b.d, "did:assay:x", b.w.arena, &out, &f));
	assert_int_equal(f.kind, FAULT_PROVIDER_NOT_FOUND);
	bench_close(&b);
}

static void
test_route(void **state)
{
	struct route_ask ask;
	struct fault f = {0};
	struct route r;
	struct bench b;
	const json_t *j;

	(void)state;
	bench_open(&b);
	ask = world_ask(&b.w);
	assert_true(route_choose(&ask, &r, &f));
	j = parse(&b, describe_route(&ask, &r, NULL, "R", b.w.arena));
	assert_string_equal(string(j, "object"), "route");
	assert_string_equal(string(j, "request_id"), "R");
	assert_string_equal(string(j, "choice.did"), "did:assay:own");
	assert_string_equal(string(j, "choice.pool"), "workspace");
	assert_string_equal(string(j, "choice.because"), "only_one");
	assert_true(json_is_null(at(j, "error")));
	assert_int_equal(json_array_size(at(j, "candidates")), 4);
	assert_true(json_is_true(at(j, "candidates.0.admissible")));
	assert_true(json_is_null(at(j, "candidates.0.reason")));
	assert_true(json_is_false(at(j, "candidates.3.admissible")));
	assert_string_equal(string(j, "candidates.3.reason"), "outside_window");
	assert_true(json_is_null(at(j, "candidates.1.score")));
	assert_real(j, "candidates.3.score", 92);
	assert_int_equal(number(j, "rejected_counts.at_capacity"), 1);
	assert_int_equal(number(j, "rejected_counts.outside_window"), 1);
	assert_int_equal(json_array_size(at(j, "rejected")), 2);
	assert_string_equal(string(j, "rejected.1.did"), "did:assay:away");
	assert_string_equal(string(j, "rejected.1.reason"), "outside_window");
	assert_string_equal(string(j, "query.pool"), "any");
	assert_string_equal(describe_rejected_text(&r, b.w.arena),
	    "{\"outside_window\":1,\"at_capacity\":1}");

	b.w.query.min_tier = TIER_GOLD;
	b.w.query.pools = POOL_WORKSPACE;
	assert_false(route_choose(&ask, &r, &f));
	j = parse(&b, describe_route(&ask, &r, &f, "R", b.w.arena));
	assert_true(json_is_null(at(j, "choice")));
	assert_string_equal(string(j, "error.code"), "no_provider_at_tier");
	assert_int_equal(number(j, "admissible"), 0);
	assert_int_equal(number(j, "considered"), 4);
	bench_close(&b);
}

static void
test_request(void **state)
{
	struct request_row r = {.id = "I",
	    .created_at = WORLD_NOW,
	    .endpoint = "chat/completions",
	    .task = "chat",
	    .model = "test:model",
	    .pool_wanted = "any",
	    .did = "did:assay:gold",
	    .pool = "marketplace",
	    .tier = "gold",
	    .outcome = "served",
	    .status = 200,
	    .fault_why = "internal words",
	    .rejected = "{\"draining\":2}",
	    .prompt_tokens = 7,
	    .completion_tokens = 9,
	    .connect_us = -1,
	    .total_us = 1500};
	struct attempt_row t = {.request = "I",
	    .ordinal = 1,
	    .did = "did:assay:gold",
	    .outcome = "served",
	    .status = 200,
	    .fault_why = "internal words",
	    .first_byte_us = -1};
	struct bench b;
	const json_t *j;
	char *text;

	(void)state;
	bench_open(&b);
	text = describe_request(&r, &t, 1, b.w.arena);
	j = parse(&b, text);
	assert_string_equal(string(j, "id"), "I");
	assert_string_equal(string(j, "created_at"), "2023-11-14T22:13:20Z");
	assert_string_equal(string(j, "route.provider"), "did:assay:gold");
	assert_int_equal(number(j, "usage.completion_tokens"), 9);
	assert_int_equal(number(j, "rejected.draining"), 2);
	assert_true(json_is_null(at(j, "timings.connect_ms")));
	assert_true(json_real_value(at(j, "timings.total_ms")) > 1.49);
	assert_int_equal(number(j, "attempts.0.ordinal"), 1);
	assert_true(json_is_null(at(j, "code")));
	/* The sentence is the operators'. */
	assert_null(strstr(text, "internal words"));

	r.prompt_tokens = r.completion_tokens = -1;
	r.rejected = NULL;
	j = parse(&b, describe_request(&r, NULL, 0, b.w.arena));
	assert_true(json_is_null(at(j, "usage")));
	assert_int_equal(json_array_size(at(j, "attempts")), 0);
	bench_close(&b);
}

/* A private model is not there for anybody else, nor what serves it. */
static void
test_private_model(void **state)
{
	struct offer_facts facts = {"chat", "p:secret", "Q4", "1", 0};
	struct draft *d = draft_new(CATALOG_MODELS);
	const struct catalog *before;
	struct fault f = {0};
	struct bench b;
	char *out;

	(void)state;
	bench_open(&b);
	draft_task(
	    d, &(struct catalog_task){"chat", "/v1/chat/completions", false});
	draft_model(d, &(struct catalog_model){
			   .canonical = "p:secret", .workspace = WORLD_B});
	draft_model_task(d, "p:secret", "chat");
	before = b.w.catalog;
	b.w.catalog = catalog_next(before, &d);
	catalog_unref(&before);
	b.d.catalog = b.w.catalog;
	offers_state(b.w.offers, b.w.sources[1], &facts, 1);

	assert_null(strstr(describe_models(&b.d, b.w.arena), "p:secret"));
	assert_false(
	    describe_model(&b.d, text_of("p:secret"), b.w.arena, &out, &f));
	assert_true(
	    describe_provider(&b.d, "did:assay:gold", b.w.arena, &out, &f));
	assert_null(strstr(out, "p:secret"));
	memcpy(b.principal.workspace, WORLD_B, sizeof(WORLD_B));
	assert_non_null(strstr(describe_models(&b.d, b.w.arena), "p:secret"));
	assert_true(
	    describe_provider(&b.d, "did:assay:gold", b.w.arena, &out, &f));
	assert_non_null(strstr(out, "p:secret"));
	bench_close(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_models),
	    cmocka_unit_test(test_one_model),
	    cmocka_unit_test(test_provider),
	    cmocka_unit_test(test_route),
	    cmocka_unit_test(test_request),
	    cmocka_unit_test(test_private_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
