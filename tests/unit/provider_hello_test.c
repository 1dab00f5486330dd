/* SPDX-License-Identifier: Apache-2.0 */
/* A gateway's hello and its word on a statement: taken whole, or refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "provider/hello.h"

#define TEN "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN

static void
test_hello(void **state)
{
	static const struct {
		const char *text;
		const char *why; /* NULL: taken */
		bool is_buyers;
	} rows[] = {
	    {"{\"nonce\":\"00ff\"}", NULL, false},
	    {"{\"nonce\":\"00ff\",\"purpose\":null,\"x\":1}", NULL, false},
	    {"{\"nonce\":\"00ff\",\"purpose\":\"buyer\"}", NULL, true},
	    {"{\"nonce\":\"00ff\",\"purpose\":\"else\"}", NULL, false},
	    {"{\"nonce\":1}", "'nonce' must be a string", false},
	    {"{\"purpose\":\"buyer\"}", "'nonce' is missing", false},
	    {"{\"nonce\":\"" SIXTY SIXTY TEN "\"}",
		"'nonce' is longer than 128 bytes", false},
	    {"{\"nonce\":\"00ff\",\"purpose\":[]}",
		"'purpose' must be a string", false},
	    {"", "", false},
	    {"[]", "", false},
	};
	struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fault f = {0};
		struct hello h;
		bool ok = hello_read(text_of(rows[i].text), a, &h, &f);

		if (ok != (rows[i].why == NULL))
			fail_msg("%s: %s", rows[i].text, f.why);
		if (!ok && strstr(f.why, rows[i].why) == NULL)
			fail_msg("%s: %s", rows[i].text, f.why);
		if (!ok) {
			assert_int_equal(f.kind, FAULT_INVALID_JSON);
			continue;
		}
		assert_string_equal(h.nonce, "00ff");
		assert_int_equal(h.is_buyers, rows[i].is_buyers);
	}
	arena_free(&a);
}

static const char *
said(const struct admission *x, const char *model, const char *name)
{
	return json_string_value(
	    json_object_get(json_object_get(x->models, model), name));
}

static void
test_admission(void **state)
{
	struct admission x;
	struct fault f;

	(void)state;
	assert_true(admission_read(
	    text_of("{\"session\":\"s\",\"models\":["
		    "{\"canonical\":\"a\",\"status\":\"accepted\","
		    "\"reason\":null},"
		    "{\"canonical\":\"b\",\"status\":\"refused\","
		    "\"reason\":\"unknown_hash\"},"
		    "{\"canonical\":\"c\"},{\"status\":\"accepted\"},7],"
		    "\"verified\":{\"status\":\"none\",\"reason\":\"r\"}}"),
	    &x, &f));
	assert_string_equal(x.session, "s");
	assert_string_equal(x.verified, "none r");
	assert_int_equal(json_object_size(x.models), 2);
	assert_string_equal(said(&x, "a", "status"), "accepted");
	assert_null(said(&x, "a", "reason"));
	assert_string_equal(said(&x, "b", "reason"), "unknown_hash");
	admission_free(&x);
}

/* What is cut must still be text, or the daemon's status could not say it. */
static void
test_admission_is_cut_to_fit(void **state)
{
	struct admission x;
	struct fault f;
	json_t *j;

	(void)state;
	assert_true(admission_read(
	    text_of("{\"session\":\"" SIXTY "12\xc3\xa9\",\"models\":[],"
		    "\"verified\":{\"status\":\"" SIXTY "1\xc3\xa9\"}}"),
	    &x, &f));
	j = json_pack(
	    "{s:s, s:s}", "session", x.session, "verified", x.verified);
	assert_non_null(j);
	json_free(&j);
	assert_int_equal(strlen(x.session), sizeof(x.session) - 1);
	admission_free(&x);
	assert_true(admission_read(text_of("{\"models\":[]}"), &x, &f));
	assert_string_equal(x.session, "");
	assert_string_equal(x.verified, " ");
	admission_free(&x);
}

static void
test_admission_refused(void **state)
{
	static const char *const rows[] = {
	    "", "{}", "{\"models\":{}}", "{\"models\":[],\"models\":[]}", "[]"};
	char many[1000] = "{\"models\":[0";
	struct admission x;
	struct fault f;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_false(admission_read(text_of(rows[i]), &x, &f));
		assert_int_equal(f.kind, FAULT_INVALID_JSON);
		assert_null(x.models);
	}
	for (int i = 0; i < 64; i++)
		strncat(many, ",0", 3);
	strncat(many, "]}", 3);
	assert_false(admission_read(text_of(many), &x, &f));
	assert_non_null(strstr(f.why, "models"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hello),
	    cmocka_unit_test(test_admission),
	    cmocka_unit_test(test_admission_is_cut_to_fit),
	    cmocka_unit_test(test_admission_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
