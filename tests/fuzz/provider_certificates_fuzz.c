/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the certificate table that a host hands its guest: at most one
 * certificate of each kind, and none longer than the table.
 */
#include <stdlib.h>

#include "provider/evidence.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct arena *a = arena_new();
	json_t *list = tsm_certificates(a, at, len);
	size_t i;
	json_t *one;

	if (json_array_size(list) > 4)
		abort();
	json_array_foreach(list, i,
	    one) if (json_string_length(one) > (len + 2) / 3 * 4) abort();
	json_decref(list);
	arena_free(&a);
	return 0;
}
