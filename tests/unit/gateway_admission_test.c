/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admission: the table of fixtures/admission.cases, every reason in it at
 * least once, and the two small readings of an offer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway_world.h"

static enum rejection
judge(char *offer, char *query)
{
	struct world w;
	struct admission x;
	enum rejection r;

	world_init(&w);
	assert_true(world_offer(&w, "p", offer));
	assert_true(world_query(&w, query));
	world_close(&w);
	x = world_ask(&w).admission;
	r = offer_admit(
	    &x, offers_find(w.offers, "did:assay:p", "chat", "test:model"));
	world_free(&w);
	return r;
}

static void
test_cases(void **state)
{
	FILE *file = fopen(ASSAY_FIXTURES "/admission.cases", "r");
	unsigned seen[REJECT_COUNT] = {0};
	char buffer[512];
	char *column[3];
	int line = 0;

	(void)state;
	assert_non_null(file);
	while (world_case(file, buffer, sizeof(buffer), &line, column)) {
		enum rejection r = judge(column[0], column[1]);

		seen[r]++;
		if (strcmp(rejection_name(r), column[2]) != 0)
			fail_msg("admission.cases:%d: %s, not %s", line,
			    rejection_name(r), column[2]);
	}
	fclose(file);
	for (int r = 0; r < REJECT_COUNT; r++) {
		if (seen[r] == 0)
			fail_msg("no case ends in %s",
			    rejection_name((enum rejection)r));
	}
}

static void
test_pool_and_tier(void **state)
{
	struct world w;
	const struct offer *own, *other;

	(void)state;
	world_init(&w);
	assert_true(world_offer(&w, "a", (char[]){"home=A"}));
	assert_true(world_offer(&w, "b", (char[]){"home=B,tier=gold"}));
	world_close(&w);
	own = offers_find(w.offers, "did:assay:a", "chat", "test:model");
	other = offers_find(w.offers, "did:assay:b", "chat", "test:model");
	assert_int_equal(offer_pool(&w.query, own), POOL_WORKSPACE);
	assert_int_equal(offer_pool(&w.query, other), POOL_MARKETPLACE);
	assert_int_equal(offer_tier(w.catalog, own), TIER_BRONZE);
	assert_int_equal(offer_tier(w.catalog, other), TIER_GOLD);
	world_free(&w);
}

/* What an offer remembers is of one snapshot: another one is asked anew, and
 * the old one still says what it said. */
static void
test_each_snapshot_is_asked(void **state)
{
	const struct catalog *old, *revoked;
	struct draft *d = draft_new(CATALOG_DEVICES);
	const struct offer *o;
	struct admission x;
	struct world w;

	(void)state;
	world_init(&w);
	assert_true(world_offer(&w, "p", (char[]){"tier=gold"}));
	world_close(&w);
	o = offers_find(w.offers, "did:assay:p", "chat", "test:model");
	x = world_ask(&w).admission;
	old = w.catalog;
	draft_device(d, &(struct catalog_device){.did = "did:assay:p",
			    .workspace = WORLD_B,
			    .is_revoked = true});
	revoked = catalog_next(old, &d);
	for (int i = 0; i < 2; i++) {
		x.catalog = old;
		assert_int_equal(offer_admit(&x, o), ADMISSIBLE);
		x.catalog = revoked;
		assert_int_equal(offer_admit(&x, o), REJECT_DEVICE_REVOKED);
		assert_int_equal(offer_tier(revoked, o), TIER_GOLD);
	}
	d = draft_new(CATALOG_SCORES);
	w.catalog = catalog_next(old, &d);
	assert_int_equal(offer_tier(w.catalog, o), TIER_BRONZE);
	assert_int_equal(offer_tier(old, o), TIER_GOLD);
	catalog_unref(&old);
	catalog_unref(&revoked);
	world_free(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cases),
	    cmocka_unit_test(test_pool_and_tier),
	    cmocka_unit_test(test_each_snapshot_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
