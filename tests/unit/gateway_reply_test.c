/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/reply: kinds to HTTP, and the error object that SDKs read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "gateway/reply.h"
#include "tests/unit/gateway_fakes.h"

static void
test_statuses(void **state)
{
	static const struct {
		enum fault_kind kind;
		int status;
		const char *code;
	} rows[] = {
	    {FAULT_INVALID_JSON, 400, "invalid_json"},
	    {FAULT_INVALID_OPTION, 400, "invalid_option"},
	    {FAULT_UNKNOWN_TASK, 400, "unknown_task"},
	    {FAULT_REQUEST_TOO_LARGE, 413, "request_too_large"},
	    {FAULT_UNSUPPORTED_MEDIA_TYPE, 415, "unsupported_media_type"},
	    {FAULT_INVALID_CREDENTIAL, 401, "invalid_credential"},
	    {FAULT_EXPIRED_CREDENTIAL, 401, "expired_credential"},
	    {FAULT_REVOKED_GRANT, 401, "revoked_grant"},
	    {FAULT_INSUFFICIENT_SCOPES, 403, "insufficient_scopes"},
	    {FAULT_MODEL_NOT_FOUND, 404, "model_not_found"},
	    {FAULT_REQUEST_NOT_FOUND, 404, "request_not_found"},
	    {FAULT_RUNTIME_UNREACHABLE, 409, "runtime_unreachable"},
	    {FAULT_RATE_LIMITED, 429, "rate_limited"},
	    {FAULT_NO_WORKSPACE_PROVIDER, 503, "no_workspace_provider"},
	    {FAULT_NO_PROVIDER_AT_TIER, 503, "no_provider_at_tier"},
	    {FAULT_NO_VERIFIED_PROVIDER, 503, "no_verified_provider"},
	    {FAULT_NO_PROVIDER, 503, "no_provider"},
	    {FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE, 503,
		"upstream_dependency_unavailable"},
	    {FAULT_OVERLOADED, 503, "overloaded"},
	    {FAULT_CAPACITY_EXCEEDED, 503, "overloaded"},
	    {FAULT_OUTSIDE_WINDOW, 503, "no_provider"},
	    {FAULT_PROVIDER_ERROR, 502, "provider_error"},
	    {FAULT_PROVIDER_UNREACHABLE, 502, "provider_unreachable"},
	    {FAULT_FIRST_BYTE_TIMEOUT, 504, "first_byte_timeout"},
	    {FAULT_STREAM_STALLED, 504, "stream_stalled"},
	    {FAULT_TAMPERED, 500, "internal"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(reply_status(rows[i].kind), rows[i].status);
		assert_string_equal(reply_code(rows[i].kind), rows[i].code);
	}
}

static void
test_sentences(void **state)
{
	struct fault own = {FAULT_INVALID_OPTION, "min_tier is no tier"};
	struct fault theirs = {FAULT_PROVIDER_ERROR, "secret detail"};
	struct arena *a = arena_new();
	struct reply_error e = {
	    .fault = &own, .request_id = "r-1", .param = "options.min_tier"};

	(void)state;
	assert_string_equal(reply_error_json(a, &e),
	    "{\"error\":{\"message\":\"min_tier is no tier\","
	    "\"type\":\"invalid_request_error\",\"code\":\"invalid_option\","
	    "\"param\":\"options.min_tier\","
	    "\"metadata\":{\"request_id\":\"r-1\"}}}");
	e.fault = &theirs;
	e.param = NULL;
	assert_null(strstr(reply_error_json(a, &e), "secret"));
	assert_non_null(strstr(reply_error_json(a, &e), "\"param\":null"));
	arena_free(&a);
}

static void
test_reply_fields(void **state)
{
	struct fault f = {FAULT_RATE_LIMITED, "slowly"};
	struct reply_error e = {.fault = &f, .retry_after = 7};
	struct fake_buyer b;
	struct client *c;

	(void)state;
	fake_buyer_init(&b, "POST", "/", "");
	c = client_new(&b.request);
	reply_error(c, &e, NULL);
	assert_int_equal(b.status, 429);
	assert_string_equal(http_fields_find(&b.fields, "retry-after"), "7");
	assert_string_equal(http_fields_find(&b.fields, "content-type"),
	    "application/json; charset=utf-8");
	assert_true(b.is_ended);
	client_close(&c);
	assert_true(b.is_closed);
	fake_buyer_free(&b);
}

static void
test_error_event(void **state)
{
	struct fault f = {FAULT_TRUNCATED, "x"};
	struct reply_error e = {.fault = &f, .request_id = "r"};
	struct http_fields none = {0};
	struct fake_buyer b;
	struct client *c;

	(void)state;
	fake_buyer_init(&b, "POST", "/", "");
	c = client_new(&b.request);
	client_start(c, 200, &none);
	reply_error_event(c, &e);
	assert_int_equal(
	    strncmp(fake_buyer_text(&b), "event: error\ndata: {\"error\"", 27),
	    0);
	assert_non_null(strstr(fake_buyer_text(&b), "}\n\n"));
	client_close(&c);
	fake_buyer_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_statuses),
	    cmocka_unit_test(test_sentences),
	    cmocka_unit_test(test_reply_fields),
	    cmocka_unit_test(test_error_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
