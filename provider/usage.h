/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many tokens an answer cost, read from the tail of its bytes: the last
 * "total_tokens" (or prompt and completion) of a usage object, in JSON or in
 * the last event of a stream. A number for the provider's own cap, nothing
 * more: it is never taken for proof.
 */
#ifndef PROVIDER_USAGE_H
#define PROVIDER_USAGE_H

#include <stddef.h>
#include <stdint.h>

#define USAGE_TAIL 4096

struct usage_tail {
	char bytes[USAGE_TAIL + 1];
	size_t len;
};
void usage_add(struct usage_tail *u, const void *at, size_t len);
int64_t usage_tokens(struct usage_tail *u); /* 0 where none are told */

#endif
