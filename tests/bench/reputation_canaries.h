/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Canaries among providers that serve the same files, judged by what gateways
 * judge them with (gateway/canary_answer.h): what liars among them can do to
 * the others. Answers are one of two, the true one and the one that the liars
 * agreed upon. They lie about prompts alone that they have not answered truly,
 * for an answer that contradicts one's own earlier one is found out.
 */
#ifndef TESTS_BENCH_REPUTATION_CANARIES_H
#define TESTS_BENCH_REPUTATION_CANARIES_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/canary_answer.h"

enum { SHARERS_MAX = 24, PROMPTS = 16, PROMPT_HOURS = 7 * 24 };

enum kept_answer { NO_ANSWER, TRUE_ANSWER, LIE };
struct canary_market {
	int stands_since[PROMPTS]; /* hours; each changes once a week */
	enum kept_answer own[SHARERS_MAX][PROMPTS];   /* not found wrong */
	enum kept_answer voice[SHARERS_MAX][PROMPTS]; /* the newest */
};

/* Prompts whose week is over at this hour are new. */
void canary_market_renew(struct canary_market *m, int now);

/* The verdict on what `who` answers now; would_lie: where it can. */
enum canary_verdict canary_market_ask(struct canary_market *m, size_t who,
    size_t prompt, bool would_lie, const bool has_tier[], size_t sharers);

#endif
