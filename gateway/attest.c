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
#include "gateway/describe.h"
#include "gateway/exchange_priv.h"
#include "gateway/inquiry.h"
#include "gateway/verification.h"

#define REPORT_BODY_MAX ((size_t)1 << 20)
#define MODEL_MAX 200
#define WITHIN_MS 25000

/* ------------------------------------------------------------------ asking */

struct wish {
	const char *model;
	char nonce[65]; /* as services fill it: zeros on the right */
};

static bool
read_nonce(const char *hex, struct wish *w, struct fault *f)
{
	uint8_t nonce[BINDING_NONCE];

	if (!binding_nonce_read(text_of(hex), nonce, f)) {
		f->kind = FAULT_INVALID_REQUEST;
		return false;
	}
	hex_encode(bytes_of(nonce, sizeof(nonce)), w->nonce);
	return true;
}

/* {"model_id", "nonce"} */
static bool
read_body(struct exchange *x, struct wish *w, struct fault *f)
{
	const char *nonce;
	json_t *j = NULL;
	bool ok;

	ok =
	    json_read(exchange_body(x), 4096, &j, f) &&
	    json_get_string(j, "model_id", MODEL_MAX, &w->model,
		FAULT_INVALID_REQUEST, f) &&
	    json_get_string(j, "nonce", 64, &nonce, FAULT_INVALID_REQUEST, f) &&
	    read_nonce(nonce, w, f);
	if (ok)
		w->model = arena_string(x->arena, w->model);
	json_free(&j);
	return ok;
}

/* The value of a parameter, decoded, or NULL. */
static const char *
parameter(struct exchange *x, const char *name)
{
	const char *at = client_request(x->client)->query;
	size_t len = strlen(name), written;

	while (at != NULL) {
		size_t end = strcspn(at, "&");

		if (strncmp(at, name, len) == 0 && at[len] == '=') {
			char *out = arena_alloc(x->arena, end + 1);
			struct text raw = {at + len + 1, end - len - 1};

			return percent_decode(raw, out, end + 1, &written)
				   ? out
				   : NULL;
		}
		at = at[end] == '&' ? at + end + 1 : NULL;
	}
	return NULL;
}

/* ?model=…&nonce=…[&signing_algo=ecdsa] */
static bool
read_parameters(struct exchange *x, struct wish *w, struct fault *f)
{
	const char *nonce = parameter(x, "nonce");
	const char *algorithm = parameter(x, "signing_algo");

	w->model = parameter(x, "model");
	if (w->model == NULL || nonce == NULL)
		return fault_set(f, FAULT_INVALID_REQUEST,
		    "give model and nonce as parameters");
	if (algorithm != NULL && strcmp(algorithm, "ecdsa") != 0)
		return fault_set(f, FAULT_INVALID_REQUEST,
		    "workers here sign with ecdsa alone");
	return read_nonce(nonce, w, f);
}

/* The same rules as for a request with options.verified. */
static bool
pick(struct exchange *x, const struct wish *w, struct fault *f)
{
	json_t *o = json_pack(
	    "{s:s, s:{s:b}}", "model", w->model, "options", "verified", true);
	struct query_ask ask = {.principal = &x->principal,
	    .catalog = x->catalog,
	    .task = "chat",
	    .content_type = "application/json",
	    .bounds = &x->house->bounds};
	struct route_ask route = {
	    .offers = x->house->offers, .policy = &x->house->policy};

	if (o == NULL)
		return fault_set(
		    f, FAULT_INVALID_REQUEST, "the model is not UTF-8");
	ask.body = text_of(json_write(x->arena, o));
	json_free(&o);
	x->has_query = query_make(&ask, x->arena, &x->query, f);
	if (!x->has_query)
		return false;
	route.admission = (struct admission){
	    x->catalog, &x->query, clock_unix_ms(), {x->tried, 0}};
	random_bytes(route.random, sizeof(route.random));
	x->has_route = true;
	if (route_choose(&route, &x->route, f))
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
bound_json(const struct exchange *x, const struct statement *st)
{
	const json_t *said = json_object_get(st->evidence, "bound");
	char digest[HEX_SIZE(32)];

	hex_encode(bytes_of(st->digest, 32), digest);
	return json_pack("{s:s, s:s, s:s*, s:s, s:s*}", "nonce", st->nonce,
	    "did", x->route.did, "tls_spki",
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
attestation_json(const struct exchange *x, const struct statement *st)
{
	return json_pack("{s:s, s:s, s:s?, s:s, s:o, s:o, s:n, s:o, s:O, s:o}",
	    "nonce", st->nonce, "provider", x->route.did, "signing_address",
	    json_string_value(json_object_get(st->evidence, "signing_address")),
	    "signing_algo", "ecdsa", "gpu", gpu_json(st), "cpu", cpu_json(st),
	    "image_digest", "bound", bound_json(x, st), "evidence",
	    st->evidence, "statement", without_evidence(st));
}

static void
on_inquiry(void *arg, const struct statement *st, const struct fault *f)
{
	struct exchange *x = arg;
	json_t *one;

	x->question = NULL;
	if (f != NULL) {
		x->fault = *f;
	} else if (st->evidence == NULL) {
		fault_set(&x->fault, FAULT_PROVIDER_ERROR,
		    "the provider gave no evidence this time");
	} else {
		one = attestation_json(x, st);
		if (x->endpoint->kind == ENDPOINT_REPORT)
			one = json_pack("{s:n, s:[o]}", "gateway_attestation",
			    "model_attestations", one);
		x->answer = json_write(x->arena, one);
		x->status = 200;
		json_free(&one);
	}
	exchange_advance(x);
}

enum step
attest_ask(struct exchange *x)
{
	struct path *path;
	struct wish w;
	bool ok;

	ok = x->endpoint->kind == ENDPOINT_REPORT
		 ? read_parameters(x, &w, &x->fault)
		 : read_body(x, &w, &x->fault);
	if (!ok || !pick(x, &w, &x->fault))
		return LEDGER;
	path = presence_find(x->house->presence, x->route.session);
	if (path == NULL) {
		fault_set(&x->fault, FAULT_PROVIDER_UNREACHABLE,
		    "its tunnel closed after it was chosen");
		return LEDGER;
	}
	x->question = inquiry_ask(
	    x->house->loop, path, w.nonce, WITHIN_MS, x->arena, on_inquiry, x);
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

/* {"report": …, "policy"?: …}: judged here and now, by the policy given or by
 * the one that is active. */
enum step
attest_verify(struct exchange *x)
{
	const json_t *report, *policy;
	json_t *j = NULL;

	if (json_read(exchange_body(x), REPORT_BODY_MAX, &j, &x->fault) &&
	    json_get_object(
		j, "report", &report, FAULT_INVALID_REQUEST, &x->fault) &&
	    json_get_object_or(
		j, "policy", &policy, FAULT_INVALID_REQUEST, &x->fault) &&
	    verification_judge_report(x->house->verifications, report, policy,
		x->arena, &x->answer, &x->fault))
		x->status = 200;
	json_free(&j);
	return LEDGER;
}
