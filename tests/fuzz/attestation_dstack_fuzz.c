/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an event log, a receipt, a chat text and a sealed member. An
 * accepted log has a platform that spoke once, and no item from its workload.
 */
#include <stdlib.h>

#include "attestation/aci.h"
#include "attestation/dstack.h"
#include "attestation/eip191.h"
#include "attestation/sealed.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void
check_log(const struct dstack_log *l)
{
	bool ready = false;
	size_t workload = 0;

	for (size_t i = 0; i < l->events; i++) {
		const struct dstack_event *e = &l->event[i];

		if (e->imr >= DSTACK_REGISTERS ||
		    e->workload != (ready && e->imr == 3))
			abort();
		workload += e->workload;
		ready |= e->imr == 3 && text_is(e->name, "system-ready");
	}
	if (!ready || workload != l->workload_events)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct text t = {(const char *)at, len};
	struct sealed_member m = {.sequence = 0};
	struct arena *a = arena_new();
	struct aci_receipt receipt;
	struct dstack_log log;
	struct chat_text chat;
	struct bytes plain;
	struct text id;

	if (dstack_log_read(a, t, &log, NULL))
		check_log(&log);
	if (aci_receipt_read(a, t, t, &receipt, NULL))
		abort();
	if (chat_text_read(t, &chat, NULL) && chat.model.len >= len)
		abort();
	if (sealed_open_member(a, &m, t, &id, &plain, NULL))
		abort();
	arena_free(&a);
	return 0;
}
