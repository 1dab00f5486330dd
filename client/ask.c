/* SPDX-License-Identifier: Apache-2.0 */
/* See ask.h. The loop runs for this one question and ends with it. */
#include "client/ask.h"

#include <string.h>

#include "base/codec.h"
#include "base/fetch.h"
#include "base/json.h"
#include "base/loop.h"

enum { WITHIN_MS = 60000 };

struct asking {
	const struct cli *cli;
	struct loop *loop;
	int status;
	struct text answer;
	struct fault fault;
};

static void
on_answer(void *arg, const struct http_answer *answer, const struct fault *f)
{
	struct asking *x = arg;

	if (f != NULL) {
		x->fault = *f;
	} else {
		x->status = answer->status;
		x->answer.at =
		    arena_copy(x->cli->arena, answer->body, answer->body_len);
		x->answer.len = answer->body_len;
	}
	loop_stop(x->loop);
}

static void
run(struct asking *x, struct http_outgoing *o)
{
	struct fetch_settings settings = {.ca_file = x->cli->ca};
	struct fetch *fetch;

	x->loop = loop_new();
	fetch = fetch_new(x->loop, &settings);
	if (fetch_ask(fetch, o, ASK_ANSWER_BYTES, WITHIN_MS, on_answer, x) !=
	    NULL)
		loop_run(x->loop);
	fetch_free(&fetch);
	loop_free(&x->loop);
}

static const char *
member(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s != NULL ? s : "-";
}

bool
ask_refused(int status, struct text answer, struct fault *f)
{
	struct fault unread = {0};
	const json_t *error;
	json_t *j = NULL;

	json_read(answer, ASK_ANSWER_BYTES, &j, &unread);
	error = json_object_get(j, "error");
	fault_set(f, FAULT_REFUSED, "the gateway says %d %s: %s", status,
	    member(error, "code"), member(error, "message"));
	json_free(&j);
	return false;
}

static bool
read_status(const struct asking *x, struct fault *f)
{
	if (x->status == 200)
		return true;
	if (x->status != 0)
		return ask_refused(x->status, x->answer, f);
	*f = x->fault;
	return false;
}

bool
ask_gateway(const struct cli *c, const char *path, const json_t *body,
    struct text *answer, struct fault *f)
{
	struct asking x = {.cli = c};
	struct http_outgoing o = {.method = body == NULL ? "GET" : "POST"};
	const char *text;

	if (c->url == NULL || c->key == NULL)
		return fault_set(f, FAULT_INVALID_OPTION,
		    "which gateway? give --url and --key, or set ASSAY_URL "
		    "and ASSAY_API_KEY");
	o.path = arena_printf(c->arena, "%s%s", c->url, path);
	http_fields_add(&o.fields, c->arena, "authorization",
	    arena_printf(c->arena, "Bearer %s", c->key));
	if (body != NULL) {
		text = json_write(c->arena, body);
		http_fields_add(
		    &o.fields, c->arena, "content-type", "application/json");
		o.body = evbuffer_new();
		evbuffer_add(o.body, text, strlen(text));
	}
	run(&x, &o);
	if (o.body != NULL)
		evbuffer_free(o.body);
	*answer = x.answer;
	return read_status(&x, f);
}

const char *
ask_escape(const struct cli *c, const char *text)
{
	char *out = arena_alloc(c->arena, PERCENT_SIZE(strlen(text)));

	percent_encode(text_of(text), out);
	return out;
}
