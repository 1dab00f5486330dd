/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP/1.1 server (evhttp) fit for hostile clients: a strict framing guard
 * in front of evhttp's lenient parser, total deadlines from accept, bounded
 * heads, bodies and connections, read watermarks, TCP_NODELAY, one TLS record
 * per reply, and an accept that pauses when descriptors run out.
 *
 * Stricter than HTTP asks for: POST, PUT and PATCH state their length, others
 * have no body, trailers and chunk extensions are not taken, dot segments and
 * %00 are refused, and a client that closes its sending side has gone.
 */
#ifndef BASE_SERVER_H
#define BASE_SERVER_H

#include "base/http.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/tls.h"

struct server_limits {
	size_t head_bytes;    /* request line and fields; default 64 KiB */
	size_t fields;	      /* default 100 */
	size_t body_bytes;    /* default 1 MiB */
	unsigned connections; /* default 10,000 */
	int64_t head_ms;      /* from accept, or the request's first byte */
	int64_t body_ms;      /* from the head's end to the body's */
	int64_t idle_ms;      /* between requests */
	size_t backlog_low;   /* on_drained under it; default 64 KiB */
};
void server_limits_default(struct server_limits *out);

struct server;
/* Listens on address ("127.0.0.1:0", "[::1]:443") with SO_REUSEPORT; tls may
 * be NULL (plain) and is shared, not taken. handler gets each request whose
 * framing holds; everything else is answered here (400 invalid_request, 408
 * request_timeout, 413 request_too_large, 431, 503 overloaded; as the error
 * object of docs/http-api) and the connection closed. */
struct server *server_new(struct loop *l, const char *address, SSL_CTX *tls,
    const struct server_limits *limits, http_handler *handler, void *arg,
    const struct log *log, struct fault *f);
/* The bound port, for address ":0". */
unsigned server_port(const struct server *s);
/* For connections to come. */
void server_set_tls(struct server *s, SSL_CTX *tls);
/* Accept nothing more; answer what is under way with connection: close, then
 * on_idle(arg) once nothing is open. */
void server_drain(struct server *s, void (*on_idle)(void *arg), void *arg);
/* Counts for metrics. */
struct server_counts {
	uint64_t accepted, refused, requests, guard_refusals, deadline_closes;
	unsigned open;
};
void server_counts(const struct server *s, struct server_counts *out);
/* Closes everything at once; not from inside a handler. Requests under way
 * hear on_gone through the loop and live until their handlers close them. */
void server_free(struct server **s);

#endif
