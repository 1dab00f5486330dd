/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A token bucket as a plain value and a pure function of time: no clock, no
 * timer. It starts full, gains `rate` tokens in every `per_ms`, and holds at
 * most `burst`. Time that goes backwards gives nothing and costs nothing.
 */
#ifndef BASE_RATELIMIT_H
#define BASE_RATELIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct ratelimit {
	uint64_t burst;
	uint64_t rate;
	uint64_t per_ms;
	uint64_t tokens; /* whole ones, at most burst */
	uint64_t part;	 /* of the next one: in 1/per_ms of a token */
	int64_t now_ms;	 /* when this was last true */
};

/* per_ms of 0 counts as 1; a rate of 0 never refills. */
void ratelimit_init(struct ratelimit *r, uint64_t burst, uint64_t rate,
    uint64_t per_ms, int64_t now_ms);
/* Takes n tokens if that many are there; else takes none, returns false. */
bool ratelimit_take(struct ratelimit *r, uint64_t n, int64_t now_ms);
/* Takes what is there, at most n; returns how many. */
uint64_t ratelimit_take_some(struct ratelimit *r, uint64_t n, int64_t now_ms);
/* Milliseconds until n tokens are there (0: now; INT64_MAX: never), for
 * Retry-After. */
int64_t ratelimit_wait_ms(struct ratelimit *r, uint64_t n, int64_t now_ms);

#endif
