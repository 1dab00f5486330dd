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
	x->fn.done(x->arg, f.kind == FAULT_NONE ? NULL : &f);
}

static void
fail_unavailable(struct ask *x, const struct fault *f)
{
	struct fault own;

	fault_set(&own, FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE, "%s", f->why);
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
	struct ask *x = ask_make(read_given, fail_unavailable, arg);
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
    const struct feedback_row *row, done_answer *fn, void *arg)
{
	struct ask *x = ask_make(read_edited, fail_unavailable, arg);
	const char *params[7] = {
	    row->id, pg_int(x->arena, uuid_v7_time(row->id)), row->account};

	x->fn.done = fn;
	judgement(b, x->arena, params + 3);
	return ask_send(x, pg, EDIT_FEEDBACK, params);
}
