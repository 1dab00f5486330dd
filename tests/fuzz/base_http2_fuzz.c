/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP/2 session of either role on any bytes. The first byte says the role
 * and how the handlers behave: answer, keep, cancel, cut. The server is given
 * the preface, since guessing 24 bytes teaches nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "base/http2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CALLS = 4, HELD = 16 };

struct world {
	struct http2 *h;
	uint8_t mode;
	struct http_call *calls[CALLS];
	struct http_request *held[HELD];
	unsigned count;
};

struct slot {
	struct world *w;
	unsigned n;
};

static void
on_wake(void *arg, bool at_once)
{
	(void)arg;
	(void)at_once;
}

static void
on_goaway(void *arg)
{
	(void)arg;
}

static void
on_gone(void *arg)
{
	(void)arg;
}

static const struct http_watch watching = {on_gone, on_gone};

static void
on_request(struct http_request *r, void *arg)
{
	struct world *w = arg;
	struct http_fields none = {0};

	if (r->method == NULL || r->path == NULL || r->path[0] != '/')
		abort();
	for (size_t i = 0; i < r->fields.count; i++)
		if (!http_name_is_good(
			r->fields.at[i].name, strlen(r->fields.at[i].name)))
			abort();
	http_request_watch(r, &watching, w);
	if ((w->mode & 2) != 0 && w->count < HELD) {
		w->held[w->count++] = r;
		return;
	}
	if ((w->mode & 4) == 0) {
		http_reply_start(r, 200, &none);
		http_reply_body(r, r->body);
		http_reply_end(r);
	}
	http_request_close(&r);
}

static void
on_head(void *arg, int status, const struct http_fields *fs)
{
	struct slot *s = arg;

	(void)fs;
	if (status < 200 || status > 999 || s->w->calls[s->n] == NULL)
		abort();
	if ((s->w->mode & 8) != 0)
		http_call_cancel(&s->w->calls[s->n]);
}

static void
on_body(void *arg, struct evbuffer *data)
{
	struct slot *s = arg;
	size_t n = evbuffer_get_length(data);

	if (n == 0 || s->w->calls[s->n] == NULL)
		abort();
	evbuffer_drain(data, n);
	if ((s->w->mode & 16) == 0)
		http_call_credit(s->w->calls[s->n], n);
}

static void
on_end(void *arg, const struct fault *f)
{
	struct slot *s = arg;

	(void)f;
	if (s->w->calls[s->n] == NULL)
		abort();
	s->w->calls[s->n] = NULL;
}

static const struct http2_events events = {on_wake, on_request, on_goaway};
static const struct http_events taking = {on_head, on_body, on_end};

static const struct http2_limits limits = {
    .header_list_bytes = 4096,
    .streams = 8,
    .stream_window = 65535,
    .connection_window = 65535,
    .body_bytes = 1000,
    .backlog_low = 100,
    .resets_per_s = 20,
    .settings_per_s = 10,
    .pings_per_s = 10,
};

static void
drive(struct world *w, const uint8_t *data, size_t size, size_t piece)
{
	struct evbuffer *out = evbuffer_new();
	struct fault f;
	int64_t now = 0;
	bool fine = true;

	while (fine && size > 0) {
		size_t n = size < piece ? size : piece;

		fine = http2_feed(w->h, bytes_of(data, n), now, &f);
		http2_dispatch(w->h);
		fine = http2_pull(w->h, out, 4096, now, &f) && fine;
		http2_dispatch(w->h);
		evbuffer_drain(out, evbuffer_get_length(out));
		data += n;
		size -= n;
		now += 1000;
	}
	if (fine)
		fault_set(&f, FAULT_UNAVAILABLE, "the input is at its end");
	http2_end(w->h, &f);
	http2_pull(w->h, out, 4096, now, NULL);
	http2_dispatch(w->h);
	evbuffer_free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	struct world w = {0};
	struct slot slots[CALLS];
	bool server;

	if (size == 0)
		return 0;
	w.mode = data[0];
	server = (w.mode & 1) != 0;
	w.h = http2_new(server, &limits, &events, &w, 0);
	for (unsigned i = 0; !server && i < CALLS; i++) {
		struct http_outgoing o = {.method = "GET", .path = "/"};

		slots[i] = (struct slot){&w, i};
		w.calls[i] = http2_call(w.h, &o, &taking, &slots[i], NULL);
	}
	if (server)
		http2_feed(w.h, bytes_of(preface, sizeof preface - 1), 0, NULL);
	drive(&w, data + 1, size - 1, (w.mode & 32) != 0 ? 7 : SIZE_MAX);
	for (unsigned i = 0; i < CALLS; i++)
		if (w.calls[i] != NULL)
			abort(); /* each is told */
	http2_free(&w.h);
	for (unsigned i = 0; i < w.count; i++)
		http_request_close(&w.held[i]);
	return 0;
}
