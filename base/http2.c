/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP/2 session over nghttp2. nghttp2's callbacks only note what came on
 * the stream's struct; http2_dispatch then calls the handlers, on top of the
 * stack, so that they may do as they like. Window credit is given by hand.
 */
#include "base/http2.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/http2_priv.h"

enum { PULL_BYTES = 32 * 1024, LAST_ID = 0x7fffffff };

static int
on_begin_headers(
    nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct http2 *h = arg;
	struct stream *s;

	h->list_bytes = 0;
	if (frame->hd.type != NGHTTP2_HEADERS || !h->server ||
	    frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	s = stream_new(h, frame->hd.stream_id);
	s->request.began_us = h->now_us;
	nghttp2_session_set_stream_user_data(session, s->id, s);
	return 0;
}

static void
set_over(struct http2 *h, enum fault_kind kind, const char *why)
{
	if (h->over.kind == FAULT_NONE)
		fault_set(&h->over, kind, "%s", why);
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame,
    const uint8_t *name, size_t name_len, const uint8_t *value,
    size_t value_len, uint8_t flags, void *arg)
{
	struct http2 *h = arg;
	struct stream *s =
	    nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	struct text n = {(const char *)name, name_len};
	struct text v = {(const char *)value, value_len};

	(void)flags;
	/* RFC 9113 section 6.5.2: how a list is measured. */
	h->list_bytes += name_len + value_len + 32;
	if (h->list_bytes > h->limits.header_list_bytes) {
		fault_set(&h->over, FAULT_LIMIT, "header list over %zu bytes",
		    h->limits.header_list_bytes);
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	if (s == NULL)
		return 0;
	if (h->server)
		return serve_got_header(s, n, v)
			   ? 0
			   : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	call_got_header(s, n, v);
	return 0;
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *at,
    size_t len, void *arg)
{
	struct http2 *h = arg;
	struct stream *s = nghttp2_session_get_stream_user_data(session, id);

	(void)flags;
	if (s == NULL)
		/* Cancelled: nobody else will give this back. */
		nghttp2_session_consume_connection(session, len);
	else if (h->server)
		serve_got_data(s, at, len);
	else
		call_got_data(s, at, len);
	return 0;
}

/* What a peer may say of us in the debug data of its GOAWAY: one of these
 * codes and nothing else. */
static enum fault_kind
told_kind(const nghttp2_goaway *g)
{
	static const enum fault_kind kinds[] = {FAULT_DEVICE_REVOKED,
	    FAULT_DEVICE_UNKNOWN, FAULT_EXPIRED, FAULT_REFUSED,
	    FAULT_UNTRUSTED};
	struct text said = {(const char *)g->opaque_data, g->opaque_data_len};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (said.len > 0 && text_is(said, fault_code(kinds[i])))
			return kinds[i];
	return FAULT_UNAVAILABLE;
}

static void
got_goaway(struct http2 *h, const nghttp2_goaway *g)
{
	h->goaway_due = h->goaway_due || !h->goaway_seen;
	h->goaway_seen = true;
	if (g->error_code != NGHTTP2_NO_ERROR ||
	    told_kind(g) != FAULT_UNAVAILABLE)
		fault_set(&h->complaint, told_kind(g),
		    "peer ended the link: %s: %.*s",
		    nghttp2_http2_strerror(g->error_code),
		    (int)(g->opaque_data_len < 100 ? g->opaque_data_len : 100),
		    g->opaque_data_len > 0 ? (const char *)g->opaque_data : "");
	h->events.on_wake(h->arg, false);
}

static void
got_pong(struct http2 *h)
{
	if (h->ping_us >= 0)
		h->rtt_us = h->now_us - h->ping_us;
	h->ping_us = -1;
	if (h->draining != 1)
		return;
	h->draining = 2;
	nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
	    h->server ? nghttp2_session_get_last_proc_stream_id(h->session) : 0,
	    NGHTTP2_NO_ERROR, NULL, 0);
	h->events.on_wake(h->arg, false);
}

static void
got_message_part(struct http2 *h, struct stream *s, const nghttp2_frame *frame)
{
	bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

	if (h->server) {
		s->head_done = true;
		if (end)
			serve_got_end(s);
		return;
	}
	if (frame->hd.type == NGHTTP2_HEADERS)
		call_got_head(s);
	if (end) {
		s->in_end = true;
		stream_ready(s);
	}
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct http2 *h = arg;
	struct stream *s;

	/* The library's enum is an int on the wire: types unknown to it come
	 * here, too. */
	switch ((int)frame->hd.type) {
	case NGHTTP2_SETTINGS:
		if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
			h->settings_seen = true;
		break;
	case NGHTTP2_PING:
		if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0)
			got_pong(h);
		break;
	case NGHTTP2_GOAWAY:
		got_goaway(h, &frame->goaway);
		break;
	case NGHTTP2_HEADERS:
	case NGHTTP2_DATA:
		s = nghttp2_session_get_stream_user_data(
		    session, frame->hd.stream_id);
		if (s != NULL)
			got_message_part(h, s, frame);
		break;
	default:
		break;
	}
	return 0;
}

static int
on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
	struct stream *s = nghttp2_session_get_stream_user_data(session, id);

	(void)arg;
	if (s == NULL)
		return 0;
	stream_forget(s);
	s->closed = true;
	s->code = code;
	stream_ready(s);
	return 0;
}

/* Resets that the peer's own mistakes drew from us ("MadeYouReset"): all but
 * the codes that we use ourselves. */
static void
sent_reset(struct http2 *h, uint32_t code)
{
	if (code != NGHTTP2_CANCEL && code != NGHTTP2_NO_ERROR &&
	    code != NGHTTP2_INTERNAL_ERROR &&
	    !ratelimit_take(&h->caused, 1, h->now_us / 1000))
		fault_set(&h->over, FAULT_LIMIT,
		    "more than %u resets caused a second",
		    h->limits.resets_per_s);
}

/* nghttp2 has given up on the peer, and says why. */
static void
sent_goaway(struct http2 *h, const nghttp2_goaway *g)
{
	if (g->error_code == NGHTTP2_NO_ERROR || h->ended)
		return;
	fault_set(&h->complaint, FAULT_INVALID, "peer broke HTTP/2: %s: %.*s",
	    nghttp2_http2_strerror(g->error_code),
	    (int)(g->opaque_data_len < 100 ? g->opaque_data_len : 100),
	    g->opaque_data_len > 0 ? (const char *)g->opaque_data : "");
}

/* RFC 9113 section 8.1: an early answer, then no more body please. */
static void
sent_end(nghttp2_session *session, int32_t id)
{
	struct stream *s = nghttp2_session_get_stream_user_data(session, id);

	if (s != NULL && !s->in_end)
		nghttp2_submit_rst_stream(
		    session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
}

static int
on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct http2 *h = arg;
	bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

	switch ((int)frame->hd.type) {
	case NGHTTP2_RST_STREAM:
		sent_reset(h, frame->rst_stream.error_code);
		break;
	case NGHTTP2_GOAWAY:
		sent_goaway(h, &frame->goaway);
		break;
	case NGHTTP2_HEADERS:
	case NGHTTP2_DATA:
		if (h->server && end)
			sent_end(session, frame->hd.stream_id);
		break;
	default:
		break;
	}
	return 0;
}

static nghttp2_session_callbacks *
callbacks_new(void)
{
	nghttp2_session_callbacks *c = NULL;

	if (nghttp2_session_callbacks_new(&c) != 0)
		abort();
	nghttp2_session_callbacks_set_on_begin_headers_callback(
	    c, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(c, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(c, on_close);
	nghttp2_session_callbacks_set_on_frame_send_callback(c, on_sent);
	return c;
}

static void
session_open(struct http2 *h)
{
	nghttp2_session_callbacks *c = callbacks_new();
	nghttp2_option *o = NULL;
	int rv;

	if (nghttp2_option_new(&o) != 0)
		abort();
	nghttp2_option_set_no_auto_window_update(o, 1);
	nghttp2_option_set_no_closed_streams(o, 1);
	nghttp2_option_set_max_settings(o, 32);
	rv = h->server ? nghttp2_session_server_new2(&h->session, c, h, o)
		       : nghttp2_session_client_new2(&h->session, c, h, o);
	assert(rv == 0);
	nghttp2_option_del(o);
	nghttp2_session_callbacks_del(c);
}

static void
session_greet(struct http2 *h)
{
	const struct http2_limits *l = &h->limits;
	const nghttp2_settings_entry entries[] = {
	    {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, l->stream_window},
	    {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
		(uint32_t)l->header_list_bytes},
	    {h->server ? NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS
		       : NGHTTP2_SETTINGS_ENABLE_PUSH,
		h->server ? l->streams : 0},
	};

	nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, entries,
	    sizeof entries / sizeof *entries);
	nghttp2_session_set_local_window_size(
	    h->session, NGHTTP2_FLAG_NONE, 0, (int32_t)l->connection_window);
}

struct http2 *
http2_new(bool server, const struct http2_limits *limits,
    const struct http2_events *events, void *arg, int64_t now_us)
{
	struct http2 *h = mem_new(sizeof *h);

	h->server = server;
	h->limits = *limits;
	h->events = *events;
	h->arg = arg;
	h->now_us = now_us;
	h->ping_us = h->rtt_us = -1;
	TAILQ_INIT(&h->streams);
	TAILQ_INIT(&h->ready);
	TAILQ_INIT(&h->blocked);
	frames_init(&h->frames, server, limits->resets_per_s,
	    limits->settings_per_s, limits->pings_per_s, now_us);
	ratelimit_init(&h->caused, limits->resets_per_s, limits->resets_per_s,
	    1000, now_us / 1000);
	session_open(h);
	session_greet(h);
	return h;
}

/* A request that a handler still holds outlives the session. */
static void
stream_orphan(struct stream *s)
{
	bool keep = s->handed;

	s->unread = 0;
	stream_forget(s);
	stream_unlist(s);
	s->h = NULL;
	s->closed = true;
	if (!keep)
		stream_free(s);
}

void
http2_free(struct http2 **hp)
{
	struct http2 *h = *hp;
	struct stream *s;

	if (h == NULL)
		return;
	while ((s = TAILQ_FIRST(&h->streams)) != NULL)
		stream_orphan(s);
	nghttp2_session_del(h->session);
	X509_free(h->peer);
	mem_free(h->remote);
	mem_free(h->authority);
	mem_free(h);
	*hp = NULL;
}

void
http2_set_peer(struct http2 *h, const char *remote, X509 *peer)
{
	mem_free(h->remote);
	h->remote = mem_string(remote);
	if (peer != NULL)
		X509_up_ref(peer);
	X509_free(h->peer);
	h->peer = peer;
}

void
http2_set_authority(struct http2 *h, const char *authority)
{
	mem_free(h->authority);
	h->authority = mem_string(authority);
}

static bool
judge(struct http2 *h, struct fault *f)
{
	bool drained = h->draining != 0 && h->count == 0;

	if (h->over.kind == FAULT_NONE &&
	    !nghttp2_session_want_read(h->session) &&
	    !nghttp2_session_want_write(h->session)) {
		if (h->complaint.kind != FAULT_NONE)
			h->over = h->complaint;
		else
			set_over(h,
			    drained ? FAULT_DRAINING : FAULT_UNAVAILABLE,
			    drained ? "drained" : "peer has ended the link");
	}
	if (h->over.kind == FAULT_NONE || h->ended)
		return true;
	if (f != NULL)
		*f = h->over;
	return false;
}

bool
http2_feed(struct http2 *h, struct bytes b, int64_t now_us, struct fault *f)
{
	ssize_t n;

	h->now_us = now_us;
	if (h->over.kind != FAULT_NONE || h->ended)
		return judge(h, f);
	if (!frames_feed(&h->frames, b, now_us, &h->over))
		return judge(h, f);
	n = nghttp2_session_mem_recv(h->session, b.at, b.len);
	if (n == NGHTTP2_ERR_BAD_CLIENT_MAGIC)
		set_over(h, FAULT_INVALID, "peer does not speak HTTP/2");
	else if (n < 0 && (n == NGHTTP2_ERR_FLOODED))
		set_over(h, FAULT_LIMIT, "peer floods: it takes no answers");
	else if (n < 0)
		set_over(h, FAULT_INVALID, nghttp2_strerror((int)n));
	return judge(h, f);
}

static void
unblock(struct http2 *h)
{
	struct stream *s;

	while ((s = TAILQ_FIRST(&h->blocked)) != NULL) {
		TAILQ_REMOVE(&h->blocked, s, blocked);
		s->is_blocked = false;
		nghttp2_session_resume_data(h->session, s->id);
	}
}

bool
http2_pull(struct http2 *h, struct evbuffer *out, size_t mark, int64_t now_us,
    struct fault *f)
{
	uint8_t gather[PULL_BYTES];
	size_t have = 0;
	size_t before = evbuffer_get_length(out);
	const uint8_t *at;
	ssize_t n = 0;

	h->now_us = now_us;
	h->mark = mark;
	if (before < mark)
		unblock(h);
	while (before + have < mark * 4) {
		h->out_len = before + have;
		n = nghttp2_session_mem_send(h->session, &at);
		if (n <= 0)
			break;
		if (have + (size_t)n > sizeof gather) {
			evbuffer_add(out, gather, have);
			before += have;
			have = 0;
		}
		if ((size_t)n > sizeof gather) {
			evbuffer_add(out, at, (size_t)n);
			before += (size_t)n;
			continue;
		}
		memcpy(gather + have, at, (size_t)n);
		have += (size_t)n;
	}
	if (have > 0)
		evbuffer_add(out, gather, have);
	if (n < 0)
		set_over(h, FAULT_INTERNAL, nghttp2_strerror((int)n));
	return judge(h, f);
}

bool
http2_has_events(const struct http2 *h)
{
	return h->goaway_due || !TAILQ_EMPTY(&h->ready);
}

void
http2_dispatch(struct http2 *h)
{
	struct stream *s;

	if (h->goaway_due) {
		h->goaway_due = false;
		h->events.on_goaway(h->arg);
	}
	while ((s = TAILQ_FIRST(&h->ready)) != NULL) {
		TAILQ_REMOVE(&h->ready, s, ready);
		s->is_ready = false;
		s->in_callback = true;
		if (h->server)
			serve_dispatch(s);
		else
			call_dispatch(s);
		s->in_callback = false;
		if (s->dead)
			stream_free(s);
	}
}

void
http2_ping(struct http2 *h, int64_t now_us)
{
	static const uint8_t opaque[8] = "assay";

	if (h->ping_us >= 0)
		return;
	h->ping_us = now_us;
	nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, opaque);
	h->events.on_wake(h->arg, false);
}

int64_t
http2_rtt_us(const struct http2 *h)
{
	return h->rtt_us;
}

bool
http2_is_ready(const struct http2 *h)
{
	return h->settings_seen;
}

bool
http2_is_going(const struct http2 *h)
{
	return h->goaway_seen || h->draining != 0 || h->ended ||
	       h->over.kind != FAULT_NONE;
}

unsigned
http2_streams(const struct http2 *h)
{
	return h->count;
}

unsigned
http2_streams_max(const struct http2 *h)
{
	return nghttp2_session_get_remote_settings(
	    h->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

uint64_t
http2_frames(const struct http2 *h)
{
	return h->frames.count;
}

const struct fault *
http2_complaint(const struct http2 *h)
{
	return &h->complaint;
}

void
http2_drain(struct http2 *h, int64_t now_us)
{
	if (h->draining != 0 || h->ended)
		return;
	h->draining = 1;
	/* The greatest id that is the peer's to use, so nothing is refused. */
	nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
	    h->server ? LAST_ID : LAST_ID - 1, NGHTTP2_NO_ERROR, NULL, 0);
	/* One that is under way may be too old to prove anything. */
	h->ping_us = -1;
	http2_ping(h, now_us);
}

bool
http2_is_drained(const struct http2 *h)
{
	return h->draining == 2 && h->count == 0 && !http2_has_events(h);
}

static uint32_t
code_of(const struct fault *why)
{
	if (why->kind == FAULT_LIMIT)
		return NGHTTP2_ENHANCE_YOUR_CALM;
	if (why->kind == FAULT_INVALID)
		return NGHTTP2_PROTOCOL_ERROR;
	if (why->kind == FAULT_INTERNAL)
		return NGHTTP2_INTERNAL_ERROR;
	return NGHTTP2_NO_ERROR;
}

void
http2_tell(struct http2 *h, const struct fault *why)
{
	const char *code = fault_code(why->kind);

	if (!h->ended)
		nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
		    nghttp2_session_get_last_proc_stream_id(h->session),
		    NGHTTP2_NO_ERROR, (const uint8_t *)code, strlen(code));
}

void
http2_end(struct http2 *h, const struct fault *why)
{
	struct stream *s;

	if (h->ended)
		return;
	h->ended = true;
	TAILQ_FOREACH(s, &h->streams, all)
	{
		if (s->why.kind == FAULT_NONE)
			fault_set(&s->why, FAULT_UNAVAILABLE,
			    "link is over: %s", why->why);
		/* What came whole before the end is not taken back. */
		s->closed = true;
		stream_ready(s);
	}
	nghttp2_session_terminate_session2(h->session,
	    nghttp2_session_get_last_proc_stream_id(h->session), code_of(why));
	h->events.on_wake(h->arg, true);
}
