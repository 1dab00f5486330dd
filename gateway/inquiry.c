/* SPDX-License-Identifier: Apache-2.0 */
/* See inquiry.h. The answer is bounded, in time, and about that very nonce. */
#include "gateway/inquiry.h"

#include <string.h>

struct inquiry {
	struct pending pending; /* first member */
	struct http_call *call;
	struct timer *patience;
	struct pending *later;
	struct evbuffer *said;
	struct arena *arena;
	const char *nonce;
	int status;
	struct fault fault;
	void (*fn)(
	    void *arg, const struct statement *st, const struct fault *f);
	void *arg;
};

static void
inquiry_free(struct inquiry *q)
{
	http_call_cancel(&q->call);
	pending_cancel(&q->later);
	timer_free(&q->patience);
	evbuffer_free(q->said);
	mem_free(q);
}

static void
on_cancel(struct pending *p)
{
	inquiry_free((struct inquiry *)(void *)p);
}

static bool
read_answer(struct inquiry *q, struct statement *out, struct fault *f)
{
	struct text t = {.len = evbuffer_get_length(q->said)};

	if (q->fault.kind != FAULT_NONE) {
		*f = q->fault;
		return false;
	}
	if (q->status == 503) /* one at a time, and evidence takes its time */
		return fault_set(f, FAULT_OVERLOADED,
		    "the provider gives evidence to somebody else now");
	if (q->status != 200)
		return fault_set(f, FAULT_PROVIDER_ERROR,
		    "the provider answered with status %d", q->status);
	t.at = (const char *)evbuffer_pullup(q->said, -1);
	if (!statement_read(t, q->arena, out, f)) {
		f->kind = FAULT_PROVIDER_ERROR;
		return false;
	}
	if (out->nonce != NULL && strcmp(out->nonce, q->nonce) == 0)
		return true;
	statement_free(out);
	return fault_set(
	    f, FAULT_PROVIDER_ERROR, "the provider answers another nonce");
}

static void
finish(void *arg)
{
	struct inquiry *q = arg;
	struct statement st;
	struct fault f = {0};
	bool ok = read_answer(q, &st, &f);

	q->later = NULL;
	q->fn(q->arg, ok ? &st : NULL, ok ? NULL : &f);
	if (ok)
		statement_free(&st);
	inquiry_free(q);
}

static void
give_up(struct inquiry *q, enum fault_kind kind, const char *why)
{
	fault_set(&q->fault, kind, "%s", why);
	http_call_cancel(&q->call);
	finish(q);
}

static void
on_patience(void *arg)
{
	give_up(arg, FAULT_FIRST_BYTE_TIMEOUT,
	    "the provider gave no evidence in time");
}

static void
on_head(void *arg, int status, const struct http_fields *fs)
{
	struct inquiry *q = arg;

	(void)fs;
	q->status = status;
}

static void
on_body(void *arg, struct evbuffer *data)
{
	struct inquiry *q = arg;
	size_t len = evbuffer_get_length(data);

	evbuffer_add_buffer(q->said, data);
	if (evbuffer_get_length(q->said) > STATEMENT_BYTES)
		give_up(q, FAULT_PROVIDER_ERROR,
		    "the provider's evidence is too large");
	else
		http_call_credit(q->call, len);
}

static void
on_end(void *arg, const struct fault *f)
{
	struct inquiry *q = arg;

	q->call = NULL;
	if (f != NULL)
		fault_set(&q->fault, FAULT_PROVIDER_UNREACHABLE, "%s", f->why);
	finish(q);
}

static const struct http_events events = {on_head, on_body, on_end};

struct pending *
inquiry_ask(struct loop *l, struct path *p, const char *nonce,
    int64_t within_ms, struct arena *a,
    void (*fn)(void *arg, const struct statement *st, const struct fault *f),
    void *arg)
{
	struct inquiry *q = mem_new(sizeof(*q));
	struct http_outgoing o = {
	    .method = "POST", .path = "/.well-known/assay/hello"};

	q->pending.cancel = on_cancel;
	q->arena = a;
	q->nonce = arena_string(a, nonce);
	q->fn = fn;
	q->arg = arg;
	q->said = evbuffer_new();
	q->patience = timer_new(l, on_patience, q);
	timer_start(q->patience, within_ms);
	http_fields_add(&o.fields, a, "content-type", "application/json");
	http_fields_add(&o.fields, a, "accept", "application/json");
	o.body = evbuffer_new();
	evbuffer_add_printf(o.body,
	    "{\"protocol\":1,\"purpose\":\"buyer\",\"nonce\":\"%s\"}", nonce);
	q->call = path_call(p, &o, &events, q, &q->fault);
	evbuffer_free(o.body);
	if (q->call == NULL)
		q->later = loop_defer(l, finish, q);
	return &q->pending;
}
