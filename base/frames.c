/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame counter that stands in front of the HTTP/2 session. One pass over
 * the heads; payloads are skipped unread.
 */
#include "base/frames.h"

#include <string.h>

enum {
	PREFACE_BYTES = 24,
	CONTINUATION_RUN = 8,
	IDLE_PER_S = 200,
	WINDOWS_PER_S = 20000,
	FLAG_ACK = 0x1,
	FLAG_END_STREAM = 0x1
};

/* RFC 9113 section 6. */
enum frame_type {
	FRAME_DATA,
	FRAME_HEADERS,
	FRAME_PRIORITY,
	FRAME_RST_STREAM,
	FRAME_SETTINGS,
	FRAME_PUSH_PROMISE,
	FRAME_PING,
	FRAME_GOAWAY,
	FRAME_WINDOW_UPDATE,
	FRAME_CONTINUATION
};

static void
limit_init(struct ratelimit *r, unsigned per_s, int64_t now_us)
{
	ratelimit_init(r, per_s, per_s, 1000, now_us / 1000);
}

void
frames_init(struct frames *x, bool preface, unsigned resets_per_s,
    unsigned settings_per_s, unsigned pings_per_s, int64_t now_us)
{
	memset(x, 0, sizeof *x);
	x->preface = preface ? PREFACE_BYTES : 0;
	limit_init(&x->resets, resets_per_s, now_us);
	limit_init(&x->settings, settings_per_s, now_us);
	limit_init(&x->pings, pings_per_s, now_us);
	limit_init(&x->idle, IDLE_PER_S, now_us);
	limit_init(&x->windows, WINDOWS_PER_S, now_us);
}

static bool
take(struct ratelimit *r, int64_t now_us, const char *name, struct fault *f)
{
	return ratelimit_take(r, 1, now_us / 1000) ||
	       fault_set(f, FAULT_LIMIT, "more than %u %s frames a second",
		   (unsigned)r->rate, name);
}

static bool
judge_continuation(struct frames *x, struct fault *f)
{
	x->run++;
	return x->run <= CONTINUATION_RUN ||
	       fault_set(f, FAULT_LIMIT,
		   "more than %d CONTINUATION frames in a row",
		   CONTINUATION_RUN);
}

static bool
judge(struct frames *x, int64_t now_us, struct fault *f)
{
	uint8_t flags = x->head[4];
	bool ack = (flags & FLAG_ACK) != 0;

	x->count++;
	if (x->head[3] != FRAME_CONTINUATION)
		x->run = 0;
	switch (x->head[3]) {
	case FRAME_DATA:
		if (x->skip > 0 || (flags & FLAG_END_STREAM) != 0)
			return true;
		return take(&x->idle, now_us, "empty DATA", f);
	case FRAME_HEADERS:
	case FRAME_PUSH_PROMISE:
	case FRAME_GOAWAY:
		return true;
	case FRAME_RST_STREAM:
		return take(&x->resets, now_us, "RST_STREAM", f);
	case FRAME_SETTINGS:
		return ack || take(&x->settings, now_us, "SETTINGS", f);
	case FRAME_PING:
		return ack || take(&x->pings, now_us, "PING", f);
	case FRAME_WINDOW_UPDATE:
		return take(&x->windows, now_us, "WINDOW_UPDATE", f);
	case FRAME_CONTINUATION:
		return judge_continuation(x, f);
	default:
		return take(&x->idle, now_us, "PRIORITY or unknown", f);
	}
}

bool
frames_feed(struct frames *x, struct bytes b, int64_t now_us, struct fault *f)
{
	size_t n;

	n = b.len < x->preface ? b.len : x->preface;
	x->preface -= (unsigned)n;
	while (n < b.len) {
		if (x->skip > 0 && x->have == sizeof x->head) {
			size_t left = b.len - n;

			if (left > x->skip)
				left = x->skip;
			n += left;
			x->skip -= (uint32_t)left;
			continue;
		}
		if (x->have == sizeof x->head)
			x->have = 0;
		x->head[x->have++] = b.at[n++];
		if (x->have < sizeof x->head)
			continue;
		x->skip = (uint32_t)x->head[0] << 16 |
			  (uint32_t)x->head[1] << 8 | x->head[2];
		if (!judge(x, now_us, f))
			return false;
	}
	return true;
}
