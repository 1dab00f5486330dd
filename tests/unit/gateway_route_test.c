/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routing: the table of fixtures/route.cases, and what must hold for any
 * offers and any query, above all that workspace_only never leaves the
 * workspace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway_world.h"

static bool
add_offers(struct world *w, char *words)
{
	char *rest = words;

	while (rest != NULL && *rest != '\0') {
		char *name = rest;
		char *colon = strchr(name, ':');

		rest = strchr(rest, ' ');
		if (rest != NULL)
			*rest++ = '\0';
		if (colon == NULL)
			return false;
		*colon = '\0';
		if (!world_offer(w, name, colon + 1))
			return false;
	}
	return true;
}

static void
run_case(int line, char *offers, char *query, const char *expected)
{
	struct fault f = {0};
	struct route_ask ask;
	struct route r;
	struct world w;
	char got[1024];

	world_init(&w);
	if (!add_offers(&w, offers) || !world_query(&w, query))
		fail_msg("route.cases:%d: a word that is none", line);
	world_close(&w);
	ask = world_ask(&w);
	if (route_choose(&ask, &r, &f))
		snprintf(got, sizeof(got), "%s %s",
		    r.did + strlen("did:assay:"), r.because);
	else
		snprintf(got, sizeof(got), "%s", fault_code(f.kind));
	if (strcmp(got, expected) != 0)
		fail_msg("route.cases:%d: %s, not %s", line, got, expected);
	world_free(&w);
}

static void
test_cases(void **state)
{
	FILE *file = fopen(ASSAY_FIXTURES "/route.cases", "r");
	char buffer[512];
	char *column[3];
	int line = 0;

	(void)state;
	assert_non_null(file);
	while (world_case(file, buffer, sizeof(buffer), &line, column))
		run_case(line, column[0], column[1], column[2]);
	fclose(file);
	assert_true(line > 60);
}

/* xorshift64*: the same worlds on every run. */
static uint64_t
draw(uint64_t *seed, uint64_t bound)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return (*seed * UINT64_C(2685821657736338717) >> 33) % bound;
}

static const char *
pick(uint64_t *seed, const char *const *from, size_t count)
{
	return from[draw(seed, count)];
}

static void
random_offer(struct world *w, uint64_t *seed, int i)
{
	static const char *const homes[] = {"A", "B", "C"};
	static const char *const tiers[] = {
	    "", ",tier=bronze", ",tier=silver", ",tier=gold"};
	static const char *const odd[] = {"", "", "", ",draining", ",goaway",
	    ",window=closed", ",doubt", ",remote", ",device=revoked",
	    ",device=moved", ",direct", ",verified=50"};
	char name[16];
	char words[200];

	snprintf(name, sizeof(name), "p%d", i);
	snprintf(words, sizeof(words),
	    "home=%s,active=%u,score=%u,delivered=%u%s%s%s",
	    pick(seed, homes, 3), (unsigned)draw(seed, 6),
	    (unsigned)draw(seed, 100), (unsigned)draw(seed, 40),
	    pick(seed, tiers, 4), pick(seed, odd, 12), pick(seed, odd, 12));
	assert_true(world_offer(w, name, words));
}

static void
random_query(struct world *w, uint64_t *seed)
{
	static const char *const odd[] = {"", "", "min_tier=silver",
	    "only=p0+p1+p2", "ignore=p0+p3", "order=p2+p1+p5", "tried=p1",
	    "verified", "direct", "pool=marketplace", "newcomers=500"};
	char words[100];

	snprintf(words, sizeof(words), "%s", pick(seed, odd, 11));
	assert_true(world_query(w, words));
	snprintf(words, sizeof(words), "%s", pick(seed, odd, 11));
	assert_true(world_query(w, words));
	for (int i = 0; i < 3; i++)
		w->random[i] = draw(seed, 1000);
}

static void
random_world(struct world *w, uint64_t *seed)
{
	int count = (int)draw(seed, 8);

	world_init(w);
	for (int i = 0; i < count; i++)
		random_offer(w, seed, i);
	random_query(w, seed);
}

static void
check_counts(const struct route *r)
{
	size_t rejected = 0;

	for (int i = 1; i < REJECT_COUNT; i++)
		rejected += r->rejected[i];
	assert_int_equal(r->rejected[ADMISSIBLE], 0);
	assert_int_equal(rejected + r->admissible, r->considered);
	assert_int_equal(r->is_found, r->admissible > 0);
}

/* Whoever is chosen is admissible, and the counts add up. */
static void
check_choice(const struct route_ask *ask, const struct route *r)
{
	struct arena *a = arena_new();
	size_t count;
	struct route_candidate *at = route_candidates(ask, a, &count);
	bool found = false;

	assert_int_equal(count, r->considered);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(at[i].offer->provider->did, r->did) == 0) {
			assert_int_equal(at[i].rejection, ADMISSIBLE);
			found = true;
		}
	}
	assert_int_equal(found, r->is_found);
	if (r->is_found)
		assert_non_null(offers_source(ask->offers, r->session));
	check_counts(r);
	arena_free(&a);
}

static void
test_workspace_only_never_leaves(void **state)
{
	uint64_t seed = 20240229;
	unsigned served = 0;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct fault f = {0};
		struct route_ask ask;
		struct route r;
		struct world w;

		random_world(&w, &seed);
		/* The mark alone must do, whatever else the query says. */
		w.query.is_workspace_only = true;
		if (draw(&seed, 2) == 0)
			w.query.pools = POOL_WORKSPACE;
		world_close(&w);
		ask = world_ask(&w);
		if (route_choose(&ask, &r, &f)) {
			assert_string_equal(r.workspace, WORLD_A);
			assert_int_equal(r.pool, POOL_WORKSPACE);
			served++;
		} else {
			assert_int_not_equal(f.kind, FAULT_NONE);
		}
		check_choice(&ask, &r);
		world_free(&w);
	}
	assert_true(served > 1000);
}

static void
test_choice_is_admissible(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct route_ask ask;
		struct route r;
		struct world w;

		random_world(&w, &seed);
		world_close(&w);
		ask = world_ask(&w);
		(void)route_choose(&ask, &r, NULL);
		check_choice(&ask, &r);
		world_free(&w);
	}
}

static void
test_newcomers_get_their_share(void **state)
{
	uint64_t seed = 99;
	unsigned newcomers = 0;
	struct route_ask ask;
	struct route r;
	struct world w;

	(void)state;
	world_init(&w);
	assert_true(world_offer(&w, "old", (char[]){"tier=gold"}));
	assert_true(world_offer(&w, "new", (char[]){""}));
	w.policy.newcomer_permille = 50;
	world_close(&w);
	for (int i = 0; i < 20000; i++) {
		for (int k = 0; k < 3; k++)
			w.random[k] = draw(&seed, UINT64_C(1) << 31);
		ask = world_ask(&w);
		assert_true(route_choose(&ask, &r, NULL));
		newcomers += r.is_newcomer;
	}
	assert_in_range(newcomers, 800, 1200);
	world_free(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cases),
	    cmocka_unit_test(test_workspace_only_never_leaves),
	    cmocka_unit_test(test_choice_is_admissible),
	    cmocka_unit_test(test_newcomers_get_their_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
