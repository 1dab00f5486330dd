/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams of the server role: a request is gathered whole, handed to the
 * handler once, and answered in its own time. Until then the stream is the
 * session's; from then on the handler's, until http_request_close.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/http2_priv.h"

static struct stream *
stream_of(const struct http_request *r)
{
	return (struct stream *)(void *)((char *)(uintptr_t)r -
					 offsetof(struct stream, request));
}

static void
serve_watch(struct http_request *r, const struct http_watch *w, void *arg)
{
	struct stream *s = stream_of(r);

	s->watch = *w;
	s->watch_arg = arg;
	if (s->gone && !s->gone_told)
		stream_ready(s);
}

static void
serve_start(
    struct http_request *r, int status, const struct http_fields *fields)
{
	struct stream *s = stream_of(r);
	nghttp2_data_provider source = stream_source(s);
	nghttp2_nv *out;
	char text[8];
	size_t n = 0;

	assert(!s->started);
	s->started = true;
	if (s->h == NULL || s->id < 0)
		return;
	out = mem_array((fields == NULL ? 0 : fields->count) + 1, sizeof *out);
	snprintf(text, sizeof text, "%d", status);
	out[n++] = nv_of(":status", text);
	for (size_t i = 0; fields != NULL && i < fields->count; i++)
		if (!field_is_ours(fields->at[i].name))
			out[n++] =
			    nv_of(fields->at[i].name, fields->at[i].value);
	nghttp2_submit_response(s->h->session, s->id, out, n, &source);
	mem_free(out);
	stream_wake(s, false);
}

static bool
takes_no_body(const struct stream *s)
{
	return s->request.method != NULL &&
	       strcmp(s->request.method, "HEAD") == 0;
}

static void
serve_body(struct http_request *r, struct evbuffer *data)
{
	struct stream *s = stream_of(r);

	assert(s->started && !s->out_end);
	if (s->closed || s->h == NULL || takes_no_body(s)) {
		evbuffer_drain(data, evbuffer_get_length(data));
		return;
	}
	evbuffer_add_buffer(s->out, data);
	stream_resume(s);
}

static size_t
serve_backlog(const struct http_request *r)
{
	return evbuffer_get_length(stream_of(r)->out);
}

static void
serve_end(struct http_request *r)
{
	struct stream *s = stream_of(r);

	assert(s->started && !s->out_end);
	s->out_end = true;
	stream_resume(s);
}

static void
serve_close(struct http_request *r)
{
	struct stream *s = stream_of(r);

	assert(s->handed);
	s->handed = false;
	memset(&s->watch, 0, sizeof s->watch);
	if (s->h == NULL || s->closed) {
		stream_drop(s);
		return;
	}
	if (s->out_end)
		return; /* freed when nghttp2 has sent the rest */
	stream_reset(s, NGHTTP2_INTERNAL_ERROR);
	stream_drop(s);
}

static const struct http_transport transport = {
    .watch = serve_watch,
    .start = serve_start,
    .body = serve_body,
    .backlog = serve_backlog,
    .end = serve_end,
    .close = serve_close,
};

static bool
take_path(struct stream *s, struct text value)
{
	const char *mark = memchr(value.at, '?', value.len);
	size_t len = mark == NULL ? value.len : (size_t)(mark - value.at);

	if (value.len == 0 || value.at[0] != '/')
		return false;
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.at[i] <= 0x20 ||
		    (unsigned char)value.at[i] >= 0x7f || value.at[i] == '#')
			return false;
	s->request.path = arena_copy(s->arena, value.at, len);
	if (mark != NULL)
		s->request.query =
		    arena_copy(s->arena, mark + 1, value.len - len - 1);
	return true;
}

bool
serve_got_header(struct stream *s, struct text name, struct text value)
{
	struct http_request *r = &s->request;

	if (s->head_done || s->refused)
		return true; /* trailers, or nothing to us */
	if (name.len == 0 || name.at[0] != ':')
		return http_fields_add_len(&r->fields, s->arena, name.at,
		    name.len, value.at, value.len);
	if (text_is(name, ":method") && text_is(value, "CONNECT"))
		return false;
	else if (text_is(name, ":method"))
		r->method = arena_copy(s->arena, value.at, value.len);
	else if (text_is(name, ":path"))
		return take_path(s, value);
	else if (text_is(name, ":authority"))
		return http_fields_add_len(
		    &r->fields, s->arena, "host", 4, value.at, value.len);
	return true;
}

static void
refuse_body(struct stream *s)
{
	static const char body[] =
	    "{\"error\":{\"message\":\"the request's body is too large\","
	    "\"type\":\"invalid_request_error\","
	    "\"code\":\"request_too_large\",\"param\":null}}";
	const nghttp2_nv fields[] = {
	    nv_of(":status", "413"),
	    nv_of("content-type", "application/json"),
	};
	nghttp2_data_provider source = stream_source(s);

	s->refused = true;
	evbuffer_drain(s->in, evbuffer_get_length(s->in));
	evbuffer_add(s->out, body, sizeof body - 1);
	s->out_end = true;
	nghttp2_submit_response(s->h->session, s->id, fields,
	    sizeof fields / sizeof *fields, &source);
	stream_wake(s, false);
}

void
serve_got_data(struct stream *s, const uint8_t *at, size_t len)
{
	size_t held = evbuffer_get_length(s->in);

	/* Gathered bodies are bounded by size, not by window. */
	nghttp2_session_consume(s->h->session, s->id, len);
	stream_wake(s, false);
	if (s->refused)
		return;
	if (len > s->h->limits.body_bytes - held)
		refuse_body(s);
	else
		evbuffer_add(s->in, at, len);
}

void
serve_got_end(struct stream *s)
{
	s->in_end = true;
	if (s->refused || s->whole)
		return;
	s->whole = true;
	stream_ready(s);
}

static void
hand_over(struct stream *s)
{
	struct http_request *r = &s->request;
	struct http2 *h = s->h;

	r->body = s->in;
	r->arena = s->arena;
	r->remote = arena_string(s->arena, h->remote == NULL ? "" : h->remote);
	r->peer = h->peer;
	if (r->peer != NULL)
		X509_up_ref(r->peer);
	r->transport = &transport;
	s->handed = true;
	h->events.on_request(r, h->arg);
}

void
serve_dispatch(struct stream *s)
{
	if (s->whole && !s->handed && !s->started && !s->closed) {
		hand_over(s);
		if (s->dead)
			return;
	}
	if (!s->handed) {
		if (s->closed)
			stream_drop(s);
		return;
	}
	if (s->drained_due && !s->closed) {
		s->drained_due = false;
		if (s->watch.on_drained != NULL)
			s->watch.on_drained(s->watch_arg);
		if (s->dead)
			return;
	}
	/* A reply that went out whole leaves nobody to mourn. */
	if (s->closed && !(s->out_end && s->code == NGHTTP2_NO_ERROR))
		s->gone = true;
	if (s->gone && !s->gone_told && s->watch.on_gone != NULL) {
		s->gone_told = true;
		s->watch.on_gone(s->watch_arg);
	}
}
