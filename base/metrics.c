/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics: each family has one flat array of cells, addressed by its label
 * indices; a histogram has one row of buckets a cell. Names and values are
 * ours and checked once; rendering walks the arrays.
 */
#include "base/metrics.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum kind { COUNTER, GAUGE, HISTOGRAM };

struct metric {
	struct metric *next;
	enum kind kind;
	const char *name;
	const char *help;
	struct metric_label labels[METRIC_LABELS];
	size_t label_count;
	size_t cells;
	int64_t *values;   /* one a cell; a histogram's count */
	double *sums;	   /* of a histogram: one a cell */
	uint64_t *buckets; /* of a histogram: bound_count a cell */
	double bounds[METRIC_BUCKETS];
	size_t bound_count;
};

struct metrics {
	struct metric *first;
	struct metric **last;
	void (*fill)(void *arg);
	void *arg;
};

struct metrics *
metrics_new(void)
{
	struct metrics *m = mem_new(sizeof(*m));

	m->last = &m->first;
	return m;
}

void
metrics_free(struct metrics **m)
{
	if (m == NULL || *m == NULL)
		return;
	for (struct metric *f = (*m)->first; f != NULL;) {
		struct metric *next = f->next;

		mem_free(f->values);
		mem_free(f->sums);
		mem_free(f->buckets);
		mem_free(f);
		f = next;
	}
	mem_free(*m);
	*m = NULL;
}

static void
our_bug(const char *name, const char *what)
{
	(void)fprintf(stderr, "metric %s: %s\n", name, what);
	abort();
}

/* [a-zA-Z_][a-zA-Z0-9_]* */
static bool
is_name(const char *s)
{
	static const char rest[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

	return *s != '\0' && (*s < '0' || *s > '9') &&
	       s[strspn(s, rest)] == '\0';
}

static void
check_family(const struct metrics *m, const char *name,
    const struct metric_label *labels, size_t count)
{
	if (!is_name(name))
		our_bug(name, "not a name");
	if (count > METRIC_LABELS)
		our_bug(name, "too many labels");
	for (size_t i = 0; i < count; i++)
		if (!is_name(labels[i].name))
			our_bug(name, "a label has no name");
	for (const struct metric *f = m->first; f != NULL; f = f->next)
		if (strcmp(f->name, name) == 0)
			our_bug(name, "declared twice");
}

/* Every label has one value more than it says: "other". */
static size_t
values_of(const struct metric *f, size_t label)
{
	return label < f->label_count ? f->labels[label].count + 1 : 1;
}

static struct metric *
family(struct metrics *m, enum kind kind, const char *name, const char *help,
    const struct metric_label *labels, size_t count)
{
	struct metric *f = mem_new(sizeof(*f));

	check_family(m, name, labels, count);
	f->kind = kind;
	f->name = name;
	f->help = help;
	f->label_count = count;
	f->cells = 1;
	for (size_t i = 0; i < count; i++) {
		f->labels[i] = labels[i];
		if (labels[i].count >= METRIC_SERIES)
			our_bug(name, "too many values of a label");
		f->cells *= labels[i].count + 1;
	}
	if (f->cells > METRIC_SERIES)
		our_bug(name, "too many series");
	f->values = mem_array(f->cells, sizeof(*f->values));
	*m->last = f;
	m->last = &f->next;
	return f;
}

struct metric *
metric_counter(struct metrics *m, const char *name, const char *help,
    const struct metric_label *labels, size_t count)
{
	return family(m, COUNTER, name, help, labels, count);
}

struct metric *
metric_gauge(struct metrics *m, const char *name, const char *help,
    const struct metric_label *labels, size_t count)
{
	return family(m, GAUGE, name, help, labels, count);
}

struct metric *
metric_histogram(struct metrics *m, const char *name, const char *help,
    const struct metric_label *labels, size_t count, const double *bounds,
    size_t bound_count)
{
	struct metric *f = family(m, HISTOGRAM, name, help, labels, count);

	if (bound_count == 0 || bound_count > METRIC_BUCKETS)
		our_bug(name, "too few or too many buckets");
	for (size_t i = 0; i < bound_count; i++) {
		if (!isfinite(bounds[i]) ||
		    (i > 0 && bounds[i] <= bounds[i - 1]))
			our_bug(name, "bounds do not rise");
		f->bounds[i] = bounds[i];
	}
	f->bound_count = bound_count;
	f->sums = mem_array(f->cells, sizeof(*f->sums));
	f->buckets = mem_array(f->cells * bound_count, sizeof(*f->buckets));
	return f;
}

static size_t
clamped(size_t i, size_t values)
{
	return i < values ? i : values - 1;
}

static size_t
cell(const struct metric *f, size_t a, size_t b, size_t c)
{
	size_t nb = values_of(f, 1);
	size_t nc = values_of(f, 2);

	return (clamped(a, values_of(f, 0)) * nb + clamped(b, nb)) * nc +
	       clamped(c, nc);
}

void
metric_add(struct metric *f, uint64_t n, size_t a, size_t b, size_t c)
{
	int64_t *value = &f->values[cell(f, a, b, c)];

	*value = (int64_t)((uint64_t)*value + n);
}

void
metric_set(struct metric *f, int64_t value, size_t a, size_t b, size_t c)
{
	f->values[cell(f, a, b, c)] = value;
}

void
metric_observe(struct metric *f, double value, size_t a, size_t b, size_t c)
{
	size_t at = cell(f, a, b, c);

	if (f->kind != HISTOGRAM)
		our_bug(f->name, "not a histogram");
	if (isnan(value))
		return;
	f->values[at]++;
	f->sums[at] += value;
	for (size_t i = 0; i < f->bound_count; i++) {
		if (value > f->bounds[i])
			continue;
		f->buckets[at * f->bound_count + i]++;
		return;
	}
}

int64_t
metric_value(const struct metric *f, size_t a, size_t b, size_t c)
{
	return f->values[cell(f, a, b, c)];
}

void
metrics_on_render(struct metrics *m, void (*fill)(void *arg), void *arg)
{
	m->fill = fill;
	m->arg = arg;
}

struct render {
	struct evbuffer *out;
	const char *name; /* of the constant label, or NULL */
	const char *value;
};

static void
put(struct render *r, const char *s)
{
	if (evbuffer_add(r->out, s, strlen(s)) != 0)
		abort();
}

/* Backslash and line feed, and in label values the quote. */
static void
put_escaped(struct render *r, const char *s, bool quoted)
{
	for (; *s != '\0'; s++) {
		char one[2] = {*s, '\0'};

		if (*s == '\n')
			put(r, "\\n");
		else if (*s == '\\')
			put(r, "\\\\");
		else if (*s == '"' && quoted)
			put(r, "\\\"");
		else
			put(r, one);
	}
}

static void
put_label(struct render *r, bool *open, const char *name, const char *value)
{
	put(r, *open ? "," : "{");
	*open = true;
	put(r, name);
	put(r, "=\"");
	put_escaped(r, value, true);
	put(r, "\"");
}

static void
put_number(struct render *r, double n)
{
	char text[40];

	if (isinf(n))
		(void)snprintf(text, sizeof(text), "%sInf", n < 0 ? "-" : "+");
	else
		(void)snprintf(text, sizeof(text), "%.15g", n);
	put(r, text);
}

/* name_suffix{constant,labels,le}, and the blank before the value. */
static void
put_series(struct render *r, const struct metric *f, size_t at,
    const char *suffix, const double *le)
{
	bool open = false;
	size_t stride = f->cells;

	put(r, f->name);
	put(r, suffix);
	if (r->name != NULL)
		put_label(r, &open, r->name, r->value);
	for (size_t i = 0; i < f->label_count; i++) {
		size_t which;

		stride /= values_of(f, i);
		which = at / stride % values_of(f, i);
		put_label(r, &open, f->labels[i].name,
		    which < f->labels[i].count ? f->labels[i].values[which]
					       : "other");
	}
	if (le != NULL) {
		put(r, open ? ",le=\"" : "{le=\"");
		put_number(r, *le);
		put(r, "\"");
		open = true;
	}
	put(r, open ? "} " : " ");
}

static void
put_integer(struct render *r, bool negative_allowed, int64_t n)
{
	char text[32];

	if (negative_allowed)
		(void)snprintf(text, sizeof(text), "%lld\n", (long long)n);
	else
		(void)snprintf(
		    text, sizeof(text), "%llu\n", (unsigned long long)n);
	put(r, text);
}

static void
put_histogram(struct render *r, const struct metric *f, size_t at)
{
	const double infinite = INFINITY;
	uint64_t so_far = 0;

	for (size_t i = 0; i < f->bound_count; i++) {
		so_far += f->buckets[at * f->bound_count + i];
		put_series(r, f, at, "_bucket", &f->bounds[i]);
		put_integer(r, false, (int64_t)so_far);
	}
	put_series(r, f, at, "_bucket", &infinite);
	put_integer(r, false, f->values[at]);
	put_series(r, f, at, "_sum", NULL);
	put_number(r, f->sums[at]);
	put(r, "\n");
	put_series(r, f, at, "_count", NULL);
	put_integer(r, false, f->values[at]);
}

/* Whether one of its labels says "other". */
static bool
is_other(const struct metric *f, size_t at)
{
	size_t stride = f->cells;

	for (size_t i = 0; i < f->label_count; i++) {
		stride /= values_of(f, i);
		if (at / stride % values_of(f, i) == f->labels[i].count)
			return true;
	}
	return false;
}

static void
put_family(struct render *r, const struct metric *f)
{
	static const char *const kinds[] = {"counter", "gauge", "histogram"};

	put(r, "# HELP ");
	put(r, f->name);
	put(r, " ");
	put_escaped(r, f->help, false);
	put(r, "\n# TYPE ");
	put(r, f->name);
	put(r, " ");
	put(r, kinds[f->kind]);
	put(r, "\n");
	for (size_t at = 0; at < f->cells; at++) {
		if (f->values[at] == 0 && is_other(f, at))
			continue;
		if (f->kind == HISTOGRAM) {
			put_histogram(r, f, at);
			continue;
		}
		put_series(r, f, at, "", NULL);
		put_integer(r, f->kind == GAUGE, f->values[at]);
	}
}

void
metrics_render(struct metrics *m, const char *name, const char *value,
    struct evbuffer *out)
{
	struct render r = {out, name, value};

	if (m->fill != NULL)
		m->fill(m->arg);
	for (const struct metric *f = m->first; f != NULL; f = f->next)
		put_family(&r, f);
}
