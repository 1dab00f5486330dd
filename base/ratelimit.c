/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token bucket. Elapsed time is turned into tokens in 128 bits, so that
 * neither a long sleep nor a huge rate overflows, and what is left over of a
 * token is kept, so that asking often costs nobody a fraction.
 */
#include "base/ratelimit.h"

void
ratelimit_init(struct ratelimit *r, uint64_t burst, uint64_t rate,
    uint64_t per_ms, int64_t now_ms)
{
	*r = (struct ratelimit){
	    .burst = burst,
	    .rate = rate,
	    .per_ms = per_ms == 0 ? 1 : per_ms,
	    .tokens = burst,
	    .now_ms = now_ms,
	};
}

static void
refill(struct ratelimit *r, int64_t now_ms)
{
	unsigned __int128 gained;
	uint64_t elapsed;

	if (now_ms <= r->now_ms) {
		r->now_ms = now_ms; /* a clock set back starts anew */
		return;
	}
	elapsed = (uint64_t)now_ms - (uint64_t)r->now_ms;
	r->now_ms = now_ms;
	gained = (unsigned __int128)elapsed * r->rate + r->part;
	if (gained / r->per_ms >= r->burst - r->tokens) {
		r->tokens = r->burst;
		r->part = 0;
		return;
	}
	r->tokens += (uint64_t)(gained / r->per_ms);
	r->part = (uint64_t)(gained % r->per_ms);
}

bool
ratelimit_take(struct ratelimit *r, uint64_t n, int64_t now_ms)
{
	refill(r, now_ms);
	if (r->tokens < n)
		return false;
	r->tokens -= n;
	return true;
}

uint64_t
ratelimit_take_some(struct ratelimit *r, uint64_t n, int64_t now_ms)
{
	refill(r, now_ms);
	if (n > r->tokens)
		n = r->tokens;
	r->tokens -= n;
	return n;
}

int64_t
ratelimit_wait_ms(struct ratelimit *r, uint64_t n, int64_t now_ms)
{
	unsigned __int128 missing;

	refill(r, now_ms);
	if (r->tokens >= n)
		return 0;
	if (n > r->burst || r->rate == 0)
		return INT64_MAX;
	missing = (unsigned __int128)(n - r->tokens) * r->per_ms - r->part;
	missing = (missing + r->rate - 1) / r->rate;
	return missing > INT64_MAX ? INT64_MAX : (int64_t)missing;
}
