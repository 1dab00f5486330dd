/* SPDX-License-Identifier: Apache-2.0 */
/* See canary_db.h; the statements stand in gateway_db.c. */
#include "gateway/gateway_db_priv.h"

static void
read_due(struct ask *x, const struct pg_rows *rows)
{
	int rows_count = pg_count(rows);
	struct canary_due *due =
	    arena_alloc(x->arena, ((size_t)rows_count + 1) * sizeof(*due));
	int64_t late = rows_count > 0 ? pg_i64(rows, 0, 6) : 0;
	size_t n = 0;

	for (int i = 0; i < rows_count; i++) {
		if (pg_is_null(rows, i, 0))
			continue; /* none was taken */
		due[n++] = (struct canary_due){
		    .offer = {pg_text(rows, i, 0), pg_text(rows, i, 1),
			pg_text(rows, i, 2)},
		    .account = pg_text(rows, i, 3),
		    .workspace = pg_text(rows, i, 4),
		    .seed = pg_i64(rows, i, 5)};
	}
	x->fn.canary_due(x->arg, due, n, late - (int64_t)n, NULL);
}

static void
fail_due(struct ask *x, const struct fault *f)
{
	x->fn.canary_due(x->arg, NULL, 0, 0, f);
}

struct pending *
canary_db_claim(struct pg *pg, const struct canary_offer *offers, size_t count,
    int64_t period_ms, size_t most, canary_due_answer *fn, void *arg)
{
	struct ask *x = ask_make(read_due, fail_due, arg);
	const char **columns[3];
	const char *params[5];

	for (int i = 0; i < 3; i++)
		columns[i] =
		    arena_alloc(x->arena, (count + 1) * sizeof(char *));
	for (size_t i = 0; i < count; i++) {
		columns[0][i] = offers[i].did;
		columns[1][i] = offers[i].task;
		columns[2][i] = offers[i].model;
	}
	for (int i = 0; i < 3; i++)
		params[i] = pg_array(x->arena, columns[i], count);
	params[3] = pg_int(x->arena, period_ms);
	params[4] = pg_int(x->arena, (int64_t)most);
	x->fn.canary_due = fn;
	return ask_send(x, pg, CLAIM_CANARY, params);
}

static void
read_known(struct ask *x, const struct pg_rows *rows)
{
	int rows_count = pg_count(rows);
	struct canary_known *known =
	    arena_alloc(x->arena, ((size_t)rows_count + 1) * sizeof(*known));
	size_t n = 0;

	for (int i = 0; i < rows_count; i++) {
		known[n].did = pg_text(rows, i, 0);
		known[n].workspace = pg_text(rows, i, 1);
		known[n].has_tier = pg_bool(rows, i, 3);
		n += canary_read_kept(
		    text_of(pg_text(rows, i, 2)), &known[n].answer, NULL);
	}
	x->fn.canary_known(x->arg, known, n, NULL);
}

static void
fail_known(struct ask *x, const struct fault *f)
{
	x->fn.canary_known(x->arg, NULL, 0, f);
}

struct pending *
canary_db_known(struct pg *pg, const struct canary_offer *o,
    const char *artifact, int64_t prompt, canary_known_answer *fn, void *arg)
{
	struct ask *x = ask_make(read_known, fail_known, arg);
	const char *params[] = {
	    o->task, o->model, artifact, pg_int(x->arena, prompt), o->did};

	x->fn.canary_known = fn;
	return ask_send(x, pg, KNOWN_CANARY, params);
}

struct pending *
canary_db_note(
    struct pg *pg, const struct canary_note *n, done_answer *fn, void *arg)
{
	struct ask *x = ask_done(fn, arg);
	const char *params[] = {n->offer.did, n->offer.task, n->offer.model,
	    n->artifact, pg_int(x->arena, n->prompt), n->workspace,
	    n->verdict == CANARY_UNKNOWN  ? NULL
	    : n->verdict == CANARY_AGREES ? "t"
					  : "f",
	    n->detail, n->answer};

	return ask_send(x, pg, NOTE_CANARY, params);
}
