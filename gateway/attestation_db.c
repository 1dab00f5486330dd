/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence as rows: the active policy, verdicts, collateral, signatures.
 */
#include "gateway/gateway_db_priv.h"

/* ------------------------------------------------------------------ policy */

static void
read_policy(struct ask *x, const struct pg_rows *rows)
{
	if (pg_count(rows) == 0)
		x->fn.policy(x->arg, 0, NULL, NULL);
	else
		x->fn.policy(
		    x->arg, pg_i64(rows, 0, 0), pg_text(rows, 0, 1), NULL);
}

static void
fail_policy(struct ask *x, const struct fault *f)
{
	x->fn.policy(x->arg, 0, NULL, f);
}

struct pending *
gateway_db_load_policy(struct pg *pg, policy_answer *fn, void *arg)
{
	struct ask *x = ask_make(read_policy, fail_policy, arg);

	x->fn.policy = fn;
	return ask_send(x, pg, LOAD_POLICY, NULL);
}

/* ---------------------------------------------------------------- verdicts */

struct pending *
gateway_db_write_verdict(
    struct pg *pg, const struct verdict_row *row, done_answer *fn, void *arg)
{
	struct ask *x = ask_done(fn, arg);
	const char *params[] = {row->id, row->did, pg_int(x->arena, row->slot),
	    row->session, pg_int(x->arena, row->judged_at), row->status,
	    row->reason, row->failed, row->why, pg_int(x->arena, row->renew_by),
	    row->measurement, row->signing_address, row->policy_digest,
	    row->checks, row->bound, row->evidence, row->instance};

	return ask_send(x, pg, WRITE_VERDICT, params);
}

/* -------------------------------------------------------------- collateral */

static void
read_collateral(struct ask *x, const struct pg_rows *rows)
{
	struct collateral_row row = {0};

	if (pg_count(rows) == 0) {
		x->fn.collateral(x->arg, NULL, NULL);
		return;
	}
	pg_bytes(rows, 0, 0, x->arena, &row.body.at, &row.body.len);
	row.source = pg_text(rows, 0, 1);
	row.fetched_at = pg_i64(rows, 0, 2);
	x->fn.collateral(x->arg, &row, NULL);
}

static void
fail_collateral(struct ask *x, const struct fault *f)
{
	x->fn.collateral(x->arg, NULL, f);
}

struct pending *
gateway_db_find_collateral(
    struct pg *pg, const char *name, collateral_answer *fn, void *arg)
{
	struct ask *x = ask_make(read_collateral, fail_collateral, arg);
	const char *params[] = {name};

	x->fn.collateral = fn;
	return ask_send(x, pg, FIND_COLLATERAL, params);
}

struct pending *
gateway_db_keep_collateral(
    struct pg *pg, const struct collateral_row *row, done_answer *fn, void *arg)
{
	struct ask *x = ask_done(fn, arg);
	const char *params[] = {row->name,
	    pg_bytea(x->arena, row->body.at, row->body.len), row->source,
	    pg_int(x->arena, row->fetched_at),
	    pg_array(x->arena, row->edition, row->edition_count)};

	return ask_send(x, pg, KEEP_COLLATERAL, params);
}

struct pending *
gateway_db_fail_collateral(struct pg *pg, const char *name, int64_t at,
    const char *code, done_answer *fn, void *arg)
{
	struct ask *x = ask_done(fn, arg);
	const char *params[] = {name, pg_int(x->arena, at), code};

	return ask_send(x, pg, FAIL_COLLATERAL, params);
}

/* -------------------------------------------------------------- signatures */

struct pending *
gateway_db_keep_signature(
    struct pg *pg, const struct signature_row *row, done_answer *fn, void *arg)
{
	struct ask *x = ask_done(fn, arg);
	const char *params[] = {
	    pg_array(x->arena, row->chat_ids, row->chat_ids[1] != NULL ? 2 : 1),
	    row->account, row->request, row->did, row->text, row->signature,
	    row->address, row->algorithm, row->complete ? "true" : "false",
	    pg_int(x->arena, row->bytes), row->missing};

	return ask_send(x, pg, KEEP_SIGNATURE, params);
}

static void
read_signature(struct ask *x, const struct pg_rows *rows)
{
	struct signature_row row = {0};

	if (pg_count(rows) == 0) {
		x->fn.signature(x->arg, NULL, NULL);
		return;
	}
	row.text = pg_text(rows, 0, 0);
	row.signature = pg_text(rows, 0, 1);
	row.address = pg_text(rows, 0, 2);
	row.algorithm = pg_text(rows, 0, 3);
	row.complete = pg_bool(rows, 0, 4);
	row.did = pg_text(rows, 0, 5);
	row.request = pg_text(rows, 0, 6);
	row.bytes = pg_i64(rows, 0, 7);
	row.missing = pg_text(rows, 0, 8);
	x->fn.signature(x->arg, &row, NULL);
}

static void
fail_signature(struct ask *x, const struct fault *f)
{
	x->fn.signature(x->arg, NULL, f);
}

struct pending *
gateway_db_find_signature(struct pg *pg, const char *account,
    const char *chat_id, signature_answer *fn, void *arg)
{
	struct ask *x = ask_make(read_signature, fail_signature, arg);
	const char *params[] = {account, chat_id};

	x->fn.signature = fn;
	return ask_send(x, pg, FIND_SIGNATURE, params);
}
