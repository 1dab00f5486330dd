/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What makers publish about their hardware, at hand for verifiers: from a
 * folder (offline), from Postgres (what any gateway fetched), from configured
 * URLs. Judging never waits for any of it: what is missing is sought, and its
 * arrival is told. When a source is away, or answers with what cannot be
 * used, what is still held serves on (the policy bounds its age) and log,
 * metric and row say so. All of it is signed by its makers and verified at
 * each use, so nothing here needs to be trusted; and wherever a piece comes
 * from, one that was verified gives way to no forgery and no older edition
 * (collateral_held.h).
 */
#ifndef GATEWAY_COLLATERAL_H
#define GATEWAY_COLLATERAL_H

#include "attestation/evidence.h"
#include "base/fetch.h"
#include "base/log.h"
#include "base/pg.h"
#include "gateway/collateral_genuine.h"
#include "gateway/collateral_plan.h"
#include "gateway/counters.h"

struct collaterals_settings {
	const char *folder; /* files named as the items are; or NULL */
	struct collateral_urls urls;
	int64_t refresh_ms;	   /* older than this, or this near to its next
				    * update, is fetched anew */
	int64_t within_ms;	   /* patience for one answer */
	struct counters *counters; /* NULL: nothing is counted */
	/* Whether what came is its maker's (collateral_genuine.h), with the
	 * arg of on_new; NULL: not asked, so nothing is known to be. */
	enum genuine (*is_genuine)(
	    void *arg, const char *name, struct bytes body, struct fault *f);
};

struct collaterals;
/* on_new(arg) when something has arrived that was missed or is newer; never
 * from inside collaterals_find. fetch is borrowed; NULL: nothing is fetched. */
struct collaterals *collaterals_new(struct loop *l, struct pg *pg,
    struct fetch *fetch, const struct collaterals_settings *s,
    void (*on_new)(void *arg), void *arg, const struct log *log);
void collaterals_free(struct collaterals **c);

/* Fills out with those of the names that are at hand, and returns how many;
 * asks for the others. Bodies live until the loop turns. */
size_t collaterals_find(struct collaterals *c, const char *const *names,
    size_t count, struct collateral_item *out);

/* Those that are held, and nothing more: no seek, no new entry, no use noted.
 * For names that a buyer or a provider's answer to a buyer made up. */
size_t collaterals_peek(const struct collaterals *c, const char *const *names,
    size_t count, struct collateral_item *out);

/* Changes whenever the bytes under this name do; 0: none are held. */
uint64_t collaterals_generation(struct collaterals *c, const char *name);

#endif
