/* SPDX-License-Identifier: Apache-2.0 */
/* Windows: over midnight, by weekday, and through both changes of the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "provider/window.h"

static size_t
read_windows(const char *text, struct window *out, struct fault *f)
{
	static struct arena *arena;
	json_t *j = NULL;
	size_t count;

	if (arena == NULL)
		arena = arena_new();
	else {
		arena_free(&arena);
		arena = arena_new();
	}
	assert_true(json_read(text_of(text), 65536, &j, f));
	if (!windows_read(arena, j, out, &count, f))
		count = SIZE_MAX;
	json_free(&j);
	if (count == SIZE_MAX)
		arena_free(&arena);
	return count;
}

static int64_t
at(const char *rfc3339)
{
	int64_t ms;

	assert_true(time_of_rfc3339(text_of(rfc3339), &ms));
	return ms;
}

static void
test_open_and_closed(void **state)
{
	/* 2026-03-29 02:00 and 2026-10-25 03:00 are Berlin's changes. */
	static const struct {
		const char *windows;
		const char *now;
		bool open;
	} rows[] = {
	    {"[]", "2026-11-22T12:00:00Z", true},
	    {"[{\"start\":\"09:00\",\"end\":\"17:00\"}]",
		"2026-11-22T08:59:59Z", false},
	    {"[{\"start\":\"09:00\",\"end\":\"17:00\"}]",
		"2026-11-22T09:00:00Z", true},
	    {"[{\"start\":\"09:00\",\"end\":\"17:00\"}]",
		"2026-11-22T17:00:00Z", false},
	    {"[{\"start\":\"00:00\",\"end\":\"24:00\"}]",
		"2026-11-22T23:59:59Z", true},
	    /* Monday evening to Tuesday morning, Berlin */
	    {"[{\"days\":[\"mon\"],\"start\":\"22:00\",\"end\":\"08:00\","
	     "\"tz\":\"Europe/Berlin\"}]",
		"2026-11-23T20:59:00Z", false},
	    {"[{\"days\":[\"mon\"],\"start\":\"22:00\",\"end\":\"08:00\","
	     "\"tz\":\"Europe/Berlin\"}]",
		"2026-11-23T21:00:00Z", true},
	    {"[{\"days\":[\"mon\"],\"start\":\"22:00\",\"end\":\"08:00\","
	     "\"tz\":\"Europe/Berlin\"}]",
		"2026-11-24T06:59:00Z", true},
	    {"[{\"days\":[\"mon\"],\"start\":\"22:00\",\"end\":\"08:00\","
	     "\"tz\":\"Europe/Berlin\"}]",
		"2026-11-24T07:00:00Z", false},
	    {"[{\"days\":[\"mon\"],\"start\":\"22:00\",\"end\":\"08:00\","
	     "\"tz\":\"Europe/Berlin\"}]",
		"2026-11-23T06:00:00Z", false},
	    /* the hour that summer time skips is not there … */
	    {"[{\"start\":\"02:00\",\"end\":\"03:00\","
	     "\"tz\":\"Europe/Berlin\"}]",
		"2026-03-29T00:59:59Z", false},
	    {"[{\"start\":\"02:00\",\"end\":\"03:00\","
	     "\"tz\":\"Europe/Berlin\"}]",
		"2026-03-29T01:00:00Z", false},
	    /* … and the one that winter time repeats counts twice */
	    {"[{\"start\":\"02:00\",\"end\":\"03:00\","
	     "\"tz\":\"Europe/Berlin\"}]",
		"2026-10-25T00:30:00Z", true},
	    {"[{\"start\":\"02:00\",\"end\":\"03:00\","
	     "\"tz\":\"Europe/Berlin\"}]",
		"2026-10-25T01:30:00Z", true},
	    {"[{\"start\":\"02:00\",\"end\":\"03:00\","
	     "\"tz\":\"Europe/Berlin\"}]",
		"2026-10-25T02:00:00Z", false},
	    /* summer time moves a window in UTC */
	    {"[{\"start\":\"09:00\",\"end\":\"10:00\","
	     "\"tz\":\"America/New_York\"}]",
		"2026-07-01T13:00:00Z", true},
	    {"[{\"start\":\"09:00\",\"end\":\"10:00\","
	     "\"tz\":\"America/New_York\"}]",
		"2026-01-02T13:00:00Z", false},
	    {"[{\"start\":\"09:00\",\"end\":\"10:00\","
	     "\"tz\":\"America/New_York\"}]",
		"2026-01-02T14:00:00Z", true},
	    /* one of several is enough */
	    {"[{\"days\":[\"tue\"],\"start\":\"00:00\",\"end\":\"01:00\"},"
	     "{\"days\":[\"sun\"],\"start\":\"12:00\",\"end\":\"13:00\"}]",
		"2026-11-22T12:30:00Z", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct window windows[WINDOWS_MAX];
		struct fault f = {0};
		size_t n = read_windows(rows[i].windows, windows, &f);

		if (windows_are_open(windows, n, at(rows[i].now)) !=
		    rows[i].open)
			fail_msg("row %zu: %s at %s", i, rows[i].windows,
			    rows[i].now);
	}
}

static void
test_refused(void **state)
{
	static const char *const rows[] = {
	    "[1]",
	    "[{\"start\":\"9:00\",\"end\":\"17:00\"}]",
	    "[{\"start\":\"24:00\",\"end\":\"17:00\"}]",
	    "[{\"start\":\"09:60\",\"end\":\"17:00\"}]",
	    "[{\"start\":\"09:00\",\"end\":\"24:01\"}]",
	    "[{\"start\":\"09:00\"}]",
	    "[{\"days\":[\"monday\"],\"start\":\"09:00\",\"end\":\"10:00\"}]",
	    "[{\"start\":\"09:00\",\"end\":\"10:00\",\"tz\":\"Mars/Base\"}]",
	    "[{\"start\":\"09:00\",\"end\":\"10:00\",\"tz\":\"../etc\"}]",
	    "[{\"start\":\"09:00\",\"end\":\"10:00\",\"tz\":\"\"}]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct window windows[WINDOWS_MAX];
		struct fault f = {0};

		if (read_windows(rows[i], windows, &f) != SIZE_MAX)
			fail_msg("row %zu was taken: %s", i, rows[i]);
		assert_int_equal(f.kind, FAULT_INVALID);
		assert_string_not_equal(f.why, "");
	}
}

static void
test_tz_is_put_back(void **state)
{
	struct tm local;

	(void)state;
	setenv("TZ", "Asia/Tokyo", 1);
	assert_true(local_time("Europe/Berlin", 0, &local));
	assert_int_equal(local.tm_hour, 1);
	assert_string_equal(getenv("TZ"), "Asia/Tokyo");
	unsetenv("TZ");
	assert_true(local_time("UTC", 0, &local));
	assert_null(getenv("TZ"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_open_and_closed),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_tz_is_put_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
