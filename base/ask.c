/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathers a bounded answer. Whatever ends it first wins: the answer's end, a
 * fault, the size, the time, or whoever asked.
 */
#include "base/ask.h"

#include <assert.h>
#include <string.h>

struct ask {
	struct pending pending; /* first */
	struct http_call *call;
	struct timer *timer;
	struct pending *unborn; /* there is no call; the answer is known */
	struct arena *arena;
	struct evbuffer *body;
	struct http_answer answer;
	struct fault why;
	size_t max;
	ask_answer *fn;
	void *arg;
};

static void
ask_free(struct ask *a)
{
	pending_cancel(&a->unborn);
	http_call_cancel(&a->call);
	timer_free(&a->timer);
	evbuffer_free(a->body);
	arena_free(&a->arena);
	mem_free(a);
}

static void
ask_cancel(struct pending *self)
{
	ask_free((struct ask *)self);
}

static void
answer(struct ask *a, const struct fault *f)
{
	http_call_cancel(&a->call);
	timer_stop(a->timer);
	if (f == NULL) {
		evbuffer_add(a->body, "", 1);
		a->answer.body_len = evbuffer_get_length(a->body) - 1;
		a->answer.body = (const char *)evbuffer_pullup(a->body, -1);
	}
	a->fn(a->arg, f == NULL ? &a->answer : NULL, f);
	ask_free(a);
}

static void
on_head(void *arg, int status, const struct http_fields *fs)
{
	struct ask *a = arg;

	a->answer.status = status;
	for (size_t i = 0; i < fs->count; i++)
		http_fields_add(&a->answer.fields, a->arena, fs->at[i].name,
		    fs->at[i].value);
}

static void
on_body(void *arg, struct evbuffer *data)
{
	struct ask *a = arg;
	size_t n = evbuffer_get_length(data);
	struct fault f;

	if (n > a->max - evbuffer_get_length(a->body)) {
		fault_set(&f, FAULT_LIMIT, "answer over %zu bytes", a->max);
		answer(a, &f);
		return;
	}
	evbuffer_add_buffer(a->body, data);
	http_call_credit(a->call, n);
}

static void
on_end(void *arg, const struct fault *f)
{
	struct ask *a = arg;

	a->call = NULL;
	answer(a, f);
}

const struct http_events ask_events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_end = on_end,
};

static void
on_timer(void *arg)
{
	struct fault f;

	fault_set(&f, FAULT_TIMEOUT, "no answer in time");
	answer(arg, &f);
}

static void
on_unborn(void *arg)
{
	struct ask *a = arg;

	a->unborn = NULL;
	answer(a, &a->why);
}

struct ask *
ask_new(
    struct loop *l, size_t max, int64_t within_ms, ask_answer *fn, void *arg)
{
	struct ask *a = mem_new(sizeof *a);

	a->pending.cancel = ask_cancel;
	a->timer = timer_new(l, on_timer, a);
	a->unborn = loop_defer(l, on_unborn, a);
	a->arena = arena_new();
	a->body = evbuffer_new();
	assert(a->body != NULL);
	a->max = max;
	a->fn = fn;
	a->arg = arg;
	timer_start(a->timer, within_ms);
	return a;
}

struct pending *
ask_begin(struct ask *a, struct http_call *c, const struct fault *f)
{
	a->call = c;
	if (c != NULL)
		pending_cancel(&a->unborn);
	else
		a->why = *f;
	return &a->pending;
}
