/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/text: any bytes as a number, a time, an id, a DID, and escaped for a
 * log. What is read and written again is the same.
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void
check_time(struct text t)
{
	char again[RFC3339_TEXT];
	int64_t ms, same;

	if (!time_of_rfc3339(t, &ms))
		return;
	time_to_rfc3339(ms, again);
	if (!time_of_rfc3339(text_of(again), &same) || same != ms)
		abort();
}

static void
check_ids(struct text t)
{
	char uuid[UUID_TEXT], small[8];
	uint64_t n;

	if (text_is_uuid(t)) {
		if (!text_store(t, uuid, sizeof(uuid)))
			abort();
		if (uuid_v7_time(uuid) < -1)
			abort();
	}
	if (text_to_u64(t, &n) && (t.len == 0 || t.at[0] == '-'))
		abort();
	if (text_is_did(t) && !text_starts_with(t, "did:"))
		abort();
	if (text_store(t, small, sizeof(small)) != (t.len < sizeof(small)))
		abort();
}

static void
check_escape(struct text t)
{
	char out[64];

	text_escape(t, out, sizeof(out));
	if (memchr(out, '\0', sizeof(out)) == NULL)
		abort();
	for (const char *c = out; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct text t = {(const char *)at, len};

	check_time(t);
	check_ids(t);
	check_escape(t);
	(void)text_is_utf8(t);
	return 0;
}
