/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/object: the same bytes in one piece and in many end in one state,
 * and what the JSON library reads as an object is one. */
#include <assert.h>
#include <stdint.h>

#include "base/json.h"
#include "gateway/object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct object whole = {.depth = 0}, parts = {.depth = 0};
	const char *at = (const char *)data;
	size_t step = size == 0 ? 1 : data[0] % 7 + 1u;
	json_t *o;

	object_feed(&whole, at, size);
	for (size_t i = 0; i < size; i += step)
		object_feed(&parts, at + i, size - i < step ? size - i : step);
	assert(whole.state == parts.state);
	assert((whole.state == OBJECT_OPEN) == (whole.depth > 0));
	if (json_read((struct text){at, size}, size, &o, NULL)) {
		assert(json_is_object(o) == (whole.state == OBJECT_OVER));
		json_free(&o);
	}
	return 0;
}
