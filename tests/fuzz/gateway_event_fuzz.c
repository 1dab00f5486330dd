/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/event and gateway/usage: a provider's lines and its last bytes. */
#include <assert.h>
#include <stdint.h>

#include "gateway/event.h"
#include "gateway/usage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text t = {(const char *)data, size};
	struct usage_tail tail = {.len = 0};
	struct event_line e;
	struct usage u;
	struct fault f;

	if (event_read(t, &e, &f))
		assert(e.active >= 0 && e.queued >= 0);
	usage_tail_add(&tail, data, size / 2);
	usage_tail_add(&tail, data + size / 2, size - size / 2);
	u = usage_read((struct text){tail.at, tail.len});
	assert(u.tokens_in >= 0 && u.tokens_out >= 0);
	return 0;
}
