/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each way of gaming the scores achieves in the simulated market. Prints a
 * line for each and ends non-zero where a bar that docs/reputation.md promises
 * is missed. The attackers know the rules: those called hybrid are ordinary
 * buyers in all else, and what is aimed at a tier waits until it is there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/reputation_market.h"

/* clang-format off */
#define COLLUDERS(n) .quality = 0.60, .accounts = n, .speaks_well = true, .until = DAYS, .requests = 3
#define SLANDERERS(n) .quality = 0.96, .accounts = n, .from = STRIKE, .until = DAYS, .requests = 3
#define LIARS(n, honest) .quality = 0.96, .from = STRIKE, .sharers = (n) + (honest), .liars = n
#define NOT_SILVER .never_silver = true, .never_gold = true
static const struct attack attacks[] = {
{ .name = "nothing", .quality = 0.60, NOT_SILVER },
{ .name = "collusion of 5", COLLUDERS(5), NOT_SILVER },
{ .name = "collusion of 20", COLLUDERS(20), NOT_SILVER },
{ .name = "collusion of 50", COLLUDERS(50), .never_gold = true },
{ .name = "collusion of 5, hybrid", COLLUDERS(5), .is_hybrid = true, NOT_SILVER },
{ .name = "collusion of 20, hybrid", COLLUDERS(20), .is_hybrid = true, NOT_SILVER },
{ .name = "the same, no canaries", COLLUDERS(20), .is_hybrid = true, .no_canaries = true, NOT_SILVER },
{ .name = "collusion of 50, hybrid", COLLUDERS(50), .is_hybrid = true, .never_gold = true },
{ .name = "collusion of 100, hybrid", COLLUDERS(100), .is_hybrid = true, .never_gold = true },
{ .name = "collusion of 20, 30 a day", COLLUDERS(20), .is_hybrid = true, .traffic = 30 },
{ .name = "whitewashing every 10 days", COLLUDERS(20), .is_hybrid = true, .whitewash = 10, NOT_SILVER },
{ .name = "bribed burst of 100", .quality = 0.60, .accounts = 100, .is_hybrid = true, .speaks_well = true, .from = STRIKE, .until = STRIKE + 1, .requests = 2, NOT_SILVER },
{ .name = "bribes to 100 over 14 days", .quality = 0.60, .accounts = 100, .is_hybrid = true, .speaks_well = true, .from = STRIKE, .until = STRIKE + 14, .spread = 14, .requests = 2, NOT_SILVER },
{ .name = "slander by 5", SLANDERERS(5), .never_demoted = true },
{ .name = "slander by 20", SLANDERERS(20), .never_demoted = true },
{ .name = "slander by 50", SLANDERERS(50) },
{ .name = "slander by 5, hybrid", SLANDERERS(5), .is_hybrid = true, .never_demoted = true },
{ .name = "slander by 20, hybrid", SLANDERERS(20), .is_hybrid = true, .never_demoted = true },
{ .name = "slander by 50, hybrid", SLANDERERS(50), .is_hybrid = true },
{ .name = "slander by 20, no canaries", SLANDERERS(20), .no_canaries = true, .never_demoted = true },
{ .name = "the same, hybrid", SLANDERERS(20), .is_hybrid = true, .no_canaries = true, .never_demoted = true },
{ .name = "swapped model", .quality = 0.96, .from = STRIKE, .swapped_to = 0.50, .out_in_a_day = true },
{ .name = "swapped for a third", .quality = 0.96, .from = STRIKE, .swapped_to = 0.50, .swapped_part = 1.0 / 3 },
{ .name = "swapped model, no canaries", .quality = 0.96, .from = STRIKE, .swapped_to = 0.50, .no_canaries = true },
{ .name = "half of all always praise", .quality = 0.60, .always = 0.5, .never_gold = true },
{ .name = "Sybils, 10 new a day", .quality = 0.60, .fresh_a_day = 10, .speaks_well = true, .until = DAYS, .requests = 1, NOT_SILVER },
{ .name = "the same, with decoys", .quality = 0.60, .fresh_a_day = 10, .speaks_well = true, .until = DAYS, .requests = 1, .decoys = 3, .never_gold = true },
{ .name = "feeding itself", .quality = 0.60, .accounts = 6, .speaks_well = true, .until = DAYS, .requests = 50, NOT_SILVER },
{ .name = "honest newcomers", .quality = 0.95, .is_newcomers = true, .silver_by = 10 },
{ .name = "swapped but for canaries", .quality = 0.96, .from = STRIKE, .swapped_to = 0.50, .knows_canaries = true },
{ .name = "nothing, no canaries", .quality = 0.60, .no_canaries = true, NOT_SILVER },
{ .name = "canaries: 2 liars among 6", LIARS(2, 4), .liars_true = 0.95, .never_demoted = true },
{ .name = "canaries: 3 liars among 7", LIARS(3, 4), .liars_true = 0.95 },
{ .name = "canaries: 3 liars among 13", LIARS(3, 10), .liars_true = 0.95 },
{ .name = "canaries: 10 bronze liars", LIARS(10, 4), .liars_true = 0.60, .never_demoted = true },
{ .name = "slander by 20, 30 a day", SLANDERERS(20), .is_hybrid = true, .traffic = 30 },
{ .name = "collusion of 20, 10 a day", COLLUDERS(20), .is_hybrid = true, .traffic = 10 },
{ .name = "nothing, 10 a day", .quality = 0.60, .traffic = 10 },
{ .name = "no canaries, 30 a day", .quality = 0.96, .traffic = 30, .from = STRIKE, .swapped_to = 0.50, .no_canaries = true },
{ .name = "newcomers, 10 a day", .quality = 0.95, .is_newcomers = true, .traffic = 10, .silver_by = 21 },
};
/* clang-format on */
#define ATTACKS (sizeof(attacks) / sizeof(*attacks))

struct result {
	double score;
	enum standing best;
	enum standing lowest;
	double noticed; /* days after it began; < 0: never */
	int honest_demoted, honest_below;
	int silver_in_time;
	const char *missed;
};

static bool
is_slander(const struct attack *a)
{
	return a->accounts > 0 && !a->speaks_well;
}

/* Whether the provider in question is an honest one. */
static bool
is_victim(const struct attack *a)
{
	return is_slander(a) || a->liars > 0;
}

/* The first of these. */
static double
days_until_demoted(const struct market *m, int from, int until)
{
	int first = -1;

	for (int i = from; i < until; i++) {
		int on = m->providers[i].demoted_on;

		if (on >= 0 && (first < 0 || on < first))
			first = on;
	}
	return first < 0 ? -1 : (double)(first - m->began * TICKS + 1) / TICKS;
}

/* A swapped model, or liars: when one lost its tier. Slander: when its accounts
 * had come to weigh less than half. Flattery: when days last closed at silver's
 * line. */
static double
days_until_noticed(const struct market *m, const struct attack *a)
{
	const struct provider *p = &m->providers[0];

	if (a->is_newcomers)
		return -1;
	if (a->liars > 0)
		return days_until_demoted(m, a->sharers - a->liars, a->sharers);
	if (is_slander(a))
		return m->seen < 0 ? -1 : m->seen - m->began + 1;
	if (a->swapped_to > 0)
		return days_until_demoted(m, 0, 1);
	if (p->last_above == DAYS - 1)
		return -1;
	return p->last_above < m->began ? 0 : p->last_above - m->began + 1;
}

static const char *
bar_missed(const struct attack *a, const struct result *r)
{
	if (a->never_silver && r->best >= STANDING_SILVER)
		return "reached silver";
	if (a->never_gold && r->best >= STANDING_GOLD)
		return "reached gold";
	if (a->never_demoted && r->best < STANDING_GOLD)
		return "never was gold";
	if (a->never_demoted && r->lowest < STANDING_GOLD)
		return "lost a tier";
	if (a->out_in_a_day &&
	    (r->best < STANDING_GOLD || r->noticed < 0 || r->noticed > 1))
		return "not out of gold within 24 hours";
	if (a->silver_by > 0 && r->silver_in_time * 10 < NEWCOMERS * 9)
		return "fewer than 9 in 10 newcomers silver in time";
	return NULL;
}

/* The lowest that liars have brought any honest one to that they could. */
static enum standing
lowest_of_sharers(const struct market *m, const struct attack *a)
{
	enum standing lowest = STANDING_GOLD;

	for (int i = 0; i < a->sharers - a->liars; i++) {
		const struct provider *p = &m->providers[i];

		if (p->demoted_on >= 0 && p->worst < lowest)
			lowest = p->worst;
	}
	return lowest;
}

static void
judge_run(const struct market *m, const struct attack *a, struct result *r)
{
	const struct provider *p = &m->providers[0];

	r->score = p->best_score;
	r->best = p->best;
	r->lowest = p->worst < p->best ? p->worst : p->best;
	if (a->liars > 0)
		r->lowest = lowest_of_sharers(m, a);
	r->noticed = days_until_noticed(m, a);
	for (int i = 0; a->is_newcomers && i < NEWCOMERS; i++) {
		int on = m->providers[i].silver_on;

		r->silver_in_time += on >= 0 && on < JOIN + a->silver_by;
	}
	for (int i = a->is_newcomers ? NEWCOMERS : 1; i < PROVIDERS; i++) {
		if (i >= a->sharers - a->liars && i < a->sharers)
			continue;
		r->honest_demoted += m->providers[i].demotions > 0;
		r->honest_below += m->providers[i].tier.tier < STANDING_GOLD;
	}
	if (is_victim(a)) {
		r->honest_demoted += p->demotions > 0;
		r->honest_below += p->tier.tier < STANDING_GOLD;
	}
	r->missed = bar_missed(a, r);
}

/* ---------------------------------------------------------------- report */

static bool
has_bar(const struct attack *a)
{
	return a->never_silver || a->never_gold || a->never_demoted ||
	       a->out_in_a_day || a->silver_by > 0;
}

static void
print_json(const struct attack *a, const struct result *r, bool is_last)
{
	printf("{\"attack\":\"%s\",\"quality\":%.2f,\"highest_score\":%.2f,"
	       "\"highest_tier\":\"%s\",\"lowest_tier_since\":\"%s\","
	       "\"days_until_noticed\":",
	    a->name, a->quality, r->score, standing_name(r->best),
	    standing_name(r->lowest));
	if (r->noticed < 0)
		printf("null");
	else
		printf("%.2f", r->noticed);
	printf(",\"honest_demoted\":%d,\"honest_not_gold\":%d,"
	       "\"newcomers_silver\":%d,\"has_bar\":%s,\"bar_missed\":",
	    r->honest_demoted, r->honest_below, r->silver_in_time,
	    has_bar(a) ? "true" : "false");
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
		    r->silver_in_time, NEWCOMERS);
	printf("%-27s %4.0f%% %7.2f %-7s %-7s %7s %8d %8d  %s%s\n", a->name,
	    100 * a->quality, r->score, standing_name(r->best),
	    standing_name(r->lowest), noticed, r->honest_demoted,
	    r->honest_below,
	    r->missed != NULL ? r->missed
	    : has_bar(a)      ? "ok"
			      : "no bar",
	    newcomers);
	fflush(stdout);
}

static void
print_head(bool json, unsigned long long seed)
{
	if (json)
		printf("{\"seed\":%llu,\"days\":%d,\"providers\":%d,"
		       "\"buyers\":%d,\"attacks\":[\n",
		    seed, DAYS, PROVIDERS, BUYERS);
	else
		printf("seed %llu: %d days, %d providers, %d buyers, "
		       "%d canaries a day\n"
		       "%-27s %5s %7s %-7s %-7s %7s %8s %8s  bar\n",
		    seed, DAYS, PROVIDERS, BUYERS, CANARY_PER_DAY, "attack",
		    "true", "highest", "tier", "lowest", "noticed", "demoted",
		    "not gold");
}

static void
print_end(bool json, int missed)
{
	if (json)
		printf("],\"bars_missed\":%d}\n", missed);
	else
		printf("highest, tier: of the provider in question, ever; "
		       "lowest: since it began,\nwith liars of any honest one "
		       "that shares its files; noticed: days until a\nswapped "
		       "model or a liar is demoted, slanderers' voices are "
		       "halved, or flattery\nno longer closes a day at 70; "
		       "demoted, not gold: honest providers\n%d bars missed\n",
		    missed);
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
	print_head(json, (unsigned long long)seed);
	for (size_t i = 0; i < ATTACKS; i++) {
		struct result r = {0};
		struct market m;

		market_run(&m, &attacks[i], seed * 1000 + i);
		judge_run(&m, &attacks[i], &r);
		market_free(&m);
		missed += r.missed != NULL;
		if (json)
			print_json(&attacks[i], &r, i + 1 == ATTACKS);
		else
			print_line(&attacks[i], &r);
	}
	print_end(json, missed);
	return missed == 0 ? 0 : 1;
}
