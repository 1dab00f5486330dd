/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a buyer's credentials, cut at the first 0x1e: what is taken
 * looks like a key and nothing else. */
#include <stdlib.h>
#include <string.h>

#include "gateway/buyer.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	const uint8_t *cut = len > 0 ? memchr(at, 0x1e, len) : NULL;
	size_t first = cut != NULL ? (size_t)(cut - at) : len;
	struct arena *a = arena_new();
	struct http_fields fs = {0};
	struct fault f = {0};
	const char *key;

	http_fields_add_len(
	    &fs, a, "authorization", 13, (const char *)at, first);
	if (cut != NULL)
		http_fields_add_len(&fs, a, "x-api-key", 9,
		    (const char *)cut + 1, len - first - 1);
	if (credential_read(&fs, &key, &f)) {
		if (strspn(key, "_0123456789abcdefghijklmnopqrstuvwxyz"
				"ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(key))
			abort();
	} else if (f.kind != FAULT_INVALID_CREDENTIAL || f.why[0] == '\0') {
		abort();
	}
	arena_free(&a);
	return 0;
}
