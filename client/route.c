/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay route: asks the gateway how it would route, without sending anything,
 * and explains the answer: who would serve, and why each other would not.
 */
#include "client/route.h"

#include "client/ask.h"

enum { SAID_BYTES = 300 };

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
said(struct arena *a, const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));
	char *out = arena_alloc(a, SAID_BYTES);

	text_escape(text_of(s != NULL ? s : "-"), out, SAID_BYTES);
	return out;
}

static void
explain_one(FILE *to, struct arena *a, const json_t *one)
{
	bool is_refused = json_is_string(json_object_get(one, "reason"));

	fprintf(to, "%-62s %-12s %-7s %s\n", said(a, one, "did"),
	    said(a, one, "pool"), said(a, one, "tier"),
	    is_refused ? said(a, one, "reason") : "admissible");
}

void
route_explain(FILE *to, const json_t *answer)
{
	const json_t *candidates = json_object_get(answer, "candidates");
	const json_t *choice = json_object_get(answer, "choice");
	struct arena *a = arena_new();
	const json_t *one;
	size_t i;

	if (json_is_object(choice))
		fprintf(to, "would go to %s\n\n", said(a, choice, "did"));
	else
		fprintf(to, "would be refused: %s\n\n",
		    said(a, json_object_get(answer, "error"), "code"));
	fprintf(to, "%-62s %-12s %-7s %s\n", "did", "pool", "tier", "verdict");
	json_array_foreach(candidates, i, one)
	{
		explain_one(to, a, one);
	}
	if (json_array_size(candidates) == 0)
		fputs("(nobody offers this model for this task)\n", to);
	arena_free(&a);
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
		route_explain(stdout, answer);
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
