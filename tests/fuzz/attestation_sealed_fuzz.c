/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attestation/sealed: any bytes as what was sealed to a key of ours. Nothing
 * opens without its tag, and what is refused is refused for a reason.
 */
#include <stdlib.h>
#include <string.h>

#include "attestation/sealed.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void
refused(bool opened, const struct fault *f)
{
	if (opened || f->kind == FAULT_NONE)
		abort(); /* no input forges a tag */
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	static const uint8_t secret[32] = {7, [31] = 9};
	struct sealed_member m = {.sequence = 1};
	struct arena *a;
	struct fault f = {0};
	struct bytes out;
	struct text id;

	if (len == 0)
		return 0;
	a = arena_new();
	memcpy(m.secret, secret, sizeof(secret));
	switch (at[0] % 3) {
	case 0:
		refused(sealed_open_ed25519(
			    a, secret, bytes_of(at + 1, len - 1), &out, &f),
		    &f);
		break;
	case 1:
		refused(sealed_open_ecdsa(
			    a, secret, bytes_of(at + 1, len - 1), &out, &f),
		    &f);
		break;
	default:
		refused(sealed_open_member(a, &m,
			    (struct text){(const char *)at + 1, len - 1}, &id,
			    &out, &f),
		    &f);
		break;
	}
	arena_free(&a);
	return 0;
}
