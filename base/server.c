/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP/1.1 server: evhttp between the guard (base/guard.h), which sees
 * every byte first, and the connection's own clock. A connection is evhttp's
 * while requests flow; to refuse one, or to cut a reply, it is taken over,
 * flushed, half-closed and given back to die. Handlers see exchanges
 * (server_exchange.c).
 */
#include "base/server.h"

#include <assert.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/listener.h"
#include "base/proxy.h"
#include "base/server_priv.h"

enum { CLOSING_MS = 2000, HELD_INPUT = 64 * 1024, REST_TICK_MS = 250 };

void
server_limits_default(struct server_limits *out)
{
	*out = (struct server_limits){
	    .head_bytes = 64 * 1024,
	    .fields = 100,
	    .body_bytes = 1024 * 1024,
	    .connections = 10000,
	    .head_ms = 10000,
	    .body_ms = 30000,
	    .idle_ms = 60000,
	    .backlog_low = 64 * 1024,
	};
}

/* ----------------------------------------------------- ending connections */

static void
conn_kill(struct conn *c)
{
	/* on_conn_closed does the rest. */
	evhttp_connection_free(c->evcon);
}

static void
say_done(struct conn *c)
{
	SSL *ssl = bufferevent_openssl_get_ssl(c->bev);

	c->said = true;
	/* Not in the middle of a record, nor of a reply that was cut. */
	if (ssl != NULL && SSL_is_init_finished(ssl) &&
	    evbuffer_get_length(bufferevent_get_output(c->bev)) == 0)
		SSL_shutdown(ssl);
	ERR_clear_error();
	shutdown(bufferevent_getfd(c->bev), SHUT_WR);
}

static void
closing_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);

	(void)arg;
	evbuffer_drain(in, evbuffer_get_length(in));
}

static void
closing_write(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	if (!c->said && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
		say_done(c);
}

static void
closing_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0)
		conn_kill(arg);
}

/* Takes the connection from evhttp; what is in the output still goes out. */
static void
conn_close(struct conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);

	if (c->closing)
		return;
	c->closing = true;
	exchange_lost(c);
	bufferevent_setwatermark(c->bev, EV_READ | EV_WRITE, 0, 0);
	bufferevent_setcb(
	    c->bev, closing_read, closing_write, closing_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	evbuffer_drain(in, evbuffer_get_length(in));
	timer_start(c->timer, CLOSING_MS);
	closing_write(c->bev, c);
}

void
conn_cut(struct conn *c)
{
	c->cut = true;
	conn_soon(c);
}

/* ------------------------------------------------------------- refusals */

static const char *
phrase_of(int status)
{
	switch (status) {
	case 408:
		return "Request Timeout";
	case 411:
		return "Length Required";
	case 413:
		return "Content Too Large";
	case 414:
		return "URI Too Long";
	case 417:
		return "Expectation Failed";
	case 431:
		return "Request Header Fields Too Large";
	case 501:
		return "Not Implemented";
	case 503:
		return "Service Unavailable";
	case 505:
		return "HTTP Version Not Supported";
	default:
		return "Bad Request";
	}
}

static void
json_escape(const char *from, char *out, size_t size)
{
	size_t n = 0;

	for (; *from != '\0' && n + 3 < size; from++) {
		if (*from == '"' || *from == '\\')
			out[n++] = '\\';
		out[n++] = *from;
	}
	out[n] = '\0';
}

/* The error object that clients of the API know. */
static void
write_refusal(struct conn *c)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	int status = c->refusal_status;
	char why[2 * sizeof c->refusal.why];
	char body[sizeof why + 160];
	int len;

	json_escape(c->refusal.why, why, sizeof why);
	len = snprintf(body, sizeof body,
	    "{\"error\":{\"message\":\"%s\",\"type\":\"%s\","
	    "\"code\":\"%s\",\"param\":null}}",
	    why, status >= 500 ? "server_error" : "invalid_request_error",
	    fault_code(c->refusal.kind));
	evbuffer_add_printf(out,
	    "HTTP/1.1 %d %s\r\n"
	    "Content-Type: application/json\r\n"
	    "Content-Length: %d\r\n"
	    "%s"
	    "Connection: close\r\n\r\n",
	    status, phrase_of(status), len,
	    status == 503 ? "Retry-After: 1\r\n" : "");
	if (!c->guard.is_head)
		evbuffer_add(out, body, (size_t)len);
	if (bufferevent_openssl_get_ssl(c->bev) != NULL)
		evbuffer_pullup(out, -1);
}

static void
refuse(struct conn *c, int status, const struct fault *f)
{
	if (c->refusal_status != 0)
		return;
	c->refusal_status = status;
	c->refusal = *f;
	conn_soon(c);
}

/* On top of the stack: whatever was decided in a library's callback. */
static void
on_soon(void *arg)
{
	struct conn *c = arg;

	c->soon = NULL;
	if (c->closing)
		return;
	if (c->cut) {
		conn_close(c);
		return;
	}
	/* A reply under way comes first, and whole. */
	if (c->refusal_status == 0 || c->exchange != NULL)
		return;
	c->server->counts.refused++;
	write_refusal(c);
	conn_close(c);
}

void
conn_soon(struct conn *c)
{
	if (c->soon == NULL && !c->closing)
		c->soon = loop_defer(c->server->loop, on_soon, c);
}

/* --------------------------------------------------------------- clocks */

/* evhttp takes a body of known length when the buffer holds all of it; while
 * it answers, a client that sends on and on is left to TCP. */
static void
hold_input(struct conn *c)
{
	const struct server_limits *l = &c->server->limits;
	size_t most = HELD_INPUT;

	if (c->exchange == NULL)
		most += l->head_bytes + l->body_bytes;
	bufferevent_setwatermark(c->bev, EV_READ, 0, most);
}

void
conn_watch(struct conn *c)
{
	const struct server_limits *l = &c->server->limits;

	if (c->closing || c->flushing)
		return;
	hold_input(c);
	if (c->exchange != NULL) {
		timer_stop(c->timer);
		return;
	}
	switch (c->guard.stage) {
	case GUARD_IDLE:
		timer_start(
		    c->timer, c->guard.requests == 0 ? l->head_ms : l->idle_ms);
		break;
	case GUARD_HEAD:
		timer_start(c->timer, l->head_ms);
		break;
	case GUARD_BODY:
		timer_start(c->timer, l->body_ms);
		break;
	case GUARD_REFUSED:
		timer_stop(c->timer);
		break;
	}
}

static void
on_deadline(void *arg)
{
	struct conn *c = arg;
	struct fault f;

	if (c->closing) {
		conn_kill(c);
		return;
	}
	if (c->flushing) {
		conn_kill(c);
		return;
	}
	if (c->guard.stage == GUARD_IDLE) {
		conn_close(c); /* it has asked for nothing */
		return;
	}
	c->server->counts.deadline_closes++;
	fault_set(&f, FAULT_REQUEST_TIMEOUT,
	    "the request did not come whole in time");
	refuse(c, 408, &f);
}

/* The deadline is total: it moves when the stage does, not with each byte. */
static void
stage_may_have_moved(
    struct conn *c, enum guard_stage before, uint64_t requests_before)
{
	if (c->guard.stage == before && c->guard.requests == requests_before)
		return;
	/* The head of a first request counts from the accept. */
	if (before == GUARD_IDLE && c->guard.stage == GUARD_HEAD &&
	    requests_before == 0)
		return;
	conn_watch(c);
}

/* ------------------------------------------------------- bytes that come */

static bool
judge_bytes(struct conn *c, struct evbuffer *in, size_t from, size_t count)
{
	struct evbuffer_ptr at;
	struct evbuffer_iovec v[8];
	struct fault f;
	bool fine = true;

	while (fine && count > 0 &&
	       evbuffer_ptr_set(in, &at, from, EVBUFFER_PTR_SET) == 0) {
		int n = evbuffer_peek(in, (ssize_t)count, &at, v, 8);
		size_t seen = 0;

		for (int i = 0; fine && i < n && i < 8 && seen < count; i++) {
			struct bytes b = {v[i].iov_base, v[i].iov_len};

			if (b.len > count - seen)
				b.len = count - seen;
			seen += b.len;
			fine = guard_feed(&c->guard, b, &f);
		}
		from += seen;
		count -= seen;
	}
	if (!fine) {
		c->server->counts.guard_refusals++;
		refuse(c, c->guard.status, &f);
	}
	return fine;
}

static void
judge_input(struct conn *c, struct evbuffer *in, size_t from, size_t count)
{
	enum guard_stage stage = c->guard.stage;
	uint64_t requests = c->guard.requests;
	struct fault f;

	if (c->closing)
		return;
	if (stage == GUARD_IDLE)
		c->began_us = clock_mono_us();
	if (c->surplus && c->refusal_status == 0) {
		fault_set(
		    &f, FAULT_OVERLOADED, "too many connections are open");
		refuse(c, 503, &f);
	}
	/* Refused: not one more byte reaches the parser. */
	if (c->refusal_status != 0 || !judge_bytes(c, in, from, count)) {
		evbuffer_drain(in, evbuffer_get_length(in));
		return;
	}
	stage_may_have_moved(c, stage, requests);
}

static void
on_input(struct evbuffer *in, const struct evbuffer_cb_info *info, void *arg)
{
	if (info->n_added > 0)
		judge_input(arg, in, evbuffer_get_length(in) - info->n_added,
		    info->n_added);
}

static void
on_output(struct evbuffer *out, const struct evbuffer_cb_info *info, void *arg)
{
	struct conn *c = arg;
	size_t low = c->server->limits.backlog_low;
	size_t now = evbuffer_get_length(out);

	if (info->n_deleted == 0)
		return;
	if (c->flushing)
		timer_start(c->timer, c->server->limits.body_ms);
	if (c->exchange != NULL && info->orig_size >= low && now < low)
		exchange_drained(c->exchange);
}

/* ---------------------------------------------------------- connections */

static void
on_conn_closed(struct evhttp_connection *evcon, void *arg)
{
	struct conn *c = arg;
	struct server *s = c->server;

	(void)evcon;
	if (!c->said)
		say_done(c); /* evhttp has no word of farewell */
	evbuffer_remove_cb_entry(bufferevent_get_input(c->bev), c->in_hook);
	evbuffer_remove_cb_entry(bufferevent_get_output(c->bev), c->out_hook);
	exchange_lost(c);
	pending_cancel(&c->soon);
	timer_free(&c->timer);
	LIST_REMOVE(c, entry);
	s->by_fd[c->fd] = NULL;
	s->counts.open--;
	mem_free(c->remote);
	mem_free(c);
	if (s->draining)
		server_check_idle(s);
}

/* evhttp hands requests over without a pointer of ours; the descriptor tells
 * whose they are. */
static void
remember_fd(struct conn *c)
{
	struct server *s = c->server;
	size_t fd;

	c->fd = bufferevent_getfd(c->bev);
	assert(c->fd >= 0);
	fd = (size_t)c->fd;
	if (fd >= s->fd_room) {
		size_t room = fd + 64;

		s->by_fd = mem_resize(s->by_fd, room * sizeof(struct conn *));
		memset(s->by_fd + s->fd_room, 0,
		    (room - s->fd_room) * sizeof(struct conn *));
		s->fd_room = room;
	}
	s->by_fd[fd] = c;
}

/* evhttp's own struct is known only after it has set its callbacks. */
static void
conn_adopt(struct conn *c)
{
	struct sockaddr_storage a = {0};
	socklen_t len = sizeof a;
	char remote[PROXY_REMOTE];
	void *evcon = NULL;

	c->adopted = true;
	bufferevent_getcb(c->bev, NULL, NULL, NULL, &evcon);
	c->evcon = evcon;
	evhttp_connection_set_closecb(c->evcon, on_conn_closed, c);
	remember_fd(c);
	bufferevent_set_timeouts(c->bev, NULL, NULL);
	if (getpeername(
		bufferevent_getfd(c->bev), (struct sockaddr *)&a, &len) == 0) {
		address_text((const struct sockaddr *)&a, remote);
		c->remote = mem_string(remote);
	}
	conn_watch(c);
	if (c->server->counts.open > c->server->limits.connections * 9 / 8 + 16)
		conn_cut(c);
}

static void
adopt_all(struct server *s)
{
	struct conn *c;

	while ((c = LIST_FIRST(&s->newborn)) != NULL) {
		LIST_REMOVE(c, entry);
		LIST_INSERT_HEAD(&s->conns, c, entry);
		conn_adopt(c);
	}
}

static void
on_adopt(void *arg)
{
	struct server *s = arg;

	s->adopt = NULL;
	adopt_all(s);
}

static struct bufferevent *
bufferevent_make(struct server *s)
{
	int options = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;
	SSL *ssl;

	if (s->tls == NULL)
		return bufferevent_socket_new(loop_base(s->loop), -1, options);
	ssl = SSL_new(s->tls);
	assert(ssl != NULL);
	return bufferevent_openssl_socket_new(
	    loop_base(s->loop), -1, ssl, BUFFEREVENT_SSL_ACCEPTING, options);
}

static struct bufferevent *
on_connection(struct event_base *base, void *arg)
{
	struct server *s = arg;
	struct conn *c = mem_new(sizeof *c);
	struct guard_limits limits = {
	    .head_bytes = s->limits.head_bytes,
	    .fields = s->limits.fields,
	    .body_bytes = s->limits.body_bytes,
	};

	(void)base;
	c->server = s;
	c->bev = bufferevent_make(s);
	assert(c->bev != NULL);
	hold_input(c);
	guard_init(&c->guard, &limits);
	c->in_hook =
	    evbuffer_add_cb(bufferevent_get_input(c->bev), on_input, c);
	c->out_hook =
	    evbuffer_add_cb(bufferevent_get_output(c->bev), on_output, c);
	c->timer = timer_new(s->loop, on_deadline, c);
	s->counts.accepted++;
	s->counts.open++;
	c->surplus = s->counts.open > s->limits.connections;
	LIST_INSERT_HEAD(&s->newborn, c, entry);
	if (s->adopt == NULL)
		s->adopt = loop_defer(s->loop, on_adopt, s);
	return c->bev;
}

static struct conn *
conn_of(struct server *s, struct evhttp_request *req)
{
	struct evhttp_connection *evcon = evhttp_request_get_connection(req);
	int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(evcon));

	/* A request may be read in the turn of the accept. */
	adopt_all(s);
	assert(fd >= 0 && (size_t)fd < s->fd_room && s->by_fd[fd] != NULL);
	return s->by_fd[fd];
}

static void
on_request(struct evhttp_request *req, void *arg)
{
	struct server *s = arg;
	struct conn *c = conn_of(s, req);

	s->counts.requests++;
	exchange_begin(c, req);
}

/* --------------------------------------------------------------- server */

static void
on_rest_tick(void *arg)
{
	struct server *s = arg;

	if (!s->draining)
		evconnlistener_enable(s->listener);
}

static bool
http_open(struct server *s, struct evconnlistener *listener, struct fault *f)
{
	s->http = evhttp_new(loop_base(s->loop));
	if (s->http == NULL ||
	    evhttp_bind_listener(s->http, listener) == NULL) {
		evconnlistener_free(listener);
		return fault_set(f, FAULT_INTERNAL, "evhttp does not start");
	}
	evconnlistener_set_error_cb(listener, listener_rest);
	/* The guard refuses first; these only stand behind it. */
	evhttp_set_max_headers_size(
	    s->http, (ev_ssize_t)s->limits.head_bytes + 1024);
	evhttp_set_max_body_size(
	    s->http, (ev_ssize_t)s->limits.body_bytes + 1024);
	evhttp_set_allowed_methods(
	    s->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
			 EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
			 EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
	evhttp_set_default_content_type(s->http, NULL);
	evhttp_set_bevcb(s->http, on_connection, s);
	evhttp_set_gencb(s->http, on_request, s);
	return true;
}

struct server *
server_new(struct loop *l, const char *address, SSL_CTX *tls,
    const struct server_limits *limits, http_handler *handler, void *arg,
    const struct log *log, struct fault *f)
{
	struct evconnlistener *listener;
	struct server *s;

	if (!listener_open(l, address, &listener, f))
		return NULL;
	s = mem_new(sizeof *s);
	s->loop = l;
	s->listener = listener;
	s->limits = *limits;
	s->handler = handler;
	s->arg = arg;
	s->log = *log;
	LIST_INIT(&s->conns);
	LIST_INIT(&s->newborn);
	if (!http_open(s, listener, f)) {
		if (s->http != NULL)
			evhttp_free(s->http);
		mem_free(s);
		return NULL;
	}
	server_set_tls(s, tls);
	s->rest = timer_new(l, on_rest_tick, s);
	timer_every(s->rest, REST_TICK_MS);
	return s;
}

unsigned
server_port(const struct server *s)
{
	return listener_port(s->listener);
}

void
server_set_tls(struct server *s, SSL_CTX *tls)
{
	if (tls != NULL)
		SSL_CTX_up_ref(tls);
	SSL_CTX_free(s->tls);
	s->tls = tls;
}

static void
on_idle(void *arg)
{
	struct server *s = arg;

	s->idle = NULL;
	s->on_idle(s->on_idle_arg);
}

void
server_check_idle(struct server *s)
{
	if (s->counts.open > 0 || s->told_idle || s->on_idle == NULL ||
	    s->freed)
		return;
	s->told_idle = true;
	s->idle = loop_defer(s->loop, on_idle, s);
}

void
server_drain(struct server *s, void (*fn)(void *arg), void *arg)
{
	struct conn *c;

	s->draining = true;
	s->on_idle = fn;
	s->on_idle_arg = arg;
	evconnlistener_disable(s->listener);
	adopt_all(s);
	LIST_FOREACH(c, &s->conns, entry)
	if (c->exchange == NULL && c->guard.stage == GUARD_IDLE)
		conn_cut(c);
	server_check_idle(s);
}

void
server_counts(const struct server *s, struct server_counts *out)
{
	*out = s->counts;
}

void
server_free(struct server **sp)
{
	struct server *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	s->freed = true;
	adopt_all(s);
	evhttp_free(s->http); /* each connection says on_conn_closed */
	assert(LIST_EMPTY(&s->conns));
	pending_cancel(&s->adopt);
	pending_cancel(&s->idle);
	timer_free(&s->rest);
	SSL_CTX_free(s->tls);
	mem_free(s->by_fd);
	mem_free(s);
}
