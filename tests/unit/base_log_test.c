/* SPDX-License-Identifier: Apache-2.0 */
/* The log line as it arrives on standard error: one line, hostile or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

static char got[20000];
static int saved = -1;
static int ends[2];

static void
catch_start(void)
{
	assert_int_equal(pipe(ends), 0);
	saved = dup(STDERR_FILENO);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
}

/* What was written since, without the time in front of the line. */
static const char *
catch_end(void)
{
	ssize_t n;

	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	(void)close(saved);
	(void)close(ends[1]);
	n = read(ends[0], got, sizeof(got) - 1);
	assert_true(n >= 0);
	(void)close(ends[0]);
	got[n] = '\0';
	if (n == 0)
		return got;
	assert_memory_equal(got, "time=", 5);
	return strchr(got, ' ') + 1;
}

static void
one_line_with_all_fields(void **state)
{
	struct log l;

	(void)state;
	log_init(&l, "assay-test", LOG_INFO_);
	l = log_child(&l, "worker", "0");
	catch_start();
	log_info(&l, "listening", LOG_STR("address", "127.0.0.1:1"),
	    LOG_INT("port", -7), LOG_STR("why", NULL));
	assert_string_equal(catch_end(),
	    "level=info event=listening program=assay-test worker=0 "
	    "address=127.0.0.1:1 port=-7 why=\"\"\n");
	catch_start();
	log_error(&l, "gone");
	assert_string_equal(catch_end(),
	    "level=error event=gone program=assay-test worker=0\n");
}

static void
the_time_is_now(void **state)
{
	int64_t before = clock_unix_ms();
	struct log l;
	int64_t ms;

	(void)state;
	log_init(&l, "p", LOG_DEBUG_);
	catch_start();
	log_debug(&l, "x");
	(void)catch_end();
	assert_true(time_of_rfc3339(
	    (struct text){got + 5, strcspn(got + 5, " ")}, &ms));
	assert_true(ms >= before && ms <= clock_unix_ms());
}

static void
levels_below_are_silent(void **state)
{
	struct log l;
	enum log_level level;

	(void)state;
	assert_true(log_level_of("warn", &level));
	assert_int_equal(level, LOG_WARN_);
	assert_false(log_level_of("WARN", &level));
	log_init(&l, "p", level);
	catch_start();
	log_debug(&l, "x");
	log_info(&l, "x");
	assert_string_equal(catch_end(), "");
	catch_start();
	log_warn(&l, "x");
	assert_string_equal(catch_end(), "level=warn event=x program=p\n");
}

static void
hostile_values_stay_values(void **state)
{
	struct log l;

	(void)state;
	log_init(&l, "p", LOG_DEBUG_);
	catch_start();
	log_info(&l, "e", LOG_STR("a", "x\nlevel=error y"),
	    LOG_STR("b", "\"q\"\\"), LOG_STR("c", "k=v"),
	    LOG_STR("d", "\xc3\xa9\x1b[0m"));
	assert_string_equal(catch_end(),
	    "level=info event=e program=p a=\"x\\x0alevel=error y\" "
	    "b=\"\\\"q\\\"\\\\\" c=\"k=v\" d=\"\\xc3\\xa9\\x1b[0m\"\n");
}

static void
long_lines_are_cut_long_prefixes_left_off(void **state)
{
	static char longer[9000];
	struct log l;
	struct log child;
	const char *line;

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	log_init(&l, "p", LOG_DEBUG_);
	child = log_child(&l, "long", longer);
	assert_string_equal(child.prefix, "program=p");
	longer[240] = '\0';
	child = log_child(&l, "n", longer); /* 9 + 3 + 240 + NUL */
	assert_int_equal(strlen(child.prefix), 252);
	longer[240] = 'x';
	catch_start();
	log_info(&child, "e", LOG_STR("a", longer));
	line = catch_end();
	assert_int_equal(strlen(got), 8192);
	assert_int_equal(line[strlen(line) - 1], '\n');
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void
clocks_go_on(void **state)
{
	int64_t us = clock_mono_us();
	int64_t ms = clock_mono_ms();

	(void)state;
	assert_true(ms >= us / 1000);
	assert_true(clock_mono_us() >= us);
	assert_true(clock_unix_ms() > INT64_C(1600000000000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_line_with_all_fields),
	    cmocka_unit_test(the_time_is_now),
	    cmocka_unit_test(levels_below_are_silent),
	    cmocka_unit_test(hostile_values_stay_values),
	    cmocka_unit_test(long_lines_are_cut_long_prefixes_left_off),
	    cmocka_unit_test(clocks_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
