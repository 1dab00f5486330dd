/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verdicts for people: every check in a table, the verdict, why, and until
 * when. Texts in a verdict come from strangers, so nothing but printable
 * ASCII of theirs reaches the terminal.
 */
#ifndef CLIENT_VERDICT_PRINT_H
#define CLIENT_VERDICT_PRINT_H

#include <stdio.h>

#include "attestation/verdict.h"

/* Colour is for terminals alone, and not where NO_COLOR is set. */
bool verdict_wants_colour(FILE *out);

void verdict_print(
    FILE *out, const char *title, const struct verdict *v, bool colour);

/* 0 verified, 1 failed, 3 no trustworthy verdict. */
int verdict_status(enum verdict_outcome o);
/* Of several verdicts: failed before error, error before verified. */
enum verdict_outcome verdict_worse(
    enum verdict_outcome a, enum verdict_outcome b);

#endif
