/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an HTTP/2 connection ends: by draining, by force, and by every bound
 * that a hostile peer can run into.
 */
#include "tests/unit/http2_world.h"

/* ------------------------------------------------------------- the ending */

static void
test_end_tells_everybody(void **state)
{
	struct world *w = *state;
	struct taker t = {0};
	struct fault f;

	w->server.hold = true;
	begin(w);
	call(w, &t, "/", NULL);
	pump(w);
	fault_set(&f, FAULT_TIMEOUT, "silence");
	http2_end(w->client.h, &f);
	assert_false(t.ended);
	http2_dispatch(w->client.h);
	assert_true(t.ended && t.failed);
	assert_int_equal(t.why.kind, FAULT_UNAVAILABLE);
	assert_string_equal(t.why.why, "link is over: silence");
	http2_end(w->server.h, &f);
	http2_dispatch(w->server.h);
	assert_int_equal(w->server.gone, 1);
	http2_free(&w->server.h);
	/* The handler's request outlives even the session. */
	assert_string_equal(w->server.requests[0]->path, "/");
	http_reply_start(w->server.requests[0], 200, NULL);
}

static void
test_drain_in_two_phases(void **state)
{
	struct world *w = *state;
	struct taker t = {0}, late = {0};
	struct http_outgoing o = {.method = "GET", .path = "/"};
	struct fault f;

	w->server.hold = true;
	begin(w);
	call(w, &t, "/", NULL);
	pump(w);
	http2_drain(w->server.h, 0);
	/* A call that crosses the first GOAWAY is still served. */
	call(w, &late, "/late", NULL);
	pump(w);
	assert_int_equal(w->client.goaways, 1);
	assert_int_equal(w->server.count, 2);
	assert_null(http2_call(w->client.h, &o, &taking, &late, &f));
	assert_string_equal(f.why, "the link is going away");
	assert_false(http2_is_drained(w->server.h));
	http_reply_text(&w->server.requests[0], 200, "text/plain", "x");
	pump(w);
	assert_true(t.ended && !t.failed);
	assert_false(http2_is_drained(w->server.h));
	http_reply_text(&w->server.requests[1], 200, "text/plain", "x");
	pump(w);
	assert_true(late.ended && !late.failed);
	assert_true(http2_is_drained(w->server.h));
}

static void
test_drain_by_the_client(void **state)
{
	struct world *w = *state;
	struct taker t = {0};

	w->server.hold = true;
	begin(w);
	call(w, &t, "/", NULL);
	pump(w);
	http2_drain(w->client.h, 0);
	pump(w);
	assert_int_equal(w->server.goaways, 1);
	assert_true(http2_is_going(w->server.h));
	assert_false(http2_is_drained(w->client.h));
	http_reply_text(&w->server.requests[0], 200, "text/plain", "x");
	w->server.count = 0;
	pump(w);
	assert_true(t.ended && !t.failed);
	assert_true(http2_is_drained(w->client.h));
}

static void
test_round_trip(void **state)
{
	struct world *w = *state;

	begin(w);
	pump(w);
	assert_int_equal(http2_rtt_us(w->client.h), -1);
	w->now_us = 1000;
	http2_ping(w->client.h, w->now_us);
	w->now_us = 4500;
	pump(w);
	assert_int_equal(http2_rtt_us(w->client.h), 3500);
}

/* ----------------------------------------------------------------- floods */

static void
raw(struct world *w, struct side *to, uint8_t type, uint8_t flags, uint32_t id,
    const void *payload, size_t len)
{
	uint8_t frame[9 + 64] = {(uint8_t)(len >> 16), (uint8_t)(len >> 8),
	    (uint8_t)len, type, flags, (uint8_t)(id >> 24), (uint8_t)(id >> 16),
	    (uint8_t)(id >> 8), (uint8_t)id};

	memcpy(frame + 9, payload, len);
	feed_pieces(w, to, frame, 9 + len);
}

static void
assert_over(struct side *s, enum fault_kind kind, const char *why)
{
	assert_true(s->is_over);
	assert_string_equal(s->over.why, why);
	assert_int_equal(s->over.kind, kind);
}

static void
test_ping_flood(void **state)
{
	struct world *w = *state;
	static const uint8_t zeros[8];

	begin(w);
	pump(w);
	for (int i = 0; i < 10; i++)
		raw(w, &w->server, 6, 0, 0, zeros, 8);
	assert_false(w->server.is_over);
	w->now_us += 100000; /* a tenth of a second is one more */
	raw(w, &w->server, 6, 0, 0, zeros, 8);
	assert_false(w->server.is_over);
	raw(w, &w->server, 6, 0, 0, zeros, 8);
	assert_over(
	    &w->server, FAULT_LIMIT, "more than 10 PING frames a second");
}

static void
test_settings_flood(void **state)
{
	struct world *w = *state;

	begin(w);
	pump(w);
	for (int i = 0; i < 9; i++) /* the first came with the greeting */
		raw(w, &w->server, 4, 0, 0, "", 0);
	assert_false(w->server.is_over);
	raw(w, &w->server, 4, 0, 0, "", 0);
	assert_over(
	    &w->server, FAULT_LIMIT, "more than 10 SETTINGS frames a second");
}

static void
test_reset_flood(void **state)
{
	struct world *w = *state;

	begin(w);
	pump(w);
	for (int i = 0; i < 30; i++) {
		struct taker t = {0};

		call(w, &t, "/", NULL);
		carry(w, &w->client, &w->server);
		http_call_cancel(&t.call);
		carry(w, &w->client, &w->server);
	}
	assert_over(
	    &w->server, FAULT_LIMIT, "more than 20 RST_STREAM frames a second");
}

/* "MadeYouReset": frames that oblige the other end to reset. */
static void
test_caused_reset_flood(void **state)
{
	struct world *w = *state;
	struct taker t[30] = {0};
	static const uint8_t most[4] = {0x7f, 0xff, 0xff, 0xff};

	w->server.hold = true;
	begin(w);
	pump(w);
	for (uint32_t i = 0; i < 30; i++) {
		call(w, &t[i], "/", NULL);
		carry(w, &w->client, &w->server);
		raw(w, &w->server, 8, 0, 1 + 2 * i, most, 4);
		carry(w, &w->server, &w->client);
		if (w->server.is_over)
			break;
	}
	assert_over(
	    &w->server, FAULT_LIMIT, "more than 20 resets caused a second");
}

static void
test_continuation_flood(void **state)
{
	struct world *w = *state;

	begin(w);
	pump(w);
	raw(w, &w->server, 1, 0, 1, "\x82", 1);
	for (int i = 0; i < 30 && !w->server.is_over; i++)
		raw(w, &w->server, 9, 0, 1, "", 0);
	assert_over(&w->server, FAULT_LIMIT,
	    "more than 8 CONTINUATION frames in a row");
}

static void
test_idle_frame_flood(void **state)
{
	struct world *w = *state;

	begin(w);
	pump(w);
	for (int i = 0; i < 200; i++)
		raw(w, &w->server, 0x77, 0, 0, "x", 1);
	assert_false(w->server.is_over);
	raw(w, &w->server, 0x77, 0, 0, "x", 1);
	assert_over(&w->server, FAULT_LIMIT,
	    "more than 200 PRIORITY or unknown frames a second");
}

static void
test_header_list_over_the_limit(void **state)
{
	struct world *w = *state;
	struct taker t = {0};
	struct arena *a = arena_new();
	struct http_outgoing o = {.method = "GET", .path = "/"};
	char value[4100];
	struct fault f;

	begin(w);
	pump(w);
	memset(value, 'a', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	http_fields_add(&o.fields, a, "x-1", value);
	http_fields_add(&o.fields, a, "x-2", value);
	t.call = http2_call(w->client.h, &o, &taking, &t, &f);
	pump(w);
	assert_over(&w->server, FAULT_LIMIT, "header list over 8192 bytes");
	/* and says so before it hangs up */
	http2_end(w->server.h, &w->server.over);
	pump(w);
	assert_non_null(
	    strstr(http2_complaint(w->client.h)->why, "ENHANCE_YOUR_CALM"));
	http2_end(w->client.h, http2_complaint(w->client.h));
	http2_dispatch(w->client.h);
	assert_true(t.ended);
	arena_free(&a);
}

static void
test_not_http2(void **state)
{
	struct world *w = *state;
	static const char hello[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

	begin(w);
	feed_pieces(w, &w->server, (const uint8_t *)hello, sizeof hello - 1);
	assert_over(&w->server, FAULT_INVALID, "peer does not speak HTTP/2");
}

static void
test_broken_framing(void **state)
{
	struct world *w = *state;

	begin(w);
	pump(w);
	raw(w, &w->server, 0, 0, 0, "x", 1); /* DATA on stream 0 */
	pump(w);
	assert_over(&w->server, FAULT_INVALID,
	    "peer broke HTTP/2: PROTOCOL_ERROR: DATA: stream_id == 0");
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_end_tells_everybody),
	    TEST(test_drain_in_two_phases),
	    TEST(test_drain_by_the_client),
	    TEST(test_round_trip),
	    TEST(test_ping_flood),
	    TEST(test_settings_flood),
	    TEST(test_reset_flood),
	    TEST(test_caused_reset_flood),
	    TEST(test_continuation_flood),
	    TEST(test_idle_frame_flood),
	    TEST(test_header_list_over_the_limit),
	    TEST(test_not_http2),
	    TEST(test_broken_framing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
