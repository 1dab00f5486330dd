/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/considered: any bytes as a record of its spool, which a disk may
 * have garbled. Rows are bounded and whole.
 */
#include <stdlib.h>

#include "gateway/considered.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct not_chosen_row rows[NOT_CHOSEN_ROWS];
	struct arena *a = arena_new();
	struct fault f = {0};
	size_t count;

	if (!not_chosen_read(bytes_of(at, len), a, rows, &count, &f)) {
		if (f.kind == FAULT_NONE || f.why[0] == '\0')
			abort();
		count = 0;
	}
	for (size_t i = 0; i < count; i++)
		if (rows[i].did == NULL || rows[i].task == NULL ||
		    rows[i].model == NULL || rows[i].reason == NULL ||
		    rows[i].times < 1 || rows[i].day < 0)
			abort();
	arena_free(&a);
	return 0;
}
