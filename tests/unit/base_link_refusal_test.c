/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links that must not come up, or not stay up: certificates, ALPN, names,
 * silence, floods, too many of them, PROXY headers that are missing or lie.
 */
#include "tests/unit/link_world.h"

/* ------------------------------------------------------------ being refused */

static void
until_both_down(struct world *w)
{
	while (
	    !w->dialled.down || (w->accepted.link != NULL && !w->accepted.down))
		turn(w);
	assert_false(w->accepted.up);
	assert_false(w->dialled.up);
}

static void
test_no_certificate(void **state)
{
	struct world *w = *state;
	SSL_CTX *bare = context(false, NULL, &w->ca, "rh2");

	listen_now(w);
	dial_now(w, bare, NULL);
	until_both_down(w);
	assert_int_equal(w->accepted.why.kind, FAULT_UNTRUSTED);
	assert_string_equal(
	    w->accepted.why.why, "TLS: peer did not return a certificate");
	assert_int_equal(w->dialled.why.kind, FAULT_REFUSED);
	SSL_CTX_free(bare);
}

/* Dials with a certificate that the wish describes. */
static void
dial_as(struct world *w, const struct certificate *issuer,
    const struct certificate_wish *wish, const char *why)
{
	struct certificate c;
	SSL_CTX *tls;

	certificate_make(&c, issuer, wish);
	tls = context(false, &c, &w->ca, "rh2");
	listen_now(w);
	dial_now(w, tls, NULL);
	until_both_down(w);
	assert_int_equal(w->accepted.why.kind, FAULT_UNTRUSTED);
	assert_non_null(strstr(w->accepted.why.why, why));
	SSL_CTX_free(tls);
	certificate_done(&c);
}

static void
test_certificate_of_another_ca(void **state)
{
	struct world *w = *state;
	struct certificate other;

	certificate_make(&other, NULL,
	    &(struct certificate_wish){.name = "Other CA", .ca = true});
	dial_as(w, &other,
	    &(struct certificate_wish){.name = "x", .usage = "clientAuth"},
	    "unable to get local issuer certificate");
	certificate_done(&other);
}

static void
test_certificate_expired(void **state)
{
	struct world *w = *state;

	dial_as(w, &w->ca,
	    &(struct certificate_wish){.name = "x",
		.usage = "clientAuth",
		.from_s = -7200,
		.until_s = -3600},
	    "certificate has expired");
}

static void
test_certificate_not_yet_valid(void **state)
{
	struct world *w = *state;

	dial_as(w, &w->ca,
	    &(struct certificate_wish){.name = "x",
		.usage = "clientAuth",
		.from_s = 3600,
		.until_s = 7200},
	    "certificate is not yet valid");
}

static void
test_certificate_for_servers(void **state)
{
	struct world *w = *state;

	dial_as(w, &w->ca,
	    &(struct certificate_wish){.name = "x", .usage = "serverAuth"},
	    "unsuitable certificate purpose");
}

static void
test_certificate_for_nothing(void **state)
{
	struct world *w = *state;

	dial_as(w, &w->ca, &(struct certificate_wish){.name = "x"},
	    "unsuitable certificate purpose");
}

static void
dial_with_alpn(struct world *w, const char *alpn)
{
	SSL_CTX *tls = context(false, &w->client, &w->ca, alpn);

	listen_now(w);
	dial_now(w, tls, NULL);
	until_both_down(w);
	assert_int_equal(w->accepted.why.kind, FAULT_REFUSED);
	SSL_CTX_free(tls);
}

static void
test_other_alpn(void **state)
{
	dial_with_alpn(*state, "h2");
}

static void
test_no_alpn(void **state)
{
	dial_with_alpn(*state, NULL);
}

static void
test_server_without_alpn(void **state)
{
	struct world *w = *state;

	SSL_CTX_free(w->server_tls);
	w->server_tls = context(true, &w->server, &w->ca, NULL);
	w->settings.tls = w->server_tls;
	listen_now(w);
	dial_now(w, w->client_tls, NULL);
	while (!w->dialled.down)
		turn(w);
	assert_int_equal(w->dialled.why.kind, FAULT_REFUSED);
	assert_string_equal(
	    w->dialled.why.why, "peer did not agree to our ALPN");
}

static void
test_server_of_another_name(void **state)
{
	struct world *w = *state;

	listen_now(w);
	dial_now(w, w->client_tls, "other.test");
	until_both_down(w);
	assert_int_equal(w->dialled.why.kind, FAULT_UNTRUSTED);
	assert_non_null(strstr(w->dialled.why.why, "ostname mismatch"));
}

static void
test_nobody_there(void **state)
{
	struct world *w = *state;

	snprintf(w->address, sizeof w->address, "127.0.0.1:1");
	dial_now(w, w->client_tls, NULL);
	while (!w->dialled.down)
		turn(w);
	assert_int_equal(w->dialled.why.kind, FAULT_UNAVAILABLE);
	assert_string_equal(w->dialled.why.why, "Connection refused");
}

static void
test_no_such_name(void **state)
{
	struct world *w = *state;

	/* RFC 6761 section 6.4: never resolves. Where there is nobody to ask,
	 * the handshake's time is up first. */
	w->limits.handshake_ms = 300;
	snprintf(w->address, sizeof w->address, "x.invalid:1");
	dial_now(w, w->client_tls, NULL);
	while (!w->dialled.down)
		turn(w);
	assert_true(w->dialled.why.kind == FAULT_UNAVAILABLE ||
		    w->dialled.why.kind == FAULT_TIMEOUT);
}

static void
test_freed_while_resolving(void **state)
{
	struct world *w = *state;

	snprintf(w->address, sizeof w->address, "x.invalid:1");
	dial_now(w, w->client_tls, NULL);
	link_free(&w->dialled.link);
	for (int i = 0; i < 20; i++)
		event_base_loop(loop_base(w->loop), EVLOOP_NONBLOCK);
	assert_false(w->dialled.down);
}

static void
test_no_address(void **state)
{
	struct world *w = *state;

	snprintf(w->address, sizeof w->address, "nonsense");
	dial_now(w, w->client_tls, NULL);
	while (!w->dialled.down)
		turn(w);
	assert_int_equal(w->dialled.why.kind, FAULT_INVALID);
	assert_string_equal(
	    w->dialled.why.why, "\"nonsense\" is no address to dial");
}

/* -------------------------------------------------------------- raw peers */

static int
raw_client(struct world *w)
{
	struct sockaddr_in a = {
	    .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)link_listener_port(w->listener)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

static bool
is_closed(int fd)
{
	char c[4096];
	ssize_t n = recv(fd, c, sizeof c, MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN);
}

static void
say(int fd, const void *at, size_t len)
{
	assert_int_equal(send(fd, at, len, MSG_NOSIGNAL), (ssize_t)len);
}

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define SETTINGS "\0\0\0\x04\0\0\0\0\0"
#define PING "\0\0\x08\x06\0\0\0\0\0assayabc"
#define LITERAL(s) s, sizeof(s) - 1

static void
listen_plain(struct world *w)
{
	w->settings.tls = NULL;
	w->settings.role = LINK_SERVER;
	listen_now(w);
}

/* Moves what there is from the socket to the client's TLS; how much? */
static size_t
receive(struct world *w, int fd, BIO *in)
{
	char bytes[16384];
	size_t all = 0;

	for (int i = 0; i < 20; i++) {
		ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);

		if (n > 0) {
			BIO_write(in, bytes, (int)n);
			all += (size_t)n;
		}
		event_base_loop(loop_base(w->loop), EVLOOP_NONBLOCK);
	}
	return all;
}

static void
transmit(int fd, BIO *out)
{
	char bytes[16384];
	int n = BIO_read(out, bytes, sizeof bytes);

	assert_true(n > 0);
	say(fd, bytes, (size_t)n);
}

/* No data after the server's own flight, before the client's Finished. */
static void
test_nothing_before_finished(void **state)
{
	struct world *w = *state;
	SSL *ssl = SSL_new(w->client_tls);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	char first[24];
	int fd;

	listen_now(w);
	fd = raw_client(w);
	SSL_set_bio(ssl, in, out);
	assert_int_equal(SSL_connect(ssl), -1);
	transmit(fd, out);
	while (receive(w, fd, in) == 0)
		;
	assert_int_equal(SSL_connect(ssl), 1); /* and Finished waits in out */
	assert_int_equal(receive(w, fd, in), 0);
	assert_int_equal(BIO_pending(in), 0);
	assert_false(w->accepted.up);
	transmit(fd, out);
	while (receive(w, fd, in) == 0)
		;
	/* The first thing said is HTTP/2's; there was no ticket. */
	assert_int_equal(SSL_read(ssl, first, 24), 24);
	assert_memory_equal(first, PREFACE, 24);
	assert_false(SSL_SESSION_is_resumable(SSL_get_session(ssl)));
	SSL_free(ssl);
	close(fd);
	while (!w->accepted.down)
		turn(w);
	assert_false(w->accepted.up); /* no SETTINGS, no link */
}

static void
test_silent_handshake(void **state)
{
	struct world *w = *state;
	int fd;

	w->limits.handshake_ms = 50;
	listen_now(w);
	fd = raw_client(w);
	while (!w->accepted.down)
		turn(w);
	assert_int_equal(w->accepted.why.kind, FAULT_TIMEOUT);
	assert_string_equal(w->accepted.why.why, "handshake took too long");
	close(fd);
}

static void
test_handshakes_are_bounded(void **state)
{
	struct world *w = *state;
	int fd[3];

	w->settings.pending_handshakes = 2;
	listen_now(w);
	for (int i = 0; i < 3; i++)
		fd[i] = raw_client(w);
	while (!is_closed(fd[2]))
		turn(w);
	assert_false(is_closed(fd[0]));
	assert_false(is_closed(fd[1]));
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	while (!w->accepted.down || !w->spare.down)
		turn(w);
}

static void
test_links_are_bounded(void **state)
{
	struct world *w = *state;
	int fd;

	w->settings.links = 1;
	connect_both(w);
	fd = raw_client(w);
	while (!is_closed(fd))
		turn(w);
	assert_true(link_is_up(w->dialled.link));
	close(fd);
}

static void
test_silence_after_a_ping(void **state)
{
	struct world *w = *state;
	int fd;

	w->limits.ping_ms = 40;
	w->limits.dead_ms = 40;
	listen_plain(w);
	fd = raw_client(w);
	say(fd, LITERAL(PREFACE SETTINGS));
	while (!w->accepted.down)
		turn(w);
	assert_true(w->accepted.up);
	assert_int_equal(w->accepted.why.kind, FAULT_TIMEOUT);
	assert_string_equal(
	    w->accepted.why.why, "no frame in time after a PING");
	close(fd);
}

static void
stop_the_loop(void *arg)
{
	loop_stop(arg);
}

static void
test_idle_links_stay_up(void **state)
{
	struct world *w = *state;
	struct timer *t;

	w->limits.ping_ms = 30;
	w->limits.dead_ms = 2000;
	w->limits.pings_per_s = 100;
	connect_both(w);
	t = timer_new(w->loop, stop_the_loop, w->loop);
	timer_start(t, 400);
	loop_run(w->loop);
	timer_free(&t);
	assert_true(link_is_up(w->accepted.link));
	assert_true(link_is_up(w->dialled.link));
}

static void
test_flood_ends_the_link(void **state)
{
	struct world *w = *state;
	char got[4096];
	ssize_t n, all = 0;
	int fd;

	listen_plain(w);
	fd = raw_client(w);
	say(fd, LITERAL(PREFACE SETTINGS));
	for (int i = 0; i < 20; i++)
		say(fd, LITERAL(PING));
	while (!w->accepted.down)
		turn(w);
	assert_int_equal(w->accepted.why.kind, FAULT_LIMIT);
	assert_string_equal(
	    w->accepted.why.why, "more than 10 PING frames a second");
	/* The flooder is told: GOAWAY, ENHANCE_YOUR_CALM (0xb). */
	do {
		event_base_loop(loop_base(w->loop), EVLOOP_NONBLOCK);
		n = recv(fd, got + all, sizeof got - (size_t)all, MSG_DONTWAIT);
		all += n > 0 ? n : 0;
	} while (n != 0);
	assert_memory_equal(got + all - 17, "\0\0\x08\x07\0\0\0\0\0", 9);
	assert_int_equal(got[all - 1], 0xb);
	close(fd);
}

static void
test_not_http2(void **state)
{
	struct world *w = *state;
	int fd;

	listen_plain(w);
	fd = raw_client(w);
	say(fd, LITERAL("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
	while (!w->accepted.down)
		turn(w);
	assert_int_equal(w->accepted.why.kind, FAULT_INVALID);
	close(fd);
}

#define PROXY_HEAD "\r\n\r\n\0\r\nQUIT\n"

static void
test_proxy_header(void **state)
{
	struct world *w = *state;
	int fd;

	w->settings.proxy_from = "10.0.0.0/8, 127.0.0.1";
	listen_plain(w);
	fd = raw_client(w);
	say(fd, LITERAL(PROXY_HEAD "\x21\x11"));
	turn(w);
	assert_null(w->accepted.link); /* not before it has come whole */
	say(fd, LITERAL("\0\x0c\xcb\x00\x71\x09\x7f\0\0\x01\x12\x67\x01\xbb"));
	say(fd, LITERAL(PREFACE SETTINGS));
	while (!w->accepted.up)
		turn(w);
	assert_string_equal(link_remote(w->accepted.link), "203.0.113.9:4711");
	close(fd);
}

static void
test_proxy_header_missing(void **state)
{
	struct world *w = *state;
	int fd;

	w->settings.proxy_from = "127.0.0.0/8";
	w->log.least = LOG_ERROR_ + 1;
	listen_plain(w);
	fd = raw_client(w);
	say(fd, LITERAL(PREFACE SETTINGS));
	while (!is_closed(fd))
		turn(w);
	assert_null(w->accepted.link);
	close(fd);
}

static void
test_proxy_header_unasked(void **state)
{
	struct world *w = *state;
	int fd;

	w->settings.proxy_from = "10.0.0.0/8";
	listen_plain(w);
	fd = raw_client(w);
	say(fd, LITERAL(PROXY_HEAD "\x21\x11\0\x0c\xcb\x00\x71\x09\x7f\0\0\x01"
				   "\x12\x67\x01\xbb" PREFACE SETTINGS));
	while (!w->accepted.down)
		turn(w);
	assert_false(w->accepted.up);
	assert_int_equal(w->accepted.why.kind, FAULT_INVALID);
	close(fd);
}

static void
test_bad_proxy_list(void **state)
{
	struct world *w = *state;
	struct fault f;

	w->settings.proxy_from = "10.0.0.0/33";
	assert_null(
	    link_listen(w->loop, &w->settings, on_accept, w, &w->log, &f));
	assert_string_equal(f.why, "\"10.0.0.0/33\" is no network");
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_no_certificate),
	    TEST(test_certificate_of_another_ca),
	    TEST(test_certificate_expired),
	    TEST(test_certificate_not_yet_valid),
	    TEST(test_certificate_for_servers),
	    TEST(test_certificate_for_nothing),
	    TEST(test_other_alpn),
	    TEST(test_no_alpn),
	    TEST(test_server_without_alpn),
	    TEST(test_server_of_another_name),
	    TEST(test_nobody_there),
	    TEST(test_no_such_name),
	    TEST(test_freed_while_resolving),
	    TEST(test_no_address),
	    TEST(test_nothing_before_finished),
	    TEST(test_silent_handshake),
	    TEST(test_handshakes_are_bounded),
	    TEST(test_links_are_bounded),
	    TEST(test_silence_after_a_ping),
	    TEST(test_idle_links_stay_up),
	    TEST(test_flood_ends_the_link),
	    TEST(test_not_http2),
	    TEST(test_proxy_header),
	    TEST(test_proxy_header_missing),
	    TEST(test_proxy_header_unasked),
	    TEST(test_bad_proxy_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
