/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence as rows: no older edition of collateral takes a newer one's place
 * in Postgres either; verdicts, signatures and collateral go when their time
 * is over, and a version that a kept verdict needs stays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/attestation_db.h"
#include "tests/unit/gateway_db_bench.h"

#define NAME "tdx/tcb/c0ffee000001"

static void
is(const char *sql, const char *wanted)
{
	struct arena *a = arena_new();
	const char *seen = migrated_value(server.conninfo, sql, a);

	assert_non_null(seen);
	assert_string_equal(seen, wanted);
	arena_free(&a);
}

static void
run(const char *sql)
{
	assert_true(migrated_run(server.conninfo, sql));
}

static void
keep(struct bench *b, const char *body, int64_t at, const char *one,
    const char *two)
{
	const char *edition[] = {one, two};
	struct collateral_row row = {.name = NAME,
	    .body = bytes_of(body, strlen(body)),
	    .source = "https://pcs",
	    .fetched_at = at,
	    .edition = edition,
	    .edition_count = one != NULL ? 2 : 0};

	await(b, gateway_db_keep_collateral(b->pg, &row, on_done, b));
}

static void
held(const char *body, const char *fetched_ms)
{
	is("SELECT convert_from(body, 'UTF8') FROM assay.collateral", body);
	is("SELECT (extract(epoch FROM fetched_at) * 1000)::bigint::text"
	   " FROM assay.collateral",
	    fetched_ms);
}

static void
test_editions(void **state)
{
	struct bench b;

	(void)state;
	if (!is_here)
		skip();
	bench_open(&b);
	keep(&b, "first", 1000, NULL, NULL);
	keep(&b, "verified", 2000, "05", "07");
	held("verified", "2000");
	/* Younger, and older in one part, in both, or not verified. */
	keep(&b, "old", 3000, "04", "07");
	keep(&b, "old", 3000, "06", "06");
	keep(&b, "old", 3000, NULL, NULL);
	held("verified", "2000");
	keep(&b, "newer", 3000, "05", "08");
	held("newer", "3000");
	/* The same edition is only younger, never older. */
	keep(&b, "newer", 4000, "05", "08");
	keep(&b, "newer", 3500, "05", "08");
	held("newer", "4000");
	/* Every body that was held is kept, and no other. */
	is("SELECT string_agg(convert_from(body, 'UTF8'), ' '"
	   " ORDER BY first_fetched_at) FROM assay.collateral_version",
	    "first verified newer");
	bench_close(&b);
	run("DELETE FROM assay.collateral_version; DELETE FROM "
	    "assay.collateral");
}

/* ---------------------------------------------------------------- retention */

static const char versions[] =
    "INSERT INTO assay.collateral_version SELECT n, sha256(b::bytea),"
    " b::bytea, 's', now() - first * interval '1 day',"
    " now() - last * interval '1 day' FROM (VALUES"
    " ('x', 'x1', 300, 200), ('x', 'x2', 200, 120), ('x', 'x3', 120, 100),"
    " ('x', 'x4', 100, 95), ('x', 'x5', 95, 1),"
    " ('y', 'y1', 300, 250), ('z', 'z1', 300, 200), ('z', 'z2', 200, 150))"
    " AS t(n, b, first, last);"
    "INSERT INTO assay.collateral (name, body, source, fetched_at)"
    " SELECT 'z', 'z1', 's', fetched_at FROM assay.collateral_version"
    " WHERE body = 'z1'";

static void
verdict(int days)
{
	char sql[600];

	snprintf(sql, sizeof(sql),
	    "INSERT INTO assay.attestation_verdict (id, did, slot, session_id,"
	    " judged_at, status, reason, renew_by, checks, bound, evidence,"
	    " gateway_instance) VALUES (gen_random_uuid(), '" DID
	    "', 0, gen_random_uuid(), now() - %d * interval '1 day',"
	    " 'verified', 'ok', now(), '[]', '{}', '{}', 'g')",
	    days);
	run(sql);
}

static void
signature(int days)
{
	char sql[500];

	snprintf(sql, sizeof(sql),
	    "INSERT INTO assay.exchange_signature (chat_id, account_id,"
	    " request_id, did, complete, bytes, missing, created_at) VALUES"
	    " ('%d', '" ACCOUNT "', gen_random_uuid(), '" DID
	    "', true, 0, 'not_given', now() - %d * interval '1 day')",
	    days, days);
	run(sql);
}

static void
left(const char *versions_left)
{
	is("SELECT string_agg(convert_from(body, 'UTF8'), ' ' ORDER BY body)"
	   " FROM assay.collateral_version",
	    versions_left);
}

/* Under the role of the program that calls it. */
static void
prune(const char *most, const char *gone)
{
	char conninfo[200], sql[100];
	struct arena *a = arena_new();

	migrated_conninfo(
	    &server, "assay_reputation", conninfo, sizeof(conninfo));
	snprintf(sql, sizeof(sql), "SELECT assay.prune_evidence(%s)", most);
	assert_string_equal(migrated_value(conninfo, sql, a), gone);
	arena_free(&a);
}

static void
test_retention(void **state)
{
	(void)state;
	if (!is_here)
		skip();
	run(versions);
	left("x1 x2 x3 x4 x5 y1 z1 z2");
	for (int days = 28; days < 34; days++)
		verdict(days);
	for (int days = 88; days < 94; days++)
		signature(days);
	/* A verdict of 110 days ago is kept: it leaned on x3 (and on z2, and
	 * on y1), and later ones on what followed. */
	run("UPDATE assay.retained SET keep_days = 120"
	    " WHERE name = 'attestation_verdict'");
	verdict(110);
	prune("2", "4"); /* two signatures; x1 and x2 */
	left("x3 x4 x5 y1 z1 z2");
	prune("2", "2");
	prune("2", "0");
	is("SELECT count(*)::text FROM assay.exchange_signature", "2");
	/* When it goes, so does what it alone needed. */
	run("UPDATE assay.retained SET keep_days = 30"
	    " WHERE name = 'attestation_verdict'");
	prune("9", "7"); /* of 110, 30 to 33 days; x3 and x4 */
	left("x5 y1 z1 z2");
	is("SELECT count(*)::text FROM assay.attestation_verdict", "2");
	prune("9", "0");
	/* An operator may keep less. */
	run("UPDATE assay.retained SET keep_days = 1");
	/* Yet no verdict that counts. */
	run("UPDATE assay.attestation_verdict"
	    " SET renew_by = now() + interval '1 hour'");
	prune("9", "2");
	run("UPDATE assay.attestation_verdict SET renew_by = now()");
	prune("9", "2");
	left("x5 y1 z1 z2");
}

static void
test_rights(void **state)
{
	char conninfo[200];

	(void)state;
	if (!is_here)
		skip();
	migrated_conninfo(&server, "assay_gateway", conninfo, sizeof(conninfo));
	assert_false(migrated_run(conninfo, "SELECT assay.prune_evidence(1)"));
	assert_false(
	    migrated_run(conninfo, "DELETE FROM assay.attestation_verdict"));
	assert_false(
	    migrated_run(conninfo, "DELETE FROM assay.exchange_signature"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_editions),
	    cmocka_unit_test(test_retention),
	    cmocka_unit_test(test_rights),
	};

	return cmocka_run_group_tests(tests, start, end);
}
