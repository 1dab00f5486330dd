/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked for by name and only read: models, providers, one's own
 * requests and their signatures. The steps DESCRIBE and DESCRIBED.
 */
#include "base/clock.h"
#include "base/json.h"
#include "gateway/attestation_db.h"
#include "gateway/describe.h"
#include "gateway/exchange_priv.h"

/* ----------------------------------------------------------------- requests */

static void
on_request_row(void *arg, const struct request_row *row,
    const struct attempt_row *attempts, size_t count, const struct fault *f)
{
	struct exchange *x = arg;

	x->question = NULL;
	if (row != NULL)
		x->answer = describe_request(row, attempts, count, x->arena);
	else if (f != NULL)
		fault_set(&x->fault, FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE,
		    "%s", f->why);
	else
		fault_set(&x->fault, FAULT_REQUEST_NOT_FOUND,
		    "you made no request with this id (one that has just "
		    "ended may take a second to appear)");
	exchange_advance(x);
}

static enum step
ask_request(struct exchange *x)
{
	if (!text_is_uuid(text_of(x->variable))) {
		fault_set(&x->fault, FAULT_REQUEST_NOT_FOUND,
		    "a request id is a UUID");
		return DESCRIBED;
	}
	x->question = gateway_db_find_request(
	    x->house->pg, x->variable, x->principal.account, on_request_row, x);
	return WAIT;
}

/* --------------------------------------------------------------- signatures */

static char *
signature_json(const struct signature_row *r, struct arena *a)
{
	json_t *o = json_pack("{s:s?, s:s?, s:s?, s:s?, s:b, s:I, s:s, s:s?}",
	    "text", r->text, "signature", r->signature, "signing_address",
	    r->address, "signing_algo", r->algorithm, "complete", r->complete,
	    "response_bytes", (json_int_t)r->bytes, "request_id", r->request,
	    "provider", r->did);
	char *out = json_write(a, o);

	json_free(&o);
	return out;
}

/* Why there is none is the buyer's to know: it is the answer. */
static void
say_missing(struct exchange *x, const struct signature_row *r)
{
	x->rejected = json_pack("{s:i}", r->missing, 1);
	fault_set(&x->fault, FAULT_SIGNATURE_MISSING,
	    "this exchange has no signature: %s", r->missing);
}

/* What is still in the spool may be the one asked for. */
static void
say_unknown(struct exchange *x)
{
	if (signatures_backlog(x->house->signatures) > 0)
		fault_set(&x->fault, FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE,
		    "signatures are still on their way to Postgres");
	else
		fault_set(&x->fault, FAULT_SIGNATURE_NOT_FOUND,
		    "you have no private exchange with this id that is over");
}

static void
on_signature_row(
    void *arg, const struct signature_row *row, const struct fault *f)
{
	struct exchange *x = arg;

	x->question = NULL;
	if (f != NULL)
		fault_set(&x->fault, FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE,
		    "%s", f->why);
	else if (row == NULL)
		say_unknown(x);
	else if (row->missing != NULL)
		say_missing(x, row);
	else
		x->answer = signature_json(row, x->arena);
	exchange_advance(x);
}

static enum step
ask_signature(struct exchange *x)
{
	struct text id = text_of(x->variable);

	if (id.len > SIGNATURE_CHAT_ID_MAX || !text_is_utf8(id)) {
		fault_set(&x->fault, FAULT_SIGNATURE_NOT_FOUND,
		    "no exchange has such an id");
		return DESCRIBED;
	}
	x->question = gateway_db_find_signature(x->house->pg,
	    x->principal.account, x->variable, on_signature_row, x);
	return WAIT;
}

/* -------------------------------------------------------------------- steps */

enum step
lookup_ask(struct exchange *x)
{
	struct describe d = {
	    x->catalog, x->house->offers, &x->principal, clock_unix_ms()};
	char *out = NULL;

	if (x->endpoint->kind == ENDPOINT_REQUEST)
		return ask_request(x);
	if (x->endpoint->kind == ENDPOINT_SIGNATURE)
		return ask_signature(x);
	if (x->endpoint->kind == ENDPOINT_MODELS)
		out = describe_models(&d, x->arena);
	else if (x->endpoint->kind == ENDPOINT_MODEL)
		describe_model(
		    &d, text_of(x->variable), x->arena, &out, &x->fault);
	else
		describe_provider(&d, x->variable, x->arena, &out, &x->fault);
	x->answer = out;
	return x->endpoint->kind == ENDPOINT_PROVIDER ? standing_ask(x)
						      : DESCRIBED;
}

enum step
lookup_got(struct exchange *x)
{
	x->status = 200;
	return LEDGER;
}
