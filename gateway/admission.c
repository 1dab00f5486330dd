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

enum tier
offer_tier(const struct catalog *c, const struct offer *o)
{
	const struct catalog_score *s =
	    catalog_score_find(c, o->provider->did, o->task, o->model);

	return s != NULL ? s->tier : TIER_BRONZE;
}

struct rule {
	enum rejection reason;
	bool (*breaks)(const struct admission *x, const struct offer *o);
};

static bool
is_unknown(const struct admission *x, const struct offer *o)
{
	return catalog_device_find(x->catalog, o->provider->did) == NULL;
}

static bool
is_revoked(const struct admission *x, const struct offer *o)
{
	return catalog_device_find(x->catalog, o->provider->did)->is_revoked;
}

static bool
is_suspended(const struct admission *x, const struct offer *o)
{
	return catalog_device_find(x->catalog, o->provider->did)->is_suspended;
}

/* What the offer's tunnel was told and what the catalog says must agree, or
 * the offer is nobody's: the pool is decided by both. */
static bool
is_outside_workspace(const struct admission *x, const struct offer *o)
{
	const struct catalog_device *d =
	    catalog_device_find(x->catalog, o->provider->did);

	if ((x->query->pools & POOL_MARKETPLACE) != 0 &&
	    !x->query->is_workspace_only)
		return false;
	return strcmp(d->workspace, x->query->workspace) != 0 ||
	       offer_pool(x->query, o) != POOL_WORKSPACE;
}

static bool
is_outside_market(const struct admission *x, const struct offer *o)
{
	return (x->query->pools & POOL_WORKSPACE) == 0 &&
	       offer_pool(x->query, o) == POOL_WORKSPACE;
}

static bool
is_withdrawn(const struct admission *x, const struct offer *o)
{
	const struct catalog_model *m = catalog_model_find(
	    x->catalog, text_of(o->model), x->query->workspace);

	return m == NULL || m->is_withdrawn ||
	       !catalog_model_has_task(m, o->task);
}

static bool
is_not_in_only(const struct admission *x, const struct offer *o)
{
	return x->query->has_only &&
	       !dids_has(x->query->only, o->provider->did);
}

static bool
is_ignored(const struct admission *x, const struct offer *o)
{
	return dids_has(x->query->ignore, o->provider->did);
}

static bool
is_other_quantization(const struct admission *x, const struct offer *o)
{
	return x->query->quantizations.count != 0 &&
	       !dids_has(x->query->quantizations, o->quantization);
}

static bool
is_not_direct(const struct admission *x, const struct offer *o)
{
	return x->query->is_direct && o->provider->direct[0] == NULL;
}

static bool
is_not_verified(const struct admission *x, const struct offer *o)
{
	return x->query->verified && o->provider->verified_until <= x->now_ms;
}

static bool
is_below_tier(const struct admission *x, const struct offer *o)
{
	return x->query->min_tier != TIER_NONE &&
	       offer_tier(x->catalog, o) < x->query->min_tier;
}

static bool
is_in_doubt(const struct admission *x, const struct offer *o)
{
	(void)x;
	return o->provider->is_in_doubt;
}

/* Declared hours are for the marketplace; one's own workspace may always. */
static bool
is_outside_window(const struct admission *x, const struct offer *o)
{
	return !o->provider->window_open &&
	       offer_pool(x->query, o) == POOL_MARKETPLACE;
}

static bool
is_draining(const struct admission *x, const struct offer *o)
{
	(void)x;
	for (size_t i = 0; i < o->source_count; i++) {
		if (!o->sources[i]->is_draining)
			return o->provider->is_draining;
	}
	return true;
}

static bool
is_tried(const struct admission *x, const struct offer *o)
{
	return dids_has(x->tried, o->provider->did);
}

static bool
is_full(const struct admission *x, const struct offer *o)
{
	(void)x;
	return !offer_provider_has_room(o->provider);
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
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (rules[i].breaks(x, o))
			return rules[i].reason;
	}
	return ADMISSIBLE;
}
