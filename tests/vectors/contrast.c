/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contrast manifests as policies over the evidence of SNP and TDX cases, and
 * the report data of a coordinator's answer.
 */
#include <string.h>

#include "attestation/binding.h"
#include "base/codec.h"
#include "base/json.h"
#include "tests/vectors/vectors.h"

/* Where evidence is found together with what it takes to judge it. */
static const struct source {
	const char *index;
	const char *member;
	bool (*judge)(
	    struct vector *x, const struct policy *p, struct verdict *v);
} sources[] = {
    {"snp/cases.json", "report", vector_snp_under},
    {"snp/synthetic/cases.json", "report", vector_snp_under},
    {"tdx/cases.json", "quote", vector_tdx_under},
    {"tdx/synthetic/cases.json", "quote", vector_tdx_under},
};
enum { SOURCES = sizeof(sources) / sizeof(sources[0]) };

static json_t *
case_in_index(struct vector *x, const struct source *s, const char *file,
    const char *wanted)
{
	struct bytes index;
	struct fault f = {0};
	json_t *doc = NULL, *c, *found = NULL;
	const char *name, *expect;
	size_t i;

	if (!vector_file(x, s->index, &index) ||
	    !json_read((struct text){(const char *)index.at, index.len},
		index.len, &doc, &f))
		return NULL;
	json_array_foreach(doc, i, c)
	{
		name = json_string_value(json_object_get(c, s->member));
		expect = json_string_value(json_object_get(c, "expect"));
		if (found == NULL && name != NULL && expect != NULL &&
		    strcmp(name, file) == 0 && strcmp(expect, wanted) == 0)
			found = json_incref(c);
	}
	json_free(&doc);
	return found;
}

/* The case that says with what the evidence verifies, or would. */
static json_t *
case_of(struct vector *x, const char *file, const struct source **source)
{
	static const char *const wanted[] = {"accept", "reject"};
	json_t *found;

	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < SOURCES; k++) {
			*source = &sources[k];
			found = case_in_index(x, *source, file, wanted[i]);
			if (found != NULL)
				return found;
		}
	return NULL;
}

static bool
manifest_accepts(struct vector *x, struct vector *inner, const struct source *s)
{
	const char *expect = vector_string(x, "expect");
	struct policy *policies[CONTRAST_POLICIES_MAX];
	struct verdict v = {0};
	struct fault f = {0};
	size_t i, count;
	char *manifest = json_write(x->a, json_object_get(x->c, "manifest"));

	if (!policy_of_contrast(x->a, text_of(manifest), policies, &count, &f))
		return vector_expect_plain(
		    x, false, CODE_BAD_POLICY, f.why, expect);
	for (i = 0; i < count && v.outcome != VERDICT_VERIFIED; i++)
		if (!s->judge(inner, policies[i], &v))
			return vector_fail(x, "%s", inner->why);
	return vector_expect(x, &v, expect);
}

bool
vector_contrast_manifest(struct vector *x)
{
	const char *file = vector_string(x, "report");
	const struct source *source = NULL;
	struct vector inner = *x;
	json_t *c;
	bool passed;

	if (file == NULL)
		file = vector_string(x, "quote");
	if (file == NULL || (c = case_of(x, file, &source)) == NULL)
		return vector_fail(x, "no SNP or TDX case has this evidence");
	inner.c = c;
	passed = manifest_accepts(x, &inner, source);
	json_decref(c);
	return passed;
}

static struct bytes
hex_member(struct vector *x, const char *name)
{
	const char *hex = vector_string(x, name);
	size_t len = 0, size = hex != NULL ? strlen(hex) / 2 + 1 : 1;
	uint8_t *at = arena_alloc(x->a, size);

	if (hex == NULL || !hex_decode(text_of(hex), at, size, &len))
		len = 0;
	return bytes_of(at, len);
}

bool
vector_contrast_report_data(struct vector *x)
{
	const char *root = vector_string(x, "root_ca_pem");
	const char *mesh = vector_string(x, "mesh_ca_pem");
	const char *expect = vector_string(x, "expect");
	struct bytes wanted = hex_member(x, "report_data");
	struct binding_contrast b = {
	    .nonce = hex_member(x, "nonce"),
	    .transition = hex_member(x, "transition_digest"),
	};
	uint8_t seen[REPORT_DATA];

	if (root == NULL || mesh == NULL)
		return vector_fail(x, "the case lacks a member");
	b.root_ca = bytes_of(root, strlen(root));
	b.mesh_ca = bytes_of(mesh, strlen(mesh));
	binding_contrast(&b, seen);
	return vector_expect_plain(x,
	    bytes_equal(bytes_of(seen, sizeof(seen)), wanted), CODE_BINDING,
	    "contrast.report_data", expect != NULL ? expect : "accept");
}
