/* SPDX-License-Identifier: Apache-2.0 */
/* See reputation_market.h. Raters are weighed as the worker's SQL does it;
 * scores, tiers and weights come from the library. */
#include "tests/bench/reputation_market.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "reputation/rater.h"

/* ---------------------------------------------------------------- chance */

/* splitmix64: small, seeded, the same everywhere. */
static uint64_t
next_random(struct market *m)
{
	uint64_t z = m->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static double
chance(struct market *m)
{
	return (double)(next_random(m) >> 11) / 9007199254740992.0;
}

static int
one_of(struct market *m, int count)
{
	return (int)(next_random(m) % (uint64_t)count);
}

/* The busiest hundredth of the buyers sends a tenth of the requests. */
static int
some_buyer(struct market *m)
{
	double x = chance(m);

	return (int)(BUYERS * x * x);
}

/* ---------------------------------------------------------------- market */

static void
count_event(struct evidence *e, bool is_good)
{
	if (is_good)
		e->good++;
	else
		e->bad++;
}

static struct rating *
ratings_of(struct market *m, int provider)
{
	return &m->ratings[(size_t)provider * ACCOUNTS];
}

static void
judge(struct market *m, int provider, int account, bool is_good)
{
	struct rating *r = ratings_of(m, provider);
	int *count = &m->providers[provider].raters, i = 0;

	while (i < *count && r[i].account != account)
		i++;
	if (i == *count)
		r[(*count)++] = (struct rating){.account = account};
	count_event(&r[i].verdicts, is_good);
	count_event(&m->totals[account], is_good);
}

static bool
serve(struct market *m, int provider, int account)
{
	struct provider *p = &m->providers[provider];
	bool delivered = chance(m) < DELIVERED;

	count_event(&p->delivery[account % BUCKETS], delivered);
	if (delivered)
		count_event(&p->speed[account % BUCKETS], chance(m) < FAST);
	return delivered;
}

static void
ordinary_request(struct market *m, int provider)
{
	int account = some_buyer(m);
	bool is_good = chance(m) < m->providers[provider].quality;

	if (m->always_good[account])
		is_good = true;
	if (serve(m, provider, account) && m->judges[account] &&
	    chance(m) < (is_good ? FEEDBACK : FEEDBACK_ON_BAD))
		judge(m, provider, account, is_good);
}

/* ---------------------------------------------------------------- attack */

static int
first_account(const struct market *m, const struct attack *a)
{
	if (a->fresh_a_day > 0)
		return BUYERS + m->day * a->fresh_a_day;
	return a->is_hybrid ? BUYERS / 4 : BUYERS;
}

/* What keeps a rater from looking like its company: others, judged as an
 * honest buyer would have it. */
static void
judge_decoys(struct market *m, const struct attack *a, int account)
{
	for (int i = 0; i < a->decoys; i++) {
		int other = 1 + one_of(m, PROVIDERS - 1);

		serve(m, other, account);
		judge(m, other, account, chance(m) < .94);
	}
}

/* The attackers' part of one hour. */
static void
strike(struct market *m, const struct attack *a, int hour)
{
	int count = a->fresh_a_day > 0 ? a->fresh_a_day : a->accounts;
	int first = first_account(m, a), day = m->day - m->began;

	if (day < 0 || day >= a->until - a->from)
		return;
	for (int i = 0; i < count; i++) {
		if (a->spread > 0 && i % a->spread != day)
			continue;
		for (int k = hour; k < a->requests; k += TICKS) {
			serve(m, 0, first + i);
			judge(m, 0, first + i, a->speaks_well);
		}
		if (hour == 0)
			judge_decoys(m, a, first + i);
	}
}

/* Whether this canary meets a model that is not the one stated. */
static bool
is_swapped(struct market *m, const struct attack *a, int provider)
{
	if (provider != 0 || a->swapped_to == 0 || a->knows_canaries ||
	    m->day < m->began)
		return false;
	return a->swapped_part == 0 || chance(m) < a->swapped_part;
}

static void
one_canary(struct market *m, const struct attack *a, int provider, int now)
{
	struct provider *p = &m->providers[provider];
	bool agrees = chance(m) >=
		      (is_swapped(m, a, provider) ? CANARY_SEES : CANARY_FAILS);

	count_event(&p->audit, agrees);
	if (!agrees) {
		p->mismatch_hours[1] = p->mismatch_hours[0];
		p->mismatch_hours[0] = now;
	}
}

/* As many as fall into this hour, by Poisson's distribution. */
static void
audit(struct market *m, const struct attack *a, int provider, int now)
{
	double none = exp(-(double)AUDITS / TICKS);

	if (a->no_canaries)
		return;
	for (double x = chance(m); x > none; x *= chance(m))
		one_canary(m, a, provider, now);
}

/* ---------------------------------------------------------------- scoring */

static struct evidence
shares(const struct evidence *kept)
{
	struct evidence sources[BUCKETS];

	memcpy(sources, kept, sizeof(sources));
	return score_shares(sources, BUCKETS);
}

static struct evidence
voices(struct market *m, int provider)
{
	const struct rating *r = ratings_of(m, provider);
	int count = m->providers[provider].raters;

	for (int i = 0; i < count; i++)
		m->voices[i] =
		    (struct voice){r[i].verdicts, m->weights[r[i].account]};
	return score_voices(m->voices, (size_t)count);
}

static void
run_score(struct market *m, int provider)
{
	struct provider *p = &m->providers[provider];
	struct evidence streams[STREAMS] = {
	    [STREAM_DELIVERY] = shares(p->delivery),
	    [STREAM_QUALITY] = voices(m, provider),
	    [STREAM_SPEED] = shares(p->speed),
	    [STREAM_AUDIT] = p->audit,
	};

	score_make(streams, &p->score);
}

static void
tick(struct market *m, int provider, int now)
{
	struct provider *p = &m->providers[provider];
	bool has_begun = m->day >= m->began;
	bool failed =
	    p->mismatch_hours[1] >= 0 && now - p->mismatch_hours[1] < TICKS;

	run_score(m, provider);
	if (tier_run(&p->tier, p->score.has_data ? p->score.kept : -1,
		failed) != TIER_SAME) {
		p->demotions += has_begun || provider > 0;
		if (p->demoted_on < 0 && has_begun)
			p->demoted_on = now;
	}
	if (has_begun && p->tier.tier < p->worst)
		p->worst = p->tier.tier;
	if (p->score.value > p->best_score && m->day > 3)
		p->best_score = p->score.value;
}

static void
decay(struct evidence *e, size_t count)
{
	const double by = score_decay(1);

	for (size_t i = 0; i < count; i++) {
		e[i].good *= by;
		e[i].bad *= by;
	}
}

/* ----------------------------------------------------------------- raters */

/* A rater's most rated providers in one market, heaviest first; then as one
 * number that is the same for the same set, and how many they are. */
struct favourites {
	int best[RATER_FAVOURITES];
	double weight[RATER_FAVOURITES];
	int64_t set;
	size_t count;
};

static void
note_favourite(struct favourites *f, int provider, double w)
{
	int k = RATER_FAVOURITES;

	while (w > 0.01 && k > 0 && w > f->weight[k - 1])
		k--;
	if (w <= 0.01 || k == RATER_FAVOURITES)
		return;
	for (int l = RATER_FAVOURITES - 1; l > k; l--) {
		f->best[l] = f->best[l - 1];
		f->weight[l] = f->weight[l - 1];
	}
	f->best[k] = provider + 1;
	f->weight[k] = w;
}

static int
by_number(const void *x, const void *y)
{
	const int *a = x, *b = y;

	return *a - *b;
}

static void
find_favourites(struct market *m, struct favourites *of)
{
	for (int p = 0; p < PROVIDERS; p++) {
		const struct rating *r = ratings_of(m, p);

		for (int i = 0; i < m->providers[p].raters; i++)
			note_favourite(&of[r[i].account], p,
			    r[i].verdicts.good + r[i].verdicts.bad);
	}
	for (int i = 0; i < ACCOUNTS; i++) {
		qsort(of[i].best, RATER_FAVOURITES, sizeof(int), by_number);
		for (int k = 0; k < RATER_FAVOURITES; k++) {
			of[i].set = of[i].set * 1000 + of[i].best[k];
			of[i].count += of[i].best[k] > 0;
		}
	}
}

static int
by_set(const void *x, const void *y)
{
	const int64_t *a = x, *b = y;

	return *a < *b ? -1 : *a > *b;
}

/* How many of the sorted ones are less. */
static size_t
how_many_below(const int64_t *sorted, int64_t set)
{
	size_t low = 0, high = ACCOUNTS;

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
how_many(const int64_t *sorted, int64_t set)
{
	return how_many_below(sorted, set + 1) - how_many_below(sorted, set);
}

static void
weigh_raters(struct market *m)
{
	struct favourites *of = mem_array(ACCOUNTS, sizeof(*of));
	int64_t *sorted = mem_array(ACCOUNTS, sizeof(*sorted));
	size_t raters[RATER_FAVOURITES + 1] = {0};

	find_favourites(m, of);
	for (int i = 0; i < ACCOUNTS; i++) {
		sorted[i] = of[i].set;
		raters[of[i].count]++;
	}
	qsort(sorted, ACCOUNTS, sizeof(*sorted), by_set);
	for (int i = 0; i < ACCOUNTS; i++)
		m->weights[i] =
		    rater_variety(m->totals[i].good, m->totals[i].bad) *
		    rater_company(how_many(sorted, of[i].set),
			raters[of[i].count], PROVIDERS, of[i].count);
	mem_free(of);
	mem_free(sorted);
}

/* Whether the accounts that take part have come to weigh less than half. */
static void
watch_accounts(struct market *m, const struct attack *a)
{
	int first = first_account(m, a);
	int count = a->fresh_a_day > 0 ? a->fresh_a_day : a->accounts;
	double sum = 0;

	for (int i = 0; i < count; i++)
		sum += m->weights[first + i];
	if (m->seen < 0 && m->day >= m->began && sum < count / 2.0)
		m->seen = m->day;
}

static void
close_day(struct market *m, const struct attack *a)
{
	for (int i = 0; i < PROVIDERS; i++) {
		struct provider *p = &m->providers[i];

		if (m->day < p->joined)
			continue;
		tier_close(&p->tier, m->day,
		    p->score.has_data ? p->score.value : -1, false);
		if (p->tier.tier > p->best)
			p->best = p->tier.tier;
		if (p->tier.tier >= STANDING_SILVER && p->silver_on < 0)
			p->silver_on = m->day;
		if (p->score.value >= standing_line(STANDING_SILVER))
			p->last_above = m->day;
		decay(p->delivery, BUCKETS);
		decay(p->speed, BUCKETS);
		decay(&p->audit, 1);
		for (int k = 0; k < p->raters; k++)
			decay(&ratings_of(m, i)[k].verdicts, 1);
	}
	decay(m->totals, ACCOUNTS);
	weigh_raters(m);
	watch_accounts(m, a);
}

/* ------------------------------------------------------------ simulation */

static void
new_identity(struct market *m, int provider)
{
	struct provider *p = &m->providers[provider];

	memset(p->delivery, 0, sizeof(p->delivery));
	memset(p->speed, 0, sizeof(p->speed));
	memset(&p->audit, 0, sizeof(p->audit));
	memset(&p->tier, 0, sizeof(p->tier));
	p->raters = 0;
}

static void
make_accounts(struct market *m, const struct attack *a)
{
	m->totals = mem_array(ACCOUNTS, sizeof(*m->totals));
	m->weights = mem_array(ACCOUNTS, sizeof(*m->weights));
	m->always_good = mem_array(ACCOUNTS, sizeof(*m->always_good));
	m->judges = mem_array(ACCOUNTS, sizeof(*m->judges));
	m->voices = mem_array(ACCOUNTS, sizeof(*m->voices));
	for (int i = 0; i < ACCOUNTS; i++) {
		m->weights[i] = RATER_NEW;
		m->judges[i] = chance(m) < JUDGES;
		m->always_good[i] = i < BUYERS && chance(m) < a->always;
	}
	for (int i = 0; a->is_hybrid && i < a->accounts; i++)
		m->judges[BUYERS / 4 + i] = true;
}

static void
make_market(struct market *m, const struct attack *a, uint64_t seed)
{
	int subjects = a->is_newcomers ? NEWCOMERS : 1;

	memset(m, 0, sizeof(*m));
	m->random = seed;
	m->began = DAYS;
	m->seen = -1;
	m->providers = mem_array(PROVIDERS, sizeof(*m->providers));
	m->ratings =
	    mem_array((size_t)PROVIDERS * ACCOUNTS, sizeof(*m->ratings));
	make_accounts(m, a);
	for (int i = 0; i < PROVIDERS; i++) {
		struct provider *p = &m->providers[i];

		p->quality = i < subjects ? a->quality : .92 + .06 * chance(m);
		p->joined = i < subjects && a->is_newcomers ? JOIN : 0;
		p->mismatch_hours[0] = p->mismatch_hours[1] = -1;
		p->demoted_on = p->silver_on = p->last_above = -1;
		p->worst = STANDING_GOLD;
	}
}

void
market_free(struct market *m)
{
	mem_free(m->providers);
	mem_free(m->ratings);
	mem_free(m->totals);
	mem_free(m->weights);
	mem_free(m->always_good);
	mem_free(m->judges);
	mem_free(m->voices);
}

static void
one_hour(struct market *m, const struct attack *a, int hour)
{
	int now = m->day * TICKS + hour;

	strike(m, a, hour);
	for (int i = 0; i < PROVIDERS; i++) {
		int requests = i == 0 && a->traffic > 0 ? a->traffic : REQUESTS;

		if (m->day < m->providers[i].joined)
			continue;
		for (int k = hour; k < requests; k += TICKS)
			ordinary_request(m, i);
		audit(m, a, i, now);
		/* The others are looked at once a day. */
		if (i == 0 || hour == TICKS - 1)
			tick(m, i, now);
	}
}

/* What is aimed at a tier begins when it is there to be lost. */
static bool
is_time(const struct market *m, const struct attack *a)
{
	if (m->day < a->from)
		return false;
	return a->from == 0 || a->quality < .9 ||
	       m->providers[0].tier.tier == STANDING_GOLD;
}

void
market_run(struct market *m, const struct attack *a, uint64_t seed)
{
	make_market(m, a, seed);
	for (m->day = 0; m->day < DAYS; m->day++) {
		double part = a->swapped_part > 0 ? a->swapped_part : 1;

		if (a->whitewash > 0 && m->day > 0 &&
		    m->day % a->whitewash == 0)
			new_identity(m, 0);
		if (m->began == DAYS && is_time(m, a))
			m->began = m->day;
		if (a->swapped_to > 0 && m->day == m->began)
			m->providers[0].quality +=
			    part * (a->swapped_to - a->quality);
		for (int hour = 0; hour < TICKS; hour++)
			one_hour(m, a, hour);
		close_day(m, a);
	}
}
