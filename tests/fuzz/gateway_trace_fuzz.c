/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/trace: any text as the traceparent of a buyer.
 * What goes on to a provider is always one that is well formed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "gateway/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	static const uint8_t random[24] = {1, [8] = 2, [16] = 3};
	struct arena *a = arena_new();
	char out[TRACEPARENT];

	trace_next(arena_copy(a, at, len), random, out);
	if (strlen(out) != TRACEPARENT - 1)
		abort();
	for (size_t i = 0; i < TRACEPARENT - 1; i++) {
		bool is_dash = i == 2 || i == 35 || i == 52;

		if (is_dash ? out[i] != '-'
			    : strchr("0123456789abcdef", out[i]) == NULL)
			abort();
	}
	if (strncmp(out + 3, "00000000000000000000000000000000", 32) == 0 ||
	    strncmp(out + 36, "0000000000000000", 16) == 0)
		abort();
	arena_free(&a);
	return 0;
}
