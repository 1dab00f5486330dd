/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Contrast manifest as a policy source. Each reference value becomes one
 * policy; the hashes of the manifest's workload policies are what HOSTDATA
 * (SNP) or the first half of MRCONFIGID (TDX) must be. A constraint that is
 * not understood is refused, since leaving it out would open the door.
 */
#include <string.h>

#include "attestation/policy.h"
#include "base/codec.h"
#include "base/json.h"

static bool
refuse(struct fault *f, const char *what)
{
	return fault_set(f, FAULT_INVALID, "Contrast manifest: %.120s", what);
}

/* Every member of the object is one of the names. */
static bool
known_members(const json_t *o, const char *const *names, struct fault *f)
{
	const char *name;
	json_t *value;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)o, name, value)
	{
		for (i = 0; names[i] != NULL; i++)
			if (strcmp(names[i], name) == 0)
				break;
		if (names[i] == NULL)
			return fault_set(f, FAULT_INVALID,
			    "Contrast manifest: unknown member %.60s", name);
	}
	return true;
}

static bool
given(const json_t *o, const char *name)
{
	const json_t *j = json_object_get(o, name);

	return j != NULL && !json_is_null(j);
}

static bool
hex_value(const json_t *j, uint8_t *out, size_t width)
{
	size_t len;

	return json_is_string(j) &&
	       hex_decode(
		   (struct text){json_string_value(j), json_string_length(j)},
		   out, width, &len) &&
	       len == width;
}

static bool
one_digest(
    struct arena *a, const json_t *j, size_t width, struct policy_digests *out)
{
	uint8_t *at = arena_alloc(a, width);

	if (!hex_value(j, at, width))
		return false;
	*out = (struct policy_digests){true, 1, width, at};
	return true;
}

static bool
many_digests(
    struct arena *a, const json_t *j, size_t width, struct policy_digests *out)
{
	size_t i, n = json_array_size(j);
	uint8_t *at;

	if (!json_is_array(j) || n == 0 || n > 1024)
		return false;
	at = arena_alloc(a, n * width);
	for (i = 0; i < n; i++)
		if (!hex_value(json_array_get(j, i), at + i * width, width))
			return false;
	*out = (struct policy_digests){true, n, width, at};
	return true;
}

/* The keys of Policies; at most one of them is the coordinator. */
static bool
read_workloads(struct arena *a, const json_t *o, struct policy_digests *out,
    struct fault *f)
{
	static const char *const names[] = {
	    "SANs", "WorkloadSecretID", "Role", NULL};
	const char *hash, *role;
	json_t *entry;
	size_t n = 0, coordinators = 0, len;
	uint8_t *at;

	if (!json_is_object(o) || json_object_size(o) == 0 ||
	    json_object_size(o) > 1024)
		return refuse(f, "no Policies");
	at = arena_alloc(a, json_object_size(o) * 32);
	json_object_foreach((json_t *)(uintptr_t)o, hash, entry)
	{
		if (!hex_decode(text_of(hash), at + n * 32, 32, &len) ||
		    len != 32)
			return refuse(f, "a workload hash is not 32 bytes");
		if (!json_is_object(entry) || !known_members(entry, names, f))
			return refuse(f, "a workload is not understood");
		role = json_string_value(json_object_get(entry, "Role"));
		if (role != NULL && strcmp(role, "coordinator") == 0)
			coordinators++;
		else if (role != NULL && *role != '\0')
			return refuse(f, "a workload of an unknown role");
		n++;
	}
	if (coordinators > 1)
		return refuse(f, "more than one coordinator");
	*out = (struct policy_digests){true, n, 32, at};
	return true;
}

static bool
read_tcb(const json_t *o, struct policy_tcb *out, struct fault *f)
{
	static const char *const names[] = {"BootloaderVersion", "TEEVersion",
	    "SNPVersion", "MicrocodeVersion", NULL};
	int *const at[] = {
	    &out->bootloader, &out->tee, &out->snp, &out->microcode};
	size_t i;

	if (!json_is_object(o) || !known_members(o, names, f))
		return refuse(f, "MinimumTCB is not understood");
	for (i = 0; names[i] != NULL; i++) {
		const json_t *j = json_object_get(o, names[i]);

		if (!json_is_integer(j) || json_integer_value(j) < 0 ||
		    json_integer_value(j) > 255)
			return refuse(f, "MinimumTCB lacks a version");
		*at[i] = (int)json_integer_value(j);
	}
	out->given = true;
	return true;
}

/* A named bit: true asks for it where `asks`, else only allows it. */
struct flag {
	const char *name;
	int bit;
	bool asks;
};

static bool
read_flags(const json_t *o, const struct flag *flags, size_t count,
    uint64_t *must, uint64_t *must_not, struct fault *f)
{
	bool set;
	size_t i;

	for (i = 0; i < count; i++) {
		const json_t *j = json_object_get(o, flags[i].name);

		if (j != NULL && !json_is_boolean(j))
			return refuse(f, "a flag is not true or false");
		set = json_is_true(j);
		if (flags[i].asks && set)
			*must |= 1ull << flags[i].bit;
		if (!flags[i].asks && !set)
			*must_not |= 1ull << flags[i].bit;
	}
	return true;
}

static bool
read_abi(const json_t *o, const char *name, int64_t *out, struct fault *f)
{
	const json_t *j = json_object_get(o, name);

	if (j == NULL)
		return true;
	if (!json_is_integer(j) || json_integer_value(j) < 0 ||
	    json_integer_value(j) > 255)
		return refuse(f, "an ABI version is no number to 255");
	*out = json_integer_value(j);
	return true;
}

static bool
read_guest_policy(const json_t *o, struct policy_snp *out, struct fault *f)
{
	static const char *const names[] = {"ABIMinor", "ABIMajor", "SMT",
	    "MigrateMA", "Debug", "SingleSocket", "CXLAllowed", "MemAES256XTS",
	    "RAPLDis", "CipherTextHidingDRAM", "CipherTextHiding",
	    "PageSwapDisable", NULL};
	static const struct flag flags[] = {{"SMT", 16, false},
	    {"MigrateMA", 18, false}, {"SingleSocket", 20, true},
	    {"CXLAllowed", 21, false}, {"MemAES256XTS", 22, true},
	    {"RAPLDis", 23, true}, {"CipherTextHidingDRAM", 24, true},
	    {"CipherTextHiding", 24, true}, {"PageSwapDisable", 25, true}};

	if (!json_is_object(o) || !known_members(o, names, f))
		return refuse(f, "GuestPolicy is not understood");
	if (json_is_true(json_object_get(o, "Debug")))
		return refuse(f, "GuestPolicy allows debugging");
	out->allow_migration_agent =
	    json_is_true(json_object_get(o, "MigrateMA"));
	return read_flags(o, flags, sizeof(flags) / sizeof(flags[0]),
		   &out->guest_must, &out->guest_must_not, f) &&
	       read_abi(o, "ABIMajor", &out->min_abi_major, f) &&
	       read_abi(o, "ABIMinor", &out->min_abi_minor, f);
}

static bool
read_platform_info(const json_t *o, struct policy_snp *out, struct fault *f)
{
	static const char *const names[] = {"SMTEnabled", "TSMEEnabled",
	    "ECCEnabled", "RAPLDisabled", "CiphertextHidingDRAMEnabled",
	    "AliasCheckComplete", "TIOEnabled", NULL};
	static const struct flag flags[] = {{"SMTEnabled", 0, false},
	    {"TSMEEnabled", 1, false}, {"ECCEnabled", 2, true},
	    {"RAPLDisabled", 3, true}, {"CiphertextHidingDRAMEnabled", 4, true},
	    {"AliasCheckComplete", 5, true}, {"TIOEnabled", 7, false}};

	if (!json_is_object(o) || !known_members(o, names, f))
		return refuse(f, "PlatformInfo is not understood");
	return read_flags(o, flags, sizeof(flags) / sizeof(flags[0]),
	    &out->platform_must, &out->platform_must_not, f);
}

static bool
read_product(struct arena *a, const json_t *o, enum snp_product *product,
    struct policy_snp *out, struct fault *f)
{
	static const char *const names[SNP_PRODUCTS] = {
	    "Milan", "Genoa", "Turin"};
	const char *name = json_string_value(json_object_get(o, "ProductName"));
	const char **at;
	int i;

	for (i = 0; i < SNP_PRODUCTS; i++)
		if (name != NULL && strcmp(name, names[i]) == 0)
			break;
	if (i == SNP_PRODUCTS)
		return refuse(f, "ProductName is not known");
	*product = (enum snp_product)i;
	at = arena_alloc(a, sizeof(*at));
	at[0] = names[i];
	out->products = (struct policy_texts){true, 1, at};
	return true;
}

static bool
read_snp(struct arena *a, const json_t *o, struct policy *p, struct fault *f)
{
	static const char *const names[] = {"Platform", "ProductName",
	    "TrustedMeasurement", "MinimumTCB", "GuestPolicy", "PlatformInfo",
	    "MinimumMitigationVector", "AllowedChipIDs", "CPUs", NULL};
	struct policy_snp *s = &p->snp;
	const json_t *vector = json_object_get(o, "MinimumMitigationVector");
	enum snp_product product = SNP_MILAN;

	if (!json_is_object(o) || !known_members(o, names, f) ||
	    !read_product(a, o, &product, s, f))
		return false;
	if (!one_digest(a, json_object_get(o, "TrustedMeasurement"), 48,
		&s->measurement))
		return refuse(f, "TrustedMeasurement is not 48 bytes");
	if (!read_tcb(
		json_object_get(o, "MinimumTCB"), &s->min_tcb[product], f))
		return false;
	/* The guest must have been launched on firmware as good as now. */
	s->min_launch_tcb[product] = s->min_tcb[product];
	if (given(o, "GuestPolicy") &&
	    !read_guest_policy(json_object_get(o, "GuestPolicy"), s, f))
		return false;
	if (given(o, "PlatformInfo") &&
	    !read_platform_info(json_object_get(o, "PlatformInfo"), s, f))
		return false;
	if (given(o, "MinimumMitigationVector")) {
		if (!json_is_integer(vector) || json_integer_value(vector) < 0)
			return refuse(f, "MinimumMitigationVector");
		s->min_launch_mitigation = json_integer_value(vector);
	}
	if (given(o, "AllowedChipIDs") &&
	    json_array_size(json_object_get(o, "AllowedChipIDs")) > 0 &&
	    !many_digests(
		a, json_object_get(o, "AllowedChipIDs"), 64, &s->chip_ids))
		return refuse(f, "AllowedChipIDs are not chip ids");
	s->present = true;
	return true;
}

static bool
read_bool(const json_t *o, const char *name, bool *out, struct fault *f)
{
	const json_t *j = json_object_get(o, name);

	if (j != NULL && !json_is_boolean(j))
		return refuse(f, "a flag is not true or false");
	*out = json_is_true(j);
	return true;
}

/* Without the CET bits 11 and 12, which do not count on either side. */
static bool
read_xfam(struct arena *a, const json_t *j, struct policy_tdx *t)
{
	uint8_t *at = arena_alloc(a, 8);

	if (!hex_value(j, at, 8))
		return false;
	at[1] &= (uint8_t)~0x18;
	t->xfam = (struct policy_digests){true, 1, 8, at};
	t->xfam_ignores_cet = true;
	return true;
}

static bool
read_tdx_registers(
    struct arena *a, const json_t *o, struct policy_tdx *t, struct fault *f)
{
	const json_t *rtmrs = json_object_get(o, "Rtmrs");
	size_t i;

	if (!one_digest(a, json_object_get(o, "MrTd"), 48, &t->mrtd) ||
	    !one_digest(a, json_object_get(o, "MrSeam"), 48, &t->mrseam) ||
	    !read_xfam(a, json_object_get(o, "Xfam"), t))
		return refuse(f, "MrTd, MrSeam or Xfam is no digest");
	if (json_array_size(rtmrs) != 4)
		return refuse(f, "Rtmrs are not four");
	for (i = 0; i < 4; i++)
		if (!one_digest(a, json_array_get(rtmrs, i), 48, &t->rtmr[i]))
			return refuse(f, "a register is not 48 bytes");
	return true;
}

static bool
read_tdx(struct arena *a, const json_t *o, struct policy *p, struct fault *f)
{
	static const char *const names[] = {"Platform",
	    "MinTCBEvaluationDataNumber", "MrTd", "MrSeam", "Rtmrs", "Xfam",
	    "AllowedPIIDs", "MemoryIntegrity", "SMTDisabled", "StaticPlatform",
	    "CPUs", NULL};
	struct policy_tdx *t = &p->tdx;
	const json_t *number = json_object_get(o, "MinTCBEvaluationDataNumber");

	if (!json_is_object(o) || !known_members(o, names, f) ||
	    !read_tdx_registers(a, o, t, f) ||
	    !read_bool(o, "MemoryIntegrity", &t->memory_integrity, f) ||
	    !read_bool(o, "SMTDisabled", &t->smt_disabled, f) ||
	    !read_bool(o, "StaticPlatform", &t->static_platform, f))
		return false;
	if (number != NULL &&
	    (!json_is_integer(number) || json_integer_value(number) < 0))
		return refuse(f, "MinTCBEvaluationDataNumber is no number");
	t->min_tcb_evaluation = json_integer_value(number);
	if (given(o, "AllowedPIIDs") &&
	    json_array_size(json_object_get(o, "AllowedPIIDs")) > 0 &&
	    !many_digests(a, json_object_get(o, "AllowedPIIDs"), 16, &t->piids))
		return refuse(f, "AllowedPIIDs are not instance ids");
	t->present = true;
	return true;
}

static bool
read_list(struct arena *a, const json_t *list,
    const struct policy_digests *workloads, bool tdx, struct policy **out,
    size_t *count, struct fault *f)
{
	size_t i;

	if (list != NULL && !json_is_null(list) && !json_is_array(list))
		return refuse(f, "reference values are not a list");
	for (i = 0; i < json_array_size(list); i++) {
		const json_t *o = json_array_get(list, i);
		struct policy *p = arena_alloc(a, sizeof(*p));

		if (*count == CONTRAST_POLICIES_MAX)
			return refuse(f, "too many reference values");
		*p = policy_defaults();
		p->version = 1;
		p->name = "contrast";
		p->require = REQUIRE_CPU;
		p->tdx.config_prefix = p->snp.host_data = *workloads;
		if (!(tdx ? read_tdx(a, o, p, f) : read_snp(a, o, p, f)))
			return false;
		out[(*count)++] = p;
	}
	return true;
}

static bool
read_manifest(struct arena *a, const json_t *o, struct policy **out,
    size_t *count, struct fault *f)
{
	static const char *const top[] = {"Policies", "ReferenceValues",
	    "WorkloadOwnerKeyDigests", "SeedshareOwnerPubKeys",
	    "WorkloadOwnerPubKeys", NULL};
	static const char *const kinds[] = {"snp", "tdx", NULL};
	const json_t *values = json_object_get(o, "ReferenceValues");
	struct policy_digests workloads;

	if (!json_is_object(o) || !known_members(o, top, f) ||
	    !read_workloads(a, json_object_get(o, "Policies"), &workloads, f))
		return json_is_object(o) ? false : refuse(f, "no object");
	if (!json_is_object(values))
		return refuse(f, "no ReferenceValues");
	if (!known_members(values, kinds, f) ||
	    !read_list(a, json_object_get(values, "snp"), &workloads, false,
		out, count, f) ||
	    !read_list(a, json_object_get(values, "tdx"), &workloads, true, out,
		count, f))
		return false;
	return *count > 0 || refuse(f, "no reference value");
}

bool
policy_of_contrast(struct arena *a, struct text json,
    struct policy *out[CONTRAST_POLICIES_MAX], size_t *count, struct fault *f)
{
	json_t *o = NULL;
	bool read;

	*count = 0;
	if (!json_read(json, POLICY_MAX_BYTES, &o, f))
		return false;
	read = read_manifest(a, o, out, count, f);
	json_free(&o);
	return read;
}
