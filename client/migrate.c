/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay migrate: brings the schema forward, each step in a transaction of its
 * own, under an advisory lock so that two of us never run at once. Forward
 * only; a migration that was edited after it ran is refused by its digest.
 */
#include "client/migrate.h"

#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "base/crypto.h"
#include "client/command.h"
#include "client/table.h"

static const char *
digest_of(const struct migration *m, struct arena *a)
{
	char *hex = arena_alloc(a, HEX_SIZE(32));
	uint8_t digest[32];

	sha256(bytes_of(m->sql, strlen(m->sql)), digest);
	hex_encode(bytes_of(digest, sizeof digest), hex);
	return hex;
}

static bool
prepare(struct pg_session *s, struct fault *f)
{
	return pg_session_run(s,
	    "SELECT pg_advisory_lock(hashtext('assay.migrate'));"
	    "CREATE SCHEMA IF NOT EXISTS assay;"
	    "CREATE TABLE IF NOT EXISTS assay.schema_migration ("
	    " version integer PRIMARY KEY, name text NOT NULL,"
	    " sha256 text NOT NULL,"
	    " applied_at timestamptz NOT NULL DEFAULT now());"
	    "COMMENT ON TABLE assay.schema_migration IS"
	    " 'Which migrations have run; kept by assay migrate.';"
	    "COMMENT ON COLUMN assay.schema_migration.version IS"
	    " 'Number of the file in migrations/.';"
	    "COMMENT ON COLUMN assay.schema_migration.name IS"
	    " 'Its name.';"
	    "COMMENT ON COLUMN assay.schema_migration.sha256 IS"
	    " 'SHA-256 of its text as it ran.';"
	    "COMMENT ON COLUMN assay.schema_migration.applied_at IS"
	    " 'When it ran.';",
	    0, NULL, NULL, f);
}

/* The digest it ran with, in the arena, or NULL where it has not run. */
static bool
ran_with(struct pg_session *s, const struct migration *m, struct arena *a,
    const char **out, struct fault *f)
{
	const char *values[] = {pg_int(a, m->version)};
	struct pg_rows *rows;

	if (!pg_session_run(s,
		"SELECT sha256 FROM assay.schema_migration WHERE version = $1",
		1, values, &rows, f))
		return false;
	*out = pg_count(rows) > 0 ? arena_string(a, pg_text(rows, 0, 0)) : NULL;
	pg_rows_free(&rows);
	return true;
}

static bool
apply(struct pg_session *s, const struct migration *m, struct arena *a,
    struct fault *f)
{
	const char *values[] = {
	    pg_int(a, m->version), m->name, digest_of(m, a)};
	bool ok;

	ok = pg_session_run(s, "BEGIN", 0, NULL, NULL, f) &&
	     pg_session_run(s, m->sql, 0, NULL, NULL, f) &&
	     pg_session_run(s,
		 "INSERT INTO assay.schema_migration (version, name, sha256) "
		 "VALUES ($1, $2, $3)",
		 3, values, NULL, f) &&
	     pg_session_run(s, "COMMIT", 0, NULL, NULL, f);
	if (!ok)
		pg_session_run(s, "ROLLBACK", 0, NULL, NULL, NULL);
	return ok;
}

static bool
step(struct pg_session *s, const struct migration *m, const struct cli *c,
    int *applied, struct fault *f)
{
	const char *ran;

	if (!ran_with(s, m, c->arena, &ran, f))
		return false;
	if (ran != NULL && strcmp(ran, digest_of(m, c->arena)) != 0)
		return fault_set(f, FAULT_CONFLICT,
		    "migration %s has changed since it ran here; this program "
		    "and this database are not of one line",
		    m->name);
	if (ran != NULL)
		return true;
	if (!apply(s, m, c->arena, f))
		return false;
	if (!c->json)
		printf("applied %s\n", m->name);
	(*applied)++;
	return true;
}

static bool
migrate(struct cli *c, struct fault *f)
{
	struct pg_session *s = NULL;
	int applied = 0;
	bool ok;

	ok = cli_database(c, &s, f) && prepare(s, f);
	for (size_t i = 0; ok && i < migration_count; i++)
		ok = step(s, &migrations[i], c, &applied, f);
	pg_session_free(&s);
	if (ok && c->json)
		printf("{\"version\":%d,\"applied\":%d}\n",
		    migrations[migration_count - 1].version, applied);
	else if (ok)
		printf("database is at version %d\n",
		    migrations[migration_count - 1].version);
	return ok;
}

static bool
migrate_status(struct cli *c, struct fault *f)
{
	static const struct column columns[] = {{"version", COLUMN_NUMBER},
	    {"name", COLUMN_TEXT}, {"applied_at", COLUMN_TEXT}};

	return table_query(c, COLUMNS(columns),
	    "SELECT version, name, applied_at FROM assay.schema_migration "
	    "ORDER BY version",
	    0, NULL, f);
}

/* clang-format off */
const struct command migrate_commands[] = {
    {"migrate", NULL, "", 0, 0, NULL,
     "bring the database schema forward (run as its owner)", migrate},
    {"migrate", "status", "", 0, 0, NULL,
     "which migrations have run", migrate_status},
    {0},
};
/* clang-format on */
