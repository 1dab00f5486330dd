/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What raters of one market weigh, from everybody's verdicts in memory: the
 * worker does this in SQL (weigh_begin) at each close of a day. A unit test
 * holds the two against each other, so that the simulation plays the game that
 * is played.
 */
#ifndef TESTS_BENCH_REPUTATION_RATERS_H
#define TESTS_BENCH_REPUTATION_RATERS_H

#include "reputation/score.h"

/* Verdicts that weigh no more than this are none. */
#define RATERS_NOTHING 0.01

/* One account's verdicts on one provider. */
struct rating {
	int account;
	struct evidence verdicts;
};
/* A provider's, each account at most once. */
struct rated {
	const struct rating *ratings;
	int raters;
};

struct rater {
	struct evidence all; /* its verdicts on everybody */
	size_t favourites, same, raters,
	    providers; /* as rater_company has it */
	double weight;
};
/* Fills out[0 .. accounts - 1]. Of equally rated providers those that come
 * first are the favourites. */
void raters_weigh(const struct rated *providers, size_t count,
    struct rater *out, size_t accounts);

#endif
