/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay route: asks the gateway how it would route, without sending anything,
 * and explains the answer: who would serve, and why each other would not.
 */
#include <stdio.h>
#include <string.h>

#include "base/fetch.h"
#include "base/json.h"
#include "base/loop.h"
#include "client/command.h"

#define ANSWER_BYTES (8 * 1024 * 1024)
#define ANSWER_MS 30000

struct asking {
	struct loop *loop;
	struct arena *arena;
	int status;
	json_t *answer;
	struct fault fault;
};

static void
on_answer(void *arg, const struct http_answer *answer, const struct fault *f)
{
	struct asking *x = arg;

	if (f != NULL)
		x->fault = *f;
	else {
		x->status = answer->status;
		json_read((struct text){answer->body, answer->body_len},
		    ANSWER_BYTES, &x->answer, &x->fault);
	}
	loop_stop(x->loop);
}

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
tell(struct cli *c, struct asking *x, struct fault *f)
{
	char *text;

	if (x->answer == NULL) {
		*f = x->fault;
		return false;
	}
	if (c->json) {
		text = json_write(c->arena, x->answer);
		puts(text);
	} else if (x->status == 200) {
		explain(x->answer);
	}
	if (x->status == 200)
		return true;
	return fault_set(f, FAULT_REFUSED, "the gateway says %d %s: %s",
	    x->status, member(json_object_get(x->answer, "error"), "code"),
	    member(json_object_get(x->answer, "error"), "message"));
}

static bool
route(struct cli *c, struct fault *f)
{
	struct fetch_settings settings = {.ca_file = c->ca};
	struct asking x = {.arena = c->arena};
	struct http_outgoing o = {.method = "POST"};
	json_t *body = NULL;
	struct fetch *fetch;
	struct pending *p;
	char *text;
	bool ok;

	if (c->url == NULL || c->key == NULL)
		return fault_set(f, FAULT_INVALID_OPTION,
		    "which gateway? give --url and --key, or set ASSAY_URL "
		    "and ASSAY_API_KEY");
	if (!request_body(c, &body, f))
		return false;
	text = json_write(c->arena, body);
	json_free(&body);
	x.loop = loop_new();
	fetch = fetch_new(x.loop, &settings);
	o.path = arena_printf(c->arena, "%s/v1/route", c->url);
	http_fields_add(&o.fields, c->arena, "authorization",
	    arena_printf(c->arena, "Bearer %s", c->key));
	http_fields_add(
	    &o.fields, c->arena, "content-type", "application/json");
	o.body = evbuffer_new();
	evbuffer_add(o.body, text, strlen(text));
	p = fetch_ask(fetch, &o, ANSWER_BYTES, ANSWER_MS, on_answer, &x);
	if (p != NULL)
		loop_run(x.loop);
	ok = tell(c, &x, f);
	json_free(&x.answer);
	evbuffer_free(o.body);
	fetch_free(&fetch);
	loop_free(&x.loop);
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
