/* SPDX-License-Identifier: Apache-2.0 */
/*
 * provider/identity and provider/enrol: any bytes as assay-auth's answer to an
 * enrolment or a renewal. What is taken names a device, in a certificate too;
 * every refusal has a kind that it came with, and a sentence.
 */
#include <stdlib.h>
#include <string.h>

#include "provider/enrol.h"
#include "provider/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void
check(const struct enrolment *x)
{
	char did[201];

	if (!certificate_did(
		sk_X509_value(x->chain, 0), did, sizeof(did), NULL) ||
	    strcmp(did, x->identity.did) != 0 || !text_is_did(text_of(did)))
		abort();
	for (size_t i = 0; i < x->identity.tunnel_count; i++)
		if (x->identity.tunnels[i] == NULL)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct text t = {(const char *)at, len};
	struct arena *a = arena_new();
	struct fault f = {0};
	struct enrolment x;

	if (enrolment_read(a, t, &x, &f))
		check(&x);
	else if (f.kind == FAULT_NONE || f.why[0] == '\0')
		abort();
	enrolment_free(&x);
	f = (struct fault){0};
	if (enrol_refused(409, t, &f) || f.kind == FAULT_NONE)
		abort();
	arena_free(&a);
	return 0;
}
