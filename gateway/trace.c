/* SPDX-License-Identifier: Apache-2.0 */
/* version "00" - trace id - parent id - flags, lower-case hex. */
#include "gateway/trace.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/codec.h"

static bool
is_hex(const char *at, size_t len)
{
	bool is_zero = true;

	for (size_t i = 0; i < len; i++) {
		if (strchr("0123456789abcdef", at[i]) == NULL)
			return false;
		if (at[i] != '0')
			is_zero = false;
	}
	return !is_zero; /* all zeros is invalid, section 3.2.2.3 */
}

static bool
is_good(const char *s)
{
	return s != NULL && strlen(s) == 55 && strncmp(s, "00-", 3) == 0 &&
	       is_hex(s + 3, 32) && s[35] == '-' && is_hex(s + 36, 16) &&
	       s[52] == '-' && strspn(s + 53, "0123456789abcdef") == 2;
}

void
trace_next(const char *from, const uint8_t random[24], char out[TRACEPARENT])
{
	char trace[33], parent[17];
	const char *flags = "01";

	hex_encode(bytes_of(random, 16), trace);
	hex_encode(bytes_of(random + 16, 8), parent);
	if (is_good(from)) {
		memcpy(trace, from + 3, 32);
		flags = from + 53;
	}
	snprintf(out, TRACEPARENT, "00-%s-%s-%s", trace, parent, flags);
}
