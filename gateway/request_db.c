/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests and attempts as rows: written in batches, one array a column, and
 * read back by the same tables of columns.
 */
#include "gateway/gateway_db_priv.h"

#include <stddef.h>
#include <string.h>

/* The columns of a batch, in the order of the statement's parameters. */
struct field {
	enum { TEXT, NUMBER, FLAG } type;
	size_t offset;
};
#define R(type, name)                                                          \
	{                                                                      \
		type, offsetof(struct request_row, name)                       \
	}
#define A(type, name)                                                          \
	{                                                                      \
		type, offsetof(struct attempt_row, name)                       \
	}

/* clang-format off */
static const struct field request_fields[] = {
	R(TEXT, id), R(NUMBER, created_at), R(TEXT, account),
	R(TEXT, workspace), R(TEXT, key), R(TEXT, endpoint), R(TEXT, task),
	R(TEXT, model), R(FLAG, streamed), R(TEXT, pool_wanted),
	R(TEXT, min_tier), R(FLAG, verified), R(TEXT, did), R(TEXT, pool),
	R(TEXT, tier), R(TEXT, quantization), R(TEXT, outcome),
	R(NUMBER, status), R(TEXT, fault_code), R(TEXT, fault_why),
	R(NUMBER, attempts), R(TEXT, rejected), R(NUMBER, prompt_tokens),
	R(NUMBER, completion_tokens), R(NUMBER, request_bytes),
	R(NUMBER, response_bytes), R(NUMBER, auth_us), R(NUMBER, route_us),
	R(NUMBER, mint_us), R(NUMBER, connect_us), R(NUMBER, first_byte_us),
	R(NUMBER, total_us), R(TEXT, instance),
};
static const struct field attempt_fields[] = {
	A(TEXT, request), A(NUMBER, created_at), A(NUMBER, ordinal),
	A(TEXT, did), A(TEXT, pool), A(TEXT, tier), A(TEXT, outcome),
	A(NUMBER, status), A(TEXT, fault_code), A(TEXT, fault_why),
	A(NUMBER, started_us), A(NUMBER, first_byte_us), A(NUMBER, total_us),
};
/* clang-format on */
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define REQUEST_FIELDS COUNT(request_fields)
#define ATTEMPT_FIELDS COUNT(attempt_fields)

static const char *
field_text(struct arena *a, const struct field *f, const char *row)
{
	const char *text;
	int64_t number;
	bool flag;

	switch (f->type) {
	case TEXT:
		memcpy(&text, row + f->offset, sizeof(text));
		return text;
	case NUMBER:
		memcpy(&number, row + f->offset, sizeof(number));
		return number < 0 ? NULL : pg_int(a, number);
	case FLAG:
		break;
	}
	memcpy(&flag, row + f->offset, sizeof(flag));
	return flag ? "t" : "f";
}

/* One array parameter a column. */
static void
put_columns(struct arena *a, const struct field *fields, size_t field_count,
    const void *rows, size_t row_size, size_t row_count, const char **params)
{
	const char **items = arena_alloc(a, (row_count + 1) * sizeof(*items));

	for (size_t i = 0; i < field_count; i++) {
		for (size_t k = 0; k < row_count; k++)
			items[k] = field_text(
			    a, &fields[i], (const char *)rows + k * row_size);
		params[i] = pg_array(a, items, row_count);
	}
}

struct pending *
gateway_db_write_requests(struct pg *pg, const struct request_row *requests,
    size_t request_count, const struct attempt_row *attempts,
    size_t attempt_count, done_answer *fn, void *arg)
{
	const char *params[REQUEST_FIELDS + ATTEMPT_FIELDS];
	struct ask *x = ask_done(fn, arg);

	put_columns(x->arena, request_fields, REQUEST_FIELDS, requests,
	    sizeof(*requests), request_count, params);
	put_columns(x->arena, attempt_fields, ATTEMPT_FIELDS, attempts,
	    sizeof(*attempts), attempt_count, params + REQUEST_FIELDS);
	return ask_send(x, pg, WRITE_REQUESTS, params);
}

/* The same tables read what they write. */
static void
read_fields(const struct field *fields, size_t count,
    const struct pg_rows *rows, int row, int column, void *out)
{
	for (size_t i = 0; i < count; i++, column++) {
		char *at = (char *)out + fields[i].offset;
		const char *text = pg_text(rows, row, column);
		int64_t number = text != NULL ? pg_i64(rows, row, column) : -1;
		bool flag = pg_bool(rows, row, column);

		switch (fields[i].type) {
		case TEXT:
			memcpy(at, &text, sizeof(text));
			break;
		case NUMBER:
			memcpy(at, &number, sizeof(number));
			break;
		case FLAG:
			memcpy(at, &flag, sizeof(flag));
			break;
		}
	}
}

static void
read_request(struct ask *x, const struct pg_rows *rows)
{
	int count = pg_count(rows);
	const int first = (int)REQUEST_FIELDS;
	struct attempt_row *attempts;
	struct request_row row;
	size_t n = 0;

	if (count == 0) {
		x->fn.request(x->arg, NULL, NULL, 0, NULL);
		return;
	}
	read_fields(request_fields, REQUEST_FIELDS, rows, 0, 0, &row);
	attempts = arena_alloc(x->arena, (size_t)count * sizeof(*attempts));
	for (int i = 0; i < count; i++) {
		if (!pg_is_null(rows, i, first))
			read_fields(attempt_fields, ATTEMPT_FIELDS, rows, i,
			    first, &attempts[n++]);
	}
	x->fn.request(x->arg, &row, attempts, n, NULL);
}

static void
fail_request(struct ask *x, const struct fault *f)
{
	x->fn.request(x->arg, NULL, NULL, 0, f);
}

struct pending *
gateway_db_find_request(struct pg *pg, const char *id, const char *account,
    request_answer *fn, void *arg)
{
	struct ask *x = ask_make(read_request, fail_request, arg);
	bool is_ours = text_is_uuid(text_of(id)) && uuid_v7_time(id) >= 0;
	const char *params[] = {
	    is_ours ? id : "00000000-0000-0000-0000-000000000000", account,
	    pg_int(x->arena, is_ours ? uuid_v7_time(id) : 0)};

	x->fn.request = fn;
	return ask_send(x, pg, FIND_REQUEST, params);
}
