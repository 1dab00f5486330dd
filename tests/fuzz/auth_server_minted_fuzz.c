/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth/server/minted: any bytes as a record of its spool, which a disk may
 * have garbled. Put together again, the texts are the record.
 */
#include <stdlib.h>
#include <string.h>

#include "auth/server/minted.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	const char *texts[MINTED_COLUMNS];
	struct arena *a = arena_new();
	size_t from = 0;

	if (minted_read(a, bytes_of(at, len), texts)) {
		for (size_t i = 0; i < MINTED_COLUMNS; i++) {
			size_t n = strlen(texts[i]);

			if (from + n > len || memcmp(texts[i], at + from, n))
				abort();
			from += n + 1;
		}
		if (from < len && at[from - 1] != '\0')
			abort();
	}
	arena_free(&a);
	return 0;
}
