/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scene for the relay: a stand-in for each of its ends, and what it said at
 * the end. For the tests of how it relays and of exact replies.
 */
#ifndef TESTS_GATEWAY_RELAY_SCENE_H
#define TESTS_GATEWAY_RELAY_SCENE_H

#include "gateway/relay.h"
#include "tests/unit/gateway_fakes.h"

struct scene {
	struct loop *loop;
	struct fake_buyer buyer;
	struct fake_path path;
	struct client *client;
	struct pending *question;
	struct relay_order order;
	struct timer *tick; /* a test's own */
	unsigned answers;
	bool frees_buyer; /* from inside the answer, as an exchange does */
	struct relay_result result;
	char held[4096];
	char sent[4096];
};

static inline void
on_start(void *arg, struct http_fields *fs)
{
	struct scene *s = arg;

	http_fields_add(fs, s->buyer.arena, "x-ours", "yes");
}

static inline void
on_answer(void *arg, const struct relay_result *r)
{
	struct scene *s = arg;
	int len;

	s->question = NULL;
	s->answers++;
	s->result = *r;
	len = evbuffer_remove(r->held, s->held, sizeof(s->held) - 1);
	s->held[len < 0 ? 0 : len] = '\0';
	if (s->frees_buyer) {
		client_close(&s->client);
		fake_buyer_free(&s->buyer);
		fake_buyer_init(&s->buyer, "", "", "");
	}
}

static inline void
begin(struct scene *s)
{
	static struct http_outgoing o;

	memset(s, 0, sizeof(*s));
	memset(&o, 0, sizeof(o));
	s->loop = loop_new();
	fake_buyer_init(&s->buyer, "POST", "/v1/chat/completions", "{}");
	fake_path_init(&s->path);
	s->client = client_new(&s->buyer.request);
	s->order = (struct relay_order){.loop = s->loop,
	    .buyer = s->client,
	    .path = &s->path.path,
	    .outgoing = &o,
	    .first_byte_ms = 60,
	    .stall_ms = 60,
	    .total_ms = 5000,
	    .keepalive_ms = 10000,
	    .on_start = on_start};
}

static inline void
ask(struct scene *s)
{
	s->question = relay_ask(&s->order, on_answer, s);
}

static inline void
end(struct scene *s)
{
	pending_cancel(&s->question);
	fake_buyer_free(&s->buyer);
	loop_free(&s->loop);
}

#endif
