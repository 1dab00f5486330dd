/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SNP reports with leaf, chain and list of each case, under the strict policy
 * that the index describes, or under another.
 */
#include "attestation/snp.h"

#include <string.h>

#include "tests/vectors/vectors.h"

/* Everything a case gives but the report. */
struct given {
	struct anchors *anchors;
	struct snp_source source;
	bool has_list;
	int64_t now;
};

static bool
test_roots(struct vector *x, struct given *g, const char *root)
{
	static const char *const names[SNP_PRODUCTS] = {
	    "Milan", "Genoa", "Turin"};
	const char *product = vector_string(x, "product");
	int i;

	for (i = 0; i < SNP_PRODUCTS; i++) {
		if (product == NULL || strcmp(names[i], product) != 0)
			continue;
		anchors_test_any(g->anchors, ANCHOR_AMD_ASK_MILAN + i);
		anchors_test_any(g->anchors, ANCHOR_AMD_ASVK_MILAN + i);
		return vector_anchor(
		    x, g->anchors, ANCHOR_AMD_ARK_MILAN + i, root);
	}
	return vector_fail(x, "the case names no known product");
}

/* A real case names one chain file, a synthetic one its parts. */
static bool
read_chain(struct vector *x, struct given *g)
{
	const char *root = vector_string(x, "root");
	struct bytes upper, ark;
	char *both;

	if (vector_string(x, "chain") != NULL) {
		if (!vector_member_file(x, "chain", &upper))
			return false;
		g->source.chain =
		    (struct text){(const char *)upper.at, upper.len};
		return true;
	}
	if (!vector_member_file(x, "intermediate", &upper) ||
	    !vector_member_file(x, "root", &ark) || !test_roots(x, g, root))
		return false;
	both = arena_printf(x->a, "%.*s%.*s", (int)upper.len,
	    (const char *)upper.at, (int)ark.len, (const char *)ark.at);
	g->source.chain = text_of(both);
	return true;
}

static bool
read_given(struct vector *x, struct given *g)
{
	memset(g, 0, sizeof(*g));
	g->anchors = anchors_test_new();
	g->has_list = vector_string(x, "crl") != NULL;
	return vector_member_file(x, "leaf", &g->source.leaf) &&
	       read_chain(x, g) &&
	       (!g->has_list || vector_member_file(x, "crl", &g->source.crl)) &&
	       vector_time(x, &g->now);
}

/* No debug and no migration agent are the defaults; VMPL 0 is asked for in
 * the synthetic cases only. */
static struct policy
strict(const struct vector *x, bool has_list)
{
	struct policy p = policy_defaults();

	p.version = 1;
	p.require = REQUIRE_CPU;
	p.revocation = has_list;
	p.snp.present = p.snp.any_workload = true;
	p.snp.max_vmpl = strstr(x->index, "synthetic") != NULL ? 0 : 3;
	return p;
}

static void
judge(struct given *g, struct bytes *report, const struct policy *p,
    struct verdict *v)
{
	struct snp_key *k = NULL;
	struct snp_report out;

	if (snp_key_new(&g->source, g->anchors, p->revocation, v, &k) &&
	    (report == NULL ? snp_key_check_time(k, g->now, v)
			    : snp_verify(*report, k, p, g->now, v, &out)))
		verdict_conclude(v);
	snp_key_free(&k);
}

static bool
parses(struct vector *x)
{
	struct bytes report;
	struct snp_report r;
	struct fault f = {0};

	return vector_member_file(x, "report", &report) &&
	       (snp_report_read(report, &r, &f) || vector_fail(x, "%s", f.why));
}

/* "signatures_alone": whether what was refused is genuine. */
static bool
genuine(struct vector *x, const struct verdict *v)
{
	static const char *const steps[] = {"snp.leaf_format", "snp.leaf",
	    "snp.chain_format", "snp.chain", "snp.report_signature"};
	const char *wanted = vector_string(x, "signatures_alone");

	if (wanted == NULL || strcmp(wanted, "accept") != 0)
		return true;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (v->failed != NULL && strcmp(v->failed, steps[i]) == 0)
			return vector_fail(x, "refused by %s", steps[i]);
	return true;
}

bool
vector_snp(struct vector *x)
{
	const char *expect = vector_string(x, "expect");
	struct given g;
	struct policy p;
	struct bytes report;
	struct verdict v;
	bool passed, whole = vector_string(x, "report") != NULL;

	if (expect != NULL && strcmp(expect, "parse-only") == 0)
		return parses(x);
	passed = read_given(x, &g) &&
		 (!whole || vector_member_file(x, "report", &report));
	if (passed) {
		p = strict(x, g.has_list);
		verdict_init(&v, x->a, g.now);
		judge(&g, whole ? &report : NULL, &p, &v);
		passed = vector_expect(x, &v, expect) && genuine(x, &v);
	}
	anchors_test_free(&g.anchors);
	return passed;
}

/* The report of an SNP case under somebody's policy. */
bool
vector_snp_under(struct vector *x, const struct policy *p, struct verdict *v)
{
	struct policy own = *p;
	struct given g = {0};
	struct bytes report;
	bool read =
	    read_given(x, &g) && vector_member_file(x, "report", &report);

	if (read) {
		own.revocation = g.has_list;
		verdict_init(v, x->a, g.now);
		judge(&g, &report, &own, v);
	}
	anchors_test_free(&g.anchors);
	return read;
}
