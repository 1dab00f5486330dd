/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCB levels: which of them a platform has, and what platform, module and
 * quoting enclave come to together. Every pair of statuses is tried; what must
 * come out is written here as a table of its own, after Intel's clauses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/attestation_tdx_judge.h"

static void
levels(struct tdx_forge *t, const char *list)
{
	t->tcb_info = tdx_forge_tcb_info(t->a, list);
}

/* Where a platform reaches two levels of which neither is above the other,
 * Intel's library takes the greater one by SGX components, then by PCE, and
 * by TDX components only then; the order in the file means nothing. */
static void
test_order_is_sgx_pce_tdx(void **state)
{
	struct tdx_forge *t = *state;
	const char *pce = tdx_forge_level(t->a, 8, 13, 2, "SWHardeningNeeded");
	const char *tdx = tdx_forge_level(t->a, 8, 11, 3, "UpToDate");
	const char *sgx = tdx_forge_level(t->a, 7, 13, 3, "OutOfDate");

	levels(t, arena_printf(t->a, "%s,%s,%s", sgx, tdx, pce));
	tdx_holds(tdx_judge(t), "SWHardeningNeeded");
	levels(t, arena_printf(t->a, "%s,%s,%s", pce, tdx, sgx));
	tdx_holds(tdx_judge(t), "SWHardeningNeeded");
	levels(t, arena_printf(t->a, "%s,%s", sgx, tdx));
	tdx_holds(tdx_judge(t), "UpToDate");
}

/* A level is reached in every component or not at all. */
static void
test_components(void **state)
{
	struct tdx_forge *t = *state;
	const char *low = tdx_forge_level(t->a, 4, 5, 2, "OutOfDate");
	const char *one = tdx_forge_level(t->a, 8, 13, 3, "UpToDate");
	const char *all = tdx_swap(
	    t->a, one, "{\"svn\":8},{\"svn\":8}", "{\"svn\":0},{\"svn\":255}");

	levels(t, arena_printf(t->a, "%s,%s", low, all));
	tdx_holds(tdx_judge(t), "OutOfDate");
	levels(t, arena_printf(t->a, "%s,%s", low,
		      tdx_forge_level(t->a, 8, 14, 3, "UpToDate")));
	tdx_holds(tdx_judge(t), "OutOfDate");
	levels(t, arena_printf(t->a, "%s,%s", low,
		      tdx_forge_level(t->a, 8, 13, 4, "UpToDate")));
	tdx_holds(tdx_judge(t), "OutOfDate");
	/* The module's own bytes count only where it has no version. */
	t->body[TDX_FORGE_SVN + 1] = 0;
	t->body[TDX_FORGE_SVN] = 5;
	levels(t, one);
	tdx_holds(tdx_judge(t), "UpToDate");
	t->body[TDX_FORGE_SVN] = 4;
	tdx_refused(tdx_judge(t), CODE_UNSUPPORTED, "tdx.platform_level");
}

enum { GOOD, OLD, GONE };
static const char *const part_word[] = {"UpToDate", "OutOfDate", "Revoked"};

/* A module of version 1 whose ISVSVN 5 has the status. */
static const char *
with_module(struct tdx_forge *t, const char *platform, int module)
{
	const char *info =
	    tdx_forge_tcb_info(t->a, tdx_forge_level(t->a, 8, 13, 3, platform));
	const char *good = "{\"tcb\":{\"isvsvn\":5}," TDX_FORGE_DATE
			   "\"tcbStatus\":\"UpToDate\"}";
	const char *other = arena_printf(t->a,
	    "{\"tcb\":{\"isvsvn\":5}," TDX_FORGE_DATE "\"tcbStatus\":\"%s\","
	    "\"advisoryIDs\":[\"INTEL-SA-module\"]}",
	    part_word[module]);

	return tdx_swap(t->a, info, good, other);
}

static const char *
with_qe(struct tdx_forge *t, int qe)
{
	return tdx_swap(t->a, tdx_forge_sound_qe(),
	    "{\"tcb\":{\"isvsvn\":6}," TDX_FORGE_DATE
	    "\"tcbStatus\":\"UpToDate\"",
	    arena_printf(t->a,
		"{\"tcb\":{\"isvsvn\":6}," TDX_FORGE_DATE
		"\"tcbStatus\":\"%s\",\"advisoryIDs\":[\"INTEL-SA-qe\"]",
		part_word[qe]));
}

static void
test_every_convergence(void **state)
{
	/* clang-format off */
	static const struct {
		const char *platform;
		const char *with_old; /* module or enclave out of date */
	} rows[] = {
		{"UpToDate", "OutOfDate"},
		{"SWHardeningNeeded", "OutOfDate"},
		{"ConfigurationNeeded", "OutOfDateConfigurationNeeded"},
		{"ConfigurationAndSWHardeningNeeded",
		    "OutOfDateConfigurationNeeded"},
		{"OutOfDate", "OutOfDate"},
		{"OutOfDateConfigurationNeeded",
		    "OutOfDateConfigurationNeeded"},
		{"Revoked", NULL},
	};
	/* clang-format on */
	struct tdx_forge *t = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int module = GOOD; module <= GONE; module++)
			for (int qe = GOOD; qe <= GONE; qe++) {
				struct verdict v;

				t->tcb_info =
				    with_module(t, rows[i].platform, module);
				t->qe_identity = with_qe(t, qe);
				v = tdx_judge(t);
				if (rows[i].with_old == NULL ||
				    module == GONE || qe == GONE)
					tdx_refused(
					    v, CODE_REVOKED, "tdx.tcb_revoked");
				else
					tdx_holds(v, module == OLD || qe == OLD
							 ? rows[i].with_old
							 : rows[i].platform);
			}
}

/* Advisories of all three are told, each once, revoked ones too. */
static void
test_advisories(void **state)
{
	struct tdx_forge *t = *state;
	struct verdict v;

	t->tcb_info = with_module(t, "SWHardeningNeeded", OLD);
	t->qe_identity = with_qe(t, GONE);
	v = tdx_judge(t);
	tdx_refused(v, CODE_REVOKED, "tdx.tcb_revoked");
	assert_int_equal(v.advisory_count, 3);
	assert_string_equal(v.advisories[0], "INTEL-SA-SWHardeningNeeded");
	assert_string_equal(v.advisories[1], "INTEL-SA-module");
	assert_string_equal(v.advisories[2], "INTEL-SA-qe");
	t->tcb_info = tdx_swap(
	    t->a, t->tcb_info, "INTEL-SA-module", "INTEL-SA-SWHardeningNeeded");
	t->qe_identity = with_qe(t, GOOD);
	v = tdx_judge(t);
	tdx_holds(v, "OutOfDate");
	assert_int_equal(v.advisory_count, 2);
}

/* A level with as many as it may have hides none of another part's: a policy
 * must come to see each. */
static void
test_many_advisories(void **state)
{
	struct tdx_forge *t = *state;
	char *list = arena_printf(t->a, "\"A-0\"");
	struct verdict v;

	for (int i = 1; i < 128; i++)
		list = arena_printf(t->a, "%s,\"A-%d\"", list, i);
	t->tcb_info = tdx_swap(t->a, with_module(t, "SWHardeningNeeded", OLD),
	    "\"INTEL-SA-SWHardeningNeeded\"", list);
	t->qe_identity = with_qe(t, OLD);
	v = tdx_judge(t);
	tdx_holds(v, "OutOfDate");
	assert_int_equal(v.advisory_count, 130);
	assert_string_equal(v.advisories[129], "INTEL-SA-qe");
}

/* A status of the platform's is none of a module's or an enclave's. */
static void
test_status_words(void **state)
{
	static const char *const words[] = {"SWHardeningNeeded",
	    "OutOfDateConfigurationNeeded", "TDRelaunchAdvised", "upToDate",
	    "UpToDate ", ""};
	struct tdx_forge *t = *state;
	const char *info = tdx_forge_sound_tcb_info(t->a);
	char *word;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		word = arena_printf(t->a,
		    "5}," TDX_FORGE_DATE "\"tcbStatus\":\"%s\"", words[i]);
		t->tcb_info = tdx_swap(t->a, info,
		    "5}," TDX_FORGE_DATE "\"tcbStatus\":\"UpToDate\"", word);
		tdx_refused(tdx_judge(t), CODE_UNSUPPORTED, "tdx.tcb_info");
	}
	t->tcb_info = NULL;
	t->qe_identity =
	    tdx_swap(t->a, tdx_forge_sound_qe(), "\"tcbStatus\":\"UpToDate\"",
		"\"tcbStatus\":\"SWHardeningNeeded\"");
	tdx_refused(tdx_judge(t), CODE_UNSUPPORTED, "tdx.qe_identity");
	levels(t, tdx_forge_level(t->a, 8, 13, 3, "TDRelaunchAdvised"));
	t->qe_identity = NULL;
	tdx_refused(tdx_judge(t), CODE_UNSUPPORTED, "tdx.tcb_info");
}

/* What a module is, is said by the entry of its version; the general one is
 * for modules without. */
static void
test_module_identity(void **state)
{
	struct tdx_forge *t = *state;
	const char *info = tdx_forge_sound_tcb_info(t->a);
	const char *entry = strstr(info, "\"tdxModuleIdentities\"");
	const char *general =
	    tdx_swap(t->a, info, "{\"mrsigner\":\"00", "{\"mrsigner\":\"ab");
	const char *special = arena_printf(t->a, "%.*s%s", (int)(entry - info),
	    info,
	    tdx_swap(t->a, entry, "\"mrsigner\":\"00", "\"mrsigner\":\"ab"));

	t->tcb_info = general;
	tdx_holds(tdx_judge(t), "UpToDate");
	t->body[TDX_FORGE_SVN + 1] = 0;
	tdx_refused(tdx_judge(t), CODE_MISMATCH, "tdx.module_signer");
	t->tcb_info = special;
	tdx_holds(tdx_judge(t), "UpToDate");
	t->body[TDX_FORGE_SVN + 1] = 1;
	tdx_refused(tdx_judge(t), CODE_MISMATCH, "tdx.module_signer");
	t->body[TDX_FORGE_SIGNER] = 0xab;
	tdx_holds(tdx_judge(t), "UpToDate");
	t->body[TDX_FORGE_SIGNER] = 0;
	/* Nothing but zeros is allowed, whatever mask an entry has. */
	t->tcb_info =
	    tdx_swap(t->a, info, "\"attributes\":\"00", "\"attributes\":\"01");
	tdx_holds(tdx_judge(t), "UpToDate");
	t->tcb_info = arena_printf(t->a, "%.*s%s", (int)(entry - info), info,
	    tdx_swap(
		t->a, entry, "\"attributes\":\"00", "\"attributes\":\"01"));
	tdx_refused(tdx_judge(t), CODE_MISMATCH, "tdx.module_attributes");
	t->body[TDX_FORGE_SEAM_ATTRIBUTES] = 1;
	tdx_refused(tdx_judge(t), CODE_MISMATCH, "tdx.module_attributes");
}

static void
test_no_module_identities(void **state)
{
	struct tdx_forge *t = *state;
	const char *info = tdx_forge_sound_tcb_info(t->a);
	const char *from = strstr(info, "\"tdxModuleIdentities\"");
	const char *to = strstr(info, "\"tcbLevels\":[{\"tcb\":{\"sgx");

	t->tcb_info =
	    arena_printf(t->a, "%.*s%s", (int)(from - info), info, to);
	tdx_refused(tdx_judge(t), CODE_UNSUPPORTED, "tdx.module_known");
	t->body[TDX_FORGE_SVN + 1] = 0;
	tdx_holds(tdx_judge(t), "UpToDate");
	t->tcb_info = arena_printf(t->a, "%.*s\"tdxModuleIdentities\":[],%s",
	    (int)(from - info), info, to);
	tdx_refused(tdx_judge(t), CODE_MALFORMED, "tdx.tcb_info");
}

/* Versions of modules are written in hex. */
static void
test_module_version(void **state)
{
	struct tdx_forge *t = *state;
	const char *info = tdx_forge_sound_tcb_info(t->a);

	t->body[TDX_FORGE_SVN + 1] = 0x1a;
	t->tcb_info = tdx_swap(t->a, info, "TDX_01", "TDX_1A");
	tdx_holds(tdx_judge(t), "UpToDate");
	t->tcb_info = tdx_swap(t->a, info, "TDX_01", "TDX_26");
	tdx_refused(tdx_judge(t), CODE_UNSUPPORTED, "tdx.module_known");
	t->tcb_info = tdx_swap(t->a, info, "TDX_01", "TDX_1");
	tdx_refused(tdx_judge(t), CODE_MALFORMED, "tdx.tcb_info");
}

static void
relaunch(struct tdx_forge *t, const char *platform, const char *svn_2)
{
	t->version = 5;
	t->is_15 = true;
	t->body[TDX_FORGE_SVN] = 4;
	memcpy(t->body + TDX_FORGE_SVN_2, svn_2, 3);
	levels(t, tdx_forge_level(t->a, 8, 13, 3, platform));
}

static void
test_relaunch(void **state)
{
	struct tdx_forge *t = *state;

	relaunch(t, "UpToDate", "\x05\x01\x03");
	tdx_holds(tdx_judge(t), "TDRelaunchAdvised");
	relaunch(t, "SWHardeningNeeded", "\x05\x01\x03");
	tdx_holds(tdx_judge(t), "TDRelaunchAdvised");
	relaunch(t, "ConfigurationNeeded", "\x05\x01\x03");
	tdx_holds(tdx_judge(t), "TDRelaunchAdvisedConfigurationNeeded");
	relaunch(t, "ConfigurationAndSWHardeningNeeded", "\x05\x01\x03");
	tdx_holds(tdx_judge(t), "TDRelaunchAdvisedConfigurationNeeded");
	/* A restart heals no platform that is itself out of date. */
	relaunch(t, "OutOfDate", "\x05\x01\x03");
	tdx_holds(tdx_judge(t), "OutOfDate");
	relaunch(t, "OutOfDateConfigurationNeeded", "\x05\x01\x03");
	tdx_holds(tdx_judge(t), "OutOfDateConfigurationNeeded");
	relaunch(t, "Revoked", "\x05\x01\x03");
	tdx_refused(tdx_judge(t), CODE_REVOKED, "tdx.tcb_revoked");
	/* The module that runs now must be the latest in both its bytes. */
	relaunch(t, "UpToDate", "\x05\x01\x02");
	tdx_holds(tdx_judge(t), "OutOfDate");
	relaunch(t, "UpToDate", "\x04\x01\x03");
	tdx_holds(tdx_judge(t), "OutOfDate");
	/* One without version is held to the latest level of the platform. */
	relaunch(t, "UpToDate", "\x05\x00\x03");
	tdx_holds(tdx_judge(t), "TDRelaunchAdvised");
	relaunch(t, "UpToDate", "\x04\x00\x03");
	tdx_holds(tdx_judge(t), "OutOfDate");
	relaunch(t, "UpToDate", "\x05\x02\x03");
	tdx_refused(tdx_judge(t), CODE_MISMATCH, "tdx.module_running");
	/* Nobody asks what runs now where the module is up to date. */
	t->body[TDX_FORGE_SVN] = 5;
	tdx_holds(tdx_judge(t), "UpToDate");
}

/* The latest level is the greatest by SGX components, then by PCE. */
static void
test_relaunch_to_the_latest(void **state)
{
	struct tdx_forge *t = *state;

	relaunch(t, "UpToDate", "\x05\x01\x03");
	levels(t, arena_printf(t->a, "%s,%s",
		      tdx_forge_level(t->a, 8, 13, 3, "UpToDate"),
		      tdx_forge_level(t->a, 8, 15, 2, "UpToDate")));
	tdx_holds(tdx_judge(t), "TDRelaunchAdvised");
	levels(t, arena_printf(t->a, "%s,%s",
		      tdx_forge_level(t->a, 8, 13, 3, "UpToDate"),
		      tdx_forge_level(t->a, 8, 15, 4, "UpToDate")));
	tdx_holds(tdx_judge(t), "OutOfDate");
}

/* Each is needed, in its one form. */
static void
test_broken_statements(void **state)
{
	/* clang-format off */
	static const char *const info[][2] = {
		{"\"version\":3", "\"version\":2"},
		{"\"version\":3", "\"version\":3.0"},
		{"\"version\":3", "\"version\":\"3\""},
		{"\"tcbType\":0", "\"tcbType\":1"},
		{"\"tcbType\":0", "\"tcbtype\":0"},
		{"\"issueDate\":\"2026-01-01T00:00:00Z\"",
		    "\"issueDate\":\"2026-01-01\""},
		{"\"nextUpdate\":\"2026-01-31T00:00:00Z\"",
		    "\"nextUpdate\":\"2026-02-31T00:00:00Z\""},
		{"\"fmspc\":\"c0ffee000001\"", "\"fmspc\":\"c0ffee0000\""},
		{"\"pceId\":\"0000\"", "\"pceId\":\"000\""},
		{"Number\":19", "Number\":-1"},
		{"Number\":19", "Number\":19e0"},
		{"\"pcesvn\":13", "\"pcesvn\":65536"},
		{"{\"svn\":8}", "{\"svn\":256}"},
		{"{\"svn\":8}", "{\"svn\":\"8\"}"},
		{"{\"svn\":8}", "8"},
		{"{\"svn\":8},", ""},
		{"\"sgxtcbcomponents\"", "\"sgxTcbComponents\""},
		{"\"tdxtcbcomponents\"", "\"\\u0074dxtcbcomponents\""},
		{"\"tcbDate\":\"2025-05-14T00:00:00Z\",", ""},
		{"\"tcbDate\":\"2025-05-14T00", "\"tcbDate\":\"2025-05-34T00"},
		{"[\"INTEL-SA-UpToDate\"]", "\"INTEL-SA-UpToDate\""},
		{"[\"INTEL-SA-UpToDate\"]", "[7]"},
		{"\"advisoryIDs\"", "\"advisory\\u0049Ds\""},
		{"\"tdxModule\":{", "\"tdxModul\":{"},
		{"FFFFFFFFFFFFFFFF", "FFFFFFFFFFFFFF"},
	};
	/* clang-format on */
	struct tdx_forge *t = *state;
	const char *sound = tdx_forge_sound_tcb_info(t->a);

	for (size_t i = 0; i < sizeof(info) / sizeof(info[0]); i++) {
		struct verdict v;

		t->tcb_info = tdx_swap(t->a, sound, info[i][0], info[i][1]);
		v = tdx_judge(t);
		assert_int_equal(v.outcome, VERDICT_ERROR);
		assert_string_equal(v.failed, "tdx.tcb_info");
		assert_true(
		    v.code == CODE_MALFORMED || v.code == CODE_UNSUPPORTED);
	}
}

static void
test_broken_qe_identity(void **state)
{
	/* clang-format off */
	static const char *const broken[][2] = {
		{"\"version\":2", "\"version\":1"},
		{"\"miscselect\":\"00000000\"", "\"miscselect\":\"000000\""},
		{"FBFFFFFFFFFFFFFF00", "FBFFFFFFFFFFFFFF"},
		{"\"isvprodid\":2", "\"isvprodid\":65536"},
		{"\"tcbDate\":\"2025-05-14T00:00:00Z\",", ""},
		{"\"tcbLevels\"", "\"tcbLevel\""},
		{"{\"isvsvn\":4}", "{\"isvsvn\":6}"},
	};
	/* clang-format on */
	struct tdx_forge *t = *state;

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct verdict v;

		t->qe_identity = tdx_swap(
		    t->a, tdx_forge_sound_qe(), broken[i][0], broken[i][1]);
		v = tdx_judge(t);
		assert_int_equal(v.outcome, VERDICT_ERROR);
		assert_string_equal(v.failed, "tdx.qe_identity");
	}
	t->qe_identity =
	    tdx_swap(t->a, tdx_forge_sound_qe(), "\"TD_QE\"", "\"QE\"");
	tdx_refused(tdx_judge(t), CODE_MISMATCH, "tdx.qe_identity");
}

/* Members that nobody knows and other spacing do no harm. */
static void
test_other_spelling(void **state)
{
	struct tdx_forge *t = *state;

	t->tcb_info = tdx_swap(t->a, tdx_forge_sound_tcb_info(t->a),
	    "\"tcbType\":0",
	    "\n \"more\" : {\"a\\n\":[1,[{}],\"]}\\\"\"]} ,\t\"tcbType\" : 0 ");
	tdx_holds(tdx_judge(t), "UpToDate");
	t->tcb_info = tdx_swap(t->a, tdx_forge_sound_tcb_info(t->a),
	    "{\"svn\":8},{\"svn\":8}",
	    "{ \"svn\" : 8 , \"category\" : \"BIOS\" } , {\"svn\":8}");
	tdx_holds(tdx_judge(t), "UpToDate");
	t->tcb_info = tdx_swap(t->a, tdx_forge_sound_tcb_info(t->a),
	    "{\"svn\":8}", "{\"svn\":8,\"svn\":8}");
	tdx_refused(tdx_judge(t), CODE_MALFORMED, "tdx.tcb_info");
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, tdx_start, tdx_end)
	const struct CMUnitTest tests[] = {
	    T(test_order_is_sgx_pce_tdx),
	    T(test_components),
	    T(test_every_convergence),
	    T(test_advisories),
	    T(test_many_advisories),
	    T(test_status_words),
	    T(test_module_identity),
	    T(test_no_module_identities),
	    T(test_module_version),
	    T(test_relaunch),
	    T(test_relaunch_to_the_latest),
	    T(test_broken_statements),
	    T(test_broken_qe_identity),
	    T(test_other_spelling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
