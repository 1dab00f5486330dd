/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/canary_answer: a provider's answer with log-probabilities. */
#include <assert.h>
#include <stdint.h>

#include "gateway/canary_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text t = {(const char *)data, size};
	struct canary_answer x, kept;
	struct canary_measure m;
	struct arena *a;
	struct fault f;

	if (!canary_read(t, &x, &f))
		return 0;
	a = arena_new();
	assert(x.count > 0 && x.count <= CANARY_POSITIONS);
	/* What is kept is what was read. */
	assert(canary_read_kept(text_of(canary_write(&x, a)), &kept, &f));
	assert(kept.count == x.count);
	m = canary_compare(&x, &kept);
	assert(m.mean >= 0 && m.mean <= 1 && m.least >= 0);
	assert(!m.has_diverged && m.positions == x.count);
	arena_free(&a);
	return 0;
}
