/* SPDX-License-Identifier: Apache-2.0 */
/* Ready means: Postgres was there at the last tick and had our time, whether
 * we lead or not. */
#include "reputation/worker/admin.h"

#include <string.h>

#include "base/metrics.h"
#include "base/server.h"

#define JSON "application/json"

enum { GAUGES = 10 };

struct admin {
	const struct ticker *ticker;
	struct server *server;
	struct metrics *metrics;
	struct metric *gauges[GAUGES];
};

static const struct {
	const char *name;
	const char *help;
} gauges[GAUGES] = {
    {"assay_reputation_leads", "1 while this one leads."},
    {"assay_reputation_postgres_up", "1 while Postgres can be asked."},
    {"assay_reputation_ticks", "Ticks since it started."},
    {"assay_reputation_failures", "Ticks that failed since it started."},
    {"assay_reputation_events", "Rows of new evidence added up."},
    {"assay_reputation_pairs", "Scores computed."},
    {"assay_reputation_tier_changes", "Promotions and demotions."},
    {"assay_reputation_tick_microseconds", "How long the last tick took."},
    {"assay_reputation_clock_off", "1 while the clock is over ten seconds off "
				   "Postgres's: it does not lead."},
    {"assay_reputation_partitions_waiting",
	"Partitions to be made or dropped whose tables were in use."},
};

static void
fill(void *arg)
{
	const struct admin *x = arg;
	const struct ticker_counts *c = ticker_counts(x->ticker);
	const int64_t values[GAUGES] = {c->leads, c->is_up, (int64_t)c->ticks,
	    (int64_t)c->failures, (int64_t)c->events, (int64_t)c->pairs,
	    (int64_t)c->tier_changes, c->last_us, c->is_off,
	    c->partitions_waiting};

	for (size_t i = 0; i < GAUGES; i++)
		metric_set(x->gauges[i], values[i], 0, 0, 0);
}

static void
answer_metrics(const struct admin *x, struct http_request **r)
{
	struct evbuffer *body = evbuffer_new();
	struct http_fields fs = {0};

	http_fields_add(&fs, (*r)->arena, "content-type", METRICS_CONTENT_TYPE);
	metrics_render(x->metrics, NULL, NULL, body);
	http_reply_start(*r, 200, &fs);
	http_reply_body(*r, body);
	http_reply_end(*r);
	evbuffer_free(body);
	http_request_close(r);
}

static void
answer_ready(struct http_request *r, const struct ticker_counts *c)
{
	const char *body =
	    c->leads ? "{\"leads\":true}\n" : "{\"leads\":false}\n";

	if (c->is_off)
		body = "{\"leads\":false,\"error\":\"clock_off\"}\n";
	http_reply_text(&r, c->is_up && !c->is_off ? 200 : 503, JSON, body);
}

static void
answer(struct http_request *r, void *arg)
{
	const struct admin *x = arg;
	const struct ticker_counts *c = ticker_counts(x->ticker);

	if (strcmp(r->method, "GET") != 0)
		http_reply_text(&r, 405, JSON, "{\"error\":\"GET only\"}\n");
	else if (strcmp(r->path, "/healthz") == 0)
		http_reply_text(&r, 200, JSON, "{\"status\":\"alive\"}\n");
	else if (strcmp(r->path, "/readyz") == 0)
		answer_ready(r, c);
	else if (strcmp(r->path, "/metrics") == 0)
		answer_metrics(x, &r);
	else
		http_reply_text(&r, 404, JSON, "{\"error\":\"not found\"}\n");
}

bool
admin_open(struct loop *l, const char *address, const struct ticker *t,
    const struct log *log, struct admin **out, struct fault *f)
{
	struct server_limits limits;
	struct admin *x;

	*out = NULL;
	if (address == NULL)
		return true;
	x = mem_new(sizeof(*x));
	x->ticker = t;
	x->metrics = metrics_new();
	for (size_t i = 0; i < GAUGES; i++)
		x->gauges[i] = metric_gauge(
		    x->metrics, gauges[i].name, gauges[i].help, NULL, 0);
	metrics_on_render(x->metrics, fill, x);
	server_limits_default(&limits);
	limits.connections = 100;
	x->server = server_new(l, address, NULL, &limits, answer, x, log, f);
	*out = x;
	if (x->server == NULL)
		admin_close(out);
	return *out != NULL;
}

void
admin_close(struct admin **x)
{
	if (*x == NULL)
		return;
	server_free(&(*x)->server);
	metrics_free(&(*x)->metrics);
	mem_free(*x);
	*x = NULL;
}
