/* SPDX-License-Identifier: Apache-2.0 */
/* The body of POST and PUT /v1/feedback: whatever comes, it is refused with a
 * sentence or can be written as the answer. */
#include <stdlib.h>

#include "gateway/feedback.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct text body = {(const char *)at, len};
	struct arena *a = arena_new();
	struct fault f = {0};
	struct feedback x;

	if (feedback_read(body, len % 2 == 0, a, &x, &f)) {
		if (feedback_write(&x, "id", a) == NULL)
			abort();
	} else if (f.why[0] == '\0') {
		abort();
	}
	arena_free(&a);
	return 0;
}
