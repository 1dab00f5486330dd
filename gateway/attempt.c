/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One provider tried: the handoff, the buyer's bytes and our fields go down
 * its path, and what became of it decides between the buyer and another try.
 * Nothing is tried again once a byte has reached the buyer.
 */
#include <string.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "gateway/exchange_priv.h"
#include "gateway/trace.h"

#define DECISION_MAX 8192 /* of a response field */

static void
begin_attempt(struct exchange *x)
{
	size_t i = x->attempt_count++;
	struct attempt_row *t = &x->attempts[i];

	x->tried[i] = arena_string(x->arena, x->route.did);
	memcpy(x->quantization, x->route.quantization, sizeof(x->quantization));
	t->ordinal = (int64_t)i + 1;
	t->did = x->tried[i];
	t->pool = pool_name(x->route.pool);
	t->tier = tier_name(x->route.tier);
	t->status = -1;
	t->first_byte_us = -1;
	t->started_us = clock_mono_us() - x->began_us;
}

void
attempt_end(struct exchange *x, const char *outcome, const struct fault *f)
{
	struct attempt_row *t;
	size_t i = x->attempt_count - 1;

	if (x->attempt_count == 0 || x->attempts[i].outcome != NULL)
		return;
	t = &x->attempts[i];
	t->outcome = outcome;
	t->total_us = clock_mono_us() - x->began_us - t->started_us;
	if (f->kind != FAULT_NONE) {
		x->attempt_faults[i] = *f;
		t->fault_code = fault_code(f->kind);
		t->fault_why = x->attempt_faults[i].why;
	}
	metric_count(
	    x->house->counters->attempts, counters_outcome(outcome), 0, 0);
}

static const char *
timing(struct exchange *x)
{
	return arena_printf(x->arena,
	    "auth;dur=%.3f, route;dur=%.3f, mint;dur=%.3f, "
	    "connect;dur=%.3f, first_byte;dur=%.3f",
	    (double)x->auth_us / 1e3, (double)x->route_us / 1e3,
	    (double)x->mint_us / 1e3, (double)x->connect_us / 1e3,
	    (double)x->first_byte_us / 1e3);
}

void
attempt_add_fields(struct exchange *x, struct http_fields *fs)
{
	struct arena *a = x->arena;
	const struct attempt_row *t;

	http_fields_add(fs, a, "x-request-id", x->id);
	http_fields_add(fs, a, "x-content-type-options", "nosniff");
	http_fields_add(fs, a, "server-timing", timing(x));
	if (x->attempt_count == 0)
		return;
	t = &x->attempts[x->attempt_count - 1];
	http_fields_add(fs, a, "x-assay-provider", t->did);
	http_fields_add(fs, a, "x-assay-tier", t->tier);
	http_fields_add(fs, a, "x-assay-pool", t->pool);
	http_fields_add(fs, a, "x-assay-attempts",
	    arena_printf(a, "%zu", x->attempt_count));
}

void
attempt_start(void *arg, struct http_fields *fs)
{
	struct exchange *x = arg;
	const char *decision;

	x->first_byte_us = clock_mono_us() - x->began_us;
	attempt_add_fields(x, fs);
	private_add_fields(x, fs);
	if (x->decision == NULL)
		return;
	decision = json_write(x->arena, x->decision);
	if (strlen(decision) <= DECISION_MAX)
		http_fields_add(fs, x->arena, "x-assay-decision", decision);
}

/* What the relay held for a private answer is this exchange's now. */
void
exchange_count_held(struct exchange *x)
{
	size_t len = x->endpoint->is_private ? evbuffer_get_length(x->held) : 0;

	x->house->holding = x->house->holding - x->holding + len;
	x->holding = len;
}

static void
on_relayed(void *arg, const struct relay_result *r)
{
	struct exchange *x = arg;

	x->question = NULL;
	x->relayed = *r;
	x->relayed.held = NULL; /* it goes with the relay */
	evbuffer_add_buffer(x->held, r->held);
	exchange_count_held(x);
	exchange_advance(x);
}

static void
compose_outgoing(struct exchange *x, struct http_outgoing *o)
{
	const struct http_request *r = client_request(x->client);
	const char *type = http_fields_find(&r->fields, "content-type");
	const char *accept = http_fields_find(&r->fields, "accept");
	struct arena *a = x->arena;
	char trace[TRACEPARENT];
	uint8_t random[24];

	random_bytes(random, sizeof(random));
	trace_next(http_fields_find(&r->fields, "traceparent"), random, trace);
	o->method = "POST";
	o->path = x->query.task->path;
	http_fields_add(&o->fields, a, "authorization",
	    arena_printf(a, "Bearer %s", x->token));
	http_fields_add(&o->fields, a, "x-request-id", x->id);
	http_fields_add(&o->fields, a, "traceparent", trace);
	http_fields_add(&o->fields, a, "content-type",
	    type == NULL ? "application/json" : type);
	if (accept != NULL)
		http_fields_add(&o->fields, a, "accept", accept);
	if (x->endpoint->is_private)
		http_fields_add(&o->fields, a, "x-assay-private", "1");
	o->body = evbuffer_new();
	/* The request outlives the call: the bytes are lent, not copied. */
	for (int i = 0; i < 2; i++)
		if (x->query.body[i].len > 0)
			evbuffer_add_reference(o->body, x->query.body[i].at,
			    x->query.body[i].len, NULL, NULL);
}

static int64_t
left_ms(const struct exchange *x)
{
	return x->query.timeouts.total_ms -
	       (clock_mono_us() - x->began_us) / 1000;
}

/* The operator's, which is what a provider is held to. */
static int64_t
fair_first_byte_ms(const struct exchange *x)
{
	const struct settings *s = x->house->settings;

	return x->query.stream ? s->timeout_first_byte
			       : s->timeout_first_byte_whole;
}

/* What a task's answer must be, whole and as a stream. The rest comes in too
 * many shapes: text or JSON, streams with ends of their own. */
static const struct {
	const char *task;
	enum relay_form whole, streamed;
} forms[] = {
    {"chat", RELAY_OBJECT, RELAY_EVENTS},
    {"completion", RELAY_OBJECT, RELAY_EVENTS},
    {"embedding", RELAY_OBJECT, RELAY_OBJECT},
    {"image", RELAY_OBJECT, RELAY_BYTES},
    {"speech", RELAY_BYTES, RELAY_BYTES},
};

static enum relay_form
form_of(const struct query *q)
{
	if (q->wants_octets && strcmp(q->task->name, "embedding") == 0)
		return RELAY_BYTES;
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		if (strcmp(q->task->name, forms[i].task) == 0)
			return q->stream ? forms[i].streamed : forms[i].whole;
	return RELAY_ANY;
}

enum step
attempt_ask(struct exchange *x)
{
	struct http_outgoing o = {0};
	struct relay_order order = {.loop = x->house->loop,
	    .buyer = x->client,
	    .path = presence_find(x->house->presence, x->route.session),
	    .outgoing = &o,
	    .form = form_of(&x->query),
	    .first_byte_ms = x->query.timeouts.first_byte_ms,
	    .stall_ms = x->query.timeouts.stall_ms,
	    .fair_first_byte_ms = fair_first_byte_ms(x),
	    .fair_stall_ms = x->house->settings->timeout_stall,
	    .total_ms = left_ms(x),
	    .keepalive_ms = x->house->settings->timeout_keepalive,
	    .on_start = attempt_start};

	begin_attempt(x);
	x->asked_us = clock_mono_us();
	memset(&x->relayed, 0, sizeof(x->relayed));
	if (order.path == NULL) {
		x->relayed.end = RELAY_FAILED;
		fault_set(&x->relayed.fault, FAULT_PROVIDER_UNREACHABLE,
		    "its tunnel closed after it was chosen");
		return RELAYED;
	}
	if (x->endpoint->is_private && !private_begin(x, &order))
		return RELAYED;
	compose_outgoing(x, &o);
	x->question = relay_ask(&order, on_relayed, x);
	evbuffer_free(o.body);
	return WAIT;
}

static bool
is_polite(enum fault_kind kind)
{
	return kind == FAULT_CAPACITY_EXCEEDED ||
	       kind == FAULT_OUTSIDE_WINDOW || kind == FAULT_OVERLOADED;
}

/* It is we who are overloaded, or cannot keep a signature: no provider is
 * blamed, and another one would not help. */
static bool
is_ours(enum fault_kind kind)
{
	return kind == FAULT_OVERLOADED ||
	       kind == FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE;
}

static bool
may_retry(const struct exchange *x)
{
	return x->relayed.end == RELAY_FAILED && x->query.allow_fallbacks &&
	       !is_ours(x->relayed.fault.kind) &&
	       x->attempt_count < TRIES_MAX &&
	       (int64_t)x->attempt_count < x->house->settings->limits_tries &&
	       left_ms(x) > 0;
}

static void
suspect(struct exchange *x)
{
	struct path *p = presence_find(x->house->presence, x->route.session);

	if (p != NULL && !is_polite(x->fault.kind) && !is_ours(x->fault.kind) &&
	    !x->relayed.is_hasty)
		path_suspect(p, &x->fault);
}

const char *
attempt_end_name(const struct exchange *x)
{
	switch (x->relayed.end) {
	case RELAY_WHOLE:
		return x->relayed.status < 400 && !x->relayed.is_refused
			   ? "served"
			   : "refused";
	case RELAY_TRUNCATED:
		return "truncated";
	case RELAY_FAILED:
		break;
	}
	return is_polite(x->relayed.fault.kind) ? "refused" : "failed";
}

/* What a refusal says of the provider is believed before its event comes. */
static void
learn(struct exchange *x)
{
	struct offer_provider *p =
	    offers_provider(x->house->offers, x->route.did);

	if (p != NULL && x->relayed.fault.kind == FAULT_OUTSIDE_WINDOW &&
	    x->route.pool == POOL_MARKETPLACE)
		p->window_open = false;
}

/* A limit that the buyer set below the operator's says nothing of a provider,
 * whoever sets it; the buyer is still told which one it was. */
static struct fault
blamed(const struct relay_result *r)
{
	struct fault f = r->fault;

	if (r->is_hasty)
		f.kind = FAULT_BUYER_TIMEOUT;
	return f;
}

enum step
attempt_got(struct exchange *x)
{
	struct attempt_row *t = &x->attempts[x->attempt_count - 1];
	const struct relay_result *r = &x->relayed;
	struct fault why = blamed(r);

	if (private_is_unsigned(x))
		return SIGN;
	if (r->status != 0)
		t->status = x->status = r->status;
	if (r->first_byte_us != 0)
		t->first_byte_us = r->first_byte_us - x->asked_us;
	if (r->head_us != 0)
		x->connect_us = r->head_us - x->asked_us;
	x->fault = r->fault;
	attempt_end(x, attempt_end_name(x), &why);
	exchange_leave_offer(x);
	if (r->end == RELAY_WHOLE)
		return LEDGER;
	learn(x);
	suspect(x);
	return may_retry(x) ? ROUTE : LEDGER;
}
