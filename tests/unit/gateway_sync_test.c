/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sync against a real Postgres: everything is read at the start, a change is
 * there and told within 2 s, with or without its notification, and the last
 * snapshot goes on serving while Postgres is away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "gateway/gateway_db.h"
#include "gateway/sync.h"
#include "tests/unit/migrated_postgres.h"

#define W "11111111-1111-7111-8111-111111111111"

static struct private_postgres server;
static bool is_here;

static const char world[] =
    "INSERT INTO assay.workspace (id, name) VALUES ('" W "', 'w');"
    "INSERT INTO assay.device (did, workspace_id, public_jwk) VALUES"
    " ('did:assay:a', '" W "', '{}'), ('did:assay:b', '" W "', '{}'),"
    " ('did:assay:c', '" W "', '{}');"
    "INSERT INTO assay.model (canonical) VALUES ('t:m');"
    "INSERT INTO assay.model_task VALUES ('t:m', 'chat');";

static int
start(void **state)
{
	(void)state;
	is_here = migrated_postgres_start(&server);
	if (is_here)
		assert_true(migrated_run(server.conninfo, world));
	return 0;
}

static int
end(void **state)
{
	(void)state;
	if (is_here)
		private_postgres_end(&server);
	return 0;
}

struct bench {
	char conninfo[200];
	struct log log;
	struct loop *loop;
	struct pg *pg;
	struct catalogs *catalogs;
	struct sync *sync;
	struct timer *guard;
	bool is_late;
	unsigned told[CATALOG_PARTS];
	unsigned keys;
};

static void
on_catalog(void *arg, enum catalog_part part)
{
	struct bench *b = arg;

	b->told[part]++;
	loop_stop(b->loop);
}

static void
on_keys(void *arg)
{
	struct bench *b = arg;

	b->keys++;
	loop_stop(b->loop);
}

static void
on_guard(void *arg)
{
	struct bench *b = arg;

	b->is_late = true;
	loop_stop(b->loop);
}

static void
bench_open(struct bench *b)
{
	static const struct sync_events events = {on_catalog, on_keys};
	struct pg_settings settings = {
	    .application = "assay-gateway",
	    .statements = gateway_statements,
	    .statement_count = gateway_statement_count,
	};

	memset(b, 0, sizeof(*b));
	migrated_conninfo(
	    &server, "assay_gateway", b->conninfo, sizeof(b->conninfo));
	settings.conninfo = b->conninfo;
	log_init(&b->log, "test", LOG_ERROR_);
	b->loop = loop_new();
	b->guard = timer_new(b->loop, on_guard, b);
	b->pg = pg_new(b->loop, &settings, &b->log);
	b->catalogs = catalogs_new();
	b->sync = sync_new(
	    b->loop, b->pg, b->conninfo, b->catalogs, &events, b, &b->log);
}

static void
bench_close(struct bench *b)
{
	sync_free(&b->sync);
	assert_null(b->sync);
	sync_free(&b->sync);
	catalogs_free(&b->catalogs);
	pg_free(&b->pg);
	timer_free(&b->guard);
	loop_free(&b->loop);
}

/* Runs until it is so; fails after so long. */
static void
until(struct bench *b, bool (*is_so)(const struct bench *b), int64_t ms)
{
	b->is_late = false;
	timer_start(b->guard, ms);
	while (!is_so(b)) {
		if (b->is_late)
			fail_msg("not within %lld ms", (long long)ms);
		loop_run(b->loop);
	}
	timer_stop(b->guard);
}

static bool
is_ready(const struct bench *b)
{
	return sync_is_ready(b->sync);
}

static bool
is_revoked(const struct bench *b, const char *did)
{
	return catalog_device_find(catalogs_now(b->catalogs), did)->is_revoked;
}

static bool
a_is_revoked(const struct bench *b)
{
	return is_revoked(b, "did:assay:a");
}

static bool
b_is_revoked(const struct bench *b)
{
	return is_revoked(b, "did:assay:b");
}

static bool
c_is_revoked(const struct bench *b)
{
	return is_revoked(b, "did:assay:c");
}

static bool
is_withdrawn(const struct bench *b)
{
	return catalog_model_find(catalogs_now(b->catalogs), text_of("t:m"), W)
	    ->is_withdrawn;
}

static bool
has_score(const struct bench *b)
{
	return catalog_score_find(catalogs_now(b->catalogs), "did:assay:a",
		   "chat", "t:m") != NULL;
}

static bool
keys_are_doubted(const struct bench *b)
{
	return b->keys > 0;
}

#define REVOKE(did)                                                            \
	"UPDATE assay.device SET state = 'revoked', revoked_at = now()"        \
	" WHERE did = '" did "'"

static void
test_changes_arrive(void **state)
{
	struct sync_counts counts;
	struct bench b;

	(void)state;
	if (!is_here)
		skip();
	bench_open(&b);
	assert_false(sync_is_ready(b.sync));
	until(&b, is_ready, 10000);
	assert_true(catalog_is_whole(catalogs_now(b.catalogs)));
	assert_false(a_is_revoked(&b) || is_withdrawn(&b) || has_score(&b));

	b.told[CATALOG_DEVICES] = 0;
	assert_true(migrated_run(server.conninfo, REVOKE("did:assay:a")));
	until(&b, a_is_revoked, 2000);
	assert_true(b.told[CATALOG_DEVICES] > 0);
	assert_true(
	    migrated_run(server.conninfo, "UPDATE assay.model SET state = "
					  "'withdrawn', withdrawn_at = now()"));
	until(&b, is_withdrawn, 2000);
	assert_true(migrated_run(server.conninfo,
	    "INSERT INTO assay.score (did, task, canonical, tier)"
	    " VALUES ('did:assay:a', 'chat', 't:m', 'gold')"));
	until(&b, has_score, 2000);

	b.keys = 0;
	assert_true(migrated_run(server.conninfo,
	    "INSERT INTO assay.account (id, name)"
	    " VALUES (gen_random_uuid(), 'new')"));
	until(&b, keys_are_doubted, 2000);
	sync_counts(b.sync, &counts);
	assert_true(counts.reads >= 6);
	assert_true(counts.read_at > 0);
	bench_close(&b);
}

/* The row is changed behind the triggers' back, as if the notification had
 * been lost on the way: the version alone tells. */
static void
test_lost_notification(void **state)
{
	struct bench b;

	(void)state;
	if (!is_here)
		skip();
	bench_open(&b);
	until(&b, is_ready, 10000);
	assert_true(migrated_run(server.conninfo,
	    "ALTER TABLE assay.device DISABLE TRIGGER announce;"
	    "UPDATE assay.change SET version = version + 1"
	    " WHERE area = 'device';" REVOKE(
		"did:assay:b") ";"
			       "ALTER TABLE assay.device ENABLE TRIGGER "
			       "announce;"));
	until(&b, b_is_revoked, 2000);
	b.keys = 0;
	assert_true(migrated_run(server.conninfo,
	    "UPDATE assay.change SET version = version + 1"
	    " WHERE area = 'key'"));
	until(&b, keys_are_doubted, 2000);
	bench_close(&b);
}

static const struct catalog_score *
score_of(const struct bench *b, const char *did)
{
	return catalog_score_find(
	    catalogs_now(b->catalogs), did, "chat", "t:m");
}

static bool
b_is_gold(const struct bench *b)
{
	const struct catalog_score *s = score_of(b, "did:assay:b");

	return s != NULL && s->tier == TIER_GOLD;
}

static bool
c_is_gold(const struct bench *b)
{
	const struct catalog_score *s = score_of(b, "did:assay:c");

	return s != NULL && s->tier == TIER_GOLD;
}

static bool
b_has_none(const struct bench *b)
{
	return score_of(b, "did:assay:b") == NULL;
}

#define GOLD(did)                                                              \
	"INSERT INTO assay.score (pair, did, task, canonical, tier) VALUES"    \
	" (assay.pair_of('" did "', 'chat', 't:m'), '" did "', 'chat', 't:m'," \
	" 'gold') ON CONFLICT (did, task, canonical) DO UPDATE SET tier ="     \
	" 'gold'"

/* A transaction that has written a score holds up every other until it ends:
 * what a gateway has read up to can never be filled in behind it. */
static void
test_interleaved_scores(void **state)
{
	struct sync_counts before, after;
	struct pg_session *first, *second;
	struct fault f = {0};
	struct bench b;

	(void)state;
	if (!is_here)
		skip();
	bench_open(&b);
	until(&b, is_ready, 10000);
	sync_counts(b.sync, &before);
	assert_true(pg_session_open(server.conninfo, "first", &first, &f));
	assert_true(pg_session_open(server.conninfo, "second", &second, &f));
	assert_true(pg_session_run(
	    first, "BEGIN;" GOLD("did:assay:b"), 0, NULL, NULL, &f));
	assert_false(pg_session_run(second,
	    "SET lock_timeout = '100ms';" GOLD("did:assay:c"), 0, NULL, NULL,
	    &f));
	assert_non_null(strstr(f.why, "55P03"));
	assert_true(pg_session_run(first, "ROLLBACK", 0, NULL, NULL, &f));
	assert_true(
	    pg_session_run(second, GOLD("did:assay:c"), 0, NULL, NULL, &f));
	until(&b, c_is_gold, 2000);
	assert_true(b_has_none(&b));
	assert_true(
	    pg_session_run(first, GOLD("did:assay:b"), 0, NULL, NULL, &f));
	until(&b, b_is_gold, 2000);
	assert_true(c_is_gold(&b));
	sync_counts(b.sync, &after);
	assert_true(after.changes >= before.changes + 2);
	/* What was deleted is seen too. */
	assert_true(pg_session_run(first,
	    "DELETE FROM assay.score WHERE did = 'did:assay:b'", 0, NULL, NULL,
	    &f));
	until(&b, b_has_none, 2000);
	assert_true(c_is_gold(&b));
	pg_session_free(&first);
	pg_session_free(&second);
	bench_close(&b);
}

static bool
b_is_no_longer_gold(const struct bench *b)
{
	return !b_is_gold(b);
}

static bool
is_down(const struct bench *b)
{
	return !pg_is_up(b->pg);
}

/* A refresh asks for all three parts. */
static bool
has_failed_thrice(const struct bench *b)
{
	struct sync_counts counts;

	sync_counts(b->sync, &counts);
	return counts.failures >= 3;
}

static void
on_change(void *arg, bool up)
{
	struct bench *b = arg;

	(void)up;
	loop_stop(b->loop);
}

static void
test_new_listener_reads_all(void **state)
{
	struct bench b;

	(void)state;
	if (!is_here)
		skip();
	bench_open(&b);
	until(&b, is_ready, 10000);
	assert_true(migrated_run(server.conninfo, "DELETE FROM assay.score"));
	until(&b, b_is_no_longer_gold, 10000);
	/* Of no version that a reading of changes would find. */
	assert_true(migrated_run(server.conninfo,
	    "SET session_replication_role = replica;" GOLD("did:assay:b")));
	assert_true(migrated_run(server.conninfo,
	    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
	    " WHERE query LIKE 'LISTEN%'"));
	until(&b, b_is_gold, 20000);
	assert_true(migrated_run(server.conninfo, "DELETE FROM assay.score"));
	bench_close(&b);
}

static void
test_outage(void **state)
{
	struct sync_counts before, after;
	struct bench b;

	(void)state;
	if (!is_here)
		skip();
	bench_open(&b);
	until(&b, is_ready, 10000);
	pg_on_change(b.pg, on_change, &b);
	sync_counts(b.sync, &before);
	private_postgres_down(&server, SIGQUIT);
	until(&b, is_down, 10000);
	sync_refresh(b.sync);
	until(&b, has_failed_thrice, 10000);
	assert_true(sync_is_ready(b.sync));
	assert_false(c_is_revoked(&b));
	assert_non_null(
	    catalog_task_find(catalogs_now(b.catalogs), text_of("chat")));

	assert_true(private_postgres_up(&server));
	/* All scores were asked for, and still are: this one is of no version
	 * that a reading of changes would find. */
	assert_true(migrated_run(server.conninfo,
	    "SET session_replication_role = replica;" GOLD("did:assay:b")));
	assert_true(migrated_run(server.conninfo, REVOKE("did:assay:c")));
	until(&b, c_is_revoked, 20000);
	until(&b, b_is_gold, 20000);
	sync_counts(b.sync, &after);
	assert_true(after.failures > before.failures);
	assert_true(after.reads > before.reads);
	bench_close(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_changes_arrive),
	    cmocka_unit_test(test_lost_notification),
	    cmocka_unit_test(test_interleaved_scores),
	    cmocka_unit_test(test_new_listener_reads_all),
	    cmocka_unit_test(test_outage),
	};

	return cmocka_run_group_tests(tests, start, end);
}
