/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an event stream, whole and cut at every place that the first
 * byte says: the reader must stand at the same point, and hold no more than
 * there is.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/event.h"
#include "gateway/sse.h"
#include "gateway/usage.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void
check_pieces(const char *at, size_t len, size_t step, const struct sse *whole)
{
	struct sse s = {0};

	for (size_t i = 0; i < len; i += step) {
		size_t n = len - i < step ? len - i : step;

		sse_feed(&s, at + i, n);
		if (sse_hold(&s) > i + n)
			abort();
	}
	if (sse_hold(&s) != sse_hold(whole) || s.is_done != whole->is_done ||
	    sse_at_boundary(&s) != sse_at_boundary(whole))
		abort();
}

static void
check_usage(const char *at, size_t len, size_t step)
{
	static struct usage_tail whole, pieces;
	struct usage a, b;

	whole.len = pieces.len = 0;
	usage_tail_add(&whole, at, len);
	for (size_t i = 0; i < len; i += step)
		usage_tail_add(
		    &pieces, at + i, len - i < step ? len - i : step);
	a = usage_read((struct text){whole.at, whole.len});
	b = usage_read((struct text){pieces.at, pieces.len});
	if (a.is_known != b.is_known || a.tokens_in != b.tokens_in ||
	    a.tokens_out != b.tokens_out)
		abort();
	if (a.is_known && (a.tokens_in < 0 || a.tokens_out < 0))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	const char *text = (const char *)at + 1;
	struct event_line line;
	struct sse whole = {0};
	struct fault f;
	size_t step;

	if (len < 2)
		return 0;
	step = (size_t)at[0] % 32 + 1;
	len--;
	sse_feed(&whole, text, len);
	check_pieces(text, len, step, &whole);
	check_usage(text, len, step);
	if (len <= EVENT_LINE)
		(void)event_read((struct text){text, len}, &line, &f);
	return 0;
}
