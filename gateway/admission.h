/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One offer against one query: admissible, or exactly one reason. The only
 * place where that rule lives: routing, the dry run, a provider's own status
 * and the operators' views all ask here. Pure.
 *
 * Reasons stand in the order they are checked, from what can never be helped
 * to what passes by itself, so that the reason of the offer which came
 * furthest says best why nobody could serve (see route.h).
 */
#ifndef GATEWAY_ADMISSION_H
#define GATEWAY_ADMISSION_H

#include "gateway/offer.h"
#include "gateway/query.h"

/* X(NAME, "stable_reason"). Reasons may be added, never changed. */
#define REJECTIONS(X)                                                          \
	X(DEVICE_UNKNOWN, "device_unknown")                                    \
	X(DEVICE_REVOKED, "device_revoked")                                    \
	X(SUSPENDED, "workspace_suspended")                                    \
	X(OUTSIDE_WORKSPACE, "outside_workspace")                              \
	X(OUTSIDE_MARKETPLACE, "outside_marketplace")                          \
	X(MODEL_WITHDRAWN, "model_withdrawn")                                  \
	X(NOT_IN_ONLY, "not_in_only")                                          \
	X(IGNORED, "ignored")                                                  \
	X(QUANTIZATION, "quantization_not_accepted")                           \
	X(NOT_DIRECT, "no_direct_endpoint")                                    \
	X(NOT_VERIFIED, "not_verified")                                        \
	X(UNBOUND_KEY, "unbound_key")                                          \
	X(BELOW_TIER, "below_min_tier")                                        \
	X(IN_DOUBT, "fingerprint_in_doubt")                                    \
	X(OUTSIDE_WINDOW, "outside_window")                                    \
	X(DRAINING, "draining")                                                \
	X(TRIED, "already_tried")                                              \
	X(AT_CAPACITY, "at_capacity")

enum rejection {
	ADMISSIBLE = 0,
#define X(name, code) REJECT_##name,
	REJECTIONS(X)
#undef X
	    REJECT_COUNT
};
const char *rejection_name(enum rejection r); /* "admissible" for 0 */

struct admission {
	const struct catalog *catalog;
	const struct query *query;
	int64_t now_ms;	   /* Unix */
	struct dids tried; /* failed for this very request */
};

/* Why evidence does not count for an offer that REJECT_NOT_VERIFIED refuses:
 * the code of its verdict, "verdict_ended" where it was good until then, or
 * "not_verified" where none is known. */
const char *offer_unverified(const struct offer *o);

enum rejection offer_admit(const struct admission *x, const struct offer *o);

/* The pool an offer is of, for this buyer. */
enum pool offer_pool(const struct query *q, const struct offer *o);
/* What the catalog has on it; NULL: nothing. */
const struct catalog_device *offer_device(
    const struct catalog *c, const struct offer *o);
const struct catalog_score *offer_score(
    const struct catalog *c, const struct offer *o);
/* Its tier on its (task, model); bronze where there is no row. */
enum tier offer_tier(const struct catalog *c, const struct offer *o);

#endif
