/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/exchange where nobody is reached: credentials, mistakes, limits,
 * nobody admissible, and what the gateway depends on being away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/gateway_scene.h"

static void
test_credentials(void **state)
{
	static const struct {
		const char *key, *code;
		int status;
	} rows[] = {
	    {NULL, "invalid_credential", 401},
	    {"lv_live_unknown", "invalid_credential", 401},
	    {"eyJhbGciOiJFUzI1NiJ9.e30.c2ln", "invalid_credential", 401},
	    {"garbage", "invalid_credential", 401},
	    {"lv_live_revoked", "revoked_grant", 401},
	    {"lv_live_expired", "expired_credential", 401},
	    {"lv_live_reader", "insufficient_scopes", 403},
	};
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	offer(&s, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		ask(&s, "POST", CHAT, rows[i].key, BODY);
		assert_error(&s, rows[i].status, rows[i].code);
	}
	assert_int_equal(s.paths[0].calls, 0);
	end(&s);
}

static void
test_buyers_mistakes(void **state)
{
	static const struct {
		const char *method, *path, *body, *code;
		int status;
	} rows[] = {
	    {"POST", "/v1/nothing", BODY, "not_found", 404},
	    {"GET", CHAT, "", "method_not_allowed", 405},
	    {"POST", CHAT, "{", "invalid_json", 400},
	    {"POST", CHAT, "", "invalid_json", 400},
	    {"POST", CHAT, "{\"model\":\"no:such\"}", "model_not_found", 404},
	    {"POST", "/v1/tasks/nothing", BODY, "unknown_task", 400},
	    {"POST", CHAT, "{\"model\":\"test:model\",\"options\":{\"x\":1}}",
		"invalid_option", 400},
	    {"GET", "/v1/requests/abc", "", "request_not_found", 404},
	    {"GET", "/v1/requests/01900000-0000-7000-8000-000000000000", "",
		"request_not_found", 404},
	    {"GET", "/v1/models/no:such", "", "model_not_found", 404},
	};
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		ask(&s, rows[i].method, rows[i].path, "lv_live_good",
		    rows[i].body);
		assert_error(&s, rows[i].status, rows[i].code);
	}
	end(&s);
}

static void
test_nobody(void **state)
{
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	ask(&s, "POST", CHAT, "lv_live_good", BODY);
	assert_error(&s, 503, "no_provider");
	offer(&s, 0);
	ask(&s, "POST", CHAT, "lv_live_inside", BODY);
	assert_error(&s, 503, "no_workspace_provider");
	ask(&s, "POST", CHAT, "lv_live_good",
	    "{\"model\":\"test:model\",\"options\":{\"verified\":true}}");
	assert_error(&s, 503, "no_verified_provider");
	ask(&s, "POST", CHAT, "lv_live_good",
	    "{\"model\":\"test:model\",\"options\":{\"min_tier\":\"gold\"}}");
	assert_error(&s, 503, "no_provider_at_tier");
	assert_non_null(
	    strstr(fake_buyer_text(&s.buyer), "\"below_min_tier\":1"));
	assert_non_null(http_fields_find(&s.buyer.fields, "retry-after"));
	assert_int_equal(s.paths[0].calls, 0);
	assert_int_equal(s.minted, 0);
	end(&s);
}

static void
test_rate_limit(void **state)
{
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	for (int i = 0; i < 2 && s.buyer.status != 429; i++)
		ask(&s, "GET", "/v1/models", "lv_live_slow", "");
	assert_error(&s, 429, "rate_limited");
	assert_true(
	    atoi(http_fields_find(&s.buyer.fields, "retry-after")) > 30);
	end(&s);
}

static bool
mint_down(void *arg)
{
	return !mint_is_up(((struct scene *)arg)->house.mint);
}

static void
test_mint_is_away(void **state)
{
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	offer(&s, 0);
	link_listener_free(&s.mint);
	link_free(&s.mint_link);
	assert_true(run_until(s.loop, mint_down, &s));
	ask(&s, "POST", CHAT, "lv_live_good", BODY);
	assert_error(&s, 503, "upstream_dependency_unavailable");
	assert_row(&s, "outcome, attempts", "failed 0");
	end(&s);
}

static void
test_postgres_is_away(void **state)
{
	struct scene s;

	(void)state;
	begin_with(&s, "host=/nonexistent");
	offer(&s, 0);
	ask(&s, "POST", CHAT, "lv_live_good", BODY);
	assert_error(&s, 503, "upstream_dependency_unavailable");
	assert_non_null(http_fields_find(&s.buyer.fields, "retry-after"));
	ask(&s, "POST", CHAT, "garbage", BODY);
	assert_error(&s, 401, "invalid_credential");
	assert_int_equal(ledger_backlog(s.house.ledger), 2);
	end(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_credentials),
	    cmocka_unit_test(test_buyers_mistakes),
	    cmocka_unit_test(test_nobody),
	    cmocka_unit_test(test_rate_limit),
	    cmocka_unit_test(test_mint_is_away),
	    cmocka_unit_test(test_postgres_is_away),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
