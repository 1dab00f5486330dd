/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/verification: a verdict stands only under the policy that it was
 * made by, and only what could come out otherwise is judged again. The policy
 * comes from a Postgres of the test's own, the collateral from a folder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "gateway/verification.h"
#include "tests/unit/gateway_db_bench.h"

#define NONCE "1111111111111111111111111111111111111111111111111111111111111111"
#define PLAIN "{\"binding\":\"assay\",\"nonce\":\"" NONCE "\",\"items\":[]}"
#define NRAS                                                                   \
	"{\"binding\":\"assay\",\"nonce\":\"" NONCE                            \
	"\",\"items\":[{\"kind\":\"nras\",\"token\":[]}]}"

struct scene {
	struct bench b;
	struct verifications *all;
	struct timer *patience;
	char folder[64];
	unsigned changes;
	struct session session;
};

static void
on_change(void *arg)
{
	struct scene *s = arg;

	s->changes++;
	loop_stop(s->b.loop);
}

static void
on_late(void *arg)
{
	(void)arg;
	fail_msg("no policy came in ten seconds");
}

static void
begin(struct scene *s)
{
	struct verifications_settings v = {.instance = "gw-1"};
	struct collaterals_settings c = {
	    .folder = s->folder, .refresh_ms = 3600000, .within_ms = 1000};
	struct fault f;

	if (!is_here)
		skip();
	memset(s, 0, sizeof(*s));
	snprintf(s->folder, sizeof(s->folder), "/tmp/assay-test-XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	bench_open(&s->b);
	s->patience = timer_new(s->b.loop, on_late, s);
	snprintf(s->session.id, sizeof(s->session.id), SESSION);
	snprintf(s->session.did, sizeof(s->session.did), DID);
	if (!verifications_new(s->b.loop, s->b.pg, NULL, &v, &c, on_change, s,
		&s->b.log, &s->all, &f))
		fail_msg("%s", f.why);
}

static void
finish(struct scene *s)
{
	char command[128];

	verifications_free(&s->all);
	timer_free(&s->patience);
	bench_close(&s->b);
	assert_true(migrated_run(
	    server.conninfo, "DELETE FROM assay.attestation_policy"));
	snprintf(command, sizeof(command), "rm -rf %s", s->folder);
	assert_int_equal(system(command), 0);
}

/* This policy is the active one from now on; NULL: none is. */
static void
activate(struct scene *s, const char *document)
{
	const char *sql =
	    document == NULL
		? "UPDATE assay.attestation_policy SET active = false"
		: arena_printf(s->b.arena,
		      "UPDATE assay.attestation_policy SET active = false;"
		      "INSERT INTO assay.attestation_policy (version, name,"
		      " document, digest, active, activated_at) SELECT"
		      " coalesce(max(version), 0) + 1, '', '%s',"
		      " encode(sha256('%s'), 'hex'), true, now()"
		      " FROM assay.attestation_policy",
		      document, document);

	assert_true(migrated_run(server.conninfo, sql));
	verifications_policy_changed(s->all);
	timer_start(s->patience, 10000);
	loop_run(s->b.loop);
	timer_stop(s->patience);
}

static void
judge(struct scene *s, struct proof *p, const char *evidence)
{
	struct statement st = {0};
	struct fault f;
	json_t *j = NULL;

	assert_true(json_read(text_of(evidence), 4096, &j, &f));
	st.evidence = j;
	verification_judge(s->all, p, &st, &s->session);
	json_free(&j);
}

static void
test_counts_under_its_own_policy_alone(void **state)
{
	struct proof p = {0};
	struct scene s;

	(void)state;
	begin(&s);
	assert_false(verification_lapse(s.all, &p)); /* nothing shown yet */
	assert_false(verification_is_due(s.all, &p));
	judge(&s, &p, PLAIN);
	assert_string_equal(p.reason, "no_policy");
	activate(&s, "{\"version\":1,\"require\":[\"cpu\"],"
		     "\"snp\":{\"any_workload\":true}}");
	assert_int_equal(s.changes, 1);
	assert_true(verification_is_due(s.all, &p));
	assert_false(verification_lapse(s.all, &p)); /* there was no verdict */
	judge(&s, &p, PLAIN);
	assert_string_equal(p.status, "refused");
	assert_false(verification_lapse(s.all, &p));

	/* As if it had held. */
	proof_conclude(&p, "verified", "ok");
	p.until = INT64_MAX;
	memset(p.signing_address, 'a', 42);
	activate(&s, "{\"version\":2,\"require\":[\"gpu\"],"
		     "\"nvidia\":{}}");
	assert_true(verification_is_due(s.all, &p));
	assert_true(verification_lapse(s.all, &p));
	assert_string_equal(p.status, "none");
	assert_string_equal(p.reason, "policy_changed");
	assert_int_equal(p.until, 0);
	assert_string_equal(p.signing_address, "");
	assert_false(verification_lapse(s.all, &p)); /* once */
	assert_true(verification_is_due(s.all, &p));
	judge(&s, &p, PLAIN);
	assert_string_equal(p.status, "refused");

	activate(&s, NULL);
	assert_true(verification_lapse(s.all, &p));
	judge(&s, &p, PLAIN);
	assert_string_equal(p.reason, "no_policy");
	assert_false(verification_lapse(s.all, &p));
	proof_free(&p);
	finish(&s);
}

static void
put(struct scene *s, const char *name, const char *text)
{
	char path[200];
	struct fault f;

	snprintf(path, sizeof(path), "%s/nras", s->folder);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%s", s->folder, name);
	if (!file_write(path, text, strlen(text), 0600, &f))
		fail_msg("%s", f.why);
}

static void
settle_rows(struct scene *s, struct proof *p)
{
	for (int i = 0; i < 2000 && p->writer != NULL; i++)
		event_base_loop(loop_base(s->b.loop), EVLOOP_ONCE);
	assert_null(p->writer);
}

static void
test_collateral_concerns_who_needs_it(void **state)
{
	struct proof needs = {0}, other = {0}, next = {0};
	struct scene s;

	(void)state;
	begin(&s);
	activate(&s, "{\"version\":1,\"require\":[\"gpu\"],"
		     "\"nvidia\":{}}");
	judge(&s, &needs, NRAS);
	judge(&s, &other, PLAIN);
	settle_rows(&s, &needs);
	settle_rows(&s, &other);
	assert_false(verification_is_due(s.all, &needs));
	assert_false(verification_is_due(s.all, &other));
	put(&s, "nras/jwks", "{\"keys\":[]}");
	judge(&s, &next, NRAS); /* this one finds it */
	assert_true(verification_is_due(s.all, &needs));
	assert_false(verification_is_due(s.all, &other));
	judge(&s, &needs, NRAS);
	settle_rows(&s, &needs);
	assert_false(verification_is_due(s.all, &needs));
	proof_free(&needs);
	proof_free(&other);
	proof_free(&next);
	finish(&s);
}

static void
test_needs(void **state)
{
	static const char *const names[] = {"nras/jwks", "tdx/tcb/00", ""};
	const char *out[4];
	struct proof p = {0};

	(void)state;
	assert_int_equal(proof_needs(&p, out, 4), 0);
	proof_need(&p, names, 3);
	p.at_hand = 7;
	assert_int_equal(proof_needs(&p, out, 4), 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(out[i], names[i]);
	assert_int_equal(proof_needs(&p, out, 2), 2);
	proof_need(&p, names, 1);
	assert_int_equal(proof_needs(&p, out, 4), 1);
	assert_int_equal(p.at_hand, 0);
	proof_need(&p, NULL, 0);
	assert_int_equal(proof_needs(&p, out, 4), 0);
	proof_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_needs),
	    cmocka_unit_test(test_counts_under_its_own_policy_alone),
	    cmocka_unit_test(test_collateral_concerns_who_needs_it),
	};

	return cmocka_run_group_tests(tests, start, end);
}
