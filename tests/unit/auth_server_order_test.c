/* SPDX-License-Identifier: Apache-2.0 */
/* What gateways and devices ask for: in form, or refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "auth/key.h"
#include "auth/server/order.h"

static json_t *
whole(void)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "aud", "a",
	    "sub", "b", "workspace", "c", "task", "d", "model", "e", "pool",
	    "f", "request_id", "g");
}

static void
test_handoff(void **state)
{
	static const char *const names[] = {
	    "aud", "sub", "workspace", "task", "model", "pool", "request_id"};
	struct handoff_claims c = {0};
	struct fault f = {0};
	json_t *j = whole();
	char missing[40];

	(void)state;
	assert_true(handoff_order_read(j, &c, &f));
	assert_string_equal(c.aud, "a");
	assert_string_equal(c.request_id, "g");
	assert_null(c.cnf_x5t_s256);
	json_object_set_new(j, "cnf_x5t_s256", json_string("h"));
	assert_true(handoff_order_read(j, &c, &f));
	assert_string_equal(c.cnf_x5t_s256, "h");
	json_free(&j);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		j = whole();
		json_object_del(j, names[i]);
		assert_false(handoff_order_read(j, &c, &f));
		assert_int_equal(f.kind, FAULT_INVALID_REQUEST);
		snprintf(missing, sizeof(missing), "'%s' is missing", names[i]);
		assert_non_null(strstr(f.why, missing));
		json_free(&j);
	}
}

static void
test_names_are_bounded(void **state)
{
	struct handoff_claims c = {0};
	struct fault f = {0};
	char name[202];

	(void)state;
	memset(name, 'x', sizeof(name));
	for (size_t len = 200; len <= 201; len++) {
		json_t *j = whole();

		json_object_set_new(j, "model", json_stringn(name, len));
		assert_int_equal(handoff_order_read(j, &c, &f), len == 200);
		json_free(&j);
	}
}

static void
test_device(void **state)
{
	struct ec_key *key = ec_key_generate(), *read;
	uint8_t digest[32], expected[32];
	struct arena *a = arena_new();
	struct fault f = {0};
	json_t *j;

	(void)state;
	j = json_pack(
	    "{s:s, s:s}", "code", "CODE", "csr", csr_write(a, key, NULL));
	assert_true(device_order_read(j, digest, &read, &f));
	ec_key_free(&read);
	key_sha256(text_of("CODE"), expected);
	assert_memory_equal(digest, expected, 32);
	json_object_del(j, "code");
	assert_false(device_order_read(j, digest, &read, &f));
	assert_int_equal(f.kind, FAULT_INVALID_REQUEST);
	assert_null(read);
	assert_true(device_order_read(j, NULL, &read, &f));
	ec_key_free(&read);
	json_object_set_new(j, "csr", json_string("-----BEGIN NOTHING"));
	assert_false(device_order_read(j, NULL, &read, &f));
	assert_int_equal(f.kind, FAULT_CSR_INVALID);
	assert_null(read);
	json_object_del(j, "csr");
	assert_false(device_order_read(j, NULL, &read, &f));
	assert_non_null(strstr(f.why, "'csr' is missing"));
	json_free(&j);
	ec_key_free(&key);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_handoff),
	    cmocka_unit_test(test_names_are_bounded),
	    cmocka_unit_test(test_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
