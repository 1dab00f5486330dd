/* SPDX-License-Identifier: Apache-2.0 */
/* What the command line makes of a gateway's answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/ask.h"
#include "client/exchange.h"
#include "client/route.h"

static char *
page_of(const char *text)
{
	char *page = NULL;
	json_t *j = NULL;
	size_t size;
	FILE *to = open_memstream(&page, &size);

	if (!json_read(text_of(text), 1 << 16, &j, NULL))
		fail_msg("%s", text);
	route_explain(to, j);
	fclose(to);
	json_free(&j);
	return page;
}

static void
test_route(void **state)
{
	char *page = page_of("{\"choice\":{\"did\":\"did:assay:z1\"},"
			     "\"candidates\":[{\"did\":\"did:assay:z1\","
			     "\"pool\":\"workspace\",\"tier\":\"gold\"},"
			     "{\"did\":\"\\u001b[1A\",\"pool\":\"a\\nb\","
			     "\"reason\":\"draining\"}]}");

	(void)state;
	assert_non_null(strstr(page, "would go to did:assay:z1\n\n"));
	assert_non_null(strstr(page, "workspace    gold    admissible\n"));
	assert_non_null(strstr(page, "\\x1b[1A "));
	assert_non_null(strstr(page, " a\\x0ab       -       draining\n"));
	free(page);
	page = page_of("{\"error\":{\"code\":\"no_provider\"}}");
	assert_non_null(strstr(page, "would be refused: no_provider\n\n"));
	assert_non_null(strstr(page, "(nobody offers this model"));
	free(page);
	page = page_of("{\"choice\":[],\"candidates\":{},\"error\":1}");
	assert_non_null(strstr(page, "would be refused: -\n\n"));
	free(page);
}

static void
test_refusal(void **state)
{
	static const struct {
		const char *body;
		const char *why;
	} rows[] = {
	    {"{\"error\":{\"code\":\"c\",\"message\":\"m\"}}",
		"the gateway says 503 c: m"},
	    {"{\"error\":{\"code\":1,\"message\":\"a\\nb\"}}",
		"the gateway says 503 -: a?b"},
	    {"<html>", "the gateway says 503 -: -"},
	    {"", "the gateway says 503 -: -"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fault f = {0};

		assert_false(ask_refused(503, text_of(rows[i].body), &f));
		assert_int_equal(f.kind, FAULT_REFUSED);
		assert_string_equal(f.why, rows[i].why);
	}
}

static void
test_signature(void **state)
{
	struct arena *a = arena_new();
	struct chat_signature s;
	struct fault f = {0};

	(void)state;
	assert_true(exchange_signature_read(a,
	    text_of("{\"text\":\"t\",\"signature\":\"0x1\","
		    "\"signing_address\":\"0x2\"}"),
	    &s, &f));
	assert_true(text_is(s.text, "t"));
	assert_true(text_is(s.algorithm, "ecdsa"));
	assert_false(exchange_signature_read(
	    a, text_of("{\"text\":\"t\",\"signature\":\"0x1\"}"), &s, &f));
	assert_int_equal(f.kind, FAULT_INVALID);
	assert_non_null(strstr(f.why, "'signing_address' is missing"));
	assert_false(exchange_signature_read(a, text_of("x"), &s, &f));
	assert_int_equal(f.kind, FAULT_INVALID_JSON);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_route),
	    cmocka_unit_test(test_refusal),
	    cmocka_unit_test(test_signature),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
