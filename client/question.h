/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every form of `assay verify` is asked (a time, a policy, files) and how
 * it answers: a verdict for each node, then what none of them proves. The exit
 * status is that of the worst verdict.
 */
#ifndef CLIENT_QUESTION_H
#define CLIENT_QUESTION_H

#include "client/judge.h"

struct question {
	struct cli *cli;
	struct policies policies; /* none: count is 0 */
	struct pg_session *database;
	int64_t now_ms;
};

/* --at, else now. */
bool question_time(const struct cli *c, int64_t *out, struct fault *f);
/* --policy, else the active one of --database. Not needed and neither named:
 * there is none. The caller closes q->database. */
bool question_policy(struct question *q, bool needed, struct fault *f);
/* The file's bytes in the arena. */
bool question_file(const struct cli *c, const char *path, size_t max,
    struct bytes *out, struct fault *f);

struct tally {
	enum verdict_outcome worst; /* begins as VERDICT_VERIFIED */
	json_t *nodes;		    /* of --json; tell_end takes it then */
};

void tell_node(const struct cli *c, const struct report_node *n,
    struct verdict *v, struct tally *o);
/* `limits` is what is not proven, ended by NULL. */
void tell_end(
    const struct question *q, const struct tally *o, const char *const *limits);

#endif
