/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes both ways. The provider is a hostile server: its fields pass an
 * allow-list, its refusals are read to a bound, what it sends after its own
 * end is thrown away, and its window opens only as the buyer takes bytes.
 */
#include "gateway/relay.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/json.h"
#include "gateway/object.h"
#include "gateway/sse.h"

#define REFUSAL_MAX 4096     /* of a provider's error we read */
#define AFTER_DONE_MAX 65536 /* of what follows its own end */
#define AFTER_DONE_MS 1000
#define NO_OBJECT "the provider's answer is no JSON object"
#define EXACT_MAX ((size_t)16 << 20) /* of an answer that is held whole */

struct relay {
	struct pending pending; /* first member */
	struct client *buyer;
	struct http_call *call;
	struct pending *deferred; /* a refusal known at once */
	struct timer *silence;	  /* first byte, then stall */
	struct timer *keepalive;
	struct timer *total;
	int64_t first_byte_ms, stall_ms, keepalive_ms;
	int64_t fair_first_byte_ms, fair_stall_ms;
	enum relay_form form; /* ANY where the answer is an error */
	bool is_exact;
	bool is_refusal; /* its body is for us, not for the buyer */
	bool is_judged;	 /* its object, or the first of its events */
	bool is_taken;	 /* the buyer has all that was said so far */
	struct http_fields fields;
	struct sse sse;
	struct object object;
	struct usage_tail tail;
	struct evbuffer *held;
	size_t uncredited;
	size_t *holding; /* of the worker; NULL: not counted */
	size_t holding_most;
	size_t counted; /* of these, this relay's */
	void (*on_start)(void *arg, struct http_fields *fs);
	void (*on_sent)(void *arg, const void *at, size_t len);
	void (*fn)(void *arg, const struct relay_result *r);
	void *arg;
	struct relay_result result;
};

static void
relay_free(struct relay *r)
{
	if (r->buyer != NULL)
		client_on_drained(r->buyer, NULL, NULL);
	http_call_cancel(&r->call);
	pending_cancel(&r->deferred);
	timer_free(&r->silence);
	timer_free(&r->keepalive);
	timer_free(&r->total);
	if (r->holding != NULL)
		*r->holding -= r->counted;
	evbuffer_free(r->held);
	mem_free(r);
}

static void
on_cancel(struct pending *p)
{
	relay_free((struct relay *)(void *)p);
}

/* Half an event, or what hangs on the last one, goes nowhere. */
static void
tidy_held(struct relay *r)
{
	bool is_whole = r->result.end == RELAY_WHOLE;
	size_t len = evbuffer_get_length(r->held);

	if (r->is_exact) {
		evbuffer_drain(r->held, is_whole ? 0 : len);
		return;
	}
	if (r->result.is_stream && (!is_whole || r->sse.is_done))
		evbuffer_drain(r->held, len);
	if (r->sse.is_done)
		evbuffer_add_printf(r->held, "data: [DONE]\n\n");
}

static void
finish(struct relay *r)
{
	struct relay_result *res = &r->result;

	http_call_cancel(&r->call);
	client_on_drained(r->buyer, NULL, NULL);
	r->buyer = NULL; /* it may be gone when fn returns */
	tidy_held(r);
	res->fields = r->fields;
	res->held = r->held;
	res->at_boundary = !res->is_stream || sse_at_boundary(&r->sse);
	res->usage = usage_read((struct text){r->tail.at, r->tail.len});
	r->fn(r->arg, res);
	relay_free(r);
}

static void
fail(struct relay *r, enum fault_kind kind, const char *why)
{
	r->result.end =
	    client_is_started(r->buyer) ? RELAY_TRUNCATED : RELAY_FAILED;
	fault_set(&r->result.fault, kind, "%s", why);
	finish(r);
}

/* ------------------------------------------------------------------- head */

static const char *const let_through[] = {
    "cache-control", "content-disposition", "content-language", "content-type"};

bool
relay_lets_through(const char *name, int status)
{
	for (size_t i = 0; i < sizeof(let_through) / sizeof(*let_through); i++)
		if (strcmp(name, let_through[i]) == 0)
			return true;
	if (strcmp(name, "retry-after") == 0)
		return status >= 400;
	return strncmp(name, "x-ratelimit-", 12) == 0;
}

/* Credential, timing and rate are between us and the provider; the rest of
 * 4xx is about what the buyer sent. */
bool
relay_is_buyers_fault(int status)
{
	return status >= 400 && status < 500 && status != 401 &&
	       status != 403 && status != 407 && status != 408 &&
	       status != 421 && status != 425 && status != 429;
}

/* NULL: as far as its head tells, it is what it must be. */
static const char *
head_breach(const struct relay *r)
{
	if (r->form == RELAY_EVENTS && !r->result.is_stream)
		return "the provider's answer is no event stream";
	if (r->form == RELAY_OBJECT && r->result.is_stream)
		return "the provider's answer is an event stream";
	return NULL;
}

static void
on_head(void *arg, int status, const struct http_fields *fs)
{
	struct relay *r = arg;
	struct arena *a = client_arena(r->buyer);
	const char *type = http_fields_find(fs, "content-type");

	r->result.status = status;
	r->result.head_us = clock_mono_us();
	r->is_refusal =
	    !(status >= 200 && status < 300) && !relay_is_buyers_fault(status);
	r->result.is_stream = !r->is_refusal && status < 300 && type != NULL &&
			      strncasecmp(type, "text/event-stream", 17) == 0;
	for (size_t i = 0; !r->is_refusal && i < fs->count; i++)
		if (relay_lets_through(fs->at[i].name, status))
			http_fields_add(
			    &r->fields, a, fs->at[i].name, fs->at[i].value);
	if (status >= 300)
		r->form = RELAY_ANY;
	if (head_breach(r) != NULL)
		fail(r, FAULT_PROVIDER_ERROR, head_breach(r));
	else if (r->result.is_stream && !r->is_exact)
		timer_start(r->keepalive, r->keepalive_ms);
}

static void
start_reply(struct relay *r)
{
	if (client_is_started(r->buyer))
		return;
	r->on_start(r->arg, &r->fields);
	client_start(r->buyer, r->result.status, &r->fields);
}

static void
finish_whole(struct relay *r)
{
	if (!r->is_exact)
		start_reply(r);
	r->result.end = RELAY_WHOLE;
	finish(r);
}

/* Only between two events: a comment inside one would become part of it. */
static void
on_keepalive(void *arg)
{
	struct relay *r = arg;

	if (sse_at_boundary(&r->sse) && !r->sse.is_done &&
	    client_backlog(r->buyer) == 0) {
		struct evbuffer *comment = evbuffer_new();

		start_reply(r);
		evbuffer_add_printf(comment, ": keep-alive\n\n");
		client_write(r->buyer, comment);
		evbuffer_free(comment);
	}
	timer_start(r->keepalive, r->keepalive_ms);
}

/* ------------------------------------------------------------------- body */

/* What the buyer's socket has taken goes back to the provider as window. */
static void
give_credit(struct relay *r)
{
	size_t backlog = client_backlog(r->buyer);
	size_t credit;

	if (r->call == NULL || r->uncredited <= backlog)
		return;
	credit = r->uncredited - backlog;
	r->uncredited -= credit;
	http_call_credit(r->call, credit);
}

static void
on_drained(void *arg)
{
	struct relay *r = arg;

	give_credit(r);
	if (r->result.first_byte_us != 0 && !r->is_taken)
		timer_start(r->silence, r->stall_ms);
	r->is_taken = client_backlog(r->buyer) == 0;
}

/* The object that is whole by now, or the data of the first event; empty where
 * there is none yet, or it is larger than what is looked into. */
static struct text
first_object(const struct relay *r)
{
	struct text none = {NULL, 0};

	if (r->form == RELAY_OBJECT)
		return r->object.state == OBJECT_OVER &&
			       r->result.body_bytes <= USAGE_TAIL
			   ? (struct text){r->tail.at, r->tail.len}
			   : none;
	if (r->form == RELAY_EVENTS)
		return sse_first(&r->sse);
	return none;
}

/* A runtime that has begun a 200 can tell its failure in the body alone. One
 * that says it is the request's fault is believed, as a 4xx is. */
static bool
is_failure(struct relay *r, struct text object)
{
	const json_t *error;
	int64_t code = 0;
	json_t *o = NULL;
	bool is_error;

	if (!json_read(object, object.len, &o, NULL))
		return false;
	error = json_object_get(o, "error");
	is_error = error != NULL && !json_is_null(error) &&
		   json_object_get(o, "choices") == NULL &&
		   json_object_get(o, "data") == NULL;
	if (is_error && json_is_object(error))
		code = json_integer_value(json_object_get(error, "code"));
	json_free(&o);
	r->result.is_refused = is_error && code >= 400 && code < 500 &&
			       relay_is_buyers_fault((int)code);
	return is_error && !r->result.is_refused;
}

/* NULL: what has come so far is what it must be. */
static const char *
body_breach(struct relay *r)
{
	struct text object;

	if (r->object.state == OBJECT_NONE)
		return NO_OBJECT;
	if (r->form == RELAY_EVENTS && r->sse.is_done && !r->sse.has_data)
		return "the provider's stream has no event but its end";
	object = first_object(r);
	if (r->is_judged || object.len == 0)
		return NULL;
	r->is_judged = true;
	return is_failure(r, object) ? "the provider's answer is an error"
				     : NULL;
}

static void
feed(struct relay *r, struct evbuffer *data)
{
	struct evbuffer_iovec *parts;
	int count = evbuffer_peek(data, -1, NULL, NULL, 0);

	parts = mem_array((size_t)count, sizeof(*parts));
	count = evbuffer_peek(data, -1, NULL, parts, count);
	for (int i = 0; i < count; i++) {
		usage_tail_add(&r->tail, parts[i].iov_base, parts[i].iov_len);
		if (r->result.is_stream)
			sse_feed(&r->sse, parts[i].iov_base, parts[i].iov_len);
		if (r->form == RELAY_OBJECT)
			object_feed(
			    &r->object, parts[i].iov_base, parts[i].iov_len);
	}
	mem_free(parts);
}

/* How many of the bytes in r->held must stay there for now. */
static size_t
to_hold(const struct relay *r)
{
	if (r->result.is_stream)
		return sse_hold(&r->sse);
	return r->is_exact ? evbuffer_get_length(r->held) : 0;
}

static void
tell_sent(struct relay *r, struct evbuffer *go)
{
	size_t len = evbuffer_get_length(go);

	if (r->on_sent != NULL)
		r->on_sent(r->arg, evbuffer_pullup(go, -1), len);
}

/* Sends all but what must be held; all of it is in r->held. What was sent of
 * an event before it grew too long to hold is no longer there. */
static void
send_on(struct relay *r)
{
	size_t hold = to_hold(r);
	size_t len = evbuffer_get_length(r->held);
	struct evbuffer *go;

	if (hold >= len)
		return;
	start_reply(r);
	go = evbuffer_new();
	evbuffer_remove_buffer(r->held, go, len - hold);
	tell_sent(r, go);
	client_write(r->buyer, go);
	evbuffer_free(go);
	timer_start(r->keepalive, r->keepalive_ms);
	if (!r->result.is_stream || r->is_exact)
		timer_stop(r->keepalive);
}

/* The stream's own end came; a provider that goes on is not listened to. */
static void
ignore_rest(struct relay *r, struct evbuffer *data)
{
	size_t len = evbuffer_get_length(data);

	evbuffer_drain(data, len);
	http_call_credit(r->call, len);
	if (r->result.body_bytes > AFTER_DONE_MAX &&
	    r->sse.event_len > AFTER_DONE_MAX)
		finish_whole(r);
}

static void
read_refusal(struct relay *r, struct evbuffer *data)
{
	size_t len = evbuffer_get_length(data);
	size_t have = evbuffer_get_length(r->held);

	if (have + len > REFUSAL_MAX) {
		evbuffer_drain(data, len);
		fail(r, FAULT_PROVIDER_ERROR,
		    "the provider's error was larger than we read");
		return;
	}
	evbuffer_add_buffer(r->held, data);
	http_call_credit(r->call, len);
}

/* What is held back whole, or hangs on a stream's own end. */
static bool
holds_too_much(const struct relay *r)
{
	size_t most = r->result.is_stream ? AFTER_DONE_MAX : EXACT_MAX;

	return r->is_exact && (!r->result.is_stream || r->sse.is_done) &&
	       evbuffer_get_length(r->held) > most;
}

/* Counts what is held now; false where the worker holds too much in all. */
static bool
count_held(struct relay *r)
{
	size_t len = evbuffer_get_length(r->held);

	if (r->holding == NULL)
		return true;
	*r->holding = *r->holding - r->counted + len;
	r->counted = len;
	return *r->holding <= r->holding_most;
}

static void
on_body(void *arg, struct evbuffer *data)
{
	struct relay *r = arg;
	size_t len = evbuffer_get_length(data);
	bool was_done = r->sse.is_done;
	size_t said = r->sse.said;
	const char *breach;
	bool is_said;

	r->result.body_bytes += len;
	if (r->is_refusal) {
		read_refusal(r, data);
		return;
	}
	feed(r, data);
	/* Comments are silence. */
	is_said = r->form != RELAY_EVENTS || r->sse.said != said;
	if (r->result.first_byte_us == 0 && is_said)
		r->result.first_byte_us = clock_mono_us();
	breach = body_breach(r);
	if (breach != NULL) {
		evbuffer_drain(data, len);
		fail(r, FAULT_PROVIDER_ERROR, breach);
		return;
	}
	if (was_done && !r->is_exact) {
		ignore_rest(r, data);
		return;
	}
	r->is_taken &= !is_said;
	r->uncredited += len;
	evbuffer_add_buffer(r->held, data);
	if (holds_too_much(r)) {
		fail(r, FAULT_PROVIDER_ERROR,
		    "the answer is larger than what is signed for");
		return;
	}
	send_on(r);
	if (!count_held(r)) {
		fail(r, FAULT_OVERLOADED,
		    "too much of private answers is held here already");
		return;
	}
	give_credit(r);
	if (is_said || r->sse.is_done)
		timer_start(
		    r->silence, r->sse.is_done ? AFTER_DONE_MS : r->stall_ms);
}

/* -------------------------------------------------------------------- end */

bool
relay_refusal(int status, struct text body, struct fault *f)
{
	const json_t *error = NULL;
	const char *code = "none";
	enum fault_kind kind = FAULT_PROVIDER_ERROR;
	json_t *o = NULL;

	if (body.len > 0 && json_read(body, REFUSAL_MAX, &o, NULL) &&
	    json_get_object(o, "error", &error, FAULT_INVALID, NULL))
		json_get_string_or(
		    error, "code", 64, "none", &code, FAULT_INVALID, NULL);
	if (status == 503 && strcmp(code, "capacity_exceeded") == 0)
		kind = FAULT_CAPACITY_EXCEEDED;
	if (status == 503 && strcmp(code, "outside_window") == 0)
		kind = FAULT_OUTSIDE_WINDOW;
	fault_set(
	    f, kind, "the provider answered %d with code %s", status, code);
	json_free(&o);
	return false;
}

static void
fail_refused(struct relay *r)
{
	size_t len = evbuffer_get_length(r->held);
	const char *body = (const char *)evbuffer_pullup(r->held, -1);
	struct fault why;

	relay_refusal(r->result.status, (struct text){body, len}, &why);
	evbuffer_drain(r->held, len);
	fail(r, why.kind, why.why);
}

/* A link that is lost under an answer is the provider's disconnect; one that is
 * lost before it is nobody's. */
static enum fault_kind
end_kind(const struct relay *r, const struct fault *f)
{
	switch ((int)f->kind) {
	case FAULT_UNAVAILABLE:
		return r->result.head_us != 0 ? FAULT_TRUNCATED
					      : FAULT_PROVIDER_UNREACHABLE;
	case FAULT_OVERLOADED:
	case FAULT_CAPACITY_EXCEEDED:
		return FAULT_CAPACITY_EXCEEDED;
	default:
		return FAULT_PROVIDER_ERROR;
	}
}

/* What the provider ended, as if it were whole, and is not. */
static bool
is_short(const struct relay *r, struct fault *f)
{
	if (r->form == RELAY_EVENTS && !r->sse.is_done)
		fault_set(f, FAULT_TRUNCATED,
		    "the provider's stream ended without its terminal event");
	else if (r->form == RELAY_OBJECT && r->object.state == OBJECT_OPEN)
		fault_set(f, FAULT_TRUNCATED,
		    "the provider's answer ended in the middle");
	else if (r->form == RELAY_OBJECT && r->object.state == OBJECT_AWAITED)
		fault_set(f, FAULT_PROVIDER_ERROR, NO_OBJECT);
	else if (r->form == RELAY_BYTES && r->result.body_bytes == 0)
		fault_set(
		    f, FAULT_PROVIDER_ERROR, "the provider's answer is empty");
	else
		return false;
	return true;
}

static void
on_end(void *arg, const struct fault *f)
{
	struct relay *r = arg;
	struct fault why;

	r->call = NULL;
	if (f != NULL && !r->sse.is_done) {
		fail(r, end_kind(r, f), f->why);
	} else if (r->is_refusal) {
		fail_refused(r);
	} else if (is_short(r, &why)) {
		fail(r, why.kind, why.why);
	} else {
		finish_whole(r);
	}
}

static void
on_total(void *arg)
{
	struct relay *r = arg;

	if (r->sse.is_done)
		finish_whole(r);
	else
		fail(r, FAULT_TOTAL_TIMEOUT,
		    "the request took longer than its deadline");
}

static void
on_silence(void *arg)
{
	struct relay *r = arg;

	if (r->sse.is_done) {
		finish_whole(r);
	} else if (r->result.first_byte_us == 0) {
		r->result.is_hasty = r->first_byte_ms < r->fair_first_byte_ms;
		fail(r, FAULT_FIRST_BYTE_TIMEOUT,
		    "no byte of an answer came within the deadline");
	} else if (client_backlog(r->buyer) > 0) {
		timer_start(r->silence, r->stall_ms); /* the buyer's slowness */
	} else {
		r->result.is_hasty = r->stall_ms < r->fair_stall_ms;
		fail(r, FAULT_STREAM_STALLED,
		    "the stream stood still for longer than the deadline");
	}
}

/* ------------------------------------------------------------------ begin */

static const struct http_events events = {on_head, on_body, on_end};

static void
on_refused_at_once(void *arg)
{
	struct relay *r = arg;

	r->deferred = NULL;
	finish(r);
}

struct pending *
relay_ask(const struct relay_order *o,
    void (*fn)(void *arg, const struct relay_result *r), void *arg)
{
	struct relay *r = mem_new(sizeof(*r));
	struct fault f = {0};

	r->pending.cancel = on_cancel;
	r->buyer = o->buyer;
	r->first_byte_ms = o->first_byte_ms;
	r->stall_ms = o->stall_ms;
	r->fair_first_byte_ms = o->fair_first_byte_ms;
	r->fair_stall_ms = o->fair_stall_ms;
	r->keepalive_ms = o->keepalive_ms;
	r->form = o->form;
	r->is_exact = o->is_exact;
	r->holding = o->is_exact ? o->holding : NULL;
	r->holding_most = o->holding_most;
	r->on_sent = o->on_sent;
	r->on_start = o->on_start;
	r->fn = fn;
	r->arg = arg;
	r->held = evbuffer_new();
	r->silence = timer_new(o->loop, on_silence, r);
	r->keepalive = timer_new(o->loop, on_keepalive, r);
	r->total = timer_new(o->loop, on_total, r);
	client_on_drained(o->buyer, on_drained, r);
	r->call = path_call(o->path, o->outgoing, &events, r, &f);
	if (r->call == NULL) {
		r->result.end = RELAY_FAILED;
		fault_set(&r->result.fault, end_kind(r, &f), "%s", f.why);
		r->deferred = loop_defer(o->loop, on_refused_at_once, r);
	} else {
		timer_start(r->silence, r->first_byte_ms);
		timer_start(r->total, o->total_ms);
	}
	return &r->pending;
}
