/* SPDX-License-Identifier: Apache-2.0 */
/* The model in a body: found exactly, or refused with the right kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "provider/body.h"
#include "provider/caps.h"
#include "provider/usage.h"

#define FORM "multipart/form-data; boundary=xx"

static void
test_model(void **state)
{
	static const struct {
		const char *type;
		const char *body;
		enum fault_kind kind;
		const char *name;
		const char *value;
	} rows[] = {
	    {"application/json", "{\"model\":\"a:b\",\"x\":1}", FAULT_NONE,
		"a:b", "\"a:b\""},
	    {"application/json; charset=utf-8", "{\"model\":\"\\u0061\"}",
		FAULT_NONE, "a", "\"\\u0061\""},
	    {"application/json", "{\"x\":{\"model\":\"in\"}}",
		FAULT_INVALID_REQUEST, NULL, NULL},
	    {"application/json", "{\"model\":1}", FAULT_INVALID_JSON, NULL,
		NULL},
	    {"application/json", "{\"model\":\"a\",\"model\":\"b\"}",
		FAULT_INVALID_JSON, NULL, NULL},
	    {"application/json", "[]", FAULT_INVALID_JSON, NULL, NULL},
	    {"text/plain", "{\"model\":\"a\"}", FAULT_UNSUPPORTED_MEDIA_TYPE,
		NULL, NULL},
	    {NULL, "{\"model\":\"a\"}", FAULT_UNSUPPORTED_MEDIA_TYPE, NULL,
		NULL},
	    {FORM,
		"--xx\r\nContent-Disposition: form-data; "
		"name=\"model\"\r\n\r\na:b\r\n--xx--\r\n",
		FAULT_NONE, "a:b", "a:b"},
	    {FORM,
		"--xx\r\nContent-Disposition: form-data; name=\"file\"; "
		"filename=\"model\"\r\n\r\n\x01\x02--x\r\n--xx\r\n"
		"Content-Disposition: form-data; name=\"model\"\r\n\r\nm"
		"\r\n--xx--",
		FAULT_NONE, "m", "m"},
	    {FORM,
		"--xx\r\nContent-Disposition: form-data; "
		"name=\"model\"\r\n\r\na\r\n--xx\r\nContent-Disposition: "
		"form-data; name=\"model\"\r\n\r\nb\r\n--xx--",
		FAULT_INVALID_REQUEST, NULL, NULL},
	    {FORM, "--xx--", FAULT_INVALID_REQUEST, NULL, NULL},
	    {FORM, "--xx\r\nno end", FAULT_INVALID_REQUEST, NULL, NULL},
	    {FORM, "--yy\r\n", FAULT_INVALID_REQUEST, NULL, NULL},
	    {FORM, "", FAULT_INVALID_REQUEST, NULL, NULL},
	    {"multipart/form-data", "--xx--", FAULT_UNSUPPORTED_MEDIA_TYPE,
		NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct body_model m;
		struct fault f = {0};
		bool ok = body_model_find(
		    rows[i].type, text_of(rows[i].body), &m, &f);

		if (ok != (rows[i].kind == FAULT_NONE) ||
		    f.kind != rows[i].kind)
			fail_msg(
			    "row %zu: %s %s", i, fault_code(f.kind), f.why);
		if (!ok)
			continue;
		assert_string_equal(m.name, rows[i].name);
		assert_true(text_is(m.value, rows[i].value));
	}
}

static void
test_caps(void **state)
{
	struct fault f = {0};
	struct caps c;

	(void)state;
	caps_init(&c, 2, 100);
	assert_true(caps_enter(&c, 0, &f));
	assert_true(caps_enter(&c, 0, &f));
	assert_false(caps_enter(&c, 0, &f));
	assert_int_equal(f.kind, FAULT_CAPACITY_EXCEEDED);
	caps_leave(&c, 60, 999);
	caps_leave(&c, 60, 30000);
	assert_int_equal(caps_tokens(&c, 30000), 120);
	assert_false(caps_enter(&c, 59999, &f));
	/* the first 60 are a minute old */
	assert_int_equal(caps_tokens(&c, 60000), 60);
	assert_true(caps_enter(&c, 60000, &f));
	caps_leave(&c, 0, 60000);
	/* a clock that was set back forgets, and does not lock us out */
	assert_int_equal(caps_tokens(&c, 1000), 0);
	assert_int_equal(caps_tokens(&c, 10000000), 0);
}

static void
test_usage(void **state)
{
	struct usage_tail u = {0};
	char filler[5000];

	(void)state;
	assert_int_equal(usage_tokens(&u), 0);
	memset(filler, 'x', sizeof filler);
	usage_add(&u, filler, sizeof filler);
	usage_add(&u, "\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":",
	    sizeof "\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":" - 1);
	usage_add(&u, " 5}}", 4);
	assert_int_equal(usage_tokens(&u), 12);
	usage_add(&u, ",\"total_tokens\":13}", 19);
	assert_int_equal(usage_tokens(&u), 13);
	usage_add(&u, "\"total_tokens\":99999999999999999999", 35);
	assert_true(usage_tokens(&u) > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_model),
	    cmocka_unit_test(test_caps),
	    cmocka_unit_test(test_usage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
