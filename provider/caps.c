/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of seconds: old entries are zeroed as the clock passes them. */
#include "provider/caps.h"

#include <string.h>

void
caps_init(
    struct caps *c, int64_t max_concurrency, int64_t max_tokens_per_minute)
{
	memset(c, 0, sizeof *c);
	c->max_concurrency = max_concurrency;
	c->max_tokens_per_minute = max_tokens_per_minute;
}

static void
move_to(struct caps *c, int64_t now_ms)
{
	int64_t second = now_ms / 1000;

	if (second - c->second >= CAPS_SECONDS || second < c->second)
		memset(c->tokens, 0, sizeof c->tokens);
	else
		for (int64_t s = c->second + 1; s <= second; s++)
			c->tokens[s % CAPS_SECONDS] = 0;
	c->second = second;
}

int64_t
caps_tokens(struct caps *c, int64_t now_ms)
{
	int64_t sum = 0;

	move_to(c, now_ms);
	for (unsigned i = 0; i < CAPS_SECONDS; i++)
		sum += c->tokens[i];
	return sum;
}

bool
caps_enter(struct caps *c, int64_t now_ms, struct fault *f)
{
	if (c->active >= c->max_concurrency)
		return fault_set(f, FAULT_CAPACITY_EXCEEDED,
		    "all %lld places are taken", (long long)c->max_concurrency);
	if (c->max_tokens_per_minute > 0 &&
	    caps_tokens(c, now_ms) >= c->max_tokens_per_minute)
		return fault_set(f, FAULT_CAPACITY_EXCEEDED,
		    "the cap of %lld tokens a minute is reached",
		    (long long)c->max_tokens_per_minute);
	c->active++;
	return true;
}

void
caps_leave(struct caps *c, int64_t tokens, int64_t now_ms)
{
	c->active--;
	move_to(c, now_ms);
	if (tokens > 0)
		c->tokens[c->second % CAPS_SECONDS] += tokens;
}
