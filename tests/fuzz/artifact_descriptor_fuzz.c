/* SPDX-License-Identifier: Apache-2.0 */
/*
 * artifact: any JSON as a cloud bridge's descriptor. What is taken is one
 * file that is hashed, and has the same digest again.
 */
#include <stdlib.h>
#include <string.h>

#include "artifact/artifact.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct arena *a = arena_new();
	struct artifact one, again;
	uint8_t digest[32], same[32];
	struct fault f = {0};
	json_t *j = NULL;

	if (json_read((struct text){(const char *)at, len}, 65536, &j, &f) &&
	    artifact_of_descriptor(a, j, &one, &f)) {
		if (one.count != 1 || !one.files[0].hashed ||
		    !artifact_of_descriptor(a, j, &again, &f))
			abort();
		artifact_digest(&one, digest);
		artifact_digest(&again, same);
		if (memcmp(digest, same, sizeof(same)) != 0)
			abort();
	}
	json_free(&j);
	arena_free(&a);
	return 0;
}
