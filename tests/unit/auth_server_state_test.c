/* SPDX-License-Identifier: Apache-2.0 */
/* The state folder's first and second start, settings, and paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/device.h"
#include "auth/server/keys.h"
#include "auth/server/public.h"
#include "auth/server/reply.h"
#include "auth/server/state.h"
#include "base/file.h"
#include "base/tls.h"

#define NOW INT64_C(1790000000000)

struct fixture {
	char folder[64];
	struct arena *arena;
	unsigned made;
};

static int
setup(void **state)
{
	struct fixture *x = mem_new(sizeof *x);

	snprintf(x->folder, sizeof x->folder, "/tmp/assay-state-XXXXXX");
	assert_non_null(mkdtemp(x->folder));
	x->arena = arena_new();
	*state = x;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *x = *state;
	pid_t pid = fork();

	if (pid == 0) {
		execlp("rm", "rm", "-rf", x->folder, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
	arena_free(&x->arena);
	mem_free(x);
	return 0;
}

static struct auth_settings
settings(struct fixture *x)
{
	char *const argv[] = {"assay-auth",
	    arena_printf(x->arena, "--state.folder=%s", x->folder)};
	struct auth_settings s = {0};
	struct fault f;

	if (!settings_load(auth_settings_table, auth_settings_count,
		"assay-auth", 2, argv, &s, x->arena, &f))
		fail_msg("%s", f.why);
	assert_true(auth_settings_check(&s, &f));
	return s;
}

static void
on_made(void *arg, const char *path)
{
	struct fixture *x = arg;
	struct stat st;

	x->made++;
	assert_int_equal(stat(path, &st), 0);
	if (strstr(path, ".key") != NULL || strstr(path, "/keys/") != NULL)
		assert_int_equal(st.st_mode & 0777, 0600);
}

static struct state_paths
prepare(struct fixture *x, const struct auth_settings *s)
{
	struct state_paths p;
	struct fault f;

	if (!state_prepare(s, NOW, x->arena, on_made, x, &p, &f))
		fail_msg("%s", f.why);
	return p;
}

static char *
contents(struct fixture *x, const char *path)
{
	char *at, *out;
	size_t len;

	assert_true(file_read(path, 65536, &at, &len, NULL));
	out = arena_copy(x->arena, at, len);
	mem_free(at);
	return out;
}

static void
test_first_start_makes_all_and_the_second_nothing(void **state)
{
	struct fixture *x = *state;
	struct auth_settings s = settings(x);
	struct state_paths p = prepare(x, &s), again;
	struct tls_settings t = {.server = true,
	    .verify = TLS_VERIFY_REQUIRED,
	    .certificate_file = p.mint_certificate,
	    .key_file = p.mint_key,
	    .ca_file = p.mint_gateway_ca,
	    .alpn = "h2"};
	struct authority *ca;
	struct fault f;
	SSL_CTX *tls;
	char *before;

	/* A signing key, three CAs and three leaves with their keys. */
	assert_int_equal(x->made, 1 + 6 + 6);
	assert_true(tls_context_new(&t, &tls, &f));
	SSL_CTX_free(tls);
	assert_true(authority_read(p.device_ca, p.device_ca_key, &ca, &f));
	authority_free(&ca);
	before = contents(x, p.device_ca);
	again = prepare(x, &s);
	assert_int_equal(x->made, 13);
	assert_string_equal(before, contents(x, again.device_ca));
}

static void
test_interrupted_start_goes_on(void **state)
{
	struct fixture *x = *state;
	struct auth_settings s = settings(x);
	struct state_paths p = prepare(x, &s);
	char *key = contents(x, p.server_key);

	assert_int_equal(unlink(p.server_certificate), 0);
	x->made = 0;
	p = prepare(x, &s);
	assert_int_equal(x->made, 1);
	assert_string_equal(key, contents(x, p.server_key));
}

static void
test_what_the_operator_brings_is_used(void **state)
{
	struct fixture *x = *state;
	struct auth_settings s = settings(x);
	struct state_paths p;

	s.listen_certificate = "/own/server.pem";
	s.listen_key = "/own/server.key";
	s.mint_certificate = "/own/mint.pem";
	s.mint_key = "/own/mint.key";
	s.mint_gateway_ca = "/own/ca.pem";
	s.enrol_gateway_ca = "/own/tunnel-ca.pem";
	p = prepare(x, &s);
	assert_int_equal(x->made, 1 + 2);
	assert_string_equal(p.server_certificate, "/own/server.pem");
	assert_string_equal(p.mint_gateway_ca, "/own/ca.pem");
	assert_string_equal(p.enrol_gateway_ca, "/own/tunnel-ca.pem");
}

static void
test_keys_sign_before_postgres_was_asked(void **state)
{
	struct fixture *x = *state;
	struct auth_settings s = settings(x);
	struct state_paths p = prepare(x, &s);
	struct loop *l = loop_new();
	const struct jwt_signer *signer;
	struct jwks *set;
	struct keys *k;
	struct fault f;
	struct log log;

	log_init(&log, "test", LOG_ERROR_);
	assert_true(keys_open(l, p.keys_folder, &log, &k, &f));
	signer = keys_signer(k);
	assert_non_null(signer);
	assert_true(jwks_read(text_of(keys_jwks(k)), &set, &f));
	assert_non_null(jwks_find(set, text_of(signer->kid)));
	assert_int_equal(keys_etag(k)[0], '"');
	jwks_free(&set);
	keys_free(&k);
	/* No key, no service. */
	assert_false(keys_open(l, x->folder, &log, &k, &f) && k != NULL);
	loop_free(&l);
}

static void
test_settings_that_do_not_go_together(void **state)
{
	struct fixture *x = *state;
	struct auth_settings s = settings(x);
	struct fault f;

	s.listen_key = "/own/server.key";
	assert_false(auth_settings_check(&s, &f));
	assert_string_equal(
	    f.why, "listen.certificate and listen.key go together");
	s = settings(x);
	s.mint_certificate = "/own/mint.pem";
	assert_false(auth_settings_check(&s, &f));
	s = settings(x);
	s.device_life = 10;
	assert_false(auth_settings_check(&s, &f));
	assert_int_equal(f.kind, FAULT_INVALID_OPTION);
}

static void
test_device_paths(void **state)
{
	static const struct {
		const char *path;
		const char *did; /* NULL: refused */
		const char *action;
	} cases[] = {
	    {"/v1/devices/did:assay:z1/renew", "did:assay:z1", "renew"},
	    {"/v1/devices/did%3Aassay%3Az1/did.json", "did:assay:z1",
		"did.json"},
	    {"/v1/devices/did:assay:z1/a/b", "did:assay:z1", "a/b"},
	    {"/v1/devices/did:assay:z1", NULL, NULL},
	    {"/v1/devices/nobody/renew", NULL, NULL},
	    {"/v1/devices//renew", NULL, NULL},
	    {"/v1/devices/did:assay:%00/renew", NULL, NULL},
	    {"/v1/devices/did:assay:z1%2/renew", NULL, NULL},
	    {"/v2/devices/did:assay:z1/renew", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *action = NULL;
		char did[201];
		bool ok =
		    public_device_path(cases[i].path, did, sizeof did, &action);

		if (ok != (cases[i].did != NULL))
			fail_msg("%s", cases[i].path);
		if (!ok)
			continue;
		assert_string_equal(did, cases[i].did);
		assert_string_equal(action, cases[i].action);
	}
}

static void
test_statuses(void **state)
{
	(void)state;
	assert_int_equal(reply_status(FAULT_CODE_USED), 409);
	assert_int_equal(reply_status(FAULT_CSR_INVALID), 400);
	assert_int_equal(reply_status(FAULT_DEVICE_REVOKED), 403);
	/* An outage is never the caller's mistake. */
	assert_int_equal(reply_status(FAULT_UNAVAILABLE), 503);
	assert_int_equal(reply_status(FAULT_TIMEOUT), 503);
	assert_int_equal(reply_status(FAULT_INTERNAL), 500);
	assert_int_equal(reply_status(FAULT_SYSTEM), 500);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_first_start_makes_all_and_the_second_nothing),
	    T(test_interrupted_start_goes_on),
	    T(test_what_the_operator_brings_is_used),
	    T(test_keys_sign_before_postgres_was_asked),
	    T(test_settings_that_do_not_go_together),
	    cmocka_unit_test(test_device_paths),
	    cmocka_unit_test(test_statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
