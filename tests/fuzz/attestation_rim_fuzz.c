/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a manifest under the pinned roots. A genuine one may be among
 * the seeds, so acceptance is possible; what is accepted is then complete, and
 * its signer's certificates are those that a peek shows.
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

/* How many certificates a look without judging shows; 0: none. */
static size_t
peek(struct bytes xml)
{
	struct chain signer;
	struct fault f = {0};
	size_t count = 0;

	if (rim_signer_peek(xml, &signer, &f))
		count = signer.count;
	else if (f.kind == FAULT_NONE || f.why[0] == '\0')
		abort();
	chain_free(&signer);
	return count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	const struct rim_rules rules = {anchors_pinned(), NULL, 1768435200000};
	struct arena *a = arena_new();
	size_t shown = peek(bytes_of(at, len));
	struct fault f = {0};
	struct chain signer;
	struct rim rim;

	if (rim_read_signed(a, bytes_of(at, len), &rules, &rim, &signer, &f)) {
		check_rim(&rim);
		if (signer.count != shown)
			abort();
		chain_free(&signer);
	} else if (f.kind == FAULT_NONE || f.why[0] == '\0') {
		abort();
	}
	arena_free(&a);
	return 0;
}
