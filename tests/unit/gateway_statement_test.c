/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements: hostile ones refused with their sentence, and each reason of
 * the protocol for a model that the catalog does not confirm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/crypto.h"
#include "base/json.h"
#include "gateway/statement.h"

#define W "11111111-1111-7111-8111-111111111111"
#define OTHER "22222222-2222-7222-8222-222222222222"
/* Files A, B, C … stand for 64 times that hex digit. */
#define HA "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HB "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HC "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define HD "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
#define HE "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
#define FILE_(h) "{\"name\":\"f\",\"size\":1,\"sha256\":\"" h "\"}"

static void
add_artifact(struct draft *d, const char *model, const char *id,
    enum runtime_kind runtime, const char *quantization, const char *files,
    bool is_withdrawn)
{
	struct catalog_artifact x = {.id = id,
	    .runtime = runtime,
	    .quantization = quantization,
	    .is_withdrawn = is_withdrawn};

	draft_artifact(d, model, &x);
	for (; *files != '\0'; files++) {
		uint8_t hash[32];

		memset(hash, (*files - 'a' + 10) * 0x11, sizeof(hash));
		draft_file(d, id, hash);
	}
}

static void
add_model(struct draft *d, const char *canonical, const char *workspace,
    bool is_withdrawn)
{
	draft_model(d, &(struct catalog_model){.canonical = canonical,
			   .workspace = workspace,
			   .is_withdrawn = is_withdrawn});
	draft_model_task(d, canonical, "chat");
}

/* t:one is the file a; t:two is a, b and b; t:cloud is d; t:theirs is e. */
static const struct catalog *
make_catalog(void)
{
	struct draft *d = draft_new(CATALOG_MODELS);

	draft_task(
	    d, &(struct catalog_task){"chat", "/v1/chat/completions", false});
	draft_task(
	    d, &(struct catalog_task){"speech", "/v1/audio/speech", false});
	add_model(d, "t:one", NULL, false);
	add_artifact(d, "t:one", "1", RUNTIME_LLAMA_CPP, "Q4", "a", false);
	add_artifact(d, "t:one", "2", RUNTIME_OLLAMA, "Q4", "a", false);
	add_model(d, "t:two", NULL, false);
	add_artifact(d, "t:two", "3", RUNTIME_MLX, "F16", "bab", false);
	add_artifact(d, "t:two", "4", RUNTIME_MLX, "F16", "c", true);
	add_model(d, "t:cloud", NULL, false);
	add_artifact(
	    d, "t:cloud", "5", RUNTIME_CLOUD_BRIDGE, "none", "d", false);
	add_model(d, "t:theirs", OTHER, false);
	add_artifact(d, "t:theirs", "6", RUNTIME_LLAMA_CPP, "Q4", "e", false);
	add_model(d, "t:gone", NULL, true);
	add_artifact(d, "t:gone", "7", RUNTIME_LLAMA_CPP, "Q4", "ce", false);
	assert_int_equal(draft_dropped(d), 0);
	return catalog_next(NULL, &d);
}

/* ----------------------------------------------------------------- judging */

static enum statement_reason
judge(const char *runtime, const char *model)
{
	const struct catalog *c = make_catalog();
	struct arena *a = arena_new();
	struct statement_verdict v[2];
	struct statement s;
	struct fault f = {0};
	enum statement_reason reason;
	size_t accepted;

	if (!statement_read(text_of(arena_printf(a,
				"{\"protocol\":1,\"runtime\":{\"kind\":\"%s\"},"
				"\"models\":[{%s}]}",
				runtime, model)),
		a, &s, &f))
		fail_msg("%s: %s", model, f.why);
	accepted = statement_judge(&s, c, W, v);
	reason = v[0].reason;
	assert_int_equal(accepted, reason == STATEMENT_ACCEPTED);
	assert_int_equal(v[0].artifact != NULL, reason == STATEMENT_ACCEPTED);
	assert_int_equal(v[0].model != NULL, reason == STATEMENT_ACCEPTED);
	statement_free(&s);
	catalog_unref(&c);
	arena_free(&a);
	return reason;
}

#define MODEL(id, quantization, tasks, files)                                  \
	"\"canonical\":\"" id "\",\"quantization\":\"" quantization            \
	"\",\"tasks\":[" tasks "],\"files\":[" files "]"
#define CHAT "\"chat\""

static const struct {
	const char *runtime;
	const char *model;
	enum statement_reason reason;
} judgements[] = {
    {"llama.cpp", MODEL("t:one", "Q4", CHAT, FILE_(HA)), STATEMENT_ACCEPTED},
    {"ollama", MODEL("t:one", "Q4", CHAT, FILE_(HA)), STATEMENT_ACCEPTED},
    {"llama.cpp", MODEL("t:one", "Q4", "", FILE_(HA)), STATEMENT_ACCEPTED},
    {"mlx", MODEL("t:two", "F16", CHAT, FILE_(HB) "," FILE_(HA) "," FILE_(HB)),
	STATEMENT_ACCEPTED},
    {"cloud_bridge", MODEL("t:cloud", "none", CHAT, FILE_(HD)),
	STATEMENT_ACCEPTED},
    /* hashes */
    {"llama.cpp",
	MODEL("t:one", "Q4", CHAT,
	    FILE_("000000000000000000000000000000000000000000000000000000000000"
		  "0000")),
	STATEMENT_UNKNOWN_HASH},
    {"llama.cpp",
	MODEL("t:one", "Q4", CHAT,
	    FILE_(HA) "," FILE_("0000000000000000000000000000000000000000000000"
				"000000000000000000")),
	STATEMENT_UNKNOWN_HASH},
    /* somebody else's private model is as unknown as any */
    {"llama.cpp", MODEL("t:theirs", "Q4", CHAT, FILE_(HE)),
	STATEMENT_ARTIFACT_INCOMPLETE}, /* e is also part of t:gone */
    {"mlx", MODEL("t:two", "F16", CHAT, ""), STATEMENT_ARTIFACT_INCOMPLETE},
    {"mlx", MODEL("t:two", "F16", CHAT, FILE_(HB)),
	STATEMENT_ARTIFACT_INCOMPLETE},
    {"mlx", MODEL("t:two", "F16", CHAT, FILE_(HA) "," FILE_(HB)),
	STATEMENT_ARTIFACT_INCOMPLETE},
    {"mlx", MODEL("t:two", "F16", CHAT, FILE_(HB) "," FILE_(HB)),
	STATEMENT_ARTIFACT_INCOMPLETE},
    /* known files that belong together nowhere */
    {"mlx", MODEL("t:two", "F16", CHAT, FILE_(HA) "," FILE_(HD)),
	STATEMENT_CLAIM_MISMATCH},
    {"mlx",
	MODEL("t:two", "F16", CHAT,
	    FILE_(HA) "," FILE_(HB) "," FILE_(HB) "," FILE_(HB)),
	STATEMENT_CLAIM_MISMATCH},
    {"llama.cpp", MODEL("t:one", "Q4", CHAT, FILE_(HA) "," FILE_(HA)),
	STATEMENT_CLAIM_MISMATCH},
    /* claims */
    {"llama.cpp", MODEL("t:two", "Q4", CHAT, FILE_(HA)),
	STATEMENT_CLAIM_MISMATCH},
    {"llama.cpp", MODEL("t:one", "Q8", CHAT, FILE_(HA)),
	STATEMENT_CLAIM_MISMATCH},
    {"llama.cpp", MODEL("t:one", "", CHAT, FILE_(HA)),
	STATEMENT_CLAIM_MISMATCH},
    {"mlx", MODEL("t:one", "Q4", CHAT, FILE_(HA)), STATEMENT_RUNTIME_MISMATCH},
    {"llama.cpp", MODEL("t:cloud", "none", CHAT, FILE_(HD)),
	STATEMENT_RUNTIME_MISMATCH},
    {"llama.cpp", MODEL("t:one", "Q4", CHAT ",\"speech\"", FILE_(HA)),
	STATEMENT_TASK_NOT_IN_CATALOG},
    {"llama.cpp", MODEL("t:one", "Q4", "\"chess\"", FILE_(HA)),
	STATEMENT_TASK_NOT_IN_CATALOG},
    {"mlx", MODEL("t:two", "F16", CHAT, FILE_(HC)), STATEMENT_MODEL_WITHDRAWN},
    {"llama.cpp", MODEL("t:gone", "Q4", CHAT, FILE_(HC) "," FILE_(HE)),
	STATEMENT_MODEL_WITHDRAWN},
};

static void
test_reasons(void **state)
{
	unsigned seen[STATEMENT_REASON_COUNT] = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(judgements) / sizeof(judgements[0]);
	     i++) {
		enum statement_reason r =
		    judge(judgements[i].runtime, judgements[i].model);

		seen[r]++;
		if (r != judgements[i].reason)
			fail_msg("%s: %s, not %s", judgements[i].model,
			    statement_reason_name(r),
			    statement_reason_name(judgements[i].reason));
	}
	for (int r = 0; r < STATEMENT_REASON_COUNT; r++)
		assert_true(seen[r] > 0);
}

static void
test_private_model_is_for_its_workspace(void **state)
{
	static const char text[] =
	    "{\"protocol\":1,\"runtime\":{\"kind\":\"llama.cpp\"},"
	    "\"models\":[{" MODEL("t:theirs", "Q4", CHAT, FILE_(HE)) "}]}";
	const struct catalog *c = make_catalog();
	struct arena *a = arena_new();
	struct statement_verdict v[1];
	struct statement s;

	(void)state;
	assert_true(statement_read(text_of(text), a, &s, NULL));
	assert_int_equal(statement_judge(&s, c, OTHER, v), 1);
	assert_string_equal(v[0].artifact->id, "6");
	assert_int_equal(statement_judge(&s, c, W, v), 0);
	statement_free(&s);
	catalog_unref(&c);
	arena_free(&a);
}

static void
test_answer(void **state)
{
	static const char text[] =
	    "{\"protocol\":1,\"runtime\":{\"kind\":\"llama.cpp\"},\"models\":["
	    "{" MODEL("t:one", "Q4", CHAT,
		FILE_(HA)) "},"
			   "{" MODEL("t:one", "Q4", CHAT, FILE_(HA)) "}]}";
	const struct catalog *c = make_catalog();
	struct arena *a = arena_new();
	struct statement_verdict v[2];
	struct statement s;

	(void)state;
	assert_true(statement_read(text_of(text), a, &s, NULL));
	assert_int_equal(statement_judge(&s, c, W, v), 1);
	assert_int_equal(v[1].reason, STATEMENT_CLAIM_MISMATCH);
	assert_string_equal(
	    statement_answer(a, &s, v, "S", "none", "no_evidence"),
	    "{\"session\":\"S\",\"models\":["
	    "{\"canonical\":\"t:one\",\"status\":\"accepted\",\"reason\":null},"
	    "{\"canonical\":\"t:one\",\"status\":\"refused\","
	    "\"reason\":\"claim_mismatch\"}],"
	    "\"verified\":{\"status\":\"none\",\"reason\":\"no_evidence\"}}");
	statement_free(&s);
	catalog_unref(&c);
	arena_free(&a);
}

/* ----------------------------------------------------------------- reading */

#define HEAD "\"protocol\":1,\"runtime\":{\"kind\":\"mlx\"}"
#define ONE(members) "{" HEAD ",\"models\":[{" members "}]}"

static const struct {
	const char *text;
	enum fault_kind kind;
	const char *why;
} refusals[] = {
    {"", FAULT_INVALID_JSON, "empty"},
    {"{", FAULT_INVALID_JSON, ""},
    {"[]", FAULT_INVALID, "not an object"},
    {"{}", FAULT_INVALID, "protocol"},
    {"{\"protocol\":1,\"protocol\":1}", FAULT_INVALID_JSON, ""},
    {"{\"protocol\":\"1\"}", FAULT_INVALID, "protocol"},
    {"{\"protocol\":2}", FAULT_UNSUPPORTED, "protocol 2"},
    {"{\"protocol\":1}", FAULT_INVALID, "runtime"},
    {"{\"protocol\":1,\"runtime\":{\"kind\":\"vllm\"}}", FAULT_UNSUPPORTED,
	"vllm"},
    {"{" HEAD "}", FAULT_INVALID, "models"},
    {"{" HEAD ",\"models\":{}}", FAULT_INVALID, "models"},
    {"{" HEAD ",\"models\":[7]}", FAULT_INVALID, "not an object"},
    {"{" HEAD ",\"models\":[],\"daemon\":\"a\\nb\"}", FAULT_INVALID,
	"printable"},
    {"{" HEAD ",\"models\":[],\"slot\":64}", FAULT_INVALID, "slot"},
    {"{" HEAD ",\"models\":[],\"slot\":-1}", FAULT_INVALID, "slot"},
    {"{" HEAD ",\"models\":[],\"slot\":0.5}", FAULT_INVALID, ""},
    {"{" HEAD ",\"models\":[],\"evidence\":\"x\"}", FAULT_INVALID, "evidence"},
    {"{" HEAD ",\"models\":[],\"x\":1.5}", FAULT_INVALID, "fraction"},
    {"{" HEAD ",\"models\":[],\"controls\":7}", FAULT_INVALID, "controls"},
    {"{" HEAD ",\"models\":[],\"controls\":{\"max_concurrency\":0}}",
	FAULT_INVALID, "max_concurrency"},
    {"{" HEAD ",\"models\":[],\"direct\":{\"endpoints\":[\"http://a\"],"
     "\"tls_spki_sha256\":\"" HA "\"}}",
	FAULT_INVALID, "https"},
    {"{" HEAD ",\"models\":[],\"direct\":{\"endpoints\":[\"https://a\"]}}",
	FAULT_INVALID, "tls_spki_sha256"},
    {ONE(""), FAULT_INVALID, "canonical"},
    {ONE("\"canonical\":\"\""), FAULT_INVALID, "canonical"},
    {ONE("\"canonical\":\"t:\\u00e9\""), FAULT_INVALID, "printable"},
    {ONE("\"canonical\":\"t:x\""), FAULT_INVALID, "tasks"},
    {ONE("\"canonical\":\"t:x\",\"tasks\":[1],\"files\":[]"), FAULT_INVALID,
	"task"},
    {ONE("\"canonical\":\"t:x\",\"tasks\":[]"), FAULT_INVALID, "files"},
    {ONE("\"canonical\":\"t:x\",\"tasks\":[],\"files\":[1]"), FAULT_INVALID,
	"not an object"},
    {ONE("\"canonical\":\"t:x\",\"tasks\":[],\"files\":[{\"name\":\"f\","
	 "\"size\":-1,\"sha256\":\"" HA "\"}]"),
	FAULT_INVALID, "size"},
    {ONE("\"canonical\":\"t:x\",\"tasks\":[],\"files\":[{\"name\":\"f\","
	 "\"size\":1,\"sha256\":\"aa\"}]"),
	FAULT_INVALID, "64 hex"},
    {ONE("\"canonical\":\"t:x\",\"tasks\":[],\"files\":[{\"name\":\"f\","
	 "\"size\":1,\"sha256\":\"" HA "aa\"}]"),
	FAULT_INVALID, "sha256"},
    {ONE("\"canonical\":\"t:x\",\"tasks\":[],\"files\":[],"
	 "\"context_length\":-5"),
	FAULT_INVALID, "context_length"},
};

static void
test_refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct arena *a = arena_new();
		struct fault f = {0};
		struct statement s;

		if (statement_read(text_of(refusals[i].text), a, &s, &f))
			fail_msg("accepted: %s", refusals[i].text);
		if (f.kind != refusals[i].kind ||
		    strstr(f.why, refusals[i].why) == NULL)
			fail_msg("%s: %s: %s", refusals[i].text,
			    fault_code(f.kind), f.why);
		assert_null(s.document);
		arena_free(&a);
	}
}

static void
test_too_many_models(void **state)
{
	struct arena *a = arena_new();
	struct statement s;
	struct fault f = {0};
	json_t *models = json_array();
	json_t *j;

	(void)state;
	for (int i = 0; i < STATEMENT_MODELS; i++)
		json_array_append_new(
		    models, json_pack("{s:s,s:[],s:[]}", "canonical", "t:x",
				"tasks", "files"));
	j = json_pack("{s:i,s:{s:s},s:o}", "protocol", 1, "runtime", "kind",
	    "mlx", "models", models);
	assert_true(statement_read(text_of(json_write(a, j)), a, &s, &f));
	assert_int_equal(s.model_count, STATEMENT_MODELS);
	statement_free(&s);
	json_array_append_new(models, json_object());
	assert_false(statement_read(text_of(json_write(a, j)), a, &s, &f));
	assert_non_null(strstr(f.why, "models"));
	json_free(&j);
	arena_free(&a);
}

static void
test_everything_is_read(void **state)
{
	static const char text[] =
	    "{\"protocol\":1,\"daemon\":\"assay-provider/0.1.0\","
	    "\"nonce\":\"00ff\",\"runtime\":{\"kind\":\"ollama\","
	    "\"version\":\"0.5\"},\"models\":[],\"controls\":{\"windows\":"
	    "[{\"days\":[\"mon\"]}],\"max_concurrency\":4,"
	    "\"max_tokens_per_minute\":60000},\"direct\":{\"endpoints\":"
	    "[\"https://192.0.2.7:8443\"],\"tls_spki_sha256\":\"" HA "\"},"
	    "\"slot\":3,\"later\":true,\"evidence\":{\"x\":1.5}}";
	struct arena *a = arena_new();
	struct statement s;
	struct fault f = {0};

	(void)state;
	if (!statement_read(text_of(text), a, &s, &f))
		fail_msg("%s", f.why);
	assert_string_equal(s.daemon, "assay-provider/0.1.0");
	assert_string_equal(s.nonce, "00ff");
	assert_int_equal(s.runtime, RUNTIME_OLLAMA);
	assert_string_equal(s.runtime_version, "0.5");
	assert_int_equal(s.window_count, 1);
	assert_int_equal(s.max_concurrency, 4);
	assert_int_equal(s.max_tokens_per_minute, 60000);
	assert_int_equal(s.direct_count, 1);
	assert_string_equal(s.direct[0], "https://192.0.2.7:8443");
	assert_string_equal(s.direct_spki, HA);
	assert_int_equal(s.slot, 3);
	assert_non_null(s.evidence);
	statement_free(&s);
	assert_null(s.evidence);
	arena_free(&a);
}

/* What evidence binds: the canonical JSON without it, however it came. */
static void
test_digest(void **state)
{
	static const char canonical[] =
	    "{\"models\":[],\"protocol\":1,\"runtime\":{\"kind\":\"mlx\"}}";
	static const char *const texts[] = {canonical,
	    "{\"runtime\": {\"kind\": \"mlx\"}, \"protocol\": 1,"
	    " \"evidence\": null, \"models\": []}",
	    "{\"evidence\":{\"a\":[1]},\"protocol\":1,\"models\":[],"
	    "\"runtime\":{\"kind\":\"mlx\"}}"};
	uint8_t expected[32];

	(void)state;
	sha256(bytes_of(canonical, strlen(canonical)), expected);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct arena *a = arena_new();
		struct statement s;

		assert_true(statement_read(text_of(texts[i]), a, &s, NULL));
		assert_memory_equal(s.digest, expected, 32);
		assert_int_equal(s.max_concurrency, 0);
		statement_free(&s);
		arena_free(&a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_reasons),
	    cmocka_unit_test(test_private_model_is_for_its_workspace),
	    cmocka_unit_test(test_answer),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_too_many_models),
	    cmocka_unit_test(test_everything_is_read),
	    cmocka_unit_test(test_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
