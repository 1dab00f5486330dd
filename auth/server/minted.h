/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of every handoff minted: in the spool before the token leaves,
 * in Postgres soon after. What the spool does not take is not minted.
 */
#ifndef AUTH_SERVER_MINTED_H
#define AUTH_SERVER_MINTED_H

#include "auth/handoff.h"
#include "auth/server/auth_db.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/pg.h"
#include "base/spool.h"

struct minted;
bool minted_open(struct loop *l, struct pg *pg, const char *folder,
    size_t spool_bytes, const struct log *log, struct minted **out,
    struct fault *f);
/* Fails OVERLOADED where the spool is full, SYSTEM where the disk is. */
bool minted_add(struct minted *m, const struct handoff_claims *c,
    const char *kid, const char *gateway, struct fault *f);
void minted_counts(const struct minted *m, struct spool_counts *out);
/* on_written(arg) once all is in Postgres; may never come without it. */
void minted_drain(struct minted *m, void (*on_written)(void *arg), void *arg);
void minted_free(struct minted **m); /* what is left stays in the spool */

/* Pure: a record of the spool, as texts in the arena. */
bool minted_read(
    struct arena *a, struct bytes record, const char *out[MINTED_COLUMNS]);

#endif
