/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a provider may read of itself beyond what everybody may: how often it
 * was considered and not chosen, by reason. Part of the step DESCRIBE; where
 * Postgres is away the rest of the answer stands and this is null.
 */
#include <string.h>

#include "base/json.h"
#include "gateway/blur.h"
#include "gateway/exchange_priv.h"

#define ANSWER_MAX (4 << 20)

/* Another device of the provider's workspace would tell by exact counts which
 * request was a buyer's: a canary passes nobody over. */
static json_t *
reasons_json(const struct not_chosen_row *rows, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(
		    list, json_pack("{s:s, s:s, s:s, s:I}", "task",
			      rows[i].task, "model", rows[i].model, "reason",
			      rows[i].reason, "times",
			      (json_int_t)blur_count((double)rows[i].times)));
	return list;
}

static void
on_reasons(void *arg, const struct not_chosen_row *rows, size_t count,
    const struct fault *f)
{
	struct exchange *x = arg;
	json_t *o;

	x->question = NULL;
	if (json_read(text_of(x->answer), ANSWER_MAX, &o, NULL)) {
		json_object_set_new(o, "not_chosen",
		    f == NULL ? reasons_json(rows, count) : json_null());
		x->answer = json_write(x->arena, o);
		json_free(&o);
	}
	exchange_advance(x);
}

enum step
standing_ask(struct exchange *x)
{
	const struct catalog_device *d =
	    catalog_device_find(x->catalog, x->variable);

	if (x->answer == NULL || d == NULL ||
	    strcmp(d->workspace, x->principal.workspace) != 0)
		return DESCRIBED;
	x->question = gateway_db_find_not_chosen(
	    x->house->pg, x->variable, on_reasons, x);
	return WAIT;
}
