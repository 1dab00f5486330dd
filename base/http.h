/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP as the programs see it, whatever carries it: HTTP/1.1 from a listener
 * (base/server) or a stream of a link (base/link, base/http2).
 *
 * Server side: a handler is given a struct http_request whose body has
 * arrived whole, and answers in its own time. Client side: a struct
 * http_call reports head, body and end to its caller. On both, bytes wait at
 * their source until the consumer has taken what came before.
 */
#ifndef BASE_HTTP_H
#define BASE_HTTP_H

#include <event2/buffer.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/mem.h"

/* Names are lower case, [!#$%&'*+-.^_`|~0-9a-z]; values have no CR, LF, NUL,
 * and no blank at either end (RFC 9110 section 5.5). */
struct http_field {
	const char *name;
	const char *value;
};
struct http_fields {
	struct http_field *at;
	size_t count;
	size_t room;
};
/* Copies into the arena. False (nothing added) where name or value breaks the
 * rule above: hostile values can not split a message. */
bool http_fields_add(struct http_fields *fs, struct arena *a, const char *name,
    const char *value);
bool http_fields_add_len(struct http_fields *fs, struct arena *a,
    const char *name, size_t name_len, const char *value, size_t value_len);
/* The rule above, for bytes that need no NUL at their end. */
bool http_name_is_good(const char *name, size_t len);
bool http_value_is_good(const char *value, size_t len);
/* The first value of that (lower-case) name, or NULL. */
const char *http_fields_find(const struct http_fields *fs, const char *name);
/* How many fields have that name. */
size_t http_fields_count(const struct http_fields *fs, const char *name);

/* ------------------------------------------------------------ server side */

struct http_request;

/* What the transport tells whoever answers. Either may be NULL. */
struct http_watch {
	/* The backlog was at or over the low mark (64 KiB) and fell under it:
	 * write on. Never called from inside an http_reply_* call. */
	void (*on_drained)(void *arg);
	/* The client has gone; nothing written from now on arrives. Called at
	 * most once, never from inside an http_reply_* call. The request stays
	 * valid until http_request_close. */
	void (*on_gone)(void *arg);
};

/* The transport fills this; handlers read it. Everything lives until
 * http_request_close. */
struct http_request {
	const char *method;
	const char *path;  /* origin-form, without the query, undecoded */
	const char *query; /* after '?', or NULL */
	struct http_fields fields; /* cookies, host/authority … as they came */
	struct evbuffer *body;	   /* whole; bounded by the transport */
	struct arena *arena;	   /* for the handler's own things too */
	const char *remote; /* "203.0.113.9:4711", after PROXY protocol */
	X509 *peer;	    /* verified client certificate, or NULL */
	int64_t began_us;   /* clock_mono_us when its first byte came */
	const struct http_transport *transport; /* for http.c alone */
};

/* What a handler is. It owns the request until http_request_close. */
typedef void http_handler(struct http_request *r, void *arg);

void http_request_watch(
    struct http_request *r, const struct http_watch *w, void *arg);
/* Once. Content-Length or chunking and Date are the transport's business; do
 * not add them. */
void http_reply_start(
    struct http_request *r, int status, const struct http_fields *fields);
/* Moves all of data out of it. */
void http_reply_body(struct http_request *r, struct evbuffer *data);
/* Bytes accepted by http_reply_body that the peer's socket has not taken. */
size_t http_reply_backlog(const struct http_request *r);
/* The reply is whole. */
void http_reply_end(struct http_request *r);
/* Ends the handler's ownership, exactly once per request. Without a
 * http_reply_end before it the reply is cut: HTTP/1.1 closes the connection
 * without the last chunk, HTTP/2 resets the stream. Sets *r NULL. */
void http_request_close(struct http_request **r);
/* start + body + end + close with content-type; body is copied. */
void http_reply_text(struct http_request **r, int status,
    const char *content_type, const char *body);

/* What a transport implements (server.c, link.c). */
struct http_transport {
	void (*watch)(struct http_request *, const struct http_watch *, void *);
	void (*start)(struct http_request *, int, const struct http_fields *);
	void (*body)(struct http_request *, struct evbuffer *);
	size_t (*backlog)(const struct http_request *);
	void (*end)(struct http_request *);
	void (*close)(struct http_request *);
};

/* ------------------------------------------------------------ client side */

struct http_outgoing {
	const char *method;
	const char *path; /* with query; for fetch: a whole URL */
	struct http_fields fields;
	struct evbuffer *body; /* moved out of by the call; NULL: none */
};

struct http_events {
	/* Once, unless on_end comes first. Fields live until it returns. */
	void (*on_head)(void *arg, int status, const struct http_fields *fs);
	/* Body bytes; the callee drains what it takes. Everything given counts
	 * against the window until http_call_credit returns it. */
	void (*on_body)(void *arg, struct evbuffer *data);
	/* Exactly once, and last. f is NULL where the reply came whole. The
	 * call is dead: clear the handle. */
	void (*on_end)(void *arg, const struct fault *f);
};

/* One call. The embedding struct belongs to whoever carries it. None of the
 * events comes before the function that made the call has returned. */
struct http_call {
	void (*credit)(struct http_call *, size_t bytes);
	void (*cancel)(struct http_call *);
};
/* `bytes` of on_body were consumed (the buyer's socket has taken them): the
 * source may send as many more. */
void http_call_credit(struct http_call *c, size_t bytes);
/* No further event; the stream is reset at once. Accepts NULL, leaves NULL. */
void http_call_cancel(struct http_call **c);

/* For the many callers that want one small whole answer. */
struct http_answer {
	int status;
	struct http_fields fields;
	const char *body; /* NUL after the last byte */
	size_t body_len;
};

#endif
