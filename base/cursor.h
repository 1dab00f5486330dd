/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a wire format as a column of reads. Bounds are the cursor's
 * business: a read past the end fails, sets `failed`, yields zeros, and every
 * later read fails too, so a parser may check once at the end.
 */
#ifndef BASE_CURSOR_H
#define BASE_CURSOR_H

#include "base/text.h"

struct cursor {
	const uint8_t *at;
	size_t left;
	bool failed;
};

struct cursor cursor_of(struct bytes b);
uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16le(struct cursor *c);
uint32_t cursor_u24le(struct cursor *c);
uint32_t cursor_u32le(struct cursor *c);
uint64_t cursor_u64le(struct cursor *c);
uint16_t cursor_u16be(struct cursor *c);
uint32_t cursor_u32be(struct cursor *c);
uint64_t cursor_u64be(struct cursor *c);
struct bytes cursor_take(struct cursor *c, size_t n); /* empty on failure */
bool cursor_done(const struct cursor *c); /* nothing failed, nothing left */

#endif
