/* SPDX-License-Identifier: Apache-2.0 */
/* A buyer's question for evidence: in a body, and in a query. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/wish.h"

#define HALF "00112233445566778899aabbccddeeff"
#define SHORT HALF HALF

struct row {
	const char *text;
	const char *why; /* NULL: taken */
	bool collateral;
};

static void
check(const struct row *r, bool ok, const struct wish *w, const struct fault *f)
{
	if (ok != (r->why == NULL) || (!ok && strstr(f->why, r->why) == NULL))
		fail_msg("%s: %s", r->text, f->why);
	if (!ok)
		return;
	assert_string_equal(w->model, "o/m");
	assert_string_equal(w->nonce, SHORT);
	assert_int_equal(w->collateral, r->collateral);
}

static void
test_body(void **state)
{
	static const struct row rows[] = {
	    {"{\"model_id\":\"o/m\",\"nonce\":\"" SHORT "\"}", NULL, false},
	    {"{\"nonce\":\"" SHORT "\"}", "'model_id' is missing", false},
	    {"{\"model_id\":\"o/m\"}", "'nonce' is missing", false},
	    {"{\"model_id\":\"o/m\",\"nonce\":\"xyz\"}", "nonce", false},
	    {"{\"model_id\":\"o/m\",\"nonce\":\"" SHORT "0\"}", "'nonce'",
		false},
	    {"[]", "", false},
	};
	struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fault f = {0};
		struct wish w;
		bool ok = wish_read(text_of(rows[i].text), a, &w, &f);

		check(&rows[i], ok, &w, &f);
	}
	arena_free(&a);
}

static void
test_query(void **state)
{
	static const struct row rows[] = {
	    {"model=o%2Fm&nonce=" SHORT, NULL, false},
	    {"nonce=" SHORT "&model=o/m&collateral=true", NULL, true},
	    {"nonce=" SHORT "&model=o/m&collateral=false", NULL, false},
	    {"nonce=" SHORT "&model=o/m&signing_algo=ecdsa", NULL, false},
	    {"nonce=" SHORT "&model=o/m&signing_algo=ed25519",
		"sign with ecdsa alone", false},
	    {"nonce=" SHORT "&model=o/m&collateral=1",
		"collateral is true or false", false},
	    {"model=o/m", "give model and nonce", false},
	    {"model=o/m&nonce=zz", "nonce", false},
	    {"model=%zz&nonce=" SHORT, "give model and nonce", false},
	    {NULL, "give model and nonce", false},
	};
	struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fault f = {0};
		struct wish w;
		bool ok = wish_of_query(rows[i].text, a, &w, &f);

		check(&rows[i], ok, &w, &f);
		if (!ok)
			assert_int_equal(f.kind, FAULT_INVALID_REQUEST);
	}
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_body),
	    cmocka_unit_test(test_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
