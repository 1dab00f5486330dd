/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collateral that was verified serves on for these very bytes, for as long as
 * its times hold, and for few platforms at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/kept.h"
#include "tests/unit/attestation_tdx_forge.h"

#define NAME "tdx/tcb/c0ffee000001"

struct scene {
	struct tdx_forge t;
	struct kept *k;
	struct verdict v;
	bool fresh;
};

static int
start(void **state)
{
	struct scene *s = mem_new(sizeof(*s));

	tdx_forge_start(&s->t);
	s->k = kept_new(s->t.anchors);
	*state = s;
	return 0;
}

static int
end(void **state)
{
	struct scene *s = *state;

	kept_free(&s->k);
	assert_null(s->k);
	tdx_forge_end(&s->t);
	mem_free(s);
	return 0;
}

static struct bytes
bundle(struct scene *s)
{
	const char *text = tdx_forge_bundle(&s->t);

	return bytes_of(text, strlen(text));
}

static const struct tdx_collateral *
asked(struct scene *s, const char *name, uint64_t generation, struct bytes body)
{
	verdict_init(&s->v, s->t.a, FORGE_NOW_MS);
	return kept_tdx(s->k, name, generation, body, true, &s->v, &s->fresh);
}

static void
verified_once(void **state)
{
	struct scene *s = *state;
	struct bytes body = bundle(s);
	const struct tdx_collateral *first = asked(s, NAME, 1, body);

	assert_non_null(first);
	assert_true(s->fresh);
	assert_true(first->has_lists);
	/* What was checked stands in the verdict that paid for it alone. */
	assert_non_null(verdict_find(&s->v, "tdx.tcb_info_signature"));
	assert_ptr_equal(asked(s, NAME, 1, bytes_of("", 0)), first);
	assert_false(s->fresh);
	assert_int_equal(s->v.count, 0);
	assert_non_null(kept_nvidia(s->k));
}

static void
other_bytes_are_verified(void **state)
{
	struct scene *s = *state;
	struct bytes good = bundle(s), forged;
	char *text = arena_string(s->t.a, (const char *)good.at);

	assert_non_null(asked(s, NAME, 1, good));
	memcpy(strstr(text, "UpToDate"), "Revoked_", 8);
	forged = bytes_of(text, strlen(text));
	assert_null(asked(s, NAME, 2, forged));
	assert_true(s->fresh);
	/* Nothing is said of it: the verdict is made from the ground. */
	assert_int_equal(s->v.count, 0);
	assert_null(s->v.failed);
	assert_non_null(asked(s, NAME, 3, good));
	assert_true(s->fresh);
	assert_null(asked(s, NAME, 4, bytes_of("{}", 2)));
}

/* Without lists is not the same as with them. */
static void
as_it_was_asked(void **state)
{
	struct scene *s = *state;
	struct bytes body = bundle(s);
	const struct tdx_collateral *c;

	verdict_init(&s->v, s->t.a, FORGE_NOW_MS);
	c = kept_tdx(s->k, NAME, 1, body, false, &s->v, &s->fresh);
	assert_non_null(c);
	assert_false(c->has_lists);
	c = asked(s, NAME, 1, body);
	assert_true(s->fresh);
	assert_true(c->has_lists);
}

static void
until_a_time_ends(void **state)
{
	struct scene *s = *state;
	const int64_t end = FORGE_NOW_MS + 10 * FORGE_DAY * 1000 + 999;
	struct bytes body = bundle(s);

	assert_non_null(asked(s, NAME, 1, body));
	verdict_init(&s->v, s->t.a, end);
	assert_non_null(kept_tdx(s->k, NAME, 1, body, true, &s->v, &s->fresh));
	assert_false(s->fresh);
	verdict_init(&s->v, s->t.a, end + 1);
	assert_null(kept_tdx(s->k, NAME, 1, body, true, &s->v, &s->fresh));
	/* It went, and at an earlier time it is verified anew. */
	assert_non_null(asked(s, NAME, 1, body));
	assert_true(s->fresh);
}

static void
few_at_a_time(void **state)
{
	struct scene *s = *state;
	struct bytes body = bundle(s);
	char name[80];

	for (int i = 0; i < 33; i++) {
		snprintf(name, sizeof(name), "tdx/tcb/%d", i);
		assert_non_null(asked(s, name, 1, body));
		assert_true(s->fresh);
	}
	asked(s, "tdx/tcb/32", 1, body);
	assert_false(s->fresh);
	asked(s, "tdx/tcb/1", 1, body);
	assert_false(s->fresh);
	asked(s, "tdx/tcb/0", 1, body); /* made room */
	assert_true(s->fresh);
	/* A name that does not fit is verified at each use. */
	memset(name, 'x', 64);
	name[64] = '\0';
	assert_null(asked(s, name, 1, body));
	assert_false(s->fresh);
}

static enum fault_kind
judged(struct scene *s, struct bytes body, enum genuine wanted)
{
	struct fault f = {0};

	assert_int_equal(
	    kept_judge(s->k, NAME, body, FORGE_NOW_MS, &f), wanted);
	return f.kind;
}

/* Times are not asked for when a piece comes. */
static void
judged_when_it_comes(void **state)
{
	struct scene *s = *state;
	struct bytes good = bundle(s);
	char *text = arena_string(s->t.a, (const char *)good.at);
	struct fault f;

	judged(s, good, GENUINE_YES);
	assert_int_equal(
	    kept_judge(s->k, NAME, good, FORGE_NOW_MS * 2, &f), GENUINE_YES);
	memcpy(strstr(text, "UpToDate"), "Revoked_", 8);
	assert_int_equal(judged(s, bytes_of(text, strlen(text)), GENUINE_NO),
	    FAULT_TAMPERED);
	assert_int_equal(
	    judged(s, bytes_of("<html>", 6), GENUINE_NO), FAULT_INVALID_JSON);
}

/* The root's list says that the root, the signer of TCB info or the CA of PCK
 * certificates is revoked: the maker's own news, which takes the place of what
 * is held, and by which no quote is accepted any more. */
static void
news_of_a_revocation(void **state)
{
	static const long serials[] = {11, 12, 13};
	struct scene *s = *state;
	struct bytes old = bundle(s), news;

	for (size_t i = 0; i < 3; i++) {
		assert_non_null(asked(s, NAME, 2 * i + 1, old));
		s->t.root_crl = forge_list(
		    s->t.a, &s->t.root, serials[i], FORGE_NOW + FORGE_DAY);
		news = bundle(s);
		judged(s, news, GENUINE_YES);
		assert_null(asked(s, NAME, 2 * i + 2, news));
	}
	/* Not so where a signature does not hold. */
	s->t.root_crl = forge_list(s->t.a, &s->t.ca, 12, FORGE_NOW + FORGE_DAY);
	assert_int_equal(judged(s, bundle(s), GENUINE_NO), FAULT_INVALID);
}

static void
judged_as(struct scene *s, const char *name, enum genuine wanted)
{
	struct fault f = {0};

	assert_int_equal(
	    kept_judge(s->k, name, bundle(s), FORGE_NOW_MS, &f), wanted);
	assert_int_equal(
	    f.kind, wanted == GENUINE_NO ? FAULT_CONFLICT : FAULT_NONE);
}

/* Sound, but of another kind of platform than its name says: it would keep
 * the right one out. */
static void
of_the_platform_that_is_named(void **state)
{
	struct scene *s = *state;

	judged_as(s, NAME, GENUINE_YES);
	judged_as(s, "tdx/tcb/c0ffee000002", GENUINE_NO);
	judged_as(s, NAME "0", GENUINE_NO);
	judged_as(s, "tdx/tcb/", GENUINE_NO);
	judged_as(s, NAME ".processor", GENUINE_NO);
	forged_free(&s->t.ca);
	forge(&s->t.ca, &s->t.root,
	    &(struct forge_wish){.name = "Intel SGX PCK Processor CA",
		.curve = "P-256",
		.ca = true,
		.serial = 13});
	s->t.pck_crl = bytes_of(NULL, 0);
	judged_as(s, NAME ".processor", GENUINE_YES);
	judged_as(s, NAME, GENUINE_NO);
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, start, end)
	const struct CMUnitTest tests[] = {
	    T(verified_once),
	    T(other_bytes_are_verified),
	    T(as_it_was_asked),
	    T(until_a_time_ends),
	    T(few_at_a_time),
	    T(judged_when_it_comes),
	    T(news_of_a_revocation),
	    T(of_the_platform_that_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
