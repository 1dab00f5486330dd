/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A market of 200 providers and 5,000 buyers over 60 days, scored by the real
 * library while somebody tries to game it. Everything random comes from one
 * seed. Prints what each attack achieved and ends non-zero where a bar that
 * docs/reputation.md promises is missed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "reputation/rater.h"
#include "reputation/score.h"
#include "reputation/tier.h"

enum {
	PROVIDERS = 200,
	BUYERS = 5000,
	ACCOUNTS = BUYERS + 700, /* the attackers' own come after the buyers */
	BUCKETS = 64,
	DAYS = 60,
	REQUESTS = 100, /* a provider gets each day */
	TICKS = 24,	/* the score runs each hour */
	NEWCOMERS = 20,
	JOIN = 20,
	STRIKE = 25,
	AUDITS = 12 /* canaries a day */
};
#define FEEDBACK 0.10	    /* of what is served is judged by its buyer */
#define DELIVERED 0.992	    /* by any provider */
#define FAST 0.97	    /* of the answers, measured against the median */
#define CANARY_SEES 0.60    /* a swapped model, each time */
#define CANARY_FAILS 0.0005 /* an honest one, each time */

struct provider {
	double quality;
	int joined;
	struct evidence delivery[BUCKETS];
	struct evidence speed[BUCKETS];
	struct evidence audit;
	int mismatch_hours[2]; /* the newest two; hours since the start */
	struct tier_state tier;
	double score;
	double best_score;
	enum standing best;
	int demoted_on; /* hour, -1: never */
	int demotions;
	int silver_on;
};

struct market {
	uint64_t random;
	int day;
	int began; /* the day the attack began; DAYS: not yet */
	struct provider *providers;
	struct evidence *verdicts; /* [provider][account] */
	struct evidence *totals;   /* [account] */
	double *weights;	   /* [account], as of the last close */
	bool *always_good;	   /* [account] */
	bool has_audits;
	struct voice *voices;
};

struct attack {
	const char *name;
	double quality;	     /* of the provider attacked or attacking */
	int accounts;	     /* that take part */
	bool is_camouflaged; /* they are honest buyers but for this */
	bool speaks_well;    /* of the provider; else ill */
	int from, until;     /* days */
	int requests;	     /* by each account, a day */
	int fresh_a_day;     /* Sybils: so many new accounts each day */
	double always;	     /* share of all buyers who always praise */
	int whitewash;	     /* every so many days a new DID */
	double swapped_to;   /* quality from STRIKE on */
	bool is_audited;     /* canaries are sent */
	bool is_newcomers;
	/* bars */
	bool never_silver, never_gold, never_demoted, out_in_a_day, nine_in_ten;
};

/* clang-format off */
static const struct attack attacks[] = {
{ .name = "nothing", .quality = 0.60, .never_silver = true, .never_gold = true },
{ .name = "collusion of 5", .quality = 0.60, .accounts = 5, .speaks_well = true, .until = DAYS, .requests = 3, .never_silver = true, .never_gold = true },
{ .name = "collusion of 20", .quality = 0.60, .accounts = 20, .speaks_well = true, .until = DAYS, .requests = 3, .never_silver = true, .never_gold = true },
{ .name = "collusion of 50", .quality = 0.60, .accounts = 50, .speaks_well = true, .until = DAYS, .requests = 3, .never_gold = true },
{ .name = "collusion of 5, camouflaged", .quality = 0.60, .accounts = 5, .is_camouflaged = true, .speaks_well = true, .until = DAYS, .requests = 3, .never_silver = true, .never_gold = true },
{ .name = "collusion of 20, camouflaged", .quality = 0.60, .accounts = 20, .is_camouflaged = true, .speaks_well = true, .until = DAYS, .requests = 3, .never_silver = true, .never_gold = true },
{ .name = "collusion of 50, camouflaged", .quality = 0.60, .accounts = 50, .is_camouflaged = true, .speaks_well = true, .until = DAYS, .requests = 3, .never_gold = true },
{ .name = "whitewashing every 10 days", .quality = 0.60, .whitewash = 10, .accounts = 20, .speaks_well = true, .until = DAYS, .requests = 3, .never_silver = true, .never_gold = true },
{ .name = "bribed burst of 100", .quality = 0.60, .accounts = 100, .is_camouflaged = true, .speaks_well = true, .from = STRIKE, .until = STRIKE + 1, .requests = 2, .never_gold = true },
{ .name = "slander by 5", .quality = 0.96, .accounts = 5, .from = STRIKE, .until = DAYS, .requests = 3, .never_demoted = true },
{ .name = "slander by 20", .quality = 0.96, .accounts = 20, .from = STRIKE, .until = DAYS, .requests = 3, .never_demoted = true },
{ .name = "slander by 50", .quality = 0.96, .accounts = 50, .from = STRIKE, .until = DAYS, .requests = 3 },
{ .name = "slander by 20, camouflaged", .quality = 0.96, .accounts = 20, .is_camouflaged = true, .from = STRIKE, .until = DAYS, .requests = 3 },
{ .name = "swapped model", .quality = 0.96, .from = STRIKE, .swapped_to = 0.50, .is_audited = true, .out_in_a_day = true },
{ .name = "swapped model, no audit", .quality = 0.96, .from = STRIKE, .swapped_to = 0.50 },
{ .name = "half of all always praise", .quality = 0.60, .always = 0.5, .never_gold = true },
{ .name = "Sybils, 10 new a day", .quality = 0.60, .fresh_a_day = 10, .speaks_well = true, .until = DAYS, .requests = 1, .never_gold = true, .never_silver = true },
{ .name = "feeding itself", .quality = 0.60, .accounts = 6, .speaks_well = true, .until = DAYS, .requests = 50, .never_gold = true, .never_silver = true },
{ .name = "honest newcomers", .quality = 0.95, .is_newcomers = true, .nine_in_ten = true },
};
/* clang-format on */
#define ATTACKS (sizeof(attacks) / sizeof(*attacks))

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

/* ---------------------------------------------------------------- market */

static void
count_event(struct evidence *e, bool is_good)
{
	if (is_good)
		e->good++;
	else
		e->bad++;
}

static struct evidence *
verdicts_of(struct market *m, int provider, int account)
{
	return &m->verdicts[provider * ACCOUNTS + account];
}

static void
judge(struct market *m, int provider, int account, bool is_good)
{
	count_event(verdicts_of(m, provider, account), is_good);
	count_event(&m->totals[account], is_good);
}

static void
serve(struct market *m, int provider, int account)
{
	struct provider *p = &m->providers[provider];
	bool delivered = chance(m) < DELIVERED;

	count_event(&p->delivery[account % BUCKETS], delivered);
	if (delivered)
		count_event(&p->speed[account % BUCKETS], chance(m) < FAST);
}

static void
ordinary_request(struct market *m, int provider)
{
	struct provider *p = &m->providers[provider];
	int account = one_of(m, BUYERS);

	serve(m, provider, account);
	if (chance(m) < FEEDBACK)
		judge(m, provider, account,
		    chance(m) < p->quality || m->always_good[account]);
}

/* The attackers' part of one hour. */
static void
strike(struct market *m, const struct attack *a, int hour)
{
	int first = a->is_camouflaged ? 0 : BUYERS;
	int accounts = a->accounts;

	if (a->fresh_a_day > 0) {
		first = BUYERS + m->day * a->fresh_a_day;
		accounts = a->fresh_a_day;
	}
	if (m->day < m->began || m->day >= m->began + a->until - a->from)
		return;
	for (int i = 0; i < accounts; i++) {
		for (int k = hour; k < a->requests; k += TICKS) {
			serve(m, 0, first + i);
			judge(m, 0, first + i, a->speaks_well);
		}
	}
}

static void
audit(struct market *m, const struct attack *a, int provider, int hour)
{
	struct provider *p = &m->providers[provider];
	bool is_swapped =
	    provider == 0 && a->swapped_to > 0 && m->day >= m->began;
	bool agrees;

	if (!a->is_audited || hour % (TICKS / AUDITS) != 0)
		return;
	agrees = chance(m) >= (is_swapped ? CANARY_SEES : CANARY_FAILS);
	count_event(&p->audit, agrees);
	if (!agrees) {
		p->mismatch_hours[1] = p->mismatch_hours[0];
		p->mismatch_hours[0] = m->day * TICKS + hour;
	}
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
	size_t n = 0;

	for (int i = 0; i < ACCOUNTS; i++) {
		const struct evidence *e = verdicts_of(m, provider, i);

		if (e->good + e->bad > 0)
			m->voices[n++] = (struct voice){*e, m->weights[i]};
	}
	return score_voices(m->voices, n);
}

static double
run_score(struct market *m, int provider)
{
	const struct provider *p = &m->providers[provider];
	struct evidence streams[STREAMS] = {
	    [STREAM_DELIVERY] = shares(p->delivery),
	    [STREAM_QUALITY] = voices(m, provider),
	    [STREAM_SPEED] = shares(p->speed),
	    [STREAM_AUDIT] = p->audit,
	};
	struct score s;

	score_make(streams, &s);
	return s.has_data ? s.value : -1;
}

static void
tick(struct market *m, int provider, int now)
{
	struct provider *p = &m->providers[provider];
	bool failed =
	    p->mismatch_hours[1] >= 0 && now - p->mismatch_hours[1] < TICKS;

	p->score = run_score(m, provider);
	if (tier_run(&p->tier, p->score, failed) != TIER_SAME) {
		p->demotions += now >= m->began * TICKS || provider > 0;
		if (p->demoted_on < 0 && now >= m->began * TICKS)
			p->demoted_on = now;
	}
	if (p->score > p->best_score && m->day > 3)
		p->best_score = p->score;
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

/* A rater's most rated providers in one market, as one number that is the
 * same for the same set, and how many they are. */
struct favourites {
	int64_t set;
	size_t count;
};

static struct favourites
favourites_of(struct market *m, int account)
{
	struct favourites out = {0, 0};
	int best[RATER_FAVOURITES] = {-1, -1, -1};
	double weight[RATER_FAVOURITES] = {0};
	bool is_in[PROVIDERS] = {false};

	for (int p = 0; p < PROVIDERS; p++) {
		const struct evidence *e = verdicts_of(m, p, account);
		double w = e->good + e->bad;
		int k = RATER_FAVOURITES;

		while (w >= SCORE_NOTHING && k > 0 && w > weight[k - 1])
			k--;
		if (w < SCORE_NOTHING || k == RATER_FAVOURITES)
			continue;
		for (int l = RATER_FAVOURITES - 1; l > k; l--) {
			best[l] = best[l - 1];
			weight[l] = weight[l - 1];
		}
		best[k] = p;
		weight[k] = w;
	}
	for (int k = 0; k < RATER_FAVOURITES; k++)
		if (best[k] >= 0)
			is_in[best[k]] = true;
	for (int p = 0; p < PROVIDERS; p++) {
		if (is_in[p]) {
			out.set = out.set * 1000 + p + 1;
			out.count++;
		}
	}
	return out;
}

static int
by_set(const void *x, const void *y)
{
	const int64_t *a = x, *b = y;

	return *a < *b ? -1 : *a > *b;
}

static size_t
how_many(const int64_t *sorted, int64_t set)
{
	size_t low = 0, high = ACCOUNTS, first;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (sorted[middle] < set)
			low = middle + 1;
		else
			high = middle;
	}
	first = low;
	while (low < ACCOUNTS && sorted[low] == set)
		low++;
	return low - first;
}

static void
weigh_raters(struct market *m)
{
	struct favourites *of = mem_array(ACCOUNTS, sizeof(*of));
	int64_t *sorted = mem_array(ACCOUNTS, sizeof(*sorted));
	size_t raters[RATER_FAVOURITES + 1] = {0};

	for (int i = 0; i < ACCOUNTS; i++) {
		of[i] = favourites_of(m, i);
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

static void
close_day(struct market *m)
{
	for (int i = 0; i < PROVIDERS; i++) {
		struct provider *p = &m->providers[i];

		if (m->day < p->joined)
			continue;
		p->score = run_score(m, i);
		tier_close(&p->tier, m->day, p->score, false);
		if (p->tier.tier > p->best)
			p->best = p->tier.tier;
		if (p->tier.tier >= STANDING_SILVER && p->silver_on < 0)
			p->silver_on = m->day;
		decay(p->delivery, BUCKETS);
		decay(p->speed, BUCKETS);
		decay(&p->audit, 1);
	}
	decay(m->verdicts, (size_t)PROVIDERS * ACCOUNTS);
	decay(m->totals, ACCOUNTS);
	weigh_raters(m);
}

/* ------------------------------------------------------------ simulation */

static void
new_identity(struct market *m, int provider)
{
	struct provider *p = &m->providers[provider];

	memset(p->delivery, 0, sizeof(p->delivery));
	memset(p->speed, 0, sizeof(p->speed));
	memset(&p->tier, 0, sizeof(p->tier));
	memset(
	    verdicts_of(m, provider, 0), 0, ACCOUNTS * sizeof(struct evidence));
}

static void
begin(struct market *m, const struct attack *a, uint64_t seed)
{
	int subjects = a->is_newcomers ? NEWCOMERS : 1;

	memset(m, 0, sizeof(*m));
	m->random = seed;
	m->began = DAYS;
	m->providers = mem_array(PROVIDERS, sizeof(*m->providers));
	m->verdicts =
	    mem_array((size_t)PROVIDERS * ACCOUNTS, sizeof(*m->verdicts));
	m->totals = mem_array(ACCOUNTS, sizeof(*m->totals));
	m->weights = mem_array(ACCOUNTS, sizeof(*m->weights));
	m->always_good = mem_array(ACCOUNTS, sizeof(*m->always_good));
	m->voices = mem_array(ACCOUNTS, sizeof(*m->voices));
	for (int i = 0; i < ACCOUNTS; i++) {
		m->weights[i] = RATER_NEW;
		m->always_good[i] = i < BUYERS && chance(m) < a->always;
	}
	for (int i = 0; i < PROVIDERS; i++) {
		struct provider *p = &m->providers[i];

		p->quality = i < subjects ? a->quality : .92 + .06 * chance(m);
		p->joined = i < subjects && a->is_newcomers ? JOIN : 0;
		p->mismatch_hours[0] = p->mismatch_hours[1] = -1;
		p->demoted_on = p->silver_on = -1;
	}
}

static void
end(struct market *m)
{
	mem_free(m->providers);
	mem_free(m->verdicts);
	mem_free(m->totals);
	mem_free(m->weights);
	mem_free(m->always_good);
	mem_free(m->voices);
}

static void
one_hour(struct market *m, const struct attack *a, int hour)
{
	int now = m->day * TICKS + hour;

	strike(m, a, hour);
	for (int i = 0; i < PROVIDERS; i++) {
		if (m->day < m->providers[i].joined)
			continue;
		for (int k = hour; k < REQUESTS; k += TICKS)
			ordinary_request(m, i);
		audit(m, a, i, hour);
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

static void
simulate(struct market *m, const struct attack *a)
{
	for (m->day = 0; m->day < DAYS; m->day++) {
		if (a->whitewash > 0 && m->day > 0 &&
		    m->day % a->whitewash == 0)
			new_identity(m, 0);
		if (m->began == DAYS && is_time(m, a))
			m->began = m->day;
		if (a->swapped_to > 0 && m->day >= m->began)
			m->providers[0].quality = a->swapped_to;
		for (int hour = 0; hour < TICKS; hour++)
			one_hour(m, a, hour);
		close_day(m);
	}
}

/* ---------------------------------------------------------------- report */

struct result {
	double score;
	enum standing best;
	double noticed; /* days after it began; < 0: never demoted */
	int honest_demoted, honest_below;
	int silver_in_ten;
	const char *missed;
};

static const char *
bar_missed(const struct attack *a, const struct result *r, bool demoted)
{
	if (a->never_silver && r->best >= STANDING_SILVER)
		return "reached silver";
	if (a->never_gold && r->best >= STANDING_GOLD)
		return "reached gold";
	if (a->never_demoted && (demoted || r->best < STANDING_GOLD))
		return "lost a tier, or never was gold";
	if (a->out_in_a_day &&
	    (r->best < STANDING_GOLD || r->noticed < 0 || r->noticed > 1))
		return "not out of gold within 24 hours";
	if (a->nine_in_ten && r->silver_in_ten * 10 < NEWCOMERS * 9)
		return "fewer than 9 in 10 newcomers silver by day 10";
	return NULL;
}

static void
judge_run(const struct market *m, const struct attack *a, struct result *r)
{
	const struct provider *p = &m->providers[0];

	r->score = p->best_score;
	r->best = p->best;
	r->noticed =
	    p->demoted_on < 0
		? -1
		: (double)(p->demoted_on - m->began * TICKS + 1) / TICKS;
	r->silver_in_ten = 0;
	for (int i = 0; a->is_newcomers && i < NEWCOMERS; i++) {
		int on = m->providers[i].silver_on;

		r->silver_in_ten += on >= 0 && on < JOIN + 10;
	}
	for (int i = a->is_newcomers ? NEWCOMERS : 1; i < PROVIDERS; i++) {
		r->honest_demoted += m->providers[i].demotions > 0;
		r->honest_below += m->providers[i].tier.tier < STANDING_GOLD;
	}
	r->missed = bar_missed(a, r, p->demotions > 0);
}

static void
print_json(const struct attack *a, const struct result *r, bool is_last)
{
	printf("{\"attack\":\"%s\",\"quality\":%.2f,\"highest_score\":%.2f,"
	       "\"highest_tier\":\"%s\",\"days_until_noticed\":",
	    a->name, a->quality, r->score, standing_name(r->best));
	if (r->noticed < 0)
		printf("null");
	else
		printf("%.2f", r->noticed);
	printf(",\"honest_demoted\":%d,\"honest_not_gold\":%d,"
	       "\"newcomers_silver\":%d,\"bar_missed\":",
	    r->honest_demoted, r->honest_below, r->silver_in_ten);
	if (r->missed == NULL)
		printf("null}%s\n", is_last ? "" : ",");
	else
		printf("\"%s\"}%s\n", r->missed, is_last ? "" : ",");
}

static void
print_line(const struct attack *a, const struct result *r)
{
	char noticed[24] = "-", newcomers[24] = "";

	if (r->noticed >= 0)
		snprintf(noticed, sizeof(noticed), "%.2f", r->noticed);
	if (a->is_newcomers)
		snprintf(newcomers, sizeof(newcomers), " %d/%d silver",
		    r->silver_in_ten, NEWCOMERS);
	printf("%-30s %4.0f%% %7.2f %-7s %8s %8d %8d  %s%s\n", a->name,
	    100 * a->quality, r->score, standing_name(r->best), noticed,
	    r->honest_demoted, r->honest_below,
	    r->missed == NULL ? "ok" : r->missed, newcomers);
}

int
main(int argc, char **argv)
{
	uint64_t seed = 1;
	bool json = false;
	int missed = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
			seed = strtoull(argv[++i], NULL, 10);
		else
			return fprintf(stderr,
				   "usage: %s [--seed N] [--json]\n", argv[0]),
			       2;
	}
	if (json)
		printf("{\"seed\":%llu,\"days\":%d,\"providers\":%d,"
		       "\"buyers\":%d,\"attacks\":[\n",
		    (unsigned long long)seed, DAYS, PROVIDERS, BUYERS);
	else
		printf("seed %llu: %d days, %d providers, %d buyers\n"
		       "%-30s %5s %7s %-7s %8s %8s %8s  bar\n",
		    (unsigned long long)seed, DAYS, PROVIDERS, BUYERS, "attack",
		    "true", "highest", "tier", "noticed", "demoted",
		    "not gold");
	for (size_t i = 0; i < ATTACKS; i++) {
		struct result r = {0};
		struct market m;

		begin(&m, &attacks[i], seed * 1000 + i);
		simulate(&m, &attacks[i]);
		judge_run(&m, &attacks[i], &r);
		end(&m);
		missed += r.missed != NULL;
		if (json)
			print_json(&attacks[i], &r, i + 1 == ATTACKS);
		else
			print_line(&attacks[i], &r);
	}
	if (json)
		printf("],\"bars_missed\":%d}\n", missed);
	else
		printf("(noticed: days until demoted; demoted, not gold: "
		       "honest providers)\n%d bars missed\n",
		    missed);
	return missed == 0 ? 0 : 1;
}
