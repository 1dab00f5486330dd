/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as token, as key set, and as the claims of a token that is
 * rightly signed. The signature stands between the parsers and strangers, so
 * the claims' reader is driven behind it with a key made once.
 */
#include <stdlib.h>
#include <string.h>

#include "auth/handoff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
never(void *arg, const char *task, const char *model)
{
	(void)arg;
	/* What came through has passed its checks. */
	if (strlen(task) == 0 || strlen(model) > 200)
		abort();
	return true;
}

static void
check(struct arena *a, struct text token, const struct jwks *keys)
{
	struct replay *replay = replay_new(4);
	struct handoff_rules rules = {.keys = keys,
	    .aud = "did:assay:z1",
	    .now_ms = INT64_C(1700000000000),
	    .advertised = never,
	    .replay = replay};
	struct handoff_claims c;
	struct fault f = {0};

	if (handoff_check(a, token, &rules, &c, &f)) {
		if (strcmp(c.aud, rules.aud) != 0 || replay_count(replay) != 1)
			abort();
		/* Used up. */
		if (handoff_check(a, token, &rules, &c, &f))
			abort();
	} else if (f.kind == FAULT_NONE || f.why[0] == '\0') {
		abort();
	}
	replay_free(&replay);
}

static void
check_signed(struct arena *a, struct ec_key *key, const struct jwks *keys,
    const uint8_t *data, size_t size)
{
	struct jwt_signer s = jwt_signer_of(key);
	char *claims = arena_copy(a, data, size);
	char *token;

	if (jwt_sign(a, &s, HANDOFF_TYP, claims, &token, NULL))
		check(a, text_of(token), keys);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ec_key *key; /* the fuzzer's own process */
	static struct jwks *keys;
	struct arena *a = arena_new();
	struct text t = {(const char *)data, size};
	struct jwks *read;

	if (key == NULL) {
		uint8_t x[32], y[32];
		struct ec_key *copy;

		key = ec_key_generate();
		keys = jwks_new();
		ec_key_point(key, x, y);
		if (!ec_key_of_point(x, y, &copy, NULL))
			abort();
		jwks_add(keys, &copy);
	}
	check(a, t, keys);
	check_signed(a, key, keys, data, size);
	if (jwks_read(t, &read, NULL)) {
		struct jwks *again;

		if (!jwks_read(text_of(jwks_write(a, read)), &again, NULL) ||
		    jwks_count(again) != jwks_count(read))
			abort();
		jwks_free(&again);
		jwks_free(&read);
	}
	arena_free(&a);
	return 0;
}
