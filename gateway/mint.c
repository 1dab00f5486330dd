/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One kept link to assay-auth, and one question a handoff on it.
 */
#include "gateway/mint.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/link.h"

#define ANSWER_MAX 16384
#define PAUSE_LEAST_MS 200
#define PAUSE_MOST_MS 5000

struct mint {
	struct loop *loop;
	struct log log;
	char *address;
	char *server_name;
	SSL_CTX *tls;
	struct link *link;
	struct timer *redial;
	int64_t pause_ms;
};

/* ------------------------------------------------------------------- link */

static void
on_up(struct link *l, X509 *peer, void *arg)
{
	struct mint *m = arg;

	(void)l;
	(void)peer;
	m->pause_ms = PAUSE_LEAST_MS;
	log_info(&m->log, "mint_up", LOG_STR("address", m->address));
}

static void
on_down(struct link *l, const struct fault *why, void *arg)
{
	struct mint *m = arg;

	(void)l;
	log_warn(&m->log, "mint_down", LOG_STR("address", m->address),
	    LOG_STR("code", fault_code(why->kind)), LOG_STR("why", why->why));
	timer_start(m->redial,
	    m->pause_ms / 2 + (int64_t)random_below((uint64_t)m->pause_ms));
	m->pause_ms *= 2;
	if (m->pause_ms > PAUSE_MOST_MS)
		m->pause_ms = PAUSE_MOST_MS;
}

/* assay-auth is being replaced: a new link while the old one drains. */
static void
on_goaway(struct link *l, void *arg)
{
	struct mint *m = arg;

	(void)l;
	timer_start(m->redial, PAUSE_LEAST_MS);
}

static const struct link_events events = {on_up, on_down, NULL, on_goaway};

static void
on_redial(void *arg)
{
	struct mint *m = arg;
	struct link_limits limits;

	link_limits_default(&limits);
	link_free(&m->link);
	m->link = link_dial(m->loop, m->address, m->tls, m->server_name,
	    LINK_CLIENT, &limits, &events, m, &m->log);
}

struct mint *
mint_new(struct loop *l, const char *address, SSL_CTX *tls,
    const char *server_name, const struct log *log)
{
	struct mint *m = mem_new(sizeof(*m));

	m->loop = l;
	m->log = *log;
	m->address = mem_string(address);
	m->server_name = mem_string(server_name);
	m->tls = tls;
	m->pause_ms = PAUSE_LEAST_MS;
	m->redial = timer_new(l, on_redial, m);
	timer_start(m->redial, 0);
	return m;
}

bool
mint_is_up(const struct mint *m)
{
	return m->link != NULL && link_is_up(m->link);
}

void
mint_free(struct mint **mp)
{
	struct mint *m = *mp;

	if (m == NULL)
		return;
	link_free(&m->link);
	timer_free(&m->redial);
	mem_free(m->address);
	mem_free(m->server_name);
	mem_free(m);
	*mp = NULL;
}

/* --------------------------------------------------------------- question */

struct question {
	struct pending pending; /* first member */
	struct pending *inner;	/* the link's, or the loop's */
	struct arena *arena;
	struct fault fault;
	void (*fn)(void *arg, const struct handoff *h, const struct fault *f);
	void *arg;
};

static void
question_free(struct question *q)
{
	pending_cancel(&q->inner);
	arena_free(&q->arena);
	mem_free(q);
}

static void
on_cancel(struct pending *p)
{
	question_free((struct question *)(void *)p);
}

static void
answer(struct question *q, const struct handoff *h)
{
	q->fn(q->arg, h, h == NULL ? &q->fault : NULL);
	question_free(q);
}

static void
on_not_asked(void *arg)
{
	struct question *q = arg;

	q->inner = NULL;
	answer(q, NULL);
}

bool
handoff_read(
    struct text t, struct arena *a, struct handoff *out, struct fault *f)
{
	const char *expires;
	json_t *o = NULL;
	bool ok;

	ok = json_read(t, ANSWER_MAX, &o, f) &&
	     json_get_string(o, "token", HANDOFF_TOKEN_MAX, &out->token,
		 FAULT_INVALID, f) &&
	     json_get_string(o, "expires_at", 64, &expires, FAULT_INVALID, f) &&
	     (time_of_rfc3339(text_of(expires), &out->expires_at_ms) ||
		 fault_set(f, FAULT_INVALID, "expires_at is no time"));
	out->token = ok ? arena_string(a, out->token) : NULL;
	json_free(&o);
	return ok;
}

static bool
unavailable(struct question *q, const char *why)
{
	return fault_set(&q->fault, FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE,
	    "assay-auth: %s", why);
}

static void
on_answer(void *arg, const struct http_answer *a, const struct fault *f)
{
	struct question *q = arg;
	struct handoff h = {0};
	struct fault why;
	bool ok = false;

	q->inner = NULL;
	if (f != NULL)
		unavailable(q, f->why);
	else if (a->status != 200 && a->status != 201)
		fault_set(&q->fault, FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE,
		    "assay-auth answered %d: %s", a->status, a->body);
	else if (!handoff_read(
		     (struct text){a->body, a->body_len}, q->arena, &h, &why))
		unavailable(q, why.why);
	else
		ok = true;
	answer(q, ok ? &h : NULL);
}

static void
compose(struct question *q, const struct handoff_order *o,
    struct http_outgoing *out)
{
	json_t *body = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "aud",
	    o->aud, "sub", o->sub, "workspace", o->workspace, "task", o->task,
	    "model", o->model, "pool", o->pool, "request_id", o->request_id);

	if (o->cnf_x5t_s256 != NULL)
		json_object_set_new(
		    body, "cnf_x5t_s256", json_string(o->cnf_x5t_s256));
	out->method = "POST";
	out->path = "/internal/handoffs";
	http_fields_add(
	    &out->fields, q->arena, "content-type", "application/json");
	http_fields_add(&out->fields, q->arena, "x-request-id", o->request_id);
	out->body = evbuffer_new();
	evbuffer_add_printf(out->body, "%s", json_write(q->arena, body));
	json_free(&body);
}

struct pending *
mint_ask(struct mint *m, const struct handoff_order *o, int64_t within_ms,
    void (*fn)(void *arg, const struct handoff *h, const struct fault *f),
    void *arg)
{
	struct question *q = mem_new(sizeof(*q));
	struct http_outgoing out = {0};

	q->pending.cancel = on_cancel;
	q->arena = arena_new();
	q->fn = fn;
	q->arg = arg;
	if (!mint_is_up(m)) {
		unavailable(q, "there is no connection to it");
		q->inner = loop_defer(m->loop, on_not_asked, q);
		return &q->pending;
	}
	compose(q, o, &out);
	q->inner = link_ask(m->link, &out, ANSWER_MAX, within_ms, on_answer, q);
	evbuffer_free(out.body);
	return &q->pending;
}
