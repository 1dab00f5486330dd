/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One long question: carry this request down that path and its answer back
 * to the buyer. Bytes wait at the provider until the buyer's socket has taken
 * those before them. The answer of the question is how the stream ended; the
 * reply's last bytes are held back in it, so that the outcome can be made
 * durable before a buyer can see the end. Cancelling resets the stream.
 */
#ifndef GATEWAY_RELAY_H
#define GATEWAY_RELAY_H

#include "base/loop.h"
#include "base/text.h"
#include "gateway/client.h"
#include "gateway/path.h"
#include "gateway/usage.h"

/* What an answer that came well (2xx) must be, or the provider failed. */
enum relay_form {
	RELAY_ANY,
	RELAY_BYTES,  /* one at least */
	RELAY_OBJECT, /* a JSON object, no error, and no event stream */
	RELAY_EVENTS  /* an event stream with data that ends with [DONE] */
};

struct relay_order {
	struct loop *loop;
	struct client *buyer;
	struct path *path;
	struct http_outgoing *outgoing; /* its body is moved out of */
	enum relay_form form;
	/* Silence that ends it; and how much must be waited before it is held
	 * against the provider. */
	int64_t first_byte_ms, stall_ms;
	int64_t fair_first_byte_ms, fair_stall_ms;
	int64_t total_ms;     /* of what is left */
	int64_t keepalive_ms; /* SSE comment after so much silence */
	/* The buyer gets the provider's bytes and no other: no keep-alive, all
	 * that comes after [DONE] too. What is no stream is held back whole,
	 * and the reply is left for the asker to start. */
	bool is_exact;
	/* Of exact replies: bytes that the worker holds for all of them, and
	 * how many these may be; one more fails OVERLOADED. NULL: not counted.
	 */
	size_t *holding;
	size_t holding_most;
	/* Of an exact reply: each byte that went to the buyer; or NULL. */
	void (*on_sent)(void *arg, const void *at, size_t len);
	/* Once, just before the reply starts, to add our own fields to those
	 * let through. */
	void (*on_start)(void *arg, struct http_fields *fs);
};

enum relay_end {
	RELAY_WHOLE,	/* the provider ended its answer */
	RELAY_FAILED,	/* nothing reached the buyer: try elsewhere */
	RELAY_TRUNCATED /* something did */
};

struct relay_result {
	enum relay_end end;
	struct fault fault;	   /* where end is not RELAY_WHOLE */
	bool is_hasty;		   /* silence ended it before it was fair to */
	int status;		   /* the provider's, 0: no head came */
	bool is_refused;	   /* a 2xx whose object is a 4xx of the
				    * request's own fault */
	bool is_stream;		   /* text/event-stream */
	bool at_boundary;	   /* the buyer stands between two events */
	struct evbuffer *held;	   /* last bytes, not yet sent: drain what you
				    * want; it lives until the callback returns */
	struct http_fields fields; /* let through, of a reply not started; in
				    * the client's arena */
	struct usage usage;
	uint64_t body_bytes;   /* received from the provider */
	int64_t head_us;       /* clock_mono_us of its head, 0: none came */
	int64_t first_byte_us; /* and of its first body byte, of a stream of
				* events the first that is no comment */
};

/* fn's answer comes once, never before relay_ask has returned. */
struct pending *relay_ask(const struct relay_order *o,
    void (*fn)(void *arg, const struct relay_result *r), void *arg);

/* Pure: may this response field of a provider reach a buyer? */
bool relay_lets_through(const char *name, int status);
/* Pure: is this status the request's own fault, to be passed on as it is? */
bool relay_is_buyers_fault(int status);
/* Pure: a provider's refusal as a fault. A polite one keeps its own code
 * (CAPACITY_EXCEEDED, OUTSIDE_WINDOW); everything else is PROVIDER_ERROR, with
 * the code it gave in the sentence. Returns false. */
bool relay_refusal(int status, struct text body, struct fault *f);

#endif
