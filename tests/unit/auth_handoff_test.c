/* SPDX-License-Identifier: Apache-2.0 */
/* The handoff's life and each way of refusing it, kind and sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "auth/handoff.h"
#include "base/codec.h"

#define DID "did:assay:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169"
#define OTHER_DID "did:assay:zDnaeUKTWUXc1HDpGfKbEK31nKLN19yX5aunFd7VK1CUMeyJu"
#define U(n) "0190f3b0-0000-7000-8000-00000000000" n
#define NOW INT64_C(1700000000)

struct fixture {
	struct arena *arena;
	struct ec_key *key;
	struct jwks *keys;
	struct jwt_signer signer;
	struct replay *replay;
	struct handoff_claims claims;
	struct handoff_rules rules;
	uint8_t holder[32];
	char holder_text[64];
};

static bool
advertises(void *arg, const char *task, const char *model)
{
	(void)arg;
	return strcmp(task, "chat") == 0 && strcmp(model, "lovelace:tiny") == 0;
}

static int
setup(void **state)
{
	struct fixture *x = mem_new(sizeof *x);
	struct ec_key *copy;
	uint8_t px[32], py[32];

	x->arena = arena_new();
	x->key = ec_key_generate();
	x->signer = jwt_signer_of(x->key);
	x->keys = jwks_new();
	ec_key_point(x->key, px, py);
	assert_true(ec_key_of_point(px, py, &copy, NULL));
	jwks_add(x->keys, &copy);
	x->replay = replay_new(100);
	memset(x->holder, 7, sizeof x->holder);
	base64url_encode(bytes_of(x->holder, 32), x->holder_text);
	x->claims = (struct handoff_claims){
	    .iss = "https://auth.example",
	    .aud = DID,
	    .sub = U("1"),
	    .workspace = U("2"),
	    .task = "chat",
	    .model = "lovelace:tiny",
	    .pool = "marketplace",
	    .request_id = U("3"),
	    .jti = U("4"),
	    .iat = NOW,
	};
	x->rules = (struct handoff_rules){
	    .keys = x->keys,
	    .iss = "https://auth.example",
	    .aud = DID,
	    .now_ms = NOW * 1000,
	    .task = "chat",
	    .model = "lovelace:tiny",
	    .advertised = advertises,
	    .replay = x->replay,
	};
	*state = x;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *x = *state;

	arena_free(&x->arena);
	ec_key_free(&x->key);
	jwks_free(&x->keys);
	replay_free(&x->replay);
	mem_free(x);
	return 0;
}

static char *
make(struct fixture *x)
{
	struct fault f;
	char *token;

	if (!handoff_make(x->arena, &x->signer, &x->claims, &token, &f))
		fail_msg("%s", f.why);
	return token;
}

static void
accept(struct fixture *x, const char *token)
{
	struct handoff_claims c;
	struct fault f;

	if (!handoff_check(x->arena, text_of(token), &x->rules, &c, &f))
		fail_msg("%s: %s", fault_code(f.kind), f.why);
	assert_string_equal(c.sub, x->claims.sub);
	assert_string_equal(c.workspace, x->claims.workspace);
	assert_string_equal(c.request_id, x->claims.request_id);
	assert_string_equal(c.pool, x->claims.pool);
	assert_string_equal(c.model, x->claims.model);
	assert_int_equal(c.iat, x->claims.iat);
}

static void
refuse(
    struct fixture *x, const char *token, enum fault_kind kind, const char *why)
{
	struct handoff_claims c;
	struct fault f;

	if (handoff_check(x->arena, text_of(token), &x->rules, &c, &f))
		fail_msg("accepted, wanted %s", fault_code(kind));
	if (f.kind != kind || strstr(f.why, why) == NULL)
		fail_msg("%s: %s; wanted %s: %s", fault_code(f.kind), f.why,
		    fault_code(kind), why);
}

static void
test_good_one_is_accepted_once(void **state)
{
	struct fixture *x = *state;
	char *token = make(x);

	accept(x, token);
	refuse(x, token, FAULT_TOKEN_REPLAYED, "used before");
	x->rules.now_ms += 60000;
	refuse(x, token, FAULT_TOKEN_REPLAYED, "used before");
	x->rules.now_ms += 1;
	refuse(x, token, FAULT_TOKEN_EXPIRED, "1 ms ago");
}

static void
test_a_refused_one_is_not_used_up(void **state)
{
	struct fixture *x = *state;
	char *token = make(x);

	x->rules.model = "lovelace:other";
	refuse(x, token, FAULT_TOKEN_NOT_ADVERTISED, "lovelace:other");
	x->rules.model = "lovelace:tiny";
	accept(x, token);
}

static void
test_clock(void **state)
{
	static const struct {
		int64_t at_ms; /* after iat */
		enum fault_kind kind;
	} cases[] = {
	    {-60000, FAULT_TOKEN_NOT_YET_VALID},
	    {-5001, FAULT_TOKEN_NOT_YET_VALID},
	    {-5000, FAULT_NONE},
	    {0, FAULT_NONE},
	    {59999, FAULT_NONE},
	    {60000, FAULT_NONE},
	    {60001, FAULT_TOKEN_EXPIRED},
	    {61000, FAULT_TOKEN_EXPIRED},
	    {86400000, FAULT_TOKEN_EXPIRED},
	};
	struct fixture *x = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		x->claims.jti = arena_printf(
		    x->arena, "0190f3b0-0000-7000-8000-0000000000%02zu", i);
		x->rules.now_ms = NOW * 1000 + cases[i].at_ms;
		if (cases[i].kind == FAULT_NONE)
			accept(x, make(x));
		else
			refuse(x, make(x), cases[i].kind, "token");
	}
}

static void
test_names(void **state)
{
	struct fixture *x = *state;
	char *token = make(x);

	x->rules.aud = OTHER_DID;
	refuse(x, token, FAULT_TOKEN_WRONG_AUDIENCE, "token is for " DID);
	x->rules.aud = DID;
	x->rules.iss = "https://another.example";
	refuse(
	    x, token, FAULT_TOKEN_MALFORMED, "issuer 'https://auth.example'");
	x->rules.iss = NULL;
	x->rules.task = "embeddings";
	refuse(x, token, FAULT_TOKEN_NOT_ADVERTISED,
	    "task chat, asked for is embeddings");
	x->rules.task = NULL;
	x->rules.model = NULL;
	accept(x, token);
	x->claims.jti = U("5");
	x->claims.model = "lovelace:gone";
	refuse(x, make(x), FAULT_TOKEN_NOT_ADVERTISED,
	    "task chat with model lovelace:gone is not offered now");
}

static void
test_bound_to_a_certificate(void **state)
{
	struct fixture *x = *state;
	uint8_t other[32] = {1};
	char *token;

	x->claims.cnf_x5t_s256 = x->holder_text;
	token = make(x);
	x->rules.holder_seen = true;
	refuse(x, token, FAULT_TOKEN_SIGNATURE, "none was presented");
	x->rules.holder_sha256 = other;
	refuse(x, token, FAULT_TOKEN_SIGNATURE, "another certificate");
	x->rules.holder_sha256 = x->holder;
	accept(x, token);
	/* Through the tunnel the gateway has looked. */
	x->claims.jti = U("6");
	x->rules.holder_seen = false;
	x->rules.holder_sha256 = NULL;
	accept(x, make(x));
}

static void
test_keys_and_kinds(void **state)
{
	struct fixture *x = *state;
	struct ec_key *other = ec_key_generate();
	struct jwt_signer mine = x->signer;
	struct fault f;
	char *token, *last;

	x->signer = jwt_signer_of(other);
	refuse(x, make(x), FAULT_TOKEN_KEY_UNKNOWN, "kid");
	x->signer = mine;
	token = make(x);
	last = token + strlen(token) - 5;
	*last = *last == 'A' ? 'B' : 'A';
	refuse(x, token, FAULT_TOKEN_SIGNATURE, "verify");
	refuse(x, "lv_live_0123456789abcdefghij", FAULT_TOKEN_MALFORMED,
	    "three segments");
	assert_true(jwt_sign(x->arena, &mine, "at+jwt", "{}", &token, &f));
	refuse(x, token, FAULT_TOKEN_MALFORMED, "'typ' is 'at+jwt'");
	ec_key_free(&other);
}

/* What no minter of ours would sign, signed all the same. */
static void
test_claims_that_are_malformed(void **state)
{
#define HEAD "{\"iss\":\"https://auth.example\",\"aud\":\"" DID "\","
#define IDS "\"sub\":\"" U("1") "\",\"workspace\":\"" U("2") "\","
#define WHAT "\"task\":\"chat\",\"model\":\"lovelace:tiny\","
#define TIMES "\"iat\":1700000000,\"nbf\":1700000000,\"exp\":1700000060,"
#define REST "\"jti\":\"" U("4") "\",\"request_id\":\"" U("3") "\","
#define POOL "\"pool\":\"workspace\"}"
	static const struct {
		const char *claims;
		const char *why;
	} cases[] = {
	    {"{}", "'iss' is missing"},
	    {HEAD IDS WHAT REST POOL, "'iat' is missing"},
	    {HEAD IDS TIMES REST POOL, "'task' is missing"},
	    {HEAD IDS WHAT TIMES POOL, "'request_id' is missing"},
	    {HEAD "\"sub\":\"x\",\"workspace\":\"" U(
		 "2") "\"," WHAT TIMES REST POOL,
		"'sub' is not a lower-case UUID"},
	    {HEAD IDS WHAT TIMES REST "\"pool\":\"any\"}", "'pool' is"},
	    {HEAD IDS WHAT REST "\"iat\":1700000000,\"nbf\":1700000000,"
				"\"exp\":1700000061," POOL,
		"lives 61 s"},
	    {HEAD IDS WHAT REST "\"iat\":1700000000,\"nbf\":1700000000,"
				"\"exp\":1700000000," POOL,
		"lives 0 s"},
	    {HEAD IDS WHAT REST "\"iat\":1700000000.5,\"nbf\":1700000000,"
				"\"exp\":1700000060," POOL,
		"'iat'"},
	    {HEAD IDS WHAT REST "\"iat\":\"1700000000\",\"nbf\":1700000000,"
				"\"exp\":1700000060," POOL,
		"'iat'"},
	    {HEAD IDS WHAT REST "\"iat\":99999999999999,\"nbf\":1700000000,"
				"\"exp\":1700000060," POOL,
		"'iat'"},
	    {"{\"iss\":\"x\",\"aud\":[\"" DID "\"]," IDS WHAT TIMES REST POOL,
		"'aud'"},
	    {HEAD IDS WHAT TIMES REST "\"cnf\":{\"jwk\":{}}," POOL, "x5t#S256"},
	    {HEAD IDS WHAT TIMES REST "\"cnf\":7," POOL, "'cnf'"},
	    {HEAD IDS WHAT TIMES REST "\"cnf\":{\"x5t#S256\":\"AA\"}," POOL,
		"'cnf' is not"},
	    {HEAD IDS "\"task\":\"a b\",\"model\":\"m\"," TIMES REST POOL,
		"'task' has a character"},
	};
	struct fixture *x = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct fault f;
		char *token;

		assert_true(jwt_sign(x->arena, &x->signer, HANDOFF_TYP,
		    cases[i].claims, &token, &f));
		refuse(x, token, FAULT_TOKEN_MALFORMED, cases[i].why);
	}
	assert_int_equal(replay_count(x->replay), 0);
}

static void
test_claims_that_are_not_made(void **state)
{
	struct fixture *x = *state;
	struct handoff_claims good = x->claims;
	struct fault f;
	char *token;

#define BAD(member, value, sentence)                                           \
	do {                                                                   \
		x->claims = good;                                              \
		x->claims.member = (value);                                    \
		assert_false(handoff_make(                                     \
		    x->arena, &x->signer, &x->claims, &token, &f));            \
		assert_null(token);                                            \
		assert_int_equal(f.kind, FAULT_INVALID_REQUEST);               \
		assert_non_null(strstr(f.why, sentence));                      \
	} while (0)
	BAD(aud, "nobody", "'aud' is not a DID");
	BAD(aud, NULL, "'aud' is not a DID");
	BAD(sub, "1", "'sub'");
	BAD(workspace, NULL, "'workspace'");
	BAD(task, "", "'task'");
	BAD(model, "new\nline", "'model'");
	BAD(pool, "both", "'pool'");
	BAD(request_id, "7", "'request_id'");
	BAD(jti, "", "'jti'");
	BAD(cnf_x5t_s256, "short", "'cnf'");
	BAD(iat, 0, "'iat'");
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_good_one_is_accepted_once),
	    T(test_a_refused_one_is_not_used_up),
	    T(test_clock),
	    T(test_names),
	    T(test_bound_to_a_certificate),
	    T(test_keys_and_kinds),
	    T(test_claims_that_are_malformed),
	    T(test_claims_that_are_not_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
