/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Newcomers in a market of gold ones, with the real choice, the real scores
 * and the real tiers: each of 95 % comes to silver from its even part of the
 * share. docs/reputation.md, "Newcomers", prints what is held here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "gateway/canary_answer.h"
#include "gateway_world.h"
#include "reputation/rater.h"
#include "reputation/score.h"
#include "reputation/tier.h"

enum { GOLDS = 4, NEWCOMERS = 12, BUYERS = 5000, BUCKETS = 64, HOURS = 24 };

/* As tests/bench/reputation_market.h has them. */
#define FEEDBACK 0.20
#define FEEDBACK_ON_BAD 0.30
#define JUDGES 0.5
#define DELIVERED 0.992
#define FAST 0.97

struct times {
	const char *name;
	double each;	  /* requests a day that the share has for each */
	double canaries;  /* a day */
	bool is_measured; /* speed: three and more of one quantization */
	double delivered; /* of what newcomers are sent */
	double quality;
	int days;
};

struct newcomer {
	const char *did;
	unsigned requests;
	unsigned first_week;
	struct evidence delivery[BUCKETS];
	struct evidence speed[BUCKETS];
	struct evidence quality[BUYERS];
	struct evidence audit;
	struct tier_state tier;
	struct score score;
	int silver_on; /* day, from 0; -1: not yet */
};

struct market {
	const struct times *times;
	struct world w;
	uint64_t seed;
	struct evidence verdicts[BUYERS]; /* of each on all providers */
	double weight[BUYERS];
	struct newcomer at[NEWCOMERS];
};

/* splitmix64: small, seeded, the same everywhere. */
static uint64_t
draw(struct market *m)
{
	uint64_t z = m->seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static bool
chance(struct market *m, double of)
{
	return (double)(draw(m) >> 11) / 9007199254740992.0 < of;
}

static void
count_event(struct evidence *e, bool is_good)
{
	if (is_good)
		e->good++;
	else
		e->bad++;
}

/* The busiest hundredth of the buyers sends a tenth of the requests; every
 * second one never judges. */
static size_t
some_buyer(struct market *m)
{
	double x = (double)(draw(m) >> 11) / 9007199254740992.0;

	return (size_t)(BUYERS * x * x);
}

/* n: who serves; NULL: one of the gold ones. */
static void
serve(struct market *m, struct newcomer *n)
{
	size_t buyer = some_buyer(m);
	bool is_good = chance(m, n != NULL ? m->times->quality : 0.95);
	bool is_delivered =
	    chance(m, n != NULL ? m->times->delivered : DELIVERED);
	double judged = is_good ? FEEDBACK : FEEDBACK_ON_BAD;

	if (n != NULL) {
		n->requests++;
		count_event(&n->delivery[buyer % BUCKETS], is_delivered);
		if (is_delivered && m->times->is_measured)
			count_event(
			    &n->speed[buyer % BUCKETS], chance(m, FAST));
	}
	if (!is_delivered || buyer % 2 == 0 || !chance(m, judged))
		return;
	count_event(&m->verdicts[buyer], is_good);
	if (n != NULL)
		count_event(&n->quality[buyer], is_good);
}

static void
one_request(struct market *m)
{
	struct route_ask ask;
	struct route r;

	for (int i = 0; i < 3; i++)
		m->w.random[i] = draw(m);
	ask = world_ask(&m->w);
	assert_true(route_choose(&ask, &r, NULL));
	for (int i = 0; i < NEWCOMERS; i++)
		if (strcmp(r.did, m->at[i].did) == 0) {
			serve(m, &m->at[i]);
			return;
		}
	serve(m, NULL);
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
voices(const struct market *m, const struct newcomer *n)
{
	static struct voice at[BUYERS];
	size_t count = 0;

	for (int i = 0; i < BUYERS; i++)
		if (n->quality[i].good + n->quality[i].bad > 0)
			at[count++] =
			    (struct voice){n->quality[i], m->weight[i]};
	return score_voices(at, count);
}

static void
run_score(struct market *m, struct newcomer *n)
{
	struct evidence streams[STREAMS] = {
	    [STREAM_DELIVERY] = shares(n->delivery),
	    [STREAM_QUALITY] = voices(m, n),
	    [STREAM_SPEED] = shares(n->speed),
	    [STREAM_AUDIT] = n->audit,
	};

	score_make(streams, &n->score);
	tier_run(&n->tier, n->score.has_data ? n->score.kept : -1, false);
}

static void
publish(struct market *m)
{
	const struct catalog *before = m->w.catalog;
	struct draft *d = draft_new(CATALOG_SCORES);

	for (int i = 0; i < NEWCOMERS; i++) {
		struct newcomer *n = &m->at[i];
		const struct evidence *e;

		run_score(m, n);
		e = &n->score.parts[STREAM_DELIVERY].evidence;
		draft_score(
		    d, &(struct catalog_score){.did = n->did,
			   .task = "chat",
			   .model = "test:model",
			   .tier = TIER_BRONZE + (enum tier)n->tier.tier,
			   .score = n->score.has_data ? n->score.value : -1,
			   .delivered = e->good + e->bad});
	}
	draft_is_change(d);
	m->w.catalog = catalog_next(before, &d);
	catalog_unref(&before);
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

static void
close_newcomer(struct market *m, struct newcomer *n, int day)
{
	n->audit.good += m->times->canaries;
	n->first_week = day < 7 ? n->requests : n->first_week;
	run_score(m, n);
	tier_close(
	    &n->tier, day, n->score.has_data ? n->score.value : -1, false);
	if (n->tier.tier >= STANDING_SILVER && n->silver_on < 0)
		n->silver_on = day;
	decay(n->delivery, BUCKETS);
	decay(n->speed, BUCKETS);
	decay(n->quality, BUYERS);
	decay(&n->audit, 1);
}

static void
close_day(struct market *m, int day)
{
	for (int i = 0; i < NEWCOMERS; i++)
		close_newcomer(m, &m->at[i], day);
	for (int i = 0; i < BUYERS; i++)
		m->weight[i] =
		    rater_variety(m->verdicts[i].good, m->verdicts[i].bad);
	decay(m->verdicts, BUYERS);
}

/* ------------------------------------------------------------------ market */

static void
make_market(struct market *m, const struct times *t, uint64_t seed)
{
	char name[16];

	memset(m, 0, sizeof(*m));
	m->times = t;
	m->seed = seed;
	world_init(&m->w);
	route_policy_default(&m->w.policy);
	for (int i = 0; i < GOLDS + NEWCOMERS; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		assert_true(world_offer(&m->w, name,
		    i < GOLDS ? (char[]){"tier=gold,score=95,delivered=900"}
			      : (char[]){""}));
		if (i < GOLDS)
			continue;
		m->at[i - GOLDS].did = world_did(&m->w, name);
		m->at[i - GOLDS].silver_on = -1;
	}
	for (int i = 0; i < BUYERS; i++)
		m->weight[i] = RATER_NEW;
	world_close(&m->w);
}

static void
run_market(struct market *m)
{
	double share = m->w.policy.newcomer_permille / 1000.0;
	double hourly = m->times->each * NEWCOMERS / share / HOURS, due = 0;

	for (int day = 0; day < m->times->days; day++) {
		for (int hour = 0; hour < HOURS; hour++) {
			for (due += hourly; due >= 1; due--)
				one_request(m);
			publish(m);
		}
		close_day(m, day);
		publish(m);
	}
}

/* ------------------------------------------------------------------- tests */

/* In the first week, in which nobody can have a tier. */
static void
check_even(const struct market *m)
{
	unsigned least = m->at[0].first_week, most = least;

	for (int i = 1; i < NEWCOMERS; i++) {
		unsigned n = m->at[i].first_week;

		least = n < least ? n : least;
		most = n > most ? n : most;
	}
	if (most * 10 > least * 12)
		fail_msg("%s: one got %u requests, one %u", m->times->name,
		    least, most);
}

static void
check_silver(const struct market *m)
{
	for (int i = 0; i < NEWCOMERS; i++)
		if (m->at[i].silver_on < 0)
			fail_msg("%s: %s was sent %u requests in %d days and"
				 " is at %.1f",
			    m->times->name, m->at[i].did, m->at[i].requests,
			    m->times->days, m->at[i].score.value);
}

static void
test_newcomers_come_to_silver(void **state)
{
	static const struct times of[] = {
	    {"canaries and speed", 10, CANARY_PER_DAY, true, DELIVERED, 0.95,
		21},
	    {"canaries", 10, CANARY_PER_DAY, false, DELIVERED, 0.95, 21},
	    {"speed", 10, 0, true, DELIVERED, 0.95, 28},
	    {"neither", 10, 0, false, DELIVERED, 0.95, 28},
	};
	static struct market m;

	(void)state;
	for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++) {
		make_market(&m, &of[i], 1 + i);
		run_market(&m);
		check_silver(&m);
		check_even(&m);
		world_free(&m.w);
	}
}

/* Once much is known of it, what decays is all that it is sent anew. */
static void
test_bad_ones_do_not_live_from_the_share(void **state)
{
	static const struct times of[] = {
	    {"60 % good", 30, CANARY_PER_DAY, true, DELIVERED, 0.6, 28},
	    {"half undelivered", 30, CANARY_PER_DAY, true, 0.5, 0.95, 28},
	};
	static struct market m;

	(void)state;
	for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++) {
		make_market(&m, &of[i], 1 + i);
		run_market(&m);
		for (int k = 0; k < NEWCOMERS; k++) {
			const struct newcomer *n = &m.at[k];

			assert_int_equal(n->silver_on, -1);
			assert_in_range(
			    n->requests - n->first_week, 21 * 9, 21 * 13);
		}
		world_free(&m.w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_newcomers_come_to_silver),
	    cmocka_unit_test(test_bad_ones_do_not_live_from_the_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
