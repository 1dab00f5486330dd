/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiers from scores: runs of UTC days, promotion at the close of a day,
 * demotion at once. Pure: days come in as numbers since 1970-01-01 UTC, so
 * that no time zone and no clock can matter. A day is closed once: whatever
 * comes late counts in the score from then on and rewrites no run.
 */
#ifndef REPUTATION_TIER_H
#define REPUTATION_TIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum standing { STANDING_BRONZE, STANDING_SILVER, STANDING_GOLD, STANDINGS };
const char *standing_name(enum standing x);
double standing_line(enum standing x); /* the score a day must close at */
int standing_days(enum standing x);    /* how many of them in a row */
#define TIER_HYSTERESIS 5.0
#define TIER_DISAGREEMENTS 3 /* canaries within 24 hours: a failed audit */

enum tier_reason {
	TIER_SAME,
	TIER_RUN_COMPLETE,
	TIER_SCORE_FELL,
	TIER_AUDIT_FAILED,
	TIER_NO_DATA,
	TIER_REASONS
};
const char *tier_reason_name(enum tier_reason x);

/* What is kept of a pair between days; all zero for a new one. */
struct tier_state {
	enum standing tier;
	int days[STANDINGS]; /* closed in a row at or above each line */
	bool has_closed;
	int64_t closed; /* the newest day that was closed */
};

#define DAY_MS INT64_C(86400000)
int64_t tier_day(int64_t unix_ms); /* the UTC day; before 1970 too */

/* score < 0: no data. */
enum tier_reason tier_close(
    struct tier_state *s, int64_t day, double score, bool is_excused);
/* The score as it runs, and whether an audit has failed. */
enum tier_reason tier_run(
    struct tier_state *s, double score, bool audit_failed);

/* The next tier and how many more days at its line it takes; false: gold. */
bool tier_missing(const struct tier_state *s, enum standing *next, int *days);

#endif
