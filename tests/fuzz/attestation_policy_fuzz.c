/* SPDX-License-Identifier: Apache-2.0 */
/* A policy, a manifest, or a bundle judged under a policy: all of them text
 * from outside. */
#include <string.h>

#include "attestation/evidence.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
judge(struct arena *a, struct text t)
{
	static const char policy[] =
	    "{\"version\":1,\"require\":[\"cpu\"],"
	    "\"tdx\":{\"any_workload\":true},\"snp\":{\"any_workload\":true},"
	    "\"nvidia\":{}}";
	const char *needs[EVIDENCE_NEEDS_MAX];
	struct examination x = {
	    .anchors = anchors_pinned(), .now_ms = 1768435200000};
	struct policy *p = NULL;
	struct verdict v;
	struct fault f;
	json_t *bundle = NULL;
	size_t n;

	if (!policy_read(a, text_of(policy), &p, &f) ||
	    !json_read(t, EVIDENCE_MAX_BYTES, &bundle, &f))
		return;
	x.policy = p;
	verdict_init(&v, a, x.now_ms);
	evidence_judge(&x, bundle, &v);
	if (v.outcome == VERDICT_VERIFIED)
		__builtin_trap();
	evidence_needs(a, bundle, needs, &n, &f);
	json_free(&bundle);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy *policies[CONTRAST_POLICIES_MAX], *p;
	struct arena *a;
	struct fault f;
	struct text t;
	size_t n;

	if (size == 0)
		return 0;
	a = arena_new();
	t = (struct text){(const char *)data + 1, size - 1};
	switch (data[0] % 3) {
	case 0:
		policy_read(a, t, &p, &f);
		break;
	case 1:
		policy_of_contrast(a, t, policies, &n, &f);
		break;
	default:
		judge(a, t);
		break;
	}
	arena_free(&a);
	return 0;
}
