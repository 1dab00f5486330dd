/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See route.h: the rules stand there, in the order of the functions here.
 * Each narrows the list of candidates or takes one of them.
 */
#include "gateway/route.h"

#include <stdlib.h>
#include <string.h>

void
route_policy_default(struct route_policy *out)
{
	out->newcomer_permille = 50;
	out->newcomer_samples = 120;
	out->load_slack = 0.1;
}

/* ------------------------------------------------------------------ judging */

static struct route_candidate
judge(const struct route_ask *ask, const struct offer *o)
{
	const struct admission *x = &ask->admission;
	const struct catalog_score *s = offer_score(x->catalog, o);
	double delivered = s != NULL ? s->delivered : 0;

	return (struct route_candidate){
	    .offer = o,
	    .rejection = offer_admit(x, o),
	    .pool = offer_pool(x->query, o),
	    .tier = s != NULL ? s->tier : TIER_BRONZE,
	    .score = s != NULL ? s->score : -1,
	    .delivered = delivered,
	    .is_newcomer = delivered < ask->policy->newcomer_samples,
	};
}

static struct offer *const *
offers_for(const struct route_ask *ask, size_t *count)
{
	const struct query *q = ask->admission.query;

	return offers_of(
	    ask->offers, q->task->name, q->model->canonical, count);
}

/* The way to go: ours before a peer's, then the one with least to do. */
static const struct offer_source *
best_source(const struct offer *o)
{
	const struct offer_source *best = NULL;

	for (size_t i = 0; i < o->source_count; i++) {
		const struct offer_source *s = o->sources[i];

		if (s->is_draining)
			continue;
		if (best == NULL || s->is_local > best->is_local ||
		    (s->is_local == best->is_local && s->active < best->active))
			best = s;
	}
	return best;
}

static bool
is_local(const struct offer *o)
{
	const struct offer_source *s = best_source(o);

	return s != NULL && s->is_local;
}

/* ----------------------------------------------------------------- choosing */

struct choice {
	const struct route_ask *ask;
	struct route_candidate *at; /* admissible ones only */
	size_t count;
	const char *because;
};

typedef bool keeps(const struct route_candidate *c, int64_t wanted);

static size_t
how_many(const struct choice *x, keeps *fn, int64_t wanted)
{
	size_t n = 0;

	for (size_t i = 0; i < x->count; i++)
		n += fn(&x->at[i], wanted);
	return n;
}

static void
narrow(struct choice *x, keeps *fn, int64_t wanted)
{
	size_t kept = 0;

	for (size_t i = 0; i < x->count; i++) {
		if (fn(&x->at[i], wanted))
			x->at[kept++] = x->at[i];
	}
	x->count = kept;
}

static bool
is_of_pool(const struct route_candidate *c, int64_t wanted)
{
	return (int64_t)c->pool == wanted;
}

static bool
is_of_tier(const struct route_candidate *c, int64_t wanted)
{
	return (int64_t)c->tier == wanted;
}

static bool
is_newcomer(const struct route_candidate *c, int64_t wanted)
{
	return c->is_newcomer == (wanted != 0);
}

static bool
is_of_one_tier(const struct choice *x)
{
	return how_many(x, is_of_tier, (int64_t)x->at[0].tier) == x->count;
}

/* Two at random; the same one twice where there is only one. */
static void
draw_two(const struct choice *x, const struct route_candidate **a,
    const struct route_candidate **b)
{
	size_t i = x->ask->random[1] % x->count, k = i;

	if (x->count > 1) {
		k = x->ask->random[2] % (x->count - 1);
		k += k >= i;
	}
	*a = &x->at[i];
	*b = &x->at[k];
}

static const struct route_candidate *
take_ordered(struct choice *x)
{
	struct dids order = x->ask->admission.query->order;

	for (size_t i = 0; i < order.count; i++) {
		for (size_t k = 0; k < x->count; k++) {
			if (strcmp(x->at[k].offer->provider->did,
				order.at[i]) != 0)
				continue;
			x->because = "order";
			return &x->at[k];
		}
	}
	return NULL;
}

/* Nobody is new among newcomers, unless some have a tier. */
static bool
has_newcomers(const struct choice *x)
{
	size_t n = how_many(x, is_newcomer, 1);

	return n > 0 && (n < x->count || !is_of_one_tier(x));
}

/* By evidence and not by score, so that the share is spread evenly; of two and
 * not of all, so that many at once do not meet at one offer. */
static const struct route_candidate *
take_newcomer(struct choice *x)
{
	const struct query *q = x->ask->admission.query;
	const struct route_candidate *a, *b;

	if (q->min_tier != TIER_NONE || q->verified)
		return NULL;
	if (x->ask->random[0] % 1000 >= x->ask->policy->newcomer_permille)
		return NULL;
	if (!has_newcomers(x))
		return NULL;
	narrow(x, is_newcomer, 1);
	x->because = "newcomer";
	draw_two(x, &a, &b);
	return b->delivered < a->delivered ? b : a;
}

static void
keep_best_tier(struct choice *x)
{
	enum tier best = TIER_NONE;

	for (size_t i = 0; i < x->count; i++) {
		if (x->at[i].tier > best)
			best = x->at[i].tier;
	}
	narrow(x, is_of_tier, (int64_t)best);
}

static const struct route_candidate *
better_of_two(struct choice *x, const struct route_candidate *a,
    const struct route_candidate *b)
{
	double la = offer_provider_load(a->offer->provider);
	double lb = offer_provider_load(b->offer->provider);
	double slack = x->ask->policy->load_slack;

	x->because = "load";
	if (la + slack < lb)
		return a;
	if (lb + slack < la)
		return b;
	x->because = "score";
	if (a->score > b->score)
		return a;
	if (b->score > a->score)
		return b;
	x->because = "local";
	if (is_local(a->offer) && !is_local(b->offer))
		return a;
	if (is_local(b->offer) && !is_local(a->offer))
		return b;
	x->because = "draw";
	return a;
}

static const struct route_candidate *
take_of_two(struct choice *x)
{
	const struct route_candidate *a, *b;

	if (x->count == 1) {
		x->because = "only_one";
		return &x->at[0];
	}
	draw_two(x, &a, &b);
	return better_of_two(x, a, b);
}

static const struct route_candidate *
choose(struct choice *x)
{
	const struct route_candidate *c;

	c = take_ordered(x);
	if (c != NULL)
		return c;
	if (how_many(x, is_of_pool, POOL_WORKSPACE) > 0)
		narrow(x, is_of_pool, POOL_WORKSPACE);
	c = take_newcomer(x);
	if (c != NULL)
		return c;
	keep_best_tier(x);
	return take_of_two(x);
}

/* ------------------------------------------------------------------- result */

static bool
nobody(const struct route_ask *ask, const struct route *r, struct fault *f)
{
	const struct query *q = ask->admission.query;
	enum rejection furthest = ADMISSIBLE;

	for (int i = 1; i < REJECT_COUNT; i++) {
		if (r->rejected[i] > 0)
			furthest = (enum rejection)i;
	}
	if (furthest == REJECT_AT_CAPACITY)
		return fault_set(f, FAULT_OVERLOADED,
		    "every provider that may serve this is at capacity");
	if (furthest == REJECT_BELOW_TIER)
		return fault_set(f, FAULT_NO_PROVIDER_AT_TIER,
		    "no provider of at least tier %s serves this now",
		    tier_name(q->min_tier));
	if (furthest == REJECT_NOT_VERIFIED)
		return fault_set(f, FAULT_NO_VERIFIED_PROVIDER,
		    "no provider with fresh verified evidence serves this");
	if (furthest == REJECT_UNBOUND_KEY)
		return fault_set(f, FAULT_NO_VERIFIED_PROVIDER,
		    "no provider whose evidence binds the key that would sign "
		    "serves this");
	if (furthest == REJECT_NOT_DIRECT)
		return fault_set(f, FAULT_RUNTIME_UNREACHABLE,
		    "no provider of the workspace can be reached directly");
	if (q->pools == POOL_WORKSPACE || q->is_workspace_only)
		return fault_set(f, FAULT_NO_WORKSPACE_PROVIDER,
		    "no provider of the workspace can serve this now");
	return fault_set(
	    f, FAULT_NO_PROVIDER, "no provider can serve this now");
}

static void
fill(const struct route_candidate *c, struct route *out)
{
	const struct offer *o = c->offer;
	const struct offer_source *s = best_source(o);

	out->is_found = true;
	memcpy(out->did, o->provider->did, sizeof(out->did));
	memcpy(out->workspace, o->provider->workspace, sizeof(out->workspace));
	memcpy(out->session, s->session, sizeof(out->session));
	memcpy(out->quantization, o->quantization, sizeof(out->quantization));
	out->pool = c->pool;
	out->tier = c->tier;
	out->score = c->score;
	out->is_newcomer = c->is_newcomer;
}

static void
reject(struct route *out, const struct route_candidate *c)
{
	const char *why;

	out->rejected[c->rejection]++;
	if (c->rejection != REJECT_NOT_VERIFIED)
		return;
	why = offer_unverified(c->offer);
	for (size_t i = 0; i < ROUTE_UNVERIFIED; i++) {
		if (out->unverified[i].why == NULL)
			out->unverified[i].why = why;
		if (strcmp(out->unverified[i].why, why) == 0) {
			out->unverified[i].count++;
			return;
		}
	}
}

bool
route_choose(const struct route_ask *ask, struct route *out, struct fault *f)
{
	struct choice x = {.ask = ask};
	const struct route_candidate *best;
	struct offer *const *offers;

	memset(out, 0, sizeof(*out));
	out->because = "none";
	offers = offers_for(ask, &out->considered);
	x.at = mem_array(out->considered + 1, sizeof(*x.at));
	for (size_t i = 0; i < out->considered; i++) {
		struct route_candidate c = judge(ask, offers[i]);

		if (c.rejection == ADMISSIBLE)
			x.at[x.count++] = c;
		else
			reject(out, &c);
	}
	out->admissible = x.count;
	if (x.count != 0) {
		best = choose(&x);
		fill(best, out);
		out->because = x.because;
	}
	mem_free(x.at);
	return out->is_found || nobody(ask, out, f);
}

/* The list is shown: its order tells scores in tens and no closer. */
static int
by_rank(const void *a, const void *b)
{
	const struct route_candidate *x = a;
	const struct route_candidate *y = b;
	int xs = (int)(x->score / 10), ys = (int)(y->score / 10);

	if ((x->rejection == ADMISSIBLE) != (y->rejection == ADMISSIBLE))
		return x->rejection == ADMISSIBLE ? -1 : 1;
	if (x->rejection != y->rejection)
		return x->rejection > y->rejection ? -1 : 1;
	if (x->pool != y->pool)
		return x->pool < y->pool ? -1 : 1;
	if (x->tier != y->tier)
		return x->tier > y->tier ? -1 : 1;
	if (xs != ys)
		return xs > ys ? -1 : 1;
	return strcmp(x->offer->provider->did, y->offer->provider->did);
}

struct route_candidate *
route_candidates(const struct route_ask *ask, struct arena *a, size_t *count)
{
	struct offer *const *offers = offers_for(ask, count);
	struct route_candidate *at = arena_alloc(a, (*count + 1) * sizeof(*at));

	for (size_t i = 0; i < *count; i++)
		at[i] = judge(ask, offers[i]);
	if (*count > 1)
		qsort(at, *count, sizeof(*at), by_rank);
	return at;
}
