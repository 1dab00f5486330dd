/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Postgres of the test's own with every migration run on it: what a
 * program's statements meet in earnest.
 */
#ifndef TESTS_MIGRATED_POSTGRES_H
#define TESTS_MIGRATED_POSTGRES_H

#include "base/file.h"
#include "tests/unit/private_postgres.h"

static inline bool
migrated_run(const char *conninfo, const char *sql)
{
	struct pg_session *s = NULL;
	struct fault f = {0};
	bool ok;

	ok = pg_session_open(conninfo, "test", &s, &f) &&
	     pg_session_run(s, sql, 0, NULL, NULL, &f);
	if (!ok)
		fprintf(stderr, "postgres: %s\n", f.why);
	pg_session_free(&s);
	return ok;
}

/* The first value of the first row, in the arena; NULL where there is none. */
static inline const char *
migrated_value(const char *conninfo, const char *sql, struct arena *a)
{
	struct pg_session *s = NULL;
	struct pg_rows *rows = NULL;
	struct fault f = {0};
	const char *value = NULL;

	if (!pg_session_open(conninfo, "test", &s, &f) ||
	    !pg_session_run(s, sql, 0, NULL, &rows, &f))
		fprintf(stderr, "postgres: %s\n", f.why);
	else if (pg_count(rows) > 0)
		value = arena_string(a, pg_text(rows, 0, 0));
	pg_rows_free(&rows);
	pg_session_free(&s);
	return value;
}

/* False: there is no Postgres on this machine. A migration that fails ends
 * the test. */
static inline bool
migrated_postgres_start(struct private_postgres *p)
{
	struct fault f = {0};
	glob_t g;

	if (!private_postgres_start(p))
		return false;
	if (glob(ASSAY_FIXTURES "/../../migrations/[0-9]*.sql", 0, NULL, &g) !=
	    0)
		abort();
	for (size_t i = 0; i < g.gl_pathc; i++) {
		char *sql;
		size_t len;

		if (!file_read(g.gl_pathv[i], 1 << 20, &sql, &len, &f) ||
		    !migrated_run(p->conninfo, sql)) {
			fprintf(stderr, "%s fails\n", g.gl_pathv[i]);
			private_postgres_end(p);
			abort();
		}
		mem_free(sql);
	}
	globfree(&g);
	return true;
}

/* As that program's role. */
static inline void
migrated_conninfo(
    const struct private_postgres *p, const char *role, char *out, size_t size)
{
	snprintf(out, size, "host=%s user=%s dbname=postgres", p->folder, role);
}

#endif
