/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of an exchange that are about evidence: a provider's, fresh over
 * the buyer's own nonce, and the judging of a report that a buyer holds. The
 * first goes to a provider that routing picks among the verified ones; what
 * comes back is handed on with all that it takes to check it alone.
 */
#include <string.h>

#include "attestation/binding.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/crypto.h"
#include "base/json.h"
#include "gateway/bench.h"
#include "gateway/describe.h"
#include "gateway/exchange_priv.h"
#include "gateway/inquiries.h"
#include "gateway/trial.h"
#include "gateway/wish.h"

#define REPORT_BODY_MAX ((size_t)1 << 20)
#define WITHIN_MS 25000

/* ------------------------------------------------------------------ asking */

/* One provider that is asked, and what it gave. */
struct attest_one {
	const char *did;
	const char *image; /* digest of what the last verdict saw, or NULL */
	struct path *path; /* good until the asking */
	json_t *said;
	struct fault fault;
};
struct attest_part {
	struct attest_one ones[INQUIRIES_MAX];
	const char *dids[INQUIRIES_MAX];
	size_t count;
	json_t *collateral; /* NULL: not asked for */
};

static bool
make_query(
    struct exchange *x, const char *model, const char *task, struct fault *f)
{
	json_t *o = json_pack("{s:s}", "model", model);
	struct query_ask ask = {.principal = &x->principal,
	    .catalog = x->catalog,
	    .task = task,
	    .content_type = "application/json",
	    .bounds = &x->house->bounds,
	    .is_private = true,
	    .options = http_fields_find(
		&client_request(x->client)->fields, "x-assay-options")};

	if (o == NULL)
		return fault_set(
		    f, FAULT_INVALID_REQUEST, "the model is not UTF-8");
	ask.body = text_of(json_write(x->arena, o));
	json_free(&o);
	x->has_query = query_make(&ask, x->arena, &x->query, f);
	return x->has_query;
}

/* The same rules as for a private request: who could get one could also be
 * asked here. Each provider once, at most `most` of them. */
static bool
pick(struct exchange *x, size_t most, struct fault *f)
{
	struct route_ask route = {
	    .offers = x->house->offers, .policy = &x->house->policy};
	struct attest_part *p = x->attest;

	x->has_route = true;
	while (p->count < most) {
		struct attest_one *one = &p->ones[p->count];
		const struct offer_source *s;

		route.admission = (struct admission){x->catalog, &x->query,
		    clock_unix_ms(), {p->dids, p->count}};
		random_bytes(route.random, sizeof(route.random));
		if (!route_choose(&route, &x->route, f))
			break;
		s = offers_source(x->house->offers, x->route.session);
		one->did = arena_string(x->arena, x->route.did);
		one->path = presence_find(x->house->presence, x->route.session);
		one->image = s == NULL || s->image_digest[0] == '\0'
				 ? NULL
				 : arena_string(x->arena, s->image_digest);
		p->dids[p->count++] = one->did;
	}
	if (p->count > 0)
		return true;
	x->rejected = describe_rejected(&x->route);
	return false;
}

/* ---------------------------------------------------------------- answering */

static json_t *
without_evidence(const struct statement *st)
{
	json_t *rest = json_copy(st->document);

	json_object_del(rest, "evidence");
	return rest;
}

/* What report data is made of, so that the buyer can make it anew. */
static json_t *
bound_json(const struct attest_one *one, const struct statement *st)
{
	const json_t *said = json_object_get(st->evidence, "bound");
	char digest[HEX_SIZE(32)];

	hex_encode(bytes_of(st->digest, 32), digest);
	return json_pack("{s:s, s:s, s:s*, s:s, s:s*}", "nonce", st->nonce,
	    "did", one->did, "tls_spki",
	    json_string_value(json_object_get(said, "tls_spki")),
	    "statement_sha256", digest, "signing_address",
	    json_string_value(
		json_object_get(st->evidence, "signing_address")));
}

static const json_t *
item_of(const struct statement *st, const char *kind)
{
	const json_t *items = json_object_get(st->evidence, "items");

	for (size_t i = 0; i < json_array_size(items); i++) {
		const json_t *item = json_array_get(items, i);
		const char *is =
		    json_string_value(json_object_get(item, "kind"));

		if (is != NULL && strcmp(is, kind) == 0)
			return item;
	}
	return NULL;
}

static json_t *
gpu_json(const struct statement *st)
{
	const json_t *gpu = item_of(st, "nvidia");

	if (gpu == NULL)
		return json_null();
	return json_pack("{s:s, s:s?, s:O?, s:s}", "nonce", st->nonce, "arch",
	    json_string_value(json_object_get(gpu, "arch")), "evidence_list",
	    json_object_get(gpu, "evidence_list"), "claims_version", "3.0");
}

static json_t *
cpu_json(const struct statement *st)
{
	const json_t *tdx = item_of(st, "tdx"), *snp = item_of(st, "snp");

	if (tdx != NULL)
		return json_pack("{s:s, s:O?}", "kind", "tdx", "quote",
		    json_object_get(tdx, "quote"));
	if (snp != NULL)
		return json_pack("{s:s, s:O?}", "kind", "snp", "quote",
		    json_object_get(snp, "report"));
	return json_null();
}

static json_t *
attestation_json(const struct attest_one *one, const struct statement *st)
{
	return json_pack("{s:s, s:s, s:s?, s:s, s:o, s:o, s:s?, s:o, s:O, s:o}",
	    "nonce", st->nonce, "provider", one->did, "signing_address",
	    json_string_value(json_object_get(st->evidence, "signing_address")),
	    "signing_algo", "ecdsa", "gpu", gpu_json(st), "cpu", cpu_json(st),
	    "image_digest", one->image, "bound", bound_json(one, st),
	    "evidence", st->evidence, "statement", without_evidence(st));
}

static void
on_one(void *arg, size_t at, const struct statement *st, const struct fault *f)
{
	struct exchange *x = arg;
	struct attest_one *one = &x->attest->ones[at];
	struct verification_means means;

	if (f != NULL)
		one->fault = *f;
	else if (st->evidence == NULL)
		fault_set(&one->fault, FAULT_PROVIDER_ERROR,
		    "the provider gave no evidence this time");
	else
		one->said = attestation_json(one, st);
	if (one->said != NULL && x->attest->collateral != NULL) {
		means = verification_means(x->house->verifications);
		trial_collateral(
		    &means, st->evidence, x->arena, x->attest->collateral);
	}
}

/* The gateway runs in no TEE that it could show: it says so, and a buyer
 * checks the workers instead. Those that did not answer are named too. */
static json_t *
report_json(struct attest_part *p)
{
	json_t *given = json_array(), *failed = json_array();

	for (size_t i = 0; i < p->count; i++) {
		struct attest_one *one = &p->ones[i];

		if (one->said != NULL)
			json_array_append(given, one->said);
		else
			json_array_append_new(failed,
			    json_pack("{s:s, s:s}", "provider", one->did,
				"code", fault_code(one->fault.kind)));
	}
	return json_pack("{s:n, s:s, s:o, s:o, s:O*}", "gateway_attestation",
	    "gateway_attestation_reason", "not_in_a_tee", "model_attestations",
	    given, "unanswered", failed, "collateral", p->collateral);
}

static void
on_all(void *arg)
{
	struct exchange *x = arg;
	struct attest_part *p = x->attest;
	const struct attest_one *last = &p->ones[p->count - 1];
	json_t *all = NULL;

	x->question = NULL;
	for (size_t i = 0; i < p->count && all == NULL; i++)
		all = json_incref(p->ones[i].said);
	if (all == NULL) {
		x->fault = last->fault;
	} else {
		if (x->endpoint->kind == ENDPOINT_REPORT) {
			json_free(&all);
			all = report_json(p);
		}
		x->answer = json_write(x->arena, all);
		x->status = 200;
	}
	json_free(&all);
	exchange_advance(x);
}

void
attest_free(struct exchange *x)
{
	if (x->attest == NULL)
		return;
	for (size_t i = 0; i < x->attest->count; i++)
		json_free(&x->attest->ones[i].said);
	json_free(&x->attest->collateral);
}

/* A model that does not chat may still complete. */
static bool
find_model(struct exchange *x, const char *model, struct fault *f)
{
	return make_query(x, model, "chat", f) ||
	       (f->kind == FAULT_MODEL_NOT_FOUND &&
		   make_query(x, model, "completion", f));
}

static bool
read_wish(struct exchange *x, struct wish *w, struct fault *f)
{
	const struct http_request *r = client_request(x->client);

	if (x->endpoint->kind != ENDPOINT_REPORT)
		return wish_read(exchange_body(x), x->arena, w, f);
	return wish_of_query(r->query, x->arena, w, f);
}

static const struct inquiries_events inquiries_events = {on_one, on_all};

enum step
attest_ask(struct exchange *x)
{
	bool is_report = x->endpoint->kind == ENDPOINT_REPORT;
	struct path *paths[INQUIRIES_MAX];
	struct wish w;

	x->attest = arena_alloc(x->arena, sizeof(*x->attest));
	if (!read_wish(x, &w, &x->fault))
		return LEDGER;
	if (w.collateral)
		x->attest->collateral = json_object();
	if (!find_model(x, w.model, &x->fault) ||
	    !pick(x, is_report ? INQUIRIES_MAX : 1, &x->fault))
		return LEDGER;
	memset(&x->fault, 0, sizeof(x->fault));
	for (size_t i = 0; i < x->attest->count; i++)
		paths[i] = x->attest->ones[i].path;
	x->question = inquiries_ask(x->house->loop, paths, x->attest->count,
	    w.nonce, WITHIN_MS, x->arena, &inquiries_events, x);
	return WAIT;
}

enum step
attest_got(struct exchange *x)
{
	(void)x;
	return LEDGER;
}

/* ------------------------------------------------------------------- judging
 */

static void
on_verdict(void *arg, const char *json, const struct fault *f)
{
	struct exchange *x = arg;

	x->question = NULL;
	x->status = 200;
	if (json != NULL)
		x->answer = arena_string(x->arena, json);
	else
		x->fault = *f;
	exchange_advance(x);
}

/* {"report": …, "policy"?: …}: judged by the policy given or by the one that
 * is active, beside the loop. */
enum step
attest_verify(struct exchange *x)
{
	struct verification_means means =
	    verification_means(x->house->verifications);
	const json_t *report, *policy;
	struct trial *trial;
	json_t *j = NULL;

	if (bench_has_room(x->house->trials, &x->fault) &&
	    json_read(exchange_body(x), REPORT_BODY_MAX, &j, &x->fault) &&
	    json_get_object(
		j, "report", &report, FAULT_INVALID_REQUEST, &x->fault) &&
	    json_get_object_or(
		j, "policy", &policy, FAULT_INVALID_REQUEST, &x->fault) &&
	    trial_prepare(&means, report, policy, x->arena, &trial, &x->fault))
		x->question = bench_ask(x->house->loop, trial,
		    &x->house->trials, on_verdict, x, &x->fault);
	json_free(&j);
	return x->question == NULL ? LEDGER : WAIT;
}
