/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether bytes that come in pieces are one JSON object: where it begins, and
 * where its last brace is. What stands between is not judged; it may be of any
 * size, and nothing of it is kept.
 */
#ifndef GATEWAY_OBJECT_H
#define GATEWAY_OBJECT_H

#include <stdbool.h>
#include <stddef.h>

enum object_state { OBJECT_AWAITED, OBJECT_OPEN, OBJECT_OVER, OBJECT_NONE };

/* A plain value; zero it to begin. */
struct object {
	enum object_state state; /* NONE: something else stands there */
	size_t depth;
	bool in_string, is_escaped;
};

/* Takes bytes up to the object's end, or to a byte that does not belong; gives
 * how many. After the end it takes blanks alone. */
size_t object_take(struct object *o, const char *at, size_t len);
/* Takes all of them. */
void object_feed(struct object *o, const char *at, size_t len);

#endif
