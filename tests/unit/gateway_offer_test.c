/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live offers: published, changed and withdrawn over one or several ways,
 * with the counts of what is under way right all along.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "gateway/offer.h"

#define W "11111111-1111-7111-8111-111111111111"

static const struct offer_facts chat = {"chat", "t:m", "Q4", "1", 4096};
static const struct offer_facts both[] = {
    {"chat", "t:m", "Q4", "1", 4096},
    {"completion", "t:m", "Q4", "1", 4096},
};
static const struct offer_facts other = {"chat", "t:n", "F16", "2", 0};

static size_t
count_of(const struct offers *o, const char *task, const char *model)
{
	size_t count;

	(void)offers_of(o, task, model, &count);
	return count;
}

static void
test_publish_and_close(void **state)
{
	struct offers *o = offers_new();
	struct offer_source *s = offers_open(o, "did:assay:a", W, "s1", true);
	const struct offer *x;

	(void)state;
	assert_int_equal(offers_provider_count(o), 1);
	assert_int_equal(count_of(o, "chat", "t:m"), 0);
	offers_state(o, s, both, 2);
	assert_int_equal(offers_count(o), 2);
	x = offers_find(o, "did:assay:a", "chat", "t:m");
	assert_string_equal(x->quantization, "Q4");
	assert_string_equal(x->provider->workspace, W);
	assert_true(x->provider->window_open);
	assert_int_equal(x->provider->capacity, 1);
	assert_null(offers_find(o, "did:assay:b", "chat", "t:m"));
	assert_null(offers_find(o, "did:assay:a", "chat", "t:n"));

	/* Stated anew: what is not said any more is gone. */
	offers_state(o, s, &other, 1);
	assert_int_equal(count_of(o, "chat", "t:m"), 0);
	assert_int_equal(count_of(o, "chat", "t:n"), 1);
	offers_close(o, &s);
	assert_null(s);
	assert_int_equal(offers_count(o), 0);
	assert_int_equal(offers_provider_count(o), 0);
	offers_close(o, &s);
	offers_free(&o);
	offers_free(&o);
}

static void
test_two_ways(void **state)
{
	struct offers *o = offers_new();
	struct offer_source *one = offers_open(o, "did:assay:a", W, "s1", true);
	struct offer_source *two = offers_open(o, "did:assay:a", W, "s2", true);
	struct offer_facts newer = chat;

	(void)state;
	offers_state(o, one, both, 2);
	offers_state(o, two, &chat, 1);
	offers_state(o, two, &chat, 1);
	assert_int_equal(count_of(o, "chat", "t:m"), 1);
	assert_int_equal(
	    offers_find(o, "did:assay:a", "chat", "t:m")->source_count, 2);
	newer.quantization = "Q8";
	offers_state(o, two, &newer, 1);
	assert_string_equal(
	    offers_find(o, "did:assay:a", "chat", "t:m")->quantization, "Q8");
	offers_close(o, &one);
	assert_int_equal(offers_count(o), 1);
	assert_int_equal(offers_provider_count(o), 1);
	assert_ptr_equal(
	    offers_find(o, "did:assay:a", "chat", "t:m")->sources[0], two);
	offers_close(o, &two);
	assert_int_equal(offers_provider_count(o), 0);
	offers_free(&o);
}

static void
test_ways_are_bounded_and_distinct(void **state)
{
	struct offers *o = offers_new();
	struct offer_source *s;
	char session[16];

	(void)state;
	for (int i = 0; i < OFFER_SOURCES; i++) {
		snprintf(session, sizeof(session), "s%d", i);
		assert_non_null(
		    offers_open(o, "did:assay:a", W, session, true));
	}
	assert_null(offers_open(o, "did:assay:a", W, "more", true));
	assert_null(offers_open(o, "did:assay:b", W, "s0", true));
	s = offers_source(o, "s3");
	offers_close(o, &s);
	assert_null(offers_source(o, "s3"));
	assert_non_null(offers_open(o, "did:assay:a", W, "more", true));
	offers_free(&o);
}

static void
test_withdraw(void **state)
{
	struct offers *o = offers_new();
	struct offer_source *one = offers_open(o, "did:assay:a", W, "s1", true);
	struct offer_source *two = offers_open(o, "did:assay:a", W, "s2", true);
	const struct offer_facts all[] = {both[0], both[1], other};

	(void)state;
	offers_state(o, one, all, 3);
	offers_state(o, two, all, 3);
	offers_withdraw(o, "did:assay:a", "t:m");
	assert_int_equal(offers_count(o), 1);
	offers_withdraw(o, "did:assay:b", NULL);
	assert_int_equal(offers_count(o), 1);
	offers_withdraw(o, "did:assay:a", NULL);
	assert_int_equal(offers_count(o), 0);
	assert_int_equal(offers_provider_count(o), 1);
	offers_free(&o);
}

static void
test_under_way(void **state)
{
	struct offers *o = offers_new();
	struct offer_source *one = offers_open(o, "did:assay:a", W, "s1", true);
	struct offer_source *two = offers_open(o, "did:assay:a", W, "s2", true);
	struct offer_provider *p = offers_provider(o, "did:assay:a");

	(void)state;
	p->capacity = 3;
	offers_begin(o, "s1");
	offers_begin(o, "s2");
	offers_begin(o, "s2");
	offers_begin(o, "gone");
	assert_int_equal(p->active, 3);
	assert_int_equal(two->active, 2);
	assert_false(offer_provider_has_room(p));
	assert_true(offer_provider_load(p) > 0.99);
	offers_finish(o, "s2");
	assert_true(offer_provider_has_room(p));
	/* What a way carried goes with it; finishing it later is nothing. */
	offers_close(o, &two);
	assert_int_equal(p->active, 1);
	offers_finish(o, "s2");
	assert_int_equal(p->active, 1);
	offers_finish(o, "s1");
	assert_int_equal(p->active, 0);
	assert_int_equal(one->active, 0);
	p->load = 0.5;
	assert_true(offer_provider_load(p) > 0.49);
	p->load = 7;
	assert_true(offer_provider_load(p) < 1.01);
	offers_free(&o);
}

static void
test_direct(void **state)
{
	static const char *const urls[] = {
	    "https://a", "https://b", "https://c", "https://d", "https://e"};
	struct offers *o = offers_new();
	struct offer_provider *p;

	(void)state;
	(void)offers_open(o, "did:assay:a", W, "s1", true);
	p = offers_provider(o, "did:assay:a");
	assert_null(p->direct[0]);
	offers_set_direct(o, p, urls, 5, "ff");
	assert_string_equal(p->direct[3], "https://d");
	assert_string_equal(p->direct_spki, "ff");
	offers_set_direct(o, p, urls + 4, 1, "");
	assert_string_equal(p->direct[0], "https://e");
	assert_null(p->direct[1]);
	offers_set_direct(o, p, NULL, 0, "");
	assert_null(p->direct[0]);
	offers_free(&o);
}

static void
count_one(void *arg, const struct offer_provider *p)
{
	size_t *count = arg;

	assert_int_equal(p->source_count, 1);
	(*count)++;
}

/* Many providers come and go in no order; the lists stay right. */
static void
test_many(void **state)
{
	enum { MANY = 500 };
	static struct offer_source *s[MANY];
	struct offers *o = offers_new();
	size_t count = 0;
	char did[32], session[16];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		snprintf(did, sizeof(did), "did:assay:p%d", i);
		snprintf(session, sizeof(session), "s%d", i);
		s[i] = offers_open(o, did, W, session, i % 2 == 0);
		offers_state(o, s[i], i % 3 == 0 ? &other : &chat, 1);
	}
	assert_int_equal(offers_count(o), MANY);
	assert_int_equal(count_of(o, "chat", "t:n"), (MANY + 2) / 3);
	for (int i = 0; i < MANY; i += 2)
		offers_close(o, &s[i]);
	assert_int_equal(offers_count(o), MANY / 2);
	for (size_t i = 0; i < count_of(o, "chat", "t:m"); i++) {
		size_t n;

		assert_false(
		    offers_of(o, "chat", "t:m", &n)[i]->sources[0]->is_local);
	}
	offers_each(o, count_one, &count);
	assert_int_equal(count, MANY / 2);
	offers_free(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_publish_and_close),
	    cmocka_unit_test(test_two_ways),
	    cmocka_unit_test(test_ways_are_bounded_and_distinct),
	    cmocka_unit_test(test_withdraw),
	    cmocka_unit_test(test_under_way),
	    cmocka_unit_test(test_direct),
	    cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
