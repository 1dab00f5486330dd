/* SPDX-License-Identifier: Apache-2.0 */
/* Printing rows: widths are measured first, so a table is held whole; lists
 * are bounded in their SQL. */
#include "client/table.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

enum { CELL_BYTES = 16 << 20 };

static json_t *
cell_json(const struct column *column, const char *value)
{
	json_t *j;

	if (value == NULL)
		return json_null();
	switch (column->type) {
	case COLUMN_NUMBER:
	case COLUMN_JSON:
		if (json_read_value(text_of(value), CELL_BYTES, &j, NULL))
			return j;
		return json_string(value);
	case COLUMN_BOOL:
		return json_boolean(value[0] == 't');
	case COLUMN_TEXT:
		break;
	}
	return json_string(value);
}

static json_t *
row_json(const struct column *columns, size_t column_count,
    const struct pg_rows *rows, int row)
{
	json_t *o = json_object();

	for (size_t i = 0; i < column_count; i++)
		json_object_set_new(o, columns[i].name,
		    cell_json(&columns[i], pg_text(rows, row, (int)i)));
	return o;
}

static void
print_json(json_t *j)
{
	char *s = json_dumps(j, JSON_INDENT(2));

	puts(s);
	free(s);
	json_decref(j);
}

/* Characters, not bytes: UTF-8 continuation bytes take no column. */
static size_t
width(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static const char *
cell(const struct column *column, const struct pg_rows *rows, int row, int i,
    char *room, size_t size)
{
	const char *value = pg_text(rows, row, i);
	size_t n = 0;

	if (value == NULL)
		return "-";
	if (column->type == COLUMN_BOOL)
		return value[0] == 't' ? "yes" : "no";
	for (; value[n] != '\0' && n + 1 < size; n++) {
		unsigned char ch = (unsigned char)value[n];

		room[n] = ch < 0x20 || ch == 0x7f ? '?' : value[n];
	}
	room[n] = '\0';
	return room;
}

void
table_print(const struct cli *c, const struct column *columns,
    size_t column_count, const struct pg_rows *rows)
{
	size_t widths[32] = {0};
	char room[2048];
	json_t *array;

	if (c->json) {
		array = json_array();
		for (int row = 0; row < pg_count(rows); row++)
			json_array_append_new(
			    array, row_json(columns, column_count, rows, row));
		print_json(array);
		return;
	}
	for (size_t i = 0; i < column_count; i++) {
		widths[i] = strlen(columns[i].name);
		for (int row = 0; row < pg_count(rows); row++) {
			size_t n = width(cell(
			    &columns[i], rows, row, (int)i, room, sizeof room));

			if (n > widths[i])
				widths[i] = n;
		}
	}
	for (size_t i = 0; i < column_count; i++)
		printf("%-*s%s", (int)widths[i], columns[i].name,
		    i + 1 < column_count ? "  " : "\n");
	for (int row = 0; row < pg_count(rows); row++)
		for (size_t i = 0; i < column_count; i++) {
			const char *s = cell(
			    &columns[i], rows, row, (int)i, room, sizeof room);
			int pad = (int)(widths[i] - width(s));

			if (columns[i].type == COLUMN_NUMBER)
				printf("%*s%s", pad, "", s);
			else
				printf("%s%*s", s,
				    i + 1 < column_count ? pad : 0, "");
			fputs(i + 1 < column_count ? "  " : "\n", stdout);
		}
	if (pg_count(rows) == 0)
		puts("(none)");
}

void
table_print_one(const struct cli *c, const struct column *columns,
    size_t column_count, const struct pg_rows *rows, int row)
{
	size_t widest = 0;
	char room[8192];

	if (c->json) {
		print_json(row_json(columns, column_count, rows, row));
		return;
	}
	for (size_t i = 0; i < column_count; i++)
		if (strlen(columns[i].name) > widest)
			widest = strlen(columns[i].name);
	for (size_t i = 0; i < column_count; i++)
		printf("%-*s  %s\n", (int)widest, columns[i].name,
		    cell(&columns[i], rows, row, (int)i, room, sizeof room));
}

bool
table_query(const struct cli *c, const struct column *columns,
    size_t column_count, const char *sql, int params, const char *const *values,
    struct fault *f)
{
	struct pg_session *s = NULL;
	struct pg_rows *rows = NULL;
	bool ok;

	ok = cli_database(c, &s, f) &&
	     pg_session_run(s, sql, params, values, &rows, f);
	if (ok)
		table_print(c, columns, column_count, rows);
	pg_rows_free(&rows);
	pg_session_free(&s);
	return ok;
}

/* What a broken constraint means to the one who typed the command. */
static void
explain_conflict(struct fault *f)
{
	size_t len = strlen(f->why);

	if (f->kind != FAULT_CONFLICT)
		return;
	if (len > 9 && strcmp(f->why + len - 9, "_name_key") == 0)
		fault_set(f, FAULT_CONFLICT, "that name is taken");
	else if (strstr(f->why, "workspace_name_check") != NULL)
		fault_set(f, FAULT_CONFLICT,
		    "a workspace's name is 1 to 63 of a-z, 0-9, '.', '_', "
		    "'-', and begins with a letter or digit");
}

bool
table_change(const struct cli *c, const struct column *columns,
    size_t column_count, const char *sql, int params, const char *const *values,
    const char *what, struct fault *f)
{
	struct pg_session *s = NULL;
	struct pg_rows *rows = NULL;
	bool ok;

	ok = cli_database(c, &s, f) &&
	     pg_session_run(s, sql, params, values, &rows, f);
	if (!ok)
		explain_conflict(f);
	if (ok && pg_count(rows) == 0)
		ok = fault_set(f, FAULT_NOT_FOUND, "%s", what);
	if (ok)
		table_print_one(c, columns, column_count, rows, 0);
	pg_rows_free(&rows);
	pg_session_free(&s);
	return ok;
}

bool
table_query_one(const struct cli *c, const struct column *columns,
    size_t column_count, const char *sql, const char *value, const char *what,
    struct fault *f)
{
	const char *values[] = {value};

	return table_change(c, columns, column_count, sql, 1, values, what, f);
}
