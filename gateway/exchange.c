/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The buyer's door. A step does one thing and names the next, or asks one
 * question and waits; one driver walks the table; one line frees. Timeout and
 * hang-up are one act: cancel the question, set the fault, go to LEDGER.
 *
 * LEDGER stands before ANSWER: the end of a reply is seen only after its
 * outcome is in the spool.
 */
#include <string.h>

#include "auth/scope.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "gateway/describe.h"
#include "gateway/exchange_priv.h"
#include "gateway/reply.h"

#define IDEMPOTENCY_KEY_MAX 200

/* ---------------------------------------------------------- table of steps */

typedef enum step run_step(struct exchange *x);
static run_step read_request, ask_buyer, got_buyer, make_query, ask_kept,
    got_kept, choose_offer, ask_handoff, got_handoff, ask_keep, got_keep,
    answer_buyer;

#define WITHIN(name) offsetof(struct settings, timeout_##name)

/* clang-format off */
static const struct {
	const char *name;
	run_step *run;
	size_t within; /* the setting that says how patient a wait is; 0: the
			* question has clocks of its own */
} steps[] = {
/*	step		name		what happens		patience */
[READ]		= { "read",		read_request,		0 },
[BUYER]		= { "buyer",		ask_buyer,		WITHIN(auth) },
[BUYER_KNOWN]	= { "buyer_known",	got_buyer,		0 },
[DESCRIBE]	= { "describe",		lookup_ask,		WITHIN(auth) },
[DESCRIBED]	= { "described",	lookup_got,		0 },
[JUDGE]		= { "judge",		judge_read,		0 },
[ATTEST]	= { "attest",		attest_ask,		0 },
[ATTESTED]	= { "attested",		attest_got,		0 },
[VERIFY]	= { "verify",		attest_verify,		0 },
[VERIFY_DONE]	= { "verify_done",	attest_got,		0 },
[QUERY]		= { "query",		make_query,		0 },
[KEPT]		= { "kept",		ask_kept,		WITHIN(auth) },
[KEPT_KNOWN]	= { "kept_known",	got_kept,		0 },
[FEEDBACK]	= { "feedback",		judge_ask,		0 },
[FEEDBACK_DONE]	= { "feedback_done",	judge_got,		0 },
[ROUTE]		= { "route",		choose_offer,		0 },
[MINT]		= { "mint",		ask_handoff,		WITHIN(mint) },
[MINTED]	= { "minted",		got_handoff,		0 },
[KEEP]		= { "keep",		ask_keep,		WITHIN(auth) },
[KEEP_DONE]	= { "keep_done",	got_keep,		0 },
[RELAY]		= { "relay",		attempt_ask,		0 },
[RELAYED]	= { "relayed",		attempt_got,		0 },
[SIGN]		= { "sign",		private_ask,		0 },
[SIGNED]	= { "signed",		private_got,		0 },
[LEDGER]	= { "ledger",		outcome_write,		0 },
[ANSWER]	= { "answer",		answer_buyer,		0 },
};
/* clang-format on */

static void exchange_free(struct exchange *x);

static void
be_patient(struct exchange *x, size_t within)
{
	const char *settings = (const char *)x->house->settings;

	if (within != 0)
		timer_start(x->patience,
		    *(const int64_t *)(const void *)(settings + within));
}

void
exchange_advance(struct exchange *x)
{
	timer_stop(x->patience);
	while (x->step != CLOSE) {
		enum step next = steps[x->step].run(x);

		if (next == WAIT) { /* the step below judges the answer */
			be_patient(x, steps[x->step].within);
			x->step++;
			return;
		}
		x->step = next;
	}
	exchange_free(x); /* here, and nowhere else */
}

static void
close_early(struct exchange *x, enum fault_kind kind, const char *why)
{
	pending_cancel(&x->question);
	fault_set(&x->fault, kind, "%s", why);
	x->step = LEDGER;
	exchange_advance(x);
}

static void
on_impatient(void *arg)
{
	struct exchange *x = arg;
	char why[100];

	snprintf(why, sizeof(why), "no answer to %s in time",
	    steps[x->step - 1].name);
	close_early(x, FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE, why);
}

static void
on_gone(void *arg)
{
	close_early(arg, FAULT_BUYER_GONE, "the client closed the connection");
}

/* The end of a step that failed. */
static enum step
failed(struct exchange *x, const struct fault *f)
{
	x->fault = *f;
	return LEDGER;
}

static int64_t
took_us(const struct exchange *x)
{
	return clock_mono_us() - x->asked_us;
}

/* --------------------------------------------------------------------- read */

static enum step
read_request(struct exchange *x)
{
	const struct http_request *r = client_request(x->client);
	struct fault f;

	x->endpoint = endpoint_find(r->method, r->path, x->variable,
	    sizeof(x->variable), &x->allow, &f);
	if (x->endpoint == NULL)
		return failed(x, &f);
	if (x->house->open > x->house->settings->limits_concurrency) {
		fault_set(&f, FAULT_OVERLOADED,
		    "%u requests are under way in this worker", x->house->open);
		return failed(x, &f);
	}
	return BUYER;
}

/* -------------------------------------------------------------------- buyer */

static void
on_buyer(void *arg, const struct principal *p, const struct fault *f)
{
	struct exchange *x = arg;

	x->question = NULL;
	x->is_known = p != NULL;
	if (p != NULL)
		x->principal = *p;
	else
		x->fault = *f;
	exchange_advance(x);
}

static enum step
ask_buyer(struct exchange *x)
{
	x->asked_us = clock_mono_us();
	if (device_asks(x))
		return device_know(x);
	x->question = buyer_ask(
	    x->house->buyers, &client_request(x->client)->fields, on_buyer, x);
	return WAIT;
}

static bool
check_buyer(struct exchange *x, struct fault *f)
{
	if ((x->principal.scopes & x->endpoint->scopes) == 0) {
		unsigned i = 0;

		while ((x->endpoint->scopes >> i & 1) == 0)
			i++;
		return fault_set(f, FAULT_INSUFFICIENT_SCOPES,
		    "this credential lacks %s", scope_name(i));
	}
	x->is_counted = limits_enter(x->house->limits, &x->principal,
	    clock_mono_ms(), &x->retry_after_ms, f);
	return x->is_counted;
}

static enum step
got_buyer(struct exchange *x)
{
	struct fault f;

	x->auth_us = took_us(x);
	if (!x->is_known)
		return LEDGER;
	if (!check_buyer(x, &f))
		return failed(x, &f);
	x->catalog = catalog_ref(catalogs_now(x->house->catalogs));
	switch (x->endpoint->kind) {
	case ENDPOINT_RELAY:
	case ENDPOINT_HANDOFF:
	case ENDPOINT_ROUTE:
		return QUERY;
	case ENDPOINT_MODELS:
	case ENDPOINT_MODEL:
	case ENDPOINT_PROVIDER:
	case ENDPOINT_REQUEST:
	case ENDPOINT_SIGNATURE:
		return DESCRIBE;
	case ENDPOINT_ATTESTATION:
	case ENDPOINT_REPORT:
		return ATTEST;
	case ENDPOINT_VERIFY:
		return VERIFY;
	case ENDPOINT_FEEDBACK:
		return JUDGE;
	}
	return LEDGER;
}

/* -------------------------------------------------------------------- query */

struct text
exchange_body(struct exchange *x)
{
	struct evbuffer *b = client_request(x->client)->body;
	size_t len = b == NULL ? 0 : evbuffer_get_length(b);

	if (len == 0)
		return text_of("");
	return (struct text){(const char *)evbuffer_pullup(b, -1), len};
}

static enum step
make_query(struct exchange *x)
{
	const struct http_request *r = client_request(x->client);
	bool is_direct = x->endpoint->kind == ENDPOINT_HANDOFF;
	struct query_ask ask = {.principal = &x->principal,
	    .catalog = x->catalog,
	    .task = x->endpoint->task,
	    .content_type = http_fields_find(&r->fields, "content-type"),
	    .content_encoding =
		http_fields_find(&r->fields, "content-encoding"),
	    .body = exchange_body(x),
	    .bounds = &x->house->bounds,
	    .is_direct = is_direct,
	    .is_private = x->endpoint->is_private,
	    .options = http_fields_find(&r->fields, "x-assay-options")};
	struct fault f;

	if (x->endpoint->kind == ENDPOINT_RELAY && ask.task == NULL)
		ask.task = x->variable;
	x->has_query = query_make(&ask, x->arena, &x->query, &f);
	if (!x->has_query)
		return failed(x, &f);
	x->query.needs_key = x->endpoint->is_private;
	return is_direct ? KEPT : ROUTE;
}

/* ------------------------------------------------------------ kept answers */

static void
on_kept(void *arg, const struct answer_row *row, const struct fault *f)
{
	struct exchange *x = arg;

	x->question = NULL;
	if (f != NULL) {
		fault_set(&x->fault, FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE,
		    "%s", f->why);
	} else if (row != NULL &&
		   memcmp(row->request_sha256, x->body_sha256, 32) != 0) {
		fault_set(&x->fault, FAULT_IDEMPOTENCY_CONFLICT,
		    "this idempotency-key was used for another request");
	} else if (row != NULL) {
		x->status = (int)row->status;
		x->answer = arena_string(x->arena, row->body);
	}
	exchange_advance(x);
}

static enum step
after_kept(const struct exchange *x)
{
	return x->endpoint->kind == ENDPOINT_FEEDBACK ? FEEDBACK : ROUTE;
}

static enum step
ask_kept(struct exchange *x)
{
	struct text body = exchange_body(x);
	const char *key = http_fields_find(
	    &client_request(x->client)->fields, "idempotency-key");
	struct fault f;

	if (key == NULL)
		return after_kept(x);
	if (strlen(key) > IDEMPOTENCY_KEY_MAX || key[0] == '\0' ||
	    !text_is_utf8(text_of(key))) {
		fault_set(&f, FAULT_INVALID_REQUEST,
		    "idempotency-key must be 1 to %d characters",
		    IDEMPOTENCY_KEY_MAX);
		return failed(x, &f);
	}
	x->idempotency_key = key;
	sha256(bytes_of(body.at, body.len), x->body_sha256);
	x->question = gateway_db_find_answer(x->house->pg, x->principal.account,
	    x->endpoint->name, key, on_kept, x);
	return WAIT;
}

static enum step
got_kept(struct exchange *x)
{
	return x->fault.kind != FAULT_NONE || x->answer != NULL ? LEDGER
								: after_kept(x);
}

/* -------------------------------------------------------------------- route */

void
exchange_leave_offer(struct exchange *x)
{
	if (x->is_reserved)
		offers_finish(x->house->offers, x->route.session);
	x->is_reserved = false;
}

static void
take_offer(struct exchange *x)
{
	const struct offer_provider *p =
	    offers_provider(x->house->offers, x->route.did);

	offers_begin(x->house->offers, x->route.session);
	x->is_reserved = true;
	for (size_t i = 0; i < DIRECT_ENDPOINTS; i++)
		x->direct[i] = arena_string(x->arena, p->direct[i]);
	memcpy(x->direct_spki, p->direct_spki, sizeof(x->direct_spki));
	memset(&x->fault, 0, sizeof(x->fault));
}

static void
keep_trace(struct exchange *x, const struct route_ask *ask)
{
	json_free(&x->rejected);
	json_free(&x->decision);
	x->rejected = describe_rejected(&x->route);
	if (x->query.explain)
		x->decision = describe_decision(ask, &x->route);
}

static enum step
choose_offer(struct exchange *x)
{
	struct route_ask ask = {
	    .admission = {x->catalog, &x->query, clock_unix_ms(),
		{x->tried, x->attempt_count}},
	    .offers = x->house->offers,
	    .policy = &x->house->policy,
	};
	struct fault f = {0};
	int64_t now = clock_mono_us();
	bool found;

	random_bytes(ask.random, sizeof(ask.random));
	x->has_route = true;
	found = route_choose(&ask, &x->route, &f);
	x->route_us += clock_mono_us() - now;
	if (x->endpoint->kind != ENDPOINT_ROUTE)
		considered_note(x->house->considered, &ask, &x->route);
	keep_trace(x, &ask);
	if (x->endpoint->kind == ENDPOINT_ROUTE) {
		x->status = 200;
		x->answer = describe_route(
		    &ask, &x->route, found ? NULL : &f, x->id, x->arena);
		return LEDGER;
	}
	if (!found && x->attempt_count > 0)
		return LEDGER; /* the last one tried says why */
	if (!found)
		return failed(x, &f);
	take_offer(x);
	return MINT;
}

/* --------------------------------------------------------------------- mint */

static void
on_handoff(void *arg, const struct handoff *h, const struct fault *f)
{
	struct exchange *x = arg;

	x->question = NULL;
	if (h != NULL) {
		x->token = arena_string(x->arena, h->token);
		x->token_expires_ms = h->expires_at_ms;
	} else {
		x->fault = *f;
	}
	exchange_advance(x);
}

static enum step
ask_handoff(struct exchange *x)
{
	struct handoff_order o = {.aud = x->route.did,
	    .sub = x->principal.account,
	    .workspace = x->principal.workspace,
	    .task = x->query.task->name,
	    .model = x->query.model->canonical,
	    .pool = pool_name(x->route.pool),
	    .request_id = x->id};

	x->asked_us = clock_mono_us();
	x->question = mint_ask(x->house->mint, &o,
	    x->house->settings->timeout_mint, on_handoff, x);
	return WAIT;
}

static void
compose_handoff(struct exchange *x)
{
	char expires[RFC3339_TEXT];
	json_t *endpoints = json_array();
	json_t *o;

	time_to_rfc3339(x->token_expires_ms, expires);
	for (size_t i = 0; i < DIRECT_ENDPOINTS && x->direct[i] != NULL; i++)
		json_array_append_new(endpoints, json_string(x->direct[i]));
	o = json_pack("{s:s, s:s, s:{s:s, s:o, s:s?}, s:s}", "token", x->token,
	    "expires_at", expires, "provider", "did", x->route.did, "endpoints",
	    endpoints, "tls_spki_sha256",
	    x->direct_spki[0] == '\0' ? NULL : x->direct_spki, "request_id",
	    x->id);
	x->answer = json_write(x->arena, o);
	x->status = 200;
	json_free(&o);
}

static enum step
got_handoff(struct exchange *x)
{
	x->mint_us += took_us(x);
	if (x->token == NULL || x->fault.kind != FAULT_NONE)
		return LEDGER;
	if (x->endpoint->kind == ENDPOINT_RELAY)
		return RELAY;
	compose_handoff(x);
	return x->idempotency_key == NULL ? LEDGER : KEEP;
}

static void
on_keep(void *arg, const struct fault *f)
{
	struct exchange *x = arg;

	x->question = NULL;
	if (f != NULL)
		fault_set(&x->fault, FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE,
		    "%s", f->why);
	exchange_advance(x);
}

static enum step
ask_keep(struct exchange *x)
{
	struct answer_row row = {.status = x->status, .body = x->answer};

	memcpy(row.request_sha256, x->body_sha256, 32);
	x->question = gateway_db_keep_answer(x->house->pg, x->principal.account,
	    x->endpoint->name, x->idempotency_key, &row, on_keep, x);
	return WAIT;
}

static enum step
got_keep(struct exchange *x)
{
	(void)x;
	return LEDGER;
}

/* ------------------------------------------------------------------- answer */

static json_t *
metadata_of(const struct exchange *x)
{
	json_t *o = json_object();

	if (x->rejected != NULL)
		json_object_set(o, "rejected", x->rejected);
	if (x->attempt_count > 0)
		json_object_set_new(
		    o, "attempts", json_integer((json_int_t)x->attempt_count));
	if (x->decision != NULL)
		json_object_set(o, "decision", x->decision);
	return o;
}

/* What has begun can only be ended: whole, with an event that says it is
 * not, or by a connection that is visibly cut. */
static void
end_reply(struct exchange *x, const struct reply_error *e)
{
	if (x->fault.kind == FAULT_NONE) {
		client_write(x->client, x->held);
		client_end(x->client);
	} else if (x->relayed.is_stream && x->relayed.at_boundary) {
		reply_error_event(x->client, e);
		client_end(x->client);
	}
}

static enum step
answer_buyer(struct exchange *x)
{
	json_t *metadata = metadata_of(x);
	struct http_fields own = {0};
	struct reply_error e = {.fault = &x->fault,
	    .request_id = x->id,
	    .param = x->has_query ? NULL : x->query.param,
	    .metadata = metadata,
	    .retry_after = (int)((x->retry_after_ms + 999) / 1000),
	    .allow = x->allow};

	if (x->fault.kind == FAULT_BUYER_GONE) {
		json_free(&metadata);
		return CLOSE;
	}
	if (client_is_started(x->client)) {
		end_reply(x, &e);
	} else if (x->private != NULL && x->fault.kind == FAULT_NONE) {
		private_answer(x);
	} else {
		attempt_add_fields(x, &own);
		if (x->fault.kind != FAULT_NONE)
			reply_error(x->client, &e, &own);
		else
			reply_json(x->client, x->status, x->answer, &own);
	}
	json_free(&metadata);
	return CLOSE;
}

static void
enter_house(struct exchange *x, struct house *h)
{
	x->house = h;
	x->next = h->first;
	if (h->first != NULL)
		h->first->before = x;
	h->first = x;
	h->open++;
}

static void
leave_house(struct exchange *x)
{
	if (x->next != NULL)
		x->next->before = x->before;
	if (x->before != NULL)
		x->before->next = x->next;
	else
		x->house->first = x->next;
	x->house->open--;
}

static void
exchange_free(struct exchange *x)
{
	x->house->holding -= x->holding;
	leave_house(x);
	private_free(x); /* these live in the client's arena */
	attest_free(x);
	client_close(&x->client);
	timer_free(&x->patience);
	evbuffer_free(x->held);
	json_free(&x->rejected);
	json_free(&x->decision);
	catalog_unref(&x->catalog);
	mem_free(x);
}

void
exchange_start(struct http_request *r, void *arg)
{
	struct exchange *x = mem_new(sizeof(*x));
	uint8_t random[10];

	enter_house(x, arg);
	x->client = client_new(r);
	x->arena = r->arena;
	x->began_us = r->began_us;
	x->created_ms = clock_unix_ms();
	random_bytes(random, sizeof(random));
	uuid_v7(x->created_ms, random, x->id);
	x->patience = timer_new(x->house->loop, on_impatient, x);
	x->held = evbuffer_new();
	client_on_gone(x->client, on_gone, x);
	exchange_advance(x);
}

void
exchanges_end(struct house *h)
{
	while (h->first != NULL)
		close_early(
		    h->first, FAULT_DRAINING, "this gateway is going away");
}
