/* SPDX-License-Identifier: Apache-2.0 */
/* What holds for every history, on seeded random ones: scores only move the
 * right way, stay between 0 and 100, depend neither on the order of events nor
 * on whether they were summed as they came or all at once; tiers rise at the
 * close of a day alone and fall at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "reputation/rater.h"
#include "reputation/score.h"
#include "reputation/tier.h"

enum { HISTORIES = 300, BUYERS = 24, DAYS = 30, EVENTS = 400 };

static uint64_t seed;

static unsigned
below(unsigned n)
{
	uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (unsigned)((z ^ z >> 31) % n);
}

/* One thing that happened; whole numbers, as the log has them. */
struct event {
	enum stream stream;
	unsigned buyer;
	int day;
	bool is_good;
};

static void
some_history(struct event *e, size_t count)
{
	unsigned luck = 1 + below(100);

	for (size_t i = 0; i < count; i++)
		e[i] = (struct event){(enum stream)below(STREAMS),
		    below(1 + below(BUYERS)), (int)below(DAYS),
		    below(100) < luck};
}

/* ------------------------------------------------------------ from a log */

/* Exact sums: an event of a day weighs 2^(day / 7) in units of a millionth,
 * whole numbers, so that the order of additions can change nothing. */
struct sums {
	int64_t good[STREAMS][BUYERS];
	int64_t bad[STREAMS][BUYERS];
};

static int64_t
unit(int day)
{
	static const int64_t units[7] = {
	    1048576, 1157722, 1278228, 1411279, 1558178, 1720368, 1899440};

	return units[day % 7] << (day / 7);
}

static void
add_event(struct sums *s, const struct event *e)
{
	if (e->is_good)
		s->good[e->stream][e->buyer] += unit(e->day);
	else
		s->bad[e->stream][e->buyer] += unit(e->day);
}

static void
score_of(const struct sums *sums, int today, struct score *out)
{
	struct evidence streams[STREAMS] = {{0, 0}};
	struct evidence each[STREAMS][BUYERS];
	struct voice voices[BUYERS];
	double w = (double)unit(today);

	for (int s = 0; s < STREAMS; s++)
		for (int b = 0; b < BUYERS; b++)
			each[s][b] =
			    (struct evidence){(double)sums->good[s][b] / w,
				(double)sums->bad[s][b] / w};
	for (int b = 0; b < BUYERS; b++) {
		voices[b] = (struct voice){each[STREAM_QUALITY][b], 1};
		streams[STREAM_AUDIT].good += each[STREAM_AUDIT][b].good;
		streams[STREAM_AUDIT].bad += each[STREAM_AUDIT][b].bad;
	}
	streams[STREAM_DELIVERY] = score_shares(each[STREAM_DELIVERY], BUYERS);
	streams[STREAM_SPEED] = score_shares(each[STREAM_SPEED], BUYERS);
	streams[STREAM_QUALITY] = score_voices(voices, BUYERS);
	score_make(streams, out);
}

/* Added as they come, with a score between, or in another order at once. */
static void
incremental_is_full_to_the_bit(void **state)
{
	(void)state;
	seed = 11;
	for (int h = 0; h < HISTORIES; h++) {
		struct event events[EVENTS];
		size_t count = 1 + below(EVENTS);
		struct sums kept = {0}, full = {0};
		struct score a, b, between;

		some_history(events, count);
		for (size_t i = 0; i < count; i++) {
			add_event(&kept, &events[i]);
			if (below(50) == 0)
				score_of(&kept, DAYS, &between);
		}
		for (size_t i = count; i > 1; i--) {
			size_t k = below((unsigned)i);
			struct event e = events[k];

			events[k] = events[i - 1];
			events[i - 1] = e;
		}
		for (size_t i = 0; i < count; i++)
			add_event(&full, &events[i]);
		score_of(&kept, DAYS, &a);
		score_of(&full, DAYS, &b);
		assert_int_equal(a.has_data, b.has_data);
		assert_memory_equal(&a.value, &b.value, sizeof(a.value));
		assert_memory_equal(&a.kept, &b.kept, sizeof(a.kept));
		assert_memory_equal(&a.samples, &b.samples, sizeof(a.samples));
	}
}

/* ----------------------------------------------------------------- scores */

static void
some_streams(struct evidence e[STREAMS])
{
	for (int i = 0; i < STREAMS; i++) {
		e[i].good = below(4) == 0 ? 0 : below(20000) / 37.0;
		e[i].bad = below(3) == 0 ? 0 : below(4000) / 41.0;
	}
}

static void
scores_are_bounded_and_move_the_right_way(void **state)
{
	(void)state;
	seed = 12;
	for (int h = 0; h < 20 * HISTORIES; h++) {
		struct evidence e[STREAMS];
		struct score was, better, worse;
		int i = (int)below(STREAMS);
		double more = (1 + below(5000)) / 73.0;

		some_streams(e);
		e[i].good += SCORE_NOTHING; /* there is data already */
		score_make(e, &was);
		assert_true(was.value >= 0 && was.value <= 100);
		assert_true(was.kept >= was.value && was.kept <= 100);
		e[i].good += more;
		score_make(e, &better);
		e[i].good -= more;
		e[i].bad += more;
		score_make(e, &worse);
		assert_true(better.value >= was.value - 1e-9);
		assert_true(better.kept >= was.kept - 1e-9);
		assert_true(worse.value <= was.value + 1e-9);
		assert_true(worse.kept <= was.kept + 1e-9);
	}
}

/* Even the first words of buyers about a provider: what they hold it to. */
static void
approval_moves_the_right_way_from_the_first_word(void **state)
{
	(void)state;
	seed = 13;
	for (int h = 0; h < 20 * HISTORIES; h++) {
		struct evidence e = {below(300) / 7.0, below(300) / 7.0};
		struct evidence better = {e.good + .1, e.bad};
		struct evidence worse = {e.good, e.bad + .1};
		double x = score_approval(&e);

		assert_true(x > 0 && x <= 1);
		assert_true(score_approval(&better) >= x);
		assert_true(score_approval(&worse) < x);
	}
}

/* Whoever fifteen bought voices praise is held to what the others say; and
 * fifteen that slander take no tier, where they are not a quarter of all. */
static void
few_who_conspire_move_nothing(void **state)
{
	(void)state;
	seed = 16;
	for (int h = 0; h < 20 * HISTORIES; h++) {
		struct evidence e[STREAMS], honest;
		double few = below(1001) / 1000.0;
		struct score was, is;
		double most;

		some_streams(e);
		honest = e[STREAM_QUALITY];
		most = 100 - SCORE_HOLD * (SCORE_APPROVED -
					      100 * score_approval(&honest));
		e[STREAM_QUALITY].good += few * SCORE_FEW;
		score_make(e, &is);
		assert_true(is.value <= fmax(most, 0) + 1e-9);

		e[STREAM_QUALITY] = honest;
		score_make(e, &was);
		e[STREAM_QUALITY].bad += few * SCORE_FEW;
		score_make(e, &is);
		if (honest.good + honest.bad > 3 * SCORE_FEW)
			assert_true(is.kept >= was.value - 1e-9);
	}
}

/* A history that ends: the score falls to none and never rises meanwhile, as
 * long as nothing is bad. */
static void
what_is_not_renewed_fades(void **state)
{
	(void)state;
	seed = 14;
	for (int h = 0; h < HISTORIES; h++) {
		struct evidence first[STREAMS] = {{0, 0}};
		double last = 101;
		struct score s;

		first[STREAM_DELIVERY].good = 1 + below(1000);
		first[STREAM_SPEED].good = 1 + below(500);
		for (int age = 0; age < 200; age++) {
			struct evidence e[STREAMS];

			for (int i = 0; i < STREAMS; i++)
				e[i] = (struct evidence){
				    first[i].good * score_decay(age), 0};
			score_make(e, &s);
			if (s.parts[STREAM_DELIVERY].has_data &&
			    s.parts[STREAM_SPEED].has_data) {
				assert_true(s.value < last);
				last = s.value;
			}
		}
		assert_false(s.has_data);
	}
}

/* However much bad one buyer sends, it is a fifth of the whole, or ten events;
 * and however often it speaks, it is one voice. */
static void
one_buyer_stays_one_buyer(void **state)
{
	(void)state;
	seed = 15;
	for (int h = 0; h < HISTORIES; h++) {
		struct evidence e[BUYERS], sum;
		struct voice v[BUYERS];
		double bad = 1 + below(1000000);

		for (int i = 0; i < BUYERS; i++) {
			e[i] = (struct evidence){below(1000) / 7.0, 0};
			v[i] = (struct voice){e[i], below(100) / 100.0};
		}
		e[0] = v[0].verdicts = (struct evidence){0, bad};
		v[0].weight = 1;
		sum = score_shares(e, BUYERS);
		assert_true(sum.bad <= bad);
		assert_true(
		    sum.bad <=
		    fmax(SCORE_SHARE_FREE, .2 * (sum.good + sum.bad)) + 1e-9);
		sum = score_voices(v, BUYERS);
		assert_true(fabs(sum.bad - 1) < 1e-12);
		assert_true(sum.good <= BUYERS - 1);
	}
}

/* ----------------------------------------------------------------- raters */

static void
raters_weigh_between_nothing_and_one(void **state)
{
	(void)state;
	seed = 16;
	for (int h = 0; h < 20 * HISTORIES; h++) {
		double good = below(1000) / 3.0, bad = below(1000) / 3.0;
		size_t raters = 1 + below(5000), same = 1 + below(5000);
		double w = rater_company(
		    same, raters, 1 + below(400), below(RATER_FAVOURITES + 1));

		assert_true(w > 0 && w <= 1);
		assert_true(rater_variety(good, bad) >= RATER_NEW);
		assert_true(rater_variety(good, bad) <= 1);
		/* Praise and blame weigh alike. */
		assert_true(
		    rater_variety(good, bad) == rater_variety(bad, good));
	}
}

/* ------------------------------------------------------------------ tiers */

static double
some_score(void)
{
	return below(20) == 0 ? -1 : 60 + below(4000) / 100.0;
}

/* Checks one step of a tier's life by the rules, told another way. */
static void
check_close(const struct tier_state *was, const struct tier_state *is,
    int64_t day, double score, bool excused)
{
	if (was->has_closed && day <= was->closed) {
		assert_memory_equal(was, is, sizeof(*was));
		return;
	}
	assert_true(is->tier >= was->tier); /* a close demotes nobody */
	assert_int_equal(is->closed, day);
	for (int i = STANDING_SILVER; i < STANDINGS; i++) {
		double line = standing_line((enum standing)i);
		bool in_a_row = !was->has_closed || day == was->closed + 1;
		int run = in_a_row ? was->days[i] : 0;

		assert_int_equal(is->days[i], excused	      ? run
					      : score >= line ? run + 1
							      : 0);
	}
	if (is->tier > was->tier) {
		assert_false(excused);
		assert_true(is->days[is->tier] >= standing_days(is->tier));
		assert_true(score >= standing_line(is->tier));
	}
}

static void
check_run(const struct tier_state *was, const struct tier_state *is,
    double score, bool failed)
{
	assert_true(is->tier <= was->tier); /* only a close promotes */
	assert_int_equal(is->closed, was->closed);
	if (failed) {
		assert_int_equal(is->tier, STANDING_BRONZE);
		assert_int_equal(is->days[STANDING_SILVER], 0);
		return;
	}
	if (is->tier > STANDING_BRONZE)
		assert_true(score >= standing_line(is->tier) - TIER_HYSTERESIS);
	if (is->tier == was->tier)
		assert_memory_equal(was, is, sizeof(*was));
	else
		assert_true(
		    score < standing_line(is->tier + 1) - TIER_HYSTERESIS &&
		    is->days[is->tier + 1] == 0);
}

static void
tiers_rise_at_a_close_and_fall_at_once(void **state)
{
	int promotions = 0, demotions = 0;

	(void)state;
	seed = 17;
	for (int h = 0; h < HISTORIES; h++) {
		struct tier_state s = {0};
		int64_t day = (int64_t)below(40000) - 20000;
		bool is_good = below(3) > 0;

		for (int step = 0; step < 300; step++) {
			struct tier_state was = s;
			double score = is_good && below(40) > 0 ? 86 + below(14)
								: some_score();
			bool flag = below(30) == 0;

			if (below(3) == 0) {
				flag = flag && below(4) == 0;
				tier_run(&s, score, flag);
				demotions += s.tier < was.tier;
				check_run(&was, &s, score, flag);
				continue;
			}
			/* Now and then the clock steps, either way. */
			if (below(60) == 0)
				day += (int64_t)below(5) - 3;
			tier_close(&s, day, score, flag);
			promotions += s.tier > was.tier;
			check_close(&was, &s, day, score, flag);
			day += s.closed >= day;
		}
	}
	assert_true(promotions > 100 && demotions > 100);
}

/* Feedback edited, or an outcome that came late, after its day has closed: the
 * run stands, the score moves, and a fall counts at once. */
static void
what_comes_late_rewrites_no_run(void **state)
{
	struct tier_state s = {0}, closed;

	(void)state;
	for (int day = 0; day < 7; day++)
		tier_close(&s, 20000 + day, 75, false);
	assert_int_equal(s.tier, STANDING_SILVER);
	closed = s;
	tier_close(&s, 20003, 10, false);
	assert_memory_equal(&closed, &s, sizeof(s));
	assert_int_equal(tier_run(&s, 66, false), TIER_SAME);
	assert_memory_equal(&closed, &s, sizeof(s));
	assert_int_equal(tier_run(&s, 64, false), TIER_SCORE_FELL);
	assert_int_equal(s.tier, STANDING_BRONZE);
	assert_int_equal(s.closed, 20006);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(incremental_is_full_to_the_bit),
	    cmocka_unit_test(scores_are_bounded_and_move_the_right_way),
	    cmocka_unit_test(approval_moves_the_right_way_from_the_first_word),
	    cmocka_unit_test(few_who_conspire_move_nothing),
	    cmocka_unit_test(what_is_not_renewed_fades),
	    cmocka_unit_test(one_buyer_stays_one_buyer),
	    cmocka_unit_test(raters_weigh_between_nothing_and_one),
	    cmocka_unit_test(tiers_rise_at_a_close_and_fall_at_once),
	    cmocka_unit_test(what_comes_late_rewrites_no_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
