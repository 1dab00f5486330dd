/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The choice among admissible offers. Pure: randomness comes in.
 *
 *  1. `order`: the first of its DIDs that is admissible takes the request.
 *  2. The buyer's own workspace before the marketplace.
 *  3. Where no tier and no proof is asked, a share (default 5 %) goes to a
 *     newcomer of that pool: an offer with less evidence of delivery than
 *     `newcomer_samples`. Of two drawn at random, the one with less.
 *  4. Otherwise only the offers of the highest tier present.
 *  5. Of two drawn at random, the one with clearly less load; else the
 *     better score; else the one whose tunnel this worker holds; else the
 *     first drawn.
 *
 * Where nothing is admissible the fault is that of the offer which came
 * furthest through admission (enum rejection is in that order):
 *
 *	at_capacity                         overloaded
 *	below_min_tier                      no_provider_at_tier
 *	not_verified                        no_verified_provider
 *	no_direct_endpoint                  runtime_unreachable
 *	anything else, or no offer at all   no_workspace_provider where the
 *	                                    query may not leave the workspace,
 *	                                    no_provider otherwise
 */
#ifndef GATEWAY_ROUTE_H
#define GATEWAY_ROUTE_H

#include "gateway/admission.h"

#define ROUTE_UNVERIFIED 24 /* reasons told apart */

struct route_policy {
	unsigned newcomer_permille; /* default 50 */
	double newcomer_samples;    /* default 120 */
	double load_slack;	    /* loads this near are equal; default 0.1 */
};
void route_policy_default(struct route_policy *out);

struct route_ask {
	struct admission admission;
	const struct offers *offers;
	const struct route_policy *policy;
	uint64_t random[3]; /* newcomer, first draw, second draw */
};

struct route_candidate {
	const struct offer *offer;
	enum rejection rejection; /* ADMISSIBLE: a candidate */
	enum pool pool;
	enum tier tier;
	double score;	  /* negative: no data */
	double delivered; /* evidence of delivery: audits add nothing to it */
	bool is_newcomer;
};

struct route {
	bool is_found;
	char did[DID_SIZE];
	char workspace[UUID_TEXT]; /* the provider's */
	char session[UUID_TEXT];
	char quantization[40];
	enum pool pool;
	enum tier tier;
	double score;
	bool is_newcomer;
	const char *because; /* the rule that decided: "order", … */
	size_t admissible;
	size_t considered;
	unsigned rejected[REJECT_COUNT];
	/* Those of REJECT_NOT_VERIFIED by offer_unverified; the rest of them,
	 * where there are more reasons than room, have none. */
	struct {
		const char *why;
		unsigned count;
	} unverified[ROUTE_UNVERIFIED];
};

/* False, with the fault of the rule above, where nobody can serve. `out` is
 * filled either way. */
bool route_choose(
    const struct route_ask *ask, struct route *out, struct fault *f);

/* Every offer for the query with its judgement, best rank first; in the
 * arena. For /v1/route and `explain`. */
struct route_candidate *route_candidates(
    const struct route_ask *ask, struct arena *a, size_t *count);

#endif
