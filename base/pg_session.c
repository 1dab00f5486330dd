/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Postgres for programs that may wait: the command line, migrations, and a
 * server's first steps before it serves. One connection, one thing at a time.
 */
#include "base/pg.h"

#include <libpq-fe.h>
#include <string.h>

#include "base/pg_rows.h"

struct pg_session {
	PGconn *conn;
};

static void
on_notice(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

bool
pg_session_open(const char *conninfo, const char *application,
    struct pg_session **out, struct fault *f)
{
	const char *const names[] = {"connect_timeout", "dbname",
	    "application_name", "client_encoding", NULL};
	const char *const values[] = {
	    "10", conninfo, application, "UTF8", NULL};
	PGconn *c = PQconnectdbParams(names, values, 1);

	*out = NULL;
	if (PQstatus(c) != CONNECTION_OK) {
		fault_set(
		    f, FAULT_UNAVAILABLE, "postgres: %s", PQerrorMessage(c));
		PQfinish(c);
		return false;
	}
	PQsetNoticeProcessor(c, on_notice, NULL);
	*out = mem_new(sizeof **out);
	(*out)->conn = c;
	return true;
}

static bool
take(PGresult *r, struct pg_rows **rows, struct fault *f)
{
	if (rows != NULL)
		*rows = NULL;
	if (!pg_result_judge(r, "postgres", f)) {
		PQclear(r);
		return false;
	}
	if (rows == NULL) {
		PQclear(r);
		return true;
	}
	*rows = mem_new(sizeof **rows);
	(*rows)->result = r;
	return true;
}

bool
pg_session_run(struct pg_session *s, const char *sql, int params,
    const char *const *values, struct pg_rows **rows, struct fault *f)
{
	if (values == NULL)
		return take(PQexec(s->conn, sql), rows, f);
	return take(
	    PQexecParams(s->conn, sql, params, NULL, values, NULL, NULL, 0),
	    rows, f);
}

bool
pg_session_ask(struct pg_session *s, const char *sql, int params,
    const char *const *values, struct fault *f)
{
	return PQsendQueryParams(
		   s->conn, sql, params, NULL, values, NULL, NULL, 0) == 1 ||
	       fault_set(f, FAULT_UNAVAILABLE, "postgres: %s",
		   PQerrorMessage(s->conn));
}

bool
pg_session_answer(struct pg_session *s, struct pg_rows **rows, struct fault *f)
{
	PGresult *first = PQgetResult(s->conn), *more;

	while ((more = PQgetResult(s->conn)) != NULL)
		PQclear(more);
	return take(first, rows, f);
}

void
pg_session_free(struct pg_session **s)
{
	if (*s == NULL)
		return;
	PQfinish((*s)->conn);
	mem_free(*s);
	*s = NULL;
}
