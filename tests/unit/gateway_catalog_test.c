/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalog snapshot: found by every key, private models seen by their own
 * workspace alone, rows that belong nowhere dropped, and one part replaced
 * without touching whoever still reads the snapshot before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <string.h>

#include "gateway/catalog.h"

#define W "11111111-1111-7111-8111-111111111111"
#define OTHER "22222222-2222-7222-8222-222222222222"

static struct draft *
models(const char *display_name)
{
	struct draft *d = draft_new(CATALOG_MODELS);
	uint8_t one[32], two[32];

	memset(one, 1, sizeof(one));
	memset(two, 2, sizeof(two));
	draft_task(
	    d, &(struct catalog_task){"chat", "/v1/chat/completions", false});
	draft_model(d, &(struct catalog_model){
			   .canonical = "t:z", .display_name = display_name});
	draft_model(
	    d, &(struct catalog_model){
		   .canonical = "t:a", .workspace = W, .context_length = 9});
	draft_model_task(d, "t:z", "chat");
	draft_artifact(d, "t:z",
	    &(struct catalog_artifact){.id = "x", .quantization = "Q4"});
	draft_file(d, "x", two);
	draft_file(d, "x", one);
	draft_file(d, "x", two);
	return d;
}

static void
test_models(void **state)
{
	struct draft *d = models("Zed");
	const struct catalog *c = catalog_next(NULL, &d);
	const struct catalog_artifact *const *at;
	const struct catalog_model *m;
	uint8_t files[3][32];
	size_t count;

	(void)state;
	assert_null(d);
	assert_false(catalog_is_whole(c));
	assert_int_equal(catalog_task_count(c), 1);
	assert_string_equal(
	    catalog_task_at(c, 0)->path, "/v1/chat/completions");
	assert_null(catalog_task_find(c, text_of("cha")));
	assert_int_equal(catalog_model_count(c), 2);
	assert_string_equal(catalog_model_at(c, 0)->canonical, "t:a");
	m = catalog_model_find(c, text_of("t:z"), OTHER);
	assert_string_equal(m->display_name, "Zed");
	assert_true(catalog_model_has_task(m, "chat"));
	assert_false(catalog_model_has_task(m, "speech"));
	assert_null(catalog_model_find(c, text_of("t:a"), OTHER));
	assert_int_equal(
	    catalog_model_find(c, text_of("t:a"), W)->context_length, 9);

	/* The multiset, sorted: 1 2 2. */
	memset(files[0], 1, 32);
	memset(files[1], 2, 32);
	memset(files[2], 2, 32);
	at = catalog_artifacts_of(c, (const void *)files, 3, &count);
	assert_int_equal(count, 1);
	assert_string_equal(at[0]->id, "x");
	assert_ptr_equal(at[0]->model, m);
	(void)catalog_artifacts_of(c, (const void *)files, 2, &count);
	assert_int_equal(count, 0);
	(void)catalog_artifacts_of(c, (const void *)files, 0, &count);
	assert_int_equal(count, 0);
	(void)catalog_artifacts_with(c, files[2], &count);
	assert_int_equal(count, 1);
	catalog_unref(&c);
	assert_null(c);
	catalog_unref(&c);
}

static void
test_stray_rows_are_dropped(void **state)
{
	struct draft *d = models(NULL);
	const struct catalog *c;
	uint8_t hash[32] = {0};

	(void)state;
	draft_model_task(d, "t:none", "chat");
	draft_model_task(d, "t:z", "chess");
	draft_artifact(d, "t:none",
	    &(struct catalog_artifact){.id = "y", .quantization = ""});
	draft_file(d, "y", hash);
	assert_int_equal(draft_dropped(d), 4);
	c = catalog_next(NULL, &d);
	assert_int_equal(
	    catalog_model_find(c, text_of("t:z"), W)->task_count, 1);
	catalog_unref(&c);
	d = models(NULL);
	draft_free(&d);
	assert_null(d);
	draft_free(&d);
}

static void
test_parts_are_shared(void **state)
{
	struct catalogs *h = catalogs_new();
	const struct catalog *first, *old;
	struct draft *d = models("one");

	(void)state;
	assert_false(catalog_is_whole(catalogs_now(h)));
	assert_null(catalog_device_find(catalogs_now(h), "did:assay:a"));
	assert_int_equal(catalog_model_count(catalogs_now(h)), 0);
	catalogs_set(h, catalog_next(catalogs_now(h), &d));
	old = catalog_ref(catalogs_now(h));
	first = old;
	d = draft_new(CATALOG_DEVICES);
	draft_device(
	    d, &(struct catalog_device){.did = "did:assay:a", .workspace = W});
	draft_revoked_certificate(d, "0F");
	catalogs_set(h, catalog_next(catalogs_now(h), &d));
	assert_ptr_not_equal(catalogs_now(h), first);
	/* The models are the very same, the old snapshot has no device. */
	assert_ptr_equal(
	    catalog_model_at(old, 0), catalog_model_at(catalogs_now(h), 0));
	assert_null(catalog_device_find(old, "did:assay:a"));
	assert_non_null(catalog_device_find(catalogs_now(h), "did:assay:a"));
	assert_true(catalog_certificate_is_revoked(catalogs_now(h), "0F"));
	assert_false(catalog_certificate_is_revoked(old, "0F"));

	d = models("two");
	catalogs_set(h, catalog_next(catalogs_now(h), &d));
	assert_string_equal(
	    catalog_model_find(old, text_of("t:z"), W)->display_name, "one");
	assert_string_equal(
	    catalog_model_find(catalogs_now(h), text_of("t:z"), W)
		->display_name,
	    "two");
	d = draft_new(CATALOG_SCORES);
	catalogs_set(h, catalog_next(catalogs_now(h), &d));
	assert_true(catalog_is_whole(catalogs_now(h)));
	catalogs_free(&h);
	assert_string_equal(
	    catalog_model_find(old, text_of("t:z"), W)->display_name, "one");
	catalog_unref(&old);
}

static void
test_scores(void **state)
{
	struct draft *d = draft_new(CATALOG_SCORES);
	const struct catalog *c;
	size_t count;

	(void)state;
	draft_score(d, &(struct catalog_score){.did = "did:assay:a",
			   .task = "chat",
			   .model = "t:z",
			   .tier = TIER_GOLD,
			   .score = 90});
	draft_score(d, &(struct catalog_score){.did = "did:assay:a",
			   .task = "chat",
			   .model = "t:y",
			   .tier = TIER_SILVER,
			   .score = -1});
	c = catalog_next(NULL, &d);
	assert_int_equal(
	    catalog_score_find(c, "did:assay:a", "chat", "t:z")->tier,
	    TIER_GOLD);
	/* A score is of its pair alone. */
	assert_null(catalog_score_find(c, "did:assay:a", "speech", "t:z"));
	assert_null(catalog_score_find(c, "did:assay:b", "chat", "t:z"));
	assert_null(catalog_score_find(c, "did:assay:a", "cha", "tt:z"));
	(void)catalog_scores_of(c, "did:assay:a", &count);
	assert_int_equal(count, 2);
	(void)catalog_scores_of(c, "did:assay:b", &count);
	assert_int_equal(count, 0);
	catalog_unref(&c);
}

static void
score_many(struct draft *d, int from, int to, enum tier tier)
{
	char did[32];

	for (int i = from; i < to; i++) {
		snprintf(did, sizeof(did), "did:assay:%d", i / 2);
		draft_score(d, &(struct catalog_score){.did = did,
				   .task = i % 2 == 0 ? "chat" : "speech",
				   .model = "t:z",
				   .tier = tier,
				   .parts = "{}"});
	}
}

static void
assert_tiers(const struct catalog *c, int from, int to, enum tier tier)
{
	const struct catalog_score *s;
	char did[32];
	size_t count;

	for (int i = from; i < to; i++) {
		snprintf(did, sizeof(did), "did:assay:%d", i / 2);
		s = catalog_score_find(
		    c, did, i % 2 == 0 ? "chat" : "speech", "t:z");
		assert_int_equal(s->tier, tier);
		assert_string_equal(s->parts, "{}");
		(void)catalog_scores_of(c, did, &count);
		assert_int_equal(count, 2);
	}
}

/* Changes replace what they name and leave the rest, also in the snapshots
 * before them; a whole part leaves nothing. */
static void
test_changed_scores(void **state)
{
	struct draft *d = draft_new(CATALOG_SCORES);
	const struct catalog *first, *second, *third;
	size_t count;

	(void)state;
	score_many(d, 0, 4000, TIER_BRONZE);
	first = catalog_next(NULL, &d);
	d = draft_new(CATALOG_SCORES);
	draft_is_change(d);
	score_many(d, 1000, 1500, TIER_GOLD);
	score_many(d, 1001, 1002, TIER_SILVER); /* the later row holds */
	score_many(d, 4000, 4010, TIER_GOLD);
	second = catalog_next(first, &d);
	assert_true(catalog_part_id(first, CATALOG_SCORES) !=
		    catalog_part_id(second, CATALOG_SCORES));
	assert_tiers(first, 0, 4000, TIER_BRONZE);
	assert_null(catalog_score_find(first, "did:assay:2001", "chat", "t:z"));
	catalog_unref(&first);
	assert_tiers(second, 0, 1000, TIER_BRONZE);
	assert_tiers(second, 1000, 1001, TIER_GOLD);
	assert_tiers(second, 1001, 1002, TIER_SILVER);
	assert_tiers(second, 1002, 1500, TIER_GOLD);
	assert_tiers(second, 1500, 4000, TIER_BRONZE);
	assert_tiers(second, 4000, 4010, TIER_GOLD);
	d = draft_new(CATALOG_SCORES);
	score_many(d, 0, 2, TIER_SILVER);
	third = catalog_next(second, &d);
	assert_tiers(third, 0, 2, TIER_SILVER);
	(void)catalog_scores_of(third, "did:assay:7", &count);
	assert_int_equal(count, 0);
	catalog_unref(&second);
	catalog_unref(&third);
}

static void
test_names(void **state)
{
	enum runtime_kind k;
	enum tier t;

	(void)state;
	for (int i = 0; i < RUNTIME_COUNT; i++) {
		assert_true(runtime_of(
		    text_of(runtime_name((enum runtime_kind)i)), &k));
		assert_int_equal(k, i);
	}
	assert_false(runtime_of(text_of("LLAMA.CPP"), &k));
	assert_true(tier_of(text_of("silver"), &t));
	assert_int_equal(t, TIER_SILVER);
	assert_false(tier_of(text_of("none"), &t));
	assert_string_equal(tier_name(TIER_GOLD), "gold");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_models),
	    cmocka_unit_test(test_stray_rows_are_dropped),
	    cmocka_unit_test(test_parts_are_shared),
	    cmocka_unit_test(test_scores),
	    cmocka_unit_test(test_changed_scores),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
