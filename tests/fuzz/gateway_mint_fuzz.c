/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as assay-auth's answer to an order: a handoff, or the reason. */
#include <stdlib.h>
#include <string.h>

#include "gateway/mint.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct text t = {(const char *)at, len};
	struct arena *a = arena_new();
	struct handoff h = {0};
	struct fault f = {0};

	if (handoff_read(t, a, &h, &f)) {
		if (strlen(h.token) > HANDOFF_TOKEN_MAX)
			abort();
	} else if (h.token != NULL || f.kind == FAULT_NONE ||
		   f.why[0] == '\0') {
		abort();
	}
	arena_free(&a);
	return 0;
}
