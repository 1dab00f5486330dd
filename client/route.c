/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay route: asks the gateway how it would route, without sending anything,
 * and explains the answer: who would serve, and why each other would not.
 */
#include <stdio.h>

#include "base/json.h"
#include "client/ask.h"

/* {"task", "model", "options"} from the command's options. */
static bool
request_body(struct cli *c, json_t **out, struct fault *f)
{
	static const char *const lists[] = {
	    "only", "ignore", "order", "quantization"};
	static const char *const members[] = {
	    "only", "ignore", "order", "quantizations"};
	const char *model, *task = cli_option(c, "task"), **values;
	json_t *options;

	if (!cli_require(c, "model", &model, f))
		return false;
	options = json_object();
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		size_t count = cli_options(c, lists[i], &values);
		json_t *array = json_array();

		for (size_t k = 0; k < count; k++)
			json_array_append_new(array, json_string(values[k]));
		if (count > 0)
			json_object_set(options, members[i], array);
		json_decref(array);
	}
	if (cli_option(c, "min-tier") != NULL)
		json_object_set_new(options, "min_tier",
		    json_string(cli_option(c, "min-tier")));
	if (cli_option(c, "pool") != NULL)
		json_object_set_new(
		    options, "pool", json_string(cli_option(c, "pool")));
	if (cli_option(c, "verified") != NULL)
		json_object_set_new(options, "verified", json_true());
	*out = json_pack("{s:s, s:s, s:o}", "task",
	    task != NULL ? task : "chat", "model", model, "options", options);
	return true;
}

static const char *
member(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s != NULL ? s : "-";
}

static void
explain(const json_t *answer)
{
	const json_t *candidates = json_object_get(answer, "candidates");
	const json_t *choice = json_object_get(answer, "choice");
	const json_t *one;
	size_t i;

	if (json_is_object(choice))
		printf("would go to %s\n\n", member(choice, "did"));
	else
		printf("would be refused: %s\n\n",
		    member(json_object_get(answer, "error"), "code"));
	printf("%-62s %-12s %-7s %s\n", "did", "pool", "tier", "verdict");
	json_array_foreach(candidates, i, one)
	{
		const json_t *reason = json_object_get(one, "reason");

		printf("%-62s %-12s %-7s %s\n", member(one, "did"),
		    member(one, "pool"), member(one, "tier"),
		    json_is_string(reason) ? json_string_value(reason)
					   : "admissible");
	}
	if (json_array_size(candidates) == 0)
		puts("(nobody offers this model for this task)");
}

static bool
route(struct cli *c, struct fault *f)
{
	json_t *body = NULL, *answer = NULL;
	struct text text;
	bool ok;

	ok = request_body(c, &body, f) &&
	     ask_gateway(c, "/v1/route", body, &text, f) &&
	     json_read(text, ASK_ANSWER_BYTES, &answer, f);
	if (ok && c->json)
		puts(json_write(c->arena, answer));
	else if (ok)
		explain(answer);
	json_free(&body);
	json_free(&answer);
	return ok;
}

static const struct option_rule options[] = {
    {"model", "CANONICAL", "the model"}, {"task", "TASK", "default chat"},
    {"min-tier", "TIER", "bronze, silver or gold"},
    {"pool", "POOL", "workspace or marketplace"},
    {"verified", NULL, "only verified providers"},
    {"only", "DID", "repeatable"}, {"ignore", "DID", "repeatable"},
    {"order", "DID", "repeatable, in order"},
    {"quantization", "Q", "repeatable"}, {0}};

/* clang-format off */
const struct command route_commands[] = {
    {"route", NULL, "", 0, 0, options,
     "dry run: who would serve, and why nobody else", route},
    {0},
};
/* clang-format on */
