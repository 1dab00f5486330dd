/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where collateral comes from, and that a name out of hostile evidence leads
 * nowhere else; what is in a folder is at hand, what is nowhere is missing
 * without anybody waiting for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "gateway/collateral.h"
#include "gateway/collateral_body.h"
#include "gateway/gateway_db.h"

static const struct collateral_urls urls = {.pcs = "https://pcs",
    .root_crl = "https://root",
    .kds = "https://kds",
    .nvidia_crl = "https://crl",
    .nvidia_ocsp = "https://ocsp",
    .rim = "https://rim",
    .nras = "https://nras"};

static void
test_names(void **state)
{
	static const char *const bad[] = {"", "/etc/passwd", "a//b", "a/",
	    "../x", "a/../b", "a/.b", "a b", "a\n", "a%2fb", "\xc3\xa4"};

	(void)state;
	assert_true(collateral_name_is_sound("tdx/tcb/c0ffee000001"));
	assert_true(collateral_name_is_sound(
	    "nvidia/rim/NV_GPU_DRIVER_GH100_550.54.15"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(collateral_name_is_sound(bad[i]));
}

static void
plan_is(const char *name, size_t count, const char *first)
{
	struct arena *a = arena_new();
	struct collateral_plan p;
	struct fault f;

	assert_true(collateral_plan_make(a, &urls, name, &p, &f));
	assert_int_equal(p.count, count);
	assert_string_equal(p.url[0], first);
	arena_free(&a);
}

static void
no_plan(const struct collateral_urls *u, const char *name)
{
	struct arena *a = arena_new();
	struct collateral_plan p;
	struct fault f;

	assert_false(collateral_plan_make(a, u, name, &p, &f));
	assert_int_equal(f.kind, FAULT_UNAVAILABLE);
	arena_free(&a);
}

static void
test_plans(void **state)
{
	static const struct collateral_urls none = {0};
	char name[200] = "amd/vcek/";

	(void)state;
	plan_is("tdx/tcb/c0ffee000001", 4,
	    "https://pcs/tdx/certification/v4/tcb?fmspc=c0ffee000001");
	plan_is("tdx/tcb/c0ffee000001.processor", 4,
	    "https://pcs/tdx/certification/v4/tcb?fmspc=c0ffee000001");
	plan_is("nvidia/crl/l1-root", 1, "https://crl/l1-root.crl");
	plan_is("amd/crl/Genoa/vcek", 1, "https://kds/vcek/v1/Genoa/crl");
	plan_is(
	    "amd/chain/Milan/vlek", 1, "https://kds/vlek/v1/Milan/cert_chain");
	plan_is("nvidia/rim/NV_1", 1, "https://rim/v1/rim/NV_1");
	plan_is("nras/jwks", 1, "https://nras/.well-known/jwks.json");
	plan_is("amd/vcek/0011223344556677/0102030400000005", 1,
	    "https://kds/vcek/v1/Turin/0011223344556677?fmcSPL=1&blSPL=2"
	    "&teeSPL=3&snpSPL=4&ucodeSPL=5");
	memset(name + 9, 'a', 128);
	memcpy(name + 9 + 128, "/0300000000000008", 18);
	{
		struct arena *a = arena_new();
		struct collateral_plan p;
		struct fault f;

		assert_true(collateral_plan_make(a, &urls, name, &p, &f));
		assert_true(p.is_choice);
		assert_non_null(strstr(p.url[0], "/Milan/"));
		assert_non_null(
		    strstr(p.url[1], "blSPL=3&teeSPL=0&snpSPL=0&ucodeSPL=8"));
		arena_free(&a);
	}
	no_plan(&urls, "tdx/tcb/c0ffee00000");
	no_plan(&urls, "tdx/tcb/c0ffee00000x");
	no_plan(&urls, "amd/crl/Naples/vcek");
	no_plan(&urls, "amd/crl/Genoa/vcek/x");
	no_plan(&urls, "nvidia/rim/a/b");
	no_plan(&urls, "nvidia/crl/a/b");
	no_plan(&urls, "tdx/tcb/c0ffee000001.platform");
	no_plan(&none, "nvidia/crl/l1-root");
	no_plan(&none, "tdx/tcb/c0ffee000001");
	no_plan(&none, "nras/jwks");
}

#define HASH_HEX                                                               \
	"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"     \
	"00112233445566778899aabbccddeeff"

/* A question by POST to the configured responder and nobody else. */
static void
test_question(void **state)
{
	static const char name[] =
	    "nvidia/ocsp/" HASH_HEX "/" HASH_HEX "/0a0b0c";
	static const struct collateral_urls none = {0};
	struct arena *a = arena_new();
	struct collateral_plan p;
	struct fault f;

	(void)state;
	assert_true(collateral_plan_make(a, &urls, name, &p, &f));
	assert_string_equal(p.url[0], "https://ocsp");
	assert_string_equal(p.question_type, "application/ocsp-request");
	assert_true(p.question.len > 5);
	assert_memory_equal(
	    p.question.at + p.question.len - 5, "\x02\x03\x0a\x0b\x0c", 5);
	assert_true(
	    collateral_plan_make(a, &urls, "nvidia/crl/l1-root", &p, &f));
	assert_int_equal(p.question.len, 0);
	no_plan(&none, name);
	no_plan(&urls, "nvidia/ocsp/" HASH_HEX "/" HASH_HEX "/");
	no_plan(&urls, "nvidia/ocsp/" HASH_HEX "/" HASH_HEX "/0A");
	no_plan(&urls, "nvidia/ocsp/" HASH_HEX "/0a0b0c");
	no_plan(&urls, "nvidia/ocsp/x");
	arena_free(&a);
}

/* The list that is asked for is that of the certificate's issuer. */
static void
test_list_of_issuer(void **state)
{
	struct arena *a = arena_new();
	struct collateral_plan p;
	struct fault f;

	(void)state;
	assert_true(
	    collateral_plan_make(a, &urls, "tdx/tcb/c0ffee000001", &p, &f));
	assert_string_equal(p.url[2],
	    "https://pcs/sgx/certification/v4/pckcrl?ca=platform&encoding=der");
	assert_true(collateral_plan_make(
	    a, &urls, "tdx/tcb/c0ffee000001.processor", &p, &f));
	assert_string_equal(p.url[2],
	    "https://pcs/sgx/certification/v4/pckcrl?ca=processor"
	    "&encoding=der");
	arena_free(&a);
}

static void
test_forms(void **state)
{
	static const struct {
		const char *name, *body;
		bool good;
	} all[] = {{"nras/jwks", "{\"keys\":[]}", true},
	    {"nras/jwks", "<html>", false}, {"nras/jwks", "", false},
	    {"nvidia/rim/X", "{\"rim\":\"PHg+\"}", true},
	    {"nvidia/rim/X", "<SoftwareIdentity/>", true},
	    {"nvidia/rim/X", "{\"message\":\"no\"}", false},
	    {"nvidia/crl/l1-root", "404", false},
	    {"nvidia/ocsp/x", "<html>", false},
	    {"amd/crl/Genoa/vcek", "<html>", false},
	    {"amd/chain/Genoa/vcek", "-----BEGIN", false},
	    {"amd/vcek/00/00", "0", false},
	    {"tdx/tcb/c0ffee000001", "{}", false}, {"what", "x", false}};
	struct collateral_facts facts;
	struct fault f;

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct bytes b = bytes_of(all[i].body, strlen(all[i].body));
		bool good = collateral_body_read(all[i].name, b, &facts, &f);

		if (good != all[i].good)
			fail_msg("%s: %s", all[i].name, all[i].body);
		assert_true(facts.next_update == COLLATERAL_NO_UPDATE);
	}
	assert_int_equal(
	    collateral_source_of("amd/crl/Genoa/vcek"), COLLATERAL_AMD);
	assert_int_equal(collateral_source_of("what"), COLLATERAL_SOURCES);
}

static void
test_incomplete_answers(void **state)
{
	const struct collateral_answer_part parts[4] = {
	    {bytes_of("{}", 2), "x"}};
	struct arena *a = arena_new();
	struct bytes out;
	struct fault f;

	(void)state;
	assert_false(
	    collateral_assemble(a, "tdx/tcb/c0ffee000001", parts, 4, &out, &f));
	assert_false(
	    collateral_assemble(a, "nras/jwks", &parts[1], 1, &out, &f));
	assert_true(collateral_assemble(a, "nras/jwks", parts, 1, &out, &f));
	assert_int_equal(out.len, 2);
	arena_free(&a);
}

static void
on_nothing(void *arg)
{
	(void)arg;
	fail();
}

static void
test_folder(void **state)
{
	char folder[] = "/tmp/assay-collateral-XXXXXX", path[128];
	static const char *const names[] = {
	    "nras/jwks", "tdx/tcb/c0ffee000001", "../outside"};
	struct pg_settings pg = {.conninfo = "host=/nonexistent",
	    .application = "test",
	    .statements = gateway_statements,
	    .statement_count = gateway_statement_count};
	struct collaterals_settings s = {
	    .folder = folder, .refresh_ms = 3600000};
	struct collateral_item items[3];
	struct collaterals *c;
	struct loop *loop = loop_new();
	struct log log;
	struct pg *p;
	struct fault f;

	(void)state;
	log_init(&log, "test", LOG_ERROR_);
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/nras", folder);
	assert_true(folder_make(path, 0700, &f));
	snprintf(path, sizeof(path), "%s/nras/jwks", folder);
	assert_true(file_write(path, "{}", 2, 0600, &f));
	p = pg_new(loop, &pg, &log);
	c = collaterals_new(loop, p, NULL, &s, on_nothing, NULL, &log);
	/* A buyer's names bring nothing in, and make no entry. */
	assert_int_equal(collaterals_peek(c, names, 3, items), 0);
	assert_int_equal(collaterals_peek(c, names, 3, items), 0);
	assert_int_equal(collaterals_find(c, names, 3, items), 1);
	assert_string_equal(items[0].name, "nras/jwks");
	assert_int_equal(items[0].body.len, 2);
	assert_true(items[0].fetched_at > 0);
	/* A file that is put there later is found without a restart. */
	snprintf(path, sizeof(path), "%s/tdx/tcb", folder);
	assert_true(folder_make(path, 0700, &f));
	snprintf(path, sizeof(path), "%s/tdx/tcb/c0ffee000001", folder);
	assert_true(file_write(path, "x", 1, 0600, &f));
	assert_int_equal(collaterals_peek(c, names, 3, items), 1);
	assert_int_equal(collaterals_find(c, names, 3, items), 2);
	assert_int_equal(collaterals_peek(c, names, 3, items), 2);
	collaterals_free(&c);
	assert_null(c);
	pg_free(&p);
	loop_free(&loop);
	snprintf(path, sizeof(path), "rm -rf %s", folder);
	assert_int_equal(system(path), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_plans),
	    cmocka_unit_test(test_question),
	    cmocka_unit_test(test_list_of_issuer),
	    cmocka_unit_test(test_forms),
	    cmocka_unit_test(test_incomplete_answers),
	    cmocka_unit_test(test_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
