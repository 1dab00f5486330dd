/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a small JSON document: what is read can be written, and what
 * was written reads as the same again.
 */
#include <stdlib.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct text t = {(const char *)at, len};
	struct arena *a;
	struct fault f;
	json_t *once;
	json_t *twice;
	char *canonical;

	if (!json_read(t, 1 << 16, &once, &f))
		return 0;
	a = arena_new();
	if (!json_read(text_of(json_write(a, once)), 1 << 20, &twice, &f) ||
	    !json_equal(once, twice))
		abort();
	json_free(&twice);
	canonical = json_write_canonical(a, once);
	if (canonical != NULL &&
	    (!json_read(text_of(canonical), 1 << 20, &twice, &f) ||
		!json_equal(once, twice)))
		abort();
	if (canonical != NULL)
		json_free(&twice);
	json_free(&once);
	arena_free(&a);
	return 0;
}
