/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provider's own limits, held against every request on both ways in:
 * requests at once, and tokens in the last minute. Time comes in.
 */
#ifndef PROVIDER_CAPS_H
#define PROVIDER_CAPS_H

#include <stdint.h>

#include "base/fault.h"

#define CAPS_SECONDS 60

struct caps {
	int64_t max_concurrency;
	int64_t max_tokens_per_minute; /* 0: no cap */
	int64_t active;
	int64_t tokens[CAPS_SECONDS]; /* by second, a ring */
	int64_t second;		      /* of the newest entry */
};

void caps_init(
    struct caps *c, int64_t max_concurrency, int64_t max_tokens_per_minute);
/* Takes a place. Fails CAPACITY_EXCEEDED and takes none. */
bool caps_enter(struct caps *c, int64_t now_ms, struct fault *f);
/* Gives it back, with the tokens that the request cost. */
void caps_leave(struct caps *c, int64_t tokens, int64_t now_ms);
int64_t caps_tokens(struct caps *c, int64_t now_ms); /* in the last minute */

#endif
