/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 over one long-lived connection: a TLS socket or a Unix socket. Which
 * end dialled and which end is the HTTP/2 client are separate matters: on a
 * provider's tunnel the end that accepted is the client (ALPN "rh2"). Window
 * credit goes back only for what the consumer has taken, so one slow consumer
 * stops its own stream and nobody else's.
 *
 * Bounds on the peer, each ending the link with a coded reason: handshake
 * time, header list, streams, resets per second received and caused,
 * CONTINUATION, SETTINGS and PING floods, silence.
 */
#ifndef BASE_LINK_H
#define BASE_LINK_H

#include "base/http.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/tls.h"

enum link_role { LINK_CLIENT, LINK_SERVER }; /* of HTTP/2 */

struct link_limits {
	int64_t handshake_ms;	  /* connect and TLS; default 10 s */
	int64_t ping_ms;	  /* PING after so much silence; default 12 s */
	int64_t dead_ms;	  /* then no frame for so long; default 5 s */
	size_t header_list_bytes; /* default 64 KiB */
	uint32_t streams;	  /* concurrent, as we announce; default 256 */
	uint32_t stream_window;	  /* default 256 KiB */
	uint32_t connection_window; /* default 16 MiB */
	size_t body_bytes;	 /* LINK_SERVER: request body; default 32 MiB*/
	unsigned resets_per_s;	 /* either direction; default 200 */
	unsigned settings_per_s; /* default 10 */
	unsigned pings_per_s;	 /* default 10 */
};
void link_limits_default(struct link_limits *out);

struct link;
struct link_events {
	/* The handshake is done, the peer's SETTINGS have come, and HTTP/2 may
	 * flow: a certificate that the peer refuses never gets here. peer is
	 * the verified certificate (borrowed for the link's life) or NULL. */
	void (*on_up)(struct link *l, X509 *peer, void *arg);
	/* The link is over, or never came up; once, and last. Every call on it
	 * has already ended with UNAVAILABLE. why: UNTRUSTED (a certificate),
	 * REFUSED (TLS or ALPN), TIMEOUT (handshake, silence), LIMIT (a bound
	 * on the peer), INVALID (broken HTTP/2, no address), DRAINING (our
	 * link_drain is done), what the peer's link_tell said, UNAVAILABLE
	 * (all else). Free the link with link_free now or later. */
	void (*on_down)(struct link *l, const struct fault *why, void *arg);
	/* LINK_SERVER: a request, whole. NULL for LINK_CLIENT. */
	http_handler *on_request;
	/* The peer sent GOAWAY: no new calls; those under way go on. */
	void (*on_goaway)(struct link *l, void *arg);
};

/* Dials "host:port" or "unix:/path". server_name is verified (SAN) when tls
 * is a client context; NULL: chain only, as with gateways known by their own
 * CA. Names resolve off the loop (evdns). Never fails at once: on_down. */
struct link *link_dial(struct loop *l, const char *address, SSL_CTX *tls,
    const char *server_name, enum link_role role,
    const struct link_limits *limits, const struct link_events *events,
    void *arg, const struct log *log);
bool link_is_up(const struct link *l);
const char *link_remote(const struct link *l); /* "address:port" or path */
X509 *link_peer(const struct link *l);
SSL *link_ssl(const struct link *l); /* NULL on a Unix socket */
/* Streams under way, either role. */
unsigned link_streams(const struct link *l);
/* What the peer allows concurrently (its SETTINGS). */
unsigned link_streams_max(const struct link *l);
/* Round-trip of the last PING in us, or -1. */
int64_t link_rtt_us(const struct link *l);

/* LINK_CLIENT. NULL and *f filled where the link is not up, is going away, or
 * is full. The peer may send a stream window's worth unread. Ends with
 * UNAVAILABLE where the link broke or the peer refused the stream before any
 * of its reply came, TRUNCATED where it reset it later, INVALID where the
 * reply is malformed. */
struct http_call *link_call(struct link *l, struct http_outgoing *o,
    const struct http_events *events, void *arg, struct fault *f);
/* link_call that gathers an answer of at most max bytes within ms; the answer
 * lives until the callback returns; exactly one of answer and f is given. */
struct pending *link_ask(struct link *l, struct http_outgoing *o, size_t max,
    int64_t within_ms,
    void (*fn)(
	void *arg, const struct http_answer *answer, const struct fault *f),
    void *arg);

/* Two-phase GOAWAY (RFC 9113 6.8); on_down comes when the last stream has
 * ended or within_ms has passed. */
void link_drain(struct link *l, int64_t within_ms);
/* Says why in the debug data of a GOAWAY; link_free is to follow. The peer's
 * on_down understands DEVICE_REVOKED, DEVICE_UNKNOWN, EXPIRED, REFUSED and
 * UNTRUSTED. Nothing happens where the link is not up. */
void link_tell(struct link *l, const struct fault *why);
/* At once; on_down does not come. From inside any callback. Calls under way
 * end with UNAVAILABLE through the loop, and the memory goes after them: let
 * the loop run once more, or free it. Accepts NULL, leaves NULL. */
void link_free(struct link **l);

/* Accepts links. */
struct link_listener;
struct link_listener_settings {
	const char *address; /* "0.0.0.0:7443" or "unix:/path" */
	SSL_CTX *tls;	     /* shared, not taken; NULL on Unix */
	enum link_role role;
	struct link_limits limits;
	unsigned pending_handshakes; /* default 256: more are closed at once */
	unsigned links;		     /* default 10,000 */
	/* "10.0.0.0/8,::1/128": from these a PROXY v2 header is required, from
	 * others it is refused. NULL: never. */
	const char *proxy_from;
};
/* on_accept says who will listen to the new link's events; it is called when
 * the TCP connection is there, before the handshake. */
struct link_listener *link_listen(struct loop *l,
    const struct link_listener_settings *s,
    void (*on_accept)(struct link *l, void *arg,
	const struct link_events **events, void **events_arg),
    void *arg, const struct log *log, struct fault *f);
unsigned link_listener_port(const struct link_listener *ll);
void link_listener_set_tls(struct link_listener *ll, SSL_CTX *tls);
void link_listener_pause(struct link_listener *ll); /* accept no more */
void link_listener_free(struct link_listener **ll);

#endif
