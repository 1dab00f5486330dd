/* SPDX-License-Identifier: Apache-2.0 */
/* Asking a daemon for its statement, and holding it to the question. */
#include "gateway/probe.h"

#include <string.h>
#include <strings.h>

#include "base/codec.h"
#include "base/crypto.h"
#include "base/json.h"

struct probe {
	struct pending pending; /* first member */
	struct pending *inner;
	struct arena *arena;
	char nonce[65];
	void (*fn)(
	    void *arg, const struct statement *st, const struct fault *f);
	void *arg;
};

char *
probe_hello(const struct probe_settings *s, const char *nonce, struct arena *a)
{
	json_t *o = json_pack("{s:i, s:s, s:s, s:I, s:s}", "protocol", 1,
	    "gateway_id", s->gateway_id, "instance", s->instance, "instances",
	    (json_int_t)s->instances, "nonce", nonce);
	char *out = json_write(a, o);

	json_free(&o);
	return out;
}

bool
probe_read(const struct http_answer *answer, const char *nonce, struct arena *a,
    struct statement *out, struct fault *f)
{
	const char *type = http_fields_find(&answer->fields, "content-type");

	if (answer->status != 200)
		return fault_set(f, FAULT_INVALID,
		    "hello was answered with status %d", answer->status);
	if (type == NULL || strncasecmp(type, "application/json", 16) != 0)
		return fault_set(f, FAULT_INVALID,
		    "hello was answered with content-type %s, not JSON",
		    type == NULL ? "(none)" : type);
	if (!statement_read(
		(struct text){answer->body, answer->body_len}, a, out, f))
		return false;
	if (out->nonce != NULL && strcmp(out->nonce, nonce) != 0) {
		statement_free(out);
		return fault_set(f, FAULT_STALE,
		    "the statement answers another hello's nonce");
	}
	return true;
}

static void
on_cancel(struct pending *p)
{
	struct probe *x = (struct probe *)(void *)p;

	pending_cancel(&x->inner);
	mem_free(x);
}

static void
on_answer(void *arg, const struct http_answer *answer, const struct fault *f)
{
	struct probe *x = arg;
	struct statement st;
	struct fault why = {0};
	bool ok = false;

	x->inner = NULL;
	if (f != NULL)
		why = *f;
	else
		ok = probe_read(answer, x->nonce, x->arena, &st, &why);
	x->fn(x->arg, ok ? &st : NULL, ok ? NULL : &why);
	mem_free(x);
}

struct pending *
probe_ask(struct link *l, const struct probe_settings *s, struct arena *a,
    char nonce[65],
    void (*fn)(void *arg, const struct statement *st, const struct fault *f),
    void *arg)
{
	struct probe *x = mem_new(sizeof(*x));
	struct http_outgoing o = {
	    .method = "POST", .path = "/.well-known/assay/hello"};
	uint8_t random[32];

	x->pending.cancel = on_cancel;
	x->arena = a;
	x->fn = fn;
	x->arg = arg;
	random_bytes(random, sizeof(random));
	hex_encode(bytes_of(random, sizeof(random)), x->nonce);
	memcpy(nonce, x->nonce, sizeof(x->nonce));
	http_fields_add(&o.fields, a, "content-type", "application/json");
	http_fields_add(&o.fields, a, "accept", "application/json");
	o.body = evbuffer_new();
	evbuffer_add_printf(o.body, "%s", probe_hello(s, x->nonce, a));
	x->inner = link_ask(l, &o, STATEMENT_BYTES, s->within_ms, on_answer, x);
	evbuffer_free(o.body);
	return &x->pending;
}
