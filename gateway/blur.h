/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told of a score, so coarsely that no single event can be read from
 * it: a canary is no request, and whoever saw its own numbers stand still
 * after one would know it. All that is told follows from rounded counts, or
 * one number would undo what was done to another. Pure functions;
 * docs/reputation.md prints the steps: change both.
 */
#ifndef GATEWAY_BLUR_H
#define GATEWAY_BLUR_H

#include <jansson.h>
#include <stdint.h>

struct blurred {
	double score;	/* in whole numbers; negative: no data */
	double samples; /* events */
};

/* The parts of a score as the worker wrote them, in place: counts to the
 * nearest ten (of voices, to the nearest two), and what the rule gives for
 * these counts as values, in whole percent, and as the score. */
void blur_parts(json_t *parts, struct blurred *out);
/* To the nearest ten. */
double blur_count(double events);
/* The UTC day in which this is, as its first millisecond. */
int64_t blur_time(int64_t unix_ms);

#endif
