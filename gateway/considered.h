/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often each offer was considered and not chosen, by reason: added up in
 * memory, put into a spool of its own every few seconds and when the worker
 * ends, and from there into Postgres. Counts for people: a worker that is
 * killed loses its last seconds, and one that is killed while Postgres takes
 * a batch may count that batch twice.
 */
#ifndef GATEWAY_CONSIDERED_H
#define GATEWAY_CONSIDERED_H

#include "base/log.h"
#include "base/pg.h"
#include "gateway/gateway_db.h"
#include "gateway/route.h"

struct considered;
/* What an earlier life left in the folder is written first. */
bool considered_open(struct loop *l, struct pg *pg, const char *folder,
    const struct log *log, struct considered **out, struct fault *f);
void considered_free(struct considered **x);
/* One choice: every offer but the chosen one gets its reason, or
 * another_preferred. x may be NULL. */
void considered_note(struct considered *x, const struct route_ask *ask,
    const struct route *chosen);
/* All of it is in the spool when this returns; fn, through the loop, once it
 * is in Postgres too or Postgres does not take it now. */
void considered_drain(struct considered *x, void (*fn)(void *arg), void *arg);

/* Pure: a record of the spool; out has room for NOT_CHOSEN_ROWS, texts are in
 * the arena. */
#define NOT_CHOSEN_ROWS 100
bool not_chosen_read(struct bytes record, struct arena *a,
    struct not_chosen_row *out, size_t *count, struct fault *f);

#endif
