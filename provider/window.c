/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows against the clock. The C library knows time zones only through the
 * TZ variable; local_time sets it and puts it back, which is sound in a
 * program of one thread.
 */
#include "provider/window.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY 1440

static bool
tz_is_known(const char *tz)
{
	char path[300];

	if (strcmp(tz, "UTC") == 0)
		return true;
	if (tz[0] == '\0' || tz[0] == '/' || tz[0] == '.' ||
	    strstr(tz, "..") != NULL || strlen(tz) > 100)
		return false;
	snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", tz);
	return access(path, R_OK) == 0;
}

bool
local_time(const char *tz, int64_t unix_ms, struct tm *out)
{
	const char *now = getenv("TZ");
	char *before = now != NULL ? mem_string(now) : NULL;
	time_t t = (time_t)(unix_ms / 1000);
	char zone[120];
	bool ok;

	if (!tz_is_known(tz))
		return false;
	snprintf(zone, sizeof zone, ":%s", tz);
	setenv("TZ", zone, 1);
	tzset();
	ok = localtime_r(&t, out) != NULL;
	if (before != NULL)
		setenv("TZ", before, 1);
	else
		unsetenv("TZ");
	tzset();
	mem_free(before);
	return ok;
}

static bool
read_minutes(
    const json_t *j, const char *name, int most, int *out, struct fault *f)
{
	const char *s;
	int hours, minutes;

	if (!json_get_string(j, name, 5, &s, FAULT_INVALID, f))
		return false;
	if (strlen(s) != 5 || s[2] != ':' || strspn(s, "0123456789:") != 5)
		return fault_set(f, FAULT_INVALID,
		    "windows: %s is a time like 22:00, not \"%s\"", name, s);
	hours = (s[0] - '0') * 10 + (s[1] - '0');
	minutes = (s[3] - '0') * 10 + (s[4] - '0');
	*out = hours * 60 + minutes;
	if (minutes > 59 || *out > most)
		return fault_set(f, FAULT_INVALID,
		    "windows: %s is a time of day, not \"%s\"", name, s);
	return true;
}

static bool
read_days(const json_t *j, unsigned *out, struct fault *f)
{
	static const char *const names[] = {
	    "sun", "mon", "tue", "wed", "thu", "fri", "sat"};
	const json_t *list, *one;
	size_t i, d;

	*out = 0x7f;
	if (!json_get_array_or(j, "days", 7, &list, FAULT_INVALID, f))
		return false;
	if (list == NULL)
		return true;
	*out = 0;
	json_array_foreach(list, i, one)
	{
		for (d = 0; d < 7; d++)
			if (json_is_string(one) &&
			    strcmp(json_string_value(one), names[d]) == 0)
				break;
		if (d == 7)
			return fault_set(f, FAULT_INVALID,
			    "windows: days are sun, mon, tue, wed, thu, fri, "
			    "sat");
		*out |= 1U << d;
	}
	return true;
}

bool
windows_read(struct arena *a, const json_t *list,
    struct window out[WINDOWS_MAX], size_t *count, struct fault *f)
{
	const json_t *one;
	const char *tz;
	size_t i;

	*count = 0;
	json_array_foreach(list, i, one)
	{
		struct window *w = &out[i];

		if (!json_is_object(one))
			return fault_set(f, FAULT_INVALID,
			    "windows[%zu] is not an object", i);
		if (!read_days(one, &w->days, f) ||
		    !read_minutes(one, "start", DAY - 1, &w->start, f) ||
		    !read_minutes(one, "end", DAY, &w->end, f) ||
		    !json_get_string_or(
			one, "tz", 100, "UTC", &tz, FAULT_INVALID, f))
			return false;
		if (!tz_is_known(tz))
			return fault_set(f, FAULT_INVALID,
			    "windows: the time zone \"%s\" is not known here "
			    "(is tzdata installed?)",
			    tz);
		w->tz = arena_string(a, tz);
		(*count)++;
	}
	return true;
}

bool
window_is_open_at(const struct window *w, const struct tm *local)
{
	int minute = local->tm_hour * 60 + local->tm_min;
	bool today = (w->days >> local->tm_wday & 1) != 0;
	bool yesterday = (w->days >> ((local->tm_wday + 6) % 7) & 1) != 0;

	if (w->start < w->end)
		return today && minute >= w->start && minute < w->end;
	return (today && minute >= w->start) || (yesterday && minute < w->end);
}

bool
windows_are_open(const struct window *windows, size_t count, int64_t unix_ms)
{
	struct tm local;

	for (size_t i = 0; i < count; i++)
		if (local_time(windows[i].tz, unix_ms, &local) &&
		    window_is_open_at(&windows[i], &local))
			return true;
	return count == 0;
}
