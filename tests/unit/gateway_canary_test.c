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

static void
test_bodies(void **state)
{
	static const char *const tasks[] = {"chat", "completion"};
	struct arena *a = arena_new();
	char *first;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		for (int64_t seed = -300; seed < 300; seed += 7) {
			char *body = canary_body(
			    seed * 0x10001000101, tasks[i], "a:b", a);
			const json_t *tokens;
			json_t *o;

			assert_true(json_read(text_of(body), 4096, &o, NULL));
			tokens = json_object_get(o, "max_tokens");
			assert_in_range(json_integer_value(tokens), 16, 32);
			assert_int_equal(json_integer_value(
					     json_object_get(o, "temperature")),
			    0);
			json_free(&o);
		}
	}
	first = canary_body(1, "chat", "a:b", a);
	assert_string_equal(first, canary_body(1, "chat", "a:b", a));
	assert_string_not_equal(first, canary_body(2, "chat", "a:b", a));
	assert_null(canary_body(1, "embedding", "a:b", a));
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

static void
test_judging(void **state)
{
	static const char good[] = "a 0.9 b 0.1", bad[] = "c 0.9 d 0.1";
	static const struct {
		const char *x;
		const char *known[5][2]; /* workspace, answer */
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
	    {good, {{"w1", good}, {"w2", bad}, {"w3", good}}, CANARY_AGREES,
		"majority"},
	    /* three of one workspace are one voice; so is its own */
	    {bad, {{"w1", good}, {"w1", good}, {"w1", good}, {"w2", good}},
		CANARY_UNKNOWN, "nothing"},
	    /* others who do not agree with each other say nothing */
	    {good,
		{{"w0", good}, {"w1", good}, {"w2", bad}, {"w3", bad},
		    {"w4", good}},
		CANARY_AGREES, "itself"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct canary_known known[5];
		struct canary_answer x = answer(rows[i].x);
		struct canary_finding g;
		size_t n = 0;

		for (; n < 5 && rows[i].known[n][0] != NULL; n++)
			known[n] = (struct canary_known){rows[i].known[n][0],
			    rows[i].known[n][0], answer(rows[i].known[n][1])};
		g = canary_judge(&x, "w0", "w0", known, n);
		assert_int_equal(g.verdict, rows[i].verdict);
		assert_string_equal(g.against, rows[i].against);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bodies),
	    cmocka_unit_test(test_reading),
	    cmocka_unit_test(test_long_tokens),
	    cmocka_unit_test(test_measure),
	    cmocka_unit_test(test_judging),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
