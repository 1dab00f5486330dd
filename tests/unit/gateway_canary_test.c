/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/canary_answer: prompts, hostile answers, the measure, the verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "gateway/canary_answer.h"
#include "reputation/tier.h"

/* Names are read from a table "token p, token p | ...": an answer. */
static struct canary_answer
answer(const char *text)
{
	struct canary_answer x = {.count = 0};
	struct canary_position *p = &x.at[x.count++];
	char token[32];
	double probability;
	int used;

	while (sscanf(text, " %31s %lf%n", token, &probability, &used) == 2) {
		text += used;
		if (p->count == 0)
			snprintf(p->token, sizeof(p->token), "%s", token);
		snprintf(p->top[p->count].token, CANARY_TOKEN, "%s", token);
		p->top[p->count++].probability = probability;
		text += strspn(text, " ");
		if (*text == '|') {
			text++;
			p = &x.at[x.count++];
		}
	}
	return x;
}

static const struct canary_prompts none = {NULL, 0};

static void
test_bodies(void **state)
{
	static const char *const tasks[] = {"chat", "completion"};
	struct arena *a = arena_new();
	size_t seeded = 0, unseeded = 0;
	char *first;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		for (int64_t seed = -300; seed < 300; seed += 7) {
			char *body = canary_body(
			    seed * 0x10001000101, tasks[i], "a:b", &none, a);
			const json_t *tokens;
			json_t *o;

			assert_true(json_read(text_of(body), 4096, &o, NULL));
			tokens = json_object_get(o, "max_tokens");
			assert_in_range(json_integer_value(tokens), 16, 48);
			assert_int_equal(json_integer_value(
					     json_object_get(o, "temperature")),
			    0);
			*(json_object_get(o, "seed") != NULL ? &seeded
							     : &unseeded) += 1;
			json_free(&o);
		}
	}
	assert_int_equal(seeded + unseeded, 2 * 86);
	assert_true(seeded > 20 && unseeded > 20);
	first = canary_body(1, "chat", "a:b", &none, a);
	assert_string_equal(first, canary_body(1, "chat", "a:b", &none, a));
	assert_string_not_equal(first, canary_body(2, "chat", "a:b", &none, a));
	assert_null(canary_body(1, "embedding", "a:b", &none, a));
	arena_free(&a);
}

static void
test_own_prompts(void **state)
{
	struct arena *a = arena_new();
	struct canary_prompts own;
	char *longer = arena_alloc(a, 2002);
	size_t with_own = 0;
	struct fault f;

	(void)state;
	assert_true(canary_prompts_read(
	    text_of("one \"of\" ours\r\n\n\ntwo of ours"), a, &own, &f));
	assert_int_equal(own.count, 2);
	assert_string_equal(own.at[0], "one \"of\" ours");
	assert_string_equal(own.at[1], "two of ours");
	for (uint64_t i = 0; i < 256; i++) {
		char *body =
		    canary_body((int64_t)(i << 56 | i), "chat", "a:b", &own, a);

		with_own += strstr(body, "of ours") != NULL ||
			    strstr(body, "ours\"") != NULL;
	}
	assert_int_equal(with_own, 192);
	assert_false(canary_prompts_read(text_of("\n\n"), a, &own, &f));
	assert_false(canary_prompts_read(text_of("a\n\xff"), a, &own, &f));
	assert_non_null(strstr(f.why, "line 2"));
	assert_false(
	    canary_prompts_read((struct text){"a\0b", 3}, a, &own, &f));
	memset(longer, 'x', 2001);
	assert_false(canary_prompts_read(text_of(longer), a, &own, &f));
	assert_true(
	    canary_prompts_read((struct text){longer, 2000}, a, &own, &f));
	arena_free(&a);
}

static void
test_reading(void **state)
{
	static const char chat[] =
	    "{\"choices\":[{\"logprobs\":{\"content\":[{\"token\":\"a\","
	    "\"logprob\":-0.1,\"top_logprobs\":[{\"token\":\"a\",\"logprob\":"
	    "0},{\"token\":\"b\",\"logprob\":-2}]},{\"token\":5}]}}]}";
	static const char text[] =
	    "{\"choices\":[{\"logprobs\":{\"tokens\":[\"a\",\"c\"],"
	    "\"top_logprobs\":[{\"a\":0,\"b\":-2},null]}}]}";
	static const char *const bad[] = {"", "{}", "[]", "{\"choices\":[]}",
	    "{\"choices\":[{}]}", "{\"choices\":[{\"logprobs\":null}]}",
	    "{\"choices\":[{\"logprobs\":{}}]}",
	    "{\"choices\":[{\"logprobs\":{\"content\":[]}}]}",
	    "{\"choices\":[{\"logprobs\":{\"content\":[{\"token\":\"a\","
	    "\"top_logprobs\":[{\"token\":\"a\",\"logprob\":3}]}]}}]}",
	    "{\"choices\":[{\"logprobs\":{\"content\":[{\"token\":\"a\","
	    "\"top_logprobs\":[]}]}}]}",
	    "{\"choices\":[{\"logprobs\":{\"content\":{\"a\":1}}}]}"};
	struct canary_answer x, y;
	struct arena *a = arena_new();
	struct fault f;

	(void)state;
	assert_true(canary_read(text_of(chat), &x, &f));
	assert_int_equal(x.count, 1);
	assert_int_equal(x.at[0].count, 2);
	assert_true(fabs(x.at[0].top[1].probability - exp(-2)) < 1e-9);
	assert_true(canary_read(text_of(text), &y, &f));
	assert_true(canary_compare(&x, &y).mean > 0.999);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(canary_read(text_of(bad[i]), &x, &f));
	assert_true(canary_read_kept(text_of(canary_write(&y, a)), &x, &f));
	assert_int_equal(x.count, y.count);
	assert_true(canary_compare(&x, &y).mean > 0.999);
	arena_free(&a);
}

/* A token cut in the middle of a character would not be JSON any more. */
static void
test_long_tokens(void **state)
{
	struct arena *a = arena_new();
	struct canary_answer x, y;
	char text[2000], token[200] = "";
	struct fault f;

	(void)state;
	for (int shift = 0; shift < 4; shift++) {
		size_t len = (size_t)shift;

		memset(token, 'x', len);
		for (int i = 0; i < 30; i++, len += 3)
			memcpy(token + len, "\xe2\x82\xac", 4);
		snprintf(text, sizeof(text),
		    "{\"choices\":[{\"logprobs\":{\"content\":[{\"token\":"
		    "\"%s\",\"top_logprobs\":[{\"token\":\"%s\",\"logprob\":"
		    "-1},{\"token\":\"%s\",\"logprob\":-1}]}]}}]}",
		    token, token, token);
		assert_true(canary_read(text_of(text), &x, &f));
		assert_int_equal(x.at[0].count, 1); /* said twice */
		assert_true(strlen(x.at[0].token) < CANARY_TOKEN);
		assert_true(text_is_utf8(text_of(x.at[0].token)));
		assert_true(
		    canary_read_kept(text_of(canary_write(&x, a)), &y, &f));
		assert_true(canary_compare(&x, &y).mean > 0.999);
	}
	arena_free(&a);
}

/* What honest kernels differ by, and what other models do. */
static void
test_measure(void **state)
{
	static const struct {
		const char *x, *y;
		bool agrees;
		size_t positions;
	} rows[] = {
	    {"a 0.6 b 0.3", "a 0.6 b 0.3", true, 1},
	    {"a 0.62 b 0.3 c 0.02", "a 0.58 b 0.34 d 0.02", true, 1},
	    /* a near tie that fell the other way, and what follows it */
	    {"a 0.41 b 0.40 c 0.1 | x 0.9", "b 0.41 a 0.40 c 0.1 | y 0.9", true,
		1},
	    /* a flat list whose tail has other members */
	    {"a .1 b .1 c .1 d .1 e .1", "a .1 b .1 f .1 g .1 h .1", true, 1},
	    {"a 0.9 b 0.05", "b 0.8 c 0.1", false, 1},
	    {"a 0.9 b 0.05", "a 0.2 c 0.2 d 0.2", false, 1},
	    /* alike where any model is, then not */
	    {"a 1 | b 1 | c 1 | d 0.9 e 0.1", "a 1 | b 1 | c 1 | f 0.9 g 0.1",
		false, 4},
	    {"a 1 | b 1 | c 1 | d 0.9 e 0.1", "a 1 | b 1 | c 1", true, 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct canary_answer x = answer(rows[i].x);
		struct canary_answer y = answer(rows[i].y);
		struct canary_measure m = canary_compare(&x, &y);
		struct canary_measure n = canary_compare(&y, &x);

		assert_int_equal(m.positions, rows[i].positions);
		assert_int_equal(
		    m.mean >= CANARY_MEAN && m.least >= CANARY_FLOOR,
		    rows[i].agrees);
		assert_true(fabs(m.mean - n.mean) < 1e-12);
	}
}

/* Of workspaces in capitals the provider has no tier. */
static void
test_judging(void **state)
{
	static const char good[] = "a 0.9 b 0.1", bad[] = "c 0.9 d 0.1";
	static const struct {
		const char *x;
		const char *known[6][2]; /* workspace, answer */
		enum canary_verdict verdict;
		const char *against;
	} rows[] = {
	    {good, {{NULL}}, CANARY_UNKNOWN, "nothing"},
	    {good, {{"w0", good}}, CANARY_AGREES, "itself"},
	    {bad, {{"w0", good}}, CANARY_DISAGREES, "itself"},
	    /* two others are too few */
	    {bad, {{"w1", good}, {"w2", good}}, CANARY_UNKNOWN, "nothing"},
	    {bad, {{"w1", good}, {"w2", good}, {"w3", good}}, CANARY_DISAGREES,
		"majority"},
	    /* two thirds are not more than two thirds */
	    {good, {{"w1", good}, {"w2", bad}, {"w3", good}}, CANARY_UNKNOWN,
		"nothing"},
	    {bad, {{"w1", good}, {"w2", good}, {"w3", bad}, {"w4", good}},
		CANARY_DISAGREES, "majority"},
	    /* newcomers are no voices, neither among many nor among few */
	    {good, {{"W1", bad}, {"W2", bad}, {"W3", bad}}, CANARY_UNKNOWN,
		"nothing"},
	    {good,
		{{"W1", bad}, {"W2", bad}, {"W3", bad}, {"w4", good},
		    {"w5", good}, {"w6", good}},
		CANARY_AGREES, "majority"},
	    /* three of one workspace are one voice; so is its own */
	    {bad, {{"w1", good}, {"w1", good}, {"w1", good}, {"w2", good}},
		CANARY_UNKNOWN, "nothing"},
	    {bad, {{"w0", bad}, {"w1", good}, {"w2", good}}, CANARY_AGREES,
		"itself"},
	    /* others who do not agree with each other say nothing */
	    {good,
		{{"w0", good}, {"w1", good}, {"w2", bad}, {"w3", bad},
		    {"w4", good}},
		CANARY_AGREES, "itself"},
	    /* who says what it said before has swapped nothing */
	    {good, {{"w0", good}, {"w1", bad}, {"w2", bad}, {"w3", bad}},
		CANARY_UNKNOWN, "majority"},
	    {bad, {{"w0", good}, {"w1", good}, {"w2", good}, {"w3", good}},
		CANARY_DISAGREES, "majority"},
	    /* one in between does not join two that differ */
	    {"a 0.9 b 0.1",
		{{"w1", "c 0.5 d 0.5"}, {"w2", "c 0.75 e 0.25"},
		    {"w3", "c 0.95 f 0.05"}},
		CANARY_UNKNOWN, "nothing"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct canary_known known[6];
		struct canary_answer x = answer(rows[i].x);
		struct canary_finding g;
		size_t n = 0;

		for (; n < 6 && rows[i].known[n][0] != NULL; n++)
			known[n] = (struct canary_known){rows[i].known[n][0],
			    rows[i].known[n][0], rows[i].known[n][0][0] == 'w',
			    answer(rows[i].known[n][1])};
		g = canary_judge(&x, "w0", "w0", known, n);
		assert_int_equal(g.verdict, rows[i].verdict);
		assert_string_equal(g.against, rows[i].against);
	}
}

/* A market of one model over time, kept as Postgres keeps it: of each to each
 * prompt its own first answer that did not disagree, and its last. */
#define MARKET 8
#define PROMPTS 16
struct market {
	size_t count;
	const char *says[MARKET];
	bool has_tier[MARKET];
	const char *own[MARKET][PROMPTS], *voice[MARKET][PROMPTS];
	/* Minutes of the newest that disagreed. */
	int64_t failed_at[MARKET][TIER_DISAGREEMENTS];
	size_t disagreed[MARKET];
	bool is_demoted[MARKET];
};
static const char *const dids[MARKET] = {
    "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"};

static void
market_start(struct market *m, size_t honest, size_t liars, bool have_tier)
{
	memset(m, 0, sizeof(*m));
	m->count = honest + liars;
	for (size_t i = 0; i < m->count; i++) {
		m->says[i] = i < honest ? "a 0.9 b 0.1" : "c 0.9 d 0.1";
		m->has_tier[i] = i < honest || have_tier;
		for (size_t k = 0; k < TIER_DISAGREEMENTS; k++)
			m->failed_at[i][k] = -1000000;
	}
}

static struct canary_finding
market_judge(const struct market *m, size_t who, size_t prompt)
{
	struct canary_answer x = answer(m->says[who]);
	struct canary_known known[MARKET + 1];
	size_t n = 0;

	if (m->own[who][prompt] != NULL)
		known[n++] = (struct canary_known){
		    dids[who], dids[who], false, answer(m->own[who][prompt])};
	for (size_t i = 0; i < m->count; i++)
		if (i != who && m->voice[i][prompt] != NULL)
			known[n++] = (struct canary_known){dids[i], dids[i],
			    m->has_tier[i], answer(m->voice[i][prompt])};
	return canary_judge(&x, dids[who], dids[who], known, n);
}

static void
market_ask(struct market *m, size_t who, size_t prompt, int64_t minute)
{
	struct canary_finding g = market_judge(m, who, prompt);

	m->voice[who][prompt] = m->says[who];
	if (g.verdict != CANARY_DISAGREES) {
		if (m->own[who][prompt] == NULL)
			m->own[who][prompt] = m->says[who];
		return;
	}
	m->disagreed[who]++;
	memmove(&m->failed_at[who][1], &m->failed_at[who][0],
	    sizeof(m->failed_at[who]) - sizeof(minute));
	m->failed_at[who][0] = minute;
	if (minute - m->failed_at[who][TIER_DISAGREEMENTS - 1] < 24 * 60) {
		m->is_demoted[who] = true;
		m->has_tier[who] = false;
	}
}

/* A week at as many a day as gateways send; liars are asked first of all. */
static void
market_week(struct market *m, uint64_t seed)
{
	for (size_t p = 0; p < PROMPTS; p++)
		for (size_t i = m->count; i-- > 0;)
			if (m->says[i][0] != 'a')
				market_ask(m, i, p, 0);
	for (int64_t minute = 1; minute < 7 * 24 * 60; minute++) {
		for (size_t i = 0; i < m->count; i++) {
			seed =
			    seed * 6364136223846793005u + 1442695040888963407u;
			if ((seed >> 33) % (24 * 60) < CANARY_PER_DAY)
				market_ask(
				    m, i, (seed >> 44) % PROMPTS, minute);
		}
	}
}

static void
test_liars_demote_nobody(void **state)
{
	static const struct {
		size_t liars;
		bool have_tier;
	} rows[] = {{2, true}, {2, false}, {3, false}, {4, false}};
	struct market m;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		for (uint64_t seed = 1; seed <= 20; seed++) {
			market_start(&m, 4, rows[i].liars, rows[i].have_tier);
			market_week(&m, seed);
			for (size_t k = 0; k < 4; k++) {
				assert_int_equal(m.disagreed[k], 0);
				assert_false(m.is_demoted[k]);
			}
		}
	}
}

/* They lied before anybody honest was asked, and are voted down later. */
static void
test_lies_that_came_first(void **state)
{
	struct market m;

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		market_start(&m, 7, 1, true);
		market_week(&m, seed);
		m.says[6] = "c 0.9 d 0.1"; /* a swap, in the second week */
		market_week(&m, seed + 100);
		for (size_t k = 0; k < 6; k++)
			assert_false(m.is_demoted[k]);
		assert_true(m.is_demoted[6]);
	}
}

/* Prompts that are new when the others have answered: the wrong model that was
 * wrong from the start disagrees with each. */
static void
test_wrong_from_the_start(void **state)
{
	struct market m;

	(void)state;
	market_start(&m, 4, 1, true);
	m.says[4] = "a 0.9 b 0.1";
	market_week(&m, 7);
	m.says[4] = "c 0.9 d 0.1";
	memset(m.own[4], 0, sizeof(m.own[4]));
	for (int i = 0; i < TIER_DISAGREEMENTS; i++) /* none is a defence */
		market_ask(&m, 4, 0, i);
	assert_int_equal(m.disagreed[4], TIER_DISAGREEMENTS);
	assert_true(m.is_demoted[4]);
}

static void
test_prompt_ids(void **state)
{
	(void)state;
	assert_true(canary_prompt_id("a") == canary_prompt_id("a"));
	assert_true(canary_prompt_id("a") != canary_prompt_id("b"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bodies),
	    cmocka_unit_test(test_own_prompts),
	    cmocka_unit_test(test_reading),
	    cmocka_unit_test(test_long_tokens),
	    cmocka_unit_test(test_measure),
	    cmocka_unit_test(test_judging),
	    cmocka_unit_test(test_liars_demote_nobody),
	    cmocka_unit_test(test_lies_that_came_first),
	    cmocka_unit_test(test_wrong_from_the_start),
	    cmocka_unit_test(test_prompt_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
