/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes through every decoder: what is accepted has exactly one spelling,
 * so encoding the result gives the input back.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/codec.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void
same(struct text in, const char *again)
{
	if (!text_is(in, again))
		abort();
}

static void
check_text(struct text in, char *scratch)
{
	char short_text[16];
	int64_t ms;
	char time[RFC3339_TEXT];

	text_escape(in, short_text, sizeof(short_text));
	if (!text_is_utf8(text_of(short_text)))
		abort();
	if (time_of_rfc3339(in, &ms)) {
		time_to_rfc3339(ms, time);
		if (!time_of_rfc3339(text_of(time), &ms))
			abort();
	}
	(void)text_is_did(in);
	if (text_store(in, scratch, in.len + 1))
		(void)uuid_v7_time(scratch);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct text in = {(const char *)at, len};
	uint8_t *out = mem_array(1, len + 1);
	char *again = mem_array(2, len + 8);
	size_t n;

	if (base64_decode(in, out, len, &n)) {
		base64_encode(bytes_of(out, n), again);
		same(in, again);
	}
	if (base64url_decode(in, out, len, &n)) {
		base64url_encode(bytes_of(out, n), again);
		same(in, again);
	}
	if (hex_decode(in, out, len, &n)) {
		hex_encode(bytes_of(out, n), again);
		if (strlen(again) != len || strncasecmp(again, in.at, len))
			abort();
	}
	if (percent_decode(in, (char *)out, len + 1, &n) &&
	    (n > len || strlen((char *)out) != n))
		abort();
	check_text(in, again);
	mem_free(out);
	mem_free(again);
	return 0;
}
