/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an answer of the attestation service, as its key set and as a
 * single token: never verified, and never a crash.
 */
#include <stdlib.h>
#include <string.h>

#include "attestation/nras.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void
answer(struct arena *a, struct text t)
{
	static const uint8_t nonce[32];
	const struct nras_rules rules = {.anchors = anchors_pinned(),
	    .nonce = bytes_of(nonce, sizeof(nonce)),
	    .now_ms = 1768435200000,
	    .devices = -1};
	struct verdict v;
	struct fault f = {0};
	json_t *j = NULL;

	verdict_init(&v, a, rules.now_ms);
	if (json_read(t, NRAS_ANSWER_MAX, &j, &f))
		nras_judge(&v, &rules, j, t);
	json_free(&j);
	if (verdict_conclude(&v))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	const struct eat_rules rules = {anchors_pinned(), 1768435200000};
	struct text t = {(const char *)at, len};
	struct arena *a = arena_new();
	struct eat_keys keys;
	struct window window;
	EVP_PKEY *key = NULL;
	struct fault f = {0};
	struct eat e;

	answer(a, t);
	if (eat_read(t, &e, &f) && strlen(e.kid) >= sizeof(e.kid))
		abort();
	eat_free(&e);
	if (eat_keys_read(t, &keys, &f) &&
	    eat_key_find(&keys, "k", &rules, &key, &window, &f))
		abort();
	eat_keys_free(&keys);
	arena_free(&a);
	return 0;
}
