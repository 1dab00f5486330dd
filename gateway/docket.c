/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See docket.h. Two timers call the next case: one at rest, which all else
 * goes before, and one that comes now and then however busy the loop is.
 */
#include "gateway/docket.h"

#include <sys/queue.h>

#include "base/mem.h"

#define LATE_MS 10 /* between two cases on a loop that never rests */

struct docket_case {
	struct pending pending; /* first member */
	TAILQ_ENTRY(docket_case) entry;
	struct docket *docket;
	void (*fn)(void *arg);
	void *arg;
};

struct docket {
	TAILQ_HEAD(, docket_case) cases;
	size_t count;
	struct timer *idle, *late;
};

static void
case_free(struct docket_case *c)
{
	TAILQ_REMOVE(&c->docket->cases, c, entry);
	c->docket->count--;
	mem_free(c);
}

static void
on_cancel(struct pending *p)
{
	case_free((struct docket_case *)(void *)p);
}

static void
plan(struct docket *d)
{
	if (TAILQ_EMPTY(&d->cases)) {
		timer_stop(d->late);
		return;
	}
	timer_start(d->idle, 0);
	timer_start(d->late, LATE_MS);
}

/* The timers are set before the call, which may free the docket. */
static void
on_turn(void *arg)
{
	struct docket *d = arg;
	struct docket_case *c = TAILQ_FIRST(&d->cases);
	void (*fn)(void *arg);
	void *of;

	if (c == NULL)
		return;
	fn = c->fn;
	of = c->arg;
	case_free(c);
	plan(d);
	fn(of);
}

struct docket *
docket_new(struct loop *l)
{
	struct docket *d = mem_new(sizeof(*d));

	TAILQ_INIT(&d->cases);
	d->idle = timer_new_idle(l, on_turn, d);
	d->late = timer_new(l, on_turn, d);
	return d;
}

void
docket_free(struct docket **dp)
{
	struct docket *d = *dp;

	if (d == NULL)
		return;
	while (!TAILQ_EMPTY(&d->cases))
		case_free(TAILQ_FIRST(&d->cases));
	timer_free(&d->idle);
	timer_free(&d->late);
	mem_free(d);
	*dp = NULL;
}

struct pending *
docket_add(struct docket *d, void (*fn)(void *arg), void *arg)
{
	struct docket_case *c = mem_new(sizeof(*c));

	c->pending.cancel = on_cancel;
	c->docket = d;
	c->fn = fn;
	c->arg = arg;
	TAILQ_INSERT_TAIL(&d->cases, c, entry);
	if (d->count++ == 0)
		plan(d);
	return &c->pending;
}

size_t
docket_count(const struct docket *d)
{
	return d->count;
}
