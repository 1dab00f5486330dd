/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feedback as rows. One statement says whether the request is the buyer's
 * own and was served, keeps the feedback and keeps the answer for its
 * idempotency-key: all of it is durable, or none.
 */
#include "gateway/gateway_db_priv.h"

static void
read_given(struct ask *x, const struct pg_rows *rows)
{
	struct fault f;

	if (pg_count(rows) == 0)
		fault_set(&f, FAULT_REQUEST_NOT_FOUND,
		    "you made no request with this id (one that has just "
		    "ended may take a second to appear)");
	else if (!pg_bool(rows, 0, 0))
		fault_set(&f, FAULT_REQUEST_NOT_SERVED,
		    "no provider served this request");
	else if (!pg_bool(rows, 0, 1))
		fault_set(&f, FAULT_FEEDBACK_CLOSED,
		    "feedback can be given for 7 days after the request");
	else if (pg_i64(rows, 0, 2) == 0)
		fault_set(&f, FAULT_FEEDBACK_EXISTS,
		    "there is feedback on this request already; change it "
		    "with PUT /v1/feedback/%s",
		    pg_is_null(rows, 0, 3) ? "{id}" : pg_text(rows, 0, 3));
	else
		f.kind = FAULT_NONE;
	x->fn.done(x->arg, f.kind == FAULT_NONE ? NULL : &f);
}

static void
read_edited(struct ask *x, const struct pg_rows *rows)
{
	struct fault f;

	if (pg_count(rows) == 0)
		fault_set(&f, FAULT_FEEDBACK_NOT_FOUND,
		    "you gave no feedback with this id");
	else if (pg_i64(rows, 0, 0) == 0)
		fault_set(&f, FAULT_FEEDBACK_CLOSED,
		    "feedback can be changed for 24 hours");
	else
		f.kind = FAULT_NONE;
	if (f.kind == FAULT_NONE)
		x->fn.edited(x->arg, pg_text(rows, 0, 1), NULL);
	else
		x->fn.edited(x->arg, NULL, &f);
}

static void
fail_edited(struct ask *x, const struct fault *f)
{
	struct fault own;

	fault_set(&own, FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE, "%s", f->why);
	x->fn.edited(x->arg, NULL, &own);
}

/* Somebody else's feedback came between our look and our writing. */
static void
fail_given(struct ask *x, const struct fault *f)
{
	struct fault own;

	if (f->kind == FAULT_CONFLICT)
		fault_set(&own, FAULT_FEEDBACK_EXISTS,
		    "there is feedback on this request already");
	else
		fault_set(
		    &own, FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE, "%s", f->why);
	x->fn.done(x->arg, &own);
}

/* Four parameters: quality, verdict, issues, comment. */
static void
judgement(const struct feedback *b, struct arena *a, const char **params)
{
	params[0] = b->quality < 0 ? NULL : pg_int(a, b->quality);
	params[1] = b->verdict;
	params[2] = pg_array(a, b->issues, b->issue_count);
	params[3] = b->comment;
}

struct pending *
gateway_db_give_feedback(struct pg *pg, const struct feedback *b,
    const struct feedback_row *row, done_answer *fn, void *arg)
{
	struct ask *x = ask_make(read_given, fail_given, arg);
	const char *params[11] = {b->request,
	    pg_int(x->arena, uuid_v7_time(b->request)), row->account, row->id};

	x->fn.done = fn;
	judgement(b, x->arena, params + 4);
	params[8] = row->idempotency_key;
	params[9] = pg_bytea(x->arena, row->body_sha256, 32);
	params[10] = row->answer;
	return ask_send(x, pg, GIVE_FEEDBACK, params);
}

struct pending *
gateway_db_edit_feedback(struct pg *pg, const struct feedback *b,
    const struct feedback_row *row, edited_answer *fn, void *arg)
{
	struct ask *x = ask_make(read_edited, fail_edited, arg);
	const char *params[7] = {
	    row->id, pg_int(x->arena, uuid_v7_time(row->id)), row->account};

	x->fn.edited = fn;
	judgement(b, x->arena, params + 3);
	return ask_send(x, pg, EDIT_FEEDBACK, params);
}

/* -------------------------------------------------------------- not chosen */

struct pending *
gateway_db_count_not_chosen(struct pg *pg, const struct not_chosen_row *rows,
    size_t count, done_answer *fn, void *arg)
{
	struct ask *x = ask_done(fn, arg);
	const char **columns[6];
	const char *params[6];

	for (size_t c = 0; c < 6; c++)
		columns[c] =
		    arena_alloc(x->arena, (count + 1) * sizeof(char *));
	for (size_t i = 0; i < count; i++) {
		columns[0][i] = rows[i].did;
		columns[1][i] = rows[i].task;
		columns[2][i] = rows[i].model;
		columns[3][i] = rows[i].reason;
		columns[4][i] = pg_int(x->arena, rows[i].times);
		columns[5][i] = pg_int(x->arena, rows[i].day);
	}
	for (size_t c = 0; c < 6; c++)
		params[c] = pg_array(x->arena, columns[c], count);
	return ask_send(x, pg, COUNT_NOT_CHOSEN, params);
}

static void
read_reasons(struct ask *x, const struct pg_rows *rows)
{
	size_t count = (size_t)pg_count(rows);
	struct not_chosen_row *at =
	    arena_alloc(x->arena, (count + 1) * sizeof(*at));

	for (int i = 0; i < (int)count; i++)
		at[i] = (struct not_chosen_row){.did = pg_text(rows, i, 0),
		    .task = pg_text(rows, i, 1),
		    .model = pg_text(rows, i, 2),
		    .reason = pg_text(rows, i, 3),
		    .times = pg_i64(rows, i, 4)};
	x->fn.reasons(x->arg, at, count, NULL);
}

static void
fail_reasons(struct ask *x, const struct fault *f)
{
	x->fn.reasons(x->arg, NULL, 0, f);
}

struct pending *
gateway_db_find_not_chosen(
    struct pg *pg, const char *did, reasons_answer *fn, void *arg)
{
	struct ask *x = ask_make(read_reasons, fail_reasons, arg);

	x->fn.reasons = fn;
	return ask_send(x, pg, FIND_NOT_CHOSEN, &did);
}
