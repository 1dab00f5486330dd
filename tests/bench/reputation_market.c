/* SPDX-License-Identifier: Apache-2.0 */
/* See reputation_market.h. Scores, tiers and weights come from the library, and
 * days close as the worker closes them. */
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

static bool
is_sharer(const struct attack *a, int provider)
{
	return provider < a->sharers;
}

/* As many canaries as it takes have disagreed in the last 24 hours. */
static bool
has_failed_audit(const struct provider *p, int now)
{
	int first = p->mismatch_hours[TIER_DISAGREEMENTS - 1];

	return first >= 0 && now - first < TICKS;
}

static void
count_canary(struct provider *p, bool agrees, int now)
{
	count_event(&p->audits_today, agrees);
	if (!agrees) {
		memmove(&p->mismatch_hours[1], &p->mismatch_hours[0],
		    sizeof(p->mismatch_hours) - sizeof(now));
		p->mismatch_hours[0] = now;
	}
	p->has_failed |= has_failed_audit(p, now);
}

/* Judged in earnest, among those that serve the same files. */
static void
canary_of_sharer(struct market *m, const struct attack *a, int who, int now)
{
	bool is_liar = who >= a->sharers - a->liars && m->day >= m->began;
	size_t prompt = (size_t)one_of(m, PROMPTS);
	bool has_tier[SHARERS_MAX];
	enum canary_verdict verdict;

	for (int i = 0; i < a->sharers; i++)
		has_tier[i] = m->providers[i].tier.tier > STANDING_BRONZE;
	verdict = canary_market_ask(&m->canaries, (size_t)who, prompt, is_liar,
	    has_tier, (size_t)a->sharers);
	if (verdict != CANARY_UNKNOWN)
		count_canary(&m->providers[who], verdict == CANARY_AGREES, now);
}

static void
one_canary(struct market *m, const struct attack *a, int provider, int now)
{
	bool is_other = is_swapped(m, a, provider);

	if (is_sharer(a, provider))
		canary_of_sharer(m, a, provider, now);
	else
		count_canary(&m->providers[provider],
		    chance(m) >= (is_other ? CANARY_SEES : CANARY_FAILS), now);
}

/* As many as fall into this hour of what gateways send to an offer, by
 * Poisson's distribution. */
static void
audit(struct market *m, const struct attack *a, int provider, int now)
{
	double none = exp(-(double)CANARY_PER_DAY / TICKS);

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
		m->voices[i] = (struct voice){
		    r[i].verdicts, m->raters[r[i].account].weight};
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

	run_score(m, provider);
	if (tier_run(&p->tier, p->score.has_data ? p->score.kept : -1,
		p->has_failed || has_failed_audit(p, now)) != TIER_SAME) {
		p->demotions += has_begun || provider > 0;
		if (p->demoted_on < 0 && has_begun)
			p->demoted_on = now;
	}
	p->has_failed = false;
	if (has_begun && p->tier.tier < p->worst)
		p->worst = p->tier.tier;
	if (p->score.value > p->best_score)
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

/* ------------------------------------------------------------------- days */

static void
weigh_raters(struct market *m)
{
	struct rated of[PROVIDERS];

	for (int i = 0; i < PROVIDERS; i++)
		of[i] =
		    (struct rated){ratings_of(m, i), m->providers[i].raters};
	raters_weigh(of, PROVIDERS, m->raters, ACCOUNTS);
}

/* Whether the accounts that take part have come to weigh less than half. */
static void
watch_accounts(struct market *m, const struct attack *a)
{
	int first = first_account(m, a);
	int count = a->fresh_a_day > 0 ? a->fresh_a_day : a->accounts;
	double sum = 0;

	for (int i = 0; i < count; i++)
		sum += m->raters[first + i].weight;
	if (m->seen < 0 && m->day >= m->began && sum < count / 2.0)
		m->seen = m->day;
}

/* A day on which an audit failed closes below every line. */
static void
close_provider(struct market *m, int provider)
{
	struct provider *p = &m->providers[provider];
	bool failed = has_failed_audit(p, (m->day + 1) * TICKS - 1);

	p->audit.good += p->audits_today.good;
	p->audit.bad += p->audits_today.bad;
	p->audits_today = (struct evidence){0, 0};
	run_score(m, provider);
	tier_close(&p->tier, m->day,
	    p->score.has_data && !failed ? p->score.value : -1, false);
	if (p->tier.tier > p->best)
		p->best = p->tier.tier;
	if (p->tier.tier >= STANDING_SILVER && p->silver_on < 0)
		p->silver_on = m->day;
	if (p->score.value >= standing_line(STANDING_SILVER))
		p->last_above = m->day;
}

static void
age_provider(struct market *m, int provider)
{
	struct provider *p = &m->providers[provider];

	decay(p->delivery, BUCKETS);
	decay(p->speed, BUCKETS);
	decay(&p->audit, 1);
	for (int i = 0; i < p->raters; i++)
		decay(&ratings_of(m, provider)[i].verdicts, 1);
}

/* Raters are weighed on the day's own evidence, before it ages. */
static void
close_day(struct market *m, const struct attack *a)
{
	for (int i = 0; i < PROVIDERS; i++)
		if (m->day >= m->providers[i].joined)
			close_provider(m, i);
	weigh_raters(m);
	watch_accounts(m, a);
	for (int i = 0; i < PROVIDERS; i++)
		age_provider(m, i);
}

/* ------------------------------------------------------------ simulation */

static void
new_identity(struct market *m, int provider)
{
	struct provider *p = &m->providers[provider];

	memset(p->delivery, 0, sizeof(p->delivery));
	memset(p->speed, 0, sizeof(p->speed));
	memset(&p->audit, 0, sizeof(p->audit));
	memset(&p->audits_today, 0, sizeof(p->audits_today));
	memset(&p->tier, 0, sizeof(p->tier));
	p->raters = 0;
}

static void
make_accounts(struct market *m, const struct attack *a)
{
	m->raters = mem_array(ACCOUNTS, sizeof(*m->raters));
	m->always_good = mem_array(ACCOUNTS, sizeof(*m->always_good));
	m->judges = mem_array(ACCOUNTS, sizeof(*m->judges));
	m->voices = mem_array(ACCOUNTS, sizeof(*m->voices));
	for (int i = 0; i < ACCOUNTS; i++) {
		m->raters[i].weight = RATER_NEW;
		m->judges[i] = chance(m) < JUDGES;
		m->always_good[i] = i < BUYERS && chance(m) < a->always;
	}
	for (int i = 0; a->is_hybrid && i < a->accounts; i++)
		m->judges[BUYERS / 4 + i] = true;
}

static bool
is_subject(const struct attack *a, int provider)
{
	return provider < (a->is_newcomers ? NEWCOMERS : 1);
}

static void
make_market(struct market *m, const struct attack *a, uint64_t seed)
{
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

		p->quality =
		    is_subject(a, i) ? a->quality : .92 + .06 * chance(m);
		if (i > 0 && is_sharer(a, i) && i >= a->sharers - a->liars)
			p->quality = a->liars_true;
		p->joined = is_subject(a, i) && a->is_newcomers ? JOIN : 0;
		for (int k = 0; k < TIER_DISAGREEMENTS; k++)
			p->mismatch_hours[k] = -1;
		p->demoted_on = p->silver_on = p->last_above = -1;
		p->worst = STANDING_GOLD;
	}
}

void
market_free(struct market *m)
{
	mem_free(m->providers);
	mem_free(m->ratings);
	mem_free(m->raters);
	mem_free(m->always_good);
	mem_free(m->judges);
	mem_free(m->voices);
}

static void
one_hour(struct market *m, const struct attack *a, int hour)
{
	int now = m->day * TICKS + hour;

	canary_market_renew(&m->canaries, now);
	strike(m, a, hour);
	for (int i = 0; i < PROVIDERS; i++) {
		int requests = REQUESTS;

		if (is_subject(a, i) && a->traffic > 0)
			requests = a->traffic;
		if (m->day < m->providers[i].joined)
			continue;
		for (int k = hour; k < requests; k += TICKS)
			ordinary_request(m, i);
		audit(m, a, i, now);
		/* The others are looked at once a day. */
		if (i == 0 || is_sharer(a, i) || hour == TICKS - 1)
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
