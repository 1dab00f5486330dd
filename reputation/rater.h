/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a rater's verdicts weigh, from 0 to 1: less for one who never varies,
 * and less for many who favour the same few providers of a market far more
 * often than chance has it. Pure, and simple enough to print; a market is a
 * (task, model).
 */
#ifndef REPUTATION_RATER_H
#define REPUTATION_RATER_H

#include <stddef.h>

#define RATER_NEW 0.25	      /* of one not yet weighed at a close */
#define RATER_UNVARIED 0.5    /* the weight of one who never varied */
#define RATER_VARIED_AT 0.05  /* share of the rarer verdict that is variety */
#define RATER_DOUBT 20	      /* verdicts' benefit of the doubt, one rarer */
#define RATER_FAVOURITES 3    /* most rated providers that are compared */
#define RATER_CHANCE_TIMES 3  /* so many times chance is still chance */
#define RATER_COMPANY_LEAST 5 /* fewer are never company */

/* Verdicts over all providers, decayed: a quarter for none; else a half, rising
 * to one as the rarer kind reaches a twentieth, after twenty more of which one
 * is of the rarer kind. Without these, the first complaint would double the
 * weight of who makes it. */
double rater_variety(double good, double bad);

/* How many raters of a market share the same `favourites` (1 to 3 of its
 * `providers`), when `raters` of them have that many: more than thrice what
 * chance gives, and at least five, count together as that many. */
double rater_company(
    size_t same, size_t raters, size_t providers, size_t favourites);

#endif
