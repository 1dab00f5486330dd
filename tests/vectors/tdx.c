/* SPDX-License-Identifier: Apache-2.0 */
/* TDX quotes with the collateral that each case names, at its time. */
#include "attestation/tdx.h"

#include <string.h>

#include "tests/vectors/vectors.h"

static bool
stated(const json_t *list, const char *advisory)
{
	const json_t *one;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, one)
	{
		const char *id = json_string_value(one);

		if (id != NULL && strcmp(id, advisory) == 0)
			return true;
	}
	return false;
}

static bool
same_advisories(struct vector *x, const struct verdict *v)
{
	const json_t *list = json_object_get(x->c, "advisories");
	size_t i;

	if (list == NULL)
		return true;
	if (json_array_size(list) != v->advisory_count)
		return vector_fail(x, "%zu advisories, expected %zu",
		    v->advisory_count, json_array_size(list));
	for (i = 0; i < v->advisory_count; i++)
		if (!stated(list, v->advisories[i]))
			return vector_fail(x, "advisory %s was not expected",
			    v->advisories[i]);
	return true;
}

/* Status and advisories of an accepted quote must be those that the case
 * states, if it states any. */
static bool
same_status(struct vector *x, const struct verdict *v)
{
	const char *status = vector_string(x, "status");

	if (status != NULL &&
	    (v->status == NULL || strcmp(status, v->status) != 0))
		return vector_fail(x, "status %s, expected %s",
		    v->status != NULL ? v->status : "(none)", status);
	return same_advisories(x, v);
}

/* What a case gives. */
struct given {
	struct anchors *anchors;
	struct bytes quote;
	struct bytes bundle;
	int64_t now;
};

static bool
read_given(struct vector *x, struct given *g)
{
	const char *root = vector_string(x, "root");

	g->anchors = anchors_test_new();
	return vector_member_file(x, "quote", &g->quote) &&
	       vector_member_file(x, "collateral", &g->bundle) &&
	       vector_time(x, &g->now) &&
	       (root != NULL || vector_fail(x, "the case names no root")) &&
	       vector_anchor(x, g->anchors, ANCHOR_INTEL_SGX_ROOT, root);
}

static void
judge(struct vector *x, const struct given *g, const struct policy *p,
    struct verdict *v)
{
	struct tdx_collateral *c = NULL;
	struct tdx_judgement out;
	struct tdx_source source;
	struct tdx_quote q;
	struct fault f = {0};

	verdict_init(v, x->a, g->now);
	/* As the bundle's verifier does: first what kind of quote it is. */
	if (verdict_check_fault(v, tdx_quote_read(g->quote, &q, &f),
		"tdx.quote_format", SOURCE_VERIFIER, &f) &&
	    verdict_need_fault(v,
		tdx_source_of_bundle(x->a,
		    (struct text){(const char *)g->bundle.at, g->bundle.len},
		    &source, &f),
		"tdx.collateral_format", SOURCE_VERIFIER, &f) &&
	    tdx_collateral_new(&source, g->anchors, true, v, &c) &&
	    tdx_verify(g->quote, c, p, g->now, v, &out))
		verdict_conclude(v);
	tdx_collateral_free(&c);
}

/* The quote of a TDX case under somebody's policy. */
bool
vector_tdx_under(struct vector *x, const struct policy *p, struct verdict *v)
{
	struct given g = {0};
	bool read = read_given(x, &g);

	if (read)
		judge(x, &g, p, v);
	anchors_test_free(&g.anchors);
	return read;
}

/* No collateral was kept: what can be said is that it is a TD quote. */
static bool
parses(struct vector *x)
{
	struct bytes quote;
	struct tdx_quote q;
	struct fault f = {0};

	return vector_member_file(x, "quote", &quote) &&
	       (tdx_quote_read(quote, &q, &f) || vector_fail(x, "%s", f.why));
}

bool
vector_tdx(struct vector *x)
{
	const char *expect = vector_string(x, "expect");
	struct verdict v;

	if (expect != NULL && strcmp(expect, "parse-only") == 0)
		return parses(x);
	return vector_tdx_under(x, NULL, &v) && vector_expect(x, &v, expect) &&
	       (v.outcome != VERDICT_VERIFIED || same_status(x, &v));
}
