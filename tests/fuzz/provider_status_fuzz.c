/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any JSON as a gateway's answer about a standing, and as the status that a
 * daemon wrote with a gateway's words in it: printed on a terminal that it
 * can not steer.
 */
#include <stdlib.h>
#include <string.h>

#include "provider/status_print.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	json_t *j = NULL;
	char *page = NULL;
	size_t size;
	FILE *to;

	if (!json_read((struct text){(const char *)at, len}, 1 << 20, &j, NULL))
		return 0;
	to = open_memstream(&page, &size);
	status_print(to, j, true);
	standing_print(to, j, NULL);
	fclose(to);
	for (size_t i = 0; i < size; i++)
		if (page[i] != '\n' && (page[i] < ' ' || page[i] > '~'))
			abort();
	free(page);
	json_free(&j);
	return 0;
}
