/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests arrive whole. A hello is answered after the files were looked at
 * again; a handoff that names an unknown key waits once for fresh keys.
 */
#include "provider/serve.h"

#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/crypto.h"
#include "provider/hello.h"

#define EVENTS_BACKLOG (256 * 1024)

struct serve {
	struct serve_settings s;
	struct log log;
	json_t *judgements;   /* canonical -> {status, reason} */
	struct knock *knocks; /* requests that wait for keys */
	struct signings *signings;
};

/* A request at the guard, waiting for keys. */
struct knock {
	struct knock *next;
	struct knock **at;
	struct serve *serve;
	struct http_request *request;
	struct pending *asking;
	const char *task;
	bool direct;
};

static const struct http_watch watch_nothing = {NULL, NULL};

static void
refuse(struct http_request **r, const struct fault *f)
{
	json_t *j = json_pack("{s:{s:s, s:s, s:s, s:n}}", "error", "message",
	    f->why, "type",
	    guard_status(f->kind) < 500 ? "invalid_request_error" : "api_error",
	    "code", fault_code(f->kind), "param");
	const char *text = json_write((*r)->arena, j);

	json_free(&j);
	http_reply_text(r, guard_status(f->kind), "application/json", text);
}

/* -------------------------------------------------------------------- /v1/… */

static void
knock_free(struct knock *k)
{
	*k->at = k->next;
	if (k->next != NULL)
		k->next->at = k->at;
	pending_cancel(&k->asking);
	mem_free(k);
}

/* Admits or refuses; true where only fresh keys could tell. */
static bool
judge(struct serve *s, struct http_request *r, const char *task, bool direct,
    bool last)
{
	struct admitted admitted;
	struct fault f = {0};

	if (guard_admit(
		s->s.guard, r, task, direct, clock_unix_ms(), &admitted, &f)) {
		bridge_start(&s->s.bridge, r, &admitted, &s->log);
		return false;
	}
	if (f.kind == FAULT_TOKEN_KEY_UNKNOWN && !last)
		return true;
	log_info(&s->log, "refused", LOG_STR("code", fault_code(f.kind)),
	    LOG_STR("why", f.why), LOG_STR("path", r->path),
	    LOG_STR("way", direct ? "direct" : "tunnel"),
	    LOG_STR("remote", r->remote));
	refuse(&r, &f);
	return false;
}

static void
on_keys(void *arg)
{
	struct knock *k = arg;
	struct serve *s = k->serve;
	struct http_request *r = k->request;
	const char *task = k->task;
	bool direct = k->direct;

	k->asking = NULL;
	knock_free(k);
	http_request_watch(r, &watch_nothing, NULL);
	judge(s, r, task, direct, true);
}

static void
on_knock_gone(void *arg)
{
	struct knock *k = arg;

	http_request_close(&k->request);
	knock_free(k);
}

static const struct http_watch watch_knock = {NULL, on_knock_gone};

static void
serve_task(
    struct serve *s, struct http_request *r, const char *task, bool direct)
{
	struct knock *k;

	if (!judge(s, r, task, direct, false))
		return;
	k = mem_new(sizeof *k);
	k->serve = s;
	k->request = r;
	k->task = task;
	k->direct = direct;
	k->at = &s->knocks;
	k->next = s->knocks;
	if (k->next != NULL)
		k->next->at = &k->next;
	s->knocks = k;
	http_request_watch(r, &watch_knock, k);
	k->asking = keys_refresh(s->s.guard->keys, on_keys, k);
}

/* --------------------------------------------------------- /.well-known/… */

static json_t *
direct_json(const struct statement_source *source)
{
	json_t *endpoints = json_array();

	if (source->tls_spki_sha256 == NULL) {
		json_decref(endpoints);
		return json_null();
	}
	for (size_t i = 0; i < source->direct_endpoint_count; i++)
		json_array_append_new(
		    endpoints, json_string(source->direct_endpoints[i]));
	return json_pack("{s:o, s:s}", "endpoints", endpoints,
	    "tls_spki_sha256", source->tls_spki_sha256);
}

static json_t *
controls_json(const struct offer *offer)
{
	json_t *o =
	    json_pack("{s:I}", "max_concurrency", offer->max_concurrency);

	if (offer->max_tokens_per_minute > 0)
		json_object_set_new(o, "max_tokens_per_minute",
		    json_integer(offer->max_tokens_per_minute));
	if (offer->windows_json != NULL)
		json_object_set_new(
		    o, "windows", json_deep_copy(offer->windows_json));
	return o;
}

static json_t *
statement_json(const struct serve_way *w, const char *nonce)
{
	const struct serve *s = w->serve;
	const struct models *models = s->s.guard->models;

	return json_pack("{s:i, s:s, s:s, s:o, s:o, s:o, s:o, s:i}", "protocol",
	    1, "daemon", "assay-provider/" ASSAY_VERSION, "nonce", nonce,
	    "runtime", models_runtime_json(models), "models",
	    models_json(models), "controls", controls_json(s->s.guard->offer),
	    "direct", direct_json(&s->s.statement), "slot", w->slot);
}

/* Takes the statement and the evidence, which may be NULL. */
static void
answer_hello(struct serve_hello *h, json_t *statement, json_t *evidence)
{
	struct http_request *r = h->request;
	const char *text;

	http_request_watch(r, &watch_nothing, NULL);
	json_object_set_new(
	    statement, "evidence", evidence != NULL ? evidence : json_null());
	text = json_write(r->arena, statement);
	json_free(&statement);
	h->request = NULL;
	http_reply_text(&r, 200, "application/json", text);
}

static struct text
body_of(struct http_request *r)
{
	return (struct text){(const char *)evbuffer_pullup(r->body, -1),
	    evbuffer_get_length(r->body)};
}

/* Evidence that could not be had is left out: the gateway says what that
 * means for us, and we serve on. */
static void
on_evidence(void *arg, json_t *bundle, const struct fault *f)
{
	struct serve_hello *h = arg;
	json_t *statement = h->statement;

	h->asking = NULL;
	h->statement = NULL;
	if (f != NULL)
		log_warn(&h->way->serve->log, "no_evidence",
		    LOG_STR("code", fault_code(f->kind)),
		    LOG_STR("why", f->why));
	answer_hello(h, statement, bundle);
}

/* The statement is settled first, as evidence covers it. */
static bool
ask_evidence(struct serve_hello *h, json_t *statement, const char *nonce)
{
	struct serve *s = h->way->serve;
	struct evidence_binding b = {
	    .did = s->s.guard->did, .spki = h->way->spki};
	struct arena *a = arena_new();
	const char *text;
	size_t len;
	bool ok;

	ok = s->s.signer != NULL && b.spki.len > 0 &&
	     evidence_is_set(&s->s.evidence) &&
	     hex_decode(text_of(nonce), b.nonce, sizeof b.nonce, &len) &&
	     len == sizeof b.nonce;
	if (ok) {
		text = json_write_canonical(a, statement);
		sha256(bytes_of(text, strlen(text)), b.statement);
		b.signing_key =
		    bytes_of(signer_address(s->s.signer), EIP191_ADDRESS);
		b.signing_address = signer_address_text(s->s.signer);
		h->statement = statement;
		h->asking =
		    evidence_ask(s->s.loop, &s->s.evidence, &b, on_evidence, h);
	}
	arena_free(&a);
	return ok;
}

struct hello_wait {
	struct serve_hello *hello;
	const char *nonce;
};

static void
on_rechecked(void *arg)
{
	struct hello_wait *w = arg; /* in the request's arena */
	struct serve_hello *h = w->hello;
	json_t *statement = statement_json(h->way, w->nonce);

	h->asking = NULL;
	if (!ask_evidence(h, statement, w->nonce))
		answer_hello(h, statement, NULL);
}

static void
hello_gone(struct serve_hello *h)
{
	pending_cancel(&h->asking);
	json_free(&h->statement);
	if (h->request != NULL)
		http_request_close(&h->request);
}

static void
on_hello_gone(void *arg)
{
	hello_gone(arg);
}

static const struct http_watch watch_hello = {NULL, on_hello_gone};

static void
serve_hello(struct serve_way *w, struct http_request *r)
{
	struct serve_hello *h;
	struct hello_wait *wait;
	struct hello hello;
	struct fault f = {0};

	if (!hello_read(body_of(r), r->arena, &hello, &f)) {
		refuse(&r, &f);
		return;
	}
	h = &w->hellos[hello.is_buyers ? HELLO_BUYER : HELLO_GATEWAY];
	if (h->request != NULL) {
		fault_set(&f, FAULT_OVERLOADED, "a hello is under way");
		refuse(&r, &f);
		return;
	}
	h->way = w;
	h->request = r;
	wait = arena_alloc(r->arena, sizeof *wait);
	wait->hello = h;
	wait->nonce = hello.nonce;
	http_request_watch(r, &watch_hello, h);
	h->asking =
	    models_recheck(w->serve->s.guard->models, on_rechecked, wait);
	if (h->asking == NULL)
		on_rechecked(wait);
}

/* Of each model the newest word, and of no more models than an offer has. */
static void
take_judgements(struct serve *s, json_t *models)
{
	const char *canonical;
	json_t *one;

	json_object_foreach(models, canonical, one)
	{
		const char *status =
		    json_string_value(json_object_get(one, "status"));
		const char *reason =
		    json_string_value(json_object_get(one, "reason"));

		if (json_object_get(s->judgements, canonical) == NULL &&
		    json_object_size(s->judgements) >= OFFER_MODELS)
			continue;
		json_object_set(s->judgements, canonical, one);
		if (strcmp(status, "accepted") != 0)
			log_warn(&s->log, "model_refused",
			    LOG_STR("model", canonical),
			    LOG_STR("reason", reason != NULL ? reason : ""));
	}
}

static void
serve_admitted(struct serve_way *w, struct http_request *r)
{
	struct serve *s = w->serve;
	struct admission told;
	struct fault f;

	if (!admission_read(body_of(r), &told, &f)) {
		refuse(&r, &f);
		return;
	}
	memcpy(w->session, told.session, sizeof w->session);
	memcpy(w->verified, told.verified, sizeof w->verified);
	take_judgements(s, told.models);
	log_info(&s->log, "admitted", LOG_INT("slot", w->slot),
	    LOG_STR("session", w->session), LOG_STR("verified", w->verified),
	    LOG_INT("models", json_object_size(told.models)));
	admission_free(&told);
	http_reply_start(r, 204, &(struct http_fields){0});
	http_reply_end(r);
	http_request_close(&r);
}

static void
on_events_gone(void *arg)
{
	struct serve_way *w = arg;

	http_request_close(&w->events);
}

static const struct http_watch watch_events = {NULL, on_events_gone};

static void
serve_events(struct serve_way *w, struct http_request *r)
{
	struct http_fields fields = {0};

	if (w->events != NULL) /* the gateway opened it anew */
		http_request_close(&w->events);
	w->events = r;
	http_request_watch(r, &watch_events, w);
	http_fields_add(
	    &fields, r->arena, "content-type", "application/x-ndjson");
	http_reply_start(r, 200, &fields);
}

static void
serve_signature(struct serve_way *w, struct http_request *r)
{
	signing_serve(w->serve->signings, r);
}

void
serve_event(struct serve_way *w, const char *line)
{
	struct evbuffer *data;

	if (w->events == NULL || http_reply_backlog(w->events) > EVENTS_BACKLOG)
		return;
	data = evbuffer_new();
	evbuffer_add_printf(data, "%s\n", line);
	http_reply_body(w->events, data);
	evbuffer_free(data);
}

/* --------------------------------------------------------------------- ways */

/* clang-format off */
static const struct {
	const char *method;
	const char *path;
	void (*serve)(struct serve_way *w, struct http_request *r);
} gateway_paths[] = {
    {"POST", "/.well-known/assay/hello",    serve_hello},
    {"POST", "/.well-known/assay/admitted", serve_admitted},
    {"GET",  "/.well-known/assay/events",   serve_events},
    {"POST", "/.well-known/assay/signature", serve_signature},
};
/* clang-format on */

void
serve_request(struct http_request *r, void *arg)
{
	struct serve_way *w = arg;
	struct fault f = {0};
	const char *task;

	for (size_t i = 0;
	     w->slot >= 0 && i < sizeof gateway_paths / sizeof *gateway_paths;
	     i++)
		if (strcmp(gateway_paths[i].path, r->path) == 0 &&
		    strcmp(gateway_paths[i].method, r->method) == 0) {
			gateway_paths[i].serve(w, r);
			return;
		}
	task = guard_task(r->arena, r->path);
	if (task != NULL && strcmp(r->method, "POST") == 0) {
		serve_task(w->serve, r, task, w->slot < 0);
		return;
	}
	if (task != NULL)
		fault_set(&f, FAULT_METHOD_NOT_ALLOWED, "POST, please");
	else
		fault_set(&f, FAULT_NOT_FOUND, "there is nothing here");
	refuse(&r, &f);
}

void
serve_way_gone(struct serve_way *w)
{
	for (int i = 0; i < HELLO_KINDS; i++)
		hello_gone(&w->hellos[i]);
	if (w->events != NULL)
		http_request_close(&w->events);
}

struct serve *
serve_new(const struct serve_settings *settings, const struct log *log)
{
	struct serve *s = mem_new(sizeof *s);

	s->s = *settings;
	s->log = *log;
	s->judgements = json_object();
	if (settings->signer != NULL)
		s->signings = signings_new(settings->signer);
	s->s.bridge.signings = s->signings;
	return s;
}

void
serve_free(struct serve **sp)
{
	struct serve *s = *sp;

	if (s == NULL)
		return;
	while (s->knocks != NULL) {
		http_request_close(&s->knocks->request);
		knock_free(s->knocks);
	}
	json_free(&s->judgements);
	signings_free(&s->signings);
	mem_free(s);
	*sp = NULL;
}

json_t *
serve_judgements(const struct serve *s)
{
	return json_deep_copy(s->judgements);
}
