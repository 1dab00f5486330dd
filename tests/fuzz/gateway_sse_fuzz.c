/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/sse: the same bytes in one piece and in many end in one state. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "gateway/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sse whole = {.line_len = 0}, parts = {.line_len = 0};
	const char *at = (const char *)data;
	size_t step = size == 0 ? 1 : data[0] % 7 + 1u;

	sse_feed(&whole, at, size);
	for (size_t i = 0; i < size; i += step)
		sse_feed(&parts, at + i, size - i < step ? size - i : step);
	assert(sse_hold(&whole) == sse_hold(&parts));
	assert(sse_at_boundary(&whole) == sse_at_boundary(&parts));
	assert(whole.is_done == parts.is_done);
	assert(sse_hold(&whole) <= size);
	return 0;
}
