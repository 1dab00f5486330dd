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

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_hello),
	    TEST(test_refusal_arrives),
	    TEST(test_streaming),
	    TEST(test_gone_before_the_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
