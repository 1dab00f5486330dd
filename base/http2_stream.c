/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What streams of both roles have in common: their life on the session's
 * lists, and how the bytes that wait in `out` become DATA.
 */
#include <assert.h>
#include <string.h>

#include "base/http2_priv.h"

struct stream *
stream_new(struct http2 *h, int32_t id)
{
	struct stream *s = mem_new(sizeof *s);

	s->h = h;
	s->id = id;
	s->out = evbuffer_new();
	s->in = evbuffer_new();
	assert(s->out != NULL && s->in != NULL);
	s->arena = arena_new();
	TAILQ_INSERT_TAIL(&h->streams, s, all);
	h->count++;
	return s;
}

void
stream_free(struct stream *s)
{
	if (s->in_callback) {
		s->dead = true;
		return;
	}
	X509_free(s->request.peer);
	evbuffer_free(s->out);
	evbuffer_free(s->in);
	arena_free(&s->arena);
	mem_free(s);
}

/* nghttp2 has no use for it any more. */
void
stream_forget(struct stream *s)
{
	if (s->id < 0)
		return;
	nghttp2_session_set_stream_user_data(s->h->session, s->id, NULL);
	s->id = -1;
	s->h->count--;
}

void
stream_unlist(struct stream *s)
{
	if (s->is_ready)
		TAILQ_REMOVE(&s->h->ready, s, ready);
	if (s->is_blocked)
		TAILQ_REMOVE(&s->h->blocked, s, blocked);
	TAILQ_REMOVE(&s->h->streams, s, all);
	s->is_ready = s->is_blocked = false;
}

void
stream_drop(struct stream *s)
{
	if (s->h != NULL) {
		if (s->unread > 0)
			nghttp2_session_consume_connection(
			    s->h->session, s->unread);
		stream_forget(s);
		stream_unlist(s);
	}
	s->h = NULL;
	stream_free(s);
}

void
stream_wake(struct stream *s, bool at_once)
{
	if (s->h != NULL)
		s->h->events.on_wake(s->h->arg, at_once);
}

void
stream_reset(struct stream *s, uint32_t code)
{
	if (s->h == NULL || s->id < 0)
		return;
	nghttp2_submit_rst_stream(
	    s->h->session, NGHTTP2_FLAG_NONE, s->id, code);
	stream_wake(s, true);
}

void
stream_ready(struct stream *s)
{
	if (s->h == NULL || s->is_ready)
		return;
	s->is_ready = true;
	TAILQ_INSERT_TAIL(&s->h->ready, s, ready);
	stream_wake(s, false);
}

void
stream_resume(struct stream *s)
{
	if (s->h == NULL || s->id < 0)
		return;
	if (s->is_idle) {
		s->is_idle = false;
		nghttp2_session_resume_data(s->h->session, s->id);
	}
	stream_wake(s, false);
}

bool
field_is_ours(const char *name)
{
	static const char *const names[] = {"connection", "keep-alive",
	    "proxy-connection", "transfer-encoding", "upgrade", "host",
	    "content-length", "te"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

nghttp2_nv
nv_of(const char *name, const char *value)
{
	/* nghttp2 copies both and writes to neither. */
	return (nghttp2_nv){
	    .name = (uint8_t *)(uintptr_t)name,
	    .value = (uint8_t *)(uintptr_t)value,
	    .namelen = strlen(name),
	    .valuelen = strlen(value),
	    .flags = NGHTTP2_NV_FLAG_NONE,
	};
}

static ssize_t
on_read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t len,
    uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct http2 *h = arg;
	struct stream *s = nghttp2_session_get_stream_user_data(session, id);
	size_t before;
	int n;

	(void)source;
	if (s == NULL)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (h->out_len >= h->mark) {
		s->is_blocked = true;
		TAILQ_INSERT_TAIL(&h->blocked, s, blocked);
		return NGHTTP2_ERR_DEFERRED;
	}
	before = evbuffer_get_length(s->out);
	if (before == 0 && !s->out_end) {
		s->is_idle = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	n = evbuffer_remove(s->out, buf, len);
	if (s->out_end && evbuffer_get_length(s->out) == 0)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (before >= h->limits.backlog_low &&
	    evbuffer_get_length(s->out) < h->limits.backlog_low) {
		s->drained_due = true;
		stream_ready(s);
	}
	return n;
}

nghttp2_data_provider
stream_source(struct stream *s)
{
	nghttp2_data_provider p = {.read_callback = on_read_body};

	p.source.ptr = s;
	return p;
}
