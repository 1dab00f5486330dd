/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a manifest under the pinned roots. A genuine one may be among
 * the seeds, so acceptance is possible; what is accepted is then complete.
 */
#include <stdlib.h>

#include "attestation/rim.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void
check_rim(const struct rim *rim)
{
	unsigned active = 0;

	for (unsigned i = 0; i <= RIM_INDEX_MAX; i++) {
		const struct rim_entry *e = &rim->entry[i];

		active += e->active;
		if (e->active && (!e->listed || e->alternatives == 0))
			abort();
	}
	if (active == 0 || active != rim->active || rim->version[0] == '\0')
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	const struct rim_rules rules = {anchors_pinned(), NULL, 1768435200000};
	struct arena *a = arena_new();
	struct fault f = {0};
	struct rim rim;

	if (rim_read(a, bytes_of(at, len), &rules, &rim, &f))
		check_rim(&rim);
	else if (f.kind == FAULT_NONE || f.why[0] == '\0')
		abort();
	arena_free(&a);
	return 0;
}
