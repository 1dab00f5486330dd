/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP/2 connection without its socket (nghttp2): bytes go in with
 * http2_feed, events come out of http2_dispatch, bytes to send come out of
 * http2_pull. Either role. Touches no socket and no clock.
 *
 * No event is ever called from inside a function other than http2_dispatch,
 * so every handler may call anything here but http2_free.
 */
#ifndef BASE_HTTP2_H
#define BASE_HTTP2_H

#include "base/http.h"
#include "base/text.h"

struct http2_limits {
	size_t header_list_bytes;
	uint32_t streams;
	uint32_t stream_window;
	uint32_t connection_window;
	size_t body_bytes;  /* a request's body, gathered */
	size_t backlog_low; /* on_drained under it */
	unsigned resets_per_s;
	unsigned settings_per_s;
	unsigned pings_per_s;
};

struct http2_events {
	/* There is something to pull or to dispatch. Comes from inside any
	 * function here, and may only take note. At once: do not wait for
	 * more (a cancelled stream). */
	void (*on_wake)(void *arg, bool at_once);
	http_handler *on_request; /* server role */
	void (*on_goaway)(void *arg);
};

struct http2;
struct http2 *http2_new(bool server, const struct http2_limits *limits,
    const struct http2_events *events, void *arg, int64_t now_us);
/* The session must be ended and dispatched, or have no calls: they hear
 * nothing. Requests that handlers still hold live on until closed. */
void http2_free(struct http2 **h);
/* What requests are told about the other end. Borrows peer, copies text. */
void http2_set_peer(struct http2 *h, const char *remote, X509 *peer);
/* :authority of calls that bring no "host" field. */
void http2_set_authority(struct http2 *h, const char *authority);

/* False: the connection is over, for the reason in *f. What is left to pull
 * tells the peer. */
bool http2_feed(
    struct http2 *h, struct bytes b, int64_t now_us, struct fault *f);
/* Appends what is due; stops giving DATA when out holds `mark` bytes, and
 * everything at four times that. False: over, as above. */
bool http2_pull(struct http2 *h, struct evbuffer *out, size_t mark,
    int64_t now_us, struct fault *f);
/* Is there something to dispatch? */
bool http2_has_events(const struct http2 *h);
/* Calls handlers with what came. */
void http2_dispatch(struct http2 *h);

/* Client role. NULL with *f filled (UNAVAILABLE, or INVALID for fields that
 * can not be sent) where it can not be made. */
struct http_call *http2_call(struct http2 *h, struct http_outgoing *o,
    const struct http_events *events, void *arg, struct fault *f);

void http2_ping(struct http2 *h, int64_t now_us);
int64_t http2_rtt_us(const struct http2 *h); /* of the last PING, or -1 */
bool http2_is_ready(const struct http2 *h);  /* the peer's SETTINGS came */
bool http2_is_going(const struct http2 *h);  /* either end sent GOAWAY */
/* Streams under way; what the peer allows (client role). */
unsigned http2_streams(const struct http2 *h);
unsigned http2_streams_max(const struct http2 *h);
/* Whole frames received so far. */
uint64_t http2_frames(const struct http2 *h);
/* What the peer's GOAWAY complained of; FAULT_NONE without one. */
const struct fault *http2_complaint(const struct http2 *h);

/* GOAWAY in two phases (RFC 9113 section 6.8): the second by itself after a
 * round trip. Drained once that is out and no stream is left. */
void http2_drain(struct http2 *h, int64_t now_us);
bool http2_is_drained(const struct http2 *h);
/* GOAWAY with the code of why as its debug data; http2_end is to follow. */
void http2_tell(struct http2 *h, const struct fault *why);
/* Says GOAWAY with a code for why and lets every call and request know at the
 * next dispatch. */
void http2_end(struct http2 *h, const struct fault *why);

#endif
