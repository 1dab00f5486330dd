/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/endpoint: a raw path is refused, or found with a decoded variable
 * that fits.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "gateway/endpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	const char *path = arena_copy(a, data, size);
	struct fault f = {0};
	const char *allow, *value;
	char variable[64];

	if (endpoint_find("GET", path, variable, sizeof variable, &allow, &f) ==
	    NULL)
		assert(f.kind == FAULT_NOT_FOUND ||
		       f.kind == FAULT_METHOD_NOT_ALLOWED);
	assert(strlen(variable) < sizeof variable);
	endpoint_find("POST", path, variable, sizeof variable, &allow, &f);
	value = endpoint_parameter(path, "model", a);
	assert(value == NULL || strlen(value) < size);
	arena_free(&a);
	return 0;
}
