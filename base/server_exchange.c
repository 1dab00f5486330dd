/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request over HTTP/1.1 and its reply. What the handler writes in one
 * turn of the loop leaves as one chunk and, over TLS, one record; a reply
 * that is whole by the end of that turn goes with a Content-Length.
 */
#include <assert.h>
#include <event2/bufferevent_ssl.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/server_priv.h"

enum { RECORD_BYTES = 16 * 1024, NAME_BYTES = 256 };

struct exchange {
	struct http_request request; /* first */
	struct loop *loop;
	struct conn *conn;	    /* NULL once lost or complete */
	struct evhttp_request *req; /* as long as conn */
	struct evbuffer *body;
	struct evbuffer *waiting; /* of the reply, for this turn's end */
	struct arena *arena;
	struct http_watch watch;
	void *watch_arg;
	struct pending *flush;
	struct pending *tell;
	int status;
	bool is_head;
	bool started, head_sent, ended, settled, closed;
	bool gone, gone_told, drained;
};

static struct exchange *
exchange_of(const struct http_request *r)
{
	return (struct exchange *)(uintptr_t)r;
}

static void
exchange_free(struct exchange *x)
{
	pending_cancel(&x->flush);
	pending_cancel(&x->tell);
	X509_free(x->request.peer);
	evbuffer_free(x->body);
	evbuffer_free(x->waiting);
	arena_free(&x->arena);
	mem_free(x);
}

/* ------------------------------------------------------ telling the handler */

static void
on_tell(void *arg)
{
	struct exchange *x = arg;
	bool gone = x->gone;
	bool drained = x->drained;

	x->tell = NULL;
	x->drained = false;
	if (gone && !x->gone_told && x->watch.on_gone != NULL) {
		x->gone_told = true;
		x->watch.on_gone(x->watch_arg);
	} else if (drained && !gone && x->watch.on_drained != NULL) {
		x->watch.on_drained(x->watch_arg);
	}
}

static void
tell_soon(struct exchange *x)
{
	if (!x->closed && x->tell == NULL)
		x->tell = loop_defer(x->loop, on_tell, x);
}

static void
watch(struct http_request *r, const struct http_watch *w, void *arg)
{
	struct exchange *x = exchange_of(r);

	x->watch = *w;
	x->watch_arg = arg;
	if (x->gone && !x->gone_told)
		tell_soon(x);
}

void
exchange_drained(struct exchange *x)
{
	x->drained = true;
	tell_soon(x);
}

void
exchange_lost(struct conn *c)
{
	struct exchange *x = c->exchange;

	if (x == NULL)
		return;
	c->exchange = NULL;
	x->conn = NULL;
	/* evhttp lets go of a request that is in somebody's hands. */
	if (evhttp_request_get_connection(x->req) == NULL)
		evhttp_request_free(x->req);
	else
		evhttp_request_set_on_complete_cb(x->req, NULL, NULL);
	x->req = NULL;
	pending_cancel(&x->flush);
	if (x->closed) {
		exchange_free(x);
		return;
	}
	x->gone = true;
	tell_soon(x);
}

static void
on_complete(struct evhttp_request *req, void *arg)
{
	struct exchange *x = arg;
	struct conn *c = x->conn;

	(void)req;
	x->req = NULL;
	x->conn = NULL;
	c->exchange = NULL;
	c->flushing = false;
	conn_watch(c);
	if (c->refusal_status != 0)
		conn_soon(c);
	else if (c->server->draining)
		conn_cut(c);
	if (x->closed)
		exchange_free(x);
}

/* --------------------------------------------------------------- the reply */

static void flush_soon(struct exchange *x);

static bool
is_transports(const char *name)
{
	static const char *const names[] = {"connection", "content-length",
	    "date", "keep-alive", "transfer-encoding"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static void
start(struct http_request *r, int status, const struct http_fields *fields)
{
	struct exchange *x = exchange_of(r);
	struct evkeyvalq *out;

	assert(!x->started);
	x->started = true;
	x->status = status;
	if (x->req == NULL)
		return;
	out = evhttp_request_get_output_headers(x->req);
	for (size_t i = 0; fields != NULL && i < fields->count; i++)
		if (!is_transports(fields->at[i].name))
			evhttp_add_header(
			    out, fields->at[i].name, fields->at[i].value);
	flush_soon(x);
}

/* One TLS record for what stands at the front: bufferevent_openssl makes one
 * of every piece of the buffer otherwise. */
static void
gather_record(struct bufferevent *bev)
{
	struct evbuffer *out = bufferevent_get_output(bev);
	size_t len = evbuffer_get_length(out);

	if (bufferevent_openssl_get_ssl(bev) == NULL || len == 0)
		return;
	evbuffer_pullup(
	    out, (ev_ssize_t)(len < RECORD_BYTES ? len : RECORD_BYTES));
}

static void
send_head_fields(struct exchange *x)
{
	const struct conn *c = x->conn;

	if (c->server->draining || c->refusal_status != 0)
		evhttp_add_header(evhttp_request_get_output_headers(x->req),
		    "Connection", "close");
}

static void
send_whole(struct exchange *x)
{
	char length[24];

	if (!x->is_head) {
		evhttp_send_reply(x->req, x->status, NULL, x->waiting);
		return;
	}
	snprintf(length, sizeof length, "%zu", evbuffer_get_length(x->waiting));
	evhttp_add_header(evhttp_request_get_output_headers(x->req),
	    "Content-Length", length);
	evhttp_send_reply(x->req, x->status, NULL, NULL);
}

static void
send_part(struct exchange *x)
{
	if (!x->head_sent)
		evhttp_send_reply_start(x->req, x->status, NULL);
	x->head_sent = true;
	if (!x->is_head && evbuffer_get_length(x->waiting) > 0)
		evhttp_send_reply_chunk(x->req, x->waiting);
	evbuffer_drain(x->waiting, evbuffer_get_length(x->waiting));
	if (x->ended)
		evhttp_send_reply_end(x->req);
}

/* May complete the exchange and, where the handler has closed it, free it. */
static void
flush_now(struct exchange *x)
{
	struct conn *c = x->conn;
	struct bufferevent *bev = c->bev;
	bool whole = x->ended && !x->head_sent;

	/* evhttp ends a reply when the socket has taken its last byte, which
	 * a deferred callback tells. One that still waits for an earlier part
	 * would be taken for it: let it pass before there is an end. */
	if (x->ended && x->head_sent && !x->settled &&
	    evbuffer_get_length(bufferevent_get_output(bev)) == 0) {
		x->settled = true;
		flush_soon(x);
		return;
	}
	if (x->ended) {
		c->flushing = true;
		timer_start(c->timer, c->server->limits.body_ms);
	}
	/* The end of a reply without chunks may be the connection's, too. */
	bufferevent_incref(bev);
	if (!x->head_sent)
		send_head_fields(x);
	if (whole)
		send_whole(x);
	else
		send_part(x);
	gather_record(bev);
	bufferevent_decref(bev);
}

static void
on_flush(void *arg)
{
	struct exchange *x = arg;

	x->flush = NULL;
	flush_now(x);
}

static void
flush_soon(struct exchange *x)
{
	if (x->conn != NULL && x->flush == NULL)
		x->flush = loop_defer(x->loop, on_flush, x);
}

static void
body(struct http_request *r, struct evbuffer *data)
{
	struct exchange *x = exchange_of(r);

	assert(x->started && !x->ended);
	if (x->conn == NULL)
		evbuffer_drain(data, evbuffer_get_length(data));
	else
		evbuffer_add_buffer(x->waiting, data);
	flush_soon(x);
}

static size_t
backlog(const struct http_request *r)
{
	const struct exchange *x = exchange_of(r);

	if (x->conn == NULL)
		return 0;
	return evbuffer_get_length(x->waiting) +
	       evbuffer_get_length(bufferevent_get_output(x->conn->bev));
}

static void
end(struct http_request *r)
{
	struct exchange *x = exchange_of(r);

	assert(x->started && !x->ended);
	x->ended = true;
	flush_soon(x);
}

static void
finish(struct http_request *r)
{
	struct exchange *x = exchange_of(r);
	struct conn *c = x->conn;

	assert(!x->closed);
	x->closed = true;
	pending_cancel(&x->tell);
	if (c == NULL) {
		exchange_free(x);
		return;
	}
	if (x->ended)
		return; /* freed when the reply has gone out */
	if (x->flush != NULL) {
		pending_cancel(&x->flush);
		flush_now(x);
	}
	evhttp_request_set_on_complete_cb(x->req, NULL, NULL);
	c->exchange = NULL;
	exchange_free(x);
	conn_cut(c);
}

static const struct http_transport transport = {
    .watch = watch,
    .start = start,
    .body = body,
    .backlog = backlog,
    .end = end,
    .close = finish,
};

/* ------------------------------------------------------------- the request */

static const char *
method_of(enum evhttp_cmd_type type)
{
	switch ((unsigned)type) {
	case EVHTTP_REQ_GET:
		return "GET";
	case EVHTTP_REQ_HEAD:
		return "HEAD";
	case EVHTTP_REQ_POST:
		return "POST";
	case EVHTTP_REQ_PUT:
		return "PUT";
	case EVHTTP_REQ_DELETE:
		return "DELETE";
	case EVHTTP_REQ_OPTIONS:
		return "OPTIONS";
	default:
		return "PATCH"; /* no other passes the guard */
	}
}

static void
copy_field(struct exchange *x, const struct evkeyval *kv)
{
	char name[NAME_BYTES];
	const char *value = kv->value + strspn(kv->value, " \t");
	size_t len = strlen(value);
	size_t n = strlen(kv->key);

	while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		len--;
	if (n >= sizeof name)
		return; /* no name that means a thing is so long */
	for (size_t i = 0; i < n; i++)
		name[i] = (char)(kv->key[i] >= 'A' && kv->key[i] <= 'Z'
				     ? kv->key[i] + 32
				     : kv->key[i]);
	http_fields_add_len(&x->request.fields, x->arena, name, n, value, len);
}

static void
copy_target(struct exchange *x, const char *uri)
{
	const char *mark = strchr(uri, '?');

	x->request.path = arena_copy(
	    x->arena, uri, mark == NULL ? strlen(uri) : (size_t)(mark - uri));
	if (mark != NULL)
		x->request.query = arena_string(x->arena, mark + 1);
}

static void
copy_request(struct exchange *x, struct conn *c)
{
	struct http_request *r = &x->request;
	const struct evkeyval *kv;
	SSL *ssl = bufferevent_openssl_get_ssl(c->bev);

	TAILQ_FOREACH(kv, evhttp_request_get_input_headers(x->req), next)
	copy_field(x, kv);
	copy_target(x, evhttp_request_get_uri(x->req));
	evbuffer_add_buffer(x->body, evhttp_request_get_input_buffer(x->req));
	r->method = method_of(evhttp_request_get_command(x->req));
	r->body = x->body;
	r->arena = x->arena;
	r->remote = arena_string(x->arena, c->remote == NULL ? "" : c->remote);
	r->began_us = c->began_us;
	r->transport = &transport;
	if (ssl != NULL && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE &&
	    SSL_get_verify_result(ssl) == X509_V_OK)
		r->peer = SSL_get1_peer_certificate(ssl);
}

/* evhttp stops reading until the reply begins, and so would not hear a client
 * hang up; its read callback must not run in that time, though. */
static void
keep_listening(struct conn *c)
{
	bufferevent_data_cb on_write;
	bufferevent_event_cb on_event;
	void *arg;

	bufferevent_getcb(c->bev, NULL, &on_write, &on_event, &arg);
	bufferevent_setcb(c->bev, NULL, on_write, on_event, arg);
	bufferevent_enable(c->bev, EV_READ);
}

void
exchange_begin(struct conn *c, struct evhttp_request *req)
{
	struct exchange *x = mem_new(sizeof *x);

	assert(c->exchange == NULL);
	x->loop = c->server->loop;
	x->conn = c;
	x->req = req;
	x->arena = arena_new();
	x->body = evbuffer_new();
	x->waiting = evbuffer_new();
	assert(x->body != NULL && x->waiting != NULL);
	copy_request(x, c);
	x->is_head = strcmp(x->request.method, "HEAD") == 0;
	c->exchange = x;
	evhttp_request_set_on_complete_cb(req, on_complete, x);
	keep_listening(c);
	conn_watch(c);
	c->server->handler(&x->request, c->server->arg);
}
