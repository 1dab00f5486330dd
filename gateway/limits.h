/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much one API key may ask: requests a minute (a token bucket) and
 * requests under way. Memory of this worker, bounded: idle keys are forgotten
 * when room is needed, which forgives at most one full bucket.
 */
#ifndef GATEWAY_LIMITS_H
#define GATEWAY_LIMITS_H

#include "base/fault.h"
#include "gateway/principal.h"

struct limits;
struct limits_settings {
	int64_t requests_per_minute; /* where the key says nothing */
	int64_t concurrent;
	unsigned kept; /* keys at most */
};
struct limits *limits_new(const struct limits_settings *s);
void limits_free(struct limits **l);

/* Takes one request of this key; each success needs one limits_leave. Fails
 * RATE_LIMITED with the milliseconds after which to ask again. */
bool limits_enter(struct limits *l, const struct principal *p, int64_t now_ms,
    int64_t *wait_ms, struct fault *f);
void limits_leave(struct limits *l, const char *key);

#endif
