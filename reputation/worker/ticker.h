/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One tick: lead or wait, close the days that are over, add up what is new,
 * score what changed. It waits for Postgres at each statement: this process
 * serves nobody but operators, and a tick is short. Pulled down anywhere, the
 * next tick (of whoever leads then) goes on from what is committed.
 */
#ifndef REPUTATION_WORKER_TICKER_H
#define REPUTATION_WORKER_TICKER_H

#include "base/log.h"
#include "base/pg.h"
#include "reputation/worker/settings.h"

struct ticker_counts {
	uint64_t ticks, failures, events, pairs, tier_changes, days_closed;
	int64_t last_us;	    /* how long the last tick took */
	int64_t partitions_waiting; /* for tables in use */
	bool leads;
	bool is_up;
	bool is_off;	/* our clock is not Postgres's: we do not lead */
	bool is_behind; /* another day can be closed at once */
};

struct ticker;
struct ticker *ticker_new(
    const struct reputation_settings *s, const struct log *log);
void ticker_free(struct ticker **t);
/* Fails UNAVAILABLE where Postgres is away; the next tick connects anew. */
bool ticker_run(struct ticker *t, int64_t now_ms, struct fault *f);
/* Everything anew from the log, then one tick's scoring. Leads first. */
bool ticker_recompute(struct ticker *t, int64_t now_ms, struct fault *f);
const struct ticker_counts *ticker_counts(const struct ticker *t);

#endif
