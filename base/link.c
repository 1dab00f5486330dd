/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link: one bufferevent (TLS or plain), one HTTP/2 session, the clocks that
 * watch over both. link_turn is the only place where handlers are called, and
 * always on top of the stack; a link that is freed meanwhile goes in a later
 * turn of the loop.
 */
#include "base/link.h"

#include <assert.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/ask.h"
#include "base/clock.h"
#include "base/http2.h"
#include "base/linger.h"
#include "base/link_priv.h"

enum {
	OUTPUT_MARK = 128 * 1024, /* DATA waits for the socket over this */
	IO_BYTES = 64 * 1024,	  /* read or written in one go */
	LINGER_MS = 1000,
	BACKLOG_LOW = 64 * 1024
};

void
link_limits_default(struct link_limits *out)
{
	*out = (struct link_limits){
	    .handshake_ms = 10000,
	    .ping_ms = 12000,
	    .dead_ms = 5000,
	    .header_list_bytes = 64 * 1024,
	    .streams = 256,
	    .stream_window = 256 * 1024,
	    .connection_window = 16 * 1024 * 1024,
	    .body_bytes = 32 * 1024 * 1024,
	    .resets_per_s = 200,
	    .settings_per_s = 10,
	    .pings_per_s = 10,
	};
}

static void
settle(struct link *l)
{
	if (l->settled)
		return;
	l->settled = true;
	if (l->owner.on_settled != NULL)
		l->owner.on_settled(l->owner.arg);
}

/* The socket goes on its own way with what is left to say. */
static void
let_go_of_socket(struct link *l)
{
	struct bufferevent *bev = l->bev;

	if (bev == NULL)
		return;
	l->bev = NULL;
	l->ssl = NULL;
	if (l->h2 != NULL)
		linger(l->loop, bev, LINGER_MS);
	else
		bufferevent_free(bev);
	if (l->owner.on_closed != NULL)
		l->owner.on_closed(l->owner.arg);
}

/* Ends the session and lets its last bytes go; calls nobody. */
static void
close_down(struct link *l, const struct fault *why)
{
	l->stage = STAGE_DOWN;
	link_dial_done(l);
	timer_stop(l->clock);
	timer_stop(l->drain);
	pending_cancel(&l->turn);
	if (l->h2 != NULL) {
		bool in_turn = l->in_turn;

		l->in_turn = true; /* no wake */
		http2_end(l->h2, why);
		http2_pull(l->h2, bufferevent_get_output(l->bev), OUTPUT_MARK,
		    clock_mono_us(), NULL);
		l->in_turn = in_turn;
	}
	settle(l);
	let_go_of_socket(l);
}

void
link_down(struct link *l, const struct fault *why)
{
	struct fault copy = *why;

	if (l->stage == STAGE_DOWN)
		return;
	close_down(l, &copy);
	log_debug(&l->log, "link_down", LOG_STR("remote", l->remote),
	    LOG_STR("code", fault_code(copy.kind)), LOG_STR("why", copy.why));
	l->in_turn = true;
	if (l->h2 != NULL)
		http2_dispatch(l->h2);
	if (!l->freed && l->events.on_down != NULL)
		l->events.on_down(l, &copy, l->arg);
	l->in_turn = false;
}

static void
down_for(struct link *l, enum fault_kind kind, const char *why)
{
	struct fault f;

	fault_set(&f, kind, "%s", why);
	link_down(l, &f);
}

static bool
push(struct link *l, struct fault *f)
{
	return http2_pull(l->h2, bufferevent_get_output(l->bev), OUTPUT_MARK,
	    clock_mono_us(), f);
}

static void
come_up(struct link *l)
{
	l->stage = STAGE_UP;
	l->heard_ms = clock_mono_ms();
	timer_start(l->clock, l->limits.ping_ms);
	settle(l);
	http2_ping(l->h2, clock_mono_us());
	l->pinged_ms = 0; /* for the round trip only; silence is judged later */
	if (l->events.on_up != NULL)
		l->events.on_up(l, l->peer, l->arg);
}

static void on_turn(void *arg);

/* Handlers first, since they may have more to send; then what is due. */
static void
link_turn(struct link *l)
{
	struct fault f;
	bool fine;

	if (l->in_turn || l->stage == STAGE_DOWN || l->h2 == NULL)
		return;
	pending_cancel(&l->turn);
	l->in_turn = true;
	if (l->stage == STAGE_GREETING && http2_is_ready(l->h2))
		come_up(l);
	if (l->stage == STAGE_UP)
		http2_dispatch(l->h2);
	fine = l->stage == STAGE_DOWN || push(l, &f);
	l->in_turn = false;
	if (l->stage == STAGE_DOWN)
		return;
	if (!fine)
		link_down(l, &f);
	else if (http2_is_drained(l->h2))
		down_for(l, FAULT_DRAINING, "drained");
	else if (http2_has_events(l->h2) && l->turn == NULL)
		l->turn = loop_defer(l->loop, on_turn, l);
}

static void
on_turn(void *arg)
{
	struct link *l = arg;

	l->turn = NULL;
	link_turn(l);
}

static void
on_wake(void *arg, bool at_once)
{
	struct link *l = arg;

	if (l->in_turn || l->stage == STAGE_DOWN || l->h2 == NULL)
		return;
	/* A fault of this push is found again by the turn. */
	if (at_once)
		push(l, NULL);
	if (l->turn == NULL)
		l->turn = loop_defer(l->loop, on_turn, l);
}

static void
on_request(struct http_request *r, void *arg)
{
	struct link *l = arg;

	if (l->events.on_request != NULL) {
		l->events.on_request(r, l->arg);
		return;
	}
	http_reply_text(&r, 503, "text/plain", "nobody is here\n");
}

static void
on_goaway(void *arg)
{
	struct link *l = arg;

	if (!l->freed && l->events.on_goaway != NULL)
		l->events.on_goaway(l, l->arg);
}

/* False: over. */
static bool
feed(struct link *l, struct fault *f)
{
	struct evbuffer *in = bufferevent_get_input(l->bev);
	struct evbuffer_iovec v;

	while (evbuffer_peek(in, -1, NULL, &v, 1) > 0 && v.iov_len > 0) {
		struct bytes b = {v.iov_base, v.iov_len};

		if (!http2_feed(l->h2, b, clock_mono_us(), f))
			return false;
		evbuffer_drain(in, v.iov_len);
	}
	return true;
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct link *l = arg;
	struct fault f;
	bool fine;

	(void)bev;
	/* Bytes may come before the event that says "connected". */
	if (l->h2 == NULL || l->stage == STAGE_DOWN)
		return;
	l->in_turn = true;
	fine = feed(l, &f);
	l->in_turn = false;
	if (!fine) {
		link_down(l, &f);
		return;
	}
	if (http2_frames(l->h2) != l->frames) {
		l->frames = http2_frames(l->h2);
		l->heard_ms = clock_mono_ms();
	}
	link_turn(l);
}

static void
on_write(struct bufferevent *bev, void *arg)
{
	(void)bev;
	link_turn(arg);
}

static void
start_session(struct link *l)
{
	struct http2_limits limits = {
	    .header_list_bytes = l->limits.header_list_bytes,
	    .streams = l->limits.streams,
	    .stream_window = l->limits.stream_window,
	    .connection_window = l->limits.connection_window,
	    .body_bytes = l->limits.body_bytes,
	    .backlog_low = BACKLOG_LOW,
	    .resets_per_s = l->limits.resets_per_s,
	    .settings_per_s = l->limits.settings_per_s,
	    .pings_per_s = l->limits.pings_per_s,
	};
	static const struct http2_events events = {
	    .on_wake = on_wake,
	    .on_request = on_request,
	    .on_goaway = on_goaway,
	};

	l->stage = STAGE_GREETING;
	l->h2 = http2_new(
	    l->role == LINK_SERVER, &limits, &events, l, clock_mono_us());
	http2_set_peer(l->h2, l->remote, l->peer);
	if (l->authority != NULL)
		http2_set_authority(l->h2, l->authority);
}

static void
set_socket_options(struct link *l)
{
	int fd = bufferevent_getfd(l->bev);
	unsigned dead = (unsigned)(l->limits.ping_ms + l->limits.dead_ms);
	static const int on = 1;

	/* Both fail on a Unix socket, and need not work there. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead, sizeof dead);
}

static void
on_connected(struct link *l)
{
	link_dial_done(l);
	set_socket_options(l);
	if (l->ssl != NULL && !tls_alpn_agreed(l->ssl)) {
		down_for(l, FAULT_REFUSED, "peer did not agree to our ALPN");
		return;
	}
	if (l->ssl != NULL && SSL_get_verify_mode(l->ssl) != SSL_VERIFY_NONE &&
	    SSL_get_verify_result(l->ssl) == X509_V_OK)
		l->peer = SSL_get1_peer_certificate(l->ssl);
	start_session(l);
	on_read(l->bev, l);
}

static void
explain_loss(struct link *l, short what, struct fault *f)
{
	const struct fault *said =
	    l->h2 == NULL ? NULL : http2_complaint(l->h2);
	bool was_up = l->stage == STAGE_UP;
	int error = EVUTIL_SOCKET_ERROR();

	/* The peer may be quicker to close a link that both know drained. */
	if (timer_is_running(l->drain) && link_streams(l) == 0)
		fault_set(f, FAULT_DRAINING, "drained");
	else if (said != NULL && said->kind != FAULT_NONE &&
		 said->kind != FAULT_INVALID)
		*f = *said;
	else if (tls_fault_of(l->bev, f))
		f->kind = was_up ? FAULT_UNAVAILABLE : f->kind;
	else if ((what & BEV_EVENT_EOF) != 0 || error == 0)
		fault_set(f, FAULT_UNAVAILABLE, "%s",
		    was_up ? "peer closed the link"
			   : "peer closed before the link was up");
	else
		fault_set(f, FAULT_UNAVAILABLE, "%s",
		    evutil_socket_error_to_string(error));
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct link *l = arg;
	struct fault f;

	(void)bev;
	if (l->stage == STAGE_DOWN)
		return;
	if ((what & BEV_EVENT_CONNECTED) != 0) {
		if (l->h2 == NULL)
			on_connected(l);
		return;
	}
	if (link_dial_again(l))
		return;
	explain_loss(l, what, &f);
	link_down(l, &f);
}

static void
on_clock(void *arg)
{
	struct link *l = arg;
	int64_t now = clock_mono_ms();
	int64_t silent = now - l->heard_ms;

	if (l->stage != STAGE_UP) {
		down_for(l, FAULT_TIMEOUT, "handshake took too long");
		return;
	}
	if (l->pinged_ms > l->heard_ms &&
	    now - l->pinged_ms >= l->limits.dead_ms) {
		down_for(l, FAULT_TIMEOUT, "no frame in time after a PING");
		return;
	}
	if (l->pinged_ms > l->heard_ms) {
		timer_start(l->clock, l->limits.dead_ms - (now - l->pinged_ms));
	} else if (silent >= l->limits.ping_ms) {
		l->pinged_ms = now;
		http2_ping(l->h2, clock_mono_us());
		timer_start(l->clock, l->limits.dead_ms);
	} else {
		timer_start(l->clock, l->limits.ping_ms - silent);
	}
}

static void
on_drain_over(void *arg)
{
	down_for(arg, FAULT_DRAINING, "drain took too long");
}

struct link *
link_new(struct loop *loop, const char *remote, enum link_role role,
    const struct link_limits *limits, const struct log *log)
{
	struct link *l = mem_new(sizeof *l);

	l->loop = loop;
	l->role = role;
	l->limits = *limits;
	l->log = *log;
	l->remote = mem_string(remote);
	l->clock = timer_new(loop, on_clock, l);
	l->drain = timer_new(loop, on_drain_over, l);
	timer_start(l->clock, limits->handshake_ms);
	return l;
}

void
link_attach(struct link *l, int fd, SSL_CTX *tls,
    enum bufferevent_ssl_state state, const char *server_name)
{
	int options = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;
	struct event_base *base = loop_base(l->loop);

	if (tls == NULL) {
		l->bev = bufferevent_socket_new(base, fd, options);
	} else {
		l->ssl = SSL_new(tls);
		assert(l->ssl != NULL);
		if (!link_name_server(l->ssl, server_name))
			fault_set(&l->why, FAULT_INVALID,
			    "\"%s\" is no server name", server_name);
		l->bev = bufferevent_openssl_socket_new(
		    base, fd, l->ssl, state, options);
	}
	assert(l->bev != NULL);
	bufferevent_set_max_single_read(l->bev, IO_BYTES);
	bufferevent_set_max_single_write(l->bev, IO_BYTES);
	/* on_write when there is room again, not only when all is gone. */
	bufferevent_setwatermark(l->bev, EV_WRITE, OUTPUT_MARK / 2, 0);
	bufferevent_setcb(l->bev, on_read, on_write, on_event, l);
	bufferevent_enable(l->bev, EV_READ | EV_WRITE);
}

static void
on_accepted_plain(void *arg)
{
	struct link *l = arg;

	l->turn = NULL;
	on_connected(l);
}

struct link *
link_accepted(struct loop *loop, int fd, const char *remote, SSL_CTX *tls,
    enum link_role role, const struct link_limits *limits,
    const struct link_owner *owner, const struct log *log)
{
	struct link *l = link_new(loop, remote, role, limits, log);

	l->owner = *owner;
	link_attach(l, fd, tls, BUFFEREVENT_SSL_ACCEPTING, NULL);
	if (tls == NULL)
		l->turn = loop_defer(loop, on_accepted_plain, l);
	return l;
}

void
link_listen_to(struct link *l, const struct link_events *events, void *arg)
{
	if (events != NULL)
		l->events = *events;
	l->arg = arg;
}

bool
link_is_up(const struct link *l)
{
	return l->stage == STAGE_UP;
}

const char *
link_remote(const struct link *l)
{
	return l->remote;
}

X509 *
link_peer(const struct link *l)
{
	return l->peer;
}

SSL *
link_ssl(const struct link *l)
{
	return l->ssl;
}

unsigned
link_streams(const struct link *l)
{
	return l->h2 == NULL ? 0 : http2_streams(l->h2);
}

unsigned
link_streams_max(const struct link *l)
{
	return l->stage == STAGE_UP ? http2_streams_max(l->h2) : 0;
}

int64_t
link_rtt_us(const struct link *l)
{
	return l->h2 == NULL ? -1 : http2_rtt_us(l->h2);
}

struct http_call *
link_call(struct link *l, struct http_outgoing *o,
    const struct http_events *events, void *arg, struct fault *f)
{
	assert(l->role == LINK_CLIENT);
	if (l->stage == STAGE_UP)
		return http2_call(l->h2, o, events, arg, f);
	fault_set(f, FAULT_UNAVAILABLE, "the link is not up");
	return NULL;
}

struct pending *
link_ask(struct link *l, struct http_outgoing *o, size_t max, int64_t within_ms,
    void (*fn)(
	void *arg, const struct http_answer *answer, const struct fault *f),
    void *arg)
{
	struct ask *a = ask_new(l->loop, max, within_ms, fn, arg);
	struct fault f;
	struct http_call *c = link_call(l, o, &ask_events, a, &f);

	return ask_begin(a, c, &f);
}

void
link_drain(struct link *l, int64_t within_ms)
{
	if (l->stage == STAGE_DOWN)
		return;
	timer_start(l->drain, within_ms);
	if (l->stage == STAGE_UP)
		http2_drain(l->h2, clock_mono_us());
	else
		timer_start(l->drain, 0);
}

static void
destroy(struct link *l)
{
	pending_cancel(&l->destroy);
	pending_cancel(&l->at_end);
	if (l->h2 != NULL) {
		l->in_turn = true;
		http2_dispatch(l->h2);
	}
	http2_free(&l->h2);
	timer_free(&l->clock);
	timer_free(&l->drain);
	X509_free(l->peer);
	mem_free(l->remote);
	mem_free(l->authority);
	mem_free(l);
}

static void
on_destroy(void *arg)
{
	struct link *l = arg;

	l->destroy = NULL;
	destroy(l);
}

static void
on_loop_end(void *arg)
{
	struct link *l = arg;

	l->at_end = NULL;
	destroy(l);
}

void
link_tell(struct link *l, const struct fault *why)
{
	if (l->stage == STAGE_UP && l->h2 != NULL)
		http2_tell(l->h2, why);
}

void
link_free(struct link **lp)
{
	struct link *l = *lp;
	struct fault f;

	*lp = NULL;
	if (l == NULL)
		return;
	assert(!l->freed);
	l->freed = true;
	fault_set(&f, FAULT_UNAVAILABLE, "closed by us");
	if (l->stage != STAGE_DOWN)
		close_down(l, &f);
	l->destroy = loop_defer(l->loop, on_destroy, l);
	l->at_end = loop_at_end(l->loop, on_loop_end, l);
}
