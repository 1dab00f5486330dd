/* SPDX-License-Identifier: Apache-2.0 */
/* API keys and enrolment codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "auth/key.h"
#include "base/codec.h"

static void
test_new_ones(void **state)
{
	char a[KEY_TEXT], b[KEY_TEXT], code[CODE_TEXT], hint[KEY_HINT_TEXT];

	(void)state;
	key_new(a);
	key_new(b);
	assert_string_not_equal(a, b);
	assert_int_equal(strlen(a), KEY_TEXT - 1);
	assert_true(key_is_wellformed(text_of(a)));
	assert_false(code_is_wellformed(text_of(a))); /* the underscores */
	key_hint(text_of(a), hint);
	assert_int_equal(strlen(hint), 12);
	assert_memory_equal(a, hint, 12);
	code_new(code);
	assert_int_equal(strlen(code), CODE_TEXT - 1);
	assert_true(code_is_wellformed(text_of(code)));
	assert_false(key_is_wellformed(text_of(code)));
}

static void
test_form(void **state)
{
	static const struct {
		const char *text;
		bool is;
	} cases[] = {
	    {"lv_live_0123456789abcdef", true},
	    {"lv_live_0123456789abcde", false},
	    {"lv_live_0123456789abcde-", false},
	    {"lv_live_0123456789abcdef ", false},
	    {"lv_test_0123456789abcdef", false},
	    {"LV_LIVE_0123456789abcdef", false},
	    {"", false},
	    {"lv_live_", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(
		    key_is_wellformed(text_of(cases[i].text)), cases[i].is);
}

static void
test_digest_covers_the_whole_text(void **state)
{
	uint8_t digest[32];
	char hex[HEX_SIZE(32)];

	(void)state;
	key_sha256(text_of("lv_live_abc"), digest);
	hex_encode(bytes_of(digest, 32), hex);
	assert_string_equal(hex,
	    "5e3f1bd392f2095861875e0920e2f798c81511f0d63c5fa7a4815e9a971bade6");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_new_ones),
	    cmocka_unit_test(test_form),
	    cmocka_unit_test(test_digest_covers_the_whole_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
