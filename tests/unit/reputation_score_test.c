/* SPDX-License-Identifier: Apache-2.0 */
/* The score against known values, its rules as tables, and the examples that
 * docs/reputation.md prints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "reputation/score.h"

#define assert_near(a, b, by) assert_true(fabs((a) - (b)) <= (by))

static void
decay_halves_every_seven_days(void **state)
{
	static const struct {
		int64_t age;
		double weight;
	} cases[] = {{-3, 1}, {0, 1}, {7, .5}, {14, .25}, {70, 1.0 / 1024}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_near(score_decay(cases[i].age), cases[i].weight, 1e-15);
	assert_near(score_decay(1) * score_decay(6), .5, 1e-12);
}

/* For whole numbers the incomplete beta is a binomial tail, which is summed
 * here the plain way. */
static double
binomial_tail(int good, int bad, double x)
{
	int n = good + bad + 1;
	double sum = 0;

	for (int j = good + 1; j <= n; j++)
		sum += exp(lgamma(n + 1) - lgamma(j + 1) - lgamma(n - j + 1) +
			   j * log(x) + (n - j) * log1p(-x));
	return sum;
}

static void
lower_bound_is_the_quantile(void **state)
{
	static const int counts[] = {0, 1, 2, 3, 5, 8, 18, 40, 150, 1000, 9999};
	const size_t n = sizeof(counts) / sizeof(*counts);

	(void)state;
	for (size_t g = 0; g < n; g++) {
		for (size_t b = 0; b < n; b++) {
			double x = score_lower_bound(counts[g], counts[b]);

			assert_near(
			    binomial_tail(counts[g], counts[b], x), .05, 1e-6);
		}
		/* Closed forms of the two edges. */
		assert_near(score_lower_bound(counts[g], 0),
		    pow(.05, 1.0 / (counts[g] + 1)), 1e-9);
		assert_near(score_lower_bound(0, counts[g]),
		    1 - pow(.95, 1.0 / (counts[g] + 1)), 1e-9);
	}
	assert_near(score_lower_bound(1, 1), .13535, 1e-5);
	assert_true(score_lower_bound(18, 0) >= .85);
	assert_true(score_lower_bound(17, 0) < .85);
	assert_true(score_lower_bound(1e7, 0) < 1);
}

static void
more_good_never_hurts(void **state)
{
	(void)state;
	for (double g = 0; g < 30; g += .37) {
		for (double b = 0; b < 30; b += .53) {
			double x = score_lower_bound(g, b);

			assert_true(score_lower_bound(g + .1, b) > x);
			assert_true(score_lower_bound(g, b + .1) < x);
		}
	}
}

static void
one_buyer_carries_a_fifth(void **state)
{
	static const struct {
		double weights[8];
		double sum;
	} cases[] = {
	    {{0}, 0},
	    {{4}, 4},	  /* ten events are free */
	    {{1000}, 10}, /* the rest of one buyer is not */
	    {{1000, 1000}, 20},
	    {{1000, 1000, 1000, 1000}, 40},
	    {{1000, 1000, 1000, 1000, 1000}, 5000}, /* a fifth each */
	    {{50, 50, 50, 50, 50, 50}, 300}, /* a sixth each: nothing cut */
	    {{1000, 40, 40, 40, 40, 40}, 250},
	    {{1000, 1000, 30, 30, 30, 30}, 200},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct evidence e[8] = {{0, 0}}, sum;

		for (size_t k = 0; k < 8; k++)
			e[k].good = cases[i].weights[k];
		sum = score_shares(e, 8);
		assert_near(sum.good, cases[i].sum, 1e-9);
	}
	assert_near(score_shares(NULL, 0).good, 0, 0);
}

static void
one_account_is_one_voice(void **state)
{
	struct voice v[] = {
	    {{300, 0}, 1}, {{.25, .25}, 1}, {{0, 40}, .25}, {{3, 1}, .5}};
	struct evidence sum = score_voices(v, 4);

	(void)state;
	assert_near(sum.good, 1 + .25 + .375, 1e-12);
	assert_near(sum.bad, .25 + .25 + .125, 1e-12);
}

/* The property that lets full recomputation match to the bit. */
static void
order_changes_no_bit(void **state)
{
	enum { N = 40 };
	struct evidence e[N], e2[N], a, b;
	struct voice v[N], v2[N];

	(void)state;
	srand(7);
	for (int round = 0; round < 200; round++) {
		for (int i = 0; i < N; i++) {
			e[i] = (struct evidence){
			    rand() % 97 / 7.0, rand() % 11 / 13.0};
			v[i] = (struct voice){e[i], 1.0 / (1 + rand() % 5)};
		}
		for (int i = 0; i < N; i++) {
			e2[i] = e[N - 1 - i];
			v2[i] = v[(i * 7 + 3) % N];
		}
		a = score_shares(e, N);
		b = score_shares(e2, N);
		assert_memory_equal(&a, &b, sizeof(a));
		a = score_voices(v, N);
		b = score_voices(v2, N);
		assert_memory_equal(&a, &b, sizeof(a));
	}
}

static void
no_data_is_no_score(void **state)
{
	struct evidence none[STREAMS] = {{0, 0}};
	struct score s;

	(void)state;
	score_make(none, &s);
	assert_false(s.has_data);
	none[STREAM_DELIVERY].good = SCORE_NOTHING / 2;
	score_make(none, &s);
	assert_false(s.has_data);
	none[STREAM_DELIVERY].good = 1;
	score_make(none, &s);
	assert_true(s.has_data);
	assert_false(s.parts[STREAM_AUDIT].has_data);
	assert_near(s.value, 100 * sqrt(.05), 1e-7);
}

static void
streams_without_data_carry_no_weight(void **state)
{
	struct evidence e[STREAMS] = {
	    [STREAM_DELIVERY] = {100, 1}, [STREAM_SPEED] = {50, 2}};
	struct score s;

	(void)state;
	score_make(e, &s);
	assert_near(s.value,
	    (40 * score_lower_bound(100, 1) + 15 * score_lower_bound(50, 2)) *
		100 / 55,
	    1e-9);
	assert_near(s.samples, 153, 1e-9);
}

static double
mean_of(const struct evidence e[STREAMS])
{
	double weights = 0, sum = 0;

	for (int k = 0; k < STREAMS; k++) {
		if (e[k].good + e[k].bad == 0)
			continue;
		sum += stream_weight((enum stream)k) *
		       score_lower_bound(e[k].good, e[k].bad);
		weights += stream_weight((enum stream)k);
	}
	return 100 * sum / weights;
}

/* 100 less two points for each percent of approval below 92. */
#define HELD(good, all) (200.0 * (good) / (all)-84)

static void
what_buyers_say_holds_the_score(void **state)
{
	static const struct {
		struct evidence quality, audit;
		double most;	 /* the lesser of it and the mean holds */
		double left_bad; /* when a tier is to be kept */
		double kept;
	} cases[] = {
	    {{0, 0}, {0, 0}, 116, 0, 116},
	    {{10, 0}, {0, 0}, 116, 0, 116},
	    /* fifteen good ones alone say nothing against ten bad ones */
	    {{0, 10}, {0, 0}, HELD(10, 20), 7.5, HELD(10, 17.5)},
	    {{15, 10}, {0, 0}, HELD(10, 20), 3.75, HELD(25, 28.75)},
	    {{16, 10}, {0, 0}, HELD(11, 21), 3.5, HELD(26, 29.5)},
	    {{90, 10}, {0, 0}, HELD(85, 95), 0, 116},
	    /* fifteen bad ones are left out, a quarter of all at most */
	    {{60, 40}, {0, 0}, HELD(55, 95), 25, HELD(70, 95)},
	    {{30, 20}, {0, 0}, HELD(25, 45), 7.5, HELD(40, 47.5)},
	    {{0, 90}, {0, 0}, 0, 75, 0},
	    {{0, 90}, {99, 0}, 0, 75, 0},
	    /* 0.9 takes 28 agreements, and few that are none. */
	    {{60, 40}, {27, 0}, HELD(55, 95), 25, HELD(70, 95)},
	    {{60, 40}, {28, 0}, HELD(55, 95), 25, HELD(70, 95) + 20},
	    {{60, 40}, {60, 3}, HELD(55, 95), 25, HELD(70, 95)},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct evidence e[STREAMS] = {[STREAM_DELIVERY] = {1000, 0},
		    [STREAM_SPEED] = {900, 9},
		    [STREAM_QUALITY] = cases[i].quality,
		    [STREAM_AUDIT] = cases[i].audit};
		struct score s;
		double mean = mean_of(e);

		score_make(e, &s);
		assert_near(s.value, fmin(mean, cases[i].most), 1e-9);
		assert_int_equal(s.is_held_by_quality, cases[i].most < mean);
		e[STREAM_QUALITY].bad = cases[i].left_bad;
		assert_near(s.kept, fmin(mean_of(e), cases[i].kept), 1e-9);
	}
}

/* Lines of docs/reputation.md such as
 * | `40 2` | `20 1` | `-` | `-` | 88.12 | 88.12 |
 * (good bad of delivery, quality, speed, audit; the score, what it keeps). */
static void
the_documented_examples_are_right(void **state)
{
	char *page, *save = NULL, line_copy[200];
	size_t len, found = 0;

	(void)state;
	assert_true(file_read(ASSAY_FIXTURES "/../../docs/reputation.md",
	    1 << 20, &page, &len, NULL));
	for (char *line = strtok_r(page, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		struct evidence e[STREAMS] = {{0, 0}};
		struct score s;
		char *at = line_copy;

		if (strncmp(line, "| `", 3) != 0 ||
		    strchr("0123456789-", line[3]) == NULL ||
		    strlen(line) >= sizeof(line_copy))
			continue;
		snprintf(line_copy, sizeof(line_copy), "%s", line);
		for (int i = 0; i < STREAMS; i++) {
			at = strchr(at, '`') + 1;
			if (*at != '-')
				assert_int_equal(sscanf(at, "%lf %lf",
						     &e[i].good, &e[i].bad),
				    2);
			at = strchr(at, '`') + 1;
		}
		score_make(e, &s);
		assert_near(strtod(strchr(at, '|') + 1, &at), s.value, .005);
		assert_near(strtod(strchr(at, '|') + 1, NULL), s.kept, .005);
		found++;
	}
	assert_true(found >= 5);
	mem_free(page);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decay_halves_every_seven_days),
	    cmocka_unit_test(lower_bound_is_the_quantile),
	    cmocka_unit_test(more_good_never_hurts),
	    cmocka_unit_test(one_buyer_carries_a_fifth),
	    cmocka_unit_test(one_account_is_one_voice),
	    cmocka_unit_test(order_changes_no_bit),
	    cmocka_unit_test(no_data_is_no_score),
	    cmocka_unit_test(streams_without_data_carry_no_weight),
	    cmocka_unit_test(what_buyers_say_holds_the_score),
	    cmocka_unit_test(the_documented_examples_are_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
