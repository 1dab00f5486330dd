/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/relay: fields, ends, deadlines, back-pressure, keep-alive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/gateway_relay_scene.h"

static void
test_whole_json(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	ask(&s);
	fake_path_head(&s.path, 200, "application/json");
	assert_int_equal(s.buyer.status, 0); /* not before the first byte */
	fake_path_body(&s.path,
	    "{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}");
	assert_int_equal(s.buyer.status, 200);
	assert_false(s.buyer.is_ended);
	fake_path_end(&s.path, NULL);
	assert_int_equal(s.answers, 1);
	assert_int_equal(s.result.end, RELAY_WHOLE);
	assert_true(s.result.usage.is_known);
	assert_int_equal(s.result.usage.tokens_in, 3);
	assert_int_equal(s.result.usage.tokens_out, 4);
	assert_false(s.buyer.is_ended); /* the asker ends it */
	end(&s);
}

static void
test_buyer_ends_in_the_answer(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	s.frees_buyer = true;
	ask(&s);
	fake_path_head(&s.path, 200, "application/json");
	fake_path_body(&s.path, "{}");
	fake_path_end(&s.path, NULL);
	assert_int_equal(s.answers, 1);
	end(&s);
}

static void
test_fields_pass_an_allow_list(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	ask(&s);
	fake_path_head(&s.path, 200, "application/json");
	fake_path_body(&s.path, "{}");
	assert_string_equal(http_fields_find(&s.buyer.fields, "content-type"),
	    "application/json");
	assert_string_equal(
	    http_fields_find(&s.buyer.fields, "x-ratelimit-limit"), "9");
	assert_string_equal(http_fields_find(&s.buyer.fields, "x-ours"), "yes");
	assert_null(http_fields_find(&s.buyer.fields, "set-cookie"));
	assert_null(http_fields_find(&s.buyer.fields, "x-evil"));
	assert_false(relay_lets_through("connection", 200));
	assert_false(relay_lets_through("retry-after", 200));
	assert_true(relay_lets_through("retry-after", 409));
	end(&s);
}

static void
test_stream_holds_its_end(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	s.order.form = RELAY_EVENTS;
	ask(&s);
	fake_path_head(&s.path, 200, "text/event-stream");
	fake_path_body(&s.path, "data: {\"a\":1}\n\ndata: [DO");
	assert_string_equal(fake_buyer_text(&s.buyer), "data: {\"a\":1}\n\n");
	fake_path_body(&s.path, "NE]\n\n");
	fake_path_body(&s.path, "data: more\n\n");
	assert_string_equal(fake_buyer_text(&s.buyer), "data: {\"a\":1}\n\n");
	fake_path_end(&s.path, NULL);
	assert_int_equal(s.result.end, RELAY_WHOLE);
	assert_true(s.result.is_stream);
	assert_string_equal(s.held, "data: [DONE]\n\n");
	end(&s);
}

static void
test_half_event_never_reaches_the_buyer(void **state)
{
	struct fault f = {FAULT_UNAVAILABLE, "gone"};
	struct scene s;

	(void)state;
	begin(&s);
	s.order.form = RELAY_EVENTS;
	ask(&s);
	fake_path_head(&s.path, 200, "text/event-stream; charset=utf-8");
	fake_path_body(&s.path, "data: {\"a\":1}\r\n\r\ndata: {\"b\":");
	fake_path_end(&s.path, &f);
	assert_int_equal(s.result.end, RELAY_TRUNCATED);
	assert_int_equal(s.result.fault.kind, FAULT_TRUNCATED);
	assert_true(s.result.at_boundary);
	assert_string_equal(
	    fake_buyer_text(&s.buyer), "data: {\"a\":1}\r\n\r\n");
	assert_string_equal(s.held, "");
	end(&s);
}

static void
test_stream_without_its_end_is_truncated(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	s.order.form = RELAY_EVENTS;
	ask(&s);
	fake_path_head(&s.path, 200, "text/event-stream");
	fake_path_body(&s.path, "data: 1\n\n");
	fake_path_end(&s.path, NULL);
	assert_int_equal(s.result.end, RELAY_TRUNCATED);
	assert_int_equal(s.result.fault.kind, FAULT_TRUNCATED);
	assert_string_equal(s.result.fault.why,
	    "the provider's stream ended without its terminal event");
	end(&s);
}

/* What the provider ended, and what became of it. Two parts, so that some of it
 * may have gone to the buyer. */
static void
test_forms(void **state)
{
	static const char none[] = "the provider's answer is no JSON object";
	static const char bare[] =
	    "the provider's stream has no event but its end";
	static const char error[] = "the provider's answer is an error";
	static const char cut[] = "the provider's answer ended in the middle";
	static const struct {
		enum relay_form form;
		int status;
		const char *type, *parts[2];
		enum relay_end end;
		enum fault_kind kind;
		const char *why;
	} rows[] = {
	    {RELAY_OBJECT, 200, "application/json", {"{\"a\":\"{", "\"} \n"},
		RELAY_WHOLE, FAULT_NONE, ""},
	    {RELAY_OBJECT, 200, "text/plain", {"{}", ""}, RELAY_WHOLE,
		FAULT_NONE, ""},
	    {RELAY_OBJECT, 200, "application/json", {"", ""}, RELAY_FAILED,
		FAULT_PROVIDER_ERROR, none},
	    {RELAY_OBJECT, 200, "text/html", {"<h1>", "log in</h1>"},
		RELAY_FAILED, FAULT_PROVIDER_ERROR, none},
	    {RELAY_OBJECT, 200, "application/json", {"{\"a\":", "\"}"},
		RELAY_TRUNCATED, FAULT_TRUNCATED, cut},
	    {RELAY_OBJECT, 200, "application/json", {"{}", "<!-- -->"},
		RELAY_TRUNCATED, FAULT_PROVIDER_ERROR, none},
	    {RELAY_OBJECT, 200, "text/event-stream", {"data: [DONE]\n\n", ""},
		RELAY_FAILED, FAULT_PROVIDER_ERROR,
		"the provider's answer is an event stream"},
	    {RELAY_OBJECT, 404, "text/html", {"<h1>", ""}, RELAY_WHOLE,
		FAULT_NONE, ""},
	    {RELAY_EVENTS, 200, "text/html", {"<h1>", ""}, RELAY_FAILED,
		FAULT_PROVIDER_ERROR,
		"the provider's answer is no event stream"},
	    {RELAY_EVENTS, 200, "application/json", {"{}", ""}, RELAY_FAILED,
		FAULT_PROVIDER_ERROR,
		"the provider's answer is no event stream"},
	    {RELAY_EVENTS, 200, "text/event-stream", {"", ""}, RELAY_FAILED,
		FAULT_TRUNCATED,
		"the provider's stream ended without its terminal event"},
	    {RELAY_EVENTS, 200, "text/event-stream",
		{": hello\n\n", "data: [DONE]\n\n"}, RELAY_TRUNCATED,
		FAULT_PROVIDER_ERROR, bare},
	    {RELAY_EVENTS, 200, "text/event-stream", {"data: [DONE]\n\n", ""},
		RELAY_FAILED, FAULT_PROVIDER_ERROR, bare},
	    {RELAY_EVENTS, 200, "text/event-stream",
		{"data: {\"error\":{\"code\":500}}\n\n", "data: [DONE]\n\n"},
		RELAY_FAILED, FAULT_PROVIDER_ERROR, error},
	    {RELAY_EVENTS, 200, "text/event-stream",
		{"event: error\r\ndata: {\"er", "ror\":\"no\"}\r\n\r\n"},
		RELAY_FAILED, FAULT_PROVIDER_ERROR, error},
	    {RELAY_EVENTS, 200, "text/event-stream",
		{"data: {\"error\":null,\"choices\":[]}\n\n",
		    "data: [DONE]\n\n"},
		RELAY_WHOLE, FAULT_NONE, ""},
	    {RELAY_OBJECT, 200, "application/json", {"{\"error\":\"no\"}", ""},
		RELAY_FAILED, FAULT_PROVIDER_ERROR, error},
	    {RELAY_OBJECT, 200, "application/json",
		{"{\"error\":", "{\"code\":500}}"}, RELAY_TRUNCATED,
		FAULT_PROVIDER_ERROR, error},
	    {RELAY_OBJECT, 200, "application/json",
		{"{\"error\":{},", "\"data\":[]}"}, RELAY_WHOLE, FAULT_NONE,
		""},
	    {RELAY_BYTES, 200, "text/event-stream", {"data: [DONE]\n\n", ""},
		RELAY_WHOLE, FAULT_NONE, ""},
	    {RELAY_EVENTS, 422, "application/json", {"{}", ""}, RELAY_WHOLE,
		FAULT_NONE, ""},
	    {RELAY_BYTES, 200, "audio/mpeg", {"", ""}, RELAY_FAILED,
		FAULT_PROVIDER_ERROR, "the provider's answer is empty"},
	    {RELAY_BYTES, 200, "audio/mpeg", {"x", ""}, RELAY_WHOLE, FAULT_NONE,
		""},
	    {RELAY_ANY, 200, "text/plain", {"", ""}, RELAY_WHOLE, FAULT_NONE,
		""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct scene s;

		begin(&s);
		s.order.form = rows[i].form;
		ask(&s);
		fake_path_head(&s.path, rows[i].status, rows[i].type);
		for (int k = 0; k < 2; k++)
			if (s.answers == 0 && rows[i].parts[k][0] != '\0')
				fake_path_body(&s.path, rows[i].parts[k]);
		if (s.answers == 0)
			fake_path_end(&s.path, NULL);
		assert_int_equal(s.answers, 1);
		assert_int_equal(s.result.end, rows[i].end);
		assert_int_equal(s.result.fault.kind, rows[i].kind);
		assert_string_equal(s.result.fault.why, rows[i].why);
		if (rows[i].end == RELAY_FAILED)
			assert_int_equal(s.buyer.status, 0);
		end(&s);
	}
}

/* A 2xx that says it is a 4xx of the request is passed on as one. */
static void
test_refusals_in_a_body(void **state)
{
	static const struct {
		enum relay_form form;
		const char *type, *body;
		bool is_refused;
	} rows[] = {
	    {RELAY_EVENTS, "text/event-stream",
		"data: {\"error\":{\"code\":400}}\n\ndata: [DONE]\n\n", true},
	    {RELAY_OBJECT, "application/json", "{\"error\":{\"code\":422}}",
		true},
	    {RELAY_OBJECT, "application/json", "{\"choices\":[]}", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct scene s;

		begin(&s);
		s.order.form = rows[i].form;
		ask(&s);
		fake_path_head(&s.path, 200, rows[i].type);
		fake_path_body(&s.path, rows[i].body);
		fake_path_end(&s.path, NULL);
		assert_int_equal(s.result.end, RELAY_WHOLE);
		assert_int_equal(s.result.is_refused, rows[i].is_refused);
		end(&s);
	}
}

static void
test_failure_before_the_first_byte(void **state)
{
	struct fault f = {FAULT_INVALID, "stream reset"};
	struct scene s;

	(void)state;
	begin(&s);
	ask(&s);
	fake_path_head(&s.path, 200, "application/json");
	fake_path_end(&s.path, &f);
	assert_int_equal(s.result.end, RELAY_FAILED);
	assert_int_equal(s.result.fault.kind, FAULT_PROVIDER_ERROR);
	assert_int_equal(s.buyer.status, 0);
	end(&s);
}

static void
test_refusals(void **state)
{
	static const struct {
		int status;
		const char *body;
		enum fault_kind kind;
		const char *why;
	} rows[] = {
	    {500, "oops", FAULT_PROVIDER_ERROR,
		"the provider answered 500 with code none"},
	    {401, "{\"error\":{\"code\":\"token_replayed\"}}",
		FAULT_PROVIDER_ERROR,
		"the provider answered 401 with code token_replayed"},
	    {503, "{\"error\":{\"code\":\"capacity_exceeded\"}}",
		FAULT_CAPACITY_EXCEEDED,
		"the provider answered 503 with code capacity_exceeded"},
	    {503, "{\"error\":{\"code\":\"outside_window\"}}",
		FAULT_OUTSIDE_WINDOW,
		"the provider answered 503 with code outside_window"},
	    {302, "", FAULT_PROVIDER_ERROR,
		"the provider answered 302 with code none"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct scene s;

		begin(&s);
		ask(&s);
		fake_path_head(&s.path, rows[i].status, "application/json");
		fake_path_body(&s.path, rows[i].body);
		fake_path_end(&s.path, NULL);
		assert_int_equal(s.result.end, RELAY_FAILED);
		assert_int_equal(s.result.fault.kind, rows[i].kind);
		assert_string_equal(s.result.fault.why, rows[i].why);
		assert_int_equal(s.buyer.status, 0);
		end(&s);
	}
}

static void
test_buyers_own_fault_passes(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	ask(&s);
	fake_path_head(&s.path, 422, "application/json");
	fake_path_body(&s.path, "{\"error\":{}}");
	fake_path_end(&s.path, NULL);
	assert_int_equal(s.result.end, RELAY_WHOLE);
	assert_int_equal(s.buyer.status, 422);
	assert_string_equal(fake_buyer_text(&s.buyer), "{\"error\":{}}");
	end(&s);
}

static void
test_first_byte_deadline(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	ask(&s);
	fake_path_head(&s.path, 200, "application/json");
	run_for(s.loop, 150);
	assert_int_equal(s.answers, 1);
	assert_int_equal(s.result.end, RELAY_FAILED);
	assert_int_equal(s.result.fault.kind, FAULT_FIRST_BYTE_TIMEOUT);
	assert_int_equal(s.path.cancels, 1);
	end(&s);
}

static void
test_stall_and_total_deadlines(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	ask(&s);
	fake_path_head(&s.path, 200, "application/json");
	fake_path_body(&s.path, "{");
	run_for(s.loop, 150);
	assert_int_equal(s.result.end, RELAY_TRUNCATED);
	assert_int_equal(s.result.fault.kind, FAULT_STREAM_STALLED);
	end(&s);

	begin(&s);
	s.order.total_ms = 30;
	ask(&s);
	run_for(s.loop, 150);
	assert_int_equal(s.result.fault.kind, FAULT_TOTAL_TIMEOUT);
	end(&s);
}

static void
on_tick(void *arg)
{
	struct scene *s = arg;

	if (s->answers > 0)
		return;
	fake_path_body(&s->path, ": wait\n\n");
	fake_buyer_drains(&s->buyer);
	timer_start(s->tick, 10);
}

/* Comments neither begin an answer nor go on with one, taken or not. */
static void
test_comments_are_silence(void **state)
{
	static const struct {
		const char *before;
		enum fault_kind kind;
	} rows[] = {
	    {": wait\n\n", FAULT_FIRST_BYTE_TIMEOUT},
	    {"\n\n", FAULT_FIRST_BYTE_TIMEOUT},
	    {"data: 1\n\n", FAULT_STREAM_STALLED},
	    {"event: x\n", FAULT_STREAM_STALLED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct scene s;

		begin(&s);
		s.order.form = RELAY_EVENTS;
		ask(&s);
		s.tick = timer_new(s.loop, on_tick, &s);
		fake_path_head(&s.path, 200, "text/event-stream");
		fake_path_body(&s.path, rows[i].before);
		timer_start(s.tick, 10);
		run_for(s.loop, 300);
		assert_int_equal(s.answers, 1);
		assert_int_equal(s.result.fault.kind, rows[i].kind);
		timer_free(&s.tick);
		end(&s);
	}
}

/* Silence is held against a provider only where the operator's own limit has
 * passed too. */
static void
test_hasty_buyers(void **state)
{
	static const struct {
		int64_t first_byte_ms, stall_ms;
		bool begins, is_hasty;
	} rows[] = {
	    {20, 5000, false, true},
	    {40, 10, false, false},
	    {60, 10, false, false},
	    {5000, 20, true, true},
	    {10, 40, true, false},
	    {10, 60, true, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct scene s;

		begin(&s);
		s.order.first_byte_ms = rows[i].first_byte_ms;
		s.order.stall_ms = rows[i].stall_ms;
		s.order.fair_first_byte_ms = s.order.fair_stall_ms = 40;
		ask(&s);
		fake_path_head(&s.path, 200, "application/json");
		if (rows[i].begins)
			fake_path_body(&s.path, "{");
		run_for(s.loop, 150);
		assert_int_equal(s.answers, 1);
		assert_int_equal(s.result.fault.kind,
		    rows[i].begins ? FAULT_STREAM_STALLED
				   : FAULT_FIRST_BYTE_TIMEOUT);
		assert_int_equal(s.result.is_hasty, rows[i].is_hasty);
		end(&s);
	}
}

/* A buyer that does not read is not the provider's stall, and the provider
 * gets no more window. */
static void
test_back_pressure(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	s.buyer.is_slow = true;
	ask(&s);
	fake_path_head(&s.path, 200, "application/json");
	fake_path_body(&s.path, "0123456789");
	assert_int_equal(s.path.credited, 0);
	run_for(s.loop, 150);
	assert_int_equal(s.answers, 0);
	fake_buyer_drains(&s.buyer);
	assert_int_equal(s.path.credited, 10);
	end(&s);
	assert_int_equal(s.path.cancels, 1); /* end() cancelled the question */
	assert_int_equal(s.answers, 0);
}

static void
test_keep_alive_between_events_only(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	s.order.keepalive_ms = 30;
	s.order.first_byte_ms = s.order.stall_ms = 5000;
	ask(&s);
	fake_path_head(&s.path, 200, "text/event-stream");
	run_for(s.loop, 50);
	assert_string_equal(fake_buyer_text(&s.buyer), ": keep-alive\n\n");
	fake_path_body(&s.path, "data: 1\n\nda");
	run_for(s.loop, 45);
	assert_string_equal(fake_buyer_text(&s.buyer),
	    ": keep-alive\n\ndata: 1\n\n: keep-alive\n\n");
	fake_path_body(&s.path, "ta: 2\n\n");
	assert_string_equal(fake_buyer_text(&s.buyer),
	    ": keep-alive\n\ndata: 1\n\n: keep-alive\n\ndata: 2\n\n");
	end(&s);
}

static void
test_refused_path_answers_through_the_loop(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	fault_set(&s.path.refusal, FAULT_UNAVAILABLE, "the link is down");
	ask(&s);
	assert_int_equal(s.answers, 0);
	run_for(s.loop, 10);
	assert_int_equal(s.answers, 1);
	assert_int_equal(s.result.end, RELAY_FAILED);
	assert_int_equal(s.result.fault.kind, FAULT_PROVIDER_UNREACHABLE);
	assert_string_equal(s.result.fault.why, "the link is down");
	end(&s);
}

static void
test_cancel_is_final(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	fault_set(&s.path.refusal, FAULT_UNAVAILABLE, "the link is down");
	ask(&s);
	pending_cancel(&s.question);
	run_for(s.loop, 10);
	assert_int_equal(s.answers, 0);
	end(&s);
}

/* A provider that goes on after its own end is not listened to for ever. */
static void
test_endless_rest(void **state)
{
	struct scene s;
	char junk[8193];

	(void)state;
	memset(junk, 'x', sizeof(junk) - 1);
	junk[sizeof(junk) - 1] = '\0';
	begin(&s);
	ask(&s);
	fake_path_head(&s.path, 200, "text/event-stream");
	fake_path_body(&s.path, "data: [DONE]\n\n");
	for (int i = 0; i < 20 && s.answers == 0; i++)
		fake_path_body(&s.path, junk);
	assert_int_equal(s.answers, 1);
	assert_int_equal(s.result.end, RELAY_WHOLE);
	assert_int_equal(s.path.cancels, 1);
	assert_string_equal(s.held, "data: [DONE]\n\n");
	end(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whole_json),
	    cmocka_unit_test(test_buyer_ends_in_the_answer),
	    cmocka_unit_test(test_fields_pass_an_allow_list),
	    cmocka_unit_test(test_stream_holds_its_end),
	    cmocka_unit_test(test_half_event_never_reaches_the_buyer),
	    cmocka_unit_test(test_stream_without_its_end_is_truncated),
	    cmocka_unit_test(test_forms),
	    cmocka_unit_test(test_refusals_in_a_body),
	    cmocka_unit_test(test_failure_before_the_first_byte),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_buyers_own_fault_passes),
	    cmocka_unit_test(test_first_byte_deadline),
	    cmocka_unit_test(test_stall_and_total_deadlines),
	    cmocka_unit_test(test_comments_are_silence),
	    cmocka_unit_test(test_hasty_buyers),
	    cmocka_unit_test(test_back_pressure),
	    cmocka_unit_test(test_keep_alive_between_events_only),
	    cmocka_unit_test(test_refused_path_answers_through_the_loop),
	    cmocka_unit_test(test_cancel_is_final),
	    cmocka_unit_test(test_endless_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
