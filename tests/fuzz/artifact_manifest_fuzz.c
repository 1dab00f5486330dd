/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a manifest that a registry has written: the blobs that it
 * names lie in the models' folder and nowhere else. */
#include <stdlib.h>
#include <string.h>

#include "artifact/artifact.h"

#define BLOBS "/models/blobs/sha256-"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	const char *paths[ARTIFACT_LAYERS_MAX];
	struct arena *a = arena_new();
	struct fault f = {0};
	size_t count;

	if (artifact_manifest_read(a, "/models",
		(struct text){(const char *)at, len}, paths, &count, &f)) {
		for (size_t i = 0; i < count; i++)
			if (!text_starts_with(text_of(paths[i]), BLOBS) ||
			    strlen(paths[i]) != sizeof(BLOBS) - 1 + 64 ||
			    strchr(paths[i] + sizeof(BLOBS) - 1, '/') != NULL)
				abort();
	} else if (f.kind == FAULT_NONE || f.why[0] == '\0') {
		abort();
	}
	arena_free(&a);
	return 0;
}
