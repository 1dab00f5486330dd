/* SPDX-License-Identifier: Apache-2.0 */
/* One fetch at a time; whoever waits for it waits in a list. */
#include "provider/keys.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"

#define FETCH_MS 10000
#define AGAIN_MS 5000
#define RETRY_MS 5000
#define WAITERS_MAX 256

struct waiter {
	struct pending pending;
	void (*fn)(void *arg); /* NULL: cancelled */
	void *arg;
	struct keys *keys;
	struct pending *later; /* where no fetch is due */
};

struct keys {
	struct loop *loop;
	struct fetch *fetch;
	struct log log;
	struct arena *arena;
	const char *url;
	const char *path;
	struct jwks *now;
	struct timer *timer;
	int64_t refresh_ms;
	int64_t asked_ms;
	struct pending *asking;
	struct waiter *waiters[WAITERS_MAX];
	size_t waiter_count;
};

static void
answer_waiters(struct keys *k)
{
	struct waiter *now[WAITERS_MAX];
	size_t count = k->waiter_count;

	memcpy(now, k->waiters, count * sizeof *now);
	k->waiter_count = 0;
	for (size_t i = 0; i < count; i++) {
		struct waiter w = *now[i];

		mem_free(now[i]);
		if (w.fn != NULL)
			w.fn(w.arg);
	}
}

static bool
take(struct keys *k, struct text t, struct fault *f)
{
	struct jwks *fresh;

	if (!jwks_read(t, &fresh, f))
		return false;
	if (jwks_count(fresh) == 0) {
		jwks_free(&fresh);
		return fault_set(f, FAULT_INVALID, "the key set is empty");
	}
	jwks_free(&k->now);
	k->now = fresh;
	return true;
}

static void
on_answer(void *arg, const struct http_answer *answer, const struct fault *f)
{
	struct keys *k = arg;
	struct fault why = {0};
	bool ok = false;

	k->asking = NULL;
	if (f != NULL)
		why = *f;
	else if (answer->status != 200)
		fault_set(
		    &why, FAULT_UNAVAILABLE, "auth answers %d", answer->status);
	else
		ok = take(
		    k, (struct text){answer->body, answer->body_len}, &why);
	if (ok)
		file_write(k->path, answer->body, answer->body_len, 0644, NULL);
	else
		log_warn(&k->log, "keys_not_fetched", LOG_STR("url", k->url),
		    LOG_STR("why", why.why));
	timer_start(k->timer, ok ? k->refresh_ms : RETRY_MS);
	answer_waiters(k);
}

static void
ask(void *arg)
{
	struct keys *k = arg;
	struct http_outgoing o = {.method = "GET", .path = k->url};

	if (k->asking != NULL)
		return;
	k->asked_ms = clock_mono_ms();
	k->asking =
	    fetch_ask(k->fetch, &o, JWKS_BYTES_MAX, FETCH_MS, on_answer, k);
}

struct keys *
keys_new(struct loop *l, struct fetch *fetch, const char *auth_url,
    const char *state_folder, int64_t refresh_ms, const struct log *log)
{
	struct keys *k = mem_new(sizeof *k);
	char *text = NULL;
	struct fault f;
	size_t len;

	k->loop = l;
	k->fetch = fetch;
	k->log = *log;
	k->refresh_ms = refresh_ms;
	k->arena = arena_new();
	k->url = arena_printf(k->arena, "%s/.well-known/jwks.json", auth_url);
	k->path = arena_printf(k->arena, "%s/jwks.json", state_folder);
	k->now = jwks_new();
	k->timer = timer_new(l, ask, k);
	if (file_read(k->path, JWKS_BYTES_MAX, &text, &len, NULL) &&
	    !take(k, (struct text){text, len}, &f))
		log_warn(&k->log, "kept_keys_unusable", LOG_STR("why", f.why));
	mem_free(text);
	ask(k);
	return k;
}

static void
waiter_free(struct waiter *w)
{
	pending_cancel(&w->later);
	mem_free(w);
}

void
keys_free(struct keys **kp)
{
	struct keys *k = *kp;

	if (k == NULL)
		return;
	pending_cancel(&k->asking);
	timer_free(&k->timer);
	for (size_t i = 0; i < k->waiter_count; i++)
		waiter_free(k->waiters[i]);
	jwks_free(&k->now);
	arena_free(&k->arena);
	mem_free(k);
	*kp = NULL;
}

const struct jwks *
keys_now(const struct keys *k)
{
	return k->now;
}

/* A waiter of a fetch stays in the list; one that waits for the next turn
 * goes at once. */
static void
on_cancel(struct pending *self)
{
	struct waiter *w = (struct waiter *)self;

	if (w->later != NULL)
		waiter_free(w);
	else
		w->fn = NULL;
}

static void
on_later(void *arg)
{
	struct waiter w = *(struct waiter *)arg;

	mem_free(arg);
	w.fn(w.arg);
}

struct pending *
keys_refresh(struct keys *k, void (*fn)(void *arg), void *arg)
{
	struct waiter *w = mem_new(sizeof *w);

	w->pending.cancel = on_cancel;
	w->keys = k;
	w->fn = fn;
	w->arg = arg;
	if (k->asking == NULL && clock_mono_ms() - k->asked_ms >= AGAIN_MS)
		ask(k);
	if (k->asking != NULL && k->waiter_count < WAITERS_MAX)
		k->waiters[k->waiter_count++] = w;
	else
		w->later = loop_defer(k->loop, on_later, w);
	return &w->pending;
}
