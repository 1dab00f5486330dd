/* SPDX-License-Identifier: Apache-2.0 */
/* The operators' listener: a table of paths. */
#include "gateway/admin.h"

#include <string.h>

#include "base/json.h"

#define JSON_TYPE "application/json; charset=utf-8"

bool
admin_is_ready(const struct admin *a, const char **why)
{
	*why = "ready";
	if (a->is_draining)
		*why = "draining";
	else if (!sync_is_ready(a->sync))
		*why = "the catalog has not been read from Postgres yet";
	else if (!mint_is_up(a->house->mint))
		*why = "there is no connection to assay-auth";
	else
		return true;
	return false;
}

static void
answer_health(struct http_request **r, const struct admin *a)
{
	(void)a;
	http_reply_text(r, 200, JSON_TYPE, "{\"status\":\"alive\"}\n");
}

static void
answer_ready(struct http_request **r, const struct admin *a)
{
	const char *why;
	bool ok = admin_is_ready(a, &why);

	http_reply_text(r, ok ? 200 : 503, JSON_TYPE,
	    arena_printf((*r)->arena, "{\"ready\":%s,\"why\":\"%s\"}\n",
		ok ? "true" : "false", why));
}

static void
fill_gauges(const struct admin *a)
{
	const struct counters *c = a->house->counters;
	struct tunnels_counts t;

	tunnels_counts(a->tunnels, &t);
	metric_set(c->open, a->house->open, 0, 0, 0);
	metric_set(c->tunnels, t.serving, 0, 0, 0);
	metric_set(c->hearings, t.waiting, 0, 0, 0);
	metric_set(c->private_held, (int64_t)a->house->holding, 0, 0, 0);
	metric_set(
	    c->tunnels_total, (int64_t)t.accepted, COUNTED_ACCEPTED, 0, 0);
	metric_set(c->tunnels_total, (int64_t)t.refused, COUNTED_REFUSED, 0, 0);
	metric_set(c->tunnels_total, (int64_t)t.ended, COUNTED_ENDED, 0, 0);
	metric_set(c->probes, (int64_t)t.probes, 0, 0, 0);
	metric_set(c->offers, (int64_t)offers_count(a->house->offers), 0, 0, 0);
	metric_set(
	    c->backlog, (int64_t)ledger_backlog(a->house->ledger), 0, 0, 0);
	metric_set(c->signatures,
	    (int64_t)signatures_backlog(a->house->signatures), 0, 0, 0);
	metric_set(
	    c->dependency, pg_is_up(a->house->pg), COUNTED_POSTGRES, 0, 0);
	metric_set(
	    c->dependency, mint_is_up(a->house->mint), COUNTED_MINT_LINK, 0, 0);
}

static void
answer_metrics(struct http_request **r, const struct admin *a)
{
	struct evbuffer *out = evbuffer_new();
	struct http_fields fs = {0};

	fill_gauges(a);
	metrics_render(a->house->counters->all, NULL, NULL, out);
	http_fields_add(&fs, (*r)->arena, "content-type", METRICS_CONTENT_TYPE);
	http_reply_start(*r, 200, &fs);
	http_reply_body(*r, out);
	http_reply_end(*r);
	http_request_close(r);
	evbuffer_free(out);
}

static void
answer_list(struct http_request **r, json_t *list)
{
	json_t *o = json_pack("{s:o}", "data", list);

	http_reply_text(r, 200, JSON_TYPE, json_write((*r)->arena, o));
	json_free(&o);
}

static void
answer_tunnels(struct http_request **r, const struct admin *a)
{
	answer_list(r, tunnels_describe(a->tunnels));
}

static void
add_provider(void *arg, const struct offer_provider *p)
{
	json_t *offers = json_array();

	for (const struct offer *o = p->offers; o != NULL; o = o->of_provider)
		json_array_append_new(offers,
		    json_pack("{s:s, s:s, s:s, s:I}", "task", o->task, "model",
			o->model, "quantization", o->quantization, "ways",
			(json_int_t)o->source_count));
	json_array_append_new(
	    arg, json_pack("{s:s, s:s, s:I, s:I, s:f, s:b, s:b, s:o}", "did",
		     p->did, "workspace", p->workspace, "active",
		     (json_int_t)p->active, "capacity", (json_int_t)p->capacity,
		     "load", p->load, "window_open", p->window_open, "draining",
		     p->is_draining, "offers", offers));
}

static void
answer_offers(struct http_request **r, const struct admin *a)
{
	json_t *list = json_array();

	offers_each(a->house->offers, add_provider, list);
	answer_list(r, list);
}

static const struct {
	const char *path;
	void (*answer)(struct http_request **r, const struct admin *a);
} paths[] = {
    {"/healthz", answer_health},
    {"/readyz", answer_ready},
    {"/metrics", answer_metrics},
    {"/admin/tunnels", answer_tunnels},
    {"/admin/offers", answer_offers},
};

void
admin_answer(struct http_request *r, void *arg)
{
	if (strcmp(r->method, "GET") != 0) {
		http_reply_text(&r, 405, JSON_TYPE,
		    "{\"error\":{\"code\":\"method_not_allowed\"}}\n");
		return;
	}
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		if (strcmp(r->path, paths[i].path) == 0) {
			paths[i].answer(&r, arg);
			return;
		}
	}
	http_reply_text(
	    &r, 404, JSON_TYPE, "{\"error\":{\"code\":\"not_found\"}}\n");
}
