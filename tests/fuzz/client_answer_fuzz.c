/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the command line reads of a gateway: a refusal, how it would route, and
 * the signature of an exchange. None of it steers the terminal.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "client/ask.h"
#include "client/exchange.h"
#include "client/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void
explain(struct text t)
{
	json_t *j = NULL;
	char *page = NULL;
	size_t size;
	FILE *to;

	if (!json_read(t, ASK_ANSWER_BYTES, &j, NULL))
		return;
	to = open_memstream(&page, &size);
	route_explain(to, j);
	fclose(to);
	for (size_t i = 0; i < size; i++)
		if (page[i] != '\n' && (page[i] < ' ' || page[i] > '~'))
			abort();
	free(page);
	json_free(&j);
}

static void
check_exchange(struct arena *a, struct text t)
{
	struct exchange e = {.request = bytes_of(t.at, t.len)};
	struct verdict v;

	verdict_init(&v, a, 0);
	if (exchange_signature_read(a, t, &e.signature, &e.unread)) {
		exchange_signer(&e, &v);
	} else if (e.unread.kind == FAULT_NONE) {
		abort();
	}
	/* Nobody signs any bytes that hash to what stands in them. */
	if (exchange_check(&e, &v) && v.outcome == VERDICT_VERIFIED)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct text t = {(const char *)at, len};
	struct arena *a = arena_new();
	struct fault f = {0};

	if (ask_refused(503, t, &f) || f.kind != FAULT_REFUSED)
		abort();
	explain(t);
	check_exchange(a, t);
	arena_free(&a);
	return 0;
}
