/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay verify below its command line: report files of each form become
 * bundles or are refused by name, a node is judged with the collateral at
 * hand and no other, and what strangers wrote reaches no terminal as it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attestation/binding.h"
#include "base/file.h"
#include "base/json.h"
#include "client/judge.h"
#include "client/verdict_print.h"
#include "tests/unit/attestation_tdx_forge.h"

#define NONCE "0101010101010101010101010101010101010101010101010101010101010101"
#define DIGEST                                                                 \
	"0202020202020202020202020202020202020202020202020202020202020202"
#define ADDRESS "0303030303030303030303030303030303030303"
#define DID "did:assay:zTest"
#define POLICY                                                                 \
	"{\"version\":1,\"require\":[\"cpu\"],\"tdx\":{\"any_workload\":true}" \
	"}"

struct scene {
	struct tdx_forge forge;
	struct policies policies;
	struct report report;
	struct judging judging;
	char folder[64];
};

static int
start(void **state)
{
	struct scene *s = mem_new(sizeof *s);
	struct fault f = {0};

	tdx_forge_start(&s->forge);
	s->policies.count = 1;
	assert_true(
	    policy_read(s->forge.a, text_of(POLICY), &s->policies.at[0], &f));
	s->judging = (struct judging){.arena = s->forge.a,
	    .policies = &s->policies,
	    .anchors = s->forge.anchors,
	    .report = &s->report,
	    .now_ms = FORGE_NOW_MS};
	snprintf(s->folder, sizeof s->folder, "/tmp/client-verify-XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	*state = s;
	return 0;
}

static int
end(void **state)
{
	struct scene *s = *state;
	const char *const below[] = {
	    "/tdx/tcb/c0ffee000001", "/tdx/tcb", "/tdx", "/policy.json", ""};

	for (size_t i = 0; i < sizeof below / sizeof *below; i++)
		remove(arena_printf(s->forge.a, "%s%s", s->folder, below[i]));
	report_free(&s->report);
	tdx_forge_end(&s->forge);
	mem_free(s);
	return 0;
}

static const char *
base64(struct arena *a, struct bytes b)
{
	char *out = arena_alloc(a, BASE64_SIZE(b.len));

	base64_encode(b, out);
	return out;
}

/* A quote that is bound to what `kept` says below. */
static struct bytes
bound_quote(struct scene *s)
{
	uint8_t key[20];
	struct binding_tunnel t = {.did = text_of(DID),
	    .spki = bytes_of("spki", 4),
	    .signing_key = bytes_of(key, sizeof key)};

	memset(t.nonce, 1, sizeof t.nonce);
	memset(t.statement, 2, sizeof t.statement);
	memset(key, 3, sizeof key);
	binding_tunnel(&t, s->forge.body + TDX_FORGE_REPORT_DATA);
	return tdx_forge_quote(&s->forge);
}

static const char *
kept(struct scene *s, struct bytes quote, bool with_collateral)
{
	struct arena *a = s->forge.a;
	const char *text = tdx_forge_bundle(&s->forge), *collateral = "";
	char now[RFC3339_TEXT];

	time_to_rfc3339(FORGE_NOW_MS, now);
	if (with_collateral)
		collateral = arena_printf(a,
		    ",\"collateral\":{\"tdx/tcb/c0ffee000001\":{\"base64\":"
		    "\"%s\",\"fetched_at\":\"%s\"}}",
		    base64(a, bytes_of(text, strlen(text))), now);
	return arena_printf(a,
	    "{\"evidence\":{\"binding\":\"assay\",\"nonce\":\"" NONCE
	    "\",\"items\":[{\"kind\":\"tdx\",\"quote\":\"%s\"}]},"
	    "\"bound\":{\"nonce\":\"" NONCE "\",\"did\":\"" DID
	    "\",\"tls_spki\":\"%s\",\"statement_sha256\":\"" DIGEST
	    "\",\"signing_address\":\"0x" ADDRESS "\"}%s}",
	    base64(a, quote), base64(a, bytes_of("spki", 4)), collateral);
}

static struct verdict
judge(struct scene *s, const char *text)
{
	struct fault f = {0};
	struct verdict v;

	assert_true(report_read(s->forge.a, text_of(text), &s->report, &f));
	assert_int_equal(s->report.count, 1);
	assert_true(judge_node(&s->judging, &s->report.nodes[0], &v, NULL, &f));
	return v;
}

static void
test_kept(void **state)
{
	struct scene *s = *state;
	struct verdict v = judge(s, kept(s, bound_quote(s), true));
	const struct claim *freshness = verdict_find(&v, "binding.freshness");

	assert_int_equal(v.outcome, VERDICT_VERIFIED);
	assert_int_equal(
	    verdict_find(&v, "binding.report_data")->result, CLAIM_ASSERTED);
	assert_int_equal(freshness->result, CLAIM_UNKNOWN);
	assert_string_equal(s->report.nodes[0].signing_address, "0x" ADDRESS);
}

static void
test_tampered(void **state)
{
	struct scene *s = *state;
	struct bytes quote = bound_quote(s);
	uint8_t *copy = (uint8_t *)arena_copy(s->forge.a, quote.at, quote.len);
	struct verdict v;

	copy[48 + TDX_FORGE_MRTD] ^= 1;
	v = judge(s, kept(s, bytes_of(copy, quote.len), true));
	assert_int_equal(v.outcome, VERDICT_FAILED);
	assert_int_equal(v.code, CODE_TAMPERED);
	assert_string_equal(v.failed, "tdx.quote_signature");
}

static void
test_nonce(void **state)
{
	struct scene *s = *state;
	uint8_t nonce[32];
	struct verdict v;

	memset(nonce, 1, sizeof nonce);
	s->judging.nonce = nonce;
	v = judge(s, kept(s, bound_quote(s), true));
	assert_int_equal(v.outcome, VERDICT_VERIFIED);
	assert_null(verdict_find(&v, "binding.freshness"));
	report_free(&s->report);
	nonce[31] = 2;
	v = judge(s, kept(s, bound_quote(s), true));
	assert_int_equal(v.outcome, VERDICT_FAILED);
	assert_int_equal(v.code, CODE_NONCE);
}

static void
test_other_tls_key(void **state)
{
	struct scene *s = *state;
	struct verdict v;

	s->judging.tls_spki = bytes_of("another", 7);
	v = judge(s, kept(s, bound_quote(s), true));
	assert_int_equal(v.outcome, VERDICT_FAILED);
	assert_int_equal(v.code, CODE_BINDING);
	assert_string_equal(v.failed, "binding.report_data");
}

static void
test_collateral(void **state)
{
	struct scene *s = *state;
	const char *text = tdx_forge_bundle(&s->forge);
	const char *tcb = arena_printf(s->forge.a, "%s/tdx/tcb", s->folder);
	struct fault f = {0};
	struct verdict v = judge(s, kept(s, bound_quote(s), false));

	assert_int_equal(v.outcome, VERDICT_ERROR);
	assert_int_equal(v.code, CODE_MISSING);
	assert_string_equal(v.failed, "tdx.collateral");
	report_free(&s->report);
	assert_true(folder_make(tcb, 0700, &f));
	assert_true(file_write(arena_printf(s->forge.a, "%s/c0ffee000001", tcb),
	    text, strlen(text), 0600, &f));
	s->judging.folder = s->folder;
	v = judge(s, kept(s, bound_quote(s), false));
	assert_int_equal(v.outcome, VERDICT_VERIFIED);
}

/* Of several policies one must hold; none that fails hides it. */
static void
test_several_policies(void **state)
{
	static const char never[] =
	    "{\"version\":2,\"require\":[\"gpu\"],\"nvidia\":{}}";
	struct scene *s = *state;
	struct fault f = {0};
	struct verdict v;

	s->policies.at[1] = s->policies.at[0];
	s->policies.count = 2;
	assert_true(
	    policy_read(s->forge.a, text_of(never), &s->policies.at[0], &f));
	v = judge(s, kept(s, bound_quote(s), true));
	assert_int_equal(v.outcome, VERDICT_VERIFIED);
	report_free(&s->report);
	s->policies.at[1] = s->policies.at[0];
	v = judge(s, kept(s, bound_quote(s), true));
	assert_int_not_equal(v.outcome, VERDICT_VERIFIED);
}

static void
refused(struct scene *s, const char *text, const char *why)
{
	struct fault f = {0};

	assert_false(report_read(s->forge.a, text_of(text), &s->report, &f));
	assert_non_null(strstr(f.why, why));
	report_free(&s->report);
}

static void
test_refused_reports(void **state)
{
	struct scene *s = *state;

	refused(s, "", "JSON");
	refused(s, "[]", "");
	refused(s, "{\"a\":1}", "neither a bundle");
	refused(s, "{\"evidence\":7}", "evidence is not an object");
	refused(s, "{\"evidence\":{},\"bound\":{\"nonce\":\"00\"}}",
	    "nonce is not 32 bytes");
	refused(s,
	    "{\"evidence\":{},\"collateral\":{\"x\":{\"base64\":\"AA==\","
	    "\"fetched_at\":\"today\"}}}",
	    "fetched_at of x is no time");
	refused(s, "{\"intel_quote\":\"00\"}", "no request_nonce");
	refused(s, "{\"intel_quote\":\"0g\",\"request_nonce\":\"" NONCE "\"}",
	    "intel_quote is not hex");
	refused(s,
	    "{\"intel_quote\":\"00\",\"request_nonce\":\"" NONCE
	    "\",\"nvidia_payload\":\"{\"}",
	    "JSON");
	refused(s,
	    "{\"intel_quote\":\"00\",\"request_nonce\":\"" NONCE
	    "\",\"signing_address\":\"0x12\"}",
	    "");
}

static void
test_too_many_nodes(void **state)
{
	struct scene *s = *state;
	char *text = arena_string(s->forge.a, "{\"model_attestations\":[1");

	for (int i = 0; i < REPORT_NODES_MAX; i++)
		text = arena_printf(s->forge.a, "%s,1", text);
	refused(s, arena_printf(s->forge.a, "%s]}", text), "more than 32");
}

/* A service's answer becomes a bundle of its parts. */
static void
test_service(void **state)
{
	struct scene *s = *state;
	static const char answer[] =
	    "{\"gateway_attestation\":{\"intel_quote\":\"aabb\","
	    "\"request_nonce\":\"" NONCE "\",\"tls_cert_fingerprint\":\"" NONCE
	    "\"},"
	    "\"model_attestations\":[{\"intel_quote\":\"00\","
	    "\"request_nonce\":\"" NONCE "\",\"event_log\":[],\"info\":{"
	    "\"tcb_info\":{\"app_compose\":\"x\"}},\"nvidia_payload\":"
	    "\"{\\\"arch\\\":\\\"HOPPER\\\",\\\"evidence_list\\\":[]}\","
	    "\"compose_manager_attestation\":{}}]}";
	const struct report_node *n;
	struct fault f = {0};

	assert_true(report_read(s->forge.a, text_of(answer), &s->report, &f));
	assert_int_equal(s->report.count, 2);
	assert_true(report_node_find(&s->report, "gateway", &n, &f));
	assert_string_equal(
	    json_string_value(json_object_get(n->bundle, "binding")),
	    "dstack-tls");
	assert_string_equal(
	    json_string_value(json_object_get(
		json_array_get(json_object_get(n->bundle, "items"), 0),
		"quote")),
	    "qrs=");
	assert_true(report_node_find(&s->report, "model 0", &n, &f));
	assert_int_equal(
	    json_array_size(json_object_get(n->bundle, "items")), 3);
	assert_string_equal(n->left_out, "compose_manager_attestation");
	report_free(&s->report);
	/* tcb_info as dstack's agent writes it, and as nobody does. */
	assert_true(report_read(s->forge.a,
	    text_of("{\"intel_quote\":\"00\",\"request_nonce\":\"" NONCE
		    "\",\"event_log\":[],\"info\":{\"tcb_info\":"
		    "\"{\\\"app_compose\\\":\\\"x\\\"}\"}}"),
	    &s->report, &f));
	assert_int_equal(json_array_size(json_object_get(
			     s->report.nodes[0].bundle, "items")),
	    2);
	report_free(&s->report);
	assert_true(report_read(s->forge.a,
	    text_of("{\"intel_quote\":\"00\",\"request_nonce\":\"" NONCE
		    "\",\"event_log\":[],\"info\":{\"tcb_info\":\"{\"}}"),
	    &s->report, &f));
	assert_int_equal(json_array_size(json_object_get(
			     s->report.nodes[0].bundle, "items")),
	    1);
	report_free(&s->report);
	assert_true(report_read(s->forge.a, text_of(answer), &s->report, &f));
	assert_false(report_node_find(&s->report, NULL, &n, &f));
	assert_non_null(strstr(f.why, "of 2 nodes"));
	assert_false(report_node_find(&s->report, "model 9", &n, &f));
}

static void
test_policies(void **state)
{
	struct scene *s = *state;
	const char *path =
	    arena_printf(s->forge.a, "%s/policy.json", s->folder);
	struct policies p;
	struct fault f = {0};

	assert_false(policies_read(s->forge.a, path, &p, &f));
	assert_true(file_write(path, POLICY, strlen(POLICY), 0600, &f));
	assert_true(policies_read(s->forge.a, path, &p, &f));
	assert_int_equal(p.count, 1);
	assert_int_equal(p.at[0]->version, 1);
	assert_true(file_write(path, "{\"version\":1}", 13, 0600, &f));
	assert_false(policies_read(s->forge.a, path, &p, &f));
	assert_string_equal(f.why, "policy: no require");
}

static char *
printed(struct verdict *v, bool colour)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	verdict_print(out, "node", v, colour);
	fclose(out);
	return text;
}

static void
test_print(void **state)
{
	struct scene *s = *state;
	struct verdict v;
	char *text;

	verdict_init(&v, s->forge.a, FORGE_NOW_MS);
	verdict_check(&v, true,
	    (struct check){"a.long", SOURCE_HARDWARE, CODE_OK, NONCE, NONCE});
	verdict_unknown(&v, (struct check){"a.strange", SOURCE_PROVIDER,
				CODE_OK, "\033[31mred\n", NULL});
	verdict_check(&v, false,
	    (struct check){
		"a.wrong", SOURCE_PROVIDER, CODE_MISMATCH, DIGEST, NONCE});
	text = printed(&v, false);
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "0101010101010101010101...0101010101"));
	assert_non_null(strstr(text, "\\x1b[31mred\\x0a"));
	assert_non_null(strstr(text, DIGEST));
	assert_non_null(strstr(text, "node: failed (mismatch)"));
	assert_null(strstr(text, "renew by"));
	free(text);
	text = printed(&v, true);
	assert_non_null(strstr(text, "\033[31mrefuted"));
	free(text);
}

static void
test_status(void **state)
{
	(void)state;
	assert_int_equal(verdict_status(VERDICT_VERIFIED), 0);
	assert_int_equal(verdict_status(VERDICT_FAILED), 1);
	assert_int_equal(verdict_status(VERDICT_ERROR), 3);
	assert_int_equal(
	    verdict_worse(VERDICT_VERIFIED, VERDICT_ERROR), VERDICT_ERROR);
	assert_int_equal(
	    verdict_worse(VERDICT_ERROR, VERDICT_FAILED), VERDICT_FAILED);
	assert_int_equal(verdict_worse(VERDICT_VERIFIED, VERDICT_VERIFIED),
	    VERDICT_VERIFIED);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, end)
	const struct CMUnitTest tests[] = {
	    TEST(test_kept),
	    TEST(test_tampered),
	    TEST(test_nonce),
	    TEST(test_other_tls_key),
	    TEST(test_collateral),
	    TEST(test_several_policies),
	    TEST(test_refused_reports),
	    TEST(test_too_many_nodes),
	    TEST(test_service),
	    TEST(test_policies),
	    TEST(test_print),
	    cmocka_unit_test(test_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
