/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 without sockets: two sessions against each other in memory, their
 * bytes cut in pieces of every small size, and raw floods against one.
 */
#include "tests/unit/http2_world.h"

/* ------------------------------------------------------------- exchanges */

static void
echo(struct world *w, size_t bytes)
{
	struct taker t = {.body = evbuffer_new()};
	struct evbuffer *sent = noise(bytes);
	struct evbuffer *kept = noise(bytes);

	begin(w);
	call(w, &t, "/echo?q=1", sent);
	assert_int_equal(evbuffer_get_length(sent), 0); /* moved out of */
	pump(w);
	assert_true(t.ended);
	assert_false(t.failed);
	assert_int_equal(t.status, 200);
	assert_string_equal(t.field, "/echo");
	assert_same(t.body, kept);
	assert_int_equal(http2_streams(w->client.h), 0);
	assert_int_equal(http2_streams(w->server.h), 0);
	assert_true(http2_is_ready(w->client.h));
	assert_true(http2_is_ready(w->server.h));
	assert_false(w->client.is_over || w->server.is_over);
	evbuffer_free(sent);
	evbuffer_free(kept);
	evbuffer_free(t.body);
	http2_free(&w->client.h);
	http2_free(&w->server.h);
}

static void
test_every_split(void **state)
{
	struct world *w = *state;

	for (w->piece = 1; w->piece < 60; w->piece++)
		echo(w, 100);
	w->piece = 1;
	echo(w, 0);
	w->piece = 977;
	echo(w, 300 * 1000);
	w->piece = SIZE_MAX;
	echo(w, 900 * 1000); /* many times the windows */
}

static void
test_request_as_seen(void **state)
{
	struct world *w = *state;
	struct taker t = {0};
	struct arena *a = arena_new();
	struct http_outgoing o = {.method = "GET", .path = "/a?b"};
	const struct http_request *r;
	struct fault f;

	w->server.hold = true;
	begin(w);
	http_fields_add(&o.fields, a, "host", "gateway.test");
	http_fields_add(&o.fields, a, "x-a", "1");
	http_fields_add(&o.fields, a, "connection", "close");
	t.call = http2_call(w->client.h, &o, &taking, &t, &f);
	pump(w);
	assert_int_equal(w->server.count, 1);
	r = w->server.requests[0];
	assert_string_equal(r->method, "GET");
	assert_string_equal(r->path, "/a");
	assert_string_equal(r->query, "b");
	assert_string_equal(
	    http_fields_find(&r->fields, "host"), "gateway.test");
	assert_string_equal(http_fields_find(&r->fields, "x-a"), "1");
	assert_null(http_fields_find(&r->fields, "connection"));
	assert_string_equal(r->remote, "192.0.2.1:5");
	assert_null(r->peer);
	assert_int_equal(evbuffer_get_length(r->body), 0);
	http_reply_text(&w->server.requests[0], 404, "text/plain", "no");
	w->server.count = 0;
	pump(w);
	assert_int_equal(t.status, 404);
	assert_true(t.ended);
	arena_free(&a);
}

static void
test_head_has_no_body(void **state)
{
	struct world *w = *state;
	struct taker t = {0};
	struct http_outgoing o = {.method = "HEAD", .path = "/"};
	struct fault f;

	w->server.hold = true;
	begin(w);
	t.call = http2_call(w->client.h, &o, &taking, &t, &f);
	pump(w);
	http_reply_text(&w->server.requests[0], 200, "text/plain", "hello");
	w->server.count = 0;
	pump(w);
	assert_true(t.ended);
	assert_false(t.failed);
	assert_int_equal(t.got, 0);
}

static void
test_refused_requests(void **state)
{
	struct world *w = *state;
	static const char *const paths[] = {
	    "x", "*", "/a b", "/a#b", "/\xc3\xa9", ""};

	begin(w);
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		struct taker t = {0};

		call(w, &t, paths[i], NULL);
		pump(w);
		assert_true(t.ended);
		assert_true(t.failed);
		assert_int_equal(t.why.kind, FAULT_UNAVAILABLE);
	}
	assert_int_equal(w->server.count, 0);
	assert_false(w->server.is_over);
}

static void
test_body_over_the_limit(void **state)
{
	struct world *w = *state;
	struct taker t = {.body = evbuffer_new()};
	struct evbuffer *b = noise(200 * 1000);

	w->limits.body_bytes = 100 * 1000;
	begin(w);
	call(w, &t, "/", b);
	pump(w);
	assert_true(t.ended);
	assert_int_equal(t.status, 413);
	evbuffer_add(t.body, "", 1);
	assert_non_null(strstr((char *)evbuffer_pullup(t.body, -1),
	    "\"code\":\"request_too_large\""));
	assert_int_equal(w->server.count, 0);
	assert_int_equal(http2_streams(w->client.h), 0);
	assert_int_equal(http2_streams(w->server.h), 0);
	assert_false(w->server.is_over);
	evbuffer_free(b);
	evbuffer_free(t.body);
}

static void
test_full_and_more(void **state)
{
	struct world *w = *state;
	struct taker t[3] = {0};
	struct http_outgoing o = {.method = "GET", .path = "/"};
	struct fault f;

	w->limits.streams = 2;
	w->server.hold = true;
	begin(w);
	pump(w);
	assert_int_equal(http2_streams_max(w->client.h), 2);
	call(w, &t[0], "/0", NULL);
	call(w, &t[1], "/1", NULL);
	assert_null(http2_call(w->client.h, &o, &taking, &t[2], &f));
	assert_int_equal(f.kind, FAULT_UNAVAILABLE);
	assert_string_equal(f.why, "the link is full: 2 streams");
	pump(w);
	http_reply_text(&w->server.requests[0], 200, "text/plain", "x");
	pump(w);
	assert_true(t[0].ended);
	call(w, &t[2], "/2", NULL);
	pump(w);
	assert_int_equal(w->server.count, 3);
}

/* ---------------------------------------------------------- flow control */

static void
pour(struct http_request *r, size_t n)
{
	struct evbuffer *b = noise(n);

	http_reply_body(r, b);
	assert_int_equal(evbuffer_get_length(b), 0);
	evbuffer_free(b);
}

static void
test_window_stops_its_own_stream(void **state)
{
	struct world *w = *state;
	struct taker slow = {.keep = true}, fast = {0};

	w->server.hold = true;
	begin(w);
	call(w, &slow, "/slow", NULL);
	call(w, &fast, "/fast", NULL);
	pump(w);
	for (unsigned i = 0; i < 2; i++) {
		http_reply_start(w->server.requests[i], 200, NULL);
		pour(w->server.requests[i], 500 * 1000);
	}
	pump(w);
	assert_int_equal(slow.got, w->limits.stream_window);
	assert_int_equal(fast.got, 500 * 1000);
	assert_int_equal(http_reply_backlog(w->server.requests[0]),
	    500 * 1000 - w->limits.stream_window);
	assert_int_equal(http_reply_backlog(w->server.requests[1]), 0);
	assert_int_equal(w->server.drained, 1);
	http_call_credit(slow.call, 40 * 1000);
	pump(w);
	assert_int_equal(slow.got, w->limits.stream_window + 40 * 1000);
	slow.keep = false;
	http_call_credit(slow.call, slow.got - 40 * 1000);
	pump(w);
	assert_int_equal(slow.got, 500 * 1000);
	assert_int_equal(w->server.drained, 2);
}

/* Bytes that nobody will ever credit must not be lost to the connection. */
static void
leave_unread(struct world *w, int how)
{
	struct taker t = {.keep = true};

	w->server.count = 0;
	call(w, &t, "/", NULL);
	pump(w);
	assert_int_equal(w->server.count, 1);
	http_reply_start(w->server.requests[0], 200, NULL);
	pour(w->server.requests[0], 60 * 1000);
	if (how == 0) { /* ends whole */
		http_reply_end(w->server.requests[0]);
		http_request_close(&w->server.requests[0]);
		pump(w);
		assert_true(t.ended && !t.failed);
	} else if (how == 1) { /* the server cuts it */
		pump(w);
		http_request_close(&w->server.requests[0]);
		pump(w);
		assert_true(t.ended && t.failed);
		assert_int_equal(t.why.kind, FAULT_TRUNCATED);
	} else if (how == 2) { /* cancelled with bytes unread */
		pump(w);
		assert_int_equal(t.got, 60 * 1000);
		http_call_cancel(&t.call);
		pump(w);
		http_request_close(&w->server.requests[0]);
	} else { /* cancelled with bytes on their way */
		carry(w, &w->server, &w->client);
		pour(w->server.requests[0], 4000);
		over(&w->server,
		    http2_pull(
			w->server.h, w->server.out, MARK, w->now_us, NULL),
		    &w->server.over);
		http_call_cancel(&t.call);
		pump(w);
		http_request_close(&w->server.requests[0]);
	}
	w->server.count = 0;
	w->now_us += 1000000;
}

static void
test_connection_window_never_leaks(void **state)
{
	struct world *w = *state;
	struct taker t = {.keep = true};

	w->server.hold = true;
	begin(w);
	for (int i = 0; i < 40; i++)
		leave_unread(w, i % 4);
	/* A fifth of what was left unread would have used it up. */
	call(w, &t, "/", NULL);
	pump(w);
	http_reply_start(w->server.requests[0], 200, NULL);
	pour(w->server.requests[0], 60 * 1000);
	pump(w);
	assert_int_equal(t.got, 60 * 1000);
	assert_false(w->client.is_over || w->server.is_over);
}

/* DATA waits once the socket is full; a cancelled stream's RST does not. */
static void
test_output_over_the_mark(void **state)
{
	struct world *w = *state;
	struct taker t[8] = {0};
	struct fault f;
	size_t held;

	w->limits.connection_window = 4 * 1024 * 1024;
	w->server.hold = true;
	begin(w);
	for (int i = 0; i < 8; i++)
		call(w, &t[i], "/", NULL);
	pump(w);
	for (int i = 0; i < 8; i++) {
		http_reply_start(w->server.requests[i], 200, NULL);
		pour(w->server.requests[i], 60 * 1000);
	}
	assert_true(http2_pull(w->server.h, w->server.out, MARK, 0, &f));
	held = evbuffer_get_length(w->server.out);
	assert_true(held >= MARK && held < MARK + 20 * 1000);
	http_request_close(&w->server.requests[7]);
	assert_true(http2_pull(w->server.h, w->server.out, MARK, 0, &f));
	assert_int_equal(evbuffer_get_length(w->server.out), held + 13);
	pump(w);
	for (int i = 0; i < 7; i++)
		assert_int_equal(t[i].got, 60 * 1000);
	assert_true(t[7].ended && t[7].failed);
}

/* ----------------------------------------------------------- cancellation */

static void
test_cancel_before_it_left(void **state)
{
	struct world *w = *state;
	struct taker t = {0};

	begin(w);
	pump(w);
	call(w, &t, "/", NULL);
	http_call_cancel(&t.call);
	assert_null(t.call);
	pump(w);
	assert_int_equal(w->server.count, 0);
	assert_int_equal(http2_streams(w->client.h), 0);
	call(w, &t, "/", NULL);
	pump(w);
	assert_true(t.ended && !t.failed);
}

static void
test_cancel_reaches_the_handler(void **state)
{
	struct world *w = *state;
	struct taker t = {0};

	w->server.hold = true;
	begin(w);
	call(w, &t, "/", NULL);
	pump(w);
	http_call_cancel(&t.call);
	pump(w);
	assert_int_equal(w->server.gone, 1);
	assert_false(t.ended);
	/* The request lives on, deaf. */
	http_reply_start(w->server.requests[0], 200, NULL);
	pour(w->server.requests[0], 1000);
	assert_int_equal(http_reply_backlog(w->server.requests[0]), 0);
	http_reply_end(w->server.requests[0]);
	pump(w);
	assert_int_equal(w->server.gone, 1);
}

static void
test_cancel_inside(void **state)
{
	struct world *w = *state;
	struct taker a = {.cancel_in_head = true};
	struct taker b = {.cancel_in_body = true};
	struct evbuffer *body = noise(1000);

	begin(w);
	call(w, &a, "/a", NULL);
	call(w, &b, "/b", body);
	pump(w);
	assert_int_equal(a.status, 200);
	assert_int_equal(b.got, 1000);
	assert_false(a.ended || b.ended);
	assert_int_equal(http2_streams(w->client.h), 0);
	evbuffer_free(body);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_every_split),
	    TEST(test_request_as_seen),
	    TEST(test_head_has_no_body),
	    TEST(test_refused_requests),
	    TEST(test_body_over_the_limit),
	    TEST(test_full_and_more),
	    TEST(test_window_stops_its_own_stream),
	    TEST(test_connection_window_never_leaks),
	    TEST(test_output_over_the_mark),
	    TEST(test_cancel_before_it_left),
	    TEST(test_cancel_reaches_the_handler),
	    TEST(test_cancel_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
