/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attestation/binding: any bytes as a nonce, a signing key, and a compose
 * manager's actions. A nonce that is read answers itself, and actions hold
 * against report data that were made of them.
 */
#include <stdlib.h>
#include <string.h>

#include "attestation/binding.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void
check_actions(struct text t)
{
	static const uint8_t nonce[BINDING_NONCE] = {1, 2, 3};
	uint8_t sorted[REPORT_DATA], written[REPORT_DATA];
	struct fault f;

	/* What has no canonical form holds in neither. */
	if (!binding_actions(t, BINDING_SORTED, nonce, sorted, &f))
		return;
	if (!binding_actions(t, BINDING_AS_WRITTEN, nonce, written, &f) ||
	    !binding_actions_hold(sorted, t, nonce, &f) ||
	    !binding_actions_hold(written, t, nonce, &f))
		abort();
}

static void
check_nonce(struct text t)
{
	uint8_t nonce[BINDING_NONCE];
	struct fault f;

	if (binding_nonce_read(t, nonce, &f) && (t.len < 32 || t.len > 64))
		abort();
}

static void
check_key(struct text t)
{
	struct binding_key k;
	struct fault f;

	if (binding_key_read(text_of("ecdsa"), t, &k, &f) && k.len != 20)
		abort();
	if (binding_key_read(text_of("ed25519"), t, &k, &f) && k.len != 32)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct text t = {(const char *)at, len};

	check_actions(t);
	check_nonce(t);
	check_key(t);
	return 0;
}
