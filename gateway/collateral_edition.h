/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which edition of a piece of collateral this is, by what its maker signed in
 * it: tcbEvaluationDataNumber and issue date, number and date of a revocation
 * list, dates of an OCSP answer. When it was fetched says nothing of that. A
 * piece of several parts has an edition of each. Texts of one length, so that
 * Postgres compares them as C does.
 */
#ifndef GATEWAY_COLLATERAL_EDITION_H
#define GATEWAY_COLLATERAL_EDITION_H

#include "base/text.h"

enum { EDITION_PARTS = 4, EDITION_TEXT = 58 };

struct collateral_edition {
	size_t count; /* 0: it says nothing of it */
	char part[EDITION_PARTS][EDITION_TEXT];
};

/* A further part: its number, big-endian, at most 20 bytes of which count (a
 * longer or no number is 0), then its date in Unix ms. */
void collateral_edition_add(
    struct collateral_edition *e, struct bytes number, int64_t ms);

/* In any part; parts that one of them lacks say nothing. */
bool collateral_edition_is_older(
    const struct collateral_edition *e, const struct collateral_edition *than);

#endif
