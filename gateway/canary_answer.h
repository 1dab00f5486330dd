/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a canary asks and what its answer says. Pure. A seed makes a prompt, the
 * same in every gateway; the answer is read, from a hostile provider, as tokens
 * each with its likeliest alternatives; two answers to one prompt are held
 * against each other while they stand in the same place.
 *
 * Overlap at a position: of the probability that one lists, the part to which
 * the other gives as much; a token that the other does not list is taken to
 * have as much there as the least that it does list, so that a swap in the tail
 * costs nothing. The lesser of both ways round. Positions are compared up to
 * the first at which another token was taken, that one included: after it the
 * two no longer answer the same question. Two answers agree where the mean is
 * CANARY_MEAN or more and no position is under CANARY_FLOOR.
 */
#ifndef GATEWAY_CANARY_ANSWER_H
#define GATEWAY_CANARY_ANSWER_H

#include "base/fault.h"
#include "base/mem.h"
#include "base/text.h"

#define CANARY_PER_DAY 24 /* of an offer, where no setting says otherwise */
#define CANARY_POSITIONS 16
#define CANARY_TOP 5
#define CANARY_TOKEN 48 /* bytes of a token that are compared */
#define CANARY_MEAN 0.7
#define CANARY_FLOOR 0.4
#define CANARY_OTHERS 3 /* workspaces at least, for a majority */
#define CANARY_KNOWN_MAX 32

struct canary_top {
	char token[CANARY_TOKEN];
	double probability;
};
struct canary_position {
	char token[CANARY_TOKEN]; /* the one taken */
	struct canary_top top[CANARY_TOP];
	size_t count;
};
struct canary_answer {
	struct canary_position at[CANARY_POSITIONS];
	size_t count;
};

/* An operator's own prompts, one a line; empty lines are none. */
struct canary_prompts {
	const char **at;
	size_t count;
};
bool canary_prompts_read(struct text file, struct arena *a,
    struct canary_prompts *out, struct fault *f);

/* The request's body for "chat" or "completion"; NULL for other tasks. Where
 * there are own prompts, three of four bodies have one. */
char *canary_body(int64_t seed, const char *task, const char *model,
    const struct canary_prompts *own, struct arena *a);
/* What the answers to a body are kept under. */
int64_t canary_prompt_id(const char *body);

/* A provider's answer. False where it offers no log-probabilities, or none
 * that can be read. */
bool canary_read(struct text body, struct canary_answer *out, struct fault *f);
/* As it is kept in Postgres, and back. */
char *canary_write(const struct canary_answer *x, struct arena *a);
bool canary_read_kept(
    struct text kept, struct canary_answer *out, struct fault *f);

struct canary_measure {
	double mean, least; /* overlap, 0..1 */
	size_t positions;   /* compared */
	bool has_diverged;  /* another token was taken at the last of them */
};
struct canary_measure canary_compare(
    const struct canary_answer *x, const struct canary_answer *y);

/* An answer that is known already. */
struct canary_known {
	const char *did;
	const char *workspace;
	bool has_tier; /* silver or gold on the model: it speaks for others */
	struct canary_answer answer;
};
enum canary_verdict { CANARY_UNKNOWN, CANARY_AGREES, CANARY_DISAGREES };
struct canary_finding {
	enum canary_verdict verdict;
	const char *against; /* "majority", "itself" or "nothing" */
	const char *did;     /* whose answer it was held against, or NULL */
	size_t others;	     /* other workspaces that have a tier */
	size_t in_majority;  /* of those, who agree among themselves */
	struct canary_measure measure;
};
/* Against the majority: three or more other workspaces that have a tier, more
 * than two thirds of all such, each of which agrees with each. Where there is
 * none, against the offer's own earlier answer. Where the two contradict each
 * other, unknown: who still says what had not been found wrong has swapped
 * nothing, and the others may have. Of each workspace the first in the list
 * speaks. */
struct canary_finding canary_judge(const struct canary_answer *x,
    const char *did, const char *workspace, const struct canary_known *known,
    size_t count);

#endif
