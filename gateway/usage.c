/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Usage from the end of an answer. The tail is hostile text cut anywhere:
 * only a whole, balanced object after the last "usage": is read, and counts
 * beyond what is possible are not believed.
 */
#include "gateway/usage.h"

#include <string.h>

#include "base/json.h"
#include "gateway/object.h"

#define TOKENS_MAX 100000000 /* in one request; beyond it is a lie */

void
usage_tail_add(struct usage_tail *t, const void *at, size_t len)
{
	const char *from = at;

	if (len >= USAGE_TAIL) {
		memcpy(t->at, from + (len - USAGE_TAIL), USAGE_TAIL);
		t->len = USAGE_TAIL;
		return;
	}
	if (t->len + len > USAGE_TAIL) {
		size_t drop = t->len + len - USAGE_TAIL;

		memmove(t->at, t->at + drop, t->len - drop);
		t->len -= drop;
	}
	memcpy(t->at + t->len, from, len);
	t->len += len;
}

/* The balanced object at the start of t, or an empty text. */
static struct text
object_at(struct text t)
{
	struct object o = {.depth = 0};
	size_t len = object_take(&o, t.at, t.len);

	if (o.state == OBJECT_OVER)
		return (struct text){t.at, len};
	return (struct text){NULL, 0};
}

static size_t
skip_blanks(struct text t, size_t i)
{
	while (i < t.len && (t.at[i] == ' ' || t.at[i] == '\t' ||
				t.at[i] == '\r' || t.at[i] == '\n'))
		i++;
	return i;
}

static struct usage
counts_of(struct text object)
{
	struct usage u = {false, 0, 0};
	json_t *o;

	if (!json_read(object, USAGE_TAIL, &o, NULL))
		return u;
	if (json_get_int_or(o, "prompt_tokens", 0, TOKENS_MAX, 0, &u.tokens_in,
		FAULT_INVALID, NULL) &&
	    json_get_int_or(o, "completion_tokens", 0, TOKENS_MAX, 0,
		&u.tokens_out, FAULT_INVALID, NULL))
		u.is_known = json_object_get(o, "prompt_tokens") != NULL ||
			     json_object_get(o, "completion_tokens") != NULL;
	if (!u.is_known)
		u = (struct usage){false, 0, 0};
	json_free(&o);
	return u;
}

struct usage
usage_read(struct text tail)
{
	static const char name[] = "\"usage\"";
	const size_t name_len = sizeof(name) - 1;

	for (size_t at = tail.len; at-- > 0;) {
		struct text rest = {tail.at + at, tail.len - at};
		size_t i = name_len;

		if (!text_starts_with(rest, name))
			continue;
		i = skip_blanks(rest, i);
		if (i >= rest.len || rest.at[i] != ':')
			continue;
		i = skip_blanks(rest, i + 1);
		if (i >= rest.len || rest.at[i] != '{')
			continue; /* "usage":null of the chunks before */
		struct usage u = counts_of(
		    object_at((struct text){rest.at + i, rest.len - i}));

		if (u.is_known)
			return u;
	}
	return (struct usage){false, 0, 0};
}
