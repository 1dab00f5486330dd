/* SPDX-License-Identifier: Apache-2.0 */
/*
 * multipart/form-data: what is read, and everything that two readers could
 * take apart differently, refused with its sentence.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "gateway/multipart.h"

#define CD "Content-Disposition: form-data; name="
#define DATA(body)                                                             \
	{                                                                      \
		body, sizeof(body) - 1                                         \
	}

static bool
read_form(struct text body, struct multipart_part *parts, size_t *count,
    struct fault *f)
{
	return multipart_read(body, text_of("b"), parts, count, f);
}

static void
test_parts(void **state)
{
	static const char body[] =
	    "--b\r\n" CD "\"a\"\r\n\r\none\r\n"
	    "--b\r\nX-Y: z\r\n" CD "two; filename=\"x\\\".y\"\r\n"
	    "Content-Type: text/plain\r\n\r\n\r\n"
	    "--b\r\n" CD "\"c\"\r\n\r\n\0\r\n-\r\n--a\r\n"
	    "--b--";
	struct multipart_part parts[MULTIPART_PARTS];
	const struct multipart_part *found;
	struct fault f = {0};
	size_t count;

	(void)state;
	if (!read_form((struct text)DATA(body), parts, &count, &f))
		fail_msg("%s", f.why);
	assert_int_equal(count, 3);
	assert_true(text_is(parts[0].name, "a"));
	assert_true(text_is(parts[0].body, "one"));
	assert_true(text_is(parts[1].name, "two"));
	assert_int_equal(parts[1].body.len, 0);
	assert_true(text_is(parts[2].name, "c"));
	assert_int_equal(parts[2].body.len, 9);
	assert_memory_equal(parts[2].body.at, "\0\r\n-\r\n--a", 9);
	assert_ptr_equal(parts[0].around.at, body);
	assert_ptr_equal(
	    parts[0].around.at + parts[0].around.len, parts[1].around.at);
	assert_true(multipart_find(parts, count, "two", &found, &f));
	assert_ptr_equal(found, &parts[1]);
	assert_true(multipart_find(parts, count, "TWO", &found, &f));
	assert_null(found);
}

static const struct {
	struct text body;
	const char *why;
} refusals[] = {
    {DATA(""), "no delimiter"},
    {DATA("--c\r\n"), "no delimiter"},
    {DATA("preamble\r\n--b\r\n" CD "a\r\n\r\n1\r\n--b--"), "no delimiter"},
    {DATA("\r\n--b\r\n" CD "a\r\n\r\n1\r\n--b--"), "no delimiter"},
    {DATA("--b"), "not quite"},
    {DATA("--b\n" CD "a\n\n1\n--b--\n"), "not quite"},
    {DATA("--b \r\n" CD "a\r\n\r\n1\r\n--b--"), "not quite"},
    {DATA("--bb\r\n" CD "a\r\n\r\n1\r\n--bb--"), "not quite"},
    {DATA("--b\r\n" CD "a\r\n\r\n1\r\n--bx\r\n--b--"), "not quite"},
    {DATA("--b\r\n" CD "a\r\n\r\n1\r\n--b -\r\n"), "not quite"},
    {DATA("--b\r\n" CD "a\r\n\r\n1"), "without an end"},
    {DATA("--b\r\n" CD "a\r\n\r\n1--b--"), "without an end"},
    {DATA("--b\r\n" CD "a\r\n"), "unterminated head"},
    {DATA("--b\r\n" CD "a"), "unterminated head"},
    {DATA("--b\r\n\r\n1\r\n--b--"), "without content-disposition"},
    {DATA("--b\r\nX: y\r\n\r\n1\r\n--b--"), "without content-disposition"},
    {DATA("--b\r\n" CD "a\r\n" CD "b\r\n\r\n1\r\n--b--"),
	"second content-disposition"},
    {DATA("--b\r\n" CD "a;\r\n name=b\r\n\r\n1\r\n--b--"), "broken"},
    {DATA("--b\r\n" CD "a\r\n folded: x\r\n\r\n1\r\n--b--"), "broken field"},
    {DATA("--b\r\nContent-Disposition : form-data; name=a\r\n\r\n\r\n--b--"),
	"broken field"},
    {DATA("--b\r\n" CD "a\rX: y\r\n\r\n1\r\n--b--"), "control character"},
    {DATA("--b\r\n" CD "\"a\0b\"\r\n\r\n1\r\n--b--"), "control character"},
    {DATA("--b\r\n" CD "\"\xff\"\r\n\r\n1\r\n--b--"), "bad UTF-8"},
    {DATA("--b\r\n" CD "\"a\\\"b\"\r\n\r\n1\r\n--b--"), "ambiguous name"},
    {DATA("--b\r\n" CD "\"\"\r\n\r\n1\r\n--b--"), "ambiguous name"},
    {DATA("--b\r\n" CD "\"a\r\n\r\n1\r\n--b--"), "broken content-disp"},
    {DATA("--b\r\n" CD "a; name=b\r\n\r\n1\r\n--b--"), "broken content-disp"},
    {DATA("--b\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b--"),
	"without a name"},
    {DATA("--b\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--b--"),
	"not form-data"},
    {DATA("--b\r\n" CD "a\r\n\r\n1\r\n--b--\r\nepilogue"), "behind the last"},
    {DATA("--b\r\n" CD "a\r\n\r\n1\r\n--b--\n"), "behind the last"},
};

static void
test_refusals(void **state)
{
	struct multipart_part parts[MULTIPART_PARTS];
	size_t count;

	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct fault f = {0};

		if (read_form(refusals[i].body, parts, &count, &f))
			fail_msg("accepted: %s", refusals[i].body.at);
		assert_int_equal(f.kind, FAULT_INVALID_REQUEST);
		if (strstr(f.why, refusals[i].why) == NULL)
			fail_msg("%s: \"%s\" lacks \"%s\"", refusals[i].body.at,
			    f.why, refusals[i].why);
	}
}

static void
test_bounds(void **state)
{
	static const char part[] = "--b\r\n" CD "a\r\n\r\n1\r\n";
	struct multipart_part parts[MULTIPART_PARTS];
	struct arena *a = arena_new();
	struct fault f = {0};
	char *body = arena_alloc(a, 20000);
	size_t len = 0, count;

	(void)state;
	for (int i = 0; i < MULTIPART_PARTS; i++, len += sizeof(part) - 1)
		memcpy(body + len, part, sizeof(part) - 1);
	memcpy(body + len, "--b--", 6);
	assert_true(read_form(text_of(body), parts, &count, &f));
	assert_int_equal(count, MULTIPART_PARTS);
	memcpy(body + len, part, sizeof(part) - 1);
	memcpy(body + len + sizeof(part) - 1, "--b--", 6);
	assert_false(read_form(text_of(body), parts, &count, &f));
	assert_non_null(strstr(f.why, "too many parts"));

	len = (size_t)snprintf(body, 20000, "--b\r\n" CD "a\r\nX: ");
	memset(body + len, 'x', 9000);
	snprintf(body + len + 9000, 100, "\r\n\r\n1\r\n--b--");
	assert_false(read_form(text_of(body), parts, &count, &f));
	assert_non_null(strstr(f.why, "unterminated head"));
	arena_free(&a);
}

static void
test_boundary(void **state)
{
	static const struct {
		const char *type;
		const char *boundary; /* NULL: refused */
	} cases[] = {
	    {"multipart/form-data; boundary=abc", "abc"},
	    {"Multipart/Form-Data;BOUNDARY=\"a b\"", "a b"},
	    {"multipart/form-data; charset=utf-8; boundary=----x", "----x"},
	    {"multipart/form-data", NULL},
	    {"multipart/form-data; boundary=", NULL},
	    {"multipart/form-data; boundary=\"a \"", NULL},
	    {"multipart/form-data; boundary=\"a", NULL},
	    {"multipart/form-data; boundary=a; boundary=b", NULL},
	    {"multipart/form-data; boundary=\"a\\\"b\"", NULL},
	    {"multipart/form-data boundary=a", NULL},
	    {"multipart/mixed; boundary=a", NULL},
	    {"application/json", NULL},
	    {NULL, NULL},
	    {"multipart/form-data; boundary="
	     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	     "aaaaaaa",
		NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fault f = {0};
		struct text b;
		bool ok = multipart_boundary(cases[i].type, &b, &f);

		if (ok != (cases[i].boundary != NULL))
			fail_msg("%s", cases[i].type);
		if (ok)
			assert_true(text_is(b, cases[i].boundary));
		else
			assert_int_equal(f.kind, FAULT_UNSUPPORTED_MEDIA_TYPE);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_boundary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
