/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Postgres does for a statement: it is explained and run (and rolled
 * back), under its program's role, and what was read is looked at: which
 * tables, and by which index. A node that was never run counts as not there.
 */
#ifndef TESTS_PLANS_H
#define TESTS_PLANS_H

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/pg.h"

struct plan {
	json_t *root;
	const char *statement;
};

/* arguments: as EXECUTE takes them, "(1, 'x')", or "" for a query. is_generic:
 * by the plan that a prepared statement may be given after five times, made
 * without knowing any arguments. */
static inline void
plan_read_as(struct plan *p, const char *conninfo, const struct pg_statement *s,
    const char *arguments, bool is_generic)
{
	char sql[16384];
	struct pg_session *db = NULL;
	struct pg_rows *rows = NULL;
	struct fault f = {0};
	int len = snprintf(sql, sizeof(sql),
	    "SET plan_cache_mode = force_%s_plan; PREPARE one AS %s; BEGIN;"
	    "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE one%s",
	    is_generic ? "generic" : "custom", s->sql, arguments);

	p->statement = s->name;
	p->root = NULL;
	if (len < 0 || (size_t)len >= sizeof(sql) ||
	    !pg_session_open(conninfo, "test", &db, &f) ||
	    !pg_session_run(db, sql, 0, NULL, &rows, &f) ||
	    !json_read_value(
		text_of(pg_text(rows, 0, 0)), 4 << 20, &p->root, &f))
		fail_msg("%s: %s", s->name, f.why);
	pg_rows_free(&rows);
	pg_session_free(&db); /* and so it is rolled back */
}

static inline void
plan_read(struct plan *p, const char *conninfo, const struct pg_statement *s,
    const char *arguments)
{
	plan_read_as(p, conninfo, s, arguments, false);
}

/* How many partitions a statement holds when it has been run that often as one
 * that was prepared: any of them may be the one that upkeep wants. */
static inline int64_t
plan_locks(const char *conninfo, const struct pg_statement *s,
    const char *arguments, int times)
{
	struct arena *a = arena_new();
	struct pg_session *db = NULL;
	struct pg_rows *rows = NULL;
	struct fault f = {0};
	int64_t count;
	bool ok;

	ok = pg_session_open(conninfo, "test", &db, &f) &&
	     pg_session_run(db, arena_printf(a, "PREPARE one AS %s", s->sql), 0,
		 NULL, NULL, &f);
	for (int i = 0; i < times && ok; i++)
		ok = pg_session_run(db, "ROLLBACK; BEGIN", 0, NULL, NULL, &f) &&
		     pg_session_run(db,
			 arena_printf(a, "EXECUTE one%s", arguments), 0, NULL,
			 NULL, &f);
	if (!ok ||
	    !pg_session_run(db,
		"SELECT count(*) FROM pg_locks JOIN pg_class c ON c.oid ="
		" relation WHERE pid = pg_backend_pid() AND c.relispartition"
		" AND c.relkind = 'r'",
		0, NULL, &rows, &f))
		fail_msg("%s: %s", s->name, f.why);
	count = pg_i64(rows, 0, 0);
	pg_rows_free(&rows);
	pg_session_free(&db);
	arena_free(&a);
	return count;
}

static inline void
plan_free(struct plan *p)
{
	json_free(&p->root);
}

/* What ends in * is how a name begins: that of a partition, for example. */
static inline bool
plan_name_is(const json_t *node, const char *field, const char *wanted)
{
	const char *name = json_string_value(json_object_get(node, field));
	size_t len = strlen(wanted);

	if (name == NULL)
		return false;
	return wanted[len - 1] == '*' ? strncmp(name, wanted, len - 1) == 0
				      : strcmp(name, wanted) == 0;
}

/* How many nodes that were run have these; a type of NULL is any. */
static inline size_t
plan_count(
    const json_t *node, const char *type, const char *field, const char *wanted)
{
	const json_t *child;
	const char *key;
	size_t i, count = 0;

	if (json_is_array(node)) {
		json_array_foreach(node, i, child) count +=
		    plan_count(child, type, field, wanted);
		return count;
	}
	if (!json_is_object(node))
		return 0;
	if (json_object_get(node, "Node Type") != NULL &&
	    json_number_value(json_object_get(node, "Actual Loops")) > 0 &&
	    plan_name_is(node, field, wanted) &&
	    (type == NULL || plan_name_is(node, "Node Type", type)))
		count++;
	for (void *at = json_object_iter((json_t *)(uintptr_t)node); at != NULL;
	     at = json_object_iter_next((json_t *)(uintptr_t)node, at)) {
		key = json_object_iter_key(at);
		child = json_object_iter_value(at);
		if (strcmp(key, "Plan") == 0 || strcmp(key, "Plans") == 0)
			count += plan_count(child, type, field, wanted);
	}
	return count;
}

static inline void
plan_reads_at_most(const struct plan *p, const char *table, size_t most)
{
	size_t count = plan_count(p->root, NULL, "Relation Name", table);

	if (count > most)
		fail_msg("%s reads %zu of %s", p->statement, count, table);
}

static inline void
plan_reads_never_whole(const struct plan *p, const char *table)
{
	if (plan_count(p->root, "Seq Scan", "Relation Name", table) > 0) {
		char *text = json_dumps(p->root, JSON_INDENT(1));

		fprintf(stderr, "%s\n", text);
		free(text);
		fail_msg("%s reads all of %s", p->statement, table);
	}
}

static inline void
plan_uses(const struct plan *p, const char *index)
{
	if (plan_count(p->root, NULL, "Index Name", index) == 0)
		fail_msg("%s does not use %s", p->statement, index);
}

/* 40 days of a market of 2,000 pairs in partitions of 60, with statistics. */
static const char plans_world[] =
    "INSERT INTO assay.workspace (id, name) SELECT md5('w' || i)::uuid,"
    " 'w' || i FROM generate_series(0, 1) i;"
    "INSERT INTO assay.account (id, name) SELECT md5('a' || i)::uuid,"
    " 'a' || i FROM generate_series(0, 99) i;"
    "SET session_replication_role = replica;"
    "INSERT INTO assay.device (did, workspace_id, public_jwk) SELECT"
    " 'did:assay:z' || i, md5('w0')::uuid, '{}'"
    " FROM generate_series(0, 19999) i;"
    "INSERT INTO assay.model (canonical) VALUES ('test:m');"
    "INSERT INTO assay.model_task VALUES ('test:m', 'chat');"
    "SELECT assay.partition_ensure(assay.utc_day(now()) - d)"
    " FROM generate_series(0, 60) d;"
    "INSERT INTO assay.request (id, created_at, account_id, workspace_id,"
    " endpoint, task, canonical, did, pool, tier, quantization, outcome,"
    " status, gateway_instance) SELECT md5('r' || i)::uuid,"
    " now() - i * interval '2 minutes', md5('a' || i % 100)::uuid,"
    " md5('w1')::uuid, 'x', 'chat', 'test:m', 'did:assay:z' || i % 2000,"
    " 'marketplace', 'bronze', 'F16', 'served', 200, 'g'"
    " FROM generate_series(0, 27999) i;"
    "INSERT INTO assay.request_attempt (request_id, created_at, ordinal, did,"
    " pool, tier, outcome) SELECT id, created_at, 1, did, pool, tier, outcome"
    " FROM assay.request;"
    "INSERT INTO assay.feedback (request_id, request_at, id, created_at,"
    " account_id, workspace_id, did, task, canonical, quality, issues, value,"
    " counts) SELECT id, created_at, id, created_at, account_id,"
    " workspace_id, did, task, canonical, 90, '{slow}', 90, true"
    " FROM assay.request;"
    "INSERT INTO assay.pair (did, task, canonical) SELECT"
    " 'did:assay:z' || i, 'chat', 'test:m' FROM generate_series(0, 1999) i;"
    "INSERT INTO assay.outcome_minute SELECT created_at, p.id, 1, 0, 1, 0, 0,"
    " assay.buyer_bucket(account_id) FROM assay.request JOIN assay.pair p"
    " USING (did, task, canonical);"
    "INSERT INTO assay.outcome_new SELECT * FROM assay.outcome_minute"
    " WHERE minute > now() - interval '1 hour';"
    "INSERT INTO assay.verdict_new SELECT p.id, account_id, created_at, 90, 10"
    " FROM assay.feedback JOIN assay.pair p USING (did, task, canonical)"
    " WHERE request_at > now() - interval '1 hour';"
    "INSERT INTO assay.audit_result SELECT 'did:assay:z' || i % 2000, 'chat',"
    " 'test:m', now() - i * interval '5 minutes', 'canary', i % 10 > 0, ''"
    " FROM generate_series(0, 9999) i;"
    "INSERT INTO assay.audit_new SELECT p.id, at, agrees"
    " FROM assay.audit_result JOIN assay.pair p USING (did, task, canonical)"
    " WHERE at > now() - interval '1 hour';"
    "INSERT INTO assay.outcome_evidence SELECT id, b, 1, 1, 1, 1"
    " FROM assay.pair, generate_series(0, 19) b;"
    "INSERT INTO assay.verdict_evidence SELECT id, md5('a' || b)::uuid, 90, 10,"
    " 1, 4 FROM assay.pair, generate_series(0, 19) b;"
    "INSERT INTO assay.audit_evidence SELECT id, 1, 1 FROM assay.pair;"
    "INSERT INTO assay.score (pair, did, task, canonical, tier, score,"
    " sample_size, parts, closed_day) SELECT id, did, task, canonical,"
    " 'bronze', 60, 10, '{}', assay.utc_day(now()) - 1 FROM assay.pair;"
    "INSERT INTO assay.score_written SELECT row_number() OVER (ORDER BY id),"
    " ARRAY[id] FROM assay.pair;"
    "INSERT INTO assay.score_due SELECT id FROM assay.pair;"
    "INSERT INTO assay.score_day SELECT 'did:assay:z' || i, 'chat', 'test:m',"
    " (assay.utc_day(now()) - d)::timestamp AT TIME ZONE 'UTC', 60, 10, '{}',"
    " false FROM generate_series(0, 99) i, generate_series(1, 40) d;"
    "INSERT INTO assay.tier_change SELECT 'did:assay:z' || i % 2000, 'chat',"
    " 'test:m', now() - i * interval '10 minutes', 'bronze', 'silver',"
    " 'run_complete', 80, '{}' FROM generate_series(0, 5999) i;"
    "INSERT INTO assay.not_chosen SELECT 'did:assay:z' || i, 'chat', 'test:m',"
    " assay.utc_day(now()) - d, 'another_preferred', 1"
    " FROM generate_series(0, 1999) i, generate_series(0, 9) d;"
    "INSERT INTO assay.day_close SELECT assay.utc_day(now()) - d, now(), false"
    " FROM generate_series(1, 40) d;"
    "UPDATE assay.change SET version = 1999 WHERE area = 'score';"
    "RESET session_replication_role; ANALYZE;";

#endif
