/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading cursor: every read goes through cursor_take, which is the only
 * place that compares with what is left. After one failure nothing is left.
 */
#include "base/cursor.h"

struct cursor
cursor_of(struct bytes b)
{
	return (struct cursor){b.at, b.len, false};
}

struct bytes
cursor_take(struct cursor *c, size_t n)
{
	struct bytes b = {c->at, n};

	if (c->failed || n > c->left) {
		c->failed = true;
		c->left = 0;
		return (struct bytes){NULL, 0};
	}
	if (n > 0)
		c->at += n;
	c->left -= n;
	return b;
}

static uint64_t
little(struct cursor *c, size_t n)
{
	struct bytes b = cursor_take(c, n);
	uint64_t v = 0;

	for (size_t i = b.len; i > 0; i--)
		v = v << 8 | b.at[i - 1];
	return v;
}

static uint64_t
big(struct cursor *c, size_t n)
{
	struct bytes b = cursor_take(c, n);
	uint64_t v = 0;

	for (size_t i = 0; i < b.len; i++)
		v = v << 8 | b.at[i];
	return v;
}

uint8_t
cursor_u8(struct cursor *c)
{
	return (uint8_t)little(c, 1);
}

uint16_t
cursor_u16le(struct cursor *c)
{
	return (uint16_t)little(c, 2);
}

uint32_t
cursor_u24le(struct cursor *c)
{
	return (uint32_t)little(c, 3);
}

uint32_t
cursor_u32le(struct cursor *c)
{
	return (uint32_t)little(c, 4);
}

uint64_t
cursor_u64le(struct cursor *c)
{
	return little(c, 8);
}

uint16_t
cursor_u16be(struct cursor *c)
{
	return (uint16_t)big(c, 2);
}

uint32_t
cursor_u32be(struct cursor *c)
{
	return (uint32_t)big(c, 4);
}

uint64_t
cursor_u64be(struct cursor *c)
{
	return big(c, 8);
}

bool
cursor_done(const struct cursor *c)
{
	return !c->failed && c->left == 0;
}
