/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an answer of each source: read as the document of its name,
 * put together from parts, judged, and never taken in place of what was
 * verified. The first byte picks the name.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gateway/collateral_held.h"
#include "gateway/collateral_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static const char *const names[] = {"tdx/tcb/00806f050000",
    "tdx/tcb/00806f050000.processor", "amd/chain/Genoa/vcek",
    "amd/crl/Milan/vlek", "amd/vcek/00/00", "nvidia/crl/l1-root",
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

/* Nobody's signature is found in any bytes; and what was verified stays. */
static void
judge(const char *name, struct bytes body)
{
	static struct nvidia_kept seen;
	struct collateral_issuers by = {
	    .anchors = anchors_pinned(), .nvidia = &seen};
	struct collateral_piece p = {.body = body, .fetched_at = 2};
	struct collateral_held h = {.fetched_at = 1, .genuine = GENUINE_YES};
	struct fault f = {0};
	bool changed;

	h.body = mem_copy("x", h.len = 1);
	p.genuine = collateral_judge(&by, name, body, 1768435200000, &f);
	(void)collateral_body_read(name, body, &p.facts, &f);
	(void)collateral_held_take(&h, &p, 3, &changed, &f);
	if (p.genuine == GENUINE_YES || changed)
		abort();
	collateral_issuers_clear(&by);
	collateral_held_clear(&h);
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
	judge(name, bytes_of(at + 1, len - 1));
	assemble(a, name, bytes_of(at + 1, len - 1));
	given = arena_copy(a, at + 1, len - 1);
	if (collateral_name_is_sound(given) &&
	    collateral_plan_make(a, &urls, given, &plan, NULL) &&
	    (plan.count == 0 || plan.count > COLLATERAL_STEPS_MAX))
		abort();
	arena_free(&a);
	return 0;
}
