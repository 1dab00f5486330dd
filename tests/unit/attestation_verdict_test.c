/* SPDX-License-Identifier: Apache-2.0 */
/* A verdict starts as an error, remembers the first refusal, never gets
 * better after one, and says everything in its JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "attestation/verdict.h"

#define NOW ((int64_t)1768435200000)

static const struct check fine = {
    "x.fine", SOURCE_HARDWARE, CODE_TAMPERED, "seen", "wanted"};
static const struct check bad = {
    "x.bad", SOURCE_OPERATOR, CODE_POLICY, "this", "that"};

static int
start(void **state)
{
	*state = arena_new();
	return 0;
}

static int
end(void **state)
{
	struct arena *a = *state;

	arena_free(&a);
	return 0;
}

static void
test_starts_as_error(void **state)
{
	struct verdict v;

	verdict_init(&v, *state, NOW);
	assert_int_equal(v.outcome, VERDICT_ERROR);
	/* Nothing asserted is nothing verified. */
	assert_false(verdict_conclude(&v));
	verdict_unknown(&v, fine);
	assert_false(verdict_conclude(&v));
	assert_int_equal(v.outcome, VERDICT_ERROR);
	assert_true(verdict_check(&v, true, fine));
	assert_true(verdict_conclude(&v));
	assert_int_equal(v.outcome, VERDICT_VERIFIED);
}

static void
test_first_refusal_stays(void **state)
{
	struct verdict v;

	verdict_init(&v, *state, NOW);
	v.subject = "gpu 3";
	assert_false(verdict_check(&v, false, bad));
	assert_false(verdict_need(&v, false, fine));
	assert_true(verdict_check(&v, true, fine));
	assert_false(verdict_conclude(&v));
	assert_int_equal(v.outcome, VERDICT_FAILED);
	assert_int_equal(v.code, CODE_POLICY);
	assert_string_equal(v.failed, "x.bad");
	assert_string_equal(v.why, "gpu 3 x.bad: this, wanted that");
	verdict_init(&v, *state, NOW);
	assert_false(verdict_need(&v, false, fine));
	assert_false(verdict_check(&v, false, bad));
	assert_int_equal(v.outcome, VERDICT_ERROR);
	assert_int_equal(v.code, CODE_TAMPERED);
}

static void
test_faults_become_codes(void **state)
{
	static const struct {
		enum fault_kind kind;
		enum verdict_code code;
	} cases[] = {{FAULT_INVALID, CODE_MALFORMED},
	    {FAULT_INVALID_JSON, CODE_MALFORMED},
	    {FAULT_UNSUPPORTED, CODE_UNSUPPORTED},
	    {FAULT_TAMPERED, CODE_TAMPERED}, {FAULT_UNTRUSTED, CODE_UNTRUSTED},
	    {FAULT_EXPIRED, CODE_EXPIRED},
	    {FAULT_NOT_YET_VALID, CODE_NOT_YET_VALID},
	    {FAULT_STALE, CODE_STALE}, {FAULT_REVOKED, CODE_REVOKED},
	    {FAULT_CONFLICT, CODE_MISMATCH}, {FAULT_NOT_FOUND, CODE_MISSING},
	    {FAULT_REFUSED, CODE_POLICY}};
	struct verdict v;
	struct fault f;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		verdict_init(&v, *state, NOW);
		fault_set(&f, cases[i].kind, "because");
		assert_false(
		    verdict_check_fault(&v, false, "x.y", SOURCE_VERIFIER, &f));
		assert_int_equal(v.code, cases[i].code);
		assert_string_equal(v.why, "x.y: because");
	}
}

static void
test_renewal_is_the_earliest_end(void **state)
{
	struct verdict v;

	verdict_init(&v, *state, NOW);
	verdict_until(&v, NOW + 5000);
	verdict_until(&v, NOW + 9000);
	verdict_until(&v, NOW + 7000);
	assert_int_equal(v.renew_by, NOW + 5000);
}

static void
test_advisories_once(void **state)
{
	struct verdict v;
	char name[16];
	int i;

	verdict_init(&v, *state, NOW);
	verdict_advise(&v, "INTEL-SA-1");
	verdict_advise(&v, "INTEL-SA-1");
	assert_int_equal(v.advisory_count, 1);
	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "SA-%d", i);
		verdict_advise(&v, name);
	}
	assert_int_equal(v.advisory_count, VERDICT_ADVISORIES_MAX);
}

/* A list that is full can no longer be shown whole, so nothing passes it. */
static void
test_full_list_refuses(void **state)
{
	struct verdict v;
	int i;

	verdict_init(&v, *state, NOW);
	for (i = 0; i < VERDICT_CLAIMS_MAX; i++)
		assert_true(verdict_check(&v, true, fine));
	assert_false(verdict_check(&v, true, fine));
	assert_false(verdict_conclude(&v));
	assert_int_equal(v.outcome, VERDICT_ERROR);
	assert_int_equal(v.count, VERDICT_CLAIMS_MAX);
}

static void
test_json(void **state)
{
	struct verdict v;
	const json_t *checks, *c;
	json_t *j;

	verdict_init(&v, *state, NOW);
	verdict_check(&v, true, fine);
	verdict_check(&v, false, bad);
	verdict_advise(&v, "INTEL-SA-1");
	verdict_until(&v, NOW + 1000);
	v.status = "OutOfDate";
	j = verdict_json(&v);
	assert_non_null(j);
	assert_string_equal(
	    json_string_value(json_object_get(j, "outcome")), "failed");
	assert_string_equal(
	    json_string_value(json_object_get(j, "code")), "not_accepted");
	assert_string_equal(json_string_value(json_object_get(j, "renew_by")),
	    "2026-01-15T00:00:01Z");
	checks = json_object_get(j, "checks");
	assert_int_equal(json_array_size(checks), 2);
	c = json_array_get(checks, 0);
	assert_string_equal(
	    json_string_value(json_object_get(c, "result")), "asserted");
	assert_string_equal(
	    json_string_value(json_object_get(c, "source")), "hardware-proven");
	assert_string_equal(
	    json_string_value(json_object_get(c, "code")), "ok");
	c = json_array_get(checks, 1);
	assert_string_equal(
	    json_string_value(json_object_get(c, "result")), "refuted");
	assert_string_equal(
	    json_string_value(json_object_get(c, "seen")), "this");
	json_decref(j);
}

static void
test_codes_have_names(void **state)
{
	enum verdict_code code;
	int i;

	(void)state;
	for (i = 0; i < CODE_COUNT; i++) {
		assert_true(verdict_code_of(
		    verdict_code_name((enum verdict_code)i), &code));
		assert_int_equal((int)code, i);
	}
	assert_false(verdict_code_of("no_such", &code));
}

/* Hostile text is made fit for a log before it is kept. */
static void
test_text_is_escaped(void **state)
{
	struct verdict v;
	const char *s;

	verdict_init(&v, *state, NOW);
	s = verdict_format(&v, "%s", "a\n\x1b[31m");
	assert_null(strchr(s, '\n'));
	assert_null(strchr(s, '\x1b'));
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, start, end)
	const struct CMUnitTest tests[] = {
	    T(test_starts_as_error),
	    T(test_first_refusal_stays),
	    T(test_faults_become_codes),
	    T(test_renewal_is_the_earliest_end),
	    T(test_advisories_once),
	    T(test_full_list_refuses),
	    T(test_json),
	    T(test_codes_have_names),
	    T(test_text_is_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
