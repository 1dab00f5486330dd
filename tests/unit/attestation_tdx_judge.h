/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judging what a TDX forge holds, for the tests that turn its knobs: a refusal
 * is held by outcome, code and the name of the check, never by "not accepted".
 */
#ifndef TESTS_UNIT_ATTESTATION_TDX_JUDGE_H
#define TESTS_UNIT_ATTESTATION_TDX_JUDGE_H

#include "tests/unit/attestation_tdx_forge.h"

static inline int
tdx_start(void **state)
{
	struct tdx_forge *t = mem_new(sizeof(*t));

	tdx_forge_start(t);
	*state = t;
	return 0;
}

static inline int
tdx_end(void **state)
{
	tdx_forge_end(*state);
	mem_free(*state);
	return 0;
}

/* A quote against collateral in parts. */
static inline struct verdict
tdx_judge_parts(
    struct tdx_forge *t, struct bytes quote, const struct tdx_source *s)
{
	struct tdx_collateral *c = NULL;
	struct tdx_judgement j;
	struct verdict v;

	verdict_init(&v, t->a, FORGE_NOW_MS);
	if (tdx_collateral_new(s, t->anchors, true, &v, &c) &&
	    tdx_verify(quote, c, NULL, FORGE_NOW_MS, &v, &j))
		verdict_conclude(&v);
	tdx_collateral_free(&c);
	return v;
}

/* What the forge holds now. */
static inline struct verdict
tdx_judge(struct tdx_forge *t)
{
	struct tdx_source s = tdx_forge_source(t);

	return tdx_judge_parts(t, tdx_forge_quote(t), &s);
}

static inline void
tdx_refused(struct verdict v, enum verdict_code code, const char *check)
{
	assert_non_null(v.failed);
	assert_string_equal(v.failed, check);
	assert_string_equal(verdict_code_name(v.code), verdict_code_name(code));
	assert_int_not_equal(v.outcome, VERDICT_VERIFIED);
	assert_true(verdict_find(&v, check)->result == CLAIM_REFUTED);
}

static inline void
tdx_holds(struct verdict v, const char *status)
{
	assert_null(v.failed);
	assert_int_equal(v.outcome, VERDICT_VERIFIED);
	assert_string_equal(v.status, status);
}

/* The text with its first `from` replaced; it must be there. */
static inline char *
tdx_swap(struct arena *a, const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);

	forge_must(at != NULL);
	return arena_printf(
	    a, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

#endif
