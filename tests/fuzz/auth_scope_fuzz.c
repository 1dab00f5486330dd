/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth/scope: any text as a list of scopes, with blanks or as Postgres has
 * it. What is read is written and read again as the same set.
 */
#include <stdlib.h>

#include "auth/scope.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void
check(uint32_t set)
{
	char text[SCOPES_TEXT];
	uint32_t again;
	struct fault f;

	scopes_write(set, text);
	if (set == 0 || !scopes_read(text_of(text), &again, &f) || again != set)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct text t = {(const char *)at, len};
	uint32_t set;
	struct fault f;

	if (scopes_read(t, &set, &f))
		check(set);
	if (scopes_read_array(t, &set, &f) && set != 0)
		check(set);
	return 0;
}
