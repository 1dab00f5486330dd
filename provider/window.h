/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hours in which marketplace requests are welcome. A window opens on the
 * named days at `start`, local time of its zone, and closes at the next `end`;
 * where end is not after start that is on the following day. Wall-clock times
 * mean what the clock on the wall shows: an hour that a change to summer time
 * skips is not there, one that is repeated counts both times.
 */
#ifndef PROVIDER_WINDOW_H
#define PROVIDER_WINDOW_H

#include <time.h>

#include "base/json.h"

#define WINDOWS_MAX 16

struct window {
	unsigned days;	/* bit 0: Sunday … bit 6: Saturday */
	int start;	/* minutes after midnight, 0..1439 */
	int end;	/* 1..1440 */
	const char *tz; /* IANA name */
};

/* The "windows" array of the controls. Fails INVALID, naming the member; an
 * unknown time zone is refused, not taken for UTC. */
bool windows_read(struct arena *a, const json_t *list,
    struct window out[WINDOWS_MAX], size_t *count, struct fault *f);

/* Pure: is the window open at that local time? */
bool window_is_open_at(const struct window *w, const struct tm *local);

/* No windows: always open. */
bool windows_are_open(
    const struct window *windows, size_t count, int64_t unix_ms);

/* Local time in an IANA zone. False where the zone is unknown. */
bool local_time(const char *tz, int64_t unix_ms, struct tm *out);

#endif
