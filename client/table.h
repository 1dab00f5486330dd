/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows for people (aligned columns on a terminal or a pipe) or for scripts
 * (--json: one array of objects). Values came from the database and may have
 * come from strangers before: control characters never reach a terminal.
 */
#ifndef CLIENT_TABLE_H
#define CLIENT_TABLE_H

#include "base/pg.h"
#include "client/command.h"

enum column_type { COLUMN_TEXT, COLUMN_NUMBER, COLUMN_BOOL, COLUMN_JSON };

struct column {
	const char *name; /* snake_case: heading and JSON member */
	enum column_type type;
};

/* Column i of the rows is column i of the table. */
void table_print(const struct cli *c, const struct column *columns,
    size_t column_count, const struct pg_rows *rows);
/* One row as `name  value` lines, or as one JSON object. */
void table_print_one(const struct cli *c, const struct column *columns,
    size_t column_count, const struct pg_rows *rows, int row);

/* Opens the database, runs, prints: what every list is. */
bool table_query(const struct cli *c, const struct column *columns,
    size_t column_count, const char *sql, int params, const char *const *values,
    struct fault *f);
/* The same for a `show`: fails NOT_FOUND with `what` where nothing is. */
bool table_query_one(const struct cli *c, const struct column *columns,
    size_t column_count, const char *sql, const char *value, const char *what,
    struct fault *f);
/* Runs a change that returns the changed row's columns: prints it, or fails
 * NOT_FOUND with `what` where nothing changed. */
bool table_change(const struct cli *c, const struct column *columns,
    size_t column_count, const char *sql, int params, const char *const *values,
    const char *what, struct fault *f);

#define COLUMNS(a) (a), sizeof(a) / sizeof *(a)

#endif
