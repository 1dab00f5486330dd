/* SPDX-License-Identifier: Apache-2.0 */
/* What auth answers becomes the identity whole, or changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "auth/device.h"
#include "base/clock.h"
#include "base/file.h"
#include "provider/enrol.h"
#include "provider/identity.h"

#define URL "https://auth.test"

struct world {
	char folder[64];
	char did[DEVICE_DID_TEXT];
	struct arena *arena;
	struct authority *ca;
};

static struct leaf
leaf_of(const char *name, const char *did)
{
	struct leaf l = {.common_name = name,
	    .uri = did,
	    .client = did != NULL,
	    .not_before_ms = clock_unix_ms() - 1000,
	    .not_after_ms = clock_unix_ms() + DAY_MS};

	random_bytes(l.serial, sizeof(l.serial));
	return l;
}

static void
setup(struct world *w)
{
	struct ec_key *key = ec_key_generate();
	struct leaf l = leaf_of("CA", NULL);
	struct fault f;

	w->arena = arena_new();
	w->ca = authority_make(&key, &l);
	snprintf(w->folder, sizeof(w->folder), "/tmp/assay-test-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	assert_true(identity_key(w->folder, false, &key, &f));
	device_did(key, w->did);
	ec_key_free(&key);
}

static char *
path_of(struct world *w, const char *name)
{
	return arena_printf(w->arena, "%s/%s", w->folder, name);
}

static void
teardown(struct world *w)
{
	static const char *const names[] = {"device.key", "device.pem",
	    "next.key", "gateway-ca.pem", "identity.json"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlink(path_of(w, names[i]));
	assert_int_equal(rmdir(w->folder), 0);
	authority_free(&w->ca);
	arena_free(&w->arena);
}

static const char *
read_file(struct world *w, const char *name)
{
	struct fault f;
	char *text, *kept;
	size_t len;

	if (!file_read(path_of(w, name), 65536, &text, &len, &f))
		return NULL;
	kept = arena_copy(w->arena, text, len);
	mem_free(text);
	return kept;
}

/* As auth answers for that key; did NULL: the device's own. */
static json_t *
answer_for(struct world *w, struct ec_key *key, const char *did)
{
	struct leaf l = leaf_of("device", did != NULL ? did : w->did);
	struct fault f;
	X509 *leaf = authority_issue(w->ca, key, &l, &f);
	const char *ca =
	    certificate_pem(w->arena, authority_certificate(w->ca));
	json_t *j;

	assert_non_null(leaf);
	j = json_pack("{s:s, s:s, s:s, s:s, s:[s], s:s, s:s}", "did", w->did,
	    "issuer", "i", "certificate_chain",
	    arena_printf(w->arena, "%s%s", certificate_pem(w->arena, leaf), ca),
	    "gateway_ca", ca, "tunnels", "gateway.test:7443", "renew_after",
	    "2026-01-02T00:00:00Z", "expires_at", "2026-01-03T00:00:00Z");
	X509_free(leaf);
	return j;
}

static json_t *
answer_of(struct world *w, bool next_key)
{
	struct ec_key *key;
	struct fault f;
	json_t *j;

	assert_true(identity_key(w->folder, next_key, &key, &f));
	j = answer_for(w, key, NULL);
	ec_key_free(&key);
	return j;
}

static bool
store(struct world *w, json_t *j, bool next_key, struct fault *f)
{
	const char *text = json_write(w->arena, j);

	json_free(&j);
	return identity_store(
	    w->folder, text, strlen(text), URL, NULL, next_key, f);
}

static void
test_enrolled_then_renewed(void **state)
{
	struct identity id;
	const char *first, *next;
	struct fault f;
	struct world w;

	(void)state;
	setup(&w);
	assert_true(store(&w, answer_of(&w, false), false, &f));
	assert_true(identity_load(w.arena, w.folder, &id, &f));
	assert_string_equal(id.did, w.did);
	assert_string_equal(id.auth_url, URL);
	assert_string_equal(id.issuer, "i");
	assert_int_equal(id.tunnel_count, 1);
	assert_string_equal(id.tunnels[0], "gateway.test:7443");
	assert_int_equal(id.expires_at_ms - id.renew_after_ms, DAY_MS);
	first = read_file(&w, "device.key");
	assert_true(store(&w, answer_of(&w, true), true, &f));
	next = read_file(&w, "device.key");
	assert_string_not_equal(first, next);
	assert_null(read_file(&w, "next.key"));
	teardown(&w);
}

/* A renewal that is answered with anything else leaves the device as it was:
 * its key above all, which nobody has twice. */
static void
test_what_is_not_whole_changes_nothing(void **state)
{
	static const struct {
		const char *name;
		const char *value; /* JSON; NULL: the member is missing */
		const char *why;
	} rows[] = {
	    {"did", NULL, "'did' is missing"},
	    {"did", "\"nobody\"", "did is not a DID"},
	    {"did", "\"did:assay:z1\"", "names another device"},
	    {"certificate_chain", NULL, "'certificate_chain' is missing"},
	    {"certificate_chain", "\"\"", "no PEM certificate"},
	    {"certificate_chain",
		"\"-----BEGIN CERTIFICATE-----\\nAA==\\n"
		"-----END CERTIFICATE-----\\n\"",
		"certificate"},
	    {"gateway_ca", NULL, "'gateway_ca' is missing"},
	    {"gateway_ca", "\"x\"", "no PEM certificate"},
	    {"tunnels", NULL, "'tunnels' is missing"},
	    {"tunnels", "[1]", "tunnels[0] is not a host:port"},
	    {"renew_after", "\"soon\"", "renew_after is not an RFC 3339"},
	    {"expires_at", "0", "'expires_at' must be a string"},
	    {"issuer", "{}", "'issuer' must be a string"},
	};
	const char *key, *next, *chain, *file;
	struct fault f;
	struct world w;

	(void)state;
	setup(&w);
	assert_true(store(&w, answer_of(&w, false), false, &f));
	key = read_file(&w, "device.key");
	chain = read_file(&w, "device.pem");
	file = read_file(&w, "identity.json");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		json_t *j = answer_of(&w, true), *value = NULL;

		next = read_file(&w, "next.key");
		json_object_del(j, rows[i].name);
		if (rows[i].value != NULL) {
			assert_true(json_read_value(
			    text_of(rows[i].value), 1000, &value, &f));
			json_object_set_new(j, rows[i].name, value);
		}
		if (store(&w, j, true, &f) ||
		    strstr(f.why, rows[i].why) == NULL)
			fail_msg("row %zu: %s", i, f.why);
		assert_string_equal(read_file(&w, "device.key"), key);
		assert_string_equal(read_file(&w, "next.key"), next);
		assert_string_equal(read_file(&w, "device.pem"), chain);
		assert_string_equal(read_file(&w, "identity.json"), file);
	}
	teardown(&w);
}

static void
test_not_for_our_key(void **state)
{
	struct ec_key *other = ec_key_generate();
	struct fault f;
	struct world w;

	(void)state;
	setup(&w);
	assert_false(store(&w, answer_for(&w, other, NULL), false, &f));
	assert_non_null(strstr(f.why, "another key"));
	assert_null(read_file(&w, "identity.json"));
	assert_null(read_file(&w, "device.pem"));
	ec_key_free(&other);
	teardown(&w);
}

static void
test_refused(void **state)
{
	static const struct {
		const char *body;
		enum fault_kind kind;
		const char *why;
	} rows[] = {
	    {"{\"error\":{\"code\":\"code_used\",\"message\":\"gone\"}}",
		FAULT_CODE_USED, "auth answers 409 code_used: gone"},
	    {"{\"error\":{\"code\":\"new_one\"}}", FAULT_REFUSED,
		"auth answers 409 new_one: "},
	    {"{\"error\":{\"code\":\"none\",\"message\":\"\\u001b[2J\"}}",
		FAULT_REFUSED, "auth answers 409 none: ?[2J"},
	    {"<html>", FAULT_REFUSED, "auth answers 409 : "},
	    {"", FAULT_REFUSED, "auth answers 409 : "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fault f = {0};

		assert_false(enrol_refused(409, text_of(rows[i].body), &f));
		assert_int_equal(f.kind, rows[i].kind);
		assert_string_equal(f.why, rows[i].why);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_enrolled_then_renewed),
	    cmocka_unit_test(test_what_is_not_whole_changes_nothing),
	    cmocka_unit_test(test_not_for_our_key),
	    cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
