/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVIDIA cases: a report with its chain (and manifests, and revocation lists,
 * where the case names them), or the reports of a whole machine.
 */
#include "attestation/nvidia.h"

#include <string.h>

#include "base/codec.h"
#include "base/json.h"
#include "tests/vectors/vectors.h"

enum { LISTS_MAX = 8, DEVICES_MAX = 16, EVIDENCE_BYTES = 65536 };

struct setup {
	struct anchors *anchors;
	struct bytes lists[LISTS_MAX];
	uint8_t nonce[32];
	struct nvidia_rules rules;
};

static bool
anchors_read(struct vector *x, struct anchors *anchors)
{
	const char *root = vector_string(x, "root");
	const char *rim = vector_string(x, "rim_root");

	return (root == NULL ||
		   vector_anchor(x, anchors, ANCHOR_NVIDIA_DEVICE, root)) &&
	       (rim == NULL ||
		   vector_anchor(x, anchors, ANCHOR_NVIDIA_RIM, rim));
}

static bool
setup_read(struct vector *x, const char *nonce, struct setup *s)
{
	const json_t *crls = json_object_get(x->c, "crls");

	s->rules.anchors = s->anchors;
	s->rules.kept = x->kept;
	s->rules.revocation.lists = s->lists;
	if (!anchors_read(x, s->anchors) || !vector_time(x, &s->rules.now_ms))
		return false;
	for (size_t i = 0; i < json_array_size(crls) && i < LISTS_MAX; i++) {
		if (!vector_file(x, json_string_value(json_array_get(crls, i)),
			&s->lists[i]))
			return false;
		s->rules.revocation.count++;
	}
	s->rules.revocation.required = crls != NULL;
	if (nonce == NULL || !hex_decode(text_of(nonce), s->nonce, 32, NULL))
		return vector_fail(x, "no nonce of 32 bytes");
	s->rules.nonce = bytes_of(s->nonce, 32);
	return true;
}

/* A manifest that the case names: a path, or an object with one. *out stays
 * NULL without it; false when the verdict has been told that it is bad. */
static bool
manifest_read(struct vector *x, const char *member, const struct setup *s,
    struct verdict *v, struct rim **out)
{
	const json_t *j = json_object_get(x->c, member);
	const char *path = json_string_value(
	    json_is_object(j) ? json_object_get(j, "file") : j);
	const struct rim_rules rules = {s->anchors, NULL, s->rules.now_ms};
	struct fault f = {0};
	struct bytes xml;
	struct rim *rim = arena_alloc(x->a, sizeof(*rim));

	*out = NULL;
	if (path == NULL)
		return true;
	if (!vector_file(x, path, &xml))
		return false;
	if (!verdict_need_fault(v, rim_read(x->a, xml, &rules, rim, &f),
		arena_printf(x->a, "nvidia.%s", member), SOURCE_VERIFIER, &f))
		return false;
	*out = rim;
	return true;
}

static bool
single(struct vector *x, struct setup *s)
{
	const char *kind = vector_string(x, "kind");
	const char *alone = vector_string(x, "expect_report_alone");
	struct verdict v;
	struct nvidia_device d;
	struct bytes report, chain;
	struct rim *driver, *vbios;

	if (!setup_read(x, vector_string(x, "nonce"), s) ||
	    !vector_member_file(x, "report", &report) ||
	    !vector_member_file(x, "chain", &chain))
		return false;
	verdict_init(&v, x->a, s->rules.now_ms);
	if (nvidia_device_judge(&v, &s->rules,
		kind != NULL && strcmp(kind, "switch") == 0 ? NVIDIA_SWITCH
							    : NVIDIA_GPU,
		report, (struct text){(const char *)chain.at, chain.len}, &d)) {
		struct verdict first = v;

		verdict_conclude(&first);
		if (alone != NULL && !vector_expect(x, &first, alone))
			return false;
		if (manifest_read(x, "driver_rim", s, &v, &driver) &&
		    manifest_read(x, "vbios_rim", s, &v, &vbios))
			nvidia_manifests_judge(&v, &d, driver, vbios);
	} else if (alone != NULL && !vector_expect(x, &v, alone)) {
		return false;
	}
	verdict_conclude(&v);
	return vector_expect(x, &v, vector_string(x, "expect"));
}

static bool
decoded(struct vector *x, const json_t *o, const char *member,
    struct verdict *v, struct bytes *out)
{
	const char *t = json_string_value(json_object_get(o, member));
	uint8_t *at = arena_alloc(x->a, EVIDENCE_BYTES);
	size_t len = 0;
	bool ok =
	    t != NULL && base64_decode(text_of(t), at, EVIDENCE_BYTES, &len);

	*out = bytes_of(at, len);
	return verdict_check(v, ok,
	    (struct check){"nvidia.entry", SOURCE_PROVIDER, CODE_MALFORMED,
		ok ? NULL : member, "base64"});
}

/* What an entry says of itself must be what its report says. */
static bool
entry_agrees(const struct setup *s, const json_t *o,
    const struct nvidia_device *d, struct verdict *v)
{
	const char *nonce = json_string_value(json_object_get(o, "nonce"));
	const char *arch = json_string_value(json_object_get(o, "arch"));
	uint8_t said[32];
	bool ok =
	    nonce == NULL || (hex_decode(text_of(nonce), said, 32, NULL) &&
				 memcmp(said, s->nonce, 32) == 0);

	ok &= arch == NULL || strcmp(arch, nvidia_architecture(d)) == 0;
	return verdict_check(v, ok,
	    (struct check){"nvidia.entry", SOURCE_PROVIDER, CODE_MISMATCH,
		"another nonce or architecture than the report's", NULL});
}

/* An entry that calls itself a switch is judged as one. */
static enum nvidia_kind
kind_of(const json_t *o)
{
	const char *arch = json_string_value(json_object_get(o, "arch"));

	return arch != NULL && strncmp(arch, "LS", 2) == 0 ? NVIDIA_SWITCH
							   : NVIDIA_GPU;
}

static void
entry_run(struct vector *x, const struct setup *s, const json_t *o,
    struct verdict *v, struct nvidia_device *d)
{
	struct bytes report, chain;

	if (decoded(x, o, "evidence", v, &report) &&
	    decoded(x, o, "certificate", v, &chain) &&
	    nvidia_device_judge(v, &s->rules, kind_of(o), report,
		(struct text){(const char *)chain.at, chain.len}, d))
		entry_agrees(s, o, d, v);
}

/* The GPUs and the switches each as a set, and together where both are. */
static void
devices_judge(struct vector *x, struct verdict *v,
    const struct nvidia_device *all, size_t count)
{
	struct nvidia_device *gpus =
	    arena_alloc(x->a, (count + 1) * sizeof(*gpus));
	struct nvidia_device *switches =
	    arena_alloc(x->a, (count + 1) * sizeof(*switches));
	const json_t *wanted = json_object_get(x->c, "devices");
	size_t g = 0, n = 0;

	for (size_t i = 0; i < count; i++)
		if (all[i].kind == NVIDIA_SWITCH)
			switches[n++] = all[i];
		else
			gpus[g++] = all[i];
	verdict_check(v,
	    !json_is_integer(wanted) ||
		json_integer_value(wanted) == (json_int_t)count,
	    (struct check){"nvidia.count", SOURCE_HARDWARE, CODE_POLICY,
		verdict_format(v, "%zu", count), NULL});
	if (g > 0 || n == 0)
		nvidia_set_judge(v, gpus, g, -1);
	if (n > 0)
		nvidia_switches_judge(v, switches, n, -1);
	if (g > 0 && n > 0)
		nvidia_topology_judge(v, gpus, g, switches, n);
}

static bool
set_run(struct vector *x, struct setup *s, const json_t *list)
{
	size_t count = json_array_size(list), i;
	struct nvidia_device *d = arena_alloc(x->a, (count + 1) * sizeof(*d));
	const char *nonce = vector_string(x, "nonce");
	struct verdict v;

	if (nonce == NULL)
		nonce = json_string_value(
		    json_object_get(json_array_get(list, 0), "nonce"));
	if (count > DEVICES_MAX)
		return vector_fail(x, "%zu devices", count);
	if (!setup_read(x, nonce, s))
		return false;
	verdict_init(&v, x->a, s->rules.now_ms);
	for (i = 0; i < count && v.code == CODE_OK; i++) {
		v.subject = arena_printf(x->a, "gpu %zu", i);
		entry_run(x, s, json_array_get(list, i), &v, &d[i]);
	}
	v.subject = NULL;
	if (v.code == CODE_OK)
		devices_judge(x, &v, d, count);
	verdict_conclude(&v);
	return vector_expect(x, &v, vector_string(x, "expect"));
}

static bool
set(struct vector *x, struct setup *s)
{
	struct bytes file;
	struct fault f = {0};
	json_t *list = NULL;
	const json_t *inner;
	bool ok;

	if (!vector_member_file(x, "file", &file))
		return false;
	if (!json_read((struct text){(const char *)file.at, file.len}, file.len,
		&list, &f))
		return vector_fail(x, "%s", f.why);
	inner = json_object_get(list, "evidence_list");
	ok = set_run(x, s, inner != NULL ? inner : list);
	json_free(&list);
	return ok;
}

bool
vector_nvidia(struct vector *x)
{
	const char *kind = vector_string(x, "kind");
	struct setup s = {.anchors = anchors_test_new()};
	bool ok;

	if (kind != NULL && strcmp(kind, "set") == 0)
		ok = set(x, &s);
	else if (kind == NULL || strcmp(kind, "gpu") == 0 ||
		 strcmp(kind, "switch") == 0)
		ok = single(x, &s);
	else
		ok = vector_fail(x, "unknown kind %s", kind);
	anchors_test_free(&s.anchors);
	return ok;
}
