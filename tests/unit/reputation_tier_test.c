/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of tiers and of raters, one history a case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "reputation/rater.h"
#include "reputation/tier.h"

/* A history: one word a day. A number closes the day at that score; "x" is an
 * excused day, "none" one without data, "skip" one that nobody closed, "again"
 * closes the same day again at 0, "back" a day of last week at 0; "run:N" is
 * the running score, "audit" a failed audit. */
static const struct {
	const char *name, *history, *tier;
	enum tier_reason last;
} cases[] = {
    {"new", "", "bronze", TIER_SAME},
    {"six days are not enough", "70 70 70 70 70 70", "bronze", TIER_SAME},
    {"the seventh closes silver", "70 70 70 70 70 70 70", "silver",
	TIER_RUN_COMPLETE},
    {"just below is below", "70 70 70 70 70 70 69.99 70", "bronze", TIER_SAME},
    {"the first day counts", "99 70 70 70 70 70 70", "silver",
	TIER_RUN_COMPLETE},
    {"gold after fourteen", "85 85 85 85 85 85 85 85 85 85 85 85 85 85", "gold",
	TIER_RUN_COMPLETE},
    {"thirteen are silver", "85 85 85 85 85 85 85 85 85 85 85 85 85", "silver",
	TIER_SAME},
    {"an excused day neither counts nor restarts", "70 70 70 x 70 70 70 70",
	"silver", TIER_RUN_COMPLETE},
    {"an excused day does not count", "70 70 70 x 70 70 70", "bronze",
	TIER_SAME},
    {"no data restarts", "70 70 70 none 70 70 70 70", "bronze", TIER_SAME},
    {"a day nobody closed restarts", "70 70 70 skip 70 70 70 70", "bronze",
	TIER_SAME},
    {"a day is closed once", "70 again 70 70 70 70 70 70", "silver",
	TIER_RUN_COMPLETE},
    {"a clock that stepped back", "70 70 back 70 70 70 70 70", "silver",
	TIER_RUN_COMPLETE},
    {"within the hysteresis", "70 70 70 70 70 70 70 run:65", "silver",
	TIER_SAME},
    {"below the hysteresis", "70 70 70 70 70 70 70 run:64.9", "bronze",
	TIER_SCORE_FELL},
    {"a close below the line demotes nobody", "70 70 70 70 70 70 70 66 run:66",
	"silver", TIER_SAME},
    {"back up takes the whole run",
	"70 70 70 70 70 70 70 run:60 70 70 70 70 70 70", "bronze", TIER_SAME},
    {"and then it is silver again",
	"70 70 70 70 70 70 70 run:60 70 70 70 70 70 70 70", "silver",
	TIER_RUN_COMPLETE},
    {"gold falls to silver", "90 90 90 90 90 90 90 90 90 90 90 90 90 90 run:79",
	"silver", TIER_SCORE_FELL},
    {"gold may fall to bronze",
	"90 90 90 90 90 90 90 90 90 90 90 90 90 90 run:64", "bronze",
	TIER_SCORE_FELL},
    {"a failed audit takes all",
	"90 90 90 90 90 90 90 90 90 90 90 90 90 90 audit", "bronze",
	TIER_AUDIT_FAILED},
    {"an audit of bronze changes nothing", "90 90 audit", "bronze", TIER_SAME},
    {"but restarts the run", "90 90 90 90 90 90 audit 90", "bronze", TIER_SAME},
    {"data that has gone", "90 90 90 90 90 90 90 run:-1", "bronze",
	TIER_NO_DATA},
};

static enum tier_reason
play(const char *history, struct tier_state *s)
{
	enum tier_reason last = TIER_SAME;
	int64_t day = 20000;
	double score;
	char word[16];
	int used;

	memset(s, 0, sizeof(*s));
	for (; sscanf(history, "%15s%n", word, &used) == 1; history += used) {
		if (strcmp(word, "x") == 0)
			last = tier_close(s, day++, -1, true);
		else if (strcmp(word, "none") == 0)
			last = tier_close(s, day++, -1, false);
		else if (strcmp(word, "skip") == 0)
			day++;
		else if (strcmp(word, "again") == 0)
			last = tier_close(s, day - 1, 0, false);
		else if (strcmp(word, "back") == 0)
			last = tier_close(s, day - 7, 0, false);
		else if (strcmp(word, "audit") == 0)
			last = tier_run(s, 90, true);
		else if (sscanf(word, "run:%lf", &score) == 1)
			last = tier_run(s, score, false);
		else if (sscanf(word, "%lf", &score) == 1)
			last = tier_close(s, day++, score, false);
		else
			fail_msg("what is %s?", word);
	}
	return last;
}

static void
histories(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct tier_state s;
		enum tier_reason last = play(cases[i].history, &s);

		if (strcmp(standing_name(s.tier), cases[i].tier) != 0 ||
		    last != cases[i].last)
			fail_msg("%s: %s, %s", cases[i].name,
			    standing_name(s.tier), tier_reason_name(last));
	}
}

static void
days_are_utc_days(void **state)
{
	(void)state;
	assert_int_equal(tier_day(0), 0);
	assert_int_equal(tier_day(DAY_MS - 1), 0);
	assert_int_equal(tier_day(DAY_MS), 1);
	assert_int_equal(tier_day(-1), -1);
	/* 2026-03-29, when clocks in Europe go forward, is a day like others:
	 * 00:30 and 23:30 UTC. */
	assert_int_equal(tier_day(INT64_C(1774744200000)), 20541);
	assert_int_equal(tier_day(INT64_C(1774827000000)), 20541);
}

static void
what_is_missing(void **state)
{
	enum standing next;
	struct tier_state s;
	int days;

	(void)state;
	play("70 70 86", &s);
	assert_true(tier_missing(&s, &next, &days));
	assert_int_equal(next, STANDING_SILVER);
	assert_int_equal(days, 4);
	play("86 86 86 86 86 86 86 86", &s);
	assert_true(tier_missing(&s, &next, &days));
	assert_int_equal(next, STANDING_GOLD);
	assert_int_equal(days, 6);
	play("86 86 86 86 86 86 86 86 86 86 86 86 86 86", &s);
	assert_false(tier_missing(&s, &next, &days));
}

static void
raters_who_never_vary_come_to_weigh_half(void **state)
{
	static const struct {
		double good, bad, weight;
	} some[] = {{0, 0, .25}, {20, 0, .75}, {0, 20, .75}, {80, 0, .6},
	    {1e15, 0, .5}, {0, 1e15, .5}, {95, 5, 1}, {5, 95, 1}, {50, 50, 1},
	    {975, 25, .5 + 10 * 26.0 / 1020}, {19, 1, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(some) / sizeof(*some); i++)
		assert_true(fabs(rater_variety(some[i].good, some[i].bad) -
				 some[i].weight) < 1e-12);
}

static void
company_beyond_chance_counts_as_chance(void **state)
{
	static const struct {
		size_t same, raters, providers, favourites;
		double weight;
	} some[] = {
	    {1, 1, 1, 1, 1},
	    {500, 500, 1, 1, 1},    /* the only provider there is */
	    {5, 40, 200, 1, 1},	    /* five are never company */
	    {20, 40, 200, 1, .25},  /* all to one out of 200 */
	    {20, 4000, 200, 1, 1},  /* as chance has it */
	    {10, 4000, 200, 3, .5}, /* the same three */
	    {300, 1000, 3, 3, 1},   /* there are only three */
	    {7, 10, 10, 0, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(some) / sizeof(*some); i++)
		assert_true(fabs(rater_company(some[i].same, some[i].raters,
				     some[i].providers, some[i].favourites) -
				 some[i].weight) < 1e-12);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(histories),
	    cmocka_unit_test(days_are_utc_days),
	    cmocka_unit_test(what_is_missing),
	    cmocka_unit_test(raters_who_never_vary_come_to_weigh_half),
	    cmocka_unit_test(company_beyond_chance_counts_as_chance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
