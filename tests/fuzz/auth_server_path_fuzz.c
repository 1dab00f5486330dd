/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a path of assay-auth: a device in it is a DID that fits, and
 * what is to be done with it is the rest. */
#include <stdlib.h>
#include <string.h>

#include "auth/server/public.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct arena *a = arena_new();
	const char *path = arena_copy(a, at, len);
	const char *action = NULL;
	char did[201];

	if (public_device_path(path, did, sizeof(did), &action) &&
	    (!text_is_did(text_of(did)) || action < path ||
		action > path + strlen(path) || action[-1] != '/'))
		abort();
	arena_free(&a);
	return 0;
}
