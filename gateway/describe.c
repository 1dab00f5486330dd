/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See describe.h. Every function here reads and none decides: what is
 * servable, and why not, is asked of admission.
 */
#include "gateway/describe.h"

#include <string.h>

#include "base/json.h"
#include "gateway/blur.h"

enum {
	CANDIDATES_SHOWN = 200,	   /* in the answer to a dry run */
	CANDIDATES_EXPLAINED = 20, /* in a response's header field */
	HALF_LIFE_DAYS = 7	   /* of the evidence behind a score */
};

static json_t *
score_json(double score)
{
	return score < 0 ? json_null() : json_real(score);
}

static json_t *
text_json(const char *s)
{
	return s != NULL ? json_string(s) : json_null();
}

static json_t *
time_json(int64_t unix_ms)
{
	char text[RFC3339_TEXT];

	if (unix_ms <= 0)
		return json_null();
	time_to_rfc3339(unix_ms, text);
	return json_string(text);
}

static char *
written(struct arena *a, json_t *j)
{
	char *text = json_write(a, j);

	json_free(&j);
	return text;
}

static json_t *
parts_json(const char *parts)
{
	json_t *j;

	if (parts == NULL || !json_read(text_of(parts), 65536, &j, NULL))
		return json_object();
	return j;
}

/* The score of a pair as everybody may know it; s may be NULL. */
static json_t *
told_json(const struct catalog_score *s)
{
	json_t *parts = parts_json(s != NULL ? s->parts : NULL);
	struct blurred told;

	blur_parts(parts, &told);
	json_free(&parts);
	return score_json(told.score);
}

/* ----------------------------------------------------------------- models */

struct tally {
	int64_t workspace;
	int64_t marketplace;
	int64_t verified;
	int64_t tiers[TIER_GOLD + 1];
	json_t *quantizations;
};

static bool
array_has(const json_t *array, const char *s)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		if (strcmp(json_string_value(json_array_get(array, i)), s) == 0)
			return true;
	}
	return false;
}

static void
count_offer(const struct describe *d, const struct query *q,
    const struct offer *o, struct tally *t)
{
	struct admission x = {d->catalog, q, d->now_ms, {NULL, 0}};
	enum rejection r = offer_admit(&x, o);

	if (r != ADMISSIBLE && r != REJECT_AT_CAPACITY)
		return;
	if (offer_pool(q, o) == POOL_WORKSPACE)
		t->workspace++;
	else
		t->marketplace++;
	t->tiers[offer_tier(d->catalog, o)]++;
	t->verified += o->provider->verified_until > d->now_ms;
	if (!array_has(t->quantizations, o->quantization))
		json_array_append_new(
		    t->quantizations, json_string(o->quantization));
}

/* The query of somebody who sets no option at all. */
static struct query
bare_query(
    const struct describe *d, const struct catalog_model *m, const char *task)
{
	const struct principal *p = d->principal;
	struct query q = {
	    .task = catalog_task_find(d->catalog, text_of(task)),
	    .model = m,
	    .pools = principal_may_use_market(p) ? POOL_BOTH : POOL_WORKSPACE,
	    .is_workspace_only = principal_is_workspace_only(p),
	    .allow_fallbacks = true,
	};

	memcpy(q.workspace, p->workspace, sizeof(q.workspace));
	return q;
}

static json_t *
task_json(const struct describe *d, const struct catalog_model *m,
    const char *task, struct tally *t)
{
	struct query q = bare_query(d, m, task);
	struct offer *const *at;
	size_t count;

	at = offers_of(d->offers, task, m->canonical, &count);
	for (size_t i = 0; i < count; i++)
		count_offer(d, &q, at[i], t);
	return json_pack("{s:s, s:{s:I, s:I, s:I}, s:{s:I, s:I, s:I}}", "task",
	    task, "providers", "workspace", (json_int_t)t->workspace,
	    "marketplace", (json_int_t)t->marketplace, "verified",
	    (json_int_t)t->verified, "tiers", "bronze",
	    (json_int_t)t->tiers[TIER_BRONZE], "silver",
	    (json_int_t)t->tiers[TIER_SILVER], "gold",
	    (json_int_t)t->tiers[TIER_GOLD]);
}

/* Who the namespace of a canonical id names. */
static json_t *
owner_json(const char *canonical)
{
	return json_stringn(canonical, strcspn(canonical, ":"));
}

/* *servable: by how many providers, over its tasks. */
static json_t *
model_json(
    const struct describe *d, const struct catalog_model *m, int64_t *servable)
{
	json_t *quantizations = json_array();
	json_t *tasks = json_array();
	json_t *j;

	*servable = 0;
	for (size_t i = 0; i < m->task_count; i++) {
		struct tally t = {.quantizations = quantizations};

		json_array_append_new(tasks, task_json(d, m, m->tasks[i], &t));
		*servable += t.workspace + t.marketplace;
	}
	j = json_pack("{s:s, s:s, s:I, s:o, s:s, s:b, s:o, s:o}", "id",
	    m->canonical, "object", "model", "created",
	    (json_int_t)(m->created_at / 1000), "owned_by",
	    owner_json(m->canonical), "name",
	    m->display_name[0] != '\0' ? m->display_name : m->canonical,
	    "private", m->workspace != NULL, "quantizations", quantizations,
	    "tasks", tasks);
	json_object_set_new(j, "context_length",
	    m->context_length > 0 ? json_integer(m->context_length)
				  : json_null());
	json_object_set_new(j, "servable", json_boolean(*servable > 0));
	return j;
}

char *
describe_models(const struct describe *d, struct arena *a)
{
	json_t *data = json_array();

	for (size_t i = 0; i < catalog_model_count(d->catalog); i++) {
		const struct catalog_model *m = catalog_model_at(d->catalog, i);
		int64_t servable;
		json_t *j;

		if (m->is_withdrawn ||
		    !catalog_model_is_visible(m, d->principal->workspace))
			continue;
		j = model_json(d, m, &servable);
		if (servable > 0)
			json_array_append(data, j);
		json_free(&j);
	}
	return written(
	    a, json_pack("{s:s, s:o}", "object", "list", "data", data));
}

bool
describe_model(const struct describe *d, struct text canonical, struct arena *a,
    char **out, struct fault *f)
{
	const struct catalog_model *m =
	    catalog_model_find(d->catalog, canonical, d->principal->workspace);
	int64_t servable;

	if (m == NULL || m->is_withdrawn)
		return fault_set(f, FAULT_MODEL_NOT_FOUND,
		    "there is no model %.*s",
		    (int)(canonical.len < 100 ? canonical.len : 100),
		    canonical.at);
	*out = written(a, model_json(d, m, &servable));
	return true;
}

/* -------------------------------------------------------------- providers */

/* What is missing for the next tier is between a provider and us. */
static json_t *
standing_json(const struct describe *d, const char *did,
    const struct catalog_score *s, struct blurred *told)
{
	const struct catalog_device *x = catalog_device_find(d->catalog, did);
	json_t *j = parts_json(s != NULL ? s->parts : NULL);

	if (x == NULL || strcmp(x->workspace, d->principal->workspace) != 0)
		json_object_del(j, "next");
	blur_parts(j, told);
	return j;
}

/* One (task, model) of a provider: what is measured, what is live, or both. */
static json_t *
pair_json(const struct describe *d, const char *did, const char *task,
    const char *model)
{
	const struct catalog_score *s =
	    catalog_score_find(d->catalog, did, task, model);
	const struct offer *o = offers_find(d->offers, did, task, model);
	struct blurred told;
	json_t *parts = standing_json(d, did, s, &told);
	json_t *j = json_pack("{s:s, s:s, s:s, s:o, s:f, s:i, s:o, s:o}",
	    "task", task, "model", model, "tier",
	    tier_name(s != NULL ? s->tier : TIER_BRONZE), "score",
	    score_json(told.score), "sample_size", told.samples,
	    "half_life_days", HALF_LIFE_DAYS, "parts", parts, "updated_at",
	    time_json(s != NULL ? blur_time(s->updated_at) : 0));

	json_object_set_new(j, "connected", json_boolean(o != NULL));
	json_object_set_new(j, "fingerprint",
	    o == NULL ? json_null()
		      : json_string(o->provider->is_in_doubt ? "in_doubt"
							     : "accepted"));
	json_object_set_new(j, "quantization",
	    o == NULL ? json_null() : json_string(o->quantization));
	return j;
}

static bool
may_see(const struct describe *d, const char *model)
{
	return catalog_model_find(
		   d->catalog, text_of(model), d->principal->workspace) != NULL;
}

static json_t *
pairs_json(const struct describe *d, const char *did)
{
	const struct offer_provider *p = offers_provider(d->offers, did);
	const struct catalog_score *const *scores;
	json_t *array = json_array();
	size_t count;

	scores = catalog_scores_of(d->catalog, did, &count);
	for (size_t i = 0; i < count; i++) {
		if (may_see(d, scores[i]->model))
			json_array_append_new(
			    array, pair_json(d, did, scores[i]->task,
				       scores[i]->model));
	}
	if (p == NULL)
		return array;
	for (const struct offer *o = p->offers; o != NULL; o = o->of_provider) {
		if (may_see(d, o->model) && catalog_score_find(d->catalog, did,
						o->task, o->model) == NULL)
			json_array_append_new(
			    array, pair_json(d, did, o->task, o->model));
	}
	return array;
}

static const char *
device_status(const struct catalog_device *x, const struct offer_provider *p)
{
	if (x->is_revoked)
		return "revoked";
	if (x->is_suspended)
		return "suspended";
	if (p == NULL)
		return "not_connected";
	return p->is_draining ? "draining" : "connected";
}

bool
describe_provider(const struct describe *d, const char *did, struct arena *a,
    char **out, struct fault *f)
{
	const struct catalog_device *x = catalog_device_find(d->catalog, did);
	const struct offer_provider *p = offers_provider(d->offers, did);
	bool verified = p != NULL && p->verified_until > d->now_ms;
	json_t *j;

	if (x == NULL)
		return fault_set(f, FAULT_PROVIDER_NOT_FOUND,
		    "there is no provider %.100s", did);
	j = json_pack("{s:s, s:s, s:s, s:b, s:{s:s, s:o}, s:o, s:o}", "did",
	    did, "object", "provider", "status", device_status(x, p),
	    "own_workspace", strcmp(x->workspace, d->principal->workspace) == 0,
	    "attestation", "status", verified ? "verified" : "none",
	    "verified_until", time_json(verified ? p->verified_until : 0),
	    "certificate_expires_at", time_json(x->certificate_expires_at),
	    "pairs", pairs_json(d, did));
	json_object_set_new(j, "marketplace_open",
	    p == NULL ? json_null() : json_boolean(p->window_open));
	*out = written(a, j);
	return true;
}

/* --------------------------------------------------------------- requests */

static json_t *
number_json(int64_t n)
{
	return n < 0 ? json_null() : json_integer(n);
}

/* To the nearest sixteenth: a binary fraction prints as short as it is. */
static json_t *
ms_json(int64_t us)
{
	int64_t sixteenths = (us * 16 + 500) / 1000;

	return us < 0 ? json_null() : json_real((double)sixteenths / 16);
}

/* The sentence stays with the operator; the code is for everybody. */
static json_t *
attempt_json(const struct attempt_row *t)
{
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
	    "ordinal", (json_int_t)t->ordinal, "provider", text_json(t->did),
	    "pool", text_json(t->pool), "tier", text_json(t->tier), "outcome",
	    text_json(t->outcome), "status", number_json(t->status), "code",
	    text_json(t->fault_code), "started_ms", ms_json(t->started_us),
	    "first_byte_ms", ms_json(t->first_byte_us), "total_ms",
	    ms_json(t->total_us));
}

static json_t *
usage_json(const struct request_row *r)
{
	if (r->prompt_tokens < 0 && r->completion_tokens < 0)
		return json_null();
	return json_pack("{s:o, s:o}", "prompt_tokens",
	    number_json(r->prompt_tokens), "completion_tokens",
	    number_json(r->completion_tokens));
}

static json_t *
timings_json(const struct request_row *r)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "auth_ms",
	    ms_json(r->auth_us), "route_ms", ms_json(r->route_us), "mint_ms",
	    ms_json(r->mint_us), "connect_ms", ms_json(r->connect_us),
	    "first_byte_ms", ms_json(r->first_byte_us), "total_ms",
	    ms_json(r->total_us));
}

char *
describe_request(const struct request_row *r,
    const struct attempt_row *attempts, size_t count, struct arena *a)
{
	json_t *list = json_array();
	json_t *j;

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, attempt_json(&attempts[i]));
	j = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:b}", "id", r->id,
	    "object", "request", "created_at", time_json(r->created_at),
	    "endpoint", text_json(r->endpoint), "task", text_json(r->task),
	    "model", text_json(r->model), "stream", r->streamed);
	json_object_set_new(j, "wanted",
	    json_pack("{s:o, s:o, s:b}", "pool", text_json(r->pool_wanted),
		"min_tier", text_json(r->min_tier), "verified", r->verified));
	json_object_set_new(j, "outcome", text_json(r->outcome));
	json_object_set_new(j, "status", number_json(r->status));
	json_object_set_new(j, "code", text_json(r->fault_code));
	json_object_set_new(j, "route",
	    json_pack("{s:o, s:o, s:o, s:o}", "provider", text_json(r->did),
		"pool", text_json(r->pool), "tier", text_json(r->tier),
		"quantization", text_json(r->quantization)));
	json_object_set_new(j, "attempts", list);
	json_object_set_new(j, "rejected", parts_json(r->rejected));
	json_object_set_new(j, "usage", usage_json(r));
	json_object_set_new(j, "request_bytes", number_json(r->request_bytes));
	json_object_set_new(
	    j, "response_bytes", number_json(r->response_bytes));
	json_object_set_new(j, "timings", timings_json(r));
	return written(a, j);
}

/* -------------------------------------------------------------- decisions */

/* The unverified by their verdicts; returns how many these were. */
static unsigned
rejected_verdicts(const struct route *r, json_t *j)
{
	unsigned told = 0;

	for (size_t i = 0; i < ROUTE_UNVERIFIED; i++) {
		if (r->unverified[i].count == 0)
			continue;
		told += r->unverified[i].count;
		json_object_set_new(j, r->unverified[i].why,
		    json_integer(r->unverified[i].count));
	}
	return told;
}

json_t *
describe_rejected(const struct route *r)
{
	json_t *j = json_object();

	for (int i = 1; i < REJECT_COUNT; i++) {
		unsigned left = r->rejected[i];

		if (i == REJECT_NOT_VERIFIED)
			left -= rejected_verdicts(r, j);
		if (left > 0)
			json_object_set_new(j,
			    rejection_name((enum rejection)i),
			    json_integer(left));
	}
	return j;
}

char *
describe_rejected_text(const struct route *r, struct arena *a)
{
	return written(a, describe_rejected(r));
}

static json_t *
choice_json(const struct admission *x, const struct route *r)
{
	if (!r->is_found)
		return json_null();
	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:b, s:s}", "did", r->did,
	    "pool", pool_name(r->pool), "tier", tier_name(r->tier), "score",
	    told_json(catalog_score_find(x->catalog, r->did,
		x->query->task->name, x->query->model->canonical)),
	    "quantization", r->quantization, "newcomer", r->is_newcomer,
	    "because", r->because);
}

static const char *
reason_of(const struct route_candidate *c)
{
	return c->rejection == REJECT_NOT_VERIFIED
		   ? offer_unverified(c->offer)
		   : rejection_name(c->rejection);
}

static json_t *
candidate_json(const struct catalog *of, const struct route_candidate *c)
{
	bool ok = c->rejection == ADMISSIBLE;

	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:b, s:b, s:s?}", "did",
	    c->offer->provider->did, "pool", pool_name(c->pool), "tier",
	    tier_name(c->tier), "score", told_json(offer_score(of, c->offer)),
	    "quantization", c->offer->quantization, "newcomer", c->is_newcomer,
	    "admissible", ok, "reason", ok ? NULL : reason_of(c));
}

static json_t *
rejected_json(const struct route_candidate *c)
{
	return json_pack("{s:s, s:s}", "did", c->offer->provider->did, "reason",
	    reason_of(c));
}

static json_t *
decision_json(const struct route_ask *ask, const struct route *r, size_t most)
{
	struct arena *a = arena_new();
	json_t *list = json_array();
	json_t *rejected = json_array();
	size_t count;
	struct route_candidate *at = route_candidates(ask, a, &count);
	json_t *j;

	for (size_t i = 0; i < count && i < most; i++) {
		json_array_append_new(
		    list, candidate_json(ask->admission.catalog, &at[i]));
		if (at[i].rejection != ADMISSIBLE)
			json_array_append_new(rejected, rejected_json(&at[i]));
	}
	j = json_pack("{s:o, s:o, s:o, s:o, s:I, s:I}", "choice",
	    choice_json(&ask->admission, r), "candidates", list, "rejected",
	    rejected, "rejected_counts", describe_rejected(r), "considered",
	    (json_int_t)r->considered, "admissible", (json_int_t)r->admissible);
	arena_free(&a);
	return j;
}

json_t *
describe_decision(const struct route_ask *ask, const struct route *r)
{
	return decision_json(ask, r, CANDIDATES_EXPLAINED);
}

static json_t *
names_json(struct dids d)
{
	json_t *array = json_array();

	for (size_t i = 0; i < d.count; i++)
		json_array_append_new(array, json_string(d.at[i]));
	return array;
}

/* The query as it was understood. */
static json_t *
query_json(const struct query *q)
{
	return json_pack("{s:s, s:s, s:s, s:b, s:o, s:b, s:o, s:o, s:o, s:o,"
			 " s:b, s:{s:I, s:I, s:I}}",
	    "task", q->task->name, "model", q->model->canonical, "pool",
	    pool_name(q->pools), "workspace_only", q->is_workspace_only,
	    "min_tier",
	    text_json(q->min_tier != TIER_NONE ? tier_name(q->min_tier) : NULL),
	    "verified", q->verified, "only",
	    q->has_only ? names_json(q->only) : json_null(), "ignore",
	    names_json(q->ignore), "order", names_json(q->order),
	    "quantizations", names_json(q->quantizations), "allow_fallbacks",
	    q->allow_fallbacks, "timeouts", "first_byte_ms",
	    (json_int_t)q->timeouts.first_byte_ms, "stall_ms",
	    (json_int_t)q->timeouts.stall_ms, "total_ms",
	    (json_int_t)q->timeouts.total_ms);
}

char *
describe_route(const struct route_ask *ask, const struct route *r,
    const struct fault *f, const char *request_id, struct arena *a)
{
	json_t *j = decision_json(ask, r, CANDIDATES_SHOWN);

	json_object_set_new(j, "object", json_string("route"));
	json_object_set_new(j, "request_id", text_json(request_id));
	json_object_set_new(j, "query", query_json(ask->admission.query));
	json_object_set_new(j, "error",
	    f == NULL ? json_null()
		      : json_pack("{s:s, s:s}", "code", fault_code(f->kind),
			    "message", f->why));
	return written(a, j);
}
