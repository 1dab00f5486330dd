/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The buyer's end: one watch on the request, shared out to the two who care.
 */
#include "gateway/client.h"

#include <assert.h>

struct client {
	struct http_request *request;
	void (*on_gone)(void *arg);
	void *gone_arg;
	void (*on_drained)(void *arg);
	void *drained_arg;
	uint64_t sent;
	int status; /* 0: no reply was begun */
	bool is_gone;
};

static void
on_drained(void *arg)
{
	struct client *c = arg;

	if (c->on_drained != NULL)
		c->on_drained(c->drained_arg);
}

static void
on_gone(void *arg)
{
	struct client *c = arg;

	c->is_gone = true;
	if (c->on_gone != NULL)
		c->on_gone(c->gone_arg);
}

static const struct http_watch watch = {on_drained, on_gone};

struct client *
client_new(struct http_request *r)
{
	struct client *c = arena_alloc(r->arena, sizeof(*c));

	c->request = r;
	http_request_watch(r, &watch, c);
	return c;
}

const struct http_request *
client_request(const struct client *c)
{
	return c->request;
}

struct arena *
client_arena(const struct client *c)
{
	return c->request->arena;
}

void
client_on_gone(struct client *c, void (*fn)(void *arg), void *arg)
{
	c->on_gone = fn;
	c->gone_arg = arg;
}

void
client_on_drained(struct client *c, void (*fn)(void *arg), void *arg)
{
	c->on_drained = fn;
	c->drained_arg = arg;
}

void
client_start(struct client *c, int status, const struct http_fields *fs)
{
	assert(c->status == 0 && status != 0);
	c->status = status;
	if (!c->is_gone)
		http_reply_start(c->request, status, fs);
}

bool
client_is_started(const struct client *c)
{
	return c->status != 0;
}

int
client_status(const struct client *c)
{
	return c->status;
}

void
client_write(struct client *c, struct evbuffer *data)
{
	size_t len = evbuffer_get_length(data);

	assert(c->status != 0);
	c->sent += len;
	if (c->is_gone)
		evbuffer_drain(data, len);
	else if (len > 0)
		http_reply_body(c->request, data);
}

size_t
client_backlog(const struct client *c)
{
	return c->is_gone ? 0 : http_reply_backlog(c->request);
}

uint64_t
client_sent(const struct client *c)
{
	return c->sent;
}

void
client_end(struct client *c)
{
	assert(c->status != 0);
	if (!c->is_gone)
		http_reply_end(c->request);
}

void
client_close(struct client **c)
{
	if (*c == NULL)
		return;
	struct http_request *r = (*c)->request;

	*c = NULL;
	http_request_close(&r);
}
