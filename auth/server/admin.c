/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ready means: handoffs can be minted and keys served. Postgres may be away:
 * only enrolment and renewal need it, and say so themselves.
 */
#include "auth/server/admin.h"

#include <string.h>

#define JSON "application/json"

void
admin_fill(void *arg)
{
	struct house *h = arg;
	struct counters *c = h->counters;
	struct spool_counts s;

	minted_counts(h->minted, &s);
	metric_set(
	    c->spool_waiting, (int64_t)(s.next - 1 - s.consumed), 0, 0, 0);
	metric_set(c->spool_bytes, (int64_t)s.bytes, 0, 0, 0);
	metric_set(c->postgres_up, pg_is_up(h->pg), 0, 0, 0);
	metric_set(c->can_sign, keys_signer(h->keys) != NULL, 0, 0, 0);
	metric_set(c->gateways, h->gateways, 0, 0, 0);
}

static void
answer_ready(const struct house *h, struct http_request **r)
{
	const char *why = "ready";
	bool ok = false;

	if (h->is_draining)
		why = "draining";
	else if (keys_signer(h->keys) == NULL)
		why = "the current signing key is not here";
	else
		ok = true;
	http_reply_text(r, ok ? 200 : 503, JSON,
	    arena_printf((*r)->arena,
		"{\"ready\":%s,\"why\":\"%s\",\"postgres\":%s}\n",
		ok ? "true" : "false", why,
		pg_is_up(h->pg) ? "true" : "false"));
}

static void
answer_metrics(const struct house *h, struct http_request **r)
{
	struct evbuffer *body = evbuffer_new();
	struct http_fields fs = {0};

	http_fields_add(&fs, (*r)->arena, "content-type", METRICS_CONTENT_TYPE);
	metrics_render(h->counters->all, NULL, NULL, body);
	http_reply_start(*r, 200, &fs);
	http_reply_body(*r, body);
	http_reply_end(*r);
	evbuffer_free(body);
	http_request_close(r);
}

void
admin_answer(struct http_request *r, void *arg)
{
	struct house *h = arg;

	if (strcmp(r->method, "GET") != 0)
		http_reply_text(&r, 405, JSON, "{\"error\":\"GET only\"}\n");
	else if (strcmp(r->path, "/healthz") == 0)
		http_reply_text(&r, 200, JSON, "{\"status\":\"alive\"}\n");
	else if (strcmp(r->path, "/readyz") == 0)
		answer_ready(h, &r);
	else if (strcmp(r->path, "/metrics") == 0)
		answer_metrics(h, &r);
	else
		http_reply_text(&r, 404, JSON, "{\"error\":\"not found\"}\n");
}
