/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as answers of Redis, fed whole and byte by byte: both readings
 * agree, and no answer holds more items than there were bytes for.
 */
#include <stdlib.h>

#include "base/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static size_t
items_of(const struct redis_answer *a)
{
	size_t n = 1;

	if (a->type == REDIS_ARRAY)
		for (size_t i = 0; i < a->count; i++)
			n += items_of(&a->items[i]);
	return n;
}

/* Reads in steps of `step` bytes; returns the answers, counts the items. */
static size_t
read_all(const uint8_t *at, size_t len, size_t step, size_t *items)
{
	struct resp_reader *r = resp_reader_new(4096);
	const struct redis_answer *a;
	size_t answers = 0;
	struct fault f;
	bool ok = true;

	*items = 0;
	while (len > 0 && ok) {
		size_t n = len < step ? len : step;

		resp_feed(r, bytes_of(at, n));
		at += n;
		len -= n;
		while ((ok = resp_next(r, &a, &f)) && a != NULL) {
			answers++;
			*items += items_of(a);
		}
	}
	resp_reader_free(&r);
	return answers;
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	size_t items;
	size_t same;

	if (len > 4000)
		return 0;
	if (read_all(at, len, len, &items) != read_all(at, len, 1, &same) ||
	    items != same || items > len)
		abort();
	return 0;
}
