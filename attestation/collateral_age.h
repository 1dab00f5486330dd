/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How old a piece of collateral may be: since it came from its source, by the
 * policy's max_collateral_age_s, the same for every kind; and a revocation
 * list since its maker signed it, by max_crl_age_s, for a source that gives
 * the same list again and again would keep it young. What the piece says of
 * its own validity counts besides.
 */
#ifndef ATTESTATION_COLLATERAL_AGE_H
#define ATTESTATION_COLLATERAL_AGE_H

#include "attestation/evidence.h"

/* When it becomes too old, in Unix ms. */
int64_t collateral_age_end(
    const struct examination *x, const struct collateral_item *item);
/* Whether it came before now, up to a minute of clock difference; else an
 * error by that name: not_yet_valid. */
bool collateral_has_come(const struct examination *x,
    const struct collateral_item *item, const char *name, struct verdict *v);
/* The above and not too old (stale), which bounds the verdict too. */
bool collateral_young(const struct examination *x,
    const struct collateral_item *item, const char *name, struct verdict *v);
/* Whether a list that was issued then (thisUpdate) is not too old at the
 * verdict's time (stale), which bounds the verdict too. */
bool collateral_list_young(const struct policy *p, int64_t issued,
    const char *name, struct verdict *v);

#endif
