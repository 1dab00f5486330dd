/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch of pairs: their evidence as rows comes in, scores and tiers as one
 * array a column go out. All judgement is reputation/'s; this reads and
 * writes. Memory is bounded by the batch.
 */
#ifndef REPUTATION_WORKER_SCORER_H
#define REPUTATION_WORKER_SCORER_H

#include "base/pg.h"
#include "reputation/score.h"
#include "reputation/tier.h"

struct scorer_moment {
	int64_t now_ms;
	int64_t day;	 /* whose weights they are */
	bool is_closing; /* of that day; else the score as it runs */
	bool is_excused;
};

enum { SCORER_PARAMS = 16 };
/* Fills the parameters of DB_WRITE, in the arena; returns how many pairs. */
size_t scorer_judge(const struct pg_rows *rows, const struct scorer_moment *m,
    struct arena *a, const char *params[SCORER_PARAMS]);

/* The number of the last pair of rows; 0: there are none. */
int64_t scorer_last(const struct pg_rows *rows);

/* {"delivery":{…},…,"next":{…}}: what a score is made of, in the arena. */
char *scorer_parts(
    const struct score *s, const struct tier_state *t, struct arena *a);
/* 2026-11-22, in the arena. */
char *scorer_day(int64_t day, struct arena *a);

#endif
