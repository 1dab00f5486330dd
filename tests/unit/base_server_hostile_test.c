/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP/1.1 server against clients that mean harm, or are merely broken:
 * every deadline, bound and refusal, over plain sockets and TLS.
 */
#include "tests/unit/server_world.h"

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
	assert_true(clock_mono_ms() - then >= 50);
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
	    TEST(test_nothing_said),
	    TEST(test_idle_is_closed),
	    TEST(test_slow_head),
	    TEST(test_slow_body),
	    TEST(test_refusal_before_more_bytes),
	    TEST(test_input_is_bounded_while_streaming),
	    TEST(test_too_many_connections),
	    TEST(test_out_of_descriptors),
	    TEST(test_one_record_per_reply),
	    TEST(test_refusal_over_tls),
	    TEST(test_large_reply_over_tls),
	    TEST(test_plain_client_on_tls),
	    TEST(test_bad_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
