/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How old a piece of collateral may be: since it came from its source, by the
 * policy's max_collateral_age_s. The same for every kind; what the piece says
 * of its own validity counts besides.
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

#endif
