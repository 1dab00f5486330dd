/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies read from JSON by tables, a row a member. A policy decides what
 * comes near a buyer's prompt, so reading one is as strict as reading
 * evidence: nothing unknown, nothing empty, nothing that contradicts itself.
 */
#include "attestation/policy.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "attestation/dotted.h"
#include "base/codec.h"
#include "base/crypto.h"
#include "base/json.h"

#define LIST_MAX 1024
#define TEXT_MAX 512

enum field_type {
	F_TEXTS,
	F_HEXES, /* texts of hex, kept in lower case: "0xAb" is "0xab" */
	F_DIGESTS,
	F_INT,
	F_BOOL,
	F_TCBS,
	F_VERSION,
	F_SECTION
};

struct field {
	const char *name;
	enum field_type type;
	size_t offset;
	int64_t min; /* F_DIGESTS: width in bytes */
	int64_t max;
};

struct section {
	const char *name;
	size_t present; /* offset of its flag */
	const struct field *fields;
	size_t count;
};

/* clang-format off */
#define AT(member) offsetof(struct policy, member)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct field tdx_fields[] = {
	{"accept_advisories",  F_TEXTS,   AT(tdx.accept_advisories), 0, 0},
	{"accept_status",      F_TEXTS,   AT(tdx.accept_status), 0, 0},
	{"allow_key_locker",   F_BOOL,    AT(tdx.allow_key_locker), 0, 0},
	{"allow_migratable",   F_BOOL,    AT(tdx.allow_migratable), 0, 0},
	{"allow_perfmon",      F_BOOL,    AT(tdx.allow_perfmon), 0, 0},
	{"allow_pks",          F_BOOL,    AT(tdx.allow_pks), 0, 0},
	{"any_workload",       F_BOOL,    AT(tdx.any_workload), 0, 0},
	{"min_tcb_evaluation", F_INT,     AT(tdx.min_tcb_evaluation),
	    0, INT32_MAX},
	{"mrconfigid",         F_DIGESTS, AT(tdx.mrconfigid), 48, 0},
	{"mrowner",            F_DIGESTS, AT(tdx.mrowner), 48, 0},
	{"mrownerconfig",      F_DIGESTS, AT(tdx.mrownerconfig), 48, 0},
	{"mrseam",             F_DIGESTS, AT(tdx.mrseam), 48, 0},
	{"mrtd",               F_DIGESTS, AT(tdx.mrtd), 48, 0},
	{"piids",              F_DIGESTS, AT(tdx.piids), 16, 0},
	{"rtmr0",              F_DIGESTS, AT(tdx.rtmr[0]), 48, 0},
	{"rtmr1",              F_DIGESTS, AT(tdx.rtmr[1]), 48, 0},
	{"rtmr2",              F_DIGESTS, AT(tdx.rtmr[2]), 48, 0},
	{"rtmr3",              F_DIGESTS, AT(tdx.rtmr[3]), 48, 0},
	{"smt_disabled",       F_BOOL,    AT(tdx.smt_disabled), 0, 0},
	{"static_platform",    F_BOOL,    AT(tdx.static_platform), 0, 0},
	{"td_attributes",      F_DIGESTS, AT(tdx.td_attributes), 8, 0},
	{"xfam",               F_DIGESTS, AT(tdx.xfam), 8, 0},
};

static const struct field snp_fields[] = {
	{"allow_migration_agent", F_BOOL, AT(snp.allow_migration_agent), 0, 0},
	{"allow_provisional",  F_BOOL,    AT(snp.allow_provisional), 0, 0},
	{"allow_smt",          F_BOOL,    AT(snp.allow_smt), 0, 0},
	{"allow_vlek",         F_BOOL,    AT(snp.allow_vlek), 0, 0},
	{"any_workload",       F_BOOL,    AT(snp.any_workload), 0, 0},
	{"author_keys",        F_DIGESTS, AT(snp.author_keys), 48, 0},
	{"chip_ids",           F_DIGESTS, AT(snp.chip_ids), 64, 0},
	{"family_ids",         F_DIGESTS, AT(snp.family_ids), 16, 0},
	{"guest_policy",       F_INT,     AT(snp.guest_policy), -1, INT64_MAX},
	{"host_data",          F_DIGESTS, AT(snp.host_data), 32, 0},
	{"id_keys",            F_DIGESTS, AT(snp.id_keys), 48, 0},
	{"image_ids",          F_DIGESTS, AT(snp.image_ids), 16, 0},
	{"max_vmpl",           F_INT,     AT(snp.max_vmpl), 0, 3},
	{"measurement",        F_DIGESTS, AT(snp.measurement), 48, 0},
	{"min_abi_major",      F_INT,     AT(snp.min_abi_major), 0, 255},
	{"min_abi_minor",      F_INT,     AT(snp.min_abi_minor), 0, 255},
	{"min_build",          F_INT,     AT(snp.min_build), -1, 255},
	{"min_current_mitigation", F_INT, AT(snp.min_current_mitigation),
	    0, INT64_MAX},
	{"min_guest_svn",      F_INT,     AT(snp.min_guest_svn), 0, UINT32_MAX},
	{"min_launch_mitigation", F_INT,  AT(snp.min_launch_mitigation),
	    0, INT64_MAX},
	{"min_launch_tcb",     F_TCBS,    AT(snp.min_launch_tcb), 0, 0},
	{"min_tcb",            F_TCBS,    AT(snp.min_tcb), 0, 0},
	{"min_version_major",  F_INT,     AT(snp.min_version_major), 0, 255},
	{"min_version_minor",  F_INT,     AT(snp.min_version_minor), 0, 255},
	{"platform_info",      F_INT,     AT(snp.platform_info), -1, INT64_MAX},
	{"products",           F_TEXTS,   AT(snp.products), 0, 0},
	{"report_ids",         F_DIGESTS, AT(snp.report_ids), 32, 0},
	{"require_ciphertext_hiding", F_BOOL,
	    AT(snp.require_ciphertext_hiding), 0, 0},
	{"require_single_socket", F_BOOL, AT(snp.require_single_socket), 0, 0},
};

static const struct field nvidia_fields[] = {
	{"allow_hold",         F_BOOL,    AT(nvidia.allow_hold), 0, 0},
	{"allow_no_rim",       F_BOOL,    AT(nvidia.allow_no_rim), 0, 0},
	{"architectures",      F_TEXTS,   AT(nvidia.architectures), 0, 0},
	{"drivers",            F_TEXTS,   AT(nvidia.drivers), 0, 0},
	{"gpus",               F_INT,     AT(nvidia.gpus), 1, 64},
	{"modes",              F_TEXTS,   AT(nvidia.modes), 0, 0},
	{"require_rim_revocation", F_BOOL,
	    AT(nvidia.require_rim_revocation), 0, 0},
	{"switches",           F_INT,     AT(nvidia.switches), 0, 64},
	{"vbios",              F_TEXTS,   AT(nvidia.vbios), 0, 0},
};

static const struct field nras_fields[] = {
	{"issuers",            F_TEXTS,   AT(nras.issuers), 0, 0},
	{"max_age_s",          F_INT,     AT(nras.max_age_s), 1, 86400},
};

static const struct field apple_fields[] = {
	{"allow_development",  F_BOOL,    AT(apple.allow_development), 0, 0},
	{"allow_kexts",        F_BOOL,    AT(apple.allow_kexts), 0, 0},
	{"allow_no_posture",   F_BOOL,    AT(apple.allow_no_posture), 0, 0},
	{"allow_reduced_security", F_BOOL,
	    AT(apple.allow_reduced_security), 0, 0},
	{"allow_sip_off",      F_BOOL,    AT(apple.allow_sip_off), 0, 0},
	{"apps",               F_TEXTS,   AT(apple.apps), 0, 0},
	{"min_llb_version",    F_VERSION, AT(apple.min_llb_version), 0, 0},
	{"min_os_version",     F_VERSION, AT(apple.min_os_version), 0, 0},
	{"min_sepos_version",  F_VERSION, AT(apple.min_sepos_version), 0, 0},
	{"os_versions",        F_TEXTS,   AT(apple.os_versions), 0, 0},
	{"serials",            F_TEXTS,   AT(apple.serials), 0, 0},
	{"udids",              F_TEXTS,   AT(apple.udids), 0, 0},
};

static const struct field dstack_fields[] = {
	{"allow_unpinned_base", F_BOOL,   AT(dstack.allow_unpinned_base), 0, 0},
	{"app_ids",            F_HEXES,   AT(dstack.app_ids), 0, 0},
	{"compose_hashes",     F_HEXES,   AT(dstack.compose_hashes), 0, 0},
	{"key_providers",      F_TEXTS,   AT(dstack.key_providers), 0, 0},
	{"os_images",          F_HEXES,   AT(dstack.os_images), 0, 0},
};

static const struct section sections[] = {
	{"apple",  AT(apple.present),  apple_fields,  COUNT(apple_fields)},
	{"dstack", AT(dstack.present), dstack_fields, COUNT(dstack_fields)},
	{"nras",   AT(nras.present),   nras_fields,   COUNT(nras_fields)},
	{"nvidia", AT(nvidia.present), nvidia_fields, COUNT(nvidia_fields)},
	{"snp",    AT(snp.present),    snp_fields,    COUNT(snp_fields)},
	{"tdx",    AT(tdx.present),    tdx_fields,    COUNT(tdx_fields)},
};

static const struct field top_fields[] = {
	{"bindings",             F_TEXTS, AT(bindings), 0, 0},
	{"image_digests",        F_TEXTS, AT(image_digests), 0, 0},
	{"kms_roots",            F_HEXES, AT(kms_roots), 0, 0},
	{"max_collateral_age_s", F_INT,   AT(max_collateral_age_s),
	    1, 10LL * 366 * 86400},
	{"max_crl_age_s",        F_INT,   AT(max_crl_age_s),
	    1, 10LL * 366 * 86400},
	{"max_verdict_age_s",    F_INT,   AT(max_verdict_age_s), 1, 30 * 86400},
	{"revocation",           F_BOOL,  AT(revocation), 0, 0},
	{"signing_addresses",    F_HEXES, AT(signing_addresses), 0, 0},
	{"workloads",            F_HEXES, AT(workloads), 0, 0},
};
/* clang-format on */

static const char *const snp_product_names[SNP_PRODUCTS] = {
    [SNP_MILAN] = "Milan", [SNP_GENOA] = "Genoa", [SNP_TURIN] = "Turin"};
static const char *const up_to_date[] = {"UpToDate"};
static const char *const assay_form[] = {"assay"};
static const char *const default_modes[] = {"SPT", "PPCIE"};
static const char *const nras_issuer[] = {
    "https://nras.attestation.nvidia.com"};

struct policy
policy_defaults(void)
{
	struct policy p;
	int i;

	memset(&p, 0, sizeof(p));
	p.revocation = true;
	p.max_collateral_age_s = 30LL * 86400;
	p.max_crl_age_s = 400LL * 86400;
	p.max_verdict_age_s = 3600;
	p.bindings = (struct policy_texts){true, 1, assay_form};
	p.tdx.accept_status = (struct policy_texts){true, 1, up_to_date};
	p.tdx.allow_pks = true;
	p.snp.allow_smt = p.snp.allow_vlek = p.snp.allow_provisional = true;
	p.snp.min_build = p.snp.guest_policy = p.snp.platform_info = -1;
	for (i = 0; i < SNP_PRODUCTS; i++)
		p.snp.min_tcb[i] = p.snp.min_launch_tcb[i] =
		    (struct policy_tcb){false, -1, -1, -1, -1, -1};
	p.nvidia.modes = (struct policy_texts){true, 2, default_modes};
	p.nvidia.gpus = p.nvidia.switches = -1;
	p.nras.issuers = (struct policy_texts){true, 1, nras_issuer};
	p.nras.max_age_s = 3600;
	return p;
}

static const char *
lower(struct arena *a, const char *text)
{
	char *at = arena_string(a, text);
	size_t i;

	for (i = 0; at[i] != '\0'; i++)
		if (at[i] >= 'A' && at[i] <= 'Z')
			at[i] = (char)(at[i] - 'A' + 'a');
	return at;
}

static bool
read_texts(struct arena *a, const json_t *j, const char *path, bool is_hex,
    struct policy_texts *out, struct fault *f)
{
	size_t i, n = json_array_size(j);
	const char **at;

	if (!json_is_array(j) || n == 0 || n > LIST_MAX)
		return fault_set(f, FAULT_INVALID,
		    "policy: %s is not a list of 1 to %d texts", path,
		    LIST_MAX);
	at = arena_alloc(a, n * sizeof(*at));
	for (i = 0; i < n; i++) {
		const json_t *e = json_array_get(j, i);

		if (!json_is_string(e) || json_string_length(e) == 0 ||
		    json_string_length(e) > TEXT_MAX)
			return fault_set(f, FAULT_INVALID,
			    "policy: %s holds something that is not a text of "
			    "1 to %d bytes",
			    path, TEXT_MAX);
		at[i] = is_hex ? lower(a, json_string_value(e))
			       : arena_string(a, json_string_value(e));
	}
	*out = (struct policy_texts){true, n, at};
	return true;
}

static bool
read_digests(struct arena *a, const json_t *j, const char *path, size_t width,
    struct policy_digests *out, struct fault *f)
{
	size_t i, len, n = json_array_size(j);
	uint8_t *at;

	if (!json_is_array(j) || n == 0 || n > LIST_MAX)
		return fault_set(f, FAULT_INVALID,
		    "policy: %s is not a list of 1 to %d values", path,
		    LIST_MAX);
	at = arena_alloc(a, n * width);
	for (i = 0; i < n; i++) {
		const json_t *e = json_array_get(j, i);

		if (!json_is_string(e) ||
		    !hex_decode((struct text){json_string_value(e),
				    json_string_length(e)},
			at + i * width, width, &len) ||
		    len != width)
			return fault_set(f, FAULT_INVALID,
			    "policy: %s holds something that is not %zu bytes "
			    "in hex",
			    path, width);
	}
	*out = (struct policy_digests){true, n, width, at};
	return true;
}

static bool
read_int(const json_t *j, const char *path, int64_t min, int64_t max,
    int64_t *out, struct fault *f)
{
	if (!json_is_integer(j) || json_integer_value(j) < min ||
	    json_integer_value(j) > max)
		return fault_set(f, FAULT_INVALID,
		    "policy: %s is not a number from %lld to %lld", path,
		    (long long)min, (long long)max);
	*out = json_integer_value(j);
	return true;
}

static bool
read_version(struct arena *a, const json_t *j, const char *path,
    const char **out, struct fault *f)
{
	struct text t = {json_string_value(j), json_string_length(j)};

	if (!json_is_string(j) || !dotted_is(t))
		return fault_set(f, FAULT_INVALID,
		    "policy: %s is not a version like 15.5", path);
	*out = arena_string(a, t.at);
	return true;
}

static bool
read_tcb(const json_t *j, const char *path, bool turin, struct policy_tcb *out,
    struct fault *f)
{
	const char *name;
	json_t *value;
	int64_t n;

	if (!json_is_object(j) || json_object_size(j) == 0)
		return fault_set(f, FAULT_INVALID,
		    "policy: %s is not an object of versions", path);
	json_object_foreach((json_t *)(uintptr_t)j, name, value)
	{
		int *at = strcmp(name, "bootloader") == 0     ? &out->bootloader
			  : strcmp(name, "tee") == 0	      ? &out->tee
			  : strcmp(name, "snp") == 0	      ? &out->snp
			  : strcmp(name, "microcode") == 0    ? &out->microcode
			  : strcmp(name, "fmc") == 0 && turin ? &out->fmc
							      : NULL;

		if (at == NULL)
			return fault_set(f, FAULT_INVALID,
			    "policy: %s has no version %.40s", path, name);
		if (!read_int(value, path, 0, 255, &n, f))
			return false;
		*at = (int)n;
	}
	out->given = true;
	return true;
}

static bool
read_tcbs(
    const json_t *j, const char *path, struct policy_tcb *out, struct fault *f)
{
	const char *name;
	json_t *value;
	char below[96];
	int i;

	if (!json_is_object(j) || json_object_size(j) == 0)
		return fault_set(f, FAULT_INVALID,
		    "policy: %s is not an object of products", path);
	json_object_foreach((json_t *)(uintptr_t)j, name, value)
	{
		for (i = 0; i < SNP_PRODUCTS; i++)
			if (strcmp(name, snp_product_names[i]) == 0)
				break;
		if (i == SNP_PRODUCTS)
			return fault_set(f, FAULT_INVALID,
			    "policy: %s names no known product (%.40s)", path,
			    name);
		snprintf(below, sizeof(below), "%s.%s", path, name);
		if (!read_tcb(value, below, i == SNP_TURIN, &out[i], f))
			return false;
	}
	return true;
}

static bool
read_field(struct arena *a, const struct field *d, const json_t *j,
    const char *path, struct policy *p, struct fault *f)
{
	void *at = (char *)p + d->offset;

	switch (d->type) {
	case F_TEXTS:
	case F_HEXES:
		return read_texts(a, j, path, d->type == F_HEXES, at, f);
	case F_DIGESTS:
		return read_digests(a, j, path, (size_t)d->min, at, f);
	case F_INT:
		return read_int(j, path, d->min, d->max, at, f);
	case F_TCBS:
		return read_tcbs(j, path, at, f);
	case F_VERSION:
		return read_version(a, j, path, at, f);
	case F_BOOL:
		if (!json_is_boolean(j))
			return fault_set(f, FAULT_INVALID,
			    "policy: %s is not true or false", path);
		*(bool *)at = json_is_true(j);
		return true;
	case F_SECTION:
		break;
	}
	return fault_set(f, FAULT_INTERNAL, "policy: a field of no type");
}

static bool
read_section(struct arena *a, const struct section *s, const json_t *j,
    struct policy *p, struct fault *f)
{
	const char *name;
	json_t *value;
	char path[96];
	size_t i;

	if (!json_is_object(j))
		return fault_set(
		    f, FAULT_INVALID, "policy: %s is not an object", s->name);
	json_object_foreach((json_t *)(uintptr_t)j, name, value)
	{
		snprintf(path, sizeof(path), "%s.%.60s", s->name, name);
		for (i = 0; i < s->count; i++)
			if (strcmp(s->fields[i].name, name) == 0)
				break;
		if (i == s->count)
			return fault_set(f, FAULT_INVALID,
			    "policy: unknown member %s", path);
		if (!read_field(a, &s->fields[i], value, path, p, f))
			return false;
	}
	*(bool *)((char *)p + s->present) = true;
	return true;
}

static bool
read_require(const json_t *j, unsigned *out, struct fault *f)
{
	static const struct {
		const char *name;
		unsigned bit;
	} kinds[] = {{"cpu", REQUIRE_CPU}, {"gpu", REQUIRE_GPU},
	    {"device", REQUIRE_DEVICE}};
	size_t i, k;

	*out = 0;
	for (i = 0; i < json_array_size(j); i++) {
		const char *name = json_string_value(json_array_get(j, i));

		for (k = 0; k < COUNT(kinds); k++)
			if (name != NULL && strcmp(name, kinds[k].name) == 0 &&
			    !(*out & kinds[k].bit))
				break;
		if (k == COUNT(kinds))
			return fault_set(f, FAULT_INVALID,
			    "policy: require holds something that is not cpu, "
			    "gpu or device, each once");
		*out |= kinds[k].bit;
	}
	if (*out == 0)
		return fault_set(f, FAULT_INVALID,
		    "policy: require is not a list of cpu, gpu or device");
	return true;
}

static bool
read_top(struct arena *a, const char *name, const json_t *j, struct policy *p,
    struct fault *f)
{
	size_t i;

	if (strcmp(name, "version") == 0)
		return read_int(j, name, 1, INT64_MAX, &p->version, f);
	if (strcmp(name, "require") == 0)
		return read_require(j, &p->require, f);
	if (strcmp(name, "name") == 0) {
		if (!json_is_string(j) || json_string_length(j) > TEXT_MAX)
			return fault_set(
			    f, FAULT_INVALID, "policy: name is not a text");
		p->name = arena_string(a, json_string_value(j));
		return true;
	}
	for (i = 0; i < COUNT(sections); i++)
		if (strcmp(sections[i].name, name) == 0)
			return read_section(a, &sections[i], j, p, f);
	for (i = 0; i < COUNT(top_fields); i++)
		if (strcmp(top_fields[i].name, name) == 0)
			return read_field(a, &top_fields[i], j, name, p, f);
	return fault_set(
	    f, FAULT_INVALID, "policy: unknown member %.60s", name);
}

/* Words of Intel's TCB info that a policy may accept; Revoked is never one. */
static bool
statuses_known(const struct policy_texts *l, struct fault *f)
{
	static const char *const known[] = {"UpToDate", "SWHardeningNeeded",
	    "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded",
	    "OutOfDate", "OutOfDateConfigurationNeeded", "TDRelaunchAdvised",
	    "TDRelaunchAdvisedConfigurationNeeded"};
	const struct policy_texts all = {true, COUNT(known), known};
	size_t i;

	for (i = 0; i < l->count; i++)
		if (!policy_texts_have(&all, text_of(l->at[i])))
			return fault_set(f, FAULT_INVALID,
			    "policy: tdx.accept_status: %.40s is no status "
			    "that may be accepted",
			    l->at[i]);
	return true;
}

static bool
bindings_known(const struct policy_texts *l, struct fault *f)
{
	static const char *const known[] = {"assay", "dstack", "dstack-tls"};
	const struct policy_texts all = {true, COUNT(known), known};
	size_t i;

	for (i = 0; i < l->count; i++)
		if (!policy_texts_have(&all, text_of(l->at[i])))
			return fault_set(f, FAULT_INVALID,
			    "policy: bindings: %.40s is no known form",
			    l->at[i]);
	return true;
}

static bool
products_known(const struct policy_snp *s, struct fault *f)
{
	const struct policy_texts all = {true, SNP_PRODUCTS, snp_product_names};
	size_t i;

	for (i = 0; i < s->products.count; i++)
		if (!policy_texts_have(&all, text_of(s->products.at[i])))
			return fault_set(f, FAULT_INVALID,
			    "policy: snp.products: %.40s is no known product",
			    s->products.at[i]);
	for (i = 0; s->products.given && i < SNP_PRODUCTS; i++)
		if ((s->min_tcb[i].given || s->min_launch_tcb[i].given) &&
		    !policy_texts_have(
			&s->products, text_of(snp_product_names[i])))
			return fault_set(f, FAULT_INVALID,
			    "policy: a least TCB for %s, which snp.products "
			    "does not accept",
			    snp_product_names[i]);
	return true;
}

static bool
workload_pinned(const char *kind, bool pinned, bool any, struct fault *f)
{
	if (pinned && any)
		return fault_set(f, FAULT_INVALID,
		    "policy: %s pins a workload and accepts any", kind);
	if (!pinned && !any)
		return fault_set(f, FAULT_INVALID,
		    "policy: %s pins no workload; say any_workload if that is "
		    "meant",
		    kind);
	return true;
}

static bool
sections_agree(const struct policy *p, struct fault *f)
{
	if (p->version == 0)
		return fault_set(f, FAULT_INVALID, "policy: no version");
	if (p->require == 0)
		return fault_set(f, FAULT_INVALID, "policy: no require");
	if ((p->require & REQUIRE_CPU) && !p->tdx.present && !p->snp.present)
		return fault_set(f, FAULT_INVALID,
		    "policy: requires cpu but has neither tdx nor snp");
	if ((p->require & REQUIRE_GPU) && !p->nvidia.present)
		return fault_set(
		    f, FAULT_INVALID, "policy: requires gpu but has no nvidia");
	if ((p->require & REQUIRE_DEVICE) && !p->apple.present)
		return fault_set(f, FAULT_INVALID,
		    "policy: requires device but has no apple");
	if (p->nras.present && !p->nvidia.present)
		return fault_set(f, FAULT_INVALID,
		    "policy: nras is a second opinion and needs nvidia");
	if (p->dstack.present && !p->tdx.present)
		return fault_set(f, FAULT_INVALID, "policy: dstack needs tdx");
	return true;
}

static bool
contradiction_free(const struct policy *p, struct fault *f)
{
	const struct policy_tdx *t = &p->tdx;
	const struct policy_snp *s = &p->snp;
	bool pinned;

	if (!sections_agree(p, f) || !statuses_known(&t->accept_status, f) ||
	    !bindings_known(&p->bindings, f) || !products_known(s, f))
		return false;
	pinned = p->workloads.given || t->mrtd.given || t->mrconfigid.given ||
		 t->rtmr[1].given || t->rtmr[2].given || t->rtmr[3].given ||
		 t->config_prefix.given || p->dstack.compose_hashes.given ||
		 p->dstack.app_ids.given;
	if (t->present && !workload_pinned("tdx", pinned, t->any_workload, f))
		return false;
	pinned = p->workloads.given || s->measurement.given ||
		 s->host_data.given || s->id_keys.given || s->author_keys.given;
	return !s->present ||
	       workload_pinned("snp", pinned, s->any_workload, f);
}

bool
policy_of_json(
    struct arena *a, const json_t *j, struct policy **out, struct fault *f)
{
	struct policy *p = arena_alloc(a, sizeof(*p));
	const char *name, *canonical;
	json_t *value;
	uint8_t digest[32];
	char hex[HEX_SIZE(32)];

	*p = policy_defaults();
	if (!json_is_object(j))
		return fault_set(
		    f, FAULT_INVALID, "policy: absent or not an object");
	json_object_foreach((json_t *)(uintptr_t)j, name,
	    value) if (!read_top(a, name, value, p, f)) return false;
	if (!contradiction_free(p, f))
		return false;
	canonical = json_write_canonical(a, j);
	sha256(bytes_of(canonical, strlen(canonical)), digest);
	hex_encode(bytes_of(digest, 32), hex);
	p->digest = arena_string(a, hex);
	*out = p;
	return true;
}

bool
policy_read(
    struct arena *a, struct text json, struct policy **out, struct fault *f)
{
	json_t *j = NULL;
	bool read;

	if (!json_read(json, POLICY_MAX_BYTES, &j, f))
		return false;
	read = policy_of_json(a, j, out, f);
	json_free(&j);
	return read;
}

bool
policy_texts_have(const struct policy_texts *l, struct text t)
{
	size_t i;

	for (i = 0; i < l->count; i++)
		if (text_is(t, l->at[i]))
			return true;
	return false;
}

static bool
digests_have(const struct policy_digests *l, struct bytes b)
{
	size_t i;

	for (i = 0; i < l->count; i++)
		if (b.len == l->width &&
		    memcmp(l->at + i * l->width, b.at, b.len) == 0)
			return true;
	return false;
}

bool
policy_check_digest(struct verdict *v, const struct policy_digests *l,
    const char *name, enum claim_source source, struct bytes seen)
{
	const char *wanted;

	if (!l->given)
		return true;
	wanted = l->count == 1
		     ? verdict_hex(v, bytes_of(l->at, l->width))
		     : verdict_format(v, "one of %zu pinned values", l->count);
	return verdict_check(v, digests_have(l, seen),
	    (struct check){
		name, source, CODE_POLICY, verdict_hex(v, seen), wanted});
}

bool
policy_check_text(struct verdict *v, const struct policy_texts *l,
    const char *name, enum claim_source source, struct text seen)
{
	const char *wanted;

	if (!l->given)
		return true;
	wanted = l->count == 1 ? verdict_text(v, text_of(l->at[0]))
			       : verdict_format(
				     v, "one of %zu accepted values", l->count);
	return verdict_check(v, policy_texts_have(l, seen),
	    (struct check){
		name, source, CODE_POLICY, verdict_text(v, seen), wanted});
}
