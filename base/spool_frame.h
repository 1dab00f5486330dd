/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a spool on disk, as pure functions: a record's frame (magic,
 * CRC-32C, length, the record) and the mark of what is done with (magic,
 * CRC-32C, number). Numbers are little-endian; each CRC covers what follows
 * it.
 */
#ifndef BASE_SPOOL_FRAME_H
#define BASE_SPOOL_FRAME_H

#include "base/text.h"

enum {
	SPOOL_RECORD_MAX = 1 << 20,
	SPOOL_HEAD_BYTES = 12,
	SPOOL_MARK_BYTES = 16
};

/* What stands before a record of 1..SPOOL_RECORD_MAX bytes. */
void spool_head_make(uint8_t head[SPOOL_HEAD_BYTES], struct bytes record);

/* The frame at the start of b. GOOD: *record is its bytes and *size how far
 * the next frame is. SHORT: b ends within it; *size is its size where that is
 * known, else 0. BAD: no frame. */
enum spool_frame { SPOOL_FRAME_GOOD, SPOOL_FRAME_SHORT, SPOOL_FRAME_BAD };
enum spool_frame spool_frame_read(
    struct bytes b, struct bytes *record, size_t *size);

void spool_mark_make(uint8_t out[SPOOL_MARK_BYTES], uint64_t number);
/* The number in it; 0 where it is torn or none. */
uint64_t spool_mark_read(struct bytes b);

#endif
