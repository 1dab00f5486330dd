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
#include "gateway/client.h"
#include "gateway/path.h"
#include "gateway/usage.h"

struct relay_order {
	struct loop *loop;
	struct client *buyer;
	struct path *path;
	struct http_outgoing *outgoing; /* body moved out of */
	int64_t first_byte_ms;
	int64_t stall_ms;
	int64_t keepalive_ms; /* SSE comment after so much silence */
	/* Called once, just before the reply starts, to add our own fields to
	 * those let through. */
	void (*on_head)(void *arg, struct http_fields *fs);
};

enum relay_end {
	RELAY_WHOLE,     /* the provider ended its answer */
	RELAY_FAILED,    /* before the first byte to the buyer: try elsewhere */
	RELAY_TRUNCATED  /* after it */
};

struct relay_result {
	enum relay_end end;
	struct fault fault;      /* where end is not RELAY_WHOLE */
	int status;              /* the provider's, 0: no head came */
	bool is_stream;          /* text/event-stream */
	bool is_terminal;        /* its own terminal event came */
	bool at_boundary;        /* nothing of a half event was sent */
	struct evbuffer *held;   /* last bytes, not yet sent; the callee may
				  * drain it, it lives until the callback
				  * returns */
	struct usage usage;
	uint64_t body_bytes;     /* received from the provider */
	int64_t first_byte_us;   /* clock_mono_us, 0: none came */
	int64_t last_byte_us;
};

struct pending *relay_ask(const struct relay_order *o,
    void (*fn)(void *arg, const struct relay_result *r), void *arg);

/* Pure: may this response field of a provider reach a buyer? */
bool relay_lets_through(const char *name);

#endif
