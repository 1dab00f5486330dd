/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Braces are counted, outside of strings (RFC 8259 section 7): as cheap as
 * that, because it is done for every byte of an answer.
 */
#include "gateway/object.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void
step_in_string(struct object *o, char c)
{
	if (o->is_escaped)
		o->is_escaped = false;
	else if (c == '\\')
		o->is_escaped = true;
	else if (c == '"')
		o->in_string = false;
}

static void
step_inside(struct object *o, char c)
{
	if (o->in_string)
		step_in_string(o, c);
	else if (c == '"')
		o->in_string = true;
	else if (c == '{')
		o->depth++;
	else if (c == '}' && --o->depth == 0)
		o->state = OBJECT_OVER;
}

static void
step_outside(struct object *o, char c)
{
	if (is_blank(c))
		return;
	if (o->state == OBJECT_AWAITED && c == '{') {
		o->state = OBJECT_OPEN;
		o->depth = 1;
		return;
	}
	o->state = OBJECT_NONE;
}

size_t
object_take(struct object *o, const char *at, size_t len)
{
	enum object_state was = o->state;

	for (size_t i = 0; i < len; i++) {
		if (o->state == OBJECT_OPEN)
			step_inside(o, at[i]);
		else
			step_outside(o, at[i]);
		if (o->state == OBJECT_NONE)
			return i;
		if (o->state == OBJECT_OVER && was != OBJECT_OVER)
			return i + 1;
	}
	return len;
}

void
object_feed(struct object *o, const char *at, size_t len)
{
	while (len > 0 && o->state != OBJECT_NONE) {
		size_t n = object_take(o, at, len);

		at += n;
		len -= n;
	}
}
