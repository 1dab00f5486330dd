/* SPDX-License-Identifier: Apache-2.0 */
/* What assay-auth answers to an order: a handoff, or why it is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/mint.h"

#define LATER "\"expires_at\":\"1970-01-01T00:00:01Z\""

static void
test_handoff(void **state)
{
	static const struct {
		const char *text;
		enum fault_kind kind;
		const char *why;
	} rows[] = {
	    {"{\"token\":\"t\"," LATER "}", FAULT_NONE, NULL},
	    {"{\"token\":\"t\"," LATER ",\"more\":[]}", FAULT_NONE, NULL},
	    {"{" LATER "}", FAULT_INVALID, "'token' is missing"},
	    {"{\"token\":null," LATER "}", FAULT_INVALID,
		"'token' must be a string"},
	    {"{\"token\":\"t\"}", FAULT_INVALID, "'expires_at' is missing"},
	    {"{\"token\":\"t\",\"expires_at\":\"soon\"}", FAULT_INVALID,
		"expires_at is no time"},
	    {"{\"token\":\"t\",\"expires_at\":1}", FAULT_INVALID,
		"'expires_at' must be a string"},
	    {"[]", FAULT_INVALID, ""},
	    {"<html>", FAULT_INVALID_JSON, ""},
	    {"", FAULT_INVALID_JSON, ""},
	};
	struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct handoff h = {0};
		struct fault f = {0};
		bool ok = handoff_read(text_of(rows[i].text), a, &h, &f);

		if (ok != (rows[i].kind == FAULT_NONE) ||
		    f.kind != rows[i].kind)
			fail_msg("%s: %s", rows[i].text, f.why);
		if (!ok && strstr(f.why, rows[i].why) == NULL)
			fail_msg("%s: %s", rows[i].text, f.why);
		if (!ok)
			continue;
		assert_string_equal(h.token, "t");
		assert_int_equal(h.expires_at_ms, 1000);
	}
	arena_free(&a);
}

/* The longest token is taken, and not one byte more. */
static void
test_longest_token(void **state)
{
	char token[HANDOFF_TOKEN_MAX + 2];
	struct arena *a = arena_new();

	(void)state;
	memset(token, 'x', sizeof(token));
	for (size_t more = 0; more <= 1; more++) {
		struct handoff h = {0};
		struct fault f = {0};
		const char *text;

		token[HANDOFF_TOKEN_MAX + more] = '\0';
		text = arena_printf(a, "{\"token\":\"%s\"," LATER "}", token);
		assert_int_equal(
		    handoff_read(text_of(text), a, &h, &f), more == 0);
		token[HANDOFF_TOKEN_MAX + more] = 'x';
	}
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_handoff),
	    cmocka_unit_test(test_longest_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
