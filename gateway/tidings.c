/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon's events, from bytes to lines to whoever listens. */
#include "gateway/tidings.h"

#include "base/clock.h"
#include "base/ratelimit.h"

#define PER_S 20
#define AGAIN_MS 1000

struct tidings {
	struct link *link;
	struct tidings_events events;
	void *arg;
	struct http_call *call;
	struct evbuffer *lines;
	struct timer *again;
	struct ratelimit rate;
	bool is_absent; /* the daemon has no such endpoint */
	bool is_closed;
};

static void
on_again(void *arg)
{
	tidings_open(arg);
}

struct tidings *
tidings_new(struct loop *l, struct link *link,
    const struct tidings_events *events, void *arg)
{
	struct tidings *t = mem_new(sizeof(*t));

	t->link = link;
	t->events = *events;
	t->arg = arg;
	t->lines = evbuffer_new();
	t->again = timer_new(l, on_again, t);
	ratelimit_init(&t->rate, PER_S * 2, PER_S, 1000, clock_mono_ms());
	return t;
}

bool
tidings_is_absent(const struct tidings *t)
{
	return t->is_absent;
}

void
tidings_close(struct tidings *t)
{
	t->is_closed = true;
	http_call_cancel(&t->call);
	timer_stop(t->again);
}

void
tidings_free(struct tidings **tp)
{
	struct tidings *t = *tp;

	if (t == NULL)
		return;
	tidings_close(t);
	timer_free(&t->again);
	evbuffer_free(t->lines);
	mem_free(t);
	*tp = NULL;
}

/* One whole line into `line`; false where none is there. */
static bool
next_line(struct evbuffer *from, char line[EVENT_LINE], size_t *len)
{
	size_t eol;
	struct evbuffer_ptr at =
	    evbuffer_search_eol(from, NULL, &eol, EVBUFFER_EOL_LF);

	if (at.pos < 0 || at.pos > EVENT_LINE)
		return false;
	*len = (size_t)at.pos;
	evbuffer_remove(from, line, *len);
	evbuffer_drain(from, eol);
	return true;
}

static bool
take_lines(struct tidings *t, struct fault *f)
{
	char line[EVENT_LINE];
	struct event_line e;
	size_t len;

	while (!t->is_closed && next_line(t->lines, line, &len)) {
		if (!event_read((struct text){line, len}, &e, f))
			return false;
		if (!ratelimit_take(&t->rate, 1, clock_mono_ms()))
			return fault_set(f, FAULT_LIMIT,
			    "more than %d events a second", PER_S);
		t->events.on_event(t->arg, &e);
	}
	return evbuffer_get_length(t->lines) <= EVENT_LINE ||
	       fault_set(f, FAULT_LIMIT, "an event of more than %d bytes",
		   EVENT_LINE);
}

static void
on_head(void *arg, int status, const struct http_fields *fs)
{
	struct tidings *t = arg;

	(void)fs;
	t->is_absent = status != 200;
}

static void
on_body(void *arg, struct evbuffer *data)
{
	struct tidings *t = arg;
	struct fault f;

	http_call_credit(t->call, evbuffer_get_length(data));
	if (t->is_absent) {
		evbuffer_drain(data, evbuffer_get_length(data));
		return;
	}
	evbuffer_add_buffer(t->lines, data);
	if (take_lines(t, &f))
		return;
	tidings_close(t);
	t->events.on_wrong(t->arg, &f);
}

static void
on_end(void *arg, const struct fault *f)
{
	struct tidings *t = arg;

	(void)f;
	t->call = NULL;
	if (!t->is_absent && !t->is_closed)
		timer_start(t->again, AGAIN_MS);
}

static const struct http_events events = {on_head, on_body, on_end};

void
tidings_open(struct tidings *t)
{
	struct http_outgoing o = {
	    .method = "GET", .path = "/.well-known/assay/events"};
	struct arena *a;
	struct fault f;

	if (t->call != NULL || t->is_absent || t->is_closed)
		return;
	timer_stop(t->again);
	evbuffer_drain(t->lines, evbuffer_get_length(t->lines));
	a = arena_new();
	http_fields_add(&o.fields, a, "accept", "application/x-ndjson");
	t->call = link_call(t->link, &o, &events, t, &f);
	if (t->call == NULL)
		timer_start(t->again, AGAIN_MS);
	arena_free(&a);
}
