/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links over real sockets on 127.0.0.1: both ways of turning the roles, mTLS
 * in every way of being refused, flow control, floods, silence, draining, and
 * freeing from inside callbacks.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/link.h"
#include "tests/unit/certificates.h"

/* One end as the tests see it. */
struct end {
	struct link *link;
	struct loop *loop;
	bool up;
	bool down;
	bool goaway;
	bool stop_on_up, stop_on_down;
	bool free_on_up, free_on_request;
	struct fault why;
	char peer[64];
	struct http_request *requests[64];
	unsigned request_count;
	bool gone[64];
	void (*on_request)(struct end *e, struct http_request *r);
};

struct world {
	struct loop *loop;
	struct log log;
	struct certificate ca, server, client;
	SSL_CTX *server_tls, *client_tls;
	struct link_listener *listener;
	struct link_listener_settings settings;
	struct link_limits limits;
	struct end accepted, dialled;
	struct end spare; /* accepts what comes second */
	char address[80];
	struct timer *patience;
};

static void
on_up(struct link *l, X509 *peer, void *arg)
{
	struct end *e = arg;

	assert_false(e->up);
	assert_ptr_equal(l, e->link);
	e->up = true;
	if (peer != NULL)
		X509_NAME_get_text_by_NID(X509_get_subject_name(peer),
		    NID_commonName, e->peer, sizeof e->peer);
	if (e->free_on_up)
		link_free(&e->link);
	if (e->stop_on_up)
		loop_stop(e->loop);
}

static void
on_down(struct link *l, const struct fault *why, void *arg)
{
	struct end *e = arg;

	assert_false(e->down);
	assert_ptr_equal(l, e->link);
	e->down = true;
	e->why = *why;
	link_free(&e->link);
	if (e->stop_on_down)
		loop_stop(e->loop);
}

static void
on_goaway(struct link *l, void *arg)
{
	struct end *e = arg;

	(void)l;
	assert_false(e->goaway);
	e->goaway = true;
}

static void
on_request(struct http_request *r, void *arg)
{
	struct end *e = arg;

	if (e->on_request != NULL) {
		e->on_request(e, r);
		return;
	}
	http_reply_text(&r, 200, "text/plain", "hello");
}

static const struct link_events events = {
    .on_up = on_up,
    .on_down = on_down,
    .on_request = on_request,
    .on_goaway = on_goaway,
};

static void
on_accept(struct link *l, void *arg, const struct link_events **e, void **e_arg)
{
	struct world *w = arg;
	struct end *end = w->accepted.link == NULL && !w->accepted.down
			      ? &w->accepted
			      : &w->spare;

	end->link = l;
	*e = &events;
	*e_arg = end;
}

static void
on_patience(void *arg)
{
	(void)arg;
	fail_msg("the test waited too long");
}

static SSL_CTX *
context(bool server, const struct certificate *own,
    const struct certificate *ca, const char *alpn)
{
	struct tls_settings s = {
	    .server = server,
	    .verify = TLS_VERIFY_REQUIRED,
	    .certificate_file = own == NULL ? NULL : own->file,
	    .key_file = own == NULL ? NULL : own->key_file,
	    .ca_file = ca->file,
	    .alpn = alpn,
	};
	SSL_CTX *out;
	struct fault f;

	if (!tls_context_new(&s, &out, &f))
		fail_msg("%s", f.why);
	return out;
}

static int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	w->loop = loop_new();
	log_init(&w->log, "test", LOG_ERROR_);
	certificate_make(&w->ca, NULL,
	    &(struct certificate_wish){.name = "Test CA", .ca = true});
	certificate_make(&w->server, &w->ca,
	    &(struct certificate_wish){.name = "gateway",
		.san = "DNS:gateway.test,IP:127.0.0.1",
		.usage = "serverAuth"});
	certificate_make(&w->client, &w->ca,
	    &(struct certificate_wish){
		.name = "daemon",
		.san = "URI:did:assay:zTest",
		.usage = "clientAuth",
	    });
	w->server_tls = context(true, &w->server, &w->ca, "rh2");
	w->client_tls = context(false, &w->client, &w->ca, "rh2");
	link_limits_default(&w->limits);
	w->accepted.loop = w->dialled.loop = w->loop;
	w->settings.tls = w->server_tls;
	w->settings.role = LINK_CLIENT;
	w->settings.address = "127.0.0.1:0";
	w->patience = timer_new(w->loop, on_patience, NULL);
	timer_start(w->patience, 20000);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	link_free(&w->accepted.link);
	link_free(&w->dialled.link);
	link_free(&w->spare.link);
	link_listener_free(&w->listener);
	timer_free(&w->patience);
	loop_free(&w->loop);
	SSL_CTX_free(w->server_tls);
	SSL_CTX_free(w->client_tls);
	certificate_done(&w->ca);
	certificate_done(&w->server);
	certificate_done(&w->client);
	free(w);
	return 0;
}

static void
listen_now(struct world *w)
{
	struct fault f;

	w->settings.limits = w->limits;
	w->listener =
	    link_listen(w->loop, &w->settings, on_accept, w, &w->log, &f);
	if (w->listener == NULL)
		fail_msg("%s", f.why);
	if (strncmp(w->settings.address, "unix:", 5) == 0)
		snprintf(
		    w->address, sizeof w->address, "%s", w->settings.address);
	else
		snprintf(w->address, sizeof w->address, "127.0.0.1:%u",
		    link_listener_port(w->listener));
}

static void
dial_now(struct world *w, SSL_CTX *tls, const char *name)
{
	w->dialled.link = link_dial(w->loop, w->address, tls, name,
	    w->settings.role == LINK_CLIENT ? LINK_SERVER : LINK_CLIENT,
	    &w->limits, &events, &w->dialled, &w->log);
	assert_non_null(w->dialled.link);
	assert_false(w->dialled.down); /* never at once */
}

static void
turn(struct world *w)
{
	event_base_loop(loop_base(w->loop), EVLOOP_ONCE);
}

static void
connect_both(struct world *w)
{
	listen_now(w);
	dial_now(w, w->settings.tls == NULL ? NULL : w->client_tls, NULL);
	while (!(w->accepted.up && w->dialled.up))
		turn(w);
}

/* -------------------------------------------------------------- one call */

struct taker {
	struct world *w;
	struct http_call *call;
	int status;
	struct evbuffer *body;
	bool ended;
	bool failed;
	struct fault why;
	bool keep; /* credit nothing */
	size_t got;
	void (*on_head)(struct taker *t);
	void (*on_body)(struct taker *t);
};

static void
take_head(void *arg, int status, const struct http_fields *fs)
{
	struct taker *t = arg;

	(void)fs;
	assert_false(t->ended);
	assert_non_null(t->call);
	t->status = status;
	if (t->on_head != NULL)
		t->on_head(t);
}

static void
take_body(void *arg, struct evbuffer *data)
{
	struct taker *t = arg;
	size_t n = evbuffer_get_length(data);

	assert_false(t->ended);
	t->got += n;
	if (t->body != NULL)
		evbuffer_add_buffer(t->body, data);
	else
		evbuffer_drain(data, n);
	if (!t->keep)
		http_call_credit(t->call, n);
	if (t->on_body != NULL)
		t->on_body(t);
}

static void
take_end(void *arg, const struct fault *f)
{
	struct taker *t = arg;

	assert_false(t->ended);
	t->ended = true;
	t->call = NULL;
	t->failed = f != NULL;
	if (f != NULL)
		t->why = *f;
}

static const struct http_events taking = {take_head, take_body, take_end};

static void
call(struct world *w, struct taker *t, struct link *l, const char *path,
    struct evbuffer *body)
{
	struct http_outgoing o = {
	    .method = body == NULL ? "GET" : "POST",
	    .path = path,
	    .body = body,
	};
	struct fault f;

	t->w = w;
	t->call = link_call(l, &o, &taking, t, &f);
	if (t->call == NULL)
		fail_msg("%s", f.why);
	assert_false(t->ended);
}

static void
until_ended(struct taker *t)
{
	while (!t->ended)
		turn(t->w);
}

/* ------------------------------------------------------------- the tests */

static void
test_reversed_roles(void **state)
{
	struct world *w = *state;
	struct taker t = {.body = evbuffer_new()};

	connect_both(w);
	assert_string_equal(w->accepted.peer, "daemon");
	assert_string_equal(w->dialled.peer, "gateway");
	assert_true(link_is_up(w->accepted.link));
	assert_int_equal(link_streams_max(w->accepted.link), 256);
	call(w, &t, w->accepted.link, "/v1/models", NULL);
	until_ended(&t);
	assert_false(t.failed);
	assert_int_equal(t.status, 200);
	assert_int_equal(evbuffer_get_length(t.body), 5);
	assert_int_equal(link_streams(w->accepted.link), 0);
	while (link_rtt_us(w->accepted.link) < 0)
		turn(w);
	evbuffer_free(t.body);
}

static void
test_ordinary_roles(void **state)
{
	struct world *w = *state;
	struct taker t = {.body = evbuffer_new()};

	w->settings.role = LINK_SERVER;
	connect_both(w);
	call(w, &t, w->dialled.link, "/x", NULL);
	until_ended(&t);
	assert_int_equal(t.status, 200);
	evbuffer_free(t.body);
}

static void
test_unix_socket(void **state)
{
	struct world *w = *state;
	struct taker t = {.body = evbuffer_new()};
	char folder[] = "/tmp/assay-test-XXXXXX";
	char address[64], again[64];

	assert_non_null(mkdtemp(folder));
	snprintf(address, sizeof address, "unix:%s/s", folder);
	snprintf(again, sizeof again, "%s", address + 5);
	w->settings.address = address;
	w->settings.role = LINK_SERVER;
	w->settings.tls = NULL;
	connect_both(w);
	assert_null(link_ssl(w->dialled.link));
	assert_null(link_peer(w->dialled.link));
	call(w, &t, w->dialled.link, "/x", NULL);
	until_ended(&t);
	assert_int_equal(t.status, 200);
	evbuffer_free(t.body);
	unlink(again);
	rmdir(folder);
}

static void
test_name_is_resolved_and_verified(void **state)
{
	struct world *w = *state;

	w->settings.role = LINK_SERVER;
	listen_now(w);
	snprintf(w->address, sizeof w->address, "localhost:%u",
	    link_listener_port(w->listener));
	dial_now(w, w->client_tls, "gateway.test");
	while (!w->dialled.up && !w->dialled.down)
		turn(w);
	assert_true(w->dialled.up);
}

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

/* ------------------------------------------------------------ flow control */

static void
hold(struct end *e, struct http_request *r)
{
	e->requests[e->request_count++] = r;
}

static void
pour(struct http_request *r, size_t n)
{
	static const char zeros[65536];
	struct evbuffer *b = evbuffer_new();

	for (; n > 0; n -= n < sizeof zeros ? n : sizeof zeros)
		evbuffer_add(b, zeros, n < sizeof zeros ? n : sizeof zeros);
	http_reply_body(r, b);
	evbuffer_free(b);
}

static void
test_slow_beside_fast(void **state)
{
	struct world *w = *state;
	struct taker slow = {.keep = true}, fast = {0};
	const size_t total = 6 * 1024 * 1024;

	w->dialled.on_request = hold;
	connect_both(w);
	call(w, &slow, w->accepted.link, "/slow", NULL);
	call(w, &fast, w->accepted.link, "/fast", NULL);
	while (w->dialled.request_count < 2)
		turn(w);
	for (int i = 0; i < 2; i++) {
		http_reply_start(w->dialled.requests[i], 200, NULL);
		pour(w->dialled.requests[i], total);
		http_reply_end(w->dialled.requests[i]);
	}
	until_ended(&fast);
	if (fast.failed)
		fail_msg("%s", fast.why.why);
	assert_int_equal(fast.got, total);
	assert_int_equal(slow.got, w->limits.stream_window);
	slow.keep = false;
	http_call_credit(slow.call, slow.got);
	until_ended(&slow);
	assert_int_equal(slow.got, total);
	http_request_close(&w->dialled.requests[0]);
	http_request_close(&w->dialled.requests[1]);
}

static void
test_body_larger_than_windows(void **state)
{
	struct world *w = *state;
	struct evbuffer *b = evbuffer_new();
	struct taker t = {0};
	const size_t total = 20 * 1024 * 1024;
	char *zeros = calloc(1, total);

	w->dialled.on_request = hold;
	connect_both(w);
	evbuffer_add(b, zeros, total);
	free(zeros);
	call(w, &t, w->accepted.link, "/", b);
	while (w->dialled.request_count == 0)
		turn(w);
	assert_int_equal(
	    evbuffer_get_length(w->dialled.requests[0]->body), total);
	http_reply_text(&w->dialled.requests[0], 200, "text/plain", "x");
	until_ended(&t);
	assert_false(t.failed);
	evbuffer_free(b);
}

static void
on_gone(void *arg)
{
	*(bool *)arg = true;
}

static void
test_cancel_reaches_the_handler(void **state)
{
	struct world *w = *state;
	const struct http_watch watching = {NULL, on_gone};
	struct taker t = {0};
	int64_t then;
	bool gone = false;

	w->dialled.on_request = hold;
	connect_both(w);
	call(w, &t, w->accepted.link, "/", NULL);
	while (w->dialled.request_count == 0)
		turn(w);
	http_request_watch(w->dialled.requests[0], &watching, &gone);
	then = clock_mono_ms();
	http_call_cancel(&t.call);
	while (!gone)
		turn(w);
	assert_true(clock_mono_ms() - then < 100);
	http_request_close(&w->dialled.requests[0]);
	assert_false(t.ended);
}

/* ------------------------------------------------------------------ endings */

static void
test_drain(void **state)
{
	struct world *w = *state;
	struct http_outgoing o = {.method = "GET", .path = "/"};
	struct taker t = {0}, no = {0};
	struct fault f;

	w->dialled.on_request = hold;
	connect_both(w);
	call(w, &t, w->accepted.link, "/", NULL);
	while (w->dialled.request_count == 0)
		turn(w);
	link_drain(w->dialled.link, 10000);
	while (!w->accepted.goaway)
		turn(w);
	assert_null(link_call(w->accepted.link, &o, &taking, &no, &f));
	assert_int_equal(f.kind, FAULT_UNAVAILABLE);
	assert_false(w->dialled.down);
	http_reply_text(&w->dialled.requests[0], 200, "text/plain", "bye");
	until_ended(&t);
	assert_false(t.failed);
	while (!w->dialled.down || !w->accepted.down)
		turn(w);
	assert_int_equal(w->dialled.why.kind, FAULT_DRAINING);
	assert_string_equal(w->dialled.why.why, "drained");
	assert_int_equal(w->accepted.why.kind, FAULT_UNAVAILABLE);
}

static void
test_drain_has_an_end(void **state)
{
	struct world *w = *state;
	struct taker t = {0};

	w->dialled.on_request = hold;
	connect_both(w);
	call(w, &t, w->accepted.link, "/", NULL);
	while (w->dialled.request_count == 0)
		turn(w);
	link_drain(w->accepted.link, 50);
	while (!w->accepted.down)
		turn(w);
	assert_string_equal(w->accepted.why.why, "drain took too long");
	assert_true(t.ended && t.failed);
	assert_true(w->dialled.goaway);
	http_request_close(&w->dialled.requests[0]);
}

static void
test_peer_lost(void **state)
{
	struct world *w = *state;
	struct taker t = {0};

	w->dialled.on_request = hold;
	connect_both(w);
	call(w, &t, w->accepted.link, "/", NULL);
	while (w->dialled.request_count == 0)
		turn(w);
	link_free(&w->dialled.link);
	assert_null(w->dialled.link);
	until_ended(&t);
	assert_int_equal(t.why.kind, FAULT_UNAVAILABLE);
	while (!w->accepted.down)
		turn(w);
	assert_false(w->dialled.down); /* we knew */
	http_request_close(&w->dialled.requests[0]);
}

static void
test_freed_with_calls(void **state)
{
	struct world *w = *state;
	struct taker t = {0};

	w->dialled.on_request = hold;
	connect_both(w);
	call(w, &t, w->accepted.link, "/", NULL);
	link_free(&w->accepted.link);
	assert_false(t.ended); /* through the loop */
	until_ended(&t);
	assert_int_equal(t.why.kind, FAULT_UNAVAILABLE);
	assert_false(w->accepted.down);
}

static void
free_link_of(struct taker *t)
{
	link_free(&t->w->accepted.link);
}

static void
test_freed_in_on_head(void **state)
{
	struct world *w = *state;
	struct taker t = {.on_head = free_link_of};

	connect_both(w);
	call(w, &t, w->accepted.link, "/", NULL);
	until_ended(&t);
	assert_int_equal(t.status, 200);
}

static void
test_freed_in_on_body(void **state)
{
	struct world *w = *state;
	struct taker t = {.on_body = free_link_of};
	struct taker other = {0};

	w->dialled.on_request = hold;
	connect_both(w);
	call(w, &other, w->accepted.link, "/", NULL);
	call(w, &t, w->accepted.link, "/", NULL);
	while (w->dialled.request_count < 2)
		turn(w);
	http_reply_text(&w->dialled.requests[1], 200, "text/plain", "hello");
	until_ended(&t);
	until_ended(&other);
	assert_true(other.failed);
	http_request_close(&w->dialled.requests[0]);
}

static void
free_own(struct end *e, struct http_request *r)
{
	link_free(&e->link);
	http_reply_text(&r, 200, "text/plain", "into the void");
}

static void
test_freed_in_on_request(void **state)
{
	struct world *w = *state;
	struct taker t = {0};

	w->dialled.on_request = free_own;
	connect_both(w);
	call(w, &t, w->accepted.link, "/", NULL);
	until_ended(&t);
	assert_true(t.failed);
}

static void
test_freed_in_on_up(void **state)
{
	struct world *w = *state;

	w->accepted.free_on_up = true;
	listen_now(w);
	dial_now(w, w->client_tls, NULL);
	while (!w->dialled.down)
		turn(w);
	assert_true(w->accepted.up);
	assert_false(w->accepted.down);
}

static void
test_freed_at_once(void **state)
{
	struct world *w = *state;

	listen_now(w);
	dial_now(w, w->client_tls, NULL);
	link_free(&w->dialled.link);
	for (int i = 0; i < 20; i++)
		event_base_loop(loop_base(w->loop), EVLOOP_NONBLOCK);
	assert_false(w->dialled.down);
	assert_false(w->dialled.up);
}

static void
test_listener_freed_before_its_links(void **state)
{
	struct world *w = *state;
	struct taker t = {0};

	connect_both(w);
	link_listener_free(&w->listener);
	call(w, &t, w->accepted.link, "/", NULL);
	until_ended(&t);
	assert_false(t.failed);
}

/* ------------------------------------------------- asking: three promises */

struct asker {
	unsigned answers;
	int status;
	char body[32];
	struct fault why;
};

static void
on_answer(void *arg, const struct http_answer *a, const struct fault *f)
{
	struct asker *k = arg;

	k->answers++;
	assert_true((a == NULL) != (f == NULL));
	if (f != NULL) {
		k->why = *f;
		return;
	}
	k->status = a->status;
	snprintf(k->body, sizeof k->body, "%s", a->body);
}

static struct pending *
ask(struct world *w, struct asker *k, struct link *l, size_t max,
    int64_t within_ms)
{
	struct http_outgoing o = {.method = "GET", .path = "/"};
	struct pending *p = link_ask(l, &o, max, within_ms, on_answer, k);

	(void)w;
	assert_non_null(p);
	assert_int_equal(k->answers, 0); /* never at once */
	return p;
}

static void
until_answered(struct world *w, struct asker *k)
{
	while (k->answers == 0)
		turn(w);
	for (int i = 0; i < 20; i++)
		event_base_loop(loop_base(w->loop), EVLOOP_NONBLOCK);
	assert_int_equal(k->answers, 1); /* exactly once */
}

static void
test_asking(void **state)
{
	struct world *w = *state;
	struct asker k = {0};

	connect_both(w);
	ask(w, &k, w->accepted.link, 100, 5000);
	until_answered(w, &k);
	assert_int_equal(k.status, 200);
	assert_string_equal(k.body, "hello");
}

static void
test_asking_over_the_limit(void **state)
{
	struct world *w = *state;
	struct asker k = {0};

	connect_both(w);
	ask(w, &k, w->accepted.link, 4, 5000);
	until_answered(w, &k);
	assert_int_equal(k.why.kind, FAULT_LIMIT);
	assert_string_equal(k.why.why, "answer over 4 bytes");
}

static void
test_asking_too_long(void **state)
{
	struct world *w = *state;
	struct asker k = {0};

	w->dialled.on_request = hold;
	connect_both(w);
	ask(w, &k, w->accepted.link, 4, 50);
	until_answered(w, &k);
	assert_int_equal(k.why.kind, FAULT_TIMEOUT);
	if (w->dialled.request_count > 0)
		http_request_close(&w->dialled.requests[0]);
}

static void
test_asking_when_not_up(void **state)
{
	struct world *w = *state;
	struct asker k = {0}, silent = {0};
	struct pending *p;

	listen_now(w);
	dial_now(w, w->client_tls, NULL);
	while (w->accepted.link == NULL)
		turn(w);
	ask(w, &k, w->accepted.link, 4, 5000);
	p = ask(w, &silent, w->accepted.link, 4, 5000);
	pending_cancel(&p);
	until_answered(w, &k);
	assert_int_equal(k.why.kind, FAULT_UNAVAILABLE);
	assert_string_equal(k.why.why, "the link is not up");
	assert_int_equal(silent.answers, 0);
}

static void
test_asking_cancelled(void **state)
{
	struct world *w = *state;
	struct asker k = {0}, other = {0};
	struct pending *p;

	connect_both(w);
	p = ask(w, &k, w->accepted.link, 100, 5000);
	ask(w, &other, w->accepted.link, 100, 5000);
	pending_cancel(&p);
	assert_null(p);
	until_answered(w, &other);
	assert_int_equal(k.answers, 0);
}

static void
test_asking_when_it_breaks(void **state)
{
	struct world *w = *state;
	struct asker k = {0};

	w->dialled.on_request = hold;
	connect_both(w);
	ask(w, &k, w->accepted.link, 100, 5000);
	while (w->dialled.request_count == 0)
		turn(w);
	link_free(&w->dialled.link);
	until_answered(w, &k);
	assert_int_equal(k.why.kind, FAULT_UNAVAILABLE);
	http_request_close(&w->dialled.requests[0]);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_reversed_roles),
	    TEST(test_ordinary_roles),
	    TEST(test_unix_socket),
	    TEST(test_name_is_resolved_and_verified),
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
	    TEST(test_no_address),
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
	    TEST(test_slow_beside_fast),
	    TEST(test_body_larger_than_windows),
	    TEST(test_cancel_reaches_the_handler),
	    TEST(test_drain),
	    TEST(test_drain_has_an_end),
	    TEST(test_peer_lost),
	    TEST(test_freed_with_calls),
	    TEST(test_freed_in_on_head),
	    TEST(test_freed_in_on_body),
	    TEST(test_freed_in_on_request),
	    TEST(test_freed_in_on_up),
	    TEST(test_freed_at_once),
	    TEST(test_listener_freed_before_its_links),
	    TEST(test_asking),
	    TEST(test_asking_over_the_limit),
	    TEST(test_asking_too_long),
	    TEST(test_asking_when_not_up),
	    TEST(test_asking_cancelled),
	    TEST(test_asking_when_it_breaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
