/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters, gauges and histograms of one process, rendered as Prometheus text
 * (exposition format 0.0.4). Every series is declared when the process starts,
 * with all the label values it can ever have, so that hostile input can never
 * make a new one and an increment is one write into an array.
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <event2/buffer.h>
#include <stddef.h>
#include <stdint.h>

struct metrics;
struct metrics *metrics_new(void);
void metrics_free(struct metrics **m); /* and every family in it */

/* One label with its bounded set of values, given as an array of names whose
 * index is what the increments take; at most METRIC_LABELS a family. The
 * arrays and strings are borrowed until metrics_free. A value behind the last
 * (an index that is too large) is counted under "other", which every label
 * has without saying so; "other" is left out while it is zero. */
enum { METRIC_LABELS = 3, METRIC_BUCKETS = 24, METRIC_SERIES = 4096 };
struct metric_label {
	const char *name;
	const char *const *values;
	size_t count;
};

/* A family with `count` labels (labels may be NULL for 0). `help` is one
 * sentence. Aborts on a bad or repeated name, or on more than METRIC_SERIES
 * series: those are our bugs. */
struct metric;
struct metric *metric_counter(struct metrics *m, const char *name,
    const char *help, const struct metric_label *labels, size_t count);
struct metric *metric_gauge(struct metrics *m, const char *name,
    const char *help, const struct metric_label *labels, size_t count);
/* Upper bounds in rising order; +Inf is added. Observations are in the unit
 * of the bounds (name it: _seconds, _bytes). */
struct metric *metric_histogram(struct metrics *m, const char *name,
    const char *help, const struct metric_label *labels, size_t count,
    const double *bounds, size_t bound_count);

/* Label indices a, b, c in the order of the labels; those that the family
 * does not have must be 0. */
void metric_add(struct metric *m, uint64_t n, size_t a, size_t b, size_t c);
void metric_set(struct metric *m, int64_t value, size_t a, size_t b, size_t c);
void metric_observe(
    struct metric *m, double value, size_t a, size_t b, size_t c);
static inline void
metric_count(struct metric *m, size_t a, size_t b, size_t c)
{
	metric_add(m, 1, a, b, c);
}

/* For tests: a counter's or gauge's value, a histogram's count. */
int64_t metric_value(const struct metric *m, size_t a, size_t b, size_t c);

/* Asked before each rendering, to set gauges that are read, not kept. */
void metrics_on_render(struct metrics *m, void (*fill)(void *arg), void *arg);

/* Appends all families in the order of their declaration; a constant label
 * (say worker="0") is put on every series where name is not NULL. The
 * content type to say is METRICS_CONTENT_TYPE. */
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
void metrics_render(struct metrics *m, const char *name, const char *value,
    struct evbuffer *out);

#endif
