/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told of a standing does not move with single events: a provider
 * that is served request after request, and looks each time, reads the same
 * until a step is crossed, and what is told follows from the steps alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "gateway/blur.h"
#include "reputation/score.h"

#define STEP_OF(n) ((int)floor((n) / 10.0 + 0.5))

/* What the worker writes of a score. */
static json_t *
written(const struct score *s)
{
	json_t *j = json_object();

	for (int i = 0; i < STREAMS; i++) {
		if (!s->parts[i].has_data)
			continue;
		json_object_set_new(j, stream_name((enum stream)i),
		    json_pack("{s:f, s:f, s:f, s:f}", "value",
			s->parts[i].value, "weight",
			stream_weight((enum stream)i), "good",
			s->parts[i].evidence.good, "bad",
			s->parts[i].evidence.bad));
	}
	return j;
}

/* All that is told. */
static char *
told(const struct evidence streams[STREAMS], struct arena *a)
{
	struct blurred b;
	struct score s;
	json_t *j;
	char *text;

	score_make(streams, &s);
	j = written(&s);
	json_object_set_new(
	    j, "held_by_quality", json_boolean(s.is_held_by_quality));
	blur_parts(j, &b);
	json_object_set_new(j, "score", json_real(b.score));
	json_object_set_new(j, "samples", json_real(b.samples));
	text = json_write(a, j);
	json_free(&j);
	return text;
}

static void
test_counts(void **state)
{
	(void)state;
	assert_true(blur_count(0) == 0);
	assert_true(blur_count(4.99) == 0);
	assert_true(blur_count(5) == 10);
	assert_true(blur_count(14.9) == 10);
	assert_true(blur_count(1234.5) == 1230);
	assert_true(blur_count(-3) == 0);
}

/* The score is what the page's rule gives for the counts that are told. */
static void
test_score(void **state)
{
	struct evidence x[STREAMS] = {
	    {404.9, 3.2}, {80.9, 20.2}, {196.1, 12.1}, {4.1, 0.2}};
	struct arena *a = arena_new();

	(void)state;
	assert_non_null(strstr(told(x, a), "\"score\":74.0"));
	assert_non_null(strstr(told(x, a), "\"held_by_quality\":true"));
	assert_non_null(strstr(told(x, a), "\"samples\":710.0"));
	x[STREAM_QUALITY] = (struct evidence){0, 0};
	assert_non_null(strstr(told(x, a), "\"score\":97.0"));
	assert_non_null(strstr(told(x, a), "\"held_by_quality\":false"));
	memset(x, 0, sizeof(x));
	x[STREAM_DELIVERY].good = 4.9;
	assert_non_null(strstr(told(x, a), "\"score\":-1.0"));
	arena_free(&a);
}

static void
test_days(void **state)
{
	(void)state;
	assert_int_equal(blur_time(0), 0);
	assert_int_equal(blur_time(1700000000000), 1699920000000);
	assert_int_equal(blur_time(1699920000000), 1699920000000);
}

/* One request after the other, delivered and fast, from begin on: what is told
 * moves where a count crosses its step, and nowhere else. */
static void
serve(struct evidence streams[STREAMS], int requests)
{
	struct arena *a = arena_new();
	double begin = streams[STREAM_DELIVERY].good;
	char *was;

	streams[STREAM_DELIVERY].good = streams[STREAM_SPEED].good = begin + 1;
	was = told(streams, a);
	for (int i = 2; i <= requests; i++) {
		double n = begin + i;
		char *now;

		streams[STREAM_DELIVERY].good = streams[STREAM_SPEED].good = n;
		now = told(streams, a);
		assert_int_equal(
		    strcmp(now, was) != 0, STEP_OF(n) != STEP_OF(n - 1));
		was = now;
	}
	arena_free(&a);
}

static void
test_request_after_request(void **state)
{
	(void)state;
	serve((struct evidence[STREAMS]){{0, 0}}, 400);
	serve((struct evidence[STREAMS]){{0.7, 0}}, 400);
	serve((struct evidence[STREAMS]){[STREAM_AUDIT] = {60, 0}}, 400);
	serve((struct evidence[STREAMS]){[STREAM_DELIVERY] = {0, 9},
		  [STREAM_QUALITY] = {70, 8},
		  [STREAM_AUDIT] = {80, 3}},
	    400);
	serve(
	    (struct evidence[STREAMS]){
		[STREAM_DELIVERY] = {0, 12}, [STREAM_QUALITY] = {30, 30}},
	    400);
}

/* The audit stream does not follow from the rest: where two differ within a
 * step, the same is told of both. */
static void
test_audit_is_hidden(void **state)
{
	struct evidence x[STREAMS] = {
	    {400.3, 4.2}, {50.5, 1.5}, {390.7, 12.1}, {75.1, 0.2}};
	struct arena *a = arena_new();
	char *was = told(x, a);

	(void)state;
	for (int i = 0; i < 9; i++) {
		x[STREAM_AUDIT].good += 1;
		assert_string_equal(told(x, a), was);
	}
	x[STREAM_AUDIT].good += 1;
	assert_string_not_equal(told(x, a), was);
	arena_free(&a);
}

/* What came from the worker is whatever it is. */
static void
test_odd_parts(void **state)
{
	json_t *j = json_pack("{s:{s:s}, s:i, s:b}", "audit", "good", "x",
	    "speed", 5, "held_by_quality", true);
	struct blurred b;

	(void)state;
	blur_parts(j, &b);
	assert_true(b.score < 0);
	assert_true(b.samples == 0);
	assert_true(json_number_value(json_object_get(
			json_object_get(j, "audit"), "good")) == 0);
	assert_true(json_is_false(json_object_get(j, "held_by_quality")));
	json_free(&j);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_counts),
	    cmocka_unit_test(test_score),
	    cmocka_unit_test(test_days),
	    cmocka_unit_test(test_request_after_request),
	    cmocka_unit_test(test_audit_is_hidden),
	    cmocka_unit_test(test_odd_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
