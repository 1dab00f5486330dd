/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a buyer's question for evidence, in both of its forms. */
#include <stdlib.h>
#include <string.h>

#include "gateway/wish.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void
check(bool ok, const struct wish *w, const struct fault *f)
{
	if (ok && (w->model == NULL || strlen(w->nonce) != 64 ||
		      strspn(w->nonce, "0123456789abcdef") != 64))
		abort();
	if (!ok && f->kind != FAULT_INVALID_REQUEST &&
	    f->kind != FAULT_INVALID_JSON)
		abort();
	if (!ok && f->why[0] == '\0')
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct text t = {(const char *)at, len};
	struct arena *a = arena_new();
	struct fault f = {0};
	struct wish w;

	check(wish_read(t, a, &w, &f), &w, &f);
	f = (struct fault){0};
	check(wish_of_query(arena_copy(a, at, len), a, &w, &f), &w, &f);
	arena_free(&a);
	return 0;
}
