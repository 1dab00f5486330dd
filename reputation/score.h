/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From evidence to a score, as pure functions: weights that have decayed come
 * in, a number from 0 to 100 with its parts comes out, or none where there is
 * no data. The rule is public, and docs/reputation.md prints it: change both.
 * The order in which sources are given never changes a bit of the result.
 */
#ifndef REPUTATION_SCORE_H
#define REPUTATION_SCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCORE_HALF_LIFE_DAYS 7
#define SCORE_SHARE_MOST 0.20 /* of a stream, by one buyer */
#define SCORE_SHARE_FREE 10.0 /* events one buyer may always carry */
#define SCORE_NOTHING 0.05    /* less weight than this is no data */
#define SCORE_LENT 10.0	      /* good verdicts that approval begins with */
#define SCORE_APPROVED 92.0   /* approval, in percent, that holds nothing */
#define SCORE_HOLD 2.0	      /* points for each percent below it */
#define SCORE_FEW 15.0	      /* voices that by themselves move nothing */
#define SCORE_FEW_PART 0.25   /* of all: no more harsh ones are left out */
#define SCORE_TRUSTED 0.90    /* audit's value that speaks against words */
#define SCORE_TRUST 20.0      /* points that words then have to take */

enum stream {
	STREAM_DELIVERY,
	STREAM_QUALITY,
	STREAM_SPEED,
	STREAM_AUDIT,
	STREAMS
};
const char *stream_name(enum stream x);
double stream_weight(enum stream x);

/* Decayed weights of what speaks for and against. */
struct evidence {
	double good;
	double bad;
};

/* The weight of one event that is so many whole UTC days old: halved every
 * seven. One from the future (a clock that stepped) weighs 1. */
double score_decay(int64_t age_days);

/* The value that a share is above with 95 % confidence: the 5 % quantile of
 * Beta(1 + good, 1 + bad). */
double score_lower_bound(double good, double bad);

/* Adds the sources of delivery or speed, one a buyer, after cutting each to
 * at most a fifth of the whole; ten events are always free. Reorders them. */
struct evidence score_shares(struct evidence *sources, size_t count);

/* One buyer's verdicts on one pair, and what the rater weighs (rater.h). */
struct voice {
	struct evidence verdicts;
	double weight;
};
/* Adds the voices: however many verdicts one has given, they count together
 * for one at most. Reorders them. */
struct evidence score_voices(struct voice *voices, size_t count);

/* The share of verdicts that are good once ten more good ones are added. */
double score_approval(const struct evidence *quality);

/* What is left of the voices when the score is made: without fifteen good
 * ones, so that so many who were bought lift nobody above what others say. */
struct evidence score_without_kind(const struct evidence *quality);
/* And when a tier is to be kept: without fifteen bad ones, but never without
 * more of them than a quarter of all. */
struct evidence score_without_harsh(const struct evidence *quality);

struct score {
	bool has_data; /* false: everything below is 0, and the score null */
	double value;  /* 0 to 100; what closes a day */
	double kept;   /* what a tier is kept by: value, or what it were without
			* the harshest voices, and more where canaries agree */
	double samples;
	bool is_held_by_quality;
	struct {
		struct evidence evidence;
		bool has_data;
		double value; /* the lower bound */
	} parts[STREAMS];
};
void score_make(const struct evidence streams[STREAMS], struct score *out);

#endif
