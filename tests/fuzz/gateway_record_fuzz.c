/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/ledger: any bytes as a record of the spool, which a disk may have
 * garbled. What is read is written again as the same.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/ledger.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct arena *a = arena_new(), *b = arena_new();
	struct attempt_row *attempts, *again_attempts;
	struct request_row row, again;
	struct fault f = {0};
	size_t count, again_count;

	if (record_read((struct text){(const char *)at, len}, a, &row,
		&attempts, &count, &f)) {
		const char *text = record_write(a, &row, attempts, count);

		if (!record_read(text_of(text), b, &again, &again_attempts,
			&again_count, &f) ||
		    again_count != count ||
		    strcmp(text, record_write(b, &again, again_attempts,
				     again_count)) != 0)
			abort();
	} else if (f.kind == FAULT_NONE) {
		abort();
	}
	arena_free(&a);
	arena_free(&b);
	return 0;
}
