/* SPDX-License-Identifier: Apache-2.0 */
/*
 * provider/evidence_dstack: any bytes as the agent's two answers, cut at the
 * first 0x1e. What is taken is one quote and one log, as a bundle has them.
 */
#include <stdlib.h>
#include <string.h>

#include "provider/evidence.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void
check(const json_t *items)
{
	const json_t *quote = json_array_get(items, 0);
	const json_t *log = json_array_get(items, 1);

	if (json_array_size(items) != 2 ||
	    json_object_get(quote, "quote") == NULL ||
	    json_object_get(log, "event_log") == NULL)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	const uint8_t *cut = len > 0 ? memchr(at, 0x1e, len) : NULL;
	size_t first = cut != NULL ? (size_t)(cut - at) : len;
	struct text quote = {(const char *)at, first}, info = {"", 0};
	struct arena *a = arena_new();
	json_t *items = json_array();
	struct fault f = {0};

	if (cut != NULL)
		info = (struct text){(const char *)cut + 1, len - first - 1};
	if (dstack_items(a, quote, info, items, &f))
		check(items);
	else if (f.kind == FAULT_NONE || f.why[0] == '\0')
		abort();
	json_decref(items);
	arena_free(&a);
	return 0;
}
