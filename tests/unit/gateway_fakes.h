/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stand-ins for the two ends of a relay: a buyer whose socket takes bytes
 * when the test says so, and a path whose provider answers what the test
 * scripts. Both keep the promises of base/http.h.
 */
#ifndef TESTS_GATEWAY_FAKES_H
#define TESTS_GATEWAY_FAKES_H

#include <string.h>

#include "base/clock.h"
#include "base/loop.h"
#include "gateway/client.h"
#include "gateway/path.h"

/* ---------------------------------------------------------------- a buyer */

struct fake_buyer {
	struct http_request request; /* first member */
	struct arena *arena;
	const struct http_watch *watch;
	void *watch_arg;
	int status; /* 0: no reply began */
	struct http_fields fields;
	struct evbuffer *taken; /* what came through so far */
	size_t backlog;		/* of it, not taken by the socket yet */
	bool is_slow;		/* keeps everything as backlog */
	bool is_ended, is_closed;
};

static inline struct fake_buyer *
fake_buyer_of(const struct http_request *r)
{
	return (struct fake_buyer *)(uintptr_t)r;
}

static inline void
fake_watch(struct http_request *r, const struct http_watch *w, void *arg)
{
	fake_buyer_of(r)->watch = w;
	fake_buyer_of(r)->watch_arg = arg;
}

static inline void
fake_start(struct http_request *r, int status, const struct http_fields *fs)
{
	struct fake_buyer *b = fake_buyer_of(r);

	b->status = status;
	for (size_t i = 0; i < fs->count; i++)
		http_fields_add(
		    &b->fields, b->arena, fs->at[i].name, fs->at[i].value);
}

static inline void
fake_body(struct http_request *r, struct evbuffer *data)
{
	struct fake_buyer *b = fake_buyer_of(r);

	if (b->is_slow)
		b->backlog += evbuffer_get_length(data);
	evbuffer_add_buffer(b->taken, data);
}

static inline size_t
fake_backlog(const struct http_request *r)
{
	return fake_buyer_of(r)->backlog;
}

static inline void
fake_end(struct http_request *r)
{
	fake_buyer_of(r)->is_ended = true;
}

static inline void
fake_close(struct http_request *r)
{
	fake_buyer_of(r)->is_closed = true;
}

static const struct http_transport fake_transport = {
    fake_watch,
    fake_start,
    fake_body,
    fake_backlog,
    fake_end,
    fake_close,
};

static inline void
fake_buyer_init(struct fake_buyer *b, const char *method, const char *path,
    const char *body)
{
	memset(b, 0, sizeof(*b));
	b->arena = arena_new();
	b->taken = evbuffer_new();
	b->request.method = method;
	b->request.path = path;
	b->request.arena = b->arena;
	b->request.remote = "192.0.2.1:1";
	b->request.body = evbuffer_new();
	evbuffer_add_printf(b->request.body, "%s", body);
	b->request.began_us = clock_mono_us();
	b->request.transport = &fake_transport;
}

static inline void
fake_buyer_free(struct fake_buyer *b)
{
	evbuffer_free(b->taken);
	evbuffer_free(b->request.body);
	arena_free(&b->arena);
}

/* What the buyer has been sent, as text. */
static inline const char *
fake_buyer_text(struct fake_buyer *b)
{
	return arena_copy(b->arena, evbuffer_pullup(b->taken, -1),
	    evbuffer_get_length(b->taken));
}

/* The buyer's socket takes all there is. */
static inline void
fake_buyer_drains(struct fake_buyer *b)
{
	b->backlog = 0;
	b->watch->on_drained(b->watch_arg);
}

/* ------------------------------------------------------------- a provider */

struct fake_path {
	struct path path; /* first member */
	struct http_call call;
	const struct http_events *events; /* NULL: no call is open */
	void *arg;
	struct fault refusal; /* kind set: calls are refused with it */
	size_t credited;
	unsigned calls, cancels, suspicions;
	char body[4096]; /* of the last request */
	char authorization[512];
};

static inline struct fake_path *
fake_path_of_call(struct http_call *c)
{
	return (struct fake_path *)(void *)((char *)c -
					    offsetof(struct fake_path, call));
}

static inline void
fake_credit(struct http_call *c, size_t bytes)
{
	fake_path_of_call(c)->credited += bytes;
}

static inline void
fake_cancel(struct http_call *c)
{
	fake_path_of_call(c)->events = NULL;
	fake_path_of_call(c)->cancels++;
}

static inline struct http_call *
fake_call(struct path *p, struct http_outgoing *o,
    const struct http_events *events, void *arg, struct fault *f)
{
	struct fake_path *x = (struct fake_path *)(void *)p;
	const char *authorization =
	    http_fields_find(&o->fields, "authorization");
	int len;

	x->calls++;
	if (x->refusal.kind != FAULT_NONE) {
		*f = x->refusal;
		return NULL;
	}
	len = o->body == NULL
		  ? 0
		  : evbuffer_remove(o->body, x->body, sizeof(x->body) - 1);
	x->body[len < 0 ? 0 : len] = '\0';
	snprintf(x->authorization, sizeof(x->authorization), "%s",
	    authorization == NULL ? "" : authorization);
	x->events = events;
	x->arg = arg;
	return &x->call;
}

static inline void
fake_suspect(struct path *p, const struct fault *why)
{
	(void)why;
	((struct fake_path *)(void *)p)->suspicions++;
}

static const struct path_ops fake_path_ops = {fake_call, fake_suspect};

static inline void
fake_path_init(struct fake_path *x)
{
	memset(x, 0, sizeof(*x));
	x->path.ops = &fake_path_ops;
	x->call.credit = fake_credit;
	x->call.cancel = fake_cancel;
}

static inline void
fake_path_head(struct fake_path *x, int status, const char *type)
{
	struct http_field at[] = {{"content-type", type}, {"set-cookie", "a=b"},
	    {"x-evil", "1"}, {"x-ratelimit-limit", "9"}};
	struct http_fields fs = {at, 4, 4};

	x->events->on_head(x->arg, status, &fs);
}

static inline void
fake_path_body(struct fake_path *x, const char *text)
{
	struct evbuffer *b = evbuffer_new();

	evbuffer_add_printf(b, "%s", text);
	x->events->on_body(x->arg, b);
	evbuffer_free(b);
}

static inline void
fake_path_end(struct fake_path *x, const struct fault *f)
{
	const struct http_events *events = x->events;

	x->events = NULL;
	events->on_end(x->arg, f);
}

/* ------------------------------------------------------------ time passes */

static inline void
fake_stop(void *arg)
{
	loop_stop(arg);
}

/* Lets the loop run for so long. */
static inline void
run_for(struct loop *l, int64_t ms)
{
	struct timer *t = timer_new(l, fake_stop, l);

	timer_start(t, ms);
	loop_run(l);
	timer_free(&t);
}

struct run_until {
	struct loop *loop;
	bool (*claim)(void *arg);
	void *arg;
	bool is_true;
};

static inline void
fake_look(void *arg)
{
	struct run_until *u = arg;

	u->is_true = u->claim(u->arg);
	if (u->is_true)
		loop_stop(u->loop);
}

/* Lets the loop run until the claim holds; false after five seconds. */
static inline bool
run_until(struct loop *l, bool (*claim)(void *arg), void *arg)
{
	struct run_until u = {l, claim, arg, false};
	struct timer *look = timer_new(l, fake_look, &u);
	struct timer *patience = timer_new(l, fake_stop, l);

	timer_every(look, 1);
	timer_start(patience, 5000);
	loop_run(l);
	timer_free(&look);
	timer_free(&patience);
	return u.is_true;
}

#endif
