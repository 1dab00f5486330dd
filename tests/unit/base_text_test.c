/* SPDX-License-Identifier: Apache-2.0 */
/* Text views, and the forms every program shares, accepted and refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static void
views_compare(void **state)
{
	struct text none = text_of(NULL);
	struct bytes a = bytes_of("abc", 3);
	struct bytes b = bytes_of("abd", 3);

	(void)state;
	assert_int_equal(none.len, 0);
	assert_true(text_is(none, ""));
	assert_true(text_equal(none, text_of("")));
	assert_true(text_is(text_of("abc"), "abc"));
	assert_false(text_is(text_of("abc"), "ab"));
	assert_false(text_is((struct text){"ab\0", 3}, "ab"));
	assert_true(bytes_equal(a, a));
	assert_false(bytes_equal(a, b));
	assert_true(bytes_equal_secret(a, a));
	assert_false(bytes_equal_secret(a, b));
	assert_false(bytes_equal_secret(a, bytes_of("abc", 2)));
	assert_true(bytes_equal_secret(bytes_of(NULL, 0), bytes_of("", 0)));
	assert_true(text_starts_with(text_of("unix:/x"), "unix:"));
	assert_false(text_starts_with(text_of("uni"), "unix:"));
	assert_true(text_starts_with(none, ""));
}

static void
utf8_by_rfc_3629(void **state)
{
	static const char *const good[] = {"", "a", "\x7f", "\xc2\x80",
	    "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
	    "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
	    "na\xc3\xafve \xf0\x9f\x98\x80"};
	static const char *const bad[] = {"\x80", "\xbf", "\xc0\x80",
	    "\xc1\xbf", "\xc2", "\xc2\x41", "\xc2\xc2", "\xe0\x9f\xbf",
	    "\xe0\xa0", "\xed\xa0\x80", "\xed\xbf\xbf", "\xe1\x80\x41",
	    "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
	    "\xf0\x90\x80", "\xfe", "\xff", "ok\xe2\x82"};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(text_is_utf8(text_of(good[i])));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(text_is_utf8(text_of(bad[i])));
}

static void
store_fits_or_refuses(void **state)
{
	char out[4];

	(void)state;
	assert_true(text_store(text_of("abc"), out, sizeof(out)));
	assert_string_equal(out, "abc");
	assert_false(text_store(text_of("abcd"), out, sizeof(out)));
	assert_true(text_store(text_of(NULL), out, sizeof(out)));
	assert_string_equal(out, "");
	assert_false(text_store(text_of(""), out, 0));
}

static void
escape_is_printable_and_cut_whole(void **state)
{
	static const struct {
		const char *in;
		size_t size;
		const char *out;
	} cases[] = {
	    {"plain", 20, "plain"},
	    {"plain", 6, "plain"},
	    {"plain", 5, "p..."},
	    {"a\nb", 20, "a\\x0ab"},
	    {"a\nb", 7, "a\\x0ab"},
	    {"a\nb", 6, "a..."},
	    {"\xff\x00", 20, "\\xff"},
	    {"abcdef", 4, "..."},
	    {"abcdef", 3, ".."},
	    {"abcdef", 1, ""},
	    {"", 1, ""},
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		memset(out, '#', sizeof(out));
		text_escape(text_of(cases[i].in), out, cases[i].size);
		assert_string_equal(out, cases[i].out);
	}
}

static void
numbers_are_digits_only(void **state)
{
	static const char *const bad[] = {"", "+1", "-1", " 1", "1 ", "1a",
	    "0x1", "18446744073709551616", "99999999999999999999"};
	uint64_t n = 7;

	(void)state;
	assert_true(text_to_u64(text_of("0"), &n));
	assert_int_equal(n, 0);
	assert_true(text_to_u64(text_of("18446744073709551615"), &n));
	assert_true(n == UINT64_MAX);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(text_to_u64(text_of(bad[i]), &n));
}

static void
dids_by_generic_syntax(void **state)
{
	static const char *const good[] = {
	    "did:assay:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169",
	    "did:web:a.example", "did:x:a:b", "did:x::a", "did:x:%41_-."};
	static const char *const bad[] = {"", "did", "did:", "did:assay",
	    "did:assay:", "did::x", "DID:assay:x", "did:Assay:x",
	    "did:assay:x:", "did:assay:x#k", "did:assay:x?q", "did:assay:x/p",
	    "did:assay:%4", "did:assay:%zz", "did:assay:x y", "did:assay:x\n",
	    "did:assay:\xc3\xa9", " did:assay:x"};
	char longest[202] = "did:assay:";

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(text_is_did(text_of(good[i])));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(text_is_did(text_of(bad[i])));
	memset(longest + 10, 'z', 191);
	assert_false(text_is_did((struct text){longest, 201}));
	assert_true(text_is_did((struct text){longest, 200}));
}

static void
uuids_carry_their_time(void **state)
{
	static const uint8_t ones[10] = {
	    255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
	static const uint8_t zeros[10];
	static const char *const bad[] = {"",
	    "018bcfe5-6800-7000-8000-00000000000",
	    "018bcfe5-6800-7000-8000-0000000000000",
	    "018BCFE5-6800-7000-8000-000000000000",
	    "018bcfe506800-7000-8000-000000000000",
	    "018bcfe5-6800-7000-8000-00000000000g"};
	char a[UUID_TEXT];
	char b[UUID_TEXT];

	(void)state;
	uuid_v7(INT64_C(1700000000000), zeros, a);
	assert_string_equal(a, "018bcfe5-6800-7000-8000-000000000000");
	uuid_v7(INT64_C(1700000000000), ones, b);
	assert_string_equal(b, "018bcfe5-6800-7fff-bfff-ffffffffffff");
	assert_int_equal(uuid_v7_time(a), INT64_C(1700000000000));
	assert_int_equal(uuid_v7_time(b), INT64_C(1700000000000));
	uuid_v7(-1, zeros, b);
	assert_int_equal(uuid_v7_time(b), 0);
	assert_true(strcmp(b, a) < 0);
	assert_true(text_is_uuid(text_of(a)));
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(text_is_uuid(text_of(bad[i])));
		assert_int_equal(uuid_v7_time(bad[i]), -1);
	}
	assert_int_equal(
	    uuid_v7_time("018bcfe5-6800-4000-8000-000000000000"), -1);
	assert_int_equal(
	    uuid_v7_time("018bcfe5-6800-7000-c000-000000000000"), -1);
	assert_int_equal(uuid_v7_time(NULL), -1);
}

static void
times_by_rfc_3339(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
	    {0, "1970-01-01T00:00:00Z"},
	    {1, "1970-01-01T00:00:00.001Z"},
	    {-1, "1969-12-31T23:59:59.999Z"},
	    {INT64_C(1709210096789), "2024-02-29T12:34:56.789Z"},
	    {INT64_C(951782400000), "2000-02-29T00:00:00Z"},
	    {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
	    {INT64_C(-62167219200000), "0000-01-01T00:00:00Z"},
	};
	char out[RFC3339_TEXT];
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		time_to_rfc3339(cases[i].ms, out);
		assert_string_equal(out, cases[i].text);
		assert_true(time_of_rfc3339(text_of(out), &ms));
		assert_true(ms == cases[i].ms);
	}
	time_to_rfc3339(INT64_MAX, out);
	assert_string_equal(out, "9999-12-31T23:59:59.999Z");
	time_to_rfc3339(INT64_MIN, out);
	assert_string_equal(out, "0000-01-01T00:00:00Z");
}

static void
times_in_other_spellings(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} cases[] = {
	    {"1970-01-01t00:00:01z", 1000},
	    {"1970-01-01T01:00:00+01:00", 0},
	    {"1970-01-01T00:00:00-00:30", 1800000},
	    {"1970-01-01T00:00:00.5Z", 500},
	    {"1970-01-01T00:00:00.123456789Z", 123},
	    {"1970-01-01T00:00:00.Z", -1},
	    {"1970-01-01T00:00:00", -1},
	    {"1970-01-01 00:00:00Z", -1},
	    {"1970-1-01T00:00:00Z", -1},
	    {"1970-00-01T00:00:00Z", -1},
	    {"1970-13-01T00:00:00Z", -1},
	    {"1970-01-32T00:00:00Z", -1},
	    {"1970-02-29T00:00:00Z", -1},
	    {"1900-02-29T00:00:00Z", -1},
	    {"1970-01-01T24:00:00Z", -1},
	    {"1970-01-01T00:60:00Z", -1},
	    {"1970-01-01T00:00:60Z", -1},
	    {"1970-01-01T00:00:00Z ", -1},
	    {"1970-01-01T00:00:00+24:00", -1},
	    {"1970-01-01T00:00:00+0100", -1},
	    {"+970-01-01T00:00:00Z", -1},
	    {"", -1},
	};
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		bool ok = time_of_rfc3339(text_of(cases[i].text), &ms);

		assert_int_equal(ok, cases[i].ms >= 0);
		if (ok)
			assert_int_equal(ms, cases[i].ms);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(views_compare),
	    cmocka_unit_test(utf8_by_rfc_3629),
	    cmocka_unit_test(store_fits_or_refuses),
	    cmocka_unit_test(escape_is_printable_and_cut_whole),
	    cmocka_unit_test(numbers_are_digits_only),
	    cmocka_unit_test(dids_by_generic_syntax),
	    cmocka_unit_test(uuids_carry_their_time),
	    cmocka_unit_test(times_by_rfc_3339),
	    cmocka_unit_test(times_in_other_spellings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
