/* SPDX-License-Identifier: Apache-2.0 */
/* Policies: what is read, and every way in which one is refused rather than
 * becoming an open door. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "attestation/policy.h"

#define TDX "\"tdx\":{\"any_workload\":true}"
#define HEAD "{\"version\":1,\"require\":[\"cpu\"],"
#define D32 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define D48 D32 "0123456789abcdef0123456789abcdef"

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

static struct policy *
read(void **state, const char *json)
{
	struct policy *p = NULL;
	struct fault f = {0};

	if (!policy_read(*state, text_of(json), &p, &f))
		print_error("%s\n", f.why);
	assert_non_null(p);
	return p;
}

static void
refused(void **state, const char *json, const char *why)
{
	struct policy *p = NULL;
	struct fault f = {0};

	assert_false(policy_read(*state, text_of(json), &p, &f));
	assert_string_equal(f.why, why);
	assert_null(p);
}

static void
test_defaults_are_strict(void **state)
{
	struct policy *p = read(state, HEAD TDX "}");

	assert_true(p->revocation);
	assert_int_equal(p->tdx.accept_status.count, 1);
	assert_string_equal(p->tdx.accept_status.at[0], "UpToDate");
	assert_false(p->tdx.accept_advisories.given);
	assert_false(p->tdx.allow_migratable);
	assert_false(p->snp.present);
	assert_int_equal(p->snp.max_vmpl, 0);
	assert_false(p->snp.allow_migration_agent);
	assert_false(p->nvidia.allow_no_rim);
	assert_int_equal(strlen(p->digest), 64);
}

static void
test_least_versions(void **state)
{
	const char *const head =
	    "{\"version\":1,\"require\":[\"device\"],\"apple\":{";
	struct arena *a = *state;
	struct policy *p =
	    read(state, arena_printf(a,
			    "%s\"min_os_version\":\"15.5\","
			    "\"min_llb_version\":\"11881.121.1\"}}",
			    head));

	assert_string_equal(p->apple.min_os_version, "15.5");
	assert_string_equal(p->apple.min_llb_version, "11881.121.1");
	assert_null(p->apple.min_sepos_version);
	refused(state, arena_printf(a, "%s\"min_sepos_version\":\"\"}}", head),
	    "policy: apple.min_sepos_version is not a version like 15.5");
	refused(state, arena_printf(a, "%s\"min_os_version\":15}}", head),
	    "policy: apple.min_os_version is not a version like 15.5");
}

static void
test_everything(void **state)
{
	struct policy *p = read(state,
	    "{\"version\":7,\"name\":\"all\",\"require\":[\"cpu\",\"gpu\"],"
	    "\"revocation\":true,\"max_collateral_age_s\":86400,"
	    "\"workloads\":[\"" D32 "\"],\"kms_roots\":[\"Aa\"],"
	    "\"tdx\":{\"mrtd\":[\"" D48 "\"],\"rtmr0\":[\"" D48
	    "\"],\"rtmr3\":[\"" D48 "\",\"" D48
	    "\"],\"accept_status\":[\"UpToDate\",\"OutOfDate\"],"
	    "\"accept_advisories\":[\"INTEL-SA-01036\"],"
	    "\"min_tcb_evaluation\":17},"
	    "\"snp\":{\"measurement\":[\"" D48
	    "\"],\"min_tcb\":{\"Genoa\":{\"snp\":21,\"microcode\":72},"
	    "\"Turin\":{\"fmc\":1}},\"max_vmpl\":1},"
	    "\"nvidia\":{\"gpus\":8,\"modes\":[\"PPCIE\"],\"switches\":4,"
	    "\"require_rim_revocation\":true}}");

	assert_int_equal(p->version, 7);
	assert_int_equal(p->require, REQUIRE_CPU | REQUIRE_GPU);
	assert_int_equal(p->tdx.rtmr[3].count, 2);
	assert_int_equal(p->tdx.mrtd.at[1], 0x23);
	assert_int_equal(p->snp.min_tcb[SNP_GENOA].snp, 21);
	assert_int_equal(p->snp.min_tcb[SNP_GENOA].tee, -1);
	assert_int_equal(p->snp.min_tcb[SNP_TURIN].fmc, 1);
	assert_false(p->snp.min_tcb[SNP_MILAN].given);
	assert_int_equal(p->nvidia.gpus, 8);
	assert_true(p->nvidia.require_rim_revocation);
	assert_string_equal(p->kms_roots.at[0], "aa");
}

static void
test_absent_parts(void **state)
{
	refused(state, "", "JSON: empty text");
	refused(state, "[]", "policy: absent or not an object");
	refused(state, "{}", "policy: no version");
	refused(state, "{\"version\":1," TDX "}", "policy: no require");
	refused(state, "{\"version\":1,\"require\":[]," TDX "}",
	    "policy: require is not a list of cpu, gpu or device");
	refused(state, "{\"version\":1,\"require\":[\"cpu\"]}",
	    "policy: requires cpu but has neither tdx nor snp");
	refused(state, "{\"version\":1,\"require\":[\"gpu\"]," TDX "}",
	    "policy: requires gpu but has no nvidia");
	refused(state, "{\"version\":1,\"require\":[\"device\"]," TDX "}",
	    "policy: requires device but has no apple");
	refused(state, "{\"version\":0,\"require\":[\"cpu\"]," TDX "}",
	    "policy: version is not a number from 1 to 9223372036854775807");
}

static void
test_contradictions(void **state)
{
	refused(state, HEAD "\"tdx\":{}}",
	    "policy: tdx pins no workload; say any_workload if that is meant");
	refused(state, HEAD "\"snp\":{}}",
	    "policy: snp pins no workload; say any_workload if that is meant");
	refused(state,
	    HEAD "\"tdx\":{\"any_workload\":true,\"mrtd\":[\"" D48 "\"]}}",
	    "policy: tdx pins a workload and accepts any");
	refused(state, HEAD TDX ",\"nras\":{}}",
	    "policy: nras is a second opinion and needs nvidia");
	refused(state, HEAD "\"snp\":{\"any_workload\":true},\"dstack\":{}}",
	    "policy: dstack needs tdx");
	refused(state,
	    HEAD
	    "\"snp\":{\"any_workload\":true,"
	    "\"products\":[\"Milan\"],\"min_tcb\":{\"Genoa\":{\"snp\":1}}}}",
	    "policy: a least TCB for Genoa, which snp.products does not "
	    "accept");
}

static void
test_strict_members(void **state)
{
	refused(
	    state, HEAD TDX ",\"debug\":true}", "policy: unknown member debug");
	refused(state, HEAD "\"tdx\":{\"any_workload\":true,\"x\":1}}",
	    "policy: unknown member tdx.x");
	refused(state, HEAD TDX ",\"bindings\":[\"assay\",\"none\"]}",
	    "policy: bindings: none is no known form");
	refused(state, HEAD TDX ",\"bindings\":[]}",
	    "policy: bindings is not a list of 1 to 1024 texts");
	refused(state, HEAD TDX ",\"test_roots\":[\"x\"]}",
	    "policy: unknown member test_roots");
	refused(state, HEAD "\"tdx\":{\"mrtd\":[]}}",
	    "policy: tdx.mrtd is not a list of 1 to 1024 values");
	refused(state, HEAD "\"tdx\":{\"mrtd\":[\"00\"]}}",
	    "policy: tdx.mrtd holds something that is not 48 bytes in hex");
	refused(state, HEAD "\"tdx\":{\"accept_status\":[\"Revoked\"]}}",
	    "policy: tdx.accept_status: Revoked is no status that may be "
	    "accepted");
	refused(state, HEAD "\"snp\":{\"max_vmpl\":4}}",
	    "policy: snp.max_vmpl is not a number from 0 to 3");
	refused(state, HEAD "\"snp\":{\"min_tcb\":{\"Milan\":{\"fmc\":1}}}}",
	    "policy: snp.min_tcb.Milan has no version fmc");
	refused(state, HEAD "\"snp\":{\"min_tcb\":{\"Rome\":{\"snp\":1}}}}",
	    "policy: snp.min_tcb names no known product (Rome)");
	refused(state, HEAD TDX ",\"revocation\":1}",
	    "policy: revocation is not true or false");
	refused(state, HEAD TDX "," TDX "}",
	    "JSON: duplicate object key near '\"tdx\"' at byte 64");
}

static void
test_digest_is_of_the_meaning(void **state)
{
	struct policy *a = read(state, HEAD TDX "}");
	struct policy *b =
	    read(state, "{" TDX ", \"require\": [\"cpu\"],\n\"version\": 1}");
	struct policy *c =
	    read(state, "{" TDX ",\"require\":[\"cpu\"],\"version\":2}");

	assert_string_equal(a->digest, b->digest);
	assert_string_not_equal(a->digest, c->digest);
}

#define WORKLOAD                                                               \
	"\"Policies\":{\"" D32 "\":{\"SANs\":[\"x\"],"                         \
	"\"WorkloadSecretID\":\"\",\"Role\":\"coordinator\"}}"
#define SNP_REFERENCE                                                          \
	"\"ProductName\":\"Genoa\",\"TrustedMeasurement\":\"" D48              \
	"\",\"MinimumTCB\":{\"BootloaderVersion\":9,\"TEEVersion\":0,"         \
	"\"SNPVersion\":21,\"MicrocodeVersion\":72}"

static bool
manifest(void **state, const char *json, struct policy **out, size_t *count,
    struct fault *f)
{
	return policy_of_contrast(*state, text_of(json), out, count, f);
}

static void
test_contrast(void **state)
{
	struct policy *p[CONTRAST_POLICIES_MAX];
	struct fault f = {0};
	size_t n;

	assert_true(manifest(state,
	    "{" WORKLOAD ",\"ReferenceValues\":{"
	    "\"snp\":[{" SNP_REFERENCE ",\"GuestPolicy\":{\"SMT\":true,"
	    "\"ABIMajor\":1}}],\"tdx\":[{\"MrTd\":\"" D48 "\",\"MrSeam\":\"" D48
	    "\",\"Rtmrs\":[\"" D48 "\",\"" D48 "\",\"" D48 "\",\"" D48
	    "\"],\"Xfam\":\"e71a060000000000\","
	    "\"MinTCBEvaluationDataNumber\":18}]}}",
	    p, &n, &f));
	assert_int_equal(n, 2);
	assert_true(p[0]->snp.present);
	assert_int_equal(p[0]->snp.host_data.at[1], 0x23);
	assert_int_equal(p[0]->snp.min_tcb[SNP_GENOA].microcode, 72);
	assert_true(p[0]->snp.min_launch_tcb[SNP_GENOA].given);
	assert_int_equal(p[0]->snp.min_launch_tcb[SNP_GENOA].snp, 21);
	assert_false(p[0]->snp.min_launch_tcb[SNP_MILAN].given);
	assert_false(p[0]->snp.guest_must_not & 1u << 16);
	assert_true(p[0]->snp.guest_must_not & 1u << 18);
	assert_int_equal(p[0]->snp.min_abi_major, 1);
	assert_true(p[1]->tdx.present);
	assert_int_equal(p[1]->tdx.min_tcb_evaluation, 18);
	assert_int_equal(p[1]->tdx.config_prefix.count, 1);
	/* The CET bits 11 and 12 do not count, on either side. */
	assert_true(p[1]->tdx.xfam_ignores_cet);
	assert_memory_equal(p[1]->tdx.xfam.at, "\xe7\x02\x06\0\0\0\0", 8);
}

static void
no_manifest(void **state, const char *json, const char *why)
{
	struct policy *p[CONTRAST_POLICIES_MAX];
	struct fault f = {0};
	size_t n;

	assert_false(manifest(state, json, p, &n, &f));
	assert_string_equal(f.why, why);
}

static void
test_contrast_refusals(void **state)
{
	no_manifest(state, "{\"ReferenceValues\":{}}",
	    "Contrast manifest: no Policies");
	no_manifest(state, "{" WORKLOAD ",\"ReferenceValues\":{}}",
	    "Contrast manifest: no reference value");
	no_manifest(state,
	    "{" WORKLOAD ",\"ReferenceValues\":{\"snp\":[{" SNP_REFERENCE
	    ",\"NewRule\":1}]}}",
	    "Contrast manifest: unknown member NewRule");
	no_manifest(state,
	    "{" WORKLOAD ",\"ReferenceValues\":{\"snp\":[{" SNP_REFERENCE
	    ",\"GuestPolicy\":{\"Debug\":true}}]}}",
	    "Contrast manifest: GuestPolicy allows debugging");
	no_manifest(state,
	    "{\"Policies\":{\"00\":{}},"
	    "\"ReferenceValues\":{}}",
	    "Contrast manifest: a workload hash is not 32 bytes");
}

/* Hex means the same in any case: an address as wallets write it is that
 * address. A name is not hex. */
static void
test_hex_in_any_case(void **state)
{
	const struct policy *p =
	    read(state, HEAD "\"workloads\":[\"ABcd\"],\"signing_addresses\":"
			     "[\"0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf\"],"
			     "\"tdx\":{},\"dstack\":{\"app_ids\":[\"AA\"],"
			     "\"key_providers\":[\"Local\"]}}");

	assert_string_equal(p->signing_addresses.at[0],
	    "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf");
	assert_string_equal(p->workloads.at[0], "abcd");
	assert_string_equal(p->dstack.app_ids.at[0], "aa");
	assert_string_equal(p->dstack.key_providers.at[0], "Local");
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, start, end)
	const struct CMUnitTest tests[] = {
	    T(test_defaults_are_strict),
	    T(test_least_versions),
	    T(test_everything),
	    T(test_absent_parts),
	    T(test_contradictions),
	    T(test_strict_members),
	    T(test_digest_is_of_the_meaning),
	    T(test_contrast),
	    T(test_contrast_refusals),
	    T(test_hex_in_any_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
