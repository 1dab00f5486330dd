/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an answer of each source: read as the document of its name,
 * and put together from parts. The first byte picks the name.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gateway/collateral_body.h"
#include "gateway/collateral_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static const char *const names[] = {"tdx/tcb/00806f050000",
    "tdx/tcb/00806f050000.processor", "amd/chain/genoa/vcek",
    "amd/crl/milan/vlek", "amd/vcek/00/00", "nvidia/crl/l1-root",
    "nvidia/rim/NV_GPU_DRIVER_GH100_550.1", "nvidia/ocsp/00/00/00",
    "nras/jwks"};

/* The rest, cut in three, as bodies and header fields of the answers. */
static void
assemble(struct arena *a, const char *name, struct bytes all)
{
	struct collateral_answer_part parts[COLLATERAL_STEPS_MAX] = {
	    {.chain = NULL}};
	size_t cut = all.len / COLLATERAL_STEPS_MAX;
	struct bytes out = {0};

	for (size_t i = 0; i < COLLATERAL_STEPS_MAX; i++) {
		parts[i].body = bytes_of(all.at + i * cut, cut);
		if (i % 2 == 0)
			parts[i].chain = arena_copy(a, all.at, all.len);
	}
	for (size_t n = 1; n <= COLLATERAL_STEPS_MAX; n++)
		if (collateral_assemble(a, name, parts, n, &out, NULL) &&
		    out.at == NULL && out.len > 0)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	static const struct collateral_urls urls = {
	    "a:", "b:", "c:", "d:", "e:", "f:", "g:"};
	const char *name, *given;
	struct collateral_plan plan;
	struct arena *a;
	struct collateral_facts facts;

	if (len == 0)
		return 0;
	a = arena_new();
	name = names[at[0] % (sizeof(names) / sizeof(*names))];
	collateral_body_read(name, bytes_of(at + 1, len - 1), &facts, NULL);
	if (facts.edition.count > EDITION_PARTS)
		abort();
	assemble(a, name, bytes_of(at + 1, len - 1));
	given = arena_copy(a, at + 1, len - 1);
	if (collateral_name_is_sound(given) &&
	    collateral_plan_make(a, &urls, given, &plan, NULL) &&
	    (plan.count == 0 || plan.count > COLLATERAL_STEPS_MAX))
		abort();
	arena_free(&a);
	return 0;
}
