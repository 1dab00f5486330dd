/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what a provider gives for a signature, as the beginning of an
 * answer, and as a record of the spool. Nothing is taken for a signature that
 * does not name the key wanted, and an id that is found can be asked for.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/signatures.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void
check_id(struct text t, bool is_stream)
{
	char id[SIGNATURE_CHAT_ID_MAX + 1];

	if (signature_chat_id(t, is_stream, id) &&
	    (id[0] == '\0' || text_is_uuid(text_of(id)) ||
		strpbrk(id, " \r\n\t") != NULL))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct signature_wish w = {.model = "m",
	    .address = "0x6525e128afcffebf7eed05d485d7be983cdae934"};
	struct text t = {(const char *)at, len};
	struct arena *a = arena_new();
	struct signature_row row = {0};
	struct fault f = {0};

	if (signature_read(t, &w, a, &row, &f))
		abort(); /* no bytes hash to nothing but zeros */
	if (f.kind != FAULT_SIGNATURE_INVALID)
		abort();
	check_id(t, false);
	check_id(t, true);
	if (signature_record_read(t, a, &row, &f) &&
	    (row.request == NULL || row.bytes < 0))
		abort();
	arena_free(&a);
	return 0;
}
