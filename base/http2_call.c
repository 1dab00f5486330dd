/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams of the client role: a call goes out, head, body and end come back.
 * What the callee has not credited stays on the stream's and the connection's
 * window; what it will never credit goes back when the call ends.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/http2_priv.h"

static struct stream *
stream_of(struct http_call *c)
{
	return (
	    struct stream *)(void *)((char *)c - offsetof(struct stream, call));
}

static void
call_credit(struct http_call *c, size_t bytes)
{
	struct stream *s = stream_of(c);

	assert(bytes <= s->unread);
	s->unread -= bytes;
	if (s->h == NULL)
		return;
	if (s->id >= 0)
		nghttp2_session_consume(s->h->session, s->id, bytes);
	else
		nghttp2_session_consume_connection(s->h->session, bytes);
	stream_wake(s, false);
}

static void
call_cancel(struct http_call *c)
{
	struct stream *s = stream_of(c);

	if (!s->closed)
		stream_reset(s, NGHTTP2_CANCEL);
	stream_drop(s);
}

static bool
may_call(const struct http2 *h, struct fault *f)
{
	if (h->ended || h->over.kind != FAULT_NONE)
		return fault_set(f, FAULT_UNAVAILABLE, "the link is down");
	if (h->goaway_seen || h->draining != 0 ||
	    !nghttp2_session_check_request_allowed(h->session))
		return fault_set(
		    f, FAULT_UNAVAILABLE, "the link is going away");
	if (h->count >= http2_streams_max(h))
		return fault_set(f, FAULT_UNAVAILABLE,
		    "the link is full: %u streams", h->count);
	return true;
}

/* The pseudo-fields of RFC 9113 section 8.3.1, then the others. */
static size_t
fields_of(const struct http2 *h, const struct http_outgoing *o,
    const char *length, nghttp2_nv *out)
{
	const char *host = http_fields_find(&o->fields, "host");
	size_t n = 0;

	if (host == NULL)
		host = h->authority == NULL ? "localhost" : h->authority;
	out[n++] = nv_of(":method", o->method);
	out[n++] = nv_of(":scheme", "https");
	out[n++] = nv_of(":authority", host);
	out[n++] = nv_of(":path", o->path);
	if (length[0] != '\0')
		out[n++] = nv_of("content-length", length);
	for (size_t i = 0; i < o->fields.count; i++)
		if (!field_is_ours(o->fields.at[i].name))
			out[n++] =
			    nv_of(o->fields.at[i].name, o->fields.at[i].value);
	return n;
}

static int32_t
submit(struct http2 *h, struct stream *s, const struct http_outgoing *o)
{
	nghttp2_nv *fields = mem_array(o->fields.count + 5, sizeof *fields);
	nghttp2_data_provider source = stream_source(s);
	char length[24] = "";
	size_t count;
	int32_t id;

	if (o->body != NULL)
		snprintf(
		    length, sizeof length, "%zu", evbuffer_get_length(s->out));
	count = fields_of(h, o, length, fields);
	id = nghttp2_submit_request(h->session, NULL, fields, count,
	    o->body == NULL ? NULL : &source, s);
	mem_free(fields);
	return id;
}

struct http_call *
http2_call(struct http2 *h, struct http_outgoing *o,
    const struct http_events *events, void *arg, struct fault *f)
{
	struct stream *s;

	assert(!h->server);
	if (!may_call(h, f))
		return NULL;
	s = stream_new(h, -1);
	s->call.credit = call_credit;
	s->call.cancel = call_cancel;
	s->events = *events;
	s->arg = arg;
	if (o->body != NULL)
		evbuffer_add_buffer(s->out, o->body);
	s->out_end = true;
	s->id = submit(h, s, o);
	if (s->id < 0) {
		fault_set(f, FAULT_UNAVAILABLE, "request not taken: %s",
		    nghttp2_strerror(s->id));
		h->count--;
		s->id = -1;
		stream_drop(s);
		return NULL;
	}
	stream_wake(s, false);
	return &s->call;
}

void
call_got_header(struct stream *s, struct text name, struct text value)
{
	uint64_t status;

	if (s->head_done)
		return; /* trailers */
	if (text_is(name, ":status")) {
		/* A head after an informational one begins anew. */
		memset(&s->fields, 0, sizeof s->fields);
		s->status = text_to_u64(value, &status) && status < 1000
				? (int)status
				: 0;
		return;
	}
	if (!http_fields_add_len(
		&s->fields, s->arena, name.at, name.len, value.at, value.len) &&
	    s->why.kind == FAULT_NONE) {
		fault_set(&s->why, FAULT_INVALID,
		    "peer's reply has a malformed field");
		stream_reset(s, NGHTTP2_PROTOCOL_ERROR);
	}
}

void
call_got_head(struct stream *s)
{
	if (s->head_done || s->status < 200)
		return;
	s->head_done = s->head_due = true;
	stream_ready(s);
}

void
call_got_data(struct stream *s, const uint8_t *at, size_t len)
{
	evbuffer_add(s->in, at, len);
	s->unread += len;
	stream_ready(s);
}

static void
explain_end(struct stream *s)
{
	if (s->why.kind != FAULT_NONE)
		return;
	if (s->code == NGHTTP2_REFUSED_STREAM)
		fault_set(&s->why, FAULT_UNAVAILABLE,
		    "peer refused the stream unprocessed");
	else
		fault_set(&s->why,
		    s->head_done ? FAULT_TRUNCATED : FAULT_UNAVAILABLE,
		    "peer reset the stream: %s",
		    nghttp2_http2_strerror(s->code));
}

static void
call_finish(struct stream *s)
{
	struct http_events events = s->events;
	void *arg = s->arg;
	struct fault why;

	if (!s->in_end || s->why.kind == FAULT_INVALID)
		explain_end(s);
	else
		s->why.kind = FAULT_NONE;
	why = s->why;
	if (!s->closed)
		stream_reset(s, NGHTTP2_CANCEL); /* answered early */
	stream_drop(s);
	events.on_end(arg, why.kind == FAULT_NONE ? NULL : &why);
}

void
call_dispatch(struct stream *s)
{
	if (s->head_due && s->why.kind != FAULT_INVALID) {
		s->head_due = false;
		s->events.on_head(s->arg, s->status, &s->fields);
		if (s->dead)
			return;
	}
	if (s->head_done && evbuffer_get_length(s->in) > 0) {
		s->events.on_body(s->arg, s->in);
		if (s->dead)
			return;
	}
	if (s->in_end || s->closed)
		call_finish(s);
}
