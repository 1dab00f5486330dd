/* SPDX-License-Identifier: Apache-2.0 */
/* The cursor: both byte orders, and failure that stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cursor.h"

static const uint8_t data[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};

static struct cursor
fresh(size_t len)
{
	return cursor_of(bytes_of(data, len));
}

static void
reads_both_orders(void **state)
{
	struct cursor c = fresh(8);

	(void)state;
	assert_true(cursor_u64le(&c) == UINT64_C(0xefcdab8967452301));
	assert_true(cursor_done(&c));
	c = fresh(8);
	assert_true(cursor_u64be(&c) == UINT64_C(0x0123456789abcdef));
	c = fresh(8);
	assert_int_equal(cursor_u8(&c), 0x01);
	assert_int_equal(cursor_u16le(&c), 0x4523);
	assert_int_equal(cursor_u24le(&c), 0xab8967);
	assert_int_equal(cursor_u16be(&c), 0xcdef);
	assert_true(cursor_done(&c));
	c = fresh(8);
	assert_int_equal(cursor_u32le(&c), 0x67452301u);
	assert_int_equal(cursor_u32be(&c), 0x89abcdefu);
	assert_true(cursor_done(&c));
}

static void
a_short_read_fails_for_good(void **state)
{
	struct cursor c = fresh(3);
	struct bytes b;

	(void)state;
	assert_int_equal(cursor_u32le(&c), 0);
	assert_true(c.failed);
	assert_int_equal(cursor_u8(&c), 0);
	b = cursor_take(&c, 0);
	assert_null(b.at);
	assert_int_equal(b.len, 0);
	assert_false(cursor_done(&c));
}

static void
takes_are_bounded(void **state)
{
	struct cursor c = fresh(8);
	struct bytes b = cursor_take(&c, 5);

	(void)state;
	assert_ptr_equal(b.at, data);
	assert_int_equal(b.len, 5);
	assert_int_equal(c.left, 3);
	assert_false(cursor_done(&c));
	b = cursor_take(&c, SIZE_MAX);
	assert_null(b.at);
	assert_true(c.failed);
	c = cursor_of(bytes_of(NULL, 0));
	assert_true(cursor_done(&c));
	b = cursor_take(&c, 0);
	assert_true(cursor_done(&c));
	assert_int_equal(b.len, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_both_orders),
	    cmocka_unit_test(a_short_read_fails_for_good),
	    cmocka_unit_test(takes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
