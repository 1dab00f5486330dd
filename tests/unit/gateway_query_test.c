/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The query: what is refused and with which code and param, what options
 * mean, and that the outgoing body is the buyer's bytes without `options`.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "auth/scope.h"
#include "gateway/query.h"

#define W "11111111-1111-7111-8111-111111111111"
#define OTHER "22222222-2222-7222-8222-222222222222"
#define ALL                                                                    \
	(SCOPE_INFERENCE | SCOPE_MARKETPLACE | SCOPE_STREAMING |               \
	    SCOPE_CATALOG_READ)

static const struct query_bounds bounds = {
    .least = {100, 100, 1000},
    .most = {60000, 60000, 600000},
    .otherwise = {30000, 20000, 300000},
    .whole_ms = 50000,
};

struct bench {
	struct arena *arena;
	const struct catalog *catalog;
	struct principal principal;
	struct query q;
	struct fault f;
};

static void
bench_open(struct bench *b)
{
	struct draft *d = draft_new(CATALOG_MODELS);

	memset(b, 0, sizeof(*b));
	b->arena = arena_new();
	draft_task(
	    d, &(struct catalog_task){"chat", "/v1/chat/completions", false});
	draft_task(d, &(struct catalog_task){
			  "transcription", "/v1/audio/transcriptions", true});
	draft_model(d, &(struct catalog_model){.canonical = "t:m"});
	draft_model_task(d, "t:m", "chat");
	draft_model_task(d, "t:m", "transcription");
	draft_model(d, &(struct catalog_model){.canonical = "t:chat-only"});
	draft_model_task(d, "t:chat-only", "chat");
	draft_model(
	    d, &(struct catalog_model){.canonical = "t:mine", .workspace = W});
	draft_model_task(d, "t:mine", "chat");
	draft_model(d, &(struct catalog_model){
			   .canonical = "t:theirs", .workspace = OTHER});
	draft_model_task(d, "t:theirs", "chat");
	draft_model(d, &(struct catalog_model){
			   .canonical = "t:gone", .is_withdrawn = true});
	draft_model_task(d, "t:gone", "chat");
	b->catalog = catalog_next(NULL, &d);
	memcpy(b->principal.workspace, W, sizeof(W));
	b->principal.scopes = ALL;
}

static void
bench_close(struct bench *b)
{
	catalog_unref(&b->catalog);
	arena_free(&b->arena);
}

static bool
make(struct bench *b, const char *task, struct text body)
{
	struct query_ask ask = {
	    .principal = &b->principal,
	    .catalog = b->catalog,
	    .task = task,
	    .content_type = "application/json",
	    .body = body,
	    .bounds = &bounds,
	};

	memset(&b->f, 0, sizeof(b->f));
	return query_make(&ask, b->arena, &b->q, &b->f);
}

static bool
make_chat(struct bench *b, const char *body)
{
	return make(b, "chat", text_of(body));
}

/* ---------------------------------------------------------------- refusals */

struct refusal {
	uint32_t scopes;
	const char *body;
	enum fault_kind kind;
	const char *param; /* NULL: none */
	const char *why;   /* part of the sentence */
};

#define M "\"model\":\"t:m\""
#define O(options) "{" M ",\"options\":" options "}"

static const struct refusal refusals[] = {
    /* the text */
    {ALL, "", FAULT_INVALID_JSON, NULL, "empty"},
    {ALL, "{", FAULT_INVALID_JSON, NULL, "byte 1"},
    {ALL, "[]", FAULT_INVALID_JSON, NULL, "object"},
    {ALL, "null", FAULT_INVALID_JSON, NULL, "object"},
    {ALL, "{" M "} x", FAULT_INVALID_JSON, NULL, "more than one"},
    {ALL, "{" M "," M "}", FAULT_INVALID_JSON, NULL, "repeated"},
    {ALL, "{" M ",\"x\":{\"a\":1,\"\\u0061\":2}}", FAULT_INVALID_JSON, NULL,
	"repeated"},
    {ALL, "{" M ",\"x\":\"\xff\"}", FAULT_INVALID_JSON, NULL, "UTF-8"},
    {ALL, "{" M ",\"x\":\"\xc0\xaf\"}", FAULT_INVALID_JSON, NULL, "UTF-8"},
    {ALL, "{" M ",\"\\u0000\":1}", FAULT_INVALID_JSON, NULL, "NUL"},
    {ALL, "{" M ",\"x\":01}", FAULT_INVALID_JSON, NULL, "zero"},
    /* model, stream */
    {ALL, "{}", FAULT_INVALID_REQUEST, "model", "model is missing"},
    {ALL, "{\"model\":7}", FAULT_INVALID_REQUEST, "model", "not a string"},
    {ALL, "{\"model\":null}", FAULT_INVALID_REQUEST, "model", "not a string"},
    {ALL, "{\"model\":\"t\\u0000m\"}", FAULT_INVALID_JSON, "model", "NUL"},
    {ALL, "{\"model\":\"\"}", FAULT_MODEL_NOT_FOUND, "model", "no model"},
    {ALL, "{\"model\":\"t:x\"}", FAULT_MODEL_NOT_FOUND, "model", "t:x"},
    {ALL, "{\"model\":\"T:M\"}", FAULT_MODEL_NOT_FOUND, "model", "T:M"},
    {ALL, "{\"model\":\"t:theirs\"}", FAULT_MODEL_NOT_FOUND, "model",
	"there is no model t:theirs"},
    {ALL, "{\"model\":\"t:gone\"}", FAULT_MODEL_NOT_FOUND, "model", "t:gone"},
    {ALL, "{" M ",\"stream\":1}", FAULT_INVALID_REQUEST, "stream", "stream"},
    {ALL, "{" M ",\"stream\":\"true\"}", FAULT_INVALID_REQUEST, "stream",
	"stream"},
    /* members that are ours but for case */
    {ALL, "{" M ",\"STREAM\":true}", FAULT_INVALID_REQUEST, "stream", "case"},
    {ALL, "{\"Model\" : \"t:m\"," M "}", FAULT_INVALID_REQUEST, "model",
	"a member is model but for its case"},
    {ALL, "{" M ",\"x\":\"a\\\\\",\"taS\\u212a\":1}", FAULT_INVALID_REQUEST,
	"task", "case"},
    {ALL, "{" M ",\"\xc5\xbftream\":true}", FAULT_INVALID_REQUEST, "stream",
	"case"},
    {ALL, "{" M ",\"Options\":{}}", FAULT_INVALID_REQUEST, "options", "case"},
    {ALL, "{" M ",\"x\":[{}],\"Messages\":[]}", FAULT_INVALID_REQUEST,
	"messages", "case"},
    {ALL, "{" M ",\"Stream_options\":{}}", FAULT_INVALID_REQUEST,
	"stream_options", "case"},
    {ALL, "{" M ",\"encoding_Format\":\"x\"}", FAULT_INVALID_REQUEST,
	"encoding_format", "case"},
    /* scopes */
    {0, "{" M "}", FAULT_INSUFFICIENT_SCOPES, NULL, "inference"},
    {SCOPE_MARKETPLACE, "{" M "}", FAULT_INSUFFICIENT_SCOPES, NULL,
	"inference"},
    {SCOPE_INFERENCE, "{" M ",\"stream\":true}", FAULT_INSUFFICIENT_SCOPES,
	"stream", "streaming"},
    {SCOPE_INFERENCE, O("{\"pool\":\"marketplace\"}"),
	FAULT_INSUFFICIENT_SCOPES, "options.pool", "marketplace"},
    {ALL | SCOPE_WORKSPACE_ONLY, O("{\"pool\":\"marketplace\"}"),
	FAULT_INSUFFICIENT_SCOPES, "options.pool", "marketplace"},
    /* options */
    {ALL, O("[]"), FAULT_INVALID_OPTION, "options", "not an object"},
    {ALL, O("true"), FAULT_INVALID_OPTION, "options", ""},
    {ALL, O("\"{}\""), FAULT_INVALID_OPTION, "options", ""},
    {ALL, O("{\"min_teir\":\"gold\"}"), FAULT_INVALID_OPTION,
	"options.min_teir", "no member min_teir"},
    {ALL, O("{\"min_tier\":\"platinum\"}"), FAULT_INVALID_OPTION,
	"options.min_tier", "platinum"},
    {ALL, O("{\"min_tier\":\"none\"}"), FAULT_INVALID_OPTION,
	"options.min_tier", "none"},
    {ALL, O("{\"min_tier\":\"Gold\"}"), FAULT_INVALID_OPTION,
	"options.min_tier", "Gold"},
    {ALL, O("{\"min_tier\":3}"), FAULT_INVALID_OPTION, "options.min_tier",
	"min_tier"},
    {ALL, O("{\"verified\":\"yes\"}"), FAULT_INVALID_OPTION, "options.verified",
	"verified"},
    {ALL, O("{\"verified\":1}"), FAULT_INVALID_OPTION, "options.verified",
	"verified"},
    {ALL, O("{\"explain\":0}"), FAULT_INVALID_OPTION, "options.explain",
	"explain"},
    {ALL, O("{\"allow_fallbacks\":\"no\"}"), FAULT_INVALID_OPTION,
	"options.allow_fallbacks", "allow_fallbacks"},
    {ALL, O("{\"pool\":\"any\"}"), FAULT_INVALID_OPTION, "options.pool", "any"},
    {ALL, O("{\"only\":\"did:assay:a\"}"), FAULT_INVALID_OPTION, "options.only",
	"only"},
    {ALL, O("{\"only\":[\"a\"]}"), FAULT_INVALID_OPTION, "options.only",
	"not a DID"},
    {ALL, O("{\"only\":[7]}"), FAULT_INVALID_OPTION, "options.only",
	"not a string"},
    {ALL, O("{\"ignore\":[\"did:assay:a b\"]}"), FAULT_INVALID_OPTION,
	"options.ignore", "not a DID"},
    {ALL, O("{\"order\":{}}"), FAULT_INVALID_OPTION, "options.order", "order"},
    {ALL, O("{\"quantizations\":[]}"), FAULT_INVALID_OPTION,
	"options.quantizations", "nothing"},
    {ALL, O("{\"timeouts\":5}"), FAULT_INVALID_OPTION, "options.timeouts",
	"timeouts"},
    {ALL, O("{\"timeouts\":{\"totalms\":5000}}"), FAULT_INVALID_OPTION,
	"options.timeouts", "totalms"},
    {ALL, O("{\"timeouts\":{\"total_ms\":5}}"), FAULT_INVALID_OPTION,
	"options.timeouts", "total_ms"},
    {ALL, O("{\"timeouts\":{\"total_ms\":600001}}"), FAULT_INVALID_OPTION,
	"options.timeouts", "total_ms"},
    {ALL, O("{\"timeouts\":{\"stall_ms\":1000.5}}"), FAULT_INVALID_OPTION,
	"options.timeouts", "stall_ms"},
    {ALL, O("{\"timeouts\":{\"stall_ms\":99999999999999999999}}"),
	FAULT_INVALID_OPTION, "options", ""},
    {ALL, O("{\"only\":[\"did:assay:\\u0000\"]}"), FAULT_INVALID_OPTION,
	"options", ""},
};

static void
test_refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		const struct refusal *r = &refusals[i];
		struct bench b;

		bench_open(&b);
		b.principal.scopes = r->scopes;
		if (make_chat(&b, r->body))
			fail_msg("accepted: %s", r->body);
		if (b.f.kind != r->kind)
			fail_msg("%s: %s (%s), not %s", r->body,
			    fault_code(b.f.kind), b.f.why, fault_code(r->kind));
		if ((r->param == NULL) != (b.q.param == NULL) ||
		    (r->param != NULL && strcmp(r->param, b.q.param) != 0))
			fail_msg("%s: param %s", r->body,
			    b.q.param != NULL ? b.q.param : "none");
		if (strstr(b.f.why, r->why) == NULL)
			fail_msg("%s: \"%s\" lacks \"%s\"", r->body, b.f.why,
			    r->why);
		bench_close(&b);
	}
}

static void
test_raw_nul_is_no_json(void **state)
{
	static const char body[] = "{\"model\":\"t:m\0\"}";
	struct bench b;

	(void)state;
	bench_open(&b);
	assert_false(make(&b, "chat", (struct text){body, sizeof(body) - 1}));
	assert_int_equal(b.f.kind, FAULT_INVALID_JSON);
	bench_close(&b);
}

/* ----------------------------------------------------------------- meaning */

static void
test_case_matters_at_the_top_alone(void **state)
{
	static const char *const bodies[] = {"{" M ",\"x\":{\"Stream\":true}}",
	    "{" M ",\"x\":\"STREAM\"}",
	    "{" M ",\"x\":[\"STREAM\",{\"Model\":1}]}",
	    "{" M ",\"x\":\"\\\",\\\"Stream\\\":1\"}", "{" M ",\"streams\":1}",
	    "{" M ",\"\\u0073tream\":false}", "{" M ",\"MAX_TOKENS\":1}"};
	struct bench b;

	(void)state;
	bench_open(&b);
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++)
		if (!make_chat(&b, bodies[i]))
			fail_msg("%s: %s", bodies[i], b.f.why);
	bench_close(&b);
}

static void
test_octets_are_asked_for(void **state)
{
	static const struct {
		const char *body;
		bool wants_octets;
	} rows[] = {
	    {"{" M "}", false},
	    {"{" M ",\"encoding_format\":null}", false},
	    {"{" M ",\"encoding_format\":\"float\"}", false},
	    {"{" M ",\"encoding_format\":\"base64\"}", false},
	    {"{" M ",\"encoding_format\":\"bytes\"}", true},
	    {"{" M ",\"encoding_format\":7}", true},
	};
	struct bench b;

	(void)state;
	bench_open(&b);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_true(make_chat(&b, rows[i].body));
		assert_int_equal(b.q.wants_octets, rows[i].wants_octets);
	}
	bench_close(&b);
}

static void
test_defaults(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	assert_true(make_chat(&b, "{" M "}"));
	assert_string_equal(b.q.task->name, "chat");
	assert_string_equal(b.q.model->canonical, "t:m");
	assert_string_equal(b.q.workspace, W);
	assert_int_equal(b.q.pools, POOL_BOTH);
	assert_int_equal(b.q.min_tier, TIER_NONE);
	assert_false(b.q.verified || b.q.has_only || b.q.explain ||
		     b.q.stream || b.q.is_workspace_only || b.q.is_direct);
	assert_true(b.q.allow_fallbacks);
	assert_true(b.q.timeouts.first_byte_ms == 50000);
	assert_true(b.q.timeouts.stall_ms == 20000);
	assert_true(b.q.timeouts.total_ms == 300000);
	assert_int_equal(b.q.quantizations.count, 0);
	assert_true(make_chat(&b, O("null")));
	assert_true(make_chat(&b, O("{\"pool\":null,\"only\":null}")));
	assert_false(b.q.has_only);
	bench_close(&b);
}

static void
test_every_option(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	assert_true(make_chat(&b,
	    "{" M ",\"stream\":true,\"options\":{\"min_tier\":\"silver\","
	    "\"verified\":true,\"pool\":\"marketplace\","
	    "\"only\":[\"did:assay:a\",\"did:assay:b\"],"
	    "\"ignore\":[\"did:assay:c\"],\"order\":[\"did:assay:b\"],"
	    "\"quantizations\":[\"F16\"],\"allow_fallbacks\":false,"
	    "\"timeouts\":{\"first_byte_ms\":100,\"total_ms\":600000},"
	    "\"explain\":true}}"));
	assert_int_equal(b.q.min_tier, TIER_SILVER);
	assert_int_equal(b.q.pools, POOL_MARKETPLACE);
	assert_true(b.q.verified && b.q.explain && b.q.stream && b.q.has_only);
	assert_false(b.q.allow_fallbacks);
	assert_true(dids_has(b.q.only, "did:assay:b"));
	assert_false(dids_has(b.q.only, "did:assay:c"));
	assert_int_equal(b.q.ignore.count, 1);
	assert_string_equal(b.q.order.at[0], "did:assay:b");
	assert_string_equal(b.q.quantizations.at[0], "F16");
	assert_true(b.q.timeouts.first_byte_ms == 100);
	assert_true(b.q.timeouts.stall_ms == 20000);
	assert_true(b.q.timeouts.total_ms == 600000);
	assert_true(make_chat(&b, "{" M ",\"stream\":true}"));
	assert_true(b.q.timeouts.first_byte_ms == 30000);
	assert_true(make_chat(&b, O("{\"only\":[]}")));
	assert_true(b.q.has_only && b.q.only.count == 0);
	bench_close(&b);
}

static void
test_restriction_is_never_lifted(void **state)
{
	static const char *const options[] = {"null", "{}",
	    "{\"pool\":\"workspace\"}", "{\"pool\":null}",
	    "{\"order\":[\"did:assay:z\"],\"only\":[\"did:assay:z\"]}",
	    "{\"allow_fallbacks\":true,\"min_tier\":\"gold\"}"};
	char body[200];
	struct bench b;

	(void)state;
	bench_open(&b);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		snprintf(body, sizeof(body), O("%s"), options[i]);
		b.principal.scopes = ALL | SCOPE_WORKSPACE_ONLY;
		assert_true(make_chat(&b, body));
		assert_int_equal(b.q.pools, POOL_WORKSPACE);
		assert_true(b.q.is_workspace_only);
		/* Without the marketplace's scope nothing leaves either. */
		b.principal.scopes = SCOPE_INFERENCE;
		assert_true(make_chat(&b, body));
		assert_int_equal(b.q.pools, POOL_WORKSPACE);
	}
	bench_close(&b);
}

static void
test_private_model(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	assert_true(make_chat(&b, "{\"model\":\"t:mine\"}"));
	memcpy(b.principal.workspace, OTHER, sizeof(OTHER));
	assert_false(make_chat(&b, "{\"model\":\"t:mine\"}"));
	assert_int_equal(b.f.kind, FAULT_MODEL_NOT_FOUND);
	bench_close(&b);
}

static void
test_task_of_path_and_body(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	assert_false(make(&b, "chess", text_of("{" M "}")));
	assert_int_equal(b.f.kind, FAULT_UNKNOWN_TASK);
	assert_string_equal(b.q.param, "task");
	/* The path names it: the body's member is the runtime's own. */
	assert_true(make_chat(&b, "{" M ",\"task\":7}"));
	assert_true(make(&b, NULL, text_of("{" M ",\"task\":\"chat\"}")));
	assert_string_equal(b.q.task->name, "chat");
	assert_false(make(&b, NULL, text_of("{" M "}")));
	assert_int_equal(b.f.kind, FAULT_INVALID_REQUEST);
	assert_string_equal(b.q.param, "task");
	assert_false(make(&b, NULL, text_of("{" M ",\"task\":\"chess\"}")));
	assert_int_equal(b.f.kind, FAULT_UNKNOWN_TASK);
	assert_false(make(&b, NULL,
	    text_of("{\"model\":\"t:chat-only\",\"task\":\"transcription\"}")));
	assert_int_equal(b.f.kind, FAULT_MODEL_NOT_FOUND);
	bench_close(&b);
}

static void
test_handoff(void **state)
{
	struct bench b;
	struct query_ask ask;

	(void)state;
	bench_open(&b);
	ask = (struct query_ask){.principal = &b.principal,
	    .catalog = b.catalog,
	    .content_type = "application/json; charset=utf-8",
	    .body = text_of("{" M ",\"task\":\"transcription\"}"),
	    .bounds = &bounds,
	    .is_direct = true};
	assert_true(query_make(&ask, b.arena, &b.q, &b.f));
	assert_true(b.q.is_direct);
	assert_int_equal(b.q.pools, POOL_WORKSPACE);
	ask.body = text_of("{" M ",\"task\":\"chat\",\"options\":"
			   "{\"pool\":\"marketplace\"}}");
	assert_false(query_make(&ask, b.arena, &b.q, &b.f));
	assert_int_equal(b.f.kind, FAULT_INVALID_OPTION);
	assert_string_equal(b.q.param, "options.pool");
	ask.content_type = "text/plain";
	assert_false(query_make(&ask, b.arena, &b.q, &b.f));
	assert_int_equal(b.f.kind, FAULT_UNSUPPORTED_MEDIA_TYPE);
	ask.content_type = "application/jsonp";
	assert_false(query_make(&ask, b.arena, &b.q, &b.f));
	assert_int_equal(b.f.kind, FAULT_UNSUPPORTED_MEDIA_TYPE);
	ask.content_type = NULL;
	ask.content_encoding = "gzip";
	assert_false(query_make(&ask, b.arena, &b.q, &b.f));
	assert_int_equal(b.f.kind, FAULT_UNSUPPORTED_MEDIA_TYPE);
	assert_string_equal(b.f.why, "the body must have no content-encoding");
	ask.content_encoding = "identity";
	ask.body = text_of("{" M ",\"task\":\"chat\"}");
	assert_true(query_make(&ask, b.arena, &b.q, &b.f));
	bench_close(&b);
}

/* -------------------------------------------------------------------- body */

static char *
outgoing(struct bench *b)
{
	return arena_printf(b->arena, "%.*s%.*s", (int)b->q.body[0].len,
	    b->q.body[0].at, (int)b->q.body[1].len,
	    b->q.body[1].len > 0 ? b->q.body[1].at : "");
}

static void
test_only_options_is_cut(void **state)
{
	static const char *const cases[][2] = {
	    {"{" M "}", "{" M "}"},
	    {"{" M ",\"options\":{}}", "{" M "}"},
	    {"{\"options\":{\"explain\":true}," M "}", "{" M "}"},
	    {" {\"z\" : 1e2, \"options\" : {\"verified\" : false} , " M
	     ", \"tools\":[{\"x\":\"\\u00e9\"}]} ",
		" {\"z\" : 1e2,  " M ", \"tools\":[{\"x\":\"\\u00e9\"}]} "},
	    {"{" M ",\"x\":{\"options\":7}}", "{" M ",\"x\":{\"options\":7}}"},
	    {"{" M ",\"\\u006fptions\":{\"pool\":\"workspace\"}}", "{" M "}"},
	};
	struct bench b;

	(void)state;
	bench_open(&b);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!make_chat(&b, cases[i][0]))
			fail_msg("%s: %s", cases[i][0], b.f.why);
		assert_string_equal(outgoing(&b), cases[i][1]);
	}
	assert_int_equal(b.q.pools, POOL_WORKSPACE);
	bench_close(&b);
}

#define PART(name, body)                                                       \
	"--xyz\r\nContent-Disposition: form-data; name=\"" name                \
	"\"\r\n\r\n" body "\r\n"
#define FILE_PART                                                              \
	"--xyz\r\ncontent-disposition: form-data; name=\"file\"; "             \
	"filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\nRI\r\nFF--xyz"   \
	"\r\n"
#define END "--xyz--\r\n"

static bool
make_form(struct bench *b, const char *body)
{
	struct query_ask ask = {.principal = &b->principal,
	    .catalog = b->catalog,
	    .task = "transcription",
	    .content_type = "multipart/form-data; boundary=xyz",
	    .body = text_of(body),
	    .bounds = &bounds};

	memset(&b->f, 0, sizeof(b->f));
	return query_make(&ask, b->arena, &b->q, &b->f);
}

static void
test_multipart(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	assert_true(make_form(&b, FILE_PART PART("model", "t:m")
				      PART("options", "{\"min_tier\":\"gold\"}")
					  PART("stream", "true") END));
	assert_int_equal(b.q.min_tier, TIER_GOLD);
	assert_true(b.q.stream);
	assert_string_equal(outgoing(&b),
	    FILE_PART PART("model", "t:m") PART("stream", "true") END);
	assert_true(make_form(&b, PART("model", "t:m") FILE_PART END));
	assert_string_equal(outgoing(&b), PART("model", "t:m") FILE_PART END);
	assert_true(
	    make_form(&b, PART("options", "{}") PART("model", "t:m") END));
	assert_string_equal(outgoing(&b), PART("model", "t:m") END);

	assert_false(make_form(&b, FILE_PART END));
	assert_int_equal(b.f.kind, FAULT_INVALID_REQUEST);
	assert_string_equal(b.q.param, "model");
	assert_false(
	    make_form(&b, PART("model", "t:m") PART("model", "t:x") END));
	assert_int_equal(b.f.kind, FAULT_INVALID_REQUEST);
	assert_false(make_form(
	    &b, PART("model", "t:m") PART("options", "{\"x\":1}") END));
	assert_int_equal(b.f.kind, FAULT_INVALID_OPTION);
	assert_string_equal(b.q.param, "options.x");
	assert_false(
	    make_form(&b, PART("model", "t:m") PART("options", "") END));
	assert_int_equal(b.f.kind, FAULT_INVALID_OPTION);
	assert_false(make_form(
	    &b, PART("model", "t:m") PART("options", "{\"a\":1,\"a\":2}") END));
	assert_int_equal(b.f.kind, FAULT_INVALID_OPTION);
	assert_false(make_form(&b, PART("model", "t:\xff") END));
	assert_int_equal(b.f.kind, FAULT_INVALID_REQUEST);
	assert_false(
	    make_form(&b, PART("model", "t:m") PART("stream", "maybe") END));
	assert_string_equal(b.q.param, "stream");
	assert_false(make_form(&b, ""));
	assert_false(make(&b, "transcription", text_of("{" M "}")));
	assert_int_equal(b.f.kind, FAULT_UNSUPPORTED_MEDIA_TYPE);
	bench_close(&b);
}

/* A private body goes on as it is, to the verified, with options beside it. */
static void
test_private(void **state)
{
	static const char body[] =
	    "{ \"z\":1,\n\"model\" : \"t:m\",\"stream\":false }";
	struct bench b;
	struct query_ask ask = {.principal = &b.principal,
	    .task = "chat",
	    .bounds = &bounds,
	    .is_private = true};

	(void)state;
	bench_open(&b);
	ask.catalog = b.catalog;
	ask.body = text_of(body);
	assert_true(query_make(&ask, b.arena, &b.q, &b.f));
	assert_true(b.q.verified);
	assert_string_equal(b.q.model_asked, "t:m");
	assert_true(text_equal(b.q.body[0], text_of(body)));
	assert_int_equal(b.q.body[1].len, 0);
	ask.options = "{\"min_tier\":\"gold\",\"verified\":false}";
	assert_true(query_make(&ask, b.arena, &b.q, &b.f));
	assert_int_equal(b.q.min_tier, TIER_GOLD);
	assert_true(b.q.verified);
	ask.options = "{\"nonsense\":1}";
	assert_false(query_make(&ask, b.arena, &b.q, &b.f));
	assert_int_equal(b.f.kind, FAULT_INVALID_OPTION);
	ask.options = NULL;
	ask.body = text_of("{\"model\":\"t:m\",\"options\":{}}");
	assert_false(query_make(&ask, b.arena, &b.q, &b.f));
	assert_int_equal(b.f.kind, FAULT_INVALID_OPTION);
	assert_string_equal(b.q.param, "options");
	bench_close(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_raw_nul_is_no_json),
	    cmocka_unit_test(test_case_matters_at_the_top_alone),
	    cmocka_unit_test(test_octets_are_asked_for),
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_every_option),
	    cmocka_unit_test(test_restriction_is_never_lifted),
	    cmocka_unit_test(test_private_model),
	    cmocka_unit_test(test_task_of_path_and_body),
	    cmocka_unit_test(test_handoff),
	    cmocka_unit_test(test_only_options_is_cut),
	    cmocka_unit_test(test_multipart),
	    cmocka_unit_test(test_private),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
