/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often each offer was considered and not chosen, by reason: added up in
 * memory, written every few seconds. Counts for people: what a worker has not
 * written when it ends is lost, and nothing else depends on it.
 */
#ifndef GATEWAY_CONSIDERED_H
#define GATEWAY_CONSIDERED_H

#include "base/log.h"
#include "base/pg.h"
#include "gateway/route.h"

struct considered;
struct considered *considered_new(
    struct loop *l, struct pg *pg, const struct log *log);
void considered_free(struct considered **x);
/* One choice: every offer but the chosen one gets its reason, or
 * another_preferred. x may be NULL. */
void considered_note(struct considered *x, const struct route_ask *ask,
    const struct route *chosen);

#endif
