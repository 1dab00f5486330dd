/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a compose file. One that is taken names an image, and what is
 * taken for a digest is one and ends its image's name.
 */
#include <stdlib.h>
#include <string.h>

#include "attestation/compose.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct arena *a = arena_new();
	struct compose *c = arena_alloc(a, sizeof(*c));
	struct text file = {(const char *)at, len}, digest;

	if (compose_read(a, file, c, NULL)) {
		if (c->images == 0 || memmem(at, len, "image", 5) == NULL)
			abort();
		for (size_t i = 0; i < c->images; i++)
			if (compose_image_digest(c->image[i], &digest) &&
			    (digest.len != 64 ||
				digest.at + 64 !=
				    c->image[i].at + c->image[i].len))
				abort();
	}
	arena_free(&a);
	return 0;
}
