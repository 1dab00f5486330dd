/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See evidence.h. The child writes one JSON text to a pipe, {"items": […]} or
 * {"why": …}, and ends; whatever else happens to it is a fault.
 */
#include "provider/evidence.h"

#include <errno.h>
#include <event2/buffer.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attestation/binding.h"
#include "base/codec.h"
#include "base/crypto.h"
#include "base/json.h"

#define WITHIN_MS 20000

static const struct evidence_source *const sources[] = {
    &tsm_source, &dstack_source, &nvml_source};
#define SOURCES (sizeof(sources) / sizeof(*sources))

struct asking {
	struct pending pending; /* first member */
	struct loop *loop;
	struct evidence_question question;
	json_t *bundle; /* without its items */
	void (*fn)(void *arg, json_t *bundle, const struct fault *f);
	void *arg;
	pid_t child;
	int pipe;
	struct event *readable;
	struct timer *patience;
	struct pending *later;
	struct evbuffer *said;
	struct fault fault;
};

bool
evidence_is_set(const struct evidence_settings *s)
{
	for (size_t i = 0; i < SOURCES; i++)
		if (sources[i]->is_set(s))
			return true;
	return false;
}

/* ------------------------------------------------------------------- child */

json_t *
evidence_items(const struct evidence_question *q, struct fault *f)
{
	json_t *items = json_array();

	for (size_t i = 0; i < SOURCES; i++) {
		if (!sources[i]->is_set(q->settings))
			continue;
		if (!sources[i]->gather(q, items, f)) {
			json_decref(items);
			return NULL;
		}
	}
	return items;
}

static void
child(const struct evidence_question *q, int fd)
{
	struct arena *a = arena_new();
	struct fault f = {0};
	json_t *items, *said;
	const char *text;
	size_t len;

	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_IGN); /* the parent decides */
	items = evidence_items(q, &f);
	said = items != NULL ? json_pack("{s:o}", "items", items)
			     : json_pack("{s:s}", "why", f.why);
	text = json_write(a, said);
	for (len = strlen(text); len > 0;) {
		ssize_t n = write(fd, text, len);

		if (n <= 0)
			_exit(1);
		text += n;
		len -= (size_t)n;
	}
	_exit(0);
}

/* ---------------------------------------------------------------- question */

static void
asking_free(struct asking *x)
{
	if (x->readable != NULL)
		event_free(x->readable);
	if (x->pipe >= 0)
		close(x->pipe);
	if (x->child > 0) {
		kill(x->child, SIGKILL);
		while (waitpid(x->child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	pending_cancel(&x->later);
	timer_free(&x->patience);
	evbuffer_free(x->said);
	json_free(&x->bundle);
	mem_free(x);
}

static void
on_cancel(struct pending *self)
{
	asking_free((struct asking *)(void *)self);
}

static bool
read_items(struct asking *x, struct fault *f)
{
	struct text t = {.len = evbuffer_get_length(x->said)};
	json_t *said = NULL, *items;
	bool ok;

	t.at = (const char *)evbuffer_pullup(x->said, -1);
	if (t.len == 0)
		return fault_set(f, FAULT_UNAVAILABLE,
		    "the evidence source ended without an answer");
	if (!json_read(t, EVIDENCE_TEXT_MAX, &said, f))
		return false;
	items = json_object_get(said, "items");
	if (json_is_array(items)) {
		json_object_set(x->bundle, "items", items);
		ok = true;
	} else {
		ok = fault_set(f, FAULT_UNAVAILABLE, "%s",
		    json_string_value(json_object_get(said, "why")));
	}
	json_free(&said);
	return ok;
}

static void
finish(void *arg)
{
	struct asking *x = arg;
	void (*fn)(void *, json_t *, const struct fault *) = x->fn;
	void *fn_arg = x->arg;
	struct fault f = x->fault;
	json_t *bundle = NULL;

	x->later = NULL;
	if (f.kind == FAULT_NONE && read_items(x, &f)) {
		bundle = x->bundle;
		x->bundle = NULL;
	}
	asking_free(x);
	fn(fn_arg, bundle, bundle != NULL ? NULL : &f);
}

static void
on_patience(void *arg)
{
	struct asking *x = arg;

	fault_set(&x->fault, FAULT_TIMEOUT,
	    "the evidence sources did not answer in time");
	finish(x);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct asking *x = arg;
	int n;

	(void)what;
	while ((n = evbuffer_read(x->said, fd, 65536)) > 0)
		if (evbuffer_get_length(x->said) > EVIDENCE_TEXT_MAX) {
			fault_set(&x->fault, FAULT_LIMIT,
			    "the evidence is too large for a statement");
			finish(x);
			return;
		}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	finish(x);
}

static bool
spawn(struct asking *x)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		return fault_set(
		    &x->fault, FAULT_SYSTEM, "no pipe: %s", strerror(errno));
	x->child = fork();
	if (x->child == 0) {
		close(fds[0]);
		child(&x->question, fds[1]);
	}
	close(fds[1]);
	x->pipe = fds[0];
	if (x->child < 0)
		return fault_set(
		    &x->fault, FAULT_SYSTEM, "no child: %s", strerror(errno));
	evutil_make_socket_nonblocking(x->pipe);
	x->readable = event_new(
	    loop_base(x->loop), x->pipe, EV_READ | EV_PERSIST, on_readable, x);
	event_add(x->readable, NULL);
	return true;
}

/* What the asker will compute too, and what we say it is made of. */
static void
bind_question(struct asking *x, const struct evidence_binding *b)
{
	struct binding_tunnel t = {.did = text_of(b->did),
	    .spki = b->spki,
	    .signing_key = b->signing_key};
	char nonce[HEX_SIZE(32)], spki[HEX_SIZE(32)], statement[HEX_SIZE(32)];
	char key[HEX_SIZE(32)] = "";
	char *der = mem_new(BASE64_SIZE(b->spki.len));
	uint8_t digest[32];

	memcpy(t.nonce, b->nonce, sizeof(t.nonce));
	memcpy(t.statement, b->statement, sizeof(t.statement));
	binding_tunnel(&t, x->question.report_data);
	memcpy(x->question.nonce, b->nonce, sizeof(x->question.nonce));
	sha256(b->spki, digest);
	hex_encode(bytes_of(digest, 32), spki);
	hex_encode(bytes_of(b->nonce, 32), nonce);
	hex_encode(bytes_of(b->statement, 32), statement);
	if (b->signing_key.len <= 32)
		hex_encode(b->signing_key, key);
	base64_encode(b->spki, der);
	x->bundle =
	    json_pack("{s:s, s:s, s:s, s:{s:s, s:s, s:s, s:s, s:s}}", "binding",
		"assay", "nonce", nonce, "signing_address", b->signing_address,
		"bound", "did", b->did, "tls_spki", der, "tls_spki_sha256",
		spki, "statement_sha256", statement, "signing_key", key);
	mem_free(der);
}

struct pending *
evidence_ask(struct loop *l, const struct evidence_settings *s,
    const struct evidence_binding *b,
    void (*fn)(void *arg, json_t *bundle, const struct fault *f), void *arg)
{
	struct asking *x = mem_new(sizeof(*x));

	x->pending.cancel = on_cancel;
	x->loop = l;
	x->question.settings = s;
	x->fn = fn;
	x->arg = arg;
	x->pipe = -1;
	x->said = evbuffer_new();
	x->patience = timer_new(l, on_patience, x);
	timer_start(x->patience, s->within_ms > 0 ? s->within_ms : WITHIN_MS);
	bind_question(x, b);
	if (!spawn(x))
		x->later = loop_defer(l, finish, x);
	return &x->pending;
}
