/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by http2.c (the session), http2_call.c (streams of the client role)
 * and http2_serve.c (of the server role); for nobody else.
 *
 * A stream belongs to nghttp2's stream while both live: `id` is negative once
 * nghttp2 has closed or never opened it; `h` is NULL once the session died
 * under a request that its handler still holds.
 */
#ifndef BASE_HTTP2_PRIV_H
#define BASE_HTTP2_PRIV_H

#include <nghttp2/nghttp2.h>
#include <sys/queue.h>

#include "base/frames.h"
#include "base/http2.h"

struct stream {
	TAILQ_ENTRY(stream) all;
	TAILQ_ENTRY(stream) ready;
	TAILQ_ENTRY(stream) blocked;
	struct http2 *h;
	int32_t id;
	bool is_ready;
	bool is_blocked; /* its DATA waits for the socket */
	bool is_idle;	 /* its DATA waits for more of out, or its end */
	bool out_end;	 /* out is all there will be */
	bool in_end;	 /* END_STREAM came */
	bool closed;	 /* by nghttp2, or the session is over */
	bool dead;	 /* free when the callback under way returns */
	bool in_callback;
	uint32_t code; /* of closing */
	size_t unread; /* received and not credited */
	struct evbuffer *out;
	struct evbuffer *in;
	struct arena *arena;
	struct fault why; /* kind is FAULT_NONE unless known */

	/* client role */
	struct http_call call;
	struct http_events events;
	void *arg;
	struct http_fields fields;
	int status;
	bool head_due, head_done;

	/* server role */
	struct http_request request;
	struct http_watch watch;
	void *watch_arg;
	bool whole;   /* may be handed over */
	bool handed;  /* the handler owns the request */
	bool started; /* head of the reply submitted */
	bool gone;    /* on_gone is due or done */
	bool gone_told;
	bool drained_due;
	bool refused; /* body too large: the rest is thrown away */
};

TAILQ_HEAD(streams, stream);

struct http2 {
	nghttp2_session *session;
	bool server;
	struct http2_limits limits;
	struct http2_events events;
	void *arg;
	struct frames frames;
	struct ratelimit caused; /* resets the peer made us send */
	struct streams streams;
	struct streams ready;
	struct streams blocked;
	unsigned count; /* of streams under way at nghttp2 */
	int64_t now_us;
	int64_t ping_us; /* when the last PING was asked for; -1: none out */
	int64_t rtt_us;
	size_t out_len; /* during http2_pull */
	size_t mark;
	size_t list_bytes; /* of the header list being read */
	struct fault over; /* why the connection can not go on */
	struct fault complaint;
	bool settings_seen;
	bool goaway_due;
	bool goaway_seen;
	int draining; /* 0 no, 1 notice sent, 2 final GOAWAY submitted */
	bool ended;
	char *remote;
	char *authority;
	X509 *peer;
};

struct stream *stream_new(struct http2 *h, int32_t id);
/* Takes it off every list, gives back its connection window, forgets it at
 * nghttp2; frees it, or leaves that to the callback under way. */
void stream_drop(struct stream *s);
void stream_free(struct stream *s);
void stream_forget(struct stream *s); /* nghttp2 has no use for it */
void stream_unlist(struct stream *s);
void stream_reset(struct stream *s, uint32_t code);
void stream_ready(struct stream *s);  /* dispatch will see it */
void stream_resume(struct stream *s); /* out or out_end changed */
void stream_wake(struct stream *s, bool at_once);
/* The body source of both roles. */
nghttp2_data_provider stream_source(struct stream *s);
/* Fields that HTTP/2 carries itself or forbids (RFC 9113 section 8.2.2). */
bool field_is_ours(const char *name);
nghttp2_nv nv_of(const char *name, const char *value);

/* http2_call.c */
void call_got_header(struct stream *s, struct text name, struct text value);
void call_got_head(struct stream *s);
void call_got_data(struct stream *s, const uint8_t *at, size_t len);
void call_dispatch(struct stream *s);

/* http2_serve.c */
bool serve_got_header(struct stream *s, struct text name, struct text value);
void serve_got_data(struct stream *s, const uint8_t *at, size_t len);
void serve_got_end(struct stream *s);
void serve_dispatch(struct stream *s);

#endif
