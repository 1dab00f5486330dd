/* SPDX-License-Identifier: Apache-2.0 */
/* See score.h. Sums are taken over sorted sources: addition of doubles is not
 * associative, and a score must not depend on the order of rows. */
#include "reputation/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	double weight;
} streams_table[STREAMS] = {
    [STREAM_DELIVERY] = {"delivery", 40},
    [STREAM_QUALITY] = {"quality", 30},
    [STREAM_SPEED] = {"speed", 15},
    [STREAM_AUDIT] = {"audit", 15},
};

const char *
stream_name(enum stream x)
{
	return streams_table[x].name;
}

double
stream_weight(enum stream x)
{
	return streams_table[x].weight;
}

double
score_decay(int64_t age_days)
{
	return age_days <= 0 ? 1
			     : exp2(-(double)age_days / SCORE_HALF_LIFE_DAYS);
}

/* ------------------------------------------------- the incomplete beta */

/* The continued fraction of the regularized incomplete beta function (NIST
 * DLMF 8.17.22), evaluated from the front by Lentz's method. */
static double
beta_fraction(double a, double b, double x)
{
	const double tiny = 1e-300;
	double c = 1, d = 1 - (a + b) * x / (a + 1), h;

	d = 1 / (fabs(d) < tiny ? tiny : d);
	h = d;
	for (int m = 1; m <= 10000; m++) {
		double was = h;

		for (int odd = 0; odd < 2; odd++) {
			double k = odd ? -(a + m) * (a + b + m) * x /
					     ((a + 2 * m) * (a + 2 * m + 1))
				       : m * (b - m) * x /
					     ((a + 2 * m - 1) * (a + 2 * m));

			d = 1 + k * d;
			d = 1 / (fabs(d) < tiny ? tiny : d);
			c = 1 + k / c;
			c = fabs(c) < tiny ? tiny : c;
			h *= d * c;
		}
		if (fabs(h - was) <= 1e-15 * fabs(h))
			break;
	}
	return h;
}

/* P(X <= x) for X of Beta(a, b). */
static double
beta_below(double a, double b, double x, double scale)
{
	double front;

	if (x <= 0 || x >= 1)
		return x <= 0 ? 0 : 1;
	front = exp(scale + a * log(x) + b * log1p(-x));
	if (x < (a + 1) / (a + b + 2))
		return front * beta_fraction(a, b, x) / a;
	return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/* Newton's steps from the normal approximation, within a bracket that halves
 * where a step would leave it. */
double
score_lower_bound(double good, double bad)
{
	double a = 1 + good, b = 1 + bad, all = a + b, low = 0, high = 1;
	double x = a / all - 1.645 * sqrt(a * b / (all * all * (all + 1)));
	double scale, step = 1;
	int sign;

	scale = lgamma_r(all, &sign) - lgamma_r(a, &sign) - lgamma_r(b, &sign);
	if (x <= 0 || x >= 1)
		x = a / all;
	for (int i = 0; i < 200 && fabs(step) > 1e-13; i++) {
		double above = beta_below(a, b, x, scale) - 0.05, next;

		if (above < 0)
			low = x;
		else
			high = x;
		next = x - above / exp(scale + (a - 1) * log(x) +
				       (b - 1) * log1p(-x));
		if (!(next > low && next < high))
			next = (low + high) / 2;
		step = next - x;
		x = next;
	}
	return x;
}

/* -------------------------------------------------------------- sources */

static double
weight_of(const struct evidence *e)
{
	return e->good + e->bad;
}

static int
heavier_first(const void *x, const void *y)
{
	const struct evidence *a = x, *b = y;
	double wa = weight_of(a), wb = weight_of(b);

	if (wa != wb)
		return wa < wb ? 1 : -1;
	return a->good == b->good ? 0 : a->good < b->good ? 1 : -1;
}

/* What one source may carry so that none has more than its share of what is
 * left after all were cut: with k of them cut to c and the rest whole,
 * c = share * (k * c + rest). Sources are sorted, heaviest first. */
static double
most_of_one(const struct evidence *sources, size_t count)
{
	double rest = 0, most = 0;

	for (size_t i = count; i > 0; i--)
		rest += weight_of(&sources[i - 1]);
	for (size_t k = 0; k < count; k++) {
		double left = 1 - SCORE_SHARE_MOST * (double)k;

		most = left > 1e-9 ? SCORE_SHARE_MOST * rest / left : 0;
		if (most == 0 || weight_of(&sources[k]) <= most)
			break;
		rest -= weight_of(&sources[k]);
		if (rest < 0)
			rest = 0;
		most = 0;
	}
	return most < SCORE_SHARE_FREE ? SCORE_SHARE_FREE : most;
}

struct evidence
score_shares(struct evidence *sources, size_t count)
{
	struct evidence sum = {0, 0};
	double most;

	if (count == 0)
		return sum;
	qsort(sources, count, sizeof(*sources), heavier_first);
	most = most_of_one(sources, count);
	for (size_t i = count; i > 0; i--) {
		const struct evidence *e = &sources[i - 1];
		double w = weight_of(e), cut = w > most ? most / w : 1;

		sum.good += e->good * cut;
		sum.bad += e->bad * cut;
	}
	return sum;
}

struct evidence
score_voices(struct voice *voices, size_t count)
{
	struct evidence sum = {0, 0};

	for (size_t i = 0; i < count; i++) {
		struct evidence *e = &voices[i].verdicts;
		double w = weight_of(e);
		double cut = voices[i].weight * (w > 1 ? 1 / w : 1);

		e->good *= cut;
		e->bad *= cut;
		voices[i].weight = 0; /* in it now; equal voices sort equal */
	}
	if (count > 0)
		qsort(voices, count, sizeof(*voices), heavier_first);
	for (size_t i = count; i > 0; i--) {
		sum.good += voices[i - 1].verdicts.good;
		sum.bad += voices[i - 1].verdicts.bad;
	}
	return sum;
}

/* ---------------------------------------------------------------- score */

double
score_approval(const struct evidence *quality)
{
	return (quality->good + SCORE_LENT) /
	       (quality->good + quality->bad + SCORE_LENT);
}

struct evidence
score_without_kind(const struct evidence *quality)
{
	return (struct evidence){
	    fmax(quality->good - SCORE_FEW, 0), quality->bad};
}

struct evidence
score_without_harsh(const struct evidence *quality)
{
	double out = fmin(SCORE_FEW, SCORE_FEW_PART * weight_of(quality));

	return (struct evidence){quality->good, fmax(quality->bad - out, 0)};
}

/* No score is far above what buyers say of the answers. */
static double
most_by_quality(struct evidence quality)
{
	double below = SCORE_APPROVED - 100 * score_approval(&quality);

	return 100 - SCORE_HOLD * below;
}

/* Weighted, of the streams that have data; less than 0: none has. */
static double
mean_of(const struct score *s)
{
	double sum = 0, weights = 0;

	for (int i = 0; i < STREAMS; i++) {
		if (!s->parts[i].has_data)
			continue;
		sum += streams_table[i].weight * s->parts[i].value;
		weights += streams_table[i].weight;
	}
	return weights > 0 ? 100 * sum / weights : -1;
}

/* The score once more, as the mildest reading of the voices has it. */
static double
kept_by(const struct evidence *quality, const struct score *s)
{
	struct evidence left = score_without_harsh(quality);
	struct score mild = *s;
	double trust =
	    s->parts[STREAM_AUDIT].value >= SCORE_TRUSTED ? SCORE_TRUST : 0;

	mild.parts[STREAM_QUALITY].value =
	    score_lower_bound(left.good, left.bad);
	return fmin(mean_of(&mild), fmax(most_by_quality(left) + trust, 0));
}

void
score_make(const struct evidence streams[STREAMS], struct score *out)
{
	const struct evidence *quality = &streams[STREAM_QUALITY];
	double most = most_by_quality(score_without_kind(quality)), mean;

	memset(out, 0, sizeof(*out));
	for (int i = 0; i < STREAMS; i++) {
		double w = weight_of(&streams[i]);

		out->parts[i].evidence = streams[i];
		if (w < SCORE_NOTHING)
			continue;
		out->parts[i].has_data = true;
		out->parts[i].value =
		    score_lower_bound(streams[i].good, streams[i].bad);
		out->samples += w;
	}
	mean = mean_of(out);
	if (mean < 0)
		return;
	out->has_data = true;
	out->is_held_by_quality = most < mean;
	out->value = fmin(mean, fmax(most, 0));
	out->kept = kept_by(quality, out);
}
