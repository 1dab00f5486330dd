/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop. Everything a worker does happens in a callback from here.
 * Deferred calls stand in one list and are run by turn: what a call defers
 * itself comes in the turn after, so that sockets are never starved.
 */
#include "base/loop.h"

#include <assert.h>
#include <event2/dns.h>
#include <signal.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/mem.h"

TAILQ_HEAD(deferreds, deferred);

struct deferred {
	struct pending pending; /* first */
	TAILQ_ENTRY(deferred) entry;
	struct deferreds *list;
	uint64_t turn;
	void (*fn)(void *arg);
	void *arg;
};

struct hook {
	SLIST_ENTRY(hook) entry;
	struct event *event;
	void (*fn)(void *arg);
	void *arg;
};

struct owned {
	SLIST_ENTRY(owned) entry;
	void *at;
};

struct loop {
	struct event_base *base;
	struct evdns_base *dns;
	struct event *turn_event;
	uint64_t turn;
	struct deferreds deferred;
	struct deferreds at_end;
	SLIST_HEAD(, hook) hooks;
	SLIST_HEAD(, owned) owned;
};

struct timer {
	struct event *event;
	int priority;
	void (*fn)(void *arg);
	void *arg;
};

/* libevent gives the middle one to all that names none. */
enum { PRIORITY_USUAL = 1, PRIORITY_IDLE, PRIORITIES };

static struct timeval
timeval_of_ms(int64_t ms)
{
	struct timeval tv;

	if (ms < 0)
		ms = 0;
	tv.tv_sec = (time_t)(ms / 1000);
	tv.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	return tv;
}

static void
run(struct deferred *d)
{
	void (*fn)(void *) = d->fn;
	void *arg = d->arg;

	TAILQ_REMOVE(d->list, d, entry);
	mem_free(d);
	fn(arg);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;
	struct deferred *d;
	uint64_t now = l->turn++;

	(void)fd;
	(void)what;
	while ((d = TAILQ_FIRST(&l->deferred)) != NULL && d->turn <= now)
		run(d);
}

struct loop *
loop_new(void)
{
	struct loop *l = mem_new(sizeof *l);
	struct event_config *config = event_config_new();

	/* A peer that hangs up is an error of write, not of the process. */
	signal(SIGPIPE, SIG_IGN);
	assert(config != NULL);
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	l->base = event_base_new_with_config(config);
	event_config_free(config);
	assert(l->base != NULL);
	event_base_priority_init(l->base, PRIORITIES);
	TAILQ_INIT(&l->deferred);
	TAILQ_INIT(&l->at_end);
	SLIST_INIT(&l->hooks);
	SLIST_INIT(&l->owned);
	l->turn_event = evtimer_new(l->base, on_turn, l);
	assert(l->turn_event != NULL);
	return l;
}

void
loop_free(struct loop **lp)
{
	struct loop *l = *lp;
	struct deferred *d;
	struct hook *h;
	struct owned *o;

	if (l == NULL)
		return;
	while ((d = TAILQ_FIRST(&l->at_end)) != NULL)
		run(d);
	while ((d = TAILQ_FIRST(&l->deferred)) != NULL) {
		TAILQ_REMOVE(&l->deferred, d, entry);
		mem_free(d);
	}
	while ((h = SLIST_FIRST(&l->hooks)) != NULL) {
		SLIST_REMOVE_HEAD(&l->hooks, entry);
		event_free(h->event);
		mem_free(h);
	}
	while ((o = SLIST_FIRST(&l->owned)) != NULL) {
		SLIST_REMOVE_HEAD(&l->owned, entry);
		mem_free(o->at);
		mem_free(o);
	}
	event_free(l->turn_event);
	if (l->dns != NULL)
		evdns_base_free(l->dns, 1);
	event_base_free(l->base);
	mem_free(l);
	*lp = NULL;
}

struct event_base *
loop_base(struct loop *l)
{
	return l->base;
}

struct evdns_base *
loop_dns(struct loop *l)
{
	if (l->dns == NULL) {
		l->dns =
		    evdns_base_new(l->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
		assert(l->dns != NULL);
		/* Without such a file names do not resolve; addresses do. */
		evdns_base_resolv_conf_parse(
		    l->dns, DNS_OPTIONS_ALL, "/etc/resolv.conf");
	}
	return l->dns;
}

void
loop_run(struct loop *l)
{
	event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void
loop_stop(struct loop *l)
{
	event_base_loopexit(l->base, NULL);
}

void
loop_own(struct loop *l, void *at)
{
	struct owned *o = mem_new(sizeof *o);

	o->at = at;
	SLIST_INSERT_HEAD(&l->owned, o, entry);
}

void
pending_cancel(struct pending **p)
{
	struct pending *self = *p;

	*p = NULL;
	if (self != NULL)
		self->cancel(self);
}

static void
deferred_cancel(struct pending *self)
{
	struct deferred *d = (struct deferred *)self;

	TAILQ_REMOVE(d->list, d, entry);
	mem_free(d);
}

static struct pending *
enlist(struct loop *l, struct deferreds *list, void (*fn)(void *arg), void *arg)
{
	struct deferred *d = mem_new(sizeof *d);

	d->pending.cancel = deferred_cancel;
	d->list = list;
	d->turn = l->turn;
	d->fn = fn;
	d->arg = arg;
	TAILQ_INSERT_TAIL(list, d, entry);
	return &d->pending;
}

struct pending *
loop_defer(struct loop *l, void (*fn)(void *arg), void *arg)
{
	static const struct timeval at_once = {0, 0};

	if (!evtimer_pending(l->turn_event, NULL))
		event_add(l->turn_event, &at_once);
	return enlist(l, &l->deferred, fn, arg);
}

struct pending *
loop_at_end(struct loop *l, void (*fn)(void *arg), void *arg)
{
	return enlist(l, &l->at_end, fn, arg);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct timer *t = arg;

	(void)fd;
	(void)what;
	t->fn(t->arg);
}

static struct timer *
make_timer(struct loop *l, int priority, void (*fn)(void *arg), void *arg)
{
	struct timer *t = mem_new(sizeof *t);

	t->priority = priority;
	t->fn = fn;
	t->arg = arg;
	t->event = event_new(l->base, -1, 0, on_timer, t);
	assert(t->event != NULL);
	event_priority_set(t->event, priority);
	return t;
}

struct timer *
timer_new(struct loop *l, void (*fn)(void *arg), void *arg)
{
	return make_timer(l, PRIORITY_USUAL, fn, arg);
}

struct timer *
timer_new_idle(struct loop *l, void (*fn)(void *arg), void *arg)
{
	return make_timer(l, PRIORITY_IDLE, fn, arg);
}

/* A timer that repeats differs from one that does not only in EV_PERSIST,
 * which libevent takes at assignment. */
static void
timer_set(struct timer *t, int64_t ms, short flags)
{
	struct timeval tv = timeval_of_ms(ms);

	if ((event_get_events(t->event) & EV_PERSIST) != flags) {
		struct event_base *base = event_get_base(t->event);

		event_del(t->event);
		event_assign(t->event, base, -1, flags, on_timer, t);
		event_priority_set(t->event, t->priority);
	}
	event_add(t->event, &tv);
}

void
timer_start(struct timer *t, int64_t in_ms)
{
	timer_set(t, in_ms, 0);
}

void
timer_every(struct timer *t, int64_t every_ms)
{
	timer_set(t, every_ms, EV_PERSIST);
}

void
timer_stop(struct timer *t)
{
	event_del(t->event);
}

bool
timer_is_running(const struct timer *t)
{
	return event_pending(t->event, EV_TIMEOUT, NULL) != 0;
}

void
timer_free(struct timer **tp)
{
	struct timer *t = *tp;

	if (t == NULL)
		return;
	event_free(t->event);
	mem_free(t);
	*tp = NULL;
}

static void
on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct hook *h = arg;

	(void)fd;
	(void)what;
	h->fn(h->arg);
}

void
loop_on_signal(struct loop *l, int signum, void (*fn)(void *arg), void *arg)
{
	struct hook *h = mem_new(sizeof *h);

	h->fn = fn;
	h->arg = arg;
	h->event = evsignal_new(l->base, signum, on_signal, h);
	assert(h->event != NULL);
	evsignal_add(h->event, NULL);
	SLIST_INSERT_HEAD(&l->hooks, h, entry);
}
