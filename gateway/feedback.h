/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A buyer's judgement of a request, from the body of POST and PUT
 * /v1/feedback. Pure: whether the request is theirs and was served is
 * Postgres' to say, in the statement that keeps it.
 */
#ifndef GATEWAY_FEEDBACK_H
#define GATEWAY_FEEDBACK_H

#include "base/mem.h"
#include "base/text.h"

enum { FEEDBACK_ISSUES = 7, FEEDBACK_COMMENT = 1000 /* characters */ };

struct feedback {
	const char *request; /* NULL in an edit */
	int64_t quality;     /* 0 to 100; -1: not given */
	const char *verdict; /* good, bad or NULL */
	size_t issue_count;
	const char *issues[FEEDBACK_ISSUES];
	const char *comment; /* or NULL */
};

/* Fails INVALID_JSON, INVALID_REQUEST, FEEDBACK_RANGE or FEEDBACK_ISSUE; what
 * is stored lives in the arena. An edit names no request. */
bool feedback_read(struct text body, bool is_edit, struct arena *a,
    struct feedback *out, struct fault *f);
/* The answer of 201 and 200. */
char *feedback_write(const struct feedback *x, const char *id, struct arena *a);

#endif
