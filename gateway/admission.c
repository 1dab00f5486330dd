/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See admission.h. One table, read from top to bottom: the first rule that
 * an offer breaks is its one reason.
 */
#include "gateway/admission.h"

#include <string.h>

const char *
rejection_name(enum rejection r)
{
	static const char *const names[REJECT_COUNT] = {"admissible",
#define X(name, code) code,
	    REJECTIONS(X)
#undef X
	};

	return names[r];
}

enum pool
offer_pool(const struct query *q, const struct offer *o)
{
	return strcmp(o->provider->workspace, q->workspace) == 0
		   ? POOL_WORKSPACE
		   : POOL_MARKETPLACE;
}

const struct catalog_device *
offer_device(const struct catalog *c, const struct offer *o)
{
	uint64_t id = catalog_part_id(c, CATALOG_DEVICES);
	struct offer_memo *m = o->memo;

	if (m->devices != id) {
		m->device = catalog_device_find(c, o->provider->did);
		m->devices = id;
	}
	return m->device;
}

const struct catalog_score *
offer_score(const struct catalog *c, const struct offer *o)
{
	uint64_t id = catalog_part_id(c, CATALOG_SCORES);
	struct offer_memo *m = o->memo;

	if (m->scores != id) {
		m->score =
		    catalog_score_find(c, o->provider->did, o->task, o->model);
		m->scores = id;
	}
	return m->score;
}

enum tier
offer_tier(const struct catalog *c, const struct offer *o)
{
	const struct catalog_score *s = offer_score(c, o);

	return s != NULL ? s->tier : TIER_BRONZE;
}

/* What the rules look at; looked up once, as there may be many offers. */
struct facts {
	const struct admission *x;
	const struct offer *offer;
	const struct catalog_device *device; /* NULL: the catalog has none */
	enum pool pool;
};

struct rule {
	enum rejection reason;
	bool (*breaks)(const struct facts *k);
};

static bool
is_unknown(const struct facts *k)
{
	return k->device == NULL;
}

static bool
is_revoked(const struct facts *k)
{
	return k->device->is_revoked;
}

static bool
is_suspended(const struct facts *k)
{
	return k->device->is_suspended;
}

/* What the offer's tunnel was told and what the catalog says must agree, or
 * the offer is nobody's: the pool is decided by both. */
static bool
is_outside_workspace(const struct facts *k)
{
	const struct query *q = k->x->query;

	if ((q->pools & POOL_MARKETPLACE) != 0 && !q->is_workspace_only)
		return false;
	return k->pool != POOL_WORKSPACE ||
	       strcmp(k->device->workspace, q->workspace) != 0;
}

static bool
is_outside_market(const struct facts *k)
{
	return (k->x->query->pools & POOL_WORKSPACE) == 0 &&
	       k->pool == POOL_WORKSPACE;
}

/* The query's model is of the same snapshot, and is the offer's. */
static bool
is_withdrawn(const struct facts *k)
{
	const struct catalog_model *m = k->x->query->model;

	return m->is_withdrawn ||
	       !catalog_model_has_task(m, k->x->query->task->name);
}

static bool
is_not_in_only(const struct facts *k)
{
	return k->x->query->has_only &&
	       !dids_has(k->x->query->only, k->offer->provider->did);
}

static bool
is_ignored(const struct facts *k)
{
	return dids_has(k->x->query->ignore, k->offer->provider->did);
}

static bool
is_other_quantization(const struct facts *k)
{
	return k->x->query->quantizations.count != 0 &&
	       !dids_has(k->x->query->quantizations, k->offer->quantization);
}

static bool
is_not_direct(const struct facts *k)
{
	return k->x->query->is_direct && k->offer->provider->direct[0] == NULL;
}

static bool
is_not_verified(const struct facts *k)
{
	return k->x->query->verified &&
	       k->offer->provider->verified_until <= k->x->now_ms;
}

/* A private exchange goes only where verified evidence binds the key that
 * signs it, on each way that may be taken. */
static bool
is_unbound(const struct facts *k)
{
	const struct offer_provider *p = k->offer->provider;

	if (!k->x->query->needs_key)
		return false;
	for (size_t i = 0; i < p->source_count; i++) {
		if (p->sources[i]->signing_address[0] == '\0')
			return true;
	}
	return p->source_count == 0;
}

const char *
offer_unverified(const struct offer *o)
{
	const struct offer_provider *p = o->provider;

	if (p->verified_until > 0)
		return "verdict_ended";
	return p->unverified != NULL ? p->unverified : "not_verified";
}

static bool
is_below_tier(const struct facts *k)
{
	return k->x->query->min_tier != TIER_NONE &&
	       offer_tier(k->x->catalog, k->offer) < k->x->query->min_tier;
}

static bool
is_in_doubt(const struct facts *k)
{
	return k->offer->provider->is_in_doubt;
}

/* Declared hours are for the marketplace; one's own workspace may always. */
static bool
is_outside_window(const struct facts *k)
{
	return !k->offer->provider->window_open && k->pool == POOL_MARKETPLACE;
}

static bool
is_draining(const struct facts *k)
{
	const struct offer *o = k->offer;

	for (size_t i = 0; i < o->source_count; i++) {
		if (!o->sources[i]->is_draining)
			return o->provider->is_draining;
	}
	return true;
}

static bool
is_tried(const struct facts *k)
{
	return dids_has(k->x->tried, k->offer->provider->did);
}

static bool
is_full(const struct facts *k)
{
	return !offer_provider_has_room(k->offer->provider);
}

static const struct rule rules[] = {
    /* clang-format off */
	{REJECT_DEVICE_UNKNOWN,      is_unknown},
	{REJECT_DEVICE_REVOKED,      is_revoked},
	{REJECT_SUSPENDED,           is_suspended},
	{REJECT_OUTSIDE_WORKSPACE,   is_outside_workspace},
	{REJECT_OUTSIDE_MARKETPLACE, is_outside_market},
	{REJECT_MODEL_WITHDRAWN,     is_withdrawn},
	{REJECT_NOT_IN_ONLY,         is_not_in_only},
	{REJECT_IGNORED,             is_ignored},
	{REJECT_QUANTIZATION,        is_other_quantization},
	{REJECT_NOT_DIRECT,          is_not_direct},
	{REJECT_NOT_VERIFIED,        is_not_verified},
	{REJECT_UNBOUND_KEY,         is_unbound},
	{REJECT_BELOW_TIER,          is_below_tier},
	{REJECT_IN_DOUBT,            is_in_doubt},
	{REJECT_OUTSIDE_WINDOW,      is_outside_window},
	{REJECT_DRAINING,            is_draining},
	{REJECT_TRIED,               is_tried},
	{REJECT_AT_CAPACITY,         is_full},
    /* clang-format on */
};
_Static_assert(sizeof(rules) / sizeof(rules[0]) == REJECT_COUNT - 1,
    "every reason has its rule");

enum rejection
offer_admit(const struct admission *x, const struct offer *o)
{
	struct facts k = {
	    x, o, offer_device(x->catalog, o), offer_pool(x->query, o)};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (rules[i].breaks(&k))
			return rules[i].reason;
	}
	return ADMISSIBLE;
}
