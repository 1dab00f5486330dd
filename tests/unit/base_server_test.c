/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP/1.1 server against raw sockets on 127.0.0.1: what a well-meaning
 * client gets, and what a hostile one runs into.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/server.h"
#include "tests/unit/certificates.h"

struct world {
	struct loop *loop;
	struct log log;
	struct server *server;
	struct server_limits limits;
	struct timer *patience;
	struct http_request *held; /* a request kept by its handler */
	char method[16], path[256], query[64], body[256], remote[64];
	unsigned requests;
	size_t body_len;
	unsigned gone, drained;
	bool idle;
	/* what the client has received */
	char got[256 * 1024];
	size_t got_len;
	bool eof;
};

static void
on_patience(void *arg)
{
	(void)arg;
	fail_msg("the test waited too long");
}

static void
on_drained(void *arg)
{
	((struct world *)arg)->drained++;
}

static void
on_gone(void *arg)
{
	((struct world *)arg)->gone++;
}

static const struct http_watch watching = {on_drained, on_gone};

static void
handle(struct http_request *r, void *arg)
{
	struct world *w = arg;
	size_t n = evbuffer_get_length(r->body);

	w->requests++;
	w->body_len = n;
	snprintf(w->method, sizeof w->method, "%s", r->method);
	snprintf(w->path, sizeof w->path, "%s", r->path);
	snprintf(
	    w->query, sizeof w->query, "%s", r->query == NULL ? "-" : r->query);
	snprintf(w->remote, sizeof w->remote, "%s", r->remote);
	memset(w->body, 0, sizeof w->body);
	evbuffer_copyout(
	    r->body, w->body, n < sizeof w->body ? n : sizeof w->body - 1);
	if (strncmp(r->path, "/hold", 5) == 0) {
		assert_null(w->held);
		http_request_watch(r, &watching, w);
		w->held = r;
		return;
	}
	http_reply_text(&r, 200, "text/plain", "hello");
}

static int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	w->loop = loop_new();
	log_init(&w->log, "test", LOG_ERROR_);
	server_limits_default(&w->limits);
	w->patience = timer_new(w->loop, on_patience, NULL);
	timer_start(w->patience, 20000);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	http_request_close(&w->held);
	server_free(&w->server);
	timer_free(&w->patience);
	loop_free(&w->loop);
	free(w);
	return 0;
}

static void
serve_now(struct world *w, SSL_CTX *tls)
{
	struct fault f;

	w->server = server_new(
	    w->loop, "127.0.0.1:0", tls, &w->limits, handle, w, &w->log, &f);
	if (w->server == NULL)
		fail_msg("%s", f.why);
}

static int
client(struct world *w)
{
	struct sockaddr_in a = {
	    .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)server_port(w->server)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	w->got_len = 0;
	w->got[0] = '\0';
	w->eof = false;
	return fd;
}

static void
say(int fd, const char *text)
{
	size_t len = strlen(text);

	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void
turn(struct world *w, int fd)
{
	ssize_t n;

	event_base_loop(loop_base(w->loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
	if (fd < 0)
		return;
	n = recv(fd, w->got + w->got_len, sizeof w->got - 1 - w->got_len, 0);
	if (n > 0)
		w->got_len += (size_t)n;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		w->eof = true;
	w->got[w->got_len] = '\0';
}

static void
until_eof(struct world *w, int fd)
{
	while (!w->eof)
		turn(w, fd);
}

static void
until_got(struct world *w, int fd, const char *text)
{
	while (strstr(w->got, text) == NULL) {
		assert_false(w->eof);
		turn(w, fd);
	}
}

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

static void
forget(struct world *w)
{
	w->got_len = 0;
	w->got[0] = '\0';
}

static unsigned
times(const char *in, const char *what)
{
	unsigned n = 0;

	for (; (in = strstr(in, what)) != NULL; in++)
		n++;
	return n;
}

static void
pour(struct http_request *r, size_t n)
{
	static char text[65536];
	struct evbuffer *b = evbuffer_new();

	memset(text, 'z', sizeof text);
	for (; n > 0; n -= n < sizeof text ? n : sizeof text)
		evbuffer_add(b, text, n < sizeof text ? n : sizeof text);
	http_reply_body(r, b);
	evbuffer_free(b);
}

static void
until_held(struct world *w, int fd)
{
	while (w->held == NULL)
		turn(w, fd);
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

/* ---------------------------------------------------------------- deadlines */

static void
test_nothing_said(void **state)
{
	struct world *w = *state;
	int fd;

	w->limits.head_ms = 60;
	serve_now(w, NULL);
	fd = client(w);
	until_eof(w, fd);
	assert_int_equal(w->got_len, 0);
	close(fd);
}

static void
test_idle_is_closed(void **state)
{
	struct world *w = *state;
	int64_t then = clock_mono_ms();
	int fd;

	w->limits.idle_ms = 60;
	serve_now(w, NULL);
	fd = client(w);
	say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	until_eof(w, fd);
	assert_non_null(strstr(w->got, "hello"));
	assert_null(strstr(w->got, "408"));
	assert_true(clock_mono_ms() - then >= 60);
	close(fd);
}

struct trickle {
	struct timer *timer;
	const char *text;
	int fd;
};

static void
on_trickle(void *arg)
{
	struct trickle *t = arg;

	if (*t->text != '\0' && send(t->fd, t->text, 1, MSG_NOSIGNAL) == 1)
		t->text++;
}

/* One byte every 5 ms: no single read is ever late. */
static void
trickle(struct world *w, const char *first, const char *then)
{
	struct trickle t = {.text = then};
	struct server_counts counts;

	serve_now(w, NULL);
	t.fd = client(w);
	say(t.fd, first);
	t.timer = timer_new(w->loop, on_trickle, &t);
	timer_every(t.timer, 5);
	until_eof(w, t.fd);
	assert_true(*t.text != '\0');
	assert_memory_equal(w->got, "HTTP/1.1 408 ", 13);
	assert_non_null(strstr(w->got, "\"code\":\"request_timeout\""));
	server_counts(w->server, &counts);
	assert_int_equal(counts.deadline_closes, 1);
	assert_int_equal(w->requests, 0);
	timer_free(&t.timer);
	close(t.fd);
}

#define LONG                                                                   \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"   \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void
test_slow_head(void **state)
{
	struct world *w = *state;

	w->limits.head_ms = 100;
	trickle(w, "GET / HTTP/1.1\r\nHost: x\r\nX: ", LONG);
}

static void
test_slow_body(void **state)
{
	struct world *w = *state;

	w->limits.body_ms = 100;
	trickle(w, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n",
	    LONG);
}

/* --------------------------------------------------------- hostile clients */

/* Sends on after the refusal: a reset must not overtake the answer. */
static void
test_refusal_before_more_bytes(void **state)
{
	struct world *w = *state;
	static char junk[200 * 1024];
	size_t sent = 0;
	int fd;

	w->limits.body_bytes = 1000;
	serve_now(w, NULL);
	fd = client(w);
	say(fd,
	    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n");
	while (!w->eof) {
		ssize_t n = sent < 1024 * 1024
				? send(fd, junk, sizeof junk, MSG_NOSIGNAL)
				: 0;

		sent += n > 0 ? (size_t)n : 0;
		turn(w, fd);
	}
	assert_memory_equal(w->got, "HTTP/1.1 413 ", 13);
	assert_non_null(strstr(w->got, "request_too_large\""));
	close(fd);
}

/* While a reply streams, what the client sends is left to TCP. */
static void
test_input_is_bounded_while_streaming(void **state)
{
	struct world *w = *state;
	static char junk[64 * 1024];
	size_t sent = 0;
	unsigned idle = 0;
	int fd;

	serve_now(w, NULL);
	fd = client(w);
	say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	until_held(w, fd);
	http_reply_start(w->held, 200, NULL);
	pour(w->held, 10);
	say(fd,
	    "POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
	while (idle < 500) {
		ssize_t n = send(fd, junk, sizeof junk, MSG_NOSIGNAL);

		idle = n > 0 ? 0 : idle + 1;
		sent += n > 0 ? (size_t)n : 0;
		turn(w, -1);
		assert_true(sent < 64 * 1024 * 1024);
	}
	/* Not refused: it would have been, had the server read it all. */
	http_reply_end(w->held);
	http_request_close(&w->held);
	until_got(w, fd, "0\r\n\r\n");
	close(fd);
}

static void
test_too_many_connections(void **state)
{
	struct world *w = *state;
	struct server_counts counts;
	int fd[3];

	w->limits.connections = 2;
	serve_now(w, NULL);
	for (int i = 0; i < 3; i++) {
		fd[i] = client(w);
		do {
			turn(w, -1);
			server_counts(w->server, &counts);
		} while (counts.open <= (unsigned)i);
	}
	say(fd[2], "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	until_eof(w, fd[2]);
	assert_memory_equal(w->got, "HTTP/1.1 503 ", 13);
	assert_non_null(strstr(w->got, "\"code\":\"overloaded\""));
	assert_non_null(strstr(w->got, "Retry-After: 1\r\n"));
	forget(w);
	w->eof = false;
	say(fd[0], "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	until_got(w, fd[0], "hello");
	for (int i = 0; i < 3; i++)
		close(fd[i]);
}

static void
test_out_of_descriptors(void **state)
{
	struct world *w = *state;
	struct rlimit was, low;
	int fd[3], spare;
	int64_t cpu;

	serve_now(w, NULL);
	for (int i = 0; i < 3; i++)
		fd[i] = client(w);
	/* Room for one more than there are now. */
	spare = dup(0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	low = was;
	low.rlim_cur = (rlim_t)spare + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	close(spare);
	cpu = clock();
	for (int64_t then = clock_mono_ms(); clock_mono_ms() - then < 600;)
		event_base_loop(loop_base(w->loop), EVLOOP_ONCE);
	cpu = (clock() - cpu) * 1000 / CLOCKS_PER_SEC;
	assert_true(cpu < 200); /* it rests; it does not spin */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	say(fd[2], "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	until_got(w, fd[2], "hello");
	for (int i = 0; i < 3; i++)
		close(fd[i]);
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

/* --------------------------------------------------------------------- TLS */

struct tls_world {
	struct certificate ca, leaf;
	SSL_CTX *server, *client;
	SSL *ssl;
	BIO *in; /* what came off the wire, for counting records */
};

static void
tls_up(struct tls_world *t)
{
	struct fault f;

	certificate_make(
	    &t->ca, NULL, &(struct certificate_wish){.name = "CA", .ca = true});
	certificate_make(&t->leaf, &t->ca,
	    &(struct certificate_wish){
		.name = "leaf", .san = "DNS:localhost", .usage = "serverAuth"});
	assert_true(tls_context_new(&(struct tls_settings){.server = true,
					.tls12 = true,
					.certificate_file = t->leaf.file,
					.key_file = t->leaf.key_file,
					.alpn = "http/1.1"},
	    &t->server, &f));
	assert_true(tls_context_new(
	    &(struct tls_settings){
		.verify = TLS_VERIFY_REQUIRED, .ca_file = t->ca.file},
	    &t->client, &f));
}

static void
tls_done(struct tls_world *t)
{
	SSL_free(t->ssl);
	SSL_CTX_free(t->server);
	SSL_CTX_free(t->client);
	certificate_done(&t->leaf);
	certificate_done(&t->ca);
}

static int
tls_client(struct world *w, struct tls_world *t)
{
	int fd = client(w);

	t->ssl = SSL_new(t->client);
	SSL_set_fd(t->ssl, fd);
	SSL_set1_host(t->ssl, "localhost");
	while (SSL_connect(t->ssl) != 1)
		turn(w, -1);
	return fd;
}

static void
test_one_record_per_reply(void **state)
{
	struct world *w = *state;
	struct tls_world t = {0};
	char text[4096];
	int fd, n;

	tls_up(&t);
	serve_now(w, t.server);
	fd = tls_client(w, &t);
	assert_int_equal(
	    SSL_write(t.ssl, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 35),
	    35);
	while ((n = SSL_read(t.ssl, text, sizeof text - 1)) <= 0)
		turn(w, -1);
	text[n] = '\0';
	/* SSL_read gives one record at a time: head and body in one. */
	assert_non_null(strstr(text, "HTTP/1.1 200 OK"));
	assert_non_null(strstr(text, "hello"));
	close(fd);
	tls_done(&t);
}

static void
test_refusal_over_tls(void **state)
{
	struct world *w = *state;
	struct tls_world t = {0};
	char text[4096];
	int fd, n;

	tls_up(&t);
	serve_now(w, t.server);
	fd = tls_client(w, &t);
	assert_int_equal(SSL_write(t.ssl, "GET / HTTP/1.2\r\n", 16), 16);
	while ((n = SSL_read(t.ssl, text, sizeof text - 1)) <= 0)
		turn(w, -1);
	text[n] = '\0';
	assert_memory_equal(text, "HTTP/1.1 505 ", 13);
	assert_non_null(strstr(text, "\"param\":null}}"));
	/* and a proper end: close_notify, not a cut. */
	while ((n = SSL_read(t.ssl, text, 1)) < 0 &&
	       SSL_get_error(t.ssl, n) == SSL_ERROR_WANT_READ)
		turn(w, -1);
	assert_int_equal(SSL_get_error(t.ssl, n), SSL_ERROR_ZERO_RETURN);
	close(fd);
	tls_done(&t);
}

static void
test_large_reply_over_tls(void **state)
{
	struct world *w = *state;
	struct tls_world t = {0};
	static char text[65536];
	size_t total = 5 * 1024 * 1024, got = 0;
	int fd;

	tls_up(&t);
	serve_now(w, t.server);
	fd = tls_client(w, &t);
	assert_int_equal(
	    SSL_write(
		t.ssl, "GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n", 39),
	    39);
	until_held(w, -1);
	http_reply_start(w->held, 200, NULL);
	pour(w->held, total);
	http_reply_end(w->held);
	http_request_close(&w->held);
	while (got < total) {
		int n = SSL_read(t.ssl, text, sizeof text);

		if (n > 0)
			got += (size_t)n;
		else
			assert_int_equal(
			    SSL_get_error(t.ssl, n), SSL_ERROR_WANT_READ);
		turn(w, -1);
	}
	close(fd);
	tls_done(&t);
}

static void
test_plain_client_on_tls(void **state)
{
	struct world *w = *state;
	struct tls_world t = {0};
	struct server_counts counts;
	int fd;

	tls_up(&t);
	serve_now(w, t.server);
	fd = client(w);
	say(fd, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
	until_eof(w, fd);
	do {
		turn(w, -1);
		server_counts(w->server, &counts);
	} while (counts.open > 0);
	assert_int_equal(w->requests, 0);
	close(fd);
	tls_done(&t);
}

static void
test_bad_address(void **state)
{
	struct world *w = *state;
	struct fault f;

	assert_null(server_new(
	    w->loop, "nonsense", NULL, &w->limits, handle, w, &w->log, &f));
	assert_string_equal(f.why, "\"nonsense\" is no address to listen on");
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
	    TEST(test_nothing_said),
	    TEST(test_idle_is_closed),
	    TEST(test_slow_head),
	    TEST(test_slow_body),
	    TEST(test_refusal_before_more_bytes),
	    TEST(test_input_is_bounded_while_streaming),
	    TEST(test_too_many_connections),
	    TEST(test_out_of_descriptors),
	    TEST(test_backlog),
	    TEST(test_reply_not_taken),
	    TEST(test_gone_in_the_stream),
	    TEST(test_half_closed),
	    TEST(test_watched_after_it_has_gone),
	    TEST(test_freed_with_a_request),
	    TEST(test_drain),
	    TEST(test_drain_when_idle),
	    TEST(test_one_record_per_reply),
	    TEST(test_refusal_over_tls),
	    TEST(test_large_reply_over_tls),
	    TEST(test_plain_client_on_tls),
	    TEST(test_bad_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
