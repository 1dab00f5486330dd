/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A report that a buyer holds, judged for them, and what makers published
 * about evidence, for a buyer who judges alone. Nothing here changes what the
 * gateway itself believes of a provider.
 */
#ifndef GATEWAY_TRIAL_H
#define GATEWAY_TRIAL_H

#include "gateway/verification.h"

/* {"evidence", "bound"?}, or a bundle alone, against the policy given or,
 * where that is NULL, the active one; with the collateral at hand. It lives
 * in the arena and borrows the report and the means. Fails INVALID_REQUEST,
 * and UPSTREAM_DEPENDENCY_UNAVAILABLE where there is no policy. */
struct trial;
bool trial_prepare(const struct verification_means *m, const json_t *report,
    const json_t *policy, struct arena *a, struct trial **out, struct fault *f);
/* The verdict in JSON, in the arena. Milliseconds of work and nothing else:
 * no clock, no network, no writing. */
const char *trial_judge(struct trial *t);

/* Adds {name: {"base64", "fetched_at"}} for each piece of collateral that the
 * evidence needs and that is at hand. All of it is signed by its maker. */
void trial_collateral(const struct verification_means *m,
    const json_t *evidence, struct arena *a, json_t *into);

#endif
