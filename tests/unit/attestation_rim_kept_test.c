/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attestation/rim_kept: a manifest that was found good is not verified again,
 * but only for the same bytes, while its signer's chain holds, and not once a
 * list that has come since names the signer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "attestation/rim_kept.h"
#include "tests/unit/attestation_gpu_forge.h"

struct scene {
	struct machine *m;
	struct rim_kept *kept;
	struct bytes body;
	struct revocation revocation;
	struct rim_rules rules;
};

static void
begin(struct scene *s, struct machine *m)
{
	struct chain signer;
	struct rim rim;
	struct fault f = {0};

	memset(s, 0, sizeof(*s));
	s->m = m;
	s->kept = mem_new(sizeof(*s->kept));
	s->rules = (struct rim_rules){m->anchors, NULL, FORGE_NOW_MS};
	/* The first call starts the XML library, which signing needs too. */
	assert_false(rim_read(m->a, bytes_of("<a/>", 4), &s->rules, &rim, &f));
	s->body = manifest(m,
	    arena_printf(m->a, "%s%s", resource(m, 3, "True", 4),
		resource(m, 4, "False", 9)),
	    "", NULL, NULL);
	assert_null(rim_kept_find(s->kept, s->body, &s->rules, m->a));
	if (!rim_read_signed(m->a, s->body, &s->rules, &rim, &signer, &f))
		fail_msg("%s", f.why);
	rim_kept_add(s->kept, s->body, &rim, &signer);
	chain_free(&signer);
	s->revocation.answer_age_s = 60;
	s->rules.revocation = &s->revocation;
}

static void
finish(struct scene *s)
{
	rim_kept_clear(s->kept);
	mem_free(s->kept);
}

static struct rim *
find(struct scene *s)
{
	return rim_kept_find(s->kept, s->body, &s->rules, s->m->a);
}

static void
holds_for_the_same_bytes(void **state)
{
	struct scene s;
	struct rim *rim, fresh;
	struct fault f;

	begin(&s, *state);
	rim = find(&s);
	assert_non_null(rim);
	assert_true(rim_read(s.m->a, s.body, &s.rules, &fresh, &f));
	assert_string_equal(rim->version, fresh.version);
	assert_string_equal(rim->product, fresh.product);
	assert_int_equal(rim->active, fresh.active);
	assert_memory_equal(&rim->window, &fresh.window, sizeof(rim->window));
	for (size_t i = 0; i <= RIM_INDEX_MAX; i++) {
		assert_int_equal(
		    rim->entry[i].alternatives, fresh.entry[i].alternatives);
		if (fresh.entry[i].value != NULL)
			assert_memory_equal(rim->entry[i].value,
			    fresh.entry[i].value,
			    fresh.entry[i].alternatives * RIM_DIGEST);
	}
	/* What was handed out is the caller's, whatever is kept since. */
	rim_kept_clear(s.kept);
	assert_int_equal(rim->entry[3].value[0][0], 4);
	assert_null(find(&s));
	finish(&s);
}

static void
not_for_others(void **state)
{
	struct scene s;

	begin(&s, *state);
	s.body = bytes_of(s.body.at, s.body.len - 1);
	assert_null(find(&s));
	finish(&s);
}

static void
not_past_its_signers_chain(void **state)
{
	struct scene s;

	begin(&s, *state);
	s.rules.now_ms = find(&s)->window.until;
	assert_non_null(find(&s));
	s.rules.now_ms++;
	assert_null(find(&s));
	s.rules.now_ms = FORGE_NOW_MS;
	assert_non_null(find(&s));
	finish(&s);
}

static void
not_when_the_signer_is_revoked(void **state)
{
	struct scene s;
	struct machine *m = *state;
	struct bytes good, bad, stale;
	long serial = ASN1_INTEGER_get(X509_get0_serialNumber(m->rim[0].x509));

	begin(&s, m);
	good = forge_list(m->a, &m->rim[1], serial + 1, FORGE_NOW + FORGE_DAY);
	bad = forge_list(m->a, &m->rim[1], serial, FORGE_NOW + FORGE_DAY);
	stale = forge_list(m->a, &m->rim[1], 0, FORGE_NOW - 1);
	s.revocation.lists = &good;
	s.revocation.count = 1;
	for (int i = 0; i < 2; i++) { /* asked, and then known */
		assert_non_null(find(&s));
		assert_int_equal(find(&s)->window.until,
		    (FORGE_NOW + FORGE_DAY) * INT64_C(1000) + 999);
	}
	s.revocation.lists = &bad;
	assert_null(find(&s));
	s.revocation.lists = &stale;
	assert_null(find(&s));
	s.revocation.lists = &good;
	assert_non_null(find(&s));
	/* Past that list's end the lists of then are to be asked. */
	s.rules.now_ms += 2 * FORGE_DAY * INT64_C(1000);
	assert_null(find(&s));
	s.revocation.count = 0;
	assert_non_null(find(&s));
	finish(&s);
}

/* The oldest makes room, one entry a body. */
static void
keeps_a_few(void **state)
{
	struct scene s;
	struct chain none = {.count = 0};
	struct rim rim = {.signer = WINDOW_ALWAYS};
	uint8_t body[1];

	begin(&s, *state);
	for (int i = 0; i < RIM_KEPT_MAX; i++) {
		body[0] = (uint8_t)(i % 2);
		rim_kept_add(s.kept, bytes_of(body, 1), &rim, &none);
	}
	assert_non_null(find(&s));
	for (int i = 0; i < RIM_KEPT_MAX; i++) {
		body[0] = (uint8_t)(10 + i);
		rim_kept_add(s.kept, bytes_of(body, 1), &rim, &none);
	}
	assert_null(find(&s));
	finish(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		holds_for_the_same_bytes, machine_make, machine_free),
	    cmocka_unit_test_setup_teardown(
		not_for_others, machine_make, machine_free),
	    cmocka_unit_test_setup_teardown(
		not_past_its_signers_chain, machine_make, machine_free),
	    cmocka_unit_test_setup_teardown(
		not_when_the_signer_is_revoked, machine_make, machine_free),
	    cmocka_unit_test_setup_teardown(
		keeps_a_few, machine_make, machine_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
