/* SPDX-License-Identifier: Apache-2.0 */
/*
 * provider/usage: any bytes as a runtime's answer, in pieces. However they
 * are cut, the tokens told are the same, and never less than none.
 */
#include <stdlib.h>

#include "provider/usage.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct usage_tail whole = {.len = 0}, cut = {.len = 0};
	size_t step = len > 0 ? (size_t)at[0] % 61 + 1 : 1;

	usage_add(&whole, at, len);
	for (size_t i = 0; i < len; i += step)
		usage_add(&cut, at + i, len - i < step ? len - i : step);
	if (usage_tokens(&whole) < 0 ||
	    usage_tokens(&whole) != usage_tokens(&cut))
		abort();
	return 0;
}
