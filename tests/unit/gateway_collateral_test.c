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
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
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
	plan_is("nvidia/crl/l1-corim", 1, "https://crl-corim/l1-corim");
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
	no_plan(&none, "nvidia/crl/l1-corim");
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

/* A gateway whose collateral is in a folder, with no other source. */
struct folder {
	char path[64];
	struct collaterals_settings settings;
	struct collaterals *c;
	struct loop *loop;
	struct log log;
	struct pg *pg;
	unsigned told;
};

static void
on_new(void *arg)
{
	struct folder *s = arg;

	s->told++;
	loop_stop(s->loop);
}

/* Forged is what says so. */
static enum genuine
is_genuine(void *arg, const char *name, struct bytes body, struct fault *f)
{
	(void)arg;
	(void)name;
	if (body.len < 8 || memcmp(body.at, "{\"forged", 8) != 0)
		return GENUINE_YES;
	fault_set(f, FAULT_UNTRUSTED, "forged");
	return GENUINE_NO;
}

static void
sub_folder(const struct folder *s, const char *name)
{
	struct arena *a = arena_new();
	struct fault f;

	assert_true(
	    folder_make(arena_printf(a, "%s/%s", s->path, name), 0700, &f));
	arena_free(&a);
}

static int
folder_start(void **state)
{
	const struct pg_settings pg = {.conninfo = "host=/nonexistent",
	    .application = "test",
	    .statements = gateway_statements,
	    .statement_count = gateway_statement_count};
	struct folder *s = mem_new(sizeof(*s));

	snprintf(s->path, sizeof(s->path), "/tmp/assay-collateral-XXXXXX");
	assert_non_null(mkdtemp(s->path));
	sub_folder(s, "nras");
	sub_folder(s, "tdx/tcb");
	log_init(&s->log, "test", LOG_ERROR_);
	s->loop = loop_new();
	s->pg = pg_new(s->loop, &pg, &s->log);
	s->settings.folder = s->path;
	s->settings.refresh_ms = 3600000;
	s->settings.is_genuine = is_genuine;
	s->c = collaterals_new(
	    s->loop, s->pg, NULL, &s->settings, on_new, s, &s->log);
	*state = s;
	return 0;
}

static int
folder_end(void **state)
{
	struct folder *s = *state;
	char command[96];

	collaterals_free(&s->c);
	assert_null(s->c);
	pg_free(&s->pg);
	loop_free(&s->loop);
	snprintf(command, sizeof(command), "rm -rf %s", s->path);
	assert_int_equal(system(command), 0);
	mem_free(s);
	return 0;
}

static void
put(const struct folder *s, const char *name, const char *text, int64_t unix_s)
{
	const struct timespec at[2] = {{unix_s, 0}, {unix_s, 0}};
	struct arena *a = arena_new();
	const char *path = arena_printf(a, "%s/%s", s->path, name);
	struct fault f;

	assert_true(file_write(path, text, strlen(text), 0600, &f));
	assert_int_equal(utimensat(AT_FDCWD, path, at, 0), 0);
	arena_free(&a);
}

static const char *const keys[] = {"nras/jwks"};
#define SOME "{\"keys\":[]}"
#define MORE "{\"keys\":[{}]}"
#define FORGED "{\"forged\":1,\"keys\":[]}"

static void
has(struct folder *s, const char *text, int64_t unix_s)
{
	struct collateral_item item;

	assert_int_equal(collaterals_find(s->c, keys, 1, &item), 1);
	assert_int_equal(item.body.len, strlen(text));
	assert_memory_equal(item.body.at, text, item.body.len);
	assert_true(item.fetched_at == unix_s * 1000);
}

static void
test_folder(void **state)
{
	static const char *const names[] = {
	    "nras/jwks", "tdx/tcb/c0ffee000001", "../outside"};
	struct collateral_item items[3];
	struct folder *s = *state;

	put(s, names[0], "{}", 1000);
	/* A buyer's names bring nothing in, and make no entry. */
	assert_int_equal(collaterals_peek(s->c, names, 3, items), 0);
	assert_int_equal(collaterals_peek(s->c, names, 3, items), 0);
	assert_int_equal(collaterals_find(s->c, names, 3, items), 1);
	assert_string_equal(items[0].name, "nras/jwks");
	assert_int_equal(items[0].body.len, 2);
	assert_true(items[0].fetched_at == 1000000);
	/* A file that is put there later is found without a restart. */
	put(s, names[1], "x", 1000);
	assert_int_equal(collaterals_peek(s->c, names, 3, items), 1);
	assert_int_equal(collaterals_find(s->c, names, 3, items), 2);
	assert_int_equal(collaterals_peek(s->c, names, 3, items), 2);
}

/* A file that is not taken leaves what is held as young as it was, and the
 * next good one stands, whatever its date. */
static void
test_bad_file(void **state)
{
	struct folder *s = *state;

	put(s, keys[0], SOME, 1000);
	has(s, SOME, 1000);
	put(s, keys[0], FORGED, 2000);
	has(s, SOME, 1000);
	put(s, keys[0], "<htm", 2001);
	has(s, SOME, 1000);
	put(s, keys[0], MORE, 900);
	has(s, MORE, 900);
	put(s, keys[0], SOME, 3000);
	has(s, SOME, 3000);
}

static void
soon_told(struct folder *s, unsigned times)
{
	loop_run(s->loop);
	assert_int_equal(s->told, times);
}

/* Whoever was judged without a file hears of it: at the next look, which is
 * soon where something is missing, and when another's find comes first. */
static void
test_file_is_told(void **state)
{
	struct collateral_item item;
	struct folder *s = *state;

	put(s, keys[0], SOME, 1000);
	has(s, SOME, 1000); /* nobody was judged without it */
	put(s, keys[0], MORE, 2000);
	has(s, MORE, 2000);
	assert_int_equal(s->told, 0); /* not from inside */
	soon_told(s, 1);
	assert_int_equal(
	    collaterals_find(
		s->c, (const char *const[]){"tdx/tcb/c0ffee000001"}, 1, &item),
	    0);
	put(s, "tdx/tcb/c0ffee000001", "x", 1000);
	soon_told(s, 2);
	/* What is refused is no news. */
	put(s, keys[0], FORGED, 3000);
	has(s, MORE, 2000);
	put(s, keys[0], SOME, 4000);
	has(s, SOME, 4000);
	soon_told(s, 3);
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, folder_start, folder_end)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_plans),
	    cmocka_unit_test(test_question),
	    cmocka_unit_test(test_list_of_issuer),
	    cmocka_unit_test(test_forms),
	    cmocka_unit_test(test_incomplete_answers),
	    T(test_folder),
	    T(test_bad_file),
	    T(test_file_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
