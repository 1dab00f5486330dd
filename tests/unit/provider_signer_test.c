/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the worker's key signs, the library that buyers use recovers; another
 * text, or another key, does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "provider/signer.h"

static void
test_signs(void **state)
{
	static const char text[] =
	    "lovelace:m:"
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855:"
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
	struct signer *s = signer_new(), *other = signer_new();
	char signature[SIGNATURE_TEXT];
	struct bytes message = bytes_of(text, strlen(text));
	struct fault f;

	(void)state;
	signer_sign(s, text_of(text), signature);
	assert_int_equal(strlen(signature), 2 + 2 * EIP191_SIGNATURE);
	assert_true(
	    eip191_verify(message, text_of(signature), signer_address(s), &f));
	assert_false(eip191_verify(
	    message, text_of(signature), signer_address(other), &f));
	assert_false(eip191_verify(bytes_of(text, strlen(text) - 1),
	    text_of(signature), signer_address(s), &f));
	signer_free(&s);
	signer_free(&other);
	assert_null(s);
}

static void
test_is_a_chat_signature(void **state)
{
	struct signer *s = signer_new();
	char signature[SIGNATURE_TEXT];
	struct chat_signature c;
	struct chat_text out;
	struct fault f;

	(void)state;
	c.text = text_of(
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855:"
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	signer_sign(s, c.text, signature);
	c.signature = text_of(signature);
	c.address = text_of(signer_address_text(s));
	c.algorithm = text_of("ecdsa");
	assert_true(chat_signature_verify(&c, &out, &f));
	assert_true(chat_text_covers(
	    &out, text_of(""), bytes_of("", 0), bytes_of("", 0), &f));
	signer_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_signs),
	    cmocka_unit_test(test_is_a_chat_signature),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
