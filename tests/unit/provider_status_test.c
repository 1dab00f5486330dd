/* SPDX-License-Identifier: Apache-2.0 */
/* What people read of a daemon's status and standing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "provider/status_print.h"

static char *
page_of(const char *text, bool is_standing)
{
	char *page = NULL;
	json_t *j = NULL;
	size_t size;
	FILE *to = open_memstream(&page, &size);

	if (text != NULL && !json_read(text_of(text), 1 << 16, &j, NULL))
		fail_msg("%s", text);
	if (is_standing)
		standing_print(to, j, "no answer");
	else
		status_print(to, j, true);
	fclose(to);
	json_free(&j);
	return page;
}

static void
expect(const char *text, bool is_standing, const char *page)
{
	char *got = page_of(text, is_standing);

	assert_string_equal(got, page);
	free(got);
}

static void
test_standing(void **state)
{
	(void)state;
	expect(NULL, true, "standing     unknown: no answer\n");
	expect("{}", true, "");
	expect("{\"pairs\":[{\"model\":\"m\",\"task\":\"chat\","
	       "\"tier\":\"silver\",\"score\":81.25,\"sample_size\":9,"
	       "\"half_life_days\":14,\"parts\":{\"delivery\":{\"value\":0.5,"
	       "\"weight\":30,\"good\":1,\"bad\":1},\"held_by_quality\":true,"
	       "\"next\":{\"tier\":\"gold\",\"line\":90,"
	       "\"days_in_a_row\":7,\"days_missing\":5}}}],"
	       "\"not_chosen\":[{\"model\":\"m\",\"task\":\"chat\","
	       "\"reason\":\"draining\",\"times\":40},{\"model\":\"n\","
	       "\"task\":\"chat\",\"reason\":\"draining\",\"times\":8}]}",
	    true,
	    "standing     m chat  tier silver  score 81.2  (9.0 events, halved "
	    "every 14 days)\n"
	    "  delivery    50.0 of 100, weight 30  (1.0 for, 1.0 against)\n"
	    "  held       by what buyers say of its quality\n"
	    "  next       gold: days in a row at 90 or more, 7 done, 5 "
	    "missing\n"
	    "  not chosen 40 times in 7 days: draining\n");
}

/* A gateway's words neither steer the terminal nor make lines of their own. */
static void
test_words_stay_words(void **state)
{
	char *page = page_of("{\"did\":\"\\u001b[2J\",\"models\":[{"
			     "\"canonical\":\"m\",\"served\":true}],"
			     "\"judgements\":{\"m\":{\"status\":\"refused\","
			     "\"reason\":\"a\\ntunnel 0     up\"}}}",
	    false);

	(void)state;
	assert_non_null(strstr(page, "did          \\x1b[2J\n"));
	assert_non_null(
	    strstr(page, "gateway: refused a\\x0atunnel 0     up\n"));
	free(page);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_standing),
	    cmocka_unit_test(test_words_stay_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
