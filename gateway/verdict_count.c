/* SPDX-License-Identifier: Apache-2.0 */
/* See verdict_count.h. */
#include "gateway/verdict_count.h"

#include <string.h>

enum counted_evidence
verdict_kind(const json_t *evidence)
{
	const json_t *items = json_object_get(evidence, "items");
	bool tdx = false, snp = false, gpu = false, device = false;

	for (size_t i = 0; i < json_array_size(items); i++) {
		const char *kind = json_string_value(
		    json_object_get(json_array_get(items, i), "kind"));

		if (kind == NULL)
			continue;
		tdx |= strcmp(kind, "tdx") == 0;
		snp |= strcmp(kind, "snp") == 0;
		gpu |= strcmp(kind, "nvidia") == 0;
		device |= strncmp(kind, "apple-", 6) == 0;
	}
	return tdx	? gpu ? COUNTED_TDX_GPU : COUNTED_TDX
	       : snp	? gpu ? COUNTED_SNP_GPU : COUNTED_SNP
	       : gpu	? COUNTED_GPU
	       : device ? COUNTED_DEVICE
			: COUNTED_EVIDENCE; /* other */
}

void
verdict_count_chain(
    struct counters *c, enum counted_evidence kind, enum counted_chain how)
{
	if (c != NULL)
		metric_count(c->verdict_chains, kind, how, 0);
}

/* A device's chain that was kept says so where it was verified. */
void
verdict_count(struct counters *c, enum counted_evidence kind,
    const struct verdict *v, int64_t cpu_us)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < v->count; i++)
		if (strcmp(v->claims[i].check.name, "nvidia.chain") == 0 &&
		    v->claims[i].result == CLAIM_ASSERTED)
			verdict_count_chain(c, kind,
			    v->claims[i].check.seen != NULL ? COUNTED_KEPT
							    : COUNTED_FULL);
	metric_count(c->verdicts, kind, v->code, 0);
	metric_observe(c->verdict_cpu, (double)cpu_us / 1e6, kind, 0, 0);
}
