/* SPDX-License-Identifier: Apache-2.0 */
/*
 * provider/signing: any bytes as the gateway's question. There is always one
 * answer of an expected status, in JSON, and a signature only for an exchange
 * that was and for bytes of it that went.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "provider/signing.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static struct {
	int status;
	struct evbuffer *body;
	unsigned starts, ends, closes;
} seen;

static void
on_start(struct http_request *r, int status, const struct http_fields *fs)
{
	(void)r;
	(void)fs;
	seen.status = status;
	seen.starts++;
}

static void
on_body(struct http_request *r, struct evbuffer *data)
{
	(void)r;
	evbuffer_add_buffer(seen.body, data);
}

static void
on_end(struct http_request *r)
{
	(void)r;
	seen.ends++;
}

static void
on_close(struct http_request *r)
{
	(void)r;
	seen.closes++;
}

static const struct http_transport transport = {
    .start = on_start, .body = on_body, .end = on_end, .close = on_close};

/* One stream under way, one answer that is whole. */
static struct signings *
remember(void)
{
	static struct signer *signer;
	struct signings *all;
	struct signing x;
	struct evbuffer *bytes = evbuffer_new();

	if (signer == NULL)
		signer = signer_new();
	all = signings_new(signer);
	evbuffer_add_printf(bytes, "data: {}\n\n");
	x = signing_begin(all, "stream", "m", text_of("{}"));
	signing_head(x, "text/event-stream");
	signing_add(x, bytes);
	x = signing_begin(all, "whole", "m", text_of("{}"));
	signing_head(x, "application/json");
	signing_add(x, bytes);
	signing_end(x);
	evbuffer_free(bytes);
	return all;
}

static void
check(void)
{
	size_t len = evbuffer_get_length(seen.body);
	struct text t = {(const char *)evbuffer_pullup(seen.body, -1), len};
	json_t *j = NULL;
	struct fault f;

	if (seen.starts != 1 || seen.ends != 1 || seen.closes != 1)
		abort();
	if (!json_read(t, 1 << 20, &j, &f))
		abort();
	if (seen.status == 200 && json_object_get(j, "signature") == NULL)
		abort();
	if (seen.status != 200 && json_object_get(j, "error") == NULL)
		abort();
	if (seen.status != 200 && seen.status != 400 && seen.status != 404 &&
	    seen.status != 409)
		abort();
	json_free(&j);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct signings *all = remember();
	struct http_request r = {.method = "POST",
	    .path = "/.well-known/assay/signature",
	    .body = evbuffer_new(),
	    .arena = arena_new(),
	    .transport = &transport};

	memset(&seen, 0, sizeof(seen));
	seen.body = evbuffer_new();
	evbuffer_add(r.body, at, len);
	signing_serve(all, &r);
	check();
	evbuffer_free(seen.body);
	evbuffer_free(r.body);
	arena_free(&r.arena);
	signings_free(&all);
	return 0;
}
