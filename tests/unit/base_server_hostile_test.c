/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP/1.1 server against clients that mean harm, or are merely broken:
 * every deadline, bound and refusal, over plain sockets and TLS.
 */
#include "base/guard.h"
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

/* ------------------------------------------ the guard and what is behind it */

static unsigned
any(unsigned *seed, unsigned below)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 16) % below;
}

static void
add_chunks(struct evbuffer *out, unsigned *seed)
{
	for (unsigned n = any(seed, 4); n > 0; n--) {
		unsigned size = any(seed, 30) + 1;

		evbuffer_add_printf(
		    out, any(seed, 2) ? "%x\r\n" : "%X\r\n", size);
		for (; size > 0; size--)
			evbuffer_add(out, any(seed, 8) == 0 ? "\n" : "G", 1);
		evbuffer_add_printf(out, "\r\n");
	}
	evbuffer_add_printf(out, "0\r\n\r\n");
}

/* A request, valid as far as it goes; what a mutation makes of it is the
 * guard's to say. */
static void
add_request(struct evbuffer *out, unsigned *seed)
{
	static const char *const heads[] = {
	    "GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
	    "GET /a?b HTTP/1.1\r\nHost: x:1\r\nX-Y:z \r\n\r\n",
	    "DELETE / HTTP/1.1\r\nHOST:x\r\nContent-Length: 0\r\n\r\n",
	    "HEAD / HTTP/1.1\r\nhost:\tx\r\nA:\r\n\r\n",
	    "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
	    "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length:7\r\n\r\nGET / H",
	    "PUT /p HTTP/1.1\r\nContent-Length: 02\r\nHost: x\r\n\r\n\r\n",
	    "PATCH /p HTTP/1.1\r\nHost: x\r\n"
	    "Transfer-Encoding:  chunked\t\r\n\r\n",
	    "POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
	    "tRANSFER-eNCODING: CHUNKED\r\n\r\n",
	};
	unsigned n = any(seed, sizeof heads / sizeof *heads);

	evbuffer_add_printf(out, "%s", heads[n]);
	if (n >= 7)
		add_chunks(out, seed);
}

static void
mutate(char *text, unsigned *seed)
{
	static const char odd[] = "\r\n\t :;,0123456789abcdefGHx/%-+.\v";
	size_t len = strlen(text);
	size_t at = any(seed, (unsigned)len);

	switch (any(seed, 4)) {
	case 0:
		text[at] = odd[any(seed, sizeof odd - 1)];
		break;
	case 1:
		memmove(text + at, text + at + 1, len - at);
		break;
	case 2:
		memmove(text + at + 1, text + at, len - at + 1);
		break;
	default:
		break; /* as it is */
	}
}

/* Where the guard sees n whole requests and no more, so does evhttp. The last
 * ends the connection. */
static bool
try_agreement(struct world *w, const char *text)
{
	struct guard_limits limits = {
	    w->limits.head_bytes, w->limits.fields, w->limits.body_bytes};
	struct guard g;
	struct fault f;
	int fd;

	guard_init(&g, &limits);
	if (!guard_feed(&g, bytes_of(text, strlen(text)), &f) ||
	    g.stage != GUARD_IDLE)
		return false;
	w->requests = 0;
	fd = client(w);
	say(fd, text);
	until_eof(w, fd);
	if (w->requests != g.requests)
		fail_msg("%u requests, not %u: %s", w->requests,
		    (unsigned)g.requests, text);
	if (strstr(w->got, "HTTP/1.1 4") != NULL)
		fail_msg("refused behind the guard: %s", text);
	close(fd);
	return true;
}

static void
make_probe(char *text, size_t size, unsigned *seed)
{
	struct evbuffer *b = evbuffer_new();
	int len;

	for (unsigned n = any(seed, 3) + 1; n > 0; n--)
		add_request(b, seed);
	len = evbuffer_remove(b, text, size / 2);
	assert_true(len > 0);
	text[len] = '\0';
	evbuffer_free(b);
	mutate(text, seed);
	len = (int)strlen(text);
	snprintf(text + len, size - (size_t)len,
	    "GET /end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
}

static void
test_guard_and_parser_agree(void **state)
{
	struct world *w = *state;
	unsigned seed = 1;
	unsigned tried = 0;

	serve_now(w, NULL);
	for (int i = 0; i < 3000; i++) {
		char text[4096];

		make_probe(text, sizeof text, &seed);
		if (strstr(text, "HTTP/1.0") == NULL) /* that ends it, too */
			tried += try_agreement(w, text);
	}
	assert_true(tried > 1000);
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
test_last_reply_ends_properly_over_tls(void **state)
{
	static const char ask[] = "GET / HTTP/1.1\r\nHost: localhost\r\n"
				  "Connection: close\r\n\r\n";
	struct world *w = *state;
	struct tls_world t = {0};
	char text[4096];
	int fd, n;

	tls_up(&t);
	serve_now(w, t.server);
	fd = tls_client(w, &t);
	assert_int_equal(SSL_write(t.ssl, ask, sizeof ask - 1), sizeof ask - 1);
	while ((n = SSL_read(t.ssl, text, sizeof text)) > 0 ||
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
	    TEST(test_guard_and_parser_agree),
	    TEST(test_one_record_per_reply),
	    TEST(test_refusal_over_tls),
	    TEST(test_last_reply_ends_properly_over_tls),
	    TEST(test_large_reply_over_tls),
	    TEST(test_plain_client_on_tls),
	    TEST(test_bad_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
