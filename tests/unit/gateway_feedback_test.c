/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of feedback, good and bad, each with its code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/feedback.h"

#define ID "\"request_id\":\"018f0000-0000-7000-8000-000000000000\","

static const struct {
	const char *body;
	const char *code; /* none: it is read */
} cases[] = {
    {"{" ID "\"quality\":0}", "none"},
    {"{" ID "\"quality\":100,\"verdict\":\"good\"}", "none"},
    {"{" ID "\"verdict\":\"bad\",\"issues\":[],\"comment\":null}", "none"},
    {"{" ID "\"verdict\":\"bad\",\"issues\":[\"slow\",\"slow\"]}", "none"},
    {"{" ID "\"quality\":101}", "feedback_out_of_range"},
    {"{" ID "\"quality\":\"90\"}", "feedback_out_of_range"},
    {"{" ID "\"quality\":9e9}", "feedback_out_of_range"},
    {"{" ID "\"verdict\":\"GOOD\"}", "feedback_out_of_range"},
    {"{" ID "\"verdict\":7}", "invalid_request"},
    {"{" ID "\"quality\":null}", "invalid_request"},
    {"{" ID "\"quality\":5,\"issues\":[7]}", "unknown_issue"},
    {"{" ID "\"quality\":5,\"issues\":[\"\"]}", "unknown_issue"},
    {"{" ID "\"quality\":5,\"issues\":\"slow\"}", "invalid_request"},
    {"{" ID "\"quality\":5,\"comment\":7}", "invalid_request"},
    {"{\"request_id\":\"7\",\"quality\":5}", "request_not_found"},
    {"{\"quality\":5}", "invalid_request"},
    {"{" ID "\"quality\":5,\"verdit\":\"bad\"}", "invalid_request"},
    {"{" ID "\"quality\":5,\"\":1}", "invalid_request"},
    {"[]", "invalid_request"},
    {"", "invalid_json"},
};

static void
each_mistake_has_its_code(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct arena *a = arena_new();
		struct fault f = {0};
		struct feedback x;

		if (feedback_read(text_of(cases[i].body), false, a, &x, &f) !=
			(strcmp(cases[i].code, "none") == 0) ||
		    strcmp(fault_code(f.kind), cases[i].code) != 0)
			fail_msg("%s: %s: %s", cases[i].body,
			    fault_code(f.kind), f.why);
		arena_free(&a);
	}
}

static void
a_comment_has_a_thousand_characters(void **state)
{
	(void)state;
	for (size_t n = 999; n <= 1001; n++) {
		struct arena *a = arena_new();
		const char *text;
		struct fault f = {0};
		struct feedback x;
		char *words = arena_alloc(a, 3 * n + 1);

		for (size_t i = 0; i < n; i++)
			memcpy(words + 3 * i, "\xe5\xa5\xbd", 3);
		text = arena_printf(
		    a, "{\"verdict\":\"bad\",\"comment\":\"%s\"}", words);
		assert_int_equal(
		    feedback_read(text_of(text), true, a, &x, &f), n <= 1000);
		arena_free(&a);
	}
}

/* What was judged stays what it was. */
static void
a_change_names_no_request(void **state)
{
	struct arena *a = arena_new();
	struct fault f = {0};
	struct feedback x;

	(void)state;
	assert_false(
	    feedback_read(text_of("{" ID "\"quality\":5}"), true, a, &x, &f));
	assert_int_equal(f.kind, FAULT_INVALID_REQUEST);
	assert_string_equal(f.why, "feedback has no member request_id");
	arena_free(&a);
}

static void
the_answer_says_what_was_kept(void **state)
{
	struct arena *a = arena_new();
	struct feedback x;

	(void)state;
	assert_true(feedback_read(
	    text_of("{\"verdict\":\"bad\",\"issues\":[\"slow\",\"slow\","
		    "\"wrong_model\"]}"),
	    true, a, &x, NULL));
	assert_string_equal(feedback_write(&x, "id", a),
	    "{\"id\":\"id\",\"object\":\"feedback\",\"request_id\":null,"
	    "\"verdict\":\"bad\",\"issues\":[\"wrong_model\",\"slow\"],"
	    "\"comment\":null,\"quality\":null}");
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_mistake_has_its_code),
	    cmocka_unit_test(a_comment_has_a_thousand_characters),
	    cmocka_unit_test(a_change_names_no_request),
	    cmocka_unit_test(the_answer_says_what_was_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
