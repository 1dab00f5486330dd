/* SPDX-License-Identifier: Apache-2.0 */
/* See inquiries.h: a count of those still out, and one end. */
#include "gateway/inquiries.h"

#include <assert.h>

struct inquiries;
struct one {
	struct inquiries *all;
	size_t at;
	struct pending *asking;
};

struct inquiries {
	struct pending pending; /* first member */
	struct one ones[INQUIRIES_MAX];
	size_t open;
	struct inquiries_events events;
	void *arg;
};

static void
on_cancel(struct pending *p)
{
	struct inquiries *q = (struct inquiries *)(void *)p;

	for (size_t i = 0; i < INQUIRIES_MAX; i++)
		pending_cancel(&q->ones[i].asking);
	mem_free(q);
}

static void
settle(struct one *o, const struct statement *st, const struct fault *f)
{
	struct inquiries *q = o->all;

	o->asking = NULL;
	q->events.on_one(q->arg, o->at, st, f);
	if (--q->open > 0)
		return;
	q->events.on_all(q->arg);
	mem_free(q);
}

static void
on_statement(void *arg, const struct statement *st, const struct fault *f)
{
	settle(arg, st, f);
}

static void
on_gone(void *arg)
{
	struct fault f;

	fault_set(&f, FAULT_PROVIDER_UNREACHABLE,
	    "its tunnel closed after it was chosen");
	settle(arg, NULL, &f);
}

struct pending *
inquiries_ask(struct loop *l, struct path *const *paths, size_t count,
    const char *nonce, int64_t within_ms, struct arena *a,
    const struct inquiries_events *events, void *arg)
{
	struct inquiries *q = mem_new(sizeof(*q));

	assert(count > 0 && count <= INQUIRIES_MAX);
	q->pending.cancel = on_cancel;
	q->events = *events;
	q->arg = arg;
	q->open = count;
	for (size_t i = 0; i < count; i++) {
		struct one *o = &q->ones[i];

		*o = (struct one){.all = q, .at = i};
		o->asking = paths[i] == NULL
				? loop_defer(l, on_gone, o)
				: inquiry_ask(l, paths[i], nonce, within_ms, a,
				      on_statement, o);
	}
	return &q->pending;
}
