/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LEDGER: how an exchange ended, as one row, one log line and a few counts.
 * Every exchange passes here once, and nothing else writes any of it.
 */
#include "base/clock.h"
#include "base/json.h"
#include "gateway/exchange_priv.h"
#include "gateway/reply.h"

static const char *
outcome_of(const struct exchange *x)
{
	if (x->fault.kind == FAULT_BUYER_GONE)
		return "buyer_gone";
	if (x->fault.kind == FAULT_DRAINING)
		return "drained";
	if (x->attempt_count > 0)
		return attempt_end_name(x);
	if (x->fault.kind == FAULT_NONE)
		return x->endpoint->kind == ENDPOINT_HANDOFF ? "minted"
							     : "served";
	return x->fault.kind == FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE
		   ? "failed"
		   : "refused";
}

static int
status_of(const struct exchange *x)
{
	if (x->fault.kind == FAULT_BUYER_GONE)
		return 499;
	if (client_is_started(x->client))
		return client_status(x->client);
	if (x->fault.kind != FAULT_NONE)
		return reply_status(x->fault.kind);
	return x->status;
}

static void
fill_query(const struct exchange *x, struct request_row *r)
{
	r->task = x->query.task->name;
	r->model = x->query.model->canonical;
	r->streamed = x->query.stream;
	r->pool_wanted = pool_name(x->query.pools);
	r->min_tier = x->query.min_tier == TIER_NONE
			  ? NULL
			  : tier_name(x->query.min_tier);
	r->verified = x->query.verified;
}

/* Who served, or was tried last, or was chosen for a handoff. */
static void
fill_route(const struct exchange *x, struct request_row *r)
{
	if (x->attempt_count > 0) {
		const struct attempt_row *t =
		    &x->attempts[x->attempt_count - 1];

		r->did = t->did;
		r->pool = t->pool;
		r->tier = t->tier;
		r->quantization = x->quantization;
	} else if (x->route.is_found) {
		r->did = x->route.did;
		r->pool = pool_name(x->route.pool);
		r->tier = tier_name(x->route.tier);
		r->quantization = x->route.quantization;
	}
}

static void
fill_row(const struct exchange *x, struct request_row *r)
{
	const struct http_request *q = client_request(x->client);
	const struct usage *u = &x->relayed.usage;

	r->id = x->id;
	r->created_at = x->created_ms;
	r->endpoint = x->endpoint == NULL ? "unknown" : x->endpoint->name;
	r->pool_wanted = "any";
	r->outcome = outcome_of(x);
	r->status = status_of(x);
	r->attempts = (int64_t)x->attempt_count;
	r->rejected =
	    x->rejected == NULL ? "{}" : json_write(x->arena, x->rejected);
	r->prompt_tokens = u->is_known ? u->tokens_in : -1;
	r->completion_tokens = u->is_known ? u->tokens_out : -1;
	r->request_bytes =
	    q->body == NULL ? 0 : (int64_t)evbuffer_get_length(q->body);
	r->response_bytes =
	    (int64_t)(client_sent(x->client) + evbuffer_get_length(x->held));
	r->auth_us = x->auth_us;
	r->route_us = x->has_route ? x->route_us : -1;
	r->mint_us = x->token == NULL ? -1 : x->mint_us;
	r->connect_us = x->connect_us == 0 ? -1 : x->connect_us;
	r->first_byte_us = x->first_byte_us == 0 ? -1 : x->first_byte_us;
	r->total_us = clock_mono_us() - x->began_us;
	r->instance = x->house->settings->gateway_instance;
	if (x->fault.kind != FAULT_NONE) {
		r->fault_code = fault_code(x->fault.kind);
		r->fault_why = x->fault.why;
	} else if (x->attempt_count > 0 && x->relayed.status >= 400) {
		r->fault_code = fault_code(FAULT_INVALID_REQUEST);
		r->fault_why = "the provider says that the request is wrong";
	}
	if (x->is_known) {
		r->account = x->principal.account;
		r->workspace = x->principal.workspace;
		r->key = x->principal.key[0] == '\0' ? NULL : x->principal.key;
	}
	if (x->has_query)
		fill_query(x, r);
	fill_route(x, r);
}

static void
count(const struct exchange *x, const struct request_row *r)
{
	struct counters *c = x->house->counters;
	size_t e = counters_endpoint(x->endpoint);

	metric_count(c->requests, e, counters_outcome(r->outcome), 0);
	if (x->fault.kind != FAULT_NONE)
		metric_count(c->faults, x->fault.kind, 0, 0);
	metric_observe(c->seconds, (double)r->total_us / 1e6, e, 0, 0);
	if (r->first_byte_us >= 0)
		metric_observe(
		    c->first_byte, (double)r->first_byte_us / 1e6, e, 0, 0);
	metric_observe(
	    c->step_seconds, (double)x->auth_us / 1e6, COUNTED_AUTH, 0, 0);
	if (r->mint_us >= 0)
		metric_observe(c->step_seconds, (double)r->mint_us / 1e6,
		    COUNTED_MINT, 0, 0);
	if (r->route_us >= 0)
		metric_observe(c->step_seconds, (double)r->route_us / 1e6,
		    COUNTED_ROUTE, 0, 0);
	metric_add(c->sent_bytes, (uint64_t)r->response_bytes, 0, 0, 0);
	if (x->relayed.usage.is_known) {
		metric_add(c->tokens, (uint64_t)r->prompt_tokens, 0, 0, 0);
		metric_add(c->tokens, (uint64_t)r->completion_tokens, 1, 0, 0);
	}
}

/* Rows are for what was asked of providers; reads are only logged. */
static bool
is_recorded(const struct exchange *x)
{
	return x->endpoint != NULL &&
	       (x->endpoint->kind == ENDPOINT_RELAY ||
		   x->endpoint->kind == ENDPOINT_HANDOFF);
}

/* The hang-up hook comes off here: a buyer that leaves later is not recorded
 * twice. */
enum step
outcome_write(struct exchange *x)
{
	struct request_row r = {0};

	client_on_gone(x->client, NULL, NULL);
	timer_stop(x->patience);
	private_left(x);
	attempt_end(x,
	    x->fault.kind == FAULT_BUYER_GONE ? "buyer_gone" : "drained",
	    &x->fault);
	exchange_leave_offer(x);
	if (x->is_counted)
		limits_leave(x->house->limits, x->principal.key);
	fill_row(x, &r);
	if (is_recorded(x))
		ledger_write(
		    x->house->ledger, &r, x->attempts, x->attempt_count);
	else
		ledger_note(x->house->ledger, &r);
	count(x, &r);
	return ANSWER;
}
