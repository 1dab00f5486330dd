/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts HTTP/2 frames as they come off the wire, before any parser spends
 * work on them, and ends the connection whose peer floods: RST_STREAM,
 * SETTINGS, PING, CONTINUATION, and frames that carry nothing. Reads frame
 * heads only (RFC 9113 section 4.1), split anywhere. No clock of its own.
 */
#ifndef BASE_FRAMES_H
#define BASE_FRAMES_H

#include "base/fault.h"
#include "base/ratelimit.h"
#include "base/text.h"

/* All limits are so many a second, with a second's worth in hand. */
struct frames {
	unsigned preface; /* bytes of the client's preface still to come */
	unsigned have;	  /* of head */
	unsigned run;	  /* CONTINUATION frames in a row */
	uint32_t skip;	  /* payload bytes still to come */
	uint8_t head[9];
	struct ratelimit resets;
	struct ratelimit settings;
	struct ratelimit pings;
	struct ratelimit idle;	  /* empty DATA, PRIORITY, unknown types */
	struct ratelimit windows; /* WINDOW_UPDATE */
	uint64_t count;		  /* whole frame heads seen */
};

/* preface: this end is the server, so 24 bytes come first. */
void frames_init(struct frames *x, bool preface, unsigned resets_per_s,
    unsigned settings_per_s, unsigned pings_per_s, int64_t now_us);
/* Fails LIMIT, naming the flood. */
bool frames_feed(
    struct frames *x, struct bytes b, int64_t now_us, struct fault *f);

#endif
