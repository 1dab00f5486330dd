/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP/1.1 server against raw sockets on 127.0.0.1: what a well-meaning
 * client gets, and what a hostile one runs into.
 */
#include "tests/unit/server_world.h"

/* ------------------------------------------------------------- first steps */

static void
test_hello(void **state)
{
	struct world *w = *state;
	int fd;

	serve_now(w, NULL);
	fd = client(w);
	say(fd, "GET /a%20b?x=1 HTTP/1.1\r\nHost: x\r\n\r\n");
	until_got(w, fd, "hello");
	assert_non_null(strstr(w->got, "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(w->got, "Content-Length: 5\r\n"));
	assert_non_null(strstr(w->got, "content-type: text/plain\r\n"));
	assert_non_null(strstr(w->got, "Date: "));
	assert_string_equal(w->method, "GET");
	assert_string_equal(w->path, "/a%20b");
	assert_string_equal(w->query, "x=1");
	assert_memory_equal(w->remote, "127.0.0.1:", 10);
	/* and again on the same connection */
	w->got_len = 0;
	w->got[0] = '\0';
	say(fd, "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
	until_got(w, fd, "hello");
	assert_string_equal(w->method, "POST");
	assert_string_equal(w->body, "body");
	assert_int_equal(w->requests, 2);
	close(fd);
}

static void
test_refusal_arrives(void **state)
{
	struct world *w = *state;
	struct server_counts counts;
	int fd;

	serve_now(w, NULL);
	fd = client(w);
	say(fd,
	    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello");
	until_eof(w, fd);
	assert_memory_equal(w->got, "HTTP/1.1 400 Bad Request\r\n", 26);
	assert_non_null(strstr(w->got, "Connection: close\r\n"));
	assert_non_null(strstr(w->got, "\"code\":\"invalid_request\""));
	assert_non_null(strstr(w->got, "\"param\":null"));
	assert_int_equal(w->requests, 0);
	server_counts(w->server, &counts);
	assert_int_equal(counts.guard_refusals, 1);
	close(fd);
}

static void
test_streaming(void **state)
{
	struct world *w = *state;
	struct evbuffer *b = evbuffer_new();
	int fd;

	serve_now(w, NULL);
	fd = client(w);
	say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	while (w->held == NULL)
		turn(w, fd);
	http_reply_start(w->held, 200, NULL);
	/* The head does not wait for the first bytes of the body. */
	until_got(w, fd, "\r\n\r\n");
	evbuffer_add(b, "one", 3);
	http_reply_body(w->held, b);
	until_got(w, fd, "3\r\none\r\n");
	assert_non_null(strstr(w->got, "Transfer-Encoding: chunked"));
	evbuffer_add(b, "two", 3);
	http_reply_body(w->held, b);
	http_reply_end(w->held);
	http_request_close(&w->held);
	until_got(w, fd, "3\r\ntwo\r\n0\r\n\r\n");
	assert_int_equal(w->gone, 0);
	evbuffer_free(b);
	close(fd);
}

struct ending {
	struct world *world;
	unsigned turns;
};

static void
end_in_turns(void *arg)
{
	struct ending *e = arg;
	struct evbuffer *b;

	if (e->turns-- > 0) {
		loop_defer(e->world->loop, end_in_turns, e);
		return;
	}
	b = evbuffer_new();
	evbuffer_add(b, "two", 3);
	http_reply_body(e->world->held, b);
	http_reply_end(e->world->held);
	http_request_close(&e->world->held);
	evbuffer_free(b);
}

/* The end may come in the very turn in which an earlier part was taken by the
 * socket and its callback still waits. */
static void
test_end_after_a_part(void **state)
{
	struct world *w = *state;

	serve_now(w, NULL);
	for (unsigned turns = 1; turns < 6; turns++) {
		struct ending e = {w, turns};
		struct evbuffer *b = evbuffer_new();
		int fd = client(w);

		say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
		while (w->held == NULL)
			turn(w, fd);
		http_reply_start(w->held, 200, NULL);
		evbuffer_add(b, "one", 3);
		http_reply_body(w->held, b);
		end_in_turns(&e);
		until_got(w, fd, "two\r\n0\r\n\r\n");
		evbuffer_free(b);
		close(fd);
	}
}

static void
test_gone_before_the_reply(void **state)
{
	struct world *w = *state;
	int fd;

	serve_now(w, NULL);
	fd = client(w);
	say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	while (w->held == NULL)
		turn(w, fd);
	close(fd);
	while (w->gone == 0)
		turn(w, -1);
	assert_int_equal(w->gone, 1);
	/* Still valid, and writing to it harms nobody. */
	assert_string_equal(w->held->path, "/hold");
	http_reply_text(&w->held, 200, "text/plain", "nobody hears");
}

/* ------------------------------------------------------------- good clients */

static void
test_head(void **state)
{
	struct world *w = *state;
	int fd;

	serve_now(w, NULL);
	fd = client(w);
	say(fd, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	until_eof(w, fd);
	assert_int_equal(w->requests, 2);
	assert_int_equal(times(w->got, "Content-Length: 5\r\n"), 2);
	assert_int_equal(times(w->got, "hello"), 1);
	close(fd);
}

static void
test_expecting_to_go_on(void **state)
{
	struct world *w = *state;
	int fd;

	serve_now(w, NULL);
	fd = client(w);
	say(fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
		"Expect: 100-continue\r\n\r\n");
	until_got(w, fd, "HTTP/1.1 100 Continue\r\n\r\n");
	assert_int_equal(w->requests, 0);
	say(fd, "body");
	until_got(w, fd, "hello");
	assert_string_equal(w->body, "body");
	close(fd);
}

static void
test_expecting_too_much(void **state)
{
	struct world *w = *state;
	int fd;

	serve_now(w, NULL);
	fd = client(w);
	say(fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n"
		"Expect: 100-continue\r\n\r\n");
	until_eof(w, fd);
	assert_memory_equal(w->got, "HTTP/1.1 413 ", 13);
	assert_non_null(strstr(w->got, "\"code\":\"request_too_large\""));
	close(fd);
}

/* What the guard lets through, the parser behind it takes, too. */
static void
test_every_byte_of_a_target(void **state)
{
	struct world *w = *state;
	struct server_counts counts;

	serve_now(w, NULL);
	for (int c = 1; c < 256; c++) {
		char text[80];
		int fd = client(w);

		snprintf(text, sizeof text,
		    "GET /a%cb?c%cd HTTP/1.1\r\nHost: x\r\n\r\n", c, c);
		say(fd, text);
		while (strstr(w->got, "hello") == NULL &&
		       strstr(w->got, "\"param\":null}}") == NULL) {
			assert_false(w->eof);
			turn(w, fd);
		}
		close(fd);
	}
	server_counts(w->server, &counts);
	assert_int_equal(counts.requests, w->requests);
	assert_int_equal(counts.requests + counts.guard_refusals, 255);
	/* letters, digits, and -._~!$&'()*+,;=:@/? */
	assert_int_equal(counts.requests, 26 + 26 + 10 + 19);
}

static void
test_large_bodies(void **state)
{
	struct world *w = *state;
	size_t total = 900 * 1000;
	char *text = malloc(total + 100);
	size_t sent = 0, len;
	int fd;

	serve_now(w, NULL);
	len = (size_t)snprintf(text, 100,
	    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", total);
	memset(text + len, 'b', total);
	len += total;
	fd = client(w);
	while (strstr(w->got, "hello") == NULL) {
		ssize_t n = send(fd, text + sent, len - sent, MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		turn(w, fd);
		assert_false(w->eof);
	}
	assert_int_equal(w->body_len, total);
	free(text);
	close(fd);
}

static void
test_pipelining(void **state)
{
	struct world *w = *state;
	int fd;

	serve_now(w, NULL);
	fd = client(w);
	say(fd,
	    "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
	    "POST /2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "3\r\nabc\r\n0\r\n\r\n"
	    "GET /3 HTTP/1.1\r\nHost: x\r\n\r\n");
	while (times(w->got, "hello") < 3)
		turn(w, fd);
	assert_int_equal(w->requests, 3);
	assert_string_equal(w->path, "/3");
	close(fd);
}

/* The second request comes while the first is with its handler. */
static void
test_pipelining_behind_a_wait(void **state)
{
	struct world *w = *state;
	int fd;

	serve_now(w, NULL);
	fd = client(w);
	say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	until_held(w, fd);
	say(fd, "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
	for (int i = 0; i < 20; i++)
		turn(w, fd);
	assert_int_equal(w->requests, 1);
	http_reply_text(&w->held, 200, "text/plain", "first");
	until_got(w, fd, "hello");
	assert_true(strstr(w->got, "first") < strstr(w->got, "hello"));
	assert_int_equal(w->requests, 2);
	close(fd);
}

static void
test_bad_pipelining_behind_a_wait(void **state)
{
	struct world *w = *state;
	int fd;

	serve_now(w, NULL);
	fd = client(w);
	say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	until_held(w, fd);
	say(fd, "GET /2 HTTP/1.1\nHost: x\n\n");
	for (int i = 0; i < 20; i++)
		turn(w, fd);
	http_reply_text(&w->held, 200, "text/plain", "first");
	until_eof(w, fd);
	assert_non_null(strstr(w->got, "first"));
	assert_int_equal(w->requests, 1);
	close(fd);
}

static void
test_old_client(void **state)
{
	struct world *w = *state;
	int fd;

	serve_now(w, NULL);
	fd = client(w);
	say(fd, "GET /hold HTTP/1.0\r\n\r\n");
	until_held(w, fd);
	http_reply_start(w->held, 200, NULL);
	pour(w->held, 10);
	until_got(w, fd, "\r\n\r\n");
	assert_null(strstr(w->got, "chunked"));
	pour(w->held, 10);
	http_reply_end(w->held);
	http_request_close(&w->held);
	until_eof(w, fd);
	assert_int_equal(
	    w->got_len - (size_t)(strstr(w->got, "\r\n\r\n") + 4 - w->got), 20);
	close(fd);
}

static void
test_cut_reply(void **state)
{
	struct world *w = *state;
	int fd;

	serve_now(w, NULL);
	fd = client(w);
	say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	until_held(w, fd);
	http_reply_start(w->held, 200, NULL);
	pour(w->held, 3);
	http_request_close(&w->held);
	until_eof(w, fd);
	/* The bytes arrive, the last chunk does not. */
	assert_non_null(strstr(w->got, "\r\n\r\n3\r\n"));
	assert_null(strstr(w->got, "0\r\n\r\n"));
	assert_int_equal(w->gone, 0);
	close(fd);
}

static void
test_closed_without_a_reply(void **state)
{
	struct world *w = *state;
	int fd;

	serve_now(w, NULL);
	fd = client(w);
	say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	until_held(w, fd);
	http_request_close(&w->held);
	until_eof(w, fd);
	assert_int_equal(w->got_len, 0);
	close(fd);
}

/* --------------------------------------------------------- back-pressure */

static void
test_backlog(void **state)
{
	struct world *w = *state;
	size_t total = 8 * 1024 * 1024;
	size_t got = 0;
	int fd;

	serve_now(w, NULL);
	fd = client(w);
	say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	until_held(w, fd);
	http_reply_start(w->held, 200, NULL);
	pour(w->held, total);
	assert_true(http_reply_backlog(w->held) >= total);
	for (int i = 0; i < 50; i++)
		turn(w, -1);
	assert_true(http_reply_backlog(w->held) > w->limits.backlog_low);
	assert_int_equal(w->drained, 0);
	while (w->drained == 0) {
		turn(w, fd);
		got += w->got_len;
		forget(w);
	}
	assert_true(http_reply_backlog(w->held) < w->limits.backlog_low);
	http_reply_end(w->held);
	http_request_close(&w->held);
	until_got(w, fd, "0\r\n\r\n");
	assert_true(got + w->got_len > total);
	assert_int_equal(w->drained, 1);
	close(fd);
}

/* A client that takes nothing of a whole reply is not waited for long. */
static void
test_reply_not_taken(void **state)
{
	struct world *w = *state;
	struct server_counts counts;
	int fd;

	w->limits.body_ms = 100;
	serve_now(w, NULL);
	fd = client(w);
	say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	until_held(w, fd);
	http_reply_start(w->held, 200, NULL);
	pour(w->held, 32 * 1024 * 1024);
	http_reply_end(w->held);
	http_request_close(&w->held);
	do {
		turn(w, -1);
		server_counts(w->server, &counts);
	} while (counts.open > 0);
	close(fd);
}

/* ------------------------------------------------------------- hanging up */

static void
test_gone_in_the_stream(void **state)
{
	struct world *w = *state;
	int64_t then;
	int fd;

	serve_now(w, NULL);
	fd = client(w);
	say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	until_held(w, fd);
	http_reply_start(w->held, 200, NULL);
	pour(w->held, 10);
	until_got(w, fd, "chunked");
	then = clock_mono_ms();
	close(fd);
	while (w->gone == 0)
		turn(w, -1);
	assert_true(clock_mono_ms() - then < 100);
	pour(w->held, 10);
	assert_int_equal(http_reply_backlog(w->held), 0);
	http_request_close(&w->held);
	for (int i = 0; i < 20; i++)
		turn(w, -1);
	assert_int_equal(w->gone, 1);
}

/* A half-closed client has gone, as a FIN is all there is to see of most that
 * have. */
static void
test_half_closed(void **state)
{
	struct world *w = *state;
	int fd;

	serve_now(w, NULL);
	fd = client(w);
	say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	until_held(w, fd);
	shutdown(fd, SHUT_WR);
	until_eof(w, fd);
	while (w->gone == 0)
		turn(w, -1);
	http_request_close(&w->held);
	close(fd);
}

/* Nobody was listening when it happened. */
static void
test_watched_after_it_has_gone(void **state)
{
	static const struct http_watch none = {NULL, NULL};
	struct world *w = *state;
	struct server_counts counts;
	int fd;

	serve_now(w, NULL);
	fd = client(w);
	say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	until_held(w, fd);
	http_request_watch(w->held, &none, NULL);
	close(fd);
	do {
		turn(w, -1);
		server_counts(w->server, &counts);
	} while (counts.open > 0);
	for (int i = 0; i < 5; i++)
		turn(w, -1);
	http_request_watch(w->held, &watching, w);
	assert_int_equal(w->gone, 0);
	while (w->gone == 0)
		turn(w, -1);
	http_request_close(&w->held);
}

static void
test_freed_with_a_request(void **state)
{
	struct world *w = *state;
	int fd;

	serve_now(w, NULL);
	fd = client(w);
	say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	until_held(w, fd);
	http_reply_start(w->held, 200, NULL);
	pour(w->held, 10);
	server_free(&w->server);
	assert_null(w->server);
	assert_int_equal(w->gone, 0); /* through the loop */
	until_eof(w, fd);
	while (w->gone == 0)
		turn(w, -1);
	assert_string_equal(w->held->path, "/hold");
	http_reply_end(w->held);
	http_request_close(&w->held);
	close(fd);
}

static void
on_idle(void *arg)
{
	((struct world *)arg)->idle = true;
}

static void
test_drain(void **state)
{
	struct world *w = *state;
	int busy, idle;

	serve_now(w, NULL);
	busy = client(w);
	say(busy, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	until_held(w, busy);
	idle = client(w);
	say(idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	until_got(w, idle, "hello");
	server_drain(w->server, on_idle, w);
	until_eof(w, idle);
	assert_false(w->idle);
	forget(w);
	w->eof = false;
	http_reply_text(&w->held, 200, "text/plain", "bye");
	until_eof(w, busy);
	assert_non_null(strstr(w->got, "bye"));
	assert_non_null(strstr(w->got, "Connection: close\r\n"));
	close(busy);
	close(idle);
	while (!w->idle)
		turn(w, -1);
}

static void
test_drain_when_idle(void **state)
{
	struct world *w = *state;

	serve_now(w, NULL);
	server_drain(w->server, on_idle, w);
	assert_false(w->idle);
	while (!w->idle)
		turn(w, -1);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_hello),
	    TEST(test_refusal_arrives),
	    TEST(test_streaming),
	    TEST(test_end_after_a_part),
	    TEST(test_gone_before_the_reply),
	    TEST(test_head),
	    TEST(test_expecting_to_go_on),
	    TEST(test_expecting_too_much),
	    TEST(test_every_byte_of_a_target),
	    TEST(test_large_bodies),
	    TEST(test_pipelining),
	    TEST(test_pipelining_behind_a_wait),
	    TEST(test_bad_pipelining_behind_a_wait),
	    TEST(test_old_client),
	    TEST(test_cut_reply),
	    TEST(test_closed_without_a_reply),
	    TEST(test_backlog),
	    TEST(test_reply_not_taken),
	    TEST(test_gone_in_the_stream),
	    TEST(test_half_closed),
	    TEST(test_watched_after_it_has_gone),
	    TEST(test_freed_with_a_request),
	    TEST(test_drain),
	    TEST(test_drain_when_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
