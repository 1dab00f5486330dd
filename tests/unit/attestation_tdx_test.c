/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TDX quotes of our own making: sound ones hold, and every way of being bad is
 * refused for its own reason, by code and by the name of the check.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "tests/unit/attestation_tdx_forge.h"

static int
start(void **state)
{
	struct tdx_forge *t = mem_new(sizeof(*t));

	tdx_forge_start(t);
	*state = t;
	return 0;
}

static int
end(void **state)
{
	tdx_forge_end(*state);
	mem_free(*state);
	return 0;
}

/* Judges what the forge holds now. */
static struct verdict
judge_at(struct tdx_forge *t, struct bytes quote, const struct policy *p,
    int64_t now)
{
	struct tdx_source s = tdx_forge_source(t);
	struct tdx_collateral *c = NULL;
	struct tdx_judgement j;
	struct verdict v;

	verdict_init(&v, t->a, now);
	if (tdx_collateral_new(&s, t->anchors, true, &v, &c) &&
	    tdx_verify(quote, c, p, now, &v, &j))
		verdict_conclude(&v);
	tdx_collateral_free(&c);
	return v;
}

static struct verdict
judge(struct tdx_forge *t)
{
	return judge_at(t, tdx_forge_quote(t), NULL, FORGE_NOW_MS);
}

static void
refused(struct verdict v, enum verdict_outcome outcome, enum verdict_code code,
    const char *check)
{
	assert_non_null(v.failed);
	assert_string_equal(v.failed, check);
	assert_string_equal(verdict_code_name(v.code), verdict_code_name(code));
	assert_int_equal(v.outcome, outcome);
	assert_true(verdict_find(&v, check)->result == CLAIM_REFUTED);
}

static void
holds(struct verdict v, const char *status)
{
	assert_null(v.failed);
	assert_int_equal(v.outcome, VERDICT_VERIFIED);
	assert_string_equal(v.status, status);
	assert_true(v.test_root);
}

static void
test_sound(void **state)
{
	struct tdx_forge *t = *state;
	struct verdict v = judge(t);

	holds(v, "UpToDate");
	/* The lists end first. */
	assert_int_equal(
	    v.renew_by, FORGE_NOW_MS + 10 * FORGE_DAY * 1000 + 999);
	t->version = 5;
	holds(judge(t), "UpToDate");
	t->is_15 = true;
	memcpy(t->body + TDX_FORGE_SVN_2, "\x05\x01\x03", 3);
	holds(judge(t), "UpToDate");
	t->auth_len = 0;
	holds(judge(t), "UpToDate");
	t->auth_len = UINT16_MAX;
	holds(judge(t), "UpToDate");
}

static void
test_structure(void **state)
{
	struct tdx_forge *t = *state;
	struct bytes quote = tdx_forge_quote(t);
	uint8_t *at = arena_alloc(t->a, quote.len);
	struct tdx_quote q;
	struct fault f;
	size_t n;

	/* Cut anywhere before the declared end. */
	for (n = 0; n < quote.len - 70; n++)
		assert_false(tdx_quote_read(bytes_of(quote.at, n), &q, &f));
	assert_true(tdx_quote_read(bytes_of(quote.at, quote.len - 70), &q, &f));
	memcpy(at, quote.at, quote.len);
	at[0] = 3;
	assert_false(tdx_quote_read(bytes_of(at, quote.len), &q, &f));
	assert_int_equal(f.kind, FAULT_UNSUPPORTED);
	assert_string_equal(
	    f.why, "TDX quote: this is a quote of an SGX enclave");
	at[0] = 6;
	assert_false(tdx_quote_read(bytes_of(at, quote.len), &q, &f));
	at[0] = 4;
	at[4] = 0;
	assert_false(tdx_quote_read(bytes_of(at, quote.len), &q, &f));
	at[4] = 0x81;
	at[12] ^= 1;
	refused(judge_at(t, bytes_of(at, quote.len), NULL, FORGE_NOW_MS),
	    VERDICT_FAILED, CODE_UNSUPPORTED, "tdx.qe_vendor");
	t->inner_type = 3;
	refused(judge(t), VERDICT_FAILED, CODE_UNSUPPORTED, "tdx.quote_format");
	t->inner_type = 5;
	t->outer_type = 5;
	refused(judge(t), VERDICT_FAILED, CODE_UNSUPPORTED, "tdx.quote_format");
}

static void
flip(struct tdx_forge *t, size_t offset, const char *check)
{
	struct bytes quote = tdx_forge_quote(t);
	uint8_t *at = (uint8_t *)arena_copy(t->a, quote.at, quote.len);

	at[offset] ^= 1;
	refused(judge_at(t, bytes_of(at, quote.len), NULL, FORGE_NOW_MS),
	    VERDICT_FAILED, CODE_TAMPERED, check);
}

static void
test_signatures(void **state)
{
	struct tdx_forge *t = *state;
	const size_t signature = 48 + 584 + 4;

	flip(t, 40, "tdx.quote_signature");
	flip(t, 48 + TDX_FORGE_REPORT_DATA, "tdx.quote_signature");
	flip(t, signature, "tdx.quote_signature");
	flip(t, signature + 64, "tdx.attestation_key_bound");
	flip(t, signature + 128 + 6, "tdx.qe_report_signature");
	flip(t, signature + 128 + 6 + 384, "tdx.qe_report_signature");
	t->other_ak = true;
	refused(judge(t), VERDICT_FAILED, CODE_TAMPERED,
	    "tdx.attestation_key_bound");
	t->other_ak = false;
	t->qe[360] = 1;
	refused(
	    judge(t), VERDICT_FAILED, CODE_MISMATCH, "tdx.qe_report_data_tail");
}

static void
test_certificates(void **state)
{
	struct tdx_forge *t = *state;
	struct bytes quote;

	tdx_forge_pck(t, 14, 0, FORGE_NOW - 1, "Intel SGX PCK Certificate");
	refused(judge(t), VERDICT_FAILED, CODE_EXPIRED, "tdx.pck_time");
	tdx_forge_pck(t, 14, FORGE_NOW + 1, 0, "Intel SGX PCK Certificate");
	refused(judge(t), VERDICT_FAILED, CODE_NOT_YET_VALID, "tdx.pck_time");
	tdx_forge_pck(t, 14, 0, 0, "Intel SGX TCB Signing");
	refused(judge(t), VERDICT_FAILED, CODE_UNTRUSTED, "tdx.pck_role");
	tdx_forge_pck(t, 14, 0, 0, "Intel SGX PCK Certificate");
	quote = tdx_forge_quote(t);
	t->pck_crl = forge_list(t->a, &t->ca, 14, FORGE_NOW + FORGE_DAY);
	refused(judge_at(t, quote, NULL, FORGE_NOW_MS), VERDICT_FAILED,
	    CODE_REVOKED, "tdx.pck_revoked");
	t->pck_crl.len = 0;
	t->root_crl = forge_list(t->a, &t->root, 13, FORGE_NOW + FORGE_DAY);
	refused(judge_at(t, quote, NULL, FORGE_NOW_MS), VERDICT_ERROR,
	    CODE_REVOKED, "tdx.pck_ca_revoked");
	t->root_crl = forge_list(t->a, &t->root, 12, FORGE_NOW + FORGE_DAY);
	refused(judge_at(t, quote, NULL, FORGE_NOW_MS), VERDICT_ERROR,
	    CODE_REVOKED, "tdx.tcb_signing_revoked");
	/* A root that lists itself has been given up. */
	t->root_crl = forge_list(t->a, &t->root, 11, FORGE_NOW + FORGE_DAY);
	refused(judge_at(t, quote, NULL, FORGE_NOW_MS), VERDICT_ERROR,
	    CODE_REVOKED, "tdx.root_revoked");
}

static void
test_lists(void **state)
{
	struct tdx_forge *t = *state;
	struct bytes quote = tdx_forge_quote(t);

	t->pck_crl = forge_list(t->a, &t->ca, 0, FORGE_NOW - 1);
	refused(judge_at(t, quote, NULL, FORGE_NOW_MS), VERDICT_ERROR,
	    CODE_STALE, "tdx.pck_crl_time");
	t->pck_crl = forge_list(t->a, &t->root, 0, FORGE_NOW + FORGE_DAY);
	refused(judge_at(t, quote, NULL, FORGE_NOW_MS), VERDICT_ERROR,
	    CODE_MISMATCH, "tdx.pck_crl");
	t->pck_crl = bytes_of("xx", 2);
	refused(judge_at(t, quote, NULL, FORGE_NOW_MS), VERDICT_ERROR,
	    CODE_MALFORMED, "tdx.pck_crl");
}

static void
test_root_is_a_key(void **state)
{
	struct tdx_forge *t = *state;
	struct bytes quote = tdx_forge_quote(t);
	struct forged other = {NULL, NULL};

	/* The same name and another key; and the maker's own root. */
	forge(&other, NULL,
	    &(struct forge_wish){
		.name = "Intel SGX Root CA", .curve = "P-256", .ca = true});
	anchors_test_set(t->anchors, ANCHOR_INTEL_SGX_ROOT, other.x509);
	refused(judge_at(t, quote, NULL, FORGE_NOW_MS), VERDICT_ERROR,
	    CODE_UNTRUSTED, "tdx.tcb_info_chain");
	anchors_test_free(&t->anchors);
	t->anchors = anchors_test_new();
	refused(judge_at(t, quote, NULL, FORGE_NOW_MS), VERDICT_ERROR,
	    CODE_UNTRUSTED, "tdx.tcb_info_chain");
	forged_free(&other);
}

static void
test_times(void **state)
{
	struct tdx_forge *t = *state;
	struct bytes quote = tdx_forge_quote(t);
	const int64_t day = FORGE_DAY * 1000;

	refused(judge_at(t, quote, NULL, FORGE_NOW_MS - 15 * day),
	    VERDICT_ERROR, CODE_NOT_YET_VALID, "tdx.tcb_info_time");
	refused(judge_at(t, quote, NULL, FORGE_NOW_MS + 17 * day),
	    VERDICT_ERROR, CODE_STALE, "tdx.tcb_info_time");
}

static void
test_quoting_enclave(void **state)
{
	struct tdx_forge *t = *state;

	t->qe[130] ^= 1;
	refused(judge(t), VERDICT_FAILED, CODE_MISMATCH, "tdx.qe_mrsigner");
	t->qe[130] ^= 1;
	t->qe[256] = 1;
	refused(judge(t), VERDICT_FAILED, CODE_MISMATCH, "tdx.qe_isvprodid");
	t->qe[256] = 2;
	t->qe[16] = 1;
	refused(judge(t), VERDICT_FAILED, CODE_MISMATCH, "tdx.qe_miscselect");
	t->qe[16] = 0;
	t->qe[48] |= 2;
	refused(judge(t), VERDICT_FAILED, CODE_DEBUG, "tdx.qe_debug");
	t->qe[48] = 0x31;
	refused(judge(t), VERDICT_FAILED, CODE_MISMATCH, "tdx.qe_attributes");
	t->qe[48] = 0x11;
	t->qe[258] = 3;
	refused(judge(t), VERDICT_FAILED, CODE_UNSUPPORTED, "tdx.qe_level");
	t->qe[258] = 5;
	holds(judge(t), "OutOfDate");
}

static void
test_module(void **state)
{
	struct tdx_forge *t = *state;

	t->body[TDX_FORGE_SIGNER] = 1;
	refused(judge(t), VERDICT_FAILED, CODE_MISMATCH, "tdx.module_signer");
	t->body[TDX_FORGE_SIGNER] = 0;
	t->body[TDX_FORGE_SEAM_ATTRIBUTES] = 1;
	refused(
	    judge(t), VERDICT_FAILED, CODE_MISMATCH, "tdx.module_attributes");
	t->body[TDX_FORGE_SEAM_ATTRIBUTES] = 0;
	t->body[TDX_FORGE_SVN + 1] = 2;
	refused(judge(t), VERDICT_FAILED, CODE_UNSUPPORTED, "tdx.module_known");
	t->body[TDX_FORGE_SVN + 1] = 1;
	t->body[TDX_FORGE_SVN] = 2;
	refused(judge(t), VERDICT_FAILED, CODE_UNSUPPORTED, "tdx.module_level");
}

static void
test_statuses_converge(void **state)
{
	struct tdx_forge *t = *state;
	struct verdict v;

	/* An old module makes a good platform old; its advisory is told. */
	t->body[TDX_FORGE_SVN] = 4;
	v = judge(t);
	holds(v, "OutOfDate");
	assert_string_equal(v.advisories[1], "INTEL-SA-module");
	t->tcb_info = tdx_forge_tcb_info(
	    t->a, tdx_forge_level(t->a, 8, 13, 3, "ConfigurationNeeded"));
	holds(judge(t), "OutOfDateConfigurationNeeded");
	/* A good module does not heal an old platform. */
	t->body[TDX_FORGE_SVN] = 5;
	t->tcb_info = tdx_forge_tcb_info(
	    t->a, tdx_forge_level(t->a, 8, 13, 3, "OutOfDate"));
	holds(judge(t), "OutOfDate");
	t->tcb_info = tdx_forge_tcb_info(
	    t->a, tdx_forge_level(t->a, 8, 13, 3, "Revoked"));
	refused(judge(t), VERDICT_FAILED, CODE_REVOKED, "tdx.tcb_revoked");
	t->tcb_info = tdx_forge_tcb_info(
	    t->a, tdx_forge_level(t->a, 9, 13, 3, "UpToDate"));
	refused(
	    judge(t), VERDICT_FAILED, CODE_UNSUPPORTED, "tdx.platform_level");
	t->tcb_info =
	    tdx_forge_tcb_info(t->a, tdx_forge_level(t->a, 8, 13, 3, "Fine"));
	refused(judge(t), VERDICT_ERROR, CODE_UNSUPPORTED, "tdx.tcb_info");
}

static void
test_order_of_levels(void **state)
{
	struct tdx_forge *t = *state;

	t->tcb_info = tdx_forge_tcb_info(
	    t->a, arena_printf(t->a, "%s,%s,%s",
		      tdx_forge_level(t->a, 2, 5, 2, "OutOfDate"),
		      tdx_forge_level(t->a, 8, 13, 3, "UpToDate"),
		      tdx_forge_level(t->a, 4, 5, 2, "SWHardeningNeeded")));
	holds(judge(t), "UpToDate");
	t->tcb_info = tdx_forge_tcb_info(
	    t->a, arena_printf(t->a, "%s,%s",
		      tdx_forge_level(t->a, 8, 13, 3, "UpToDate"),
		      tdx_forge_level(t->a, 8, 13, 3, "OutOfDate")));
	refused(judge(t), VERDICT_ERROR, CODE_MALFORMED, "tdx.tcb_info");
}

/* A TD started under an old module that now runs under a new one. */
static void
test_relaunch(void **state)
{
	struct tdx_forge *t = *state;

	t->version = 5;
	t->is_15 = true;
	t->body[TDX_FORGE_SVN] = 4;
	memcpy(t->body + TDX_FORGE_SVN_2, "\x05\x01\x03", 3);
	holds(judge(t), "TDRelaunchAdvised");
	t->body[TDX_FORGE_SVN_2] = 4;
	holds(judge(t), "OutOfDate");
	memcpy(t->body + TDX_FORGE_SVN_2, "\x05\x07\x03", 3);
	refused(judge(t), VERDICT_FAILED, CODE_MISMATCH, "tdx.module_running");
	memcpy(t->body + TDX_FORGE_SVN_2, "\x05\x01\x03", 3);
	t->qe[258] = 5;
	holds(judge(t), "OutOfDate");
}

static void
attribute(struct tdx_forge *t, int byte, uint8_t bits, enum verdict_code code,
    const char *check)
{
	t->body[TDX_FORGE_ATTRIBUTES + byte] ^= bits;
	refused(judge(t), VERDICT_FAILED, code, check);
	t->body[TDX_FORGE_ATTRIBUTES + byte] ^= bits;
}

static void
test_attributes(void **state)
{
	struct tdx_forge *t = *state;

	attribute(t, 0, 0x01, CODE_DEBUG, "tdx.td_debug");
	attribute(t, 0, 0x80, CODE_DEBUG, "tdx.td_tud_reserved");
	attribute(t, 1, 0x01, CODE_UNSUPPORTED, "tdx.td_reserved");
	attribute(t, 6, 0x01, CODE_UNSUPPORTED, "tdx.td_reserved");
	attribute(t, 3, 0x10, CODE_POLICY, "tdx.td_sept_ve");
	t->version = 5;
	t->is_15 = true;
	t->body[TDX_FORGE_SERVICE] = 1;
	refused(judge(t), VERDICT_FAILED, CODE_POLICY, "tdx.td_service");
}

static struct policy
any_workload(void)
{
	struct policy p = policy_defaults();

	p.version = 1;
	p.require = REQUIRE_CPU;
	p.tdx.present = p.tdx.any_workload = true;
	return p;
}

static void
policy_refuses(struct tdx_forge *t, const struct policy *p,
    enum verdict_outcome outcome, enum verdict_code code, const char *check)
{
	refused(judge_at(t, tdx_forge_quote(t), p, FORGE_NOW_MS), outcome, code,
	    check);
}

static void
test_policy(void **state)
{
	static const char *const old[] = {"OutOfDate"};
	static const char *const advisory[] = {
	    "INTEL-SA-module", "INTEL-SA-UpToDate"};
	static const uint8_t mrtd[48] = {0xab};
	struct tdx_forge *t = *state;
	struct policy p = any_workload();

	holds(judge_at(t, tdx_forge_quote(t), &p, FORGE_NOW_MS), "UpToDate");
	t->body[TDX_FORGE_SVN] = 4;
	policy_refuses(t, &p, VERDICT_FAILED, CODE_POLICY, "tdx.policy_status");
	p.tdx.accept_status = (struct policy_texts){true, 1, old};
	policy_refuses(
	    t, &p, VERDICT_FAILED, CODE_POLICY, "tdx.policy_advisory");
	p.tdx.accept_advisories = (struct policy_texts){true, 2, advisory};
	holds(judge_at(t, tdx_forge_quote(t), &p, FORGE_NOW_MS), "OutOfDate");
	t->body[TDX_FORGE_SVN] = 5;
	p = any_workload();
	p.tdx.min_tcb_evaluation = 20;
	policy_refuses(
	    t, &p, VERDICT_ERROR, CODE_STALE, "tdx.policy_tcb_evaluation");
	p = any_workload();
	p.max_collateral_age_s = 86400;
	policy_refuses(
	    t, &p, VERDICT_ERROR, CODE_STALE, "tdx.policy_tcb_info_age");
	p = any_workload();
	p.tdx.mrtd = (struct policy_digests){true, 1, 48, mrtd};
	policy_refuses(t, &p, VERDICT_FAILED, CODE_POLICY, "tdx.policy_mrtd");
	p = any_workload();
	t->body[TDX_FORGE_ATTRIBUTES + 3] |= 0x20;
	policy_refuses(
	    t, &p, VERDICT_FAILED, CODE_POLICY, "tdx.policy_migratable");
	p.tdx.present = false;
	policy_refuses(t, &p, VERDICT_ERROR, CODE_BAD_POLICY, "tdx.policy");
}

/* Intel signs the root's list once a year and the others each month. */
static void
test_age_of_root_list(void **state)
{
	struct tdx_forge *t = *state;
	struct policy p = any_workload();
	struct forge_list_wish w = {.from = FORGE_NOW - p.max_crl_age_s,
	    .next = FORGE_NOW + 3650 * FORGE_DAY};

	t->root_crl = forge_list_of(t->a, &t->root, &w);
	holds(judge_at(t, tdx_forge_quote(t), &p, FORGE_NOW_MS), "UpToDate");
	refused(judge_at(t, tdx_forge_quote(t), &p, FORGE_NOW_MS + 1),
	    VERDICT_ERROR, CODE_STALE, "tdx.policy_root_crl_age");
}

/* Kept collateral serves while its time lasts, and not a moment longer. */
static void
test_kept(void **state)
{
	struct tdx_forge *t = *state;
	struct bytes quote = tdx_forge_quote(t);
	struct tdx_source s = tdx_forge_source(t);
	const int64_t end = FORGE_NOW_MS + 10 * FORGE_DAY * 1000 + 999;
	struct tdx_collateral *c = NULL;
	struct tdx_judgement j;
	struct verdict v;

	verdict_init(&v, t->a, FORGE_NOW_MS);
	assert_true(tdx_collateral_new(&s, t->anchors, true, &v, &c));
	verdict_init(&v, t->a, end);
	assert_true(tdx_verify(quote, c, NULL, end, &v, &j));
	verdict_init(&v, t->a, end + 1);
	assert_false(tdx_verify(quote, c, NULL, end + 1, &v, &j));
	refused(v, VERDICT_ERROR, CODE_STALE, "tdx.root_crl_time");
	tdx_collateral_free(&c);
	assert_null(c);
	/* Taken in without lists, it is refused where lists are wanted. */
	verdict_init(&v, t->a, FORGE_NOW_MS);
	assert_true(tdx_collateral_new(&s, t->anchors, false, &v, &c));
	assert_false(tdx_verify(quote, c, NULL, FORGE_NOW_MS, &v, &j));
	refused(v, VERDICT_ERROR, CODE_MISSING, "tdx.revocation_lists");
	tdx_collateral_free(&c);
}

static struct text
percent(struct arena *a, struct text t)
{
	char *out = arena_alloc(a, t.len * 3 + 1), *at = out;
	size_t i;

	for (i = 0; i < t.len; i++) {
		bool bare = strchr("\n +", t.at[i]) == NULL;

		at += snprintf(at, 4, bare ? "%c" : "%%%02X", t.at[i]);
	}
	return text_of(out);
}

static void
test_wire_form(void **state)
{
	struct tdx_forge *t = *state;
	struct tdx_source s = tdx_forge_source(t), wire, bundle;
	struct tdx_answers in = {
	    .tcb = text_of(
		arena_printf(t->a, "{\"tcbInfo\":%s,\"signature\":\"%s\"}",
		    s.tcb_info.at, s.tcb_info_signature.at)),
	    .qe = text_of(arena_printf(t->a,
		"{\"enclaveIdentity\":%s,\"signature\":\"%s\"}",
		s.qe_identity.at, s.qe_identity_signature.at)),
	    .tcb_issuer_chain = percent(t->a, s.tcb_info_chain),
	    .qe_issuer_chain = percent(t->a, s.qe_identity_chain),
	    .pck_crl_issuer_chain = percent(t->a, s.pck_crl_chain),
	    .pck_crl = s.pck_crl,
	    .root_crl = s.root_crl,
	};
	struct fault f = {0};

	assert_true(tdx_source_of_answers(t->a, &in, &wire, &f));
	assert_true(tdx_source_of_bundle(
	    t->a, text_of(tdx_forge_bundle(t)), &bundle, &f));
	assert_true(text_equal(wire.tcb_info, s.tcb_info));
	assert_true(text_equal(bundle.tcb_info, s.tcb_info));
	assert_true(text_equal(wire.pck_crl_chain, bundle.pck_crl_chain));
	assert_true(bytes_equal(wire.root_crl, bundle.root_crl));
	in.tcb = text_of("{\"tcbInfo\":{}}");
	assert_false(tdx_source_of_answers(t->a, &in, &wire, &f));
	assert_false(tdx_source_of_bundle(t->a, text_of("{}"), &bundle, &f));
	assert_string_equal(f.why, "TDX collateral: no text tcb_info");
}

static void
test_duplicate_member(void **state)
{
	struct tdx_forge *t = *state;

	t->tcb_info = arena_printf(
	    t->a, "{\"tcbType\":0,%s", tdx_forge_sound_tcb_info(t->a) + 1);
	refused(judge(t), VERDICT_ERROR, CODE_MALFORMED, "tdx.tcb_info");
}

static void
test_about_sgx(void **state)
{
	struct tdx_forge *t = *state;
	char *info = arena_string(t->a, tdx_forge_sound_tcb_info(t->a));

	memcpy(strstr(info, "TDX"), "SGX", 3);
	t->tcb_info = info;
	refused(judge(t), VERDICT_ERROR, CODE_MISMATCH, "tdx.tcb_info");
}

static void
test_other_platform(void **state)
{
	struct tdx_forge *t = *state;
	char *info = arena_string(t->a, tdx_forge_sound_tcb_info(t->a));

	memcpy(strstr(info, "c0ffee000001"), "c0ffee000002", 12);
	t->tcb_info = info;
	refused(judge(t), VERDICT_ERROR, CODE_MISMATCH, "tdx.fmspc");
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, start, end)
	const struct CMUnitTest tests[] = {
	    T(test_sound),
	    T(test_structure),
	    T(test_signatures),
	    T(test_certificates),
	    T(test_lists),
	    T(test_root_is_a_key),
	    T(test_times),
	    T(test_quoting_enclave),
	    T(test_module),
	    T(test_statuses_converge),
	    T(test_order_of_levels),
	    T(test_relaunch),
	    T(test_attributes),
	    T(test_policy),
	    T(test_age_of_root_list),
	    T(test_kept),
	    T(test_wire_form),
	    T(test_duplicate_member),
	    T(test_about_sgx),
	    T(test_other_platform),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
