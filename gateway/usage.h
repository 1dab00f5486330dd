/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a provider says a request used, read from the end of its answer: the
 * `usage` object of the last kilobytes, whatever came before. Provider
 * asserted, bounded, and never a reason to fail a request.
 */
#ifndef GATEWAY_USAGE_H
#define GATEWAY_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

#define USAGE_TAIL 4096

struct usage {
	bool is_known;
	int64_t tokens_in;
	int64_t tokens_out;
};

/* The last USAGE_TAIL bytes of a stream. A plain value; zero it to begin. */
struct usage_tail {
	char at[USAGE_TAIL];
	size_t len;
};
void usage_tail_add(struct usage_tail *t, const void *at, size_t len);
/* The last whole "usage":{…} in it with counts that are possible. */
struct usage usage_read(struct text tail);

#endif
