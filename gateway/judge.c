/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A buyer judges a request of theirs: the steps JUDGE, FEEDBACK and
 * FEEDBACK_DONE. The answer is composed before it is asked for, because the
 * statement that keeps the feedback keeps the answer with it.
 */
#include <string.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "gateway/exchange_priv.h"

static enum step
refuse(struct exchange *x, const struct fault *f)
{
	x->fault = *f;
	return LEDGER;
}

static bool
is_edit(const struct exchange *x)
{
	return strcmp(x->endpoint->method, "PUT") == 0;
}

enum step
judge_read(struct exchange *x)
{
	struct fault f;

	if (!feedback_read(
		exchange_body(x), is_edit(x), x->arena, &x->feedback, &f))
		return refuse(x, &f);
	if (!is_edit(x))
		return KEPT;
	if (text_is_uuid(text_of(x->variable)) &&
	    uuid_v7_time(x->variable) >= 0)
		return FEEDBACK;
	fault_set(
	    &f, FAULT_FEEDBACK_NOT_FOUND, "you gave no feedback with this id");
	return refuse(x, &f);
}

static void
on_feedback(void *arg, const struct fault *f)
{
	struct exchange *x = arg;

	x->question = NULL;
	if (f != NULL)
		x->fault = *f;
	exchange_advance(x);
}

enum step
judge_ask(struct exchange *x)
{
	struct feedback_row row = {.account = x->principal.account,
	    .idempotency_key = x->idempotency_key};
	uint8_t random[10];
	char id[UUID_TEXT];

	random_bytes(random, sizeof(random));
	uuid_v7(clock_unix_ms(), random, id);
	memcpy(row.body_sha256, x->body_sha256, 32);
	row.id = is_edit(x) ? x->variable : id;
	x->answer = feedback_write(&x->feedback, row.id, x->arena);
	row.answer = x->answer;
	x->status = is_edit(x) ? 200 : 201;
	x->question =
	    (is_edit(x) ? gateway_db_edit_feedback : gateway_db_give_feedback)(
		x->house->feedback_pg, &x->feedback, &row, on_feedback, x);
	return WAIT;
}

/* Where feedback is there already it may be ours, given at the same moment
 * under the same key: we look once more what is kept for it. */
enum step
judge_got(struct exchange *x)
{
	if (x->fault.kind != FAULT_FEEDBACK_EXISTS ||
	    x->idempotency_key == NULL || x->is_judged_again)
		return LEDGER;
	x->is_judged_again = true;
	x->fault.kind = FAULT_NONE;
	x->answer = NULL;
	return KEPT;
}
