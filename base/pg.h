/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL without waiting: libpq in pipeline mode on the loop, statements
 * prepared by number, reconnect with jitter, LISTEN. Parameters and results
 * are text format; parameters always, text pasted into SQL never.
 */
#ifndef BASE_PG_H
#define BASE_PG_H

#include "base/fault.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"

struct pg_statement {
	const char *name; /* as prepared, and in logs */
	const char *sql;
	int params;
};

struct pg_settings {
	const char *conninfo;	 /* libpq URI or keywords */
	const char *application; /* application_name */
	const struct pg_statement *statements;
	size_t statement_count;
	unsigned connections; /* default 2; questions go to the least busy */
	unsigned queue;	      /* questions waiting at most; default 10,000 */
	int64_t answer_ms;    /* a question older than this fails TIMEOUT and
			       * its connection is remade; default 5 s */
	/* Not 0: Postgres itself ends a question after so long, less than
	 * answer_ms. A connection is then sent one at a time; the others wait
	 * here, and fail when nothing has come to an end for as long. What
	 * Postgres ended or was not sent is not done and will not be. The
	 * commit has no such end: what fails by answer_ms, or with its
	 * connection, may be done all the same. */
	int64_t statement_ms;
};

struct pg;
/* Connects by itself and for ever; questions asked while it is down fail
 * UNAVAILABLE at once (through the loop). */
struct pg *pg_new(
    struct loop *l, const struct pg_settings *s, const struct log *log);
void pg_free(struct pg **p);
bool pg_is_up(const struct pg *p);
/* on_change(arg, up) at each change of pg_is_up. */
void pg_on_change(
    struct pg *p, void (*on_change)(void *arg, bool up), void *arg);

struct pg_rows; /* lives until the callback returns */
int pg_count(const struct pg_rows *r);
/* Row and column from 0; NULL for SQL NULL. */
const char *pg_text(const struct pg_rows *r, int row, int column);
bool pg_is_null(const struct pg_rows *r, int row, int column);
int64_t pg_i64(const struct pg_rows *r, int row, int column); /* NULL: 0 */
double pg_f64(const struct pg_rows *r, int row, int column);
bool pg_bool(const struct pg_rows *r, int row, int column);
/* bytea, decoded into the arena. */
void pg_bytes(const struct pg_rows *r, int row, int column, struct arena *a,
    const uint8_t **at, size_t *len);
/* Rows touched by INSERT, UPDATE, DELETE. */
int64_t pg_affected(const struct pg_rows *r);

typedef void pg_answer(void *arg, const struct pg_rows *rows,
    const struct fault *f); /* exactly one of rows and f */
/* params: statement's count of NUL-ended texts, NULL for SQL NULL; copied.
 * Each question is its own transaction. Faults: UNAVAILABLE (try again),
 * TIMEOUT, CONFLICT (a constraint; its name ends the sentence), INTERNAL. */
struct pending *pg_ask(struct pg *p, size_t statement,
    const char *const *params, pg_answer *fn, void *arg);

/* An own connection that LISTENs: on_notify for each message, on_fresh after
 * every (re)connect, when anything may have been missed. */
struct pg_listener;
struct pg_listener *pg_listen(struct loop *l, const char *conninfo,
    const char *application, const char *const *channels, size_t count,
    void (*on_notify)(void *arg, const char *channel, const char *payload),
    void (*on_fresh)(void *arg), void *arg, const struct log *log);
void pg_listener_free(struct pg_listener **x);

/* Blocking, for the command line and migrations: one connection. */
struct pg_session;
bool pg_session_open(const char *conninfo, const char *application,
    struct pg_session **out, struct fault *f);
/* sql may hold several statements when params is NULL. rows may be NULL. */
bool pg_session_run(struct pg_session *s, const char *sql, int params,
    const char *const *values, struct pg_rows **rows, struct fault *f);
/* The same in two steps, one statement: between them the caller goes on while
 * Postgres works. Each question that was taken wants its answer before the
 * session does anything else; a session may be freed without it. */
bool pg_session_ask(struct pg_session *s, const char *sql, int params,
    const char *const *values, struct fault *f);
bool pg_session_answer(
    struct pg_session *s, struct pg_rows **rows, struct fault *f);
/* For rows of a session only. */
void pg_rows_free(struct pg_rows **r);
void pg_session_free(struct pg_session **s);

/* Text forms for parameters, in an arena: array literals with everything
 * quoted, "\x…" for bytea. */
char *pg_array(struct arena *a, const char *const *items, size_t count);
char *pg_bytea(struct arena *a, const void *at, size_t len);
char *pg_int(struct arena *a, int64_t v);

#endif
