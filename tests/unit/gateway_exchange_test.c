/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/exchange where a provider or the mint is reached: served, tried
 * again, cut short, left, handed off. Each ends in exactly one record.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/gateway_scene.h"

static void
test_served(void **state)
{
	struct fake_path *p;
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	offer(&s, 0);
	send_to(&s, "POST", CHAT, "lv_live_good",
	    "{\"model\":\"test:model\",\"options\":{},\"seed\":7}");
	p = open_path(&s);
	assert_string_equal(p->body, "{\"model\":\"test:model\",\"seed\":7}");
	assert_string_equal(p->authorization, "Bearer tok");
	assert_int_equal(s.sources[0]->provider->active, 1);
	fake_path_head(p, 200, "application/json");
	fake_path_body(p, "{\"usage\":{\"prompt_tokens\":5,"
			  "\"completion_tokens\":6}}");
	fake_path_end(p, NULL);
	assert_true(s.buyer.is_closed && s.buyer.is_ended);
	assert_int_equal(s.buyer.status, 200);
	assert_string_equal(
	    http_fields_find(&s.buyer.fields, "x-assay-provider"),
	    "did:assay:p0");
	assert_string_equal(
	    http_fields_find(&s.buyer.fields, "x-assay-pool"), "marketplace");
	assert_string_equal(
	    http_fields_find(&s.buyer.fields, "x-assay-attempts"), "1");
	assert_int_equal(s.sources[0]->provider->active, 0);
	assert_row(&s,
	    "outcome, status, did, pool, tier, attempts, "
	    "prompt_tokens, completion_tokens, task, canonical",
	    "served 200 did:assay:p0 marketplace bronze 1 5 6 chat "
	    "test:model");
	end(&s);
}

static void
test_failover_before_the_first_byte(void **state)
{
	struct fake_path *first, *other;
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	offer(&s, 0);
	offer(&s, 1);
	send_to(&s, "POST", CHAT, "lv_live_good", BODY);
	first = open_path(&s);
	fake_path_head(first, 500, "application/json");
	fake_path_end(first, NULL);
	other = open_path(&s);
	assert_ptr_not_equal(first, other);
	assert_int_equal(first->suspicions, 1);
	assert_int_equal(s.minted, 2);
	fake_path_head(other, 200, "application/json");
	fake_path_body(other, "{}");
	fake_path_end(other, NULL);
	assert_string_equal(
	    http_fields_find(&s.buyer.fields, "x-assay-attempts"), "2");
	assert_row(&s, "outcome, attempts", "served 2");
	assert_string_equal(
	    migrated_value(server.conninfo,
		"SELECT string_agg(outcome::text || coalesce(fault_code, ''),"
		" ' ' ORDER BY ordinal) FROM assay.request_attempt",
		s.arena),
	    "failedprovider_error served");
	end(&s);
}

static void
test_no_fallback_where_it_is_not_wanted(void **state)
{
	struct fake_path *p;
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	offer(&s, 0);
	offer(&s, 1);
	send_to(&s, "POST", CHAT, "lv_live_good",
	    "{\"model\":\"test:model\",\"options\":"
	    "{\"allow_fallbacks\":false}}");
	p = open_path(&s);
	fake_path_head(p, 500, "application/json");
	fake_path_end(p, NULL);
	assert_true(s.buyer.is_closed);
	assert_error(&s, 502, "provider_error");
	assert_row(&s, "outcome, status, fault_code, attempts",
	    "failed 502 provider_error 1");
	end(&s);
}

static void
test_all_fail(void **state)
{
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	offer(&s, 0);
	offer(&s, 1);
	send_to(&s, "POST", CHAT, "lv_live_good", BODY);
	for (int i = 0; i < 2; i++) {
		struct fake_path *p = open_path(&s);

		fake_path_head(p, 500, "application/json");
		fake_path_end(p, NULL);
	}
	assert_error(&s, 502, "provider_error");
	assert_row(&s, "outcome, attempts", "failed 2");
	end(&s);
}

static void
test_truncated_stream(void **state)
{
	struct fault f = {FAULT_UNAVAILABLE, "gone"};
	struct fake_path *p;
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	offer(&s, 0);
	offer(&s, 1);
	send_to(&s, "POST", CHAT, "lv_live_good",
	    "{\"model\":\"test:model\",\"stream\":true}");
	p = open_path(&s);
	fake_path_head(p, 200, "text/event-stream");
	fake_path_body(p, "data: 1\n\ndata: {");
	fake_path_end(p, &f);
	assert_true(s.buyer.is_closed && s.buyer.is_ended);
	assert_int_equal(strncmp(fake_buyer_text(&s.buyer),
			     "data: 1\n\nevent: error\ndata: {\"error\"", 35),
	    0);
	assert_null(strstr(fake_buyer_text(&s.buyer), "[DONE]"));
	assert_row(&s, "outcome, status, streamed, fault_code, attempts",
	    "truncated 200 t truncated 1");
	end(&s);
}

static void
test_buyer_leaves(void **state)
{
	struct fake_path *p;
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	offer(&s, 0);
	send_to(&s, "POST", CHAT, "lv_live_good",
	    "{\"model\":\"test:model\",\"stream\":true}");
	p = open_path(&s);
	fake_path_head(p, 200, "text/event-stream");
	fake_path_body(p, "data: 1\n\n");
	s.buyer.watch->on_gone(s.buyer.watch_arg);
	assert_int_equal(p->cancels, 1); /* at once */
	assert_true(s.buyer.is_closed);
	assert_int_equal(s.sources[0]->provider->active, 0);
	assert_row(
	    &s, "outcome, status, fault_code", "buyer_gone 499 buyer_gone");
	end(&s);
}

static void
test_time_is_up(void **state)
{
	struct fake_path *p;
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	offer(&s, 0);
	send_to(&s, "POST", CHAT, "lv_live_good", BODY);
	p = open_path(&s);
	exchanges_end(&s.house);
	assert_int_equal(p->cancels, 1);
	assert_error(&s, 503, "draining");
	assert_row(&s, "outcome, status, attempts", "drained 503 1");
	assert_string_equal(
	    migrated_value(server.conninfo,
		"SELECT outcome FROM assay.request_attempt", s.arena),
	    "drained");
	end(&s);
}

static void
test_handoff(void **state)
{
	struct scene s;
	const char *text;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	offer(&s, 0);
	/* The provider is another workspace's, and a handoff stays inside. */
	ask(&s, "POST", "/v1/handoffs", "lv_live_good",
	    "{\"task\":\"chat\",\"model\":\"test:model\"}");
	assert_error(&s, 503, "no_workspace_provider");
	assert_int_equal(s.minted, 0);
	load_devices(&s, W);
	offer_of(&s, 1, W);
	ask(&s, "POST", "/v1/handoffs", "lv_live_good",
	    "{\"task\":\"chat\",\"model\":\"test:model\"}");
	assert_int_equal(s.buyer.status, 200);
	text = fake_buyer_text(&s.buyer);
	assert_non_null(strstr(text,
	    "{\"token\":\"tok\",\"expires_at\":\"2030-01-01T00:00:00Z\","
	    "\"provider\":{\"did\":\"did:assay:p1\",\"endpoints\":"
	    "[\"https://192.0.2.7:8443\"],\"tls_spki_sha256\":null}"));
	assert_non_null(strstr(s.minted_for,
	    "{\"aud\":\"did:assay:p1\",\"sub\":\"" ACCOUNT
	    "\",\"workspace\":\"" W "\",\"task\":\"chat\","
	    "\"model\":\"test:model\",\"pool\":\"workspace\""));
	assert_int_equal(s.minted, 1);
	assert_int_equal(s.paths[1].calls, 0);
	end(&s);
}

static void
ask_keyed(struct scene *s, const char *key, const char *body)
{
	fake_buyer_free(&s->buyer);
	fake_buyer_init(&s->buyer, "POST", "/v1/handoffs", body);
	http_fields_add(&s->buyer.request.fields, s->buyer.arena, "x-api-key",
	    "lv_live_good");
	http_fields_add(&s->buyer.request.fields, s->buyer.arena,
	    "content-type", "application/json");
	http_fields_add(
	    &s->buyer.request.fields, s->buyer.arena, "idempotency-key", key);
	exchange_start(&s->buyer.request, &s->house);
	assert_true(run_until(s->loop, is_closed, s));
}

static void
test_idempotency(void **state)
{
	const char *body = "{\"task\":\"chat\",\"model\":\"test:model\"}";
	struct scene s;
	const char *first;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	load_devices(&s, W);
	offer_of(&s, 1, W);
	fake_buyer_init(&s.buyer, "GET", "/", "");
	ask_keyed(&s, "k-1", body);
	assert_int_equal(s.buyer.status, 200);
	first = arena_string(s.arena, fake_buyer_text(&s.buyer));
	ask_keyed(&s, "k-1", body);
	assert_string_equal(fake_buyer_text(&s.buyer), first);
	assert_int_equal(s.minted, 1);
	ask_keyed(
	    &s, "k-1", "{\"task\":\"chat\",\"model\":\"test:model\",\"x\":1}");
	assert_error(&s, 409, "idempotency_conflict");
	ask_keyed(&s, "k-2", body);
	assert_int_equal(s.buyer.status, 200);
	assert_int_equal(s.minted, 2);
	end(&s);
}

static void
test_dry_run(void **state)
{
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	offer(&s, 0);
	ask(&s, "POST", "/v1/route", "lv_live_good",
	    "{\"task\":\"chat\",\"model\":\"test:model\"}");
	assert_int_equal(s.buyer.status, 200);
	assert_non_null(
	    strstr(fake_buyer_text(&s.buyer), "\"did\":\"did:assay:p0\""));
	assert_int_equal(s.minted, 0);
	assert_int_equal(s.paths[0].calls, 0);
	assert_string_equal(migrated_value(server.conninfo,
				"SELECT count(*) FROM assay.request", s.arena),
	    "0");
	end(&s);
}

/* No Postgres at all: a key nobody knows is not called invalid. */

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_served),
	    cmocka_unit_test(test_failover_before_the_first_byte),
	    cmocka_unit_test(test_no_fallback_where_it_is_not_wanted),
	    cmocka_unit_test(test_all_fail),
	    cmocka_unit_test(test_truncated_stream),
	    cmocka_unit_test(test_buyer_leaves),
	    cmocka_unit_test(test_time_is_up),
	    cmocka_unit_test(test_handoff),
	    cmocka_unit_test(test_idempotency),
	    cmocka_unit_test(test_dry_run),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
