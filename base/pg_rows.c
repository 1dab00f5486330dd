/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results read as values, errors read as faults, and the text forms of
 * parameters. A statement's author knows its columns, so a column that is not
 * there is our bug and asserts.
 */
#include "base/pg_rows.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"

/* PostgreSQL, appendix A. Class 22 messages quote the offending value, which
 * may be anybody's data, so only their code is told. */
static bool
result_fault(
    const PGresult *r, const char *state, const char *name, struct fault *f)
{
	const char *says = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	const char *what = PQresultErrorField(r, PG_DIAG_CONSTRAINT_NAME);

	if (says == NULL)
		says = "no message";
	if (what == NULL)
		what = PQresultErrorField(r, PG_DIAG_COLUMN_NAME);
	if (strncmp(state, "23", 2) == 0)
		return fault_set(f, FAULT_CONFLICT, "%s: violates %s", name,
		    what == NULL ? "a constraint" : what);
	if (strcmp(state, "57014") == 0)
		return fault_set(f, FAULT_TIMEOUT, "%s: %s", name, says);
	if (strncmp(state, "22", 2) == 0)
		return fault_set(f, FAULT_INTERNAL,
		    "%s: a value does not fit (SQLSTATE %s)", name, state);
	/* Connection, transaction rollback, resources, operator, system; and
	 * a standby that was the primary a moment ago. */
	if (strncmp(state, "08", 2) == 0 || strncmp(state, "40", 2) == 0 ||
	    strncmp(state, "53", 2) == 0 || strncmp(state, "57", 2) == 0 ||
	    strncmp(state, "58", 2) == 0 || strcmp(state, "25006") == 0)
		return fault_set(f, FAULT_UNAVAILABLE, "%s: %s", name, says);
	return fault_set(
	    f, FAULT_INTERNAL, "%s: %s (SQLSTATE %s)", name, says, state);
}

bool
pg_result_judge(const PGresult *r, const char *name, struct fault *f)
{
	ExecStatusType status = PQresultStatus(r);
	const char *state;

	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK ||
	    status == PGRES_EMPTY_QUERY)
		return true;
	if (r == NULL)
		return fault_set(f, FAULT_UNAVAILABLE, "%s: no result", name);
	state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	/* Without a code it was libpq that spoke: the connection broke. */
	if (state == NULL)
		return fault_set(
		    f, FAULT_UNAVAILABLE, "%s: connection lost", name);
	return result_fault(r, state, name, f);
}

int
pg_count(const struct pg_rows *r)
{
	return PQntuples(r->result);
}

bool
pg_is_null(const struct pg_rows *r, int row, int column)
{
	assert(row >= 0 && row < PQntuples(r->result));
	assert(column >= 0 && column < PQnfields(r->result));
	return PQgetisnull(r->result, row, column) != 0;
}

const char *
pg_text(const struct pg_rows *r, int row, int column)
{
	if (pg_is_null(r, row, column))
		return NULL;
	return PQgetvalue(r->result, row, column);
}

int64_t
pg_i64(const struct pg_rows *r, int row, int column)
{
	const char *s = pg_text(r, row, column);

	return s == NULL ? 0 : strtoll(s, NULL, 10);
}

double
pg_f64(const struct pg_rows *r, int row, int column)
{
	const char *s = pg_text(r, row, column);

	return s == NULL ? 0 : strtod(s, NULL);
}

bool
pg_bool(const struct pg_rows *r, int row, int column)
{
	const char *s = pg_text(r, row, column);

	return s != NULL && s[0] == 't';
}

void
pg_bytes(const struct pg_rows *r, int row, int column, struct arena *a,
    const uint8_t **at, size_t *len)
{
	const char *s = pg_text(r, row, column);
	unsigned char *raw;

	*at = NULL;
	*len = 0;
	if (s == NULL)
		return;
	raw = PQunescapeBytea((const unsigned char *)s, len);
	assert(raw != NULL);
	*at = (const uint8_t *)arena_copy(a, raw, *len);
	PQfreemem(raw);
}

int64_t
pg_affected(const struct pg_rows *r)
{
	const char *s = PQcmdTuples(r->result);

	return strtoll(s, NULL, 10);
}

void
pg_rows_free(struct pg_rows **r)
{
	if (*r == NULL)
		return;
	PQclear((*r)->result);
	mem_free(*r);
	*r = NULL;
}

/* Everything quoted, so that NULL, commas, braces and blanks are data. */
char *
pg_array(struct arena *a, const char *const *items, size_t count)
{
	size_t size = 3;
	char *out, *o;

	for (size_t i = 0; i < count; i++)
		size += items[i] == NULL ? 5 : strlen(items[i]) * 2 + 3;
	o = out = arena_alloc(a, size);
	*o++ = '{';
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			*o++ = ',';
		if (items[i] == NULL) {
			memcpy(o, "NULL", 4);
			o += 4;
			continue;
		}
		*o++ = '"';
		for (const char *c = items[i]; *c != '\0'; c++) {
			if (*c == '"' || *c == '\\')
				*o++ = '\\';
			*o++ = *c;
		}
		*o++ = '"';
	}
	*o++ = '}';
	*o = '\0';
	return out;
}

char *
pg_bytea(struct arena *a, const void *at, size_t len)
{
	char *out = arena_alloc(a, HEX_SIZE(len) + 2);

	out[0] = '\\';
	out[1] = 'x';
	hex_encode(bytes_of(at, len), out + 2);
	return out;
}

char *
pg_int(struct arena *a, int64_t v)
{
	return arena_printf(a, "%lld", (long long)v);
}
