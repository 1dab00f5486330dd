/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole bundle under one verdict: sound evidence bound to this question,
 * tunnel, statement and key holds; evidence for another is told apart by
 * reason; what the policy wants and nobody shows closes the door.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "attestation/binding.h"
#include "attestation/evidence.h"
#include "base/json.h"
#include "tests/unit/attestation_tdx_forge.h"

#define POLICY                                                                 \
	"{\"version\":1,\"require\":[\"cpu\"],"                                \
	"\"tdx\":{\"any_workload\":true}%s}"
#define DID "did:assay:zTest"

struct asked {
	struct tdx_forge forge;
	struct policy *policy;
	struct collateral_item item;
	struct collateral collateral;
	uint8_t nonce[32], statement[32], key[20];
	struct evidence_bound bound;
	const struct policy_texts *bindings; /* accepted; NULL: all */
};

static struct policy *
policy_with(struct arena *a, const char *more)
{
	struct policy *p = NULL;
	struct fault f = {0};

	forge_must(
	    policy_read(a, text_of(arena_printf(a, POLICY, more)), &p, &f));
	return p;
}

static int
start(void **state)
{
	struct asked *s = mem_new(sizeof(*s));

	tdx_forge_start(&s->forge);
	s->policy = policy_with(s->forge.a, "");
	memset(s->nonce, 1, sizeof(s->nonce));
	memset(s->statement, 2, sizeof(s->statement));
	memset(s->key, 3, sizeof(s->key));
	s->bound = (struct evidence_bound){
	    .nonce = bytes_of(s->nonce, 32),
	    .did = text_of(DID),
	    .tls_spki = bytes_of("spki", 4),
	    .statement_sha256 = bytes_of(s->statement, 32),
	    .signing_key = bytes_of(s->key, 20),
	};
	*state = s;
	return 0;
}

static int
end(void **state)
{
	struct asked *s = *state;

	tdx_forge_end(&s->forge);
	mem_free(s);
	return 0;
}

/* Report data of the tunnel form for what is asked now. */
static void
bind(struct asked *s)
{
	struct binding_tunnel t = {.did = s->bound.did,
	    .spki = s->bound.tls_spki,
	    .signing_key = s->bound.signing_key};

	memcpy(t.nonce, s->nonce, 32);
	memcpy(t.statement, s->statement, 32);
	binding_tunnel(&t, s->forge.body + TDX_FORGE_REPORT_DATA);
}

static char *
base64(struct arena *a, struct bytes b)
{
	char *out = arena_alloc(a, BASE64_SIZE(b.len));

	base64_encode(b, out);
	return out;
}

static const char *
nonce_hex(struct asked *s)
{
	char *out = arena_alloc(s->forge.a, HEX_SIZE(32));

	hex_encode(bytes_of(s->nonce, 32), out);
	return out;
}

static const char *
tdx_item(struct asked *s)
{
	return arena_printf(s->forge.a, "{\"kind\":\"tdx\",\"quote\":\"%s\"}",
	    base64(s->forge.a, tdx_forge_quote(&s->forge)));
}

static json_t *
bundle_of(
    struct asked *s, const char *binding, const char *more, const char *items)
{
	char *text = arena_printf(s->forge.a,
	    "{\"binding\":\"%s\",\"nonce\":\"%s\",%s\"items\":[%s]}", binding,
	    nonce_hex(s), more, items);
	struct fault f = {0};
	json_t *j = NULL;

	forge_must(json_read(text_of(text), EVIDENCE_MAX_BYTES, &j, &f));
	return j;
}

static struct verdict
judge_json(struct asked *s, json_t *bundle, const struct evidence_bound *b)
{
	struct examination x = {.policy = s->policy,
	    .anchors = s->forge.anchors,
	    .collateral = &s->collateral,
	    .bound = b,
	    .bindings = s->bindings,
	    .now_ms = FORGE_NOW_MS};
	const char *text = tdx_forge_bundle(&s->forge);
	struct verdict v;

	s->item = (struct collateral_item){
	    "tdx/tcb/c0ffee000001", bytes_of(text, strlen(text)), FORGE_NOW_MS};
	s->collateral.items = &s->item;
	s->collateral.count = 1;
	verdict_init(&v, s->forge.a, FORGE_NOW_MS);
	evidence_judge(&x, bundle, &v);
	json_free(&bundle);
	return v;
}

static struct verdict
judge(struct asked *s, const char *binding, const char *more)
{
	return judge_json(
	    s, bundle_of(s, binding, more, tdx_item(s)), &s->bound);
}

static void
refused(struct verdict v, enum verdict_outcome outcome, enum verdict_code code,
    const char *check)
{
	assert_non_null(v.failed);
	assert_string_equal(v.failed, check);
	assert_string_equal(verdict_code_name(v.code), verdict_code_name(code));
	assert_int_equal(v.outcome, outcome);
}

static void
holds(struct verdict v)
{
	assert_null(v.failed);
	assert_int_equal(v.outcome, VERDICT_VERIFIED);
}

static void
test_bound_to_this_tunnel(void **state)
{
	struct asked *s = *state;
	struct verdict v;

	bind(s);
	v = judge(s, "assay", "");
	holds(v);
	/* The policy's longest verdict ends before the collateral does. */
	assert_int_equal(v.renew_by, FORGE_NOW_MS + 3600 * 1000);
	s->bound.did = text_of("did:assay:zOther");
	refused(judge(s, "assay", ""), VERDICT_FAILED, CODE_BINDING,
	    "binding.report_data");
	s->bound.did = text_of(DID);
	s->bound.tls_spki = bytes_of("spkj", 4);
	refused(judge(s, "assay", ""), VERDICT_FAILED, CODE_BINDING,
	    "binding.report_data");
	s->bound.tls_spki = bytes_of("spki", 4);
	s->statement[0] ^= 1;
	refused(judge(s, "assay", ""), VERDICT_FAILED, CODE_BINDING,
	    "binding.report_data");
	s->statement[0] ^= 1;
	s->key[0] ^= 1;
	refused(judge(s, "assay", ""), VERDICT_FAILED, CODE_BINDING,
	    "binding.report_data");
}

/* A sender that says what it bound itself to is refused by that name. */
static void
test_said(void **state)
{
	struct asked *s = *state;

	bind(s);
	holds(judge(s, "assay", "\"bound\":{\"did\":\"" DID "\"},"));
	refused(judge(s, "assay", "\"bound\":{\"did\":\"did:assay:zO\"},"),
	    VERDICT_FAILED, CODE_BINDING, "binding.did");
	refused(judge(s, "assay", "\"bound\":{\"statement_sha256\":\"00\"},"),
	    VERDICT_FAILED, CODE_BINDING, "binding.statement");
	refused(judge(s, "assay", "\"bound\":{\"tls_spki_sha256\":\"00\"},"),
	    VERDICT_FAILED, CODE_BINDING, "binding.tls_key");
	refused(judge(s, "assay", "\"bound\":{\"signing_key\":\"00\"},"),
	    VERDICT_FAILED, CODE_BINDING, "binding.signing_key");
}

static void
test_nonce(void **state)
{
	struct asked *s = *state;
	uint8_t fresh[32] = {9};
	struct binding_key k = {.len = 20};

	bind(s);
	/* Asked with another nonce than the bundle answers. */
	s->bound.nonce = bytes_of(fresh, 32);
	refused(
	    judge(s, "assay", ""), VERDICT_FAILED, CODE_NONCE, "binding.nonce");
	/* The bundle says the fresh nonce, the quote still the old one. */
	memcpy(k.at, s->key, 20);
	binding_address(&k, s->nonce, s->forge.body + TDX_FORGE_REPORT_DATA);
	memcpy(s->nonce, fresh, 32);
	refused(judge(s, "dstack", ""), VERDICT_FAILED, CODE_NONCE,
	    "binding.quoted_nonce");
}

static void
test_dstack_forms(void **state)
{
	struct asked *s = *state;
	struct binding_key k = {.len = 20};
	uint8_t spki[32];

	memcpy(k.at, s->key, 20);
	binding_address(&k, s->nonce, s->forge.body + TDX_FORGE_REPORT_DATA);
	holds(judge(s, "dstack", ""));
	refused(judge(s, "dstack-tls", ""), VERDICT_FAILED, CODE_BINDING,
	    "binding.report_data");
	sha256(s->bound.tls_spki, spki);
	binding_address_tls(
	    &k, spki, s->nonce, s->forge.body + TDX_FORGE_REPORT_DATA);
	holds(judge(s, "dstack-tls", ""));
	s->key[0] ^= 1;
	refused(judge(s, "dstack-tls", ""), VERDICT_FAILED, CODE_BINDING,
	    "binding.report_data");
	refused(judge(s, "other", ""), VERDICT_FAILED, CODE_UNSUPPORTED,
	    "binding.form");
	s->bound.signing_key.len = 0;
	refused(judge(s, "dstack", ""), VERDICT_FAILED, CODE_MISSING,
	    "binding.form");
}

/* For a tunnel the policy says which forms count: the form assay alone, unless
 * it names others. A form that covers a nonce and a key alone would let one
 * hand on the quote of a service that answers anybody's nonce. */
static void
test_forms_of_a_tunnel(void **state)
{
	struct asked *s = *state;
	struct binding_key k = {.len = 20};

	s->bindings = &s->policy->bindings;
	bind(s);
	holds(judge(s, "assay", ""));
	memcpy(k.at, s->key, 20);
	binding_address(&k, s->nonce, s->forge.body + TDX_FORGE_REPORT_DATA);
	refused(judge(s, "dstack", ""), VERDICT_FAILED, CODE_BINDING,
	    "binding.form");
	refused(judge(s, "dstack-tls", ""), VERDICT_FAILED, CODE_BINDING,
	    "binding.form");
	s->policy =
	    policy_with(s->forge.a, ",\"bindings\":[\"assay\",\"dstack\"]");
	s->bindings = &s->policy->bindings;
	holds(judge(s, "dstack", ""));
	refused(judge(s, "dstack-tls", ""), VERDICT_FAILED, CODE_BINDING,
	    "binding.form");
}

/* Without anybody to compare with, the binding is unknown and said so. */
static void
test_unasked(void **state)
{
	struct asked *s = *state;
	struct verdict v =
	    judge_json(s, bundle_of(s, "assay", "", tdx_item(s)), NULL);

	holds(v);
	assert_int_equal(
	    verdict_find(&v, "binding.report_data")->result, CLAIM_UNKNOWN);
}

static void
test_refusals_pass_through(void **state)
{
	struct asked *s = *state;

	bind(s);
	s->forge.body[TDX_FORGE_ATTRIBUTES] = 1;
	refused(
	    judge(s, "assay", ""), VERDICT_FAILED, CODE_DEBUG, "tdx.td_debug");
	s->forge.body[TDX_FORGE_ATTRIBUTES] = 0;
	s->forge.body[TDX_FORGE_SVN] = 4;
	refused(judge(s, "assay", ""), VERDICT_FAILED, CODE_POLICY,
	    "tdx.policy_status");
	s->forge.body[TDX_FORGE_SVN] = 5;
	s->forge.pck_crl =
	    forge_list(s->forge.a, &s->forge.ca, 14, FORGE_NOW + FORGE_DAY);
	refused(judge(s, "assay", ""), VERDICT_FAILED, CODE_REVOKED,
	    "tdx.pck_revoked");
}

static void
test_collateral(void **state)
{
	struct asked *s = *state;
	const char *needs[EVIDENCE_NEEDS_MAX];
	struct examination x = {.policy = s->policy,
	    .anchors = s->forge.anchors,
	    .bound = &s->bound,
	    .now_ms = FORGE_NOW_MS};
	struct fault f = {0};
	struct verdict v;
	json_t *j;
	size_t n;

	bind(s);
	j = bundle_of(s, "assay", "", tdx_item(s));
	assert_true(evidence_needs(s->forge.a, j, needs, &n, &f));
	assert_int_equal(n, 1);
	assert_string_equal(needs[0], "tdx/tcb/c0ffee000001");
	verdict_init(&v, s->forge.a, FORGE_NOW_MS);
	evidence_judge(&x, j, &v);
	refused(v, VERDICT_ERROR, CODE_MISSING, "tdx.collateral");
	json_free(&j);
	s->policy = policy_with(s->forge.a, ",\"max_collateral_age_s\":1");
	refused(judge(s, "assay", ""), VERDICT_ERROR, CODE_STALE,
	    "tdx.policy_tcb_info_age");
}

/* Collateral that the caller verified and keeps is used as it is. */
static void
test_kept_collateral(void **state)
{
	struct asked *s = *state;
	struct tdx_source source = tdx_forge_source(&s->forge);
	struct examination x = {.policy = s->policy,
	    .anchors = s->forge.anchors,
	    .bound = &s->bound,
	    .now_ms = FORGE_NOW_MS};
	struct tdx_collateral *kept = NULL;
	struct collateral c = {.count = 0};
	struct verdict v;
	json_t *j;

	bind(s);
	verdict_init(&v, s->forge.a, FORGE_NOW_MS);
	assert_true(
	    tdx_collateral_new(&source, s->forge.anchors, true, &v, &kept));
	c.tdx = kept;
	x.collateral = &c;
	j = bundle_of(s, "assay", "", tdx_item(s));
	verdict_init(&v, s->forge.a, FORGE_NOW_MS);
	evidence_judge(&x, j, &v);
	holds(v);
	/* Not under other anchors than it was verified with. */
	x.anchors = anchors_pinned();
	verdict_init(&v, s->forge.a, FORGE_NOW_MS);
	evidence_judge(&x, j, &v);
	refused(v, VERDICT_ERROR, CODE_MISSING, "tdx.collateral");
	json_free(&j);
	tdx_collateral_free(&kept);
}

static void
test_presence(void **state)
{
	struct asked *s = *state;
	struct fault f = {0};
	const char *both;

	bind(s);
	forge_must(policy_read(s->forge.a,
	    text_of("{\"version\":1,\"require\":[\"cpu\",\"gpu\"],"
		    "\"tdx\":{\"any_workload\":true},\"nvidia\":{}}"),
	    &s->policy, &f));
	refused(judge(s, "assay", ""), VERDICT_FAILED, CODE_MISSING,
	    "evidence.gpu_present");
	/* So does a policy that counts GPUs, though it requires none by name.
	 */
	s->policy = policy_with(s->forge.a, ",\"nvidia\":{\"gpus\":1}");
	refused(judge(s, "assay", ""), VERDICT_FAILED, CODE_MISSING,
	    "evidence.gpu_present");
	s->policy = policy_with(s->forge.a, ",\"nvidia\":{}");
	holds(judge(s, "assay", ""));
	s->policy = policy_with(s->forge.a, ",\"kms_roots\":[\"aa\"]");
	refused(judge(s, "assay", ""), VERDICT_FAILED, CODE_MISSING,
	    "evidence.workload_present");
	s->policy =
	    policy_with(s->forge.a, ",\"signing_addresses\":[\"0x00\"]");
	refused(judge(s, "assay", ""), VERDICT_FAILED, CODE_POLICY,
	    "evidence.signing_address");
	s->policy = policy_with(s->forge.a,
	    ",\"signing_addresses\":["
	    "\"0x0303030303030303030303030303030303030303\"]");
	holds(judge(s, "assay", ""));
	s->policy = policy_with(s->forge.a, "");
	both = arena_printf(s->forge.a, "%s,%s", tdx_item(s), tdx_item(s));
	refused(judge_json(s, bundle_of(s, "assay", "", both), &s->bound),
	    VERDICT_FAILED, CODE_MISMATCH, "evidence.cpu");
}

static void
test_workload(void **state)
{
	struct asked *s = *state;
	struct fault f = {0};
	int i;

	s->forge.body[TDX_FORGE_CONFIG] = 1;
	for (i = 0; i < 32; i++)
		s->forge.body[TDX_FORGE_CONFIG + 1 + i] = 0x77;
	bind(s);
	forge_must(policy_read(s->forge.a,
	    text_of("{\"version\":1,\"require\":[\"cpu\"],\"tdx\":{},"
		    "\"workloads\":[\"77777777777777777777777777777777"
		    "77777777777777777777777777777777\"]}"),
	    &s->policy, &f));
	holds(judge(s, "assay", ""));
	s->forge.body[TDX_FORGE_CONFIG + 1] = 0x78;
	refused(judge(s, "assay", ""), VERDICT_FAILED, CODE_POLICY,
	    "evidence.workload");
}

static void
test_format(void **state)
{
	struct asked *s = *state;

	refused(judge_json(s, bundle_of(s, "assay", "", "{\"kind\":\"sgx\"}"),
		    &s->bound),
	    VERDICT_FAILED, CODE_UNSUPPORTED, "evidence.format");
	refused(judge_json(s, bundle_of(s, "assay", "", ""), &s->bound),
	    VERDICT_FAILED, CODE_MISSING, "evidence.format");
	refused(judge_json(s, bundle_of(s, "assay", "", "{\"kind\":\"tdx\"}"),
		    &s->bound),
	    VERDICT_FAILED, CODE_MALFORMED, "tdx.quote_format");
	refused(
	    judge_json(s,
		bundle_of(s, "assay", "", "{\"kind\":\"tdx\",\"quote\":\"!\"}"),
		&s->bound),
	    VERDICT_FAILED, CODE_MALFORMED, "tdx.quote_format");
	refused(judge_json(s, NULL, &s->bound), VERDICT_FAILED, CODE_MISSING,
	    "evidence.format");
	s->policy = NULL;
	refused(judge(s, "assay", ""), VERDICT_ERROR, CODE_BAD_POLICY,
	    "evidence.policy");
}

/* A log leans on registers; without a CPU it says nothing. */
static void
test_log_without_cpu(void **state)
{
	struct asked *s = *state;

	bind(s);
	refused(judge_json(s,
		    bundle_of(s, "assay", "",
			"{\"kind\":\"dstack\",\"event_log\":[],\"app_compose\":"
			"\"\"}"),
		    &s->bound),
	    VERDICT_FAILED, CODE_MISSING, "dstack.quote");
}

static void
test_registry(void **state)
{
	static const char *const kinds[] = {"tdx", "snp", "nvidia", "nvswitch",
	    "nras", "dstack", "apple-mda", "apple-app-attest"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		assert_non_null(verifier_find(kinds[i]));
	assert_null(verifier_find("simulated"));
	assert_null(verifier_find(""));
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, start, end)
	const struct CMUnitTest tests[] = {
	    T(test_bound_to_this_tunnel),
	    T(test_said),
	    T(test_nonce),
	    T(test_dstack_forms),
	    T(test_forms_of_a_tunnel),
	    T(test_unasked),
	    T(test_refusals_pass_through),
	    T(test_collateral),
	    T(test_kept_collateral),
	    T(test_presence),
	    T(test_workload),
	    T(test_format),
	    T(test_log_without_cpu),
	    T(test_registry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
