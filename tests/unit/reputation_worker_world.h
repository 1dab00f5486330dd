/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A migrated database for the tests of assay-reputation's worker: a small
 * world, requests of ten random days, and the worker driven by hand. A test
 * that needs days of its own moves to a database made like another.
 */
#ifndef TESTS_REPUTATION_WORKER_WORLD_H
#define TESTS_REPUTATION_WORKER_WORLD_H

#include "base/clock.h"
#include "reputation/tier.h"
#include "reputation/worker/reputation_db.h"
#include "reputation/worker/ticker.h"
#include "tests/unit/migrated_postgres.h"

static struct private_postgres server;
static bool is_here;
static char own[200];

static const char world[] =
    "INSERT INTO assay.workspace (id, name) SELECT"
    " ('11111111-1111-7111-8111-' || lpad(i::text, 12, '0'))::uuid, 'w' || i"
    " FROM generate_series(1, 2) i;"
    "INSERT INTO assay.account (id, name) SELECT"
    " ('33333333-3333-7333-8333-' || lpad(i::text, 12, '0'))::uuid, 'a' || i"
    " FROM generate_series(1, 60) i;"
    "INSERT INTO assay.membership SELECT"
    " '11111111-1111-7111-8111-000000000001',"
    " '33333333-3333-7333-8333-000000000001';"
    "INSERT INTO assay.device (did, workspace_id, public_jwk) SELECT"
    " 'did:assay:z' || i, '11111111-1111-7111-8111-000000000001', '{}'"
    " FROM generate_series(1, 5) i;"
    "INSERT INTO assay.model (canonical) VALUES ('test:m');"
    "INSERT INTO assay.model_task VALUES ('test:m', 'chat');";

/* Requests of a random day of ten, each served, failed, left or truncated. */
#define TRAFFIC                                                                \
	"WITH r AS (SELECT ('00000000-0000-7000-8000-' ||"                     \
	"  lpad((%u + i)::text, 12, '0'))::uuid AS id, timestamptz"            \
	"  '2026-11-01T00:00:00Z' + random() * interval '10 days' AS at,"      \
	"  ('33333333-3333-7333-8333-' || lpad((1 + floor(random() * "         \
	"60))::text,"                                                          \
	"  12, '0'))::uuid AS account,"                                        \
	"  'did:assay:z' || (1 + floor(random() * 5)) AS did, random() AS "    \
	"luck"                                                                 \
	"  FROM generate_series(1, %u) i),"                                    \
	" w AS (INSERT INTO assay.request (id, created_at, account_id,"        \
	"  workspace_id, endpoint, task, canonical, did, pool, tier,"          \
	"  quantization, outcome, status, gateway_instance, streamed,"         \
	"  completion_tokens)"                                                 \
	"  SELECT id, at, account, '11111111-1111-7111-8111-000000000002',"    \
	"  'x', 'chat', 'test:m', did, 'marketplace', 'bronze', 'F16',"        \
	"  'served', 200, 'g', random() < .9, 20 * random() FROM r)"           \
	" INSERT INTO assay.request_attempt (request_id, created_at, ordinal," \
	"  did, pool, tier, outcome, fault_code, first_byte_us, total_us)"     \
	"  SELECT id, at, 1, did, 'marketplace', 'bronze',"                    \
	"  (CASE WHEN luck < .9 THEN 'served' WHEN luck < .94 THEN "           \
	"'truncated'"                                                          \
	"  WHEN luck < .97 THEN 'buyer_gone' ELSE 'failed' "                   \
	"END)::assay.outcome,"                                                 \
	"  CASE WHEN luck >= .9 AND luck < .94 THEN 'stream_stalled'"          \
	"  WHEN luck >= .97 THEN 'provider_unreachable' END,"                  \
	"  100000 * (1 + random()), 500000 FROM r;"                            \
	"INSERT INTO assay.feedback (request_id, request_at, id, created_at,"  \
	" account_id, workspace_id, did, task, canonical, quality, value, "    \
	"counts)"                                                              \
	" SELECT id, created_at, id, created_at + interval '1 minute',"        \
	" account_id, workspace_id, did, task, canonical, q, q, true FROM"     \
	" (SELECT *, floor(100 * sqrt(random()))::smallint AS q"               \
	"  FROM assay.request r WHERE NOT EXISTS (SELECT FROM assay.feedback " \
	"f"                                                                    \
	"  WHERE f.request_id = r.id) AND random() < .3) x;"

/* Both programs of the test turn to that database, made like another. */
static inline void
move_to(const char *database, const char *like, char super[200])
{
	struct arena *a = arena_new();
	char there[200];
	bool ok = false;

	snprintf(there, sizeof(there), "host=%s user=postgres dbname=template1",
	    server.folder);
	/* Until Postgres has seen everybody's end there. */
	for (int i = 0; i < 1000 && !ok; i++) {
		ok = strcmp(migrated_value(there,
				arena_printf(a,
				    "SELECT count(*) FROM pg_stat_activity"
				    " WHERE datname = '%s'",
				    like),
				a),
			 "0") == 0;
		if (!ok)
			poll(NULL, 0, 10);
	}
	assert_true(migrated_run(there,
	    arena_printf(a, "CREATE DATABASE %s TEMPLATE %s", database, like)));
	snprintf(own, sizeof(own), "host=%s user=assay_reputation dbname=%s",
	    server.folder, database);
	snprintf(super, 200, "host=%s user=postgres dbname=%s", server.folder,
	    database);
	arena_free(&a);
}

static inline void
move_back(void)
{
	migrated_conninfo(&server, "assay_reputation", own, sizeof(own));
}

static inline int
start(void **state)
{
	char super[200];

	(void)state;
	is_here = migrated_postgres_start(&server);
	if (is_here) {
		assert_true(migrated_run(server.conninfo, world));
		move_to("fresh", "postgres", super);
	}
	migrated_conninfo(&server, "assay_reputation", own, sizeof(own));
	return 0;
}

static inline int
end(void **state)
{
	(void)state;
	if (is_here)
		private_postgres_end(&server);
	return 0;
}

static inline void
need_postgres(void **state, struct arena **a)
{
	(void)state;
	if (is_here)
		return;
	arena_free(a);
	skip();
}

static inline void
bring_to(const char *conninfo, unsigned from, unsigned count)
{
	char sql[8192];
	int len;

	/* The format is the constant above. */
	len = snprintf(sql, sizeof(sql), TRAFFIC, from, count);
	assert_true(len > 0 && (size_t)len < sizeof(sql));
	assert_true(migrated_run(conninfo, sql));
}

static inline void
bring(unsigned from, unsigned count)
{
	bring_to(server.conninfo, from, count);
}

static inline struct ticker *
ticker(int64_t pairs, const char *from)
{
	static struct reputation_settings settings;
	struct log log;

	settings = (struct reputation_settings){.batch_pairs = pairs,
	    .batch_rows = 100,
	    .close_grace = 0,
	    .now = "as given",
	    .database_url = own,
	    .partitions_ahead = 1,
	    .recompute_from = from};
	log_init(&log, "test", LOG_ERROR_);
	return ticker_new(&settings, &log);
}

/* Until we lead: Postgres may take a moment to see the last one's end. A run
 * closes one day, and says whether there are more. */
static inline void
run_led(struct ticker *t, int64_t now_ms)
{
	struct fault f = {0};

	for (int i = 0; i < 1000 && (!ticker_counts(t)->leads ||
					ticker_counts(t)->is_behind);
	     i++) {
		if (!ticker_run(t, now_ms, &f))
			fail_msg("%s", f.why);
		if (!ticker_counts(t)->leads)
			poll(NULL, 0, 10);
	}
	assert_true(ticker_counts(t)->leads);
}

static inline void
tick(int64_t now_ms, int64_t pairs)
{
	struct ticker *t = ticker(pairs, "log");

	run_led(t, now_ms);
	ticker_free(&t);
}

static const char scores[] =
    "SELECT string_agg(did || tier || score || sample_size || parts::text ||"
    " silver_days || gold_days, ',' ORDER BY did) FROM assay.score";

/* 2026-11-12 12:00 UTC: every day of the traffic is over. */
#define NOON INT64_C(1794484800000)

static inline void
recompute_at(const char *from, int64_t now_ms)
{
	struct ticker *t = ticker(2, from);
	struct fault f = {0};

	for (int i = 0; i < 1000 && !ticker_counts(t)->leads; i++)
		if (!ticker_recompute(t, now_ms, &f))
			poll(NULL, 0, 10);
	if (!ticker_counts(t)->leads)
		fail_msg("%s", f.why);
	ticker_free(&t);
}

static inline void
recompute(const char *from)
{
	recompute_at(from, NOON + 10000);
}

#endif
