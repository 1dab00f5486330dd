/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics: the text that Prometheus reads, and labels that stay bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/metrics.h"

static const char *const pools[] = {"workspace", "market\"place\\\n"};
static const char *const tiers[] = {"bronze", "silver", "gold"};
static const struct metric_label labels[] = {
    {"pool", pools, 2},
    {"tier", tiers, 3},
};

static void
renders(
    struct metrics *m, const char *name, const char *value, const char *want)
{
	struct evbuffer *out = evbuffer_new();
	char *text;

	metrics_render(m, name, value, out);
	assert_int_equal(evbuffer_add(out, "", 1), 0);
	text = (char *)evbuffer_pullup(out, -1);
	assert_string_equal(text, want);
	evbuffer_free(out);
}

static void
plain_counters_and_gauges(void **state)
{
	struct metrics *m = metrics_new();
	struct metric *c = metric_counter(m, "requests_total",
	    "All of them.\nReally \\ all \"of\" them.", NULL, 0);
	struct metric *g = metric_gauge(m, "open", "Now.", NULL, 0);

	(void)state;
	metric_count(c, 0, 0, 0);
	metric_add(c, 41, 0, 0, 0);
	metric_set(g, -3, 0, 0, 0);
	assert_int_equal(metric_value(c, 0, 0, 0), 42);
	renders(m, NULL, NULL,
	    "# HELP requests_total All of them.\\nReally \\\\ all \"of\" "
	    "them.\n"
	    "# TYPE requests_total counter\n"
	    "requests_total 42\n"
	    "# HELP open Now.\n"
	    "# TYPE open gauge\n"
	    "open -3\n");
	metrics_free(&m);
	assert_null(m);
	metrics_free(&m);
}

static void
labels_and_other(void **state)
{
	struct metrics *m = metrics_new();
	struct metric *c = metric_counter(m, "x", "X.", labels, 2);

	(void)state;
	metric_count(c, 0, 2, 0);
	metric_count(c, 1, 0, 0);
	metric_count(c, 99, 1, 0);
	metric_count(c, 2, SIZE_MAX, 7);
	renders(m, "worker", "0",
	    "# HELP x X.\n"
	    "# TYPE x counter\n"
	    "x{worker=\"0\",pool=\"workspace\",tier=\"bronze\"} 0\n"
	    "x{worker=\"0\",pool=\"workspace\",tier=\"silver\"} 0\n"
	    "x{worker=\"0\",pool=\"workspace\",tier=\"gold\"} 1\n"
	    "x{worker=\"0\",pool=\"market\\\"place\\\\\\n\",tier=\"bronze\"} "
	    "1\n"
	    "x{worker=\"0\",pool=\"market\\\"place\\\\\\n\",tier=\"silver\"} "
	    "0\n"
	    "x{worker=\"0\",pool=\"market\\\"place\\\\\\n\",tier=\"gold\"} 0\n"
	    "x{worker=\"0\",pool=\"other\",tier=\"silver\"} 1\n"
	    "x{worker=\"0\",pool=\"other\",tier=\"other\"} 1\n");
	metrics_free(&m);
}

static void
histograms_are_cumulative(void **state)
{
	static const double bounds[] = {0.005, 0.1, 2.5};
	struct metrics *m = metrics_new();
	struct metric *h = metric_histogram(
	    m, "wait_seconds", "Waiting.", labels + 1, 1, bounds, 3);

	(void)state;
	metric_observe(h, 0.005, 0, 0, 0); /* a bound belongs to its bucket */
	metric_observe(h, 0.006, 0, 0, 0);
	metric_observe(h, 1, 0, 0, 0);
	metric_observe(h, 1000, 0, 0, 0);
	metric_observe(h, NAN, 0, 0, 0);
	metric_observe(h, -0.5, 2, 0, 0);
	assert_int_equal(metric_value(h, 0, 0, 0), 4);
	renders(m, NULL, NULL,
	    "# HELP wait_seconds Waiting.\n"
	    "# TYPE wait_seconds histogram\n"
	    "wait_seconds_bucket{tier=\"bronze\",le=\"0.005\"} 1\n"
	    "wait_seconds_bucket{tier=\"bronze\",le=\"0.1\"} 2\n"
	    "wait_seconds_bucket{tier=\"bronze\",le=\"2.5\"} 3\n"
	    "wait_seconds_bucket{tier=\"bronze\",le=\"+Inf\"} 4\n"
	    "wait_seconds_sum{tier=\"bronze\"} 1001.011\n"
	    "wait_seconds_count{tier=\"bronze\"} 4\n"
	    "wait_seconds_bucket{tier=\"silver\",le=\"0.005\"} 0\n"
	    "wait_seconds_bucket{tier=\"silver\",le=\"0.1\"} 0\n"
	    "wait_seconds_bucket{tier=\"silver\",le=\"2.5\"} 0\n"
	    "wait_seconds_bucket{tier=\"silver\",le=\"+Inf\"} 0\n"
	    "wait_seconds_sum{tier=\"silver\"} 0\n"
	    "wait_seconds_count{tier=\"silver\"} 0\n"
	    "wait_seconds_bucket{tier=\"gold\",le=\"0.005\"} 1\n"
	    "wait_seconds_bucket{tier=\"gold\",le=\"0.1\"} 1\n"
	    "wait_seconds_bucket{tier=\"gold\",le=\"2.5\"} 1\n"
	    "wait_seconds_bucket{tier=\"gold\",le=\"+Inf\"} 1\n"
	    "wait_seconds_sum{tier=\"gold\"} -0.5\n"
	    "wait_seconds_count{tier=\"gold\"} 1\n");
	metrics_free(&m);
}

static void
set_to_seven(void *arg)
{
	metric_set(arg, 7, 0, 0, 0);
}

static void
gauges_are_read_when_asked(void **state)
{
	struct metrics *m = metrics_new();
	struct metric *g = metric_gauge(m, "g", "G.", NULL, 0);

	(void)state;
	metrics_on_render(m, set_to_seven, g);
	renders(m, "w", "1", "# HELP g G.\n# TYPE g gauge\ng{w=\"1\"} 7\n");
	metrics_free(&m);
}

static void
counters_pass_the_sign_bit(void **state)
{
	struct metrics *m = metrics_new();
	struct metric *c = metric_counter(m, "c", "C.", NULL, 0);

	(void)state;
	metric_add(c, UINT64_MAX, 0, 0, 0);
	renders(m, NULL, NULL,
	    "# HELP c C.\n# TYPE c counter\nc 18446744073709551615\n");
	metrics_free(&m);
}

static void
twice(struct metrics *m)
{
	(void)metric_counter(m, "c", "C.", NULL, 0);
	(void)metric_gauge(m, "c", "C.", NULL, 0);
}

static void
bad_name(struct metrics *m)
{
	(void)metric_counter(m, "c-d", "C.", NULL, 0);
}

static void
too_many(struct metrics *m)
{
	static const struct metric_label wide[] = {
	    {"a", tiers, 4000}, {"b", tiers, 3}};

	(void)metric_counter(m, "c", "C.", wide, 2);
}

static void
falling(struct metrics *m)
{
	static const double bounds[] = {2, 1};

	(void)metric_histogram(m, "h", "H.", NULL, 0, bounds, 2);
}

static void
our_bugs_end_us(void **state)
{
	static void (*const bugs[])(struct metrics *) = {
	    twice, bad_name, too_many, falling};

	(void)state;
	for (size_t i = 0; i < sizeof(bugs) / sizeof(*bugs); i++) {
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (pid == 0) {
			(void)close(STDERR_FILENO);
			bugs[i](metrics_new());
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(plain_counters_and_gauges),
	    cmocka_unit_test(labels_and_other),
	    cmocka_unit_test(histograms_are_cumulative),
	    cmocka_unit_test(gauges_are_read_when_asked),
	    cmocka_unit_test(counters_pass_the_sign_bit),
	    cmocka_unit_test(our_bugs_end_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
