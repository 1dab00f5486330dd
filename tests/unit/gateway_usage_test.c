/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/usage: the last believable usage in a tail cut anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "gateway/usage.h"

static struct usage
of(const char *s)
{
	return usage_read(text_of(s));
}

static void
test_found(void **state)
{
	struct usage u;

	(void)state;
	u = of(
	    "{\"usage\": {\"prompt_tokens\": 12, \"completion_tokens\": 5}}");
	assert_true(u.is_known);
	assert_int_equal(u.tokens_in, 12);
	assert_int_equal(u.tokens_out, 5);
	u = of(
	    "data: {\"usage\":null}\n\ndata: {\"usage\":{\"prompt_tokens\":1,"
	    "\"completion_tokens\":2,\"details\":{\"a\":\"}\"}}}\n\n"
	    "data: {\"usage\":null}\n\ndata: [DONE]\n\n");
	assert_true(u.is_known);
	assert_int_equal(u.tokens_out, 2);
}

static void
test_not_believed(void **state)
{
	static const char *const rows[] = {"", "usage",
	    "\"usage\":", "\"usage\":{", "\"usage\":{\"prompt_tokens\":1",
	    "\"usage\":{\"prompt_tokens\":-1}",
	    "\"usage\":{\"prompt_tokens\":1e99}",
	    "\"usage\":{\"prompt_tokens\":999999999999}",
	    "\"usage\":{\"prompt_tokens\":\"1\"}", "\"usage\":{}"};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_false(of(rows[i]).is_known);
}

static void
test_tail_keeps_the_end(void **state)
{
	struct usage_tail t = {.len = 0};
	char block[3000];

	(void)state;
	memset(block, 'a', sizeof(block));
	usage_tail_add(&t, block, sizeof(block));
	memset(block, 'b', sizeof(block));
	usage_tail_add(&t, block, sizeof(block));
	usage_tail_add(&t, "end", 3);
	assert_int_equal(t.len, USAGE_TAIL);
	assert_memory_equal(t.at + USAGE_TAIL - 4, "bend", 4);
	assert_int_equal(t.at[0], 'a');
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_found),
	    cmocka_unit_test(test_not_believed),
	    cmocka_unit_test(test_tail_keeps_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
