/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A report file as a stranger may hand it over: read whole, each node's bundle
 * asked what it needs, or refused with a reason.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "client/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct report r = {0};
	struct fault f = {0};
	const char *names[EVIDENCE_NEEDS_MAX];
	size_t count = 0;

	if (!report_read(a, (struct text){(const char *)data, size}, &r, &f)) {
		assert(f.kind == FAULT_INVALID || f.kind == FAULT_INVALID_JSON);
	} else {
		assert(r.count > 0 && r.count <= REPORT_NODES_MAX);
		for (size_t i = 0; i < r.count; i++)
			evidence_needs(a, r.nodes[i].bundle, names, &count, &f);
		assert(count <= EVIDENCE_NEEDS_MAX);
	}
	report_free(&r);
	arena_free(&a);
	return 0;
}
