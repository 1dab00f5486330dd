/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the last 4 KiB; usage stands at an answer's end. */
#include "provider/usage.h"

#include <string.h>

void
usage_add(struct usage_tail *u, const void *at, size_t len)
{
	const char *from = at;

	if (len > USAGE_TAIL) {
		from += len - USAGE_TAIL;
		len = USAGE_TAIL;
	}
	if (u->len + len > USAGE_TAIL) {
		size_t drop = u->len + len - USAGE_TAIL;

		memmove(u->bytes, u->bytes + drop, u->len - drop);
		u->len -= drop;
	}
	memcpy(u->bytes + u->len, from, len);
	u->len += len;
}

static int64_t
last_number(const char *bytes, const char *name)
{
	const char *at = bytes, *found = NULL;
	int64_t n = 0;

	while ((at = strstr(at, name)) != NULL)
		found = at += strlen(name);
	if (found == NULL)
		return 0;
	while (*found == ' ' || *found == ':' || *found == '\t')
		found++;
	for (; *found >= '0' && *found <= '9' && n < INT32_MAX; found++)
		n = n * 10 + (*found - '0');
	return n;
}

int64_t
usage_tokens(struct usage_tail *u)
{
	int64_t total;

	for (size_t i = 0; i < u->len; i++)
		if (u->bytes[i] == '\0')
			u->bytes[i] = ' ';
	u->bytes[u->len] = '\0';
	total = last_number(u->bytes, "\"total_tokens\"");
	if (total > 0)
		return total;
	return last_number(u->bytes, "\"prompt_tokens\"") +
	       last_number(u->bytes, "\"completion_tokens\"");
}
