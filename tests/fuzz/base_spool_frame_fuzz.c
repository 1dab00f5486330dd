/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a segment: the reader walks frames within the bytes, always
 * forward, and a good frame stays good when it stands alone.
 */
#include <stdlib.h>

#include "base/spool_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct bytes left = bytes_of(at, len);
	struct bytes record;
	size_t size;

	while (spool_frame_read(left, &record, &size) == SPOOL_FRAME_GOOD) {
		struct bytes again;
		size_t same;

		if (size > left.len || record.len == 0 || record.at < left.at ||
		    record.at + record.len != left.at + size)
			abort();
		if (spool_frame_read(bytes_of(left.at, size), &again, &same) !=
			SPOOL_FRAME_GOOD ||
		    same != size || !bytes_equal(record, again))
			abort();
		if (spool_frame_read(bytes_of(left.at, size - 1), &again,
			&same) != SPOOL_FRAME_SHORT)
			abort();
		left.at += size;
		left.len -= size;
	}
	if (record.len != 0 && record.at == NULL)
		abort();
	return 0;
}
