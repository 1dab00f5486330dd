/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of canaries: which offer is due, what is known of a prompt, and
 * what was found. The promises are those of gateway_db.h.
 */
#ifndef GATEWAY_CANARY_DB_H
#define GATEWAY_CANARY_DB_H

#include "base/pg.h"
#include "gateway/canary_answer.h"
#include "gateway/gateway_db.h"

struct canary_offer {
	const char *did;
	const char *task;
	const char *model;
};
struct canary_due {
	struct canary_offer offer;
	const char *account; /* whom the handoff names */
	const char *workspace;
	int64_t seed;
};
/* Up to `most` of these offers that are due, which no other gateway gets, and
 * how many more are; count 0 and f NULL: none is. period_ms is the mean time
 * between two of an offer. */
typedef void canary_due_answer(void *arg, const struct canary_due *due,
    size_t count, int64_t overdue, const struct fault *f);
struct pending *canary_db_claim(struct pg *pg,
    const struct canary_offer *offers, size_t count, int64_t period_ms,
    size_t most, canary_due_answer *fn, void *arg);

/* Answers to a prompt by offers of one artifact: its own to be held against
 * first, then the newest voices of others that have a tier; those that can not
 * be read are left out. */
typedef void canary_known_answer(void *arg, const struct canary_known *known,
    size_t count, const struct fault *f);
struct pending *canary_db_known(struct pg *pg, const struct canary_offer *o,
    const char *artifact, int64_t prompt, canary_known_answer *fn, void *arg);

struct canary_note {
	struct canary_offer offer;
	const char *artifact;
	const char *workspace; /* the provider's */
	int64_t prompt;	       /* canary_prompt_id of what was asked */
	enum canary_verdict verdict;
	const char *detail; /* for operators: JSON */
	const char *answer; /* as canary_write wrote it */
};
struct pending *canary_db_note(
    struct pg *pg, const struct canary_note *n, done_answer *fn, void *arg);

#endif
