/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a gateway's hello, and as what it made of a statement. What is
 * taken is bounded, and can be written into the daemon's status.
 */
#include <stdlib.h>
#include <string.h>

#include "provider/hello.h"
#include "provider/offer.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void
check(struct arena *a, struct admission *x)
{
	json_t *status = json_pack("{s:s, s:s, s:O}", "session", x->session,
	    "verified", x->verified, "models", x->models);
	const char *canonical;
	json_t *one;

	if (status == NULL || json_object_size(x->models) > OFFER_MODELS)
		abort();
	json_object_foreach(x->models, canonical, one)
	{
		if (!json_is_string(json_object_get(one, "status")))
			abort();
	}
	json_write(a, status);
	json_free(&status);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct text t = {(const char *)at, len};
	struct arena *a = arena_new();
	struct fault f = {0};
	struct admission told;
	struct hello hello;

	if (hello_read(t, a, &hello, &f)) {
		if (strlen(hello.nonce) > 128)
			abort();
	} else if (f.kind == FAULT_NONE || f.why[0] == '\0') {
		abort();
	}
	f = (struct fault){0};
	if (admission_read(t, &told, &f))
		check(a, &told);
	else if (f.kind == FAULT_NONE || f.why[0] == '\0')
		abort();
	admission_free(&told);
	arena_free(&a);
	return 0;
}
