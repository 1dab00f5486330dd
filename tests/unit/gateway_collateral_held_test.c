/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may take the place of what: nothing older, nothing unverified and
 * nothing of another issuer where something better is held; and when it is to
 * be fetched anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/collateral_held.h"
#include "tests/unit/attestation_ocsp_forge.h"

#define HOUR ((int64_t)3600 * 1000)

static struct collateral_piece
piece(const char *text, int64_t number, int64_t ms, int64_t fetched_at)
{
	uint8_t byte = (uint8_t)number;
	struct collateral_piece p = {.body = bytes_of(text, strlen(text)),
	    .fetched_at = fetched_at,
	    .facts = {.next_update = COLLATERAL_NO_UPDATE},
	    .genuine = GENUINE_YES};

	if (ms > 0)
		collateral_edition_add(
		    &p.facts.edition, bytes_of(&byte, 1), ms);
	return p;
}

static enum fault_kind
taken(struct collateral_held *h, const struct collateral_piece *p, bool news)
{
	struct fault f;
	bool changed;
	bool ok = collateral_held_take(h, p, 10 * HOUR, &changed, &f);

	assert_int_equal(changed, news);
	return ok ? FAULT_NONE : f.kind;
}

static void
holds(const struct collateral_held *h, const char *text, int64_t fetched_at)
{
	assert_int_equal(h->len, strlen(text));
	assert_memory_equal(h->body, text, h->len);
	assert_true(h->fetched_at == fetched_at);
}

static void
newer_takes_the_place(void **state)
{
	struct collateral_held h = {0};
	struct collateral_piece one = piece("one", 7, 100, 1000);
	struct collateral_piece two = piece("two", 7, 101, 900);
	struct collateral_piece three = piece("three", 8, 1, 2000);

	(void)state;
	assert_int_equal(taken(&h, &one, true), FAULT_NONE);
	/* Newer by its date, though it came from elsewhere before. */
	assert_int_equal(taken(&h, &two, true), FAULT_NONE);
	holds(&h, "two", 900);
	/* The number counts before the date. */
	assert_int_equal(taken(&h, &three, true), FAULT_NONE);
	holds(&h, "three", 2000);
	/* The same again is only younger, and never older. */
	three.fetched_at = 3000;
	assert_int_equal(taken(&h, &three, false), FAULT_NONE);
	three.fetched_at = 2500;
	assert_int_equal(taken(&h, &three, false), FAULT_NONE);
	holds(&h, "three", 3000);
	collateral_held_clear(&h);
	assert_null(h.body);
}

static void
older_does_not(void **state)
{
	struct collateral_held h = {0};
	struct collateral_piece now = piece("now", 8, 100, 1000);
	struct collateral_piece date = piece("date", 8, 99, 2000);
	struct collateral_piece number = piece("number", 7, 200, 2000);

	(void)state;
	assert_int_equal(taken(&h, &now, true), FAULT_NONE);
	assert_int_equal(taken(&h, &date, false), FAULT_STALE);
	assert_int_equal(taken(&h, &number, false), FAULT_STALE);
	number.any_time = true;
	assert_int_equal(taken(&h, &number, false), FAULT_STALE);
	holds(&h, "now", 1000);
	/* One older part is enough, whatever the others say. */
	collateral_edition_add(&h.facts.edition, bytes_of("\x05", 1), 500);
	now = piece("mixed", 9, 300, 3000);
	collateral_edition_add(&now.facts.edition, bytes_of("\x05", 1), 499);
	assert_int_equal(taken(&h, &now, false), FAULT_STALE);
	collateral_held_clear(&h);
}

/* Where nothing is said of editions, the last that came stands. */
static void
without_editions(void **state)
{
	struct collateral_held h = {0};
	struct collateral_piece one = piece("one", 0, 0, 1000);
	struct collateral_piece two = piece("two", 0, 0, 2000);

	(void)state;
	assert_int_equal(taken(&h, &two, true), FAULT_NONE);
	assert_int_equal(taken(&h, &one, false), FAULT_NONE);
	holds(&h, "two", 2000);
	one.any_time = true;
	assert_int_equal(taken(&h, &one, true), FAULT_NONE);
	holds(&h, "one", 1000);
	collateral_held_clear(&h);
}

static void
unverified_gives_way(void **state)
{
	struct collateral_held h = {0};
	struct collateral_piece forged = piece("forged", 250, 9999, 5000);
	struct collateral_piece genuine = piece("genuine", 1, 1, 6000);

	(void)state;
	forged.genuine = GENUINE_NO;
	assert_int_equal(taken(&h, &forged, true), FAULT_NONE);
	/* Its great number keeps nothing out. */
	assert_int_equal(taken(&h, &genuine, true), FAULT_NONE);
	forged.fetched_at = 7000;
	assert_int_equal(taken(&h, &forged, false), FAULT_UNTRUSTED);
	forged.genuine = GENUINE_UNKNOWN;
	assert_int_equal(taken(&h, &forged, false), FAULT_UNTRUSTED);
	holds(&h, "genuine", 6000);
	collateral_held_clear(&h);
}

static void
another_issuer_waits(void **state)
{
	struct collateral_held h = {0};
	struct collateral_piece one = piece("one", 9, 100, 1000);
	struct collateral_piece other = piece("other", 1, 1, 2000);

	(void)state;
	other.facts.issuer[0] = 1;
	one.facts.next_update = 10 * HOUR;
	assert_int_equal(taken(&h, &one, true), FAULT_NONE);
	assert_int_equal(taken(&h, &other, false), FAULT_CONFLICT);
	h.facts.next_update = 10 * HOUR - 1;
	assert_int_equal(taken(&h, &other, true), FAULT_NONE);
	collateral_held_clear(&h);
}

static void
due(void **state)
{
	struct collateral_held h = {.fetched_at = 1000 * HOUR,
	    .facts = {.next_update = COLLATERAL_NO_UPDATE}};

	(void)state;
	assert_true(collateral_held_due(&h, 12 * HOUR) == 1012 * HOUR);
	/* Ahead of the makers' next update. */
	h.facts.next_update = 1020 * HOUR;
	assert_true(collateral_held_due(&h, 12 * HOUR) == 1008 * HOUR);
	/* And never over and over. */
	h.facts.next_update = 1001 * HOUR;
	assert_true(
	    collateral_held_due(&h, 12 * HOUR) == 1000 * HOUR + HOUR / 2);
	h.facts.next_update = 1000 * HOUR;
	assert_true(collateral_held_due(&h, 12 * HOUR) == 1000 * HOUR + 60000);
}

/* ---------------------------------------------------------------- editions */

static struct collateral_edition
edition(const char *name, struct bytes body)
{
	struct collateral_facts facts;
	struct fault f;

	if (!collateral_body_read(name, body, &facts, &f))
		fail_msg("%s: %s", name, f.why);
	return facts.edition;
}

static void
numbers_of_any_length(void **state)
{
	static const uint8_t large[20] = {0x7f, 1}, longer[21] = {1};
	struct collateral_edition a = {0}, b = {0};

	(void)state;
	collateral_edition_add(&a, bytes_of(large, 20), 5);
	collateral_edition_add(&b, bytes_of("\xff", 1), 6);
	assert_true(collateral_edition_is_older(&b, &a));
	assert_false(collateral_edition_is_older(&a, &b));
	assert_false(collateral_edition_is_older(&a, &a));
	b.count = 0;
	assert_false(collateral_edition_is_older(&b, &a));
	assert_false(collateral_edition_is_older(&a, &b));
	collateral_edition_add(&b, bytes_of(longer, 21), -1);
	assert_string_equal(b.part[0],
	    "0000000000000000000000000000000000000000.0000000000000000");
}

/* A list's number and date; an answer's dates. */
static void
read_from_pieces(void **state)
{
	struct arena *a = arena_new();
	struct forged root, leaf;
	struct forge_list_wish w = {
	    .from = FORGE_NOW, .next = FORGE_NOW + 1, .number = 300};
	struct forge_answer answer = {.subject = &leaf, .issuer = &root};
	struct collateral_edition one, two;

	(void)state;
	forge(&root, NULL,
	    &(struct forge_wish){.name = "root", .curve = "P-384", .ca = true});
	forge(&leaf, &root,
	    &(struct forge_wish){.name = "leaf", .curve = "P-384"});
	one = edition("amd/crl/Genoa/vcek", forge_list_of(a, &root, &w));
	assert_int_equal(one.count, 1);
	assert_string_equal(one.part[0],
	    "000000000000000000000000000000000000012c.0000019bbef3b000");
	w.number = 299;
	w.from++;
	two = edition("nvidia/crl/l1-root", forge_list_of(a, &root, &w));
	assert_true(collateral_edition_is_older(&two, &one));
	w.number = 0;
	two = edition("nvidia/crl/l1-root", forge_list_of(a, &root, &w));
	assert_true(collateral_edition_is_older(&two, &one));
	one = edition("nvidia/ocsp/x", forge_answer(a, &answer));
	answer.from = FORGE_NOW - 3601;
	two = edition("nvidia/ocsp/x", forge_answer(a, &answer));
	assert_true(collateral_edition_is_older(&two, &one));
	assert_false(collateral_edition_is_older(&one, &two));
	forged_free(&root);
	forged_free(&leaf);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(newer_takes_the_place),
	    cmocka_unit_test(older_does_not),
	    cmocka_unit_test(without_editions),
	    cmocka_unit_test(unverified_gives_way),
	    cmocka_unit_test(another_issuer_waits),
	    cmocka_unit_test(due),
	    cmocka_unit_test(numbers_of_any_length),
	    cmocka_unit_test(read_from_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
