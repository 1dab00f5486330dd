/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated market: 200 providers of one model and 5,000 buyers over 60 days,
 * scored by the real library while somebody tries to game it. Buyers differ as
 * real ones do: a few send most requests, half never judge, and a bad answer is
 * judged more readily than a good one. Everything random comes from one seed.
 */
#ifndef TESTS_BENCH_REPUTATION_MARKET_H
#define TESTS_BENCH_REPUTATION_MARKET_H

#include <stdbool.h>
#include <stdint.h>

#include "reputation/score.h"
#include "reputation/tier.h"
#include "tests/bench/reputation_canaries.h"
#include "tests/bench/reputation_raters.h"

enum {
	PROVIDERS = 200,
	BUYERS = 5000,
	ACCOUNTS = BUYERS + 700, /* the attackers' own come after the buyers */
	BUCKETS = 64,
	DAYS = 60,
	REQUESTS = 100,	 /* a provider gets each day */
	TICKS = 24,	 /* the score runs each hour */
	NEWCOMERS = 100, /* so many that the share is not left to chance */
	JOIN = 20,
	STRIKE = 25
};
#define FEEDBACK 0.20	     /* of good answers are judged by who judges */
#define FEEDBACK_ON_BAD 0.30 /* of bad ones */
#define JUDGES 0.5	     /* of buyers ever judge */
#define DELIVERED 0.992	     /* by any provider */
#define FAST 0.97	     /* of the answers, measured against the median */
#define CANARY_SEES 0.60     /* a swapped model, each time */
#define CANARY_FAILS 0.0005  /* an honest one, each time */

struct attack {
	const char *name;
	double quality;	     /* of the provider attacked or attacking */
	int traffic;	     /* honest requests each gets a day; 0: REQUESTS */
	int accounts;	     /* that take part */
	bool is_hybrid;	     /* they are honest buyers but for this */
	bool speaks_well;    /* of the provider; else ill */
	int from, until;     /* days */
	int spread;	     /* account i strikes on day i % spread alone */
	int requests;	     /* by each account, a day */
	int decoys;	     /* others that each of them judges too, a day */
	int fresh_a_day;     /* Sybils: so many new accounts each day */
	double always;	     /* share of all buyers who always praise */
	int whitewash;	     /* every so many days a new DID */
	double swapped_to;   /* quality from STRIKE on */
	double swapped_part; /* of the requests; 0: all */
	bool knows_canaries; /* and answers them from the right model */
	bool no_canaries;
	int sharers;	   /* providers that serve the same files, from 0 on */
	int liars;	   /* the last of them lie to canaries */
	double liars_true; /* their quality to buyers */
	bool is_newcomers;
	/* bars */
	bool never_silver, never_gold, never_demoted, out_in_a_day;
	int silver_by; /* by this day of theirs nine in ten newcomers are */
};

struct provider {
	double quality;
	int joined;
	int raters; /* accounts that have judged it */
	struct evidence delivery[BUCKETS];
	struct evidence speed[BUCKETS];
	struct evidence audit;
	struct evidence audits_today; /* count when the day is over */
	/* Of the newest canaries that disagreed; hours since the start. */
	int mismatch_hours[TIER_DISAGREEMENTS];
	bool has_failed; /* since the last look at its tier */
	struct tier_state tier;
	struct score score;
	double best_score;
	enum standing best;
	enum standing worst; /* since the attack began */
	int demoted_on;	     /* hour, -1: never since the attack began */
	int demotions;
	int silver_on;
	int last_above; /* day that last closed at silver's line, -1: none */
};

struct market {
	uint64_t random;
	int day;
	int began; /* the day the attack began; DAYS: not yet */
	int seen;  /* the day its accounts weighed under half; -1: not yet */
	struct provider *providers;
	struct rating *ratings; /* [provider][its raters] */
	struct rater *raters;	/* [account], as of the last close */
	bool *always_good;	/* [account] */
	bool *judges;		/* [account] */
	struct voice *voices;
	struct canary_market canaries;
};

/* Sixty days of it. */
void market_run(struct market *m, const struct attack *a, uint64_t seed);
void market_free(struct market *m);

#endif
