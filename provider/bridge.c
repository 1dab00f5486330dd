/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime is ours but not trusted to be well: it may be down, slow, or
 * die in the middle. What it sends goes on as it came; only its content type
 * and status are passed.
 */
#include "provider/bridge.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "provider/usage.h"

#define BACKLOG_BYTES (64 * 1024)

struct bridge {
	struct bridge_settings s;
	struct log log;
	struct http_request *request;
	struct http_call *call;
	size_t uncredited; /* bytes taken from the runtime, not yet sent on */
	bool started;
	int status;
	int64_t began_us;
	uint64_t bytes;
	struct usage_tail usage;
	struct signing signing;
	const char *task;
	const char *model;
	const char *request_id;
};

static void
bridge_end(struct bridge *b, const char *outcome)
{
	int64_t tokens = usage_tokens(&b->usage);

	log_info(&b->log, "request", LOG_STR("request_id", b->request_id),
	    LOG_STR("task", b->task), LOG_STR("model", b->model),
	    LOG_STR("outcome", outcome), LOG_INT("status", b->status),
	    LOG_INT("bytes", b->bytes), LOG_INT("tokens", tokens),
	    LOG_INT("total_us", clock_mono_us() - b->began_us));
	caps_leave(b->s.caps, tokens, clock_unix_ms());
	b->s.on_load(b->s.arg);
	http_call_cancel(&b->call);
	http_request_close(&b->request);
	mem_free(b);
}

/* ------------------------------------------------------------- from runtime */

static void
credit(struct bridge *b)
{
	size_t n = b->uncredited;

	if (n == 0 || b->call == NULL ||
	    http_reply_backlog(b->request) > BACKLOG_BYTES)
		return;
	b->uncredited = 0;
	http_call_credit(b->call, n);
}

static void
on_head(void *arg, int status, const struct http_fields *fields)
{
	struct bridge *b = arg;
	struct http_fields out = {0};
	const char *type = http_fields_find(fields, "content-type");

	http_fields_add(&out, b->request->arena, "content-type",
	    type != NULL ? type : "application/octet-stream");
	http_reply_start(b->request, status, &out);
	signing_head(b->signing, type);
	b->started = true;
	b->status = status;
}

static void
on_body(void *arg, struct evbuffer *data)
{
	struct bridge *b = arg;
	size_t len = evbuffer_get_length(data);
	size_t tail = len > USAGE_TAIL ? USAGE_TAIL : len;
	char copy[USAGE_TAIL];
	struct evbuffer_ptr at;

	evbuffer_ptr_set(data, &at, len - tail, EVBUFFER_PTR_SET);
	if (evbuffer_copyout_from(data, &at, copy, tail) == (ssize_t)tail)
		usage_add(&b->usage, copy, tail);
	b->bytes += len;
	b->uncredited += len;
	signing_add(b->signing, data);
	http_reply_body(b->request, data);
	credit(b);
}

static void
refuse(struct bridge *b, const char *why)
{
	struct arena *a = b->request->arena;
	json_t *j = json_pack("{s:{s:s, s:s, s:s, s:n}}", "error", "message",
	    "the model runtime does not answer", "type", "api_error", "code",
	    fault_code(FAULT_RUNTIME_UNREACHABLE), "param");
	struct http_fields fields = {0};
	struct evbuffer *body = evbuffer_new();

	log_warn(&b->log, "runtime_unreachable", LOG_STR("why", why));
	evbuffer_add_printf(body, "%s", json_write(a, j));
	http_fields_add(&fields, a, "content-type", "application/json");
	http_reply_start(b->request, 502, &fields);
	http_reply_body(b->request, body);
	http_reply_end(b->request);
	evbuffer_free(body);
	json_free(&j);
	b->status = 502;
}

static void
on_end(void *arg, const struct fault *f)
{
	struct bridge *b = arg;

	b->call = NULL;
	if (f == NULL) {
		signing_end(b->signing);
		http_reply_end(b->request);
		bridge_end(b, "served");
	} else if (!b->started) {
		refuse(b, f->why);
		bridge_end(b, "failed");
	} else {
		log_warn(&b->log, "runtime_cut", LOG_STR("why", f->why));
		bridge_end(b, "truncated"); /* closed without an end: cut */
	}
}

static const struct http_events from_runtime = {on_head, on_body, on_end};

/* --------------------------------------------------------------- from asker */

static void
on_drained(void *arg)
{
	credit(arg);
}

static void
on_gone(void *arg)
{
	bridge_end(arg, "buyer_gone");
}

static const struct http_watch from_asker = {on_drained, on_gone};

/* -------------------------------------------------------------------- start */

/* A private exchange: its bytes go on as they are, and are signed for. */
static bool
is_private(const struct http_request *r)
{
	const char *value = http_fields_find(&r->fields, SIGNING_FIELD);

	return value != NULL && strcmp(value, "1") == 0;
}

static void
begin_signing(struct bridge *b, const struct admitted *x)
{
	struct text body = {.len = evbuffer_get_length(x->body)};

	if (b->s.signings == NULL || b->request_id == NULL)
		return;
	body.at = (const char *)evbuffer_pullup(x->body, -1);
	b->signing = signing_begin(
	    b->s.signings, b->request_id, x->body_model.name, body);
}

/* The body with the runtime's name in the model's place; moves, not copies,
 * what stands before and after. */
static struct evbuffer *
body_for_runtime(const struct admitted *x, bool is_unchanged)
{
	const struct text *value = &x->body_model.value;
	struct evbuffer *out = evbuffer_new();
	const char *from = (const char *)evbuffer_pullup(x->body, -1);
	const char *name = x->model->runtime_name;
	json_t *quoted;
	size_t before = (size_t)(value->at - from);
	size_t value_len = value->len;

	if (name == NULL || is_unchanged) {
		evbuffer_add_buffer(out, x->body);
		return out;
	}
	evbuffer_remove_buffer(x->body, out, before);
	evbuffer_drain(x->body, value_len);
	if (x->body_model.json) {
		char *text;

		quoted = json_string(name);
		text = json_dumps(quoted, JSON_ENCODE_ANY);
		evbuffer_add_printf(out, "%s", text);
		free(text);
		json_decref(quoted);
	} else {
		evbuffer_add_printf(out, "%s", name);
	}
	evbuffer_add_buffer(out, x->body);
	return out;
}

static void
copy_field(
    struct http_outgoing *o, const struct http_request *r, const char *name)
{
	const char *value = http_fields_find(&r->fields, name);

	if (value != NULL)
		http_fields_add(&o->fields, r->arena, name, value);
}

void
bridge_start(const struct bridge_settings *s, struct http_request *r,
    const struct admitted *admitted, const struct log *log)
{
	struct bridge *b = mem_new(sizeof *b);
	struct http_outgoing o = {.method = "POST"};
	struct fault f;

	b->s = *s;
	b->log = *log;
	b->request = r;
	b->began_us = clock_mono_us();
	b->task = admitted->claims.task;
	b->model = admitted->claims.model;
	b->request_id = admitted->claims.request_id;
	o.path = arena_printf(r->arena, "%s%s", s->offer->runtime_url, r->path);
	copy_field(&o, r, "content-type");
	copy_field(&o, r, "accept");
	copy_field(&o, r, "traceparent");
	copy_field(&o, r, "x-request-id");
	if (s->authorization != NULL)
		http_fields_add(
		    &o.fields, r->arena, "authorization", s->authorization);
	if (is_private(r))
		begin_signing(b, admitted);
	o.body = body_for_runtime(admitted, is_private(r));
	http_request_watch(r, &from_asker, b);
	b->call = fetch_call(s->fetch, &o, &from_runtime, b, &f);
	evbuffer_free(o.body);
	b->s.on_load(b->s.arg);
	if (b->call == NULL) {
		refuse(b, f.why);
		bridge_end(b, "failed");
	}
}
