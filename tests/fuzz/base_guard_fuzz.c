/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The framing guard on any bytes: whole, byte by byte, and split where the
 * first input byte says, it must come to the same verdict, with no read out
 * of bounds (each piece is a block of its own).
 */
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct guard_limits limits = {
    .head_bytes = 2048,
    .fields = 16,
    .body_bytes = 4096,
};

static bool
feed(struct guard *g, const uint8_t *at, size_t len, struct fault *f)
{
	uint8_t *copy = malloc(len + 1);
	bool fine;

	if (copy == NULL)
		abort();
	if (len > 0)
		memcpy(copy, at, len);
	fine = len == 0 || guard_feed(g, bytes_of(copy, len), f);
	free(copy);
	return fine;
}

static bool
in_pieces(struct guard *g, const uint8_t *at, size_t len, size_t piece,
    struct fault *f)
{
	while (len > 0) {
		size_t n = len < piece ? len : piece;

		if (!feed(g, at, n, f))
			return false;
		at += n;
		len -= n;
	}
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t pieces[] = {SIZE_MAX, 1, size > 0 ? data[0] % 97 + 2 : 2};
	struct guard first, g;
	struct fault first_fault = {0}, f;
	bool first_fine = true;

	if (size > 0) {
		data++;
		size--;
	}
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		bool fine;

		memset(&f, 0, sizeof f);
		guard_init(&g, &limits);
		fine = in_pieces(&g, data, size, pieces[i], &f);
		if (i == 0) {
			first = g;
			first_fault = f;
			first_fine = fine;
			continue;
		}
		if (fine != first_fine || g.stage != first.stage ||
		    g.requests != first.requests || g.status != first.status ||
		    g.left != first.left || g.head != first.head ||
		    f.kind != first_fault.kind ||
		    strcmp(f.why, first_fault.why) != 0)
			abort();
	}
	return 0;
}
