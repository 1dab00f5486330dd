/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A buyer judges a request of theirs: the steps JUDGE, FEEDBACK and
 * FEEDBACK_DONE. The answer to new feedback is composed before it is asked
 * for, because the statement that keeps the feedback keeps the answer with it.
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
on_given(void *arg, const struct fault *f)
{
	struct exchange *x = arg;

	x->question = NULL;
	if (f != NULL)
		x->fault = *f;
	exchange_advance(x);
}

static void
on_edited(void *arg, const char *request, const struct fault *f)
{
	struct exchange *x = arg;

	x->question = NULL;
	if (f != NULL) {
		x->fault = *f;
	} else {
		x->feedback.request = arena_string(x->arena, request);
		x->answer = feedback_write(&x->feedback, x->variable, x->arena);
		x->status = 200;
	}
	exchange_advance(x);
}

static struct pending *
ask_edit(struct exchange *x)
{
	struct feedback_row row = {
	    .id = x->variable, .account = x->principal.account};

	return gateway_db_edit_feedback(
	    x->house->feedback_pg, &x->feedback, &row, on_edited, x);
}

static struct pending *
ask_give(struct exchange *x)
{
	struct feedback_row row = {.account = x->principal.account,
	    .idempotency_key = x->idempotency_key};
	uint8_t random[10];
	char id[UUID_TEXT];

	random_bytes(random, sizeof(random));
	uuid_v7(clock_unix_ms(), random, id);
	memcpy(row.body_sha256, x->body_sha256, 32);
	row.id = id;
	row.answer = x->answer = feedback_write(&x->feedback, id, x->arena);
	x->status = 201;
	return gateway_db_give_feedback(
	    x->house->feedback_pg, &x->feedback, &row, on_given, x);
}

enum step
judge_ask(struct exchange *x)
{
	x->question = is_edit(x) ? ask_edit(x) : ask_give(x);
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
