/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames and marks of the spool. Whatever a disk or a crash has made of the
 * bytes, a frame is good only if its magic, its length and its CRC agree.
 */
#include "base/spool_frame.h"

#include <endian.h>
#include <string.h>

#include "base/cursor.h"

enum {
	FRAME_MAGIC = 0x31505341, /* "ASP1" */
	MARK_MAGIC = 0x314d5341	  /* "ASM1" */
};

/* CRC-32C (RFC 3720, appendix B.4), four bits at a time. */
static uint32_t
crc32c(uint32_t crc, struct bytes b)
{
	static const uint32_t steps[16] = {0x00000000, 0x105ec76f, 0x20bd8ede,
	    0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
	    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4,
	    0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};

	crc = ~crc;
	for (size_t i = 0; i < b.len; i++) {
		crc ^= b.at[i];
		crc = crc >> 4 ^ steps[crc & 15];
		crc = crc >> 4 ^ steps[crc & 15];
	}
	return ~crc;
}

static void
put_u32(uint8_t *at, uint32_t v)
{
	v = htole32(v);
	memcpy(at, &v, sizeof(v));
}

static void
put_u64(uint8_t *at, uint64_t v)
{
	v = htole64(v);
	memcpy(at, &v, sizeof(v));
}

void
spool_head_make(uint8_t head[SPOOL_HEAD_BYTES], struct bytes record)
{
	put_u32(head, FRAME_MAGIC);
	put_u32(head + 8, (uint32_t)record.len);
	put_u32(head + 4, crc32c(crc32c(0, bytes_of(head + 8, 4)), record));
}

enum spool_frame
spool_frame_read(struct bytes b, struct bytes *record, size_t *size)
{
	struct cursor c = cursor_of(b);
	uint32_t magic = cursor_u32le(&c);
	uint32_t crc = cursor_u32le(&c);
	uint32_t len = cursor_u32le(&c);

	*record = (struct bytes){NULL, 0};
	*size = 0;
	if (c.failed)
		return SPOOL_FRAME_SHORT;
	if (magic != FRAME_MAGIC || len == 0 || len > SPOOL_RECORD_MAX)
		return SPOOL_FRAME_BAD;
	*size = SPOOL_HEAD_BYTES + len;
	*record = cursor_take(&c, len);
	if (c.failed)
		return SPOOL_FRAME_SHORT;
	if (crc32c(crc32c(0, bytes_of(b.at + 8, 4)), *record) == crc)
		return SPOOL_FRAME_GOOD;
	*record = (struct bytes){NULL, 0};
	return SPOOL_FRAME_BAD;
}

void
spool_mark_make(uint8_t out[SPOOL_MARK_BYTES], uint64_t number)
{
	put_u32(out, MARK_MAGIC);
	put_u64(out + 8, number);
	put_u32(out + 4, crc32c(0, bytes_of(out + 8, 8)));
}

uint64_t
spool_mark_read(struct bytes b)
{
	struct cursor c = cursor_of(b);
	uint32_t magic = cursor_u32le(&c);
	uint32_t crc = cursor_u32le(&c);
	uint64_t number = cursor_u64le(&c);

	if (c.failed || magic != MARK_MAGIC ||
	    crc != crc32c(0, bytes_of(b.at + 8, 8)))
		return 0;
	return number;
}
