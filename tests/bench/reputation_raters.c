/* SPDX-License-Identifier: Apache-2.0 */
/* See reputation_raters.h. A set of favourites becomes one number, so that
 * equal ones are found by sorting. */
#include "tests/bench/reputation_raters.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "reputation/rater.h"

/* A rater's most rated providers, heaviest first; 0 is none. */
struct favourites {
	int best[RATER_FAVOURITES];
	double weight[RATER_FAVOURITES];
	int64_t set;
};

static void
note_favourite(struct favourites *f, int provider, double w)
{
	int k = RATER_FAVOURITES;

	while (k > 0 && w > f->weight[k - 1])
		k--;
	if (k == RATER_FAVOURITES)
		return;
	for (int l = RATER_FAVOURITES - 1; l > k; l--) {
		f->best[l] = f->best[l - 1];
		f->weight[l] = f->weight[l - 1];
	}
	f->best[k] = provider + 1;
	f->weight[k] = w;
}

/* Whether anybody's verdicts on it weigh something. */
static bool
note_provider(
    const struct rated *p, int number, struct favourites *of, struct rater *out)
{
	bool is_rated = false;

	for (int i = 0; i < p->raters; i++) {
		const struct rating *r = &p->ratings[i];
		double w = r->verdicts.good + r->verdicts.bad;

		if (w <= RATERS_NOTHING)
			continue;
		is_rated = true;
		note_favourite(&of[r->account], number, w);
		out[r->account].all.good += r->verdicts.good;
		out[r->account].all.bad += r->verdicts.bad;
	}
	return is_rated;
}

static int
by_number(const void *x, const void *y)
{
	const int *a = x, *b = y;

	return *a - *b;
}

static void
make_set(struct favourites *f, struct rater *out)
{
	qsort(f->best, RATER_FAVOURITES, sizeof(int), by_number);
	for (int k = 0; k < RATER_FAVOURITES; k++) {
		f->set = f->set * 1000000 + f->best[k];
		out->favourites += f->best[k] > 0;
	}
}

static int
by_set(const void *x, const void *y)
{
	const int64_t *a = x, *b = y;

	return *a < *b ? -1 : *a > *b;
}

static size_t
how_many_below(const int64_t *sorted, size_t count, int64_t set)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (sorted[middle] < set)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t
how_many(const int64_t *sorted, size_t count, int64_t set)
{
	return how_many_below(sorted, count, set + 1) -
	       how_many_below(sorted, count, set);
}

static void
weigh(struct rater *r)
{
	if (r->favourites == 0) {
		*r = (struct rater){.weight = RATER_NEW};
		return;
	}
	r->weight =
	    rater_variety(r->all.good, r->all.bad) *
	    rater_company(r->same, r->raters, r->providers, r->favourites);
}

void
raters_weigh(const struct rated *providers, size_t count, struct rater *out,
    size_t accounts)
{
	struct favourites *of = mem_array(accounts, sizeof(*of));
	int64_t *sorted = mem_array(accounts, sizeof(*sorted));
	size_t raters[RATER_FAVOURITES + 1] = {0}, rated = 0;

	for (size_t i = 0; i < accounts; i++)
		out[i] = (struct rater){.weight = 0};
	for (size_t p = 0; p < count; p++)
		rated += note_provider(&providers[p], (int)p, of, out);
	for (size_t i = 0; i < accounts; i++) {
		make_set(&of[i], &out[i]);
		sorted[i] = of[i].set;
		raters[out[i].favourites]++;
	}
	qsort(sorted, accounts, sizeof(*sorted), by_set);
	for (size_t i = 0; i < accounts; i++) {
		out[i].providers = rated;
		out[i].raters = raters[out[i].favourites];
		out[i].same = how_many(sorted, accounts, of[i].set);
		weigh(&out[i]);
	}
	mem_free(of);
	mem_free(sorted);
}
