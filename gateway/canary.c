/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See canary.h. A worker claims as many that are due as it has room for, and at
 * once again while more are; each goes its way alone: mint, ask, look up what
 * is known, judge, note. Each step asks one question; whatever fails ends it.
 */
#include "gateway/canary.h"

#include <string.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/json.h"
#include "gateway/canary_db.h"
#include "gateway/trace.h"

#define POLL_LEAST_MS 200
#define POLL_MOST_MS 60000
#define MINT_MS 5000
#define ANSWER_MS 60000
#define ANSWER_BYTES (256 * 1024)
#define OFFERS_MOST 20000
#define UNDER_WAY_MOST 8
#define PROMPTS_BYTES (4 << 20)

static const char *const results[] = {
    "agrees", "disagrees", "unknown", "no_logprobs", "failed"};
enum result { AGREES, DISAGREES, UNKNOWN, NO_LOGPROBS, FAILED };

struct canaries {
	const struct house *house;
	struct log log;
	int64_t period_ms; /* mean time between two of an offer */
	struct timer *poll;
	struct pending *claim;
	bool has_more; /* due ones were left at the last claim */
	struct metric *sent, *overdue;
	struct arena *arena; /* the prompts */
	struct canary_prompts prompts;
	struct canary *first;
	size_t under_way;
};

/* One under way; all texts in the arena. */
struct canary {
	struct canaries *of;
	struct canary *next;
	struct arena *arena;
	struct timer *patience;
	struct pending *question;
	struct canary_due due;
	const char *session, *artifact, *workspace;
	char id[UUID_TEXT];
	int64_t prompt;
	struct http_call *call;
	int status;
	struct evbuffer *body;
	struct canary_answer answer;
};

/* ------------------------------------------------------------- round by round
 */

static void
rest(struct canaries *all)
{
	int64_t ms = all->period_ms / 8;

	if (ms > POLL_MOST_MS)
		ms = POLL_MOST_MS;
	if (ms < POLL_LEAST_MS)
		ms = POLL_LEAST_MS;
	timer_start(all->poll, ms);
}

/* Off the call and the place it took. */
static void
let_go(struct canary *x)
{
	http_call_cancel(&x->call);
	offers_finish(x->of->house->offers, x->session);
}

static void
canary_free(struct canary *x)
{
	struct canary **at = &x->of->first;

	while (*at != x)
		at = &(*at)->next;
	*at = x->next;
	x->of->under_way--;
	pending_cancel(&x->question);
	if (x->call != NULL)
		let_go(x);
	timer_free(&x->patience);
	evbuffer_free(x->body);
	arena_free(&x->arena);
	mem_free(x);
}

/* Its way is over. While others are due the next is claimed at once; on the
 * clock's turn, since whoever ended this one may still hold it. */
static void
leave(struct canary *x)
{
	struct canaries *all = x->of;

	canary_free(x);
	if (all->has_more && all->claim == NULL)
		timer_start(all->poll, 0);
}

/* It has been asked, and nothing can be said. */
static void
finish(struct canary *x, enum result r, const char *why)
{
	metric_count(x->of->sent, r, 0, 0);
	log_info(&x->of->log, "canary", LOG_STR("request_id", x->id),
	    LOG_STR("did", x->due.offer.did),
	    LOG_STR("task", x->due.offer.task),
	    LOG_STR("model", x->due.offer.model), LOG_STR("result", results[r]),
	    LOG_STR("why", why));
	leave(x);
}

/* ---------------------------------------------------------------------- note
 */

static void
on_noted(void *arg, const struct fault *f)
{
	struct canary *x = arg;

	x->question = NULL;
	if (f != NULL)
		log_warn(
		    &x->of->log, "canary_not_written", LOG_STR("why", f->why));
	leave(x);
}

static json_t *
answer_json(struct canary *x, const struct canary_answer *a)
{
	json_t *o = NULL;

	json_read(text_of(canary_write(a, x->arena)), ANSWER_BYTES, &o, NULL);
	return o;
}

/* What was found, for operators; both answers where they differ. */
static const char *
detail_of(struct canary *x, const struct canary_finding *g,
    const struct canary_known *known, size_t count)
{
	json_t *o = json_pack(
	    "{s:s, s:s, s:s?, s:I, s:I, s:f, s:f, s:I, s:b, s:I}", "request_id",
	    x->id, "against", g->against, "did", g->did, "workspaces",
	    (json_int_t)g->others, "in_majority", (json_int_t)g->in_majority,
	    "mean", g->measure.mean, "least", g->measure.least, "positions",
	    (json_int_t)g->measure.positions, "diverged",
	    g->measure.has_diverged, "prompt", (json_int_t)x->prompt);
	char *text;

	for (size_t i = 0; g->verdict == CANARY_DISAGREES && i < count; i++) {
		if (g->did != known[i].did)
			continue;
		json_object_set_new(o, "said", answer_json(x, &x->answer));
		json_object_set_new(
		    o, "expected", answer_json(x, &known[i].answer));
	}
	text = json_write(x->arena, o);
	json_free(&o);
	return text;
}

static void
note(struct canary *x, const struct canary_finding *g, const char *detail)
{
	struct canary_note n = {.offer = x->due.offer,
	    .artifact = x->artifact,
	    .workspace = x->workspace,
	    .prompt = x->prompt,
	    .verdict = g->verdict,
	    .detail = detail,
	    .answer = canary_write(&x->answer, x->arena)};

	x->question = canary_db_note(x->of->house->pg, &n, on_noted, x);
}

static void
on_known(void *arg, const struct canary_known *known, size_t count,
    const struct fault *f)
{
	static const enum result result_of[] = {[CANARY_UNKNOWN] = UNKNOWN,
	    [CANARY_AGREES] = AGREES,
	    [CANARY_DISAGREES] = DISAGREES};
	struct canary *x = arg;
	struct canary_finding g;
	const char *detail;

	x->question = NULL;
	if (f != NULL) {
		finish(x, FAILED, f->why);
		return;
	}
	g = canary_judge(
	    &x->answer, x->due.offer.did, x->workspace, known, count);
	detail = detail_of(x, &g, known, count);
	metric_count(x->of->sent, result_of[g.verdict], 0, 0);
	log_info(&x->of->log, "canary", LOG_STR("request_id", x->id),
	    LOG_STR("did", x->due.offer.did),
	    LOG_STR("task", x->due.offer.task),
	    LOG_STR("model", x->due.offer.model),
	    LOG_STR("result", results[result_of[g.verdict]]),
	    LOG_STR("against", g.against),
	    LOG_INT("positions", (int64_t)g.measure.positions),
	    LOG_INT("mean_percent", (int64_t)(100 * g.measure.mean)));
	note(x, &g, detail);
}

/* ------------------------------------------------------------------------ ask
 */

static void
judge_answer(struct canary *x)
{
	size_t len = evbuffer_get_length(x->body);
	const char *at = (const char *)evbuffer_pullup(x->body, -1);
	struct fault f;

	timer_stop(x->patience);
	if (x->status != 200) {
		finish(x, FAILED, "it was not answered with 200");
		return;
	}
	if (!canary_read(
		(struct text){len > 0 ? at : "", len}, &x->answer, &f)) {
		finish(x, NO_LOGPROBS, f.why);
		return;
	}
	x->question = canary_db_known(x->of->house->pg, &x->due.offer,
	    x->artifact, x->prompt, on_known, x);
}

static void
on_head(void *arg, int status, const struct http_fields *fs)
{
	struct canary *x = arg;

	(void)fs;
	x->status = status;
}

static void
on_body(void *arg, struct evbuffer *data)
{
	struct canary *x = arg;
	size_t len = evbuffer_get_length(data);

	evbuffer_add_buffer(x->body, data);
	if (evbuffer_get_length(x->body) <= ANSWER_BYTES) {
		http_call_credit(x->call, len);
		return;
	}
	let_go(x);
	finish(x, FAILED, "its answer is larger than we read");
}

static void
on_end(void *arg, const struct fault *f)
{
	struct canary *x = arg;

	x->call = NULL;
	let_go(x);
	if (f != NULL)
		finish(x, FAILED, f->why);
	else
		judge_answer(x);
}

static void
on_impatient(void *arg)
{
	struct canary *x = arg;

	let_go(x);
	finish(x, FAILED, "no whole answer came in time");
}

static const struct http_events events = {on_head, on_body, on_end};

/* As attempt.c composes a buyer's. */
static void
compose(struct canary *x, const char *token, const char *path, const char *body,
    struct http_outgoing *o)
{
	struct arena *a = x->arena;
	char trace[TRACEPARENT];
	uint8_t random[24];

	random_bytes(random, sizeof(random));
	trace_next(NULL, random, trace);
	o->method = "POST";
	o->path = path;
	http_fields_add(&o->fields, a, "authorization",
	    arena_printf(a, "Bearer %s", token));
	http_fields_add(&o->fields, a, "x-request-id", x->id);
	http_fields_add(&o->fields, a, "traceparent", trace);
	http_fields_add(&o->fields, a, "content-type", "application/json");
	http_fields_add(&o->fields, a, "accept", "application/json");
	o->body = evbuffer_new();
	evbuffer_add(o->body, body, strlen(body));
}

static bool
has_place(const struct offer_provider *p)
{
	double busy = p->active + p->load * p->capacity;

	return p->capacity <= 1 ? busy <= 0 : busy + 1 < p->capacity;
}

/* False: what was claimed can not be asked any more. */
static bool
can_ask(const struct canary *x)
{
	const struct canary_offer *d = &x->due.offer;
	const struct offer *o =
	    offers_find(x->of->house->offers, d->did, d->task, d->model);

	return o != NULL && has_place(o->provider);
}

static void
ask(struct canary *x, const char *token)
{
	const struct house *h = x->of->house;
	const struct canary_offer *d = &x->due.offer;
	const struct catalog_task *task =
	    catalog_task_find(catalogs_now(h->catalogs), text_of(d->task));
	struct path *p = presence_find(h->presence, x->session);
	const char *body = canary_body(
	    x->due.seed, d->task, d->model, &x->of->prompts, x->arena);
	struct http_outgoing o = {0};
	struct fault f;

	if (task == NULL || p == NULL || body == NULL || !can_ask(x)) {
		finish(x, FAILED, "the offer or its free place went meanwhile");
		return;
	}
	x->prompt = canary_prompt_id(body);
	compose(x, token, task->path, body, &o);
	x->call = path_call(p, &o, &events, x, &f);
	evbuffer_free(o.body);
	if (x->call == NULL) {
		finish(x, FAILED, f.why);
		return;
	}
	offers_begin(h->offers, x->session);
	timer_start(x->patience, ANSWER_MS);
}

/* ----------------------------------------------------------------------- mint
 */

static void
on_handoff(void *arg, const struct handoff *h, const struct fault *f)
{
	struct canary *x = arg;

	x->question = NULL;
	if (h != NULL)
		ask(x, h->token);
	else
		finish(x, FAILED, f->why);
}

static void
mint(struct canary *x)
{
	struct handoff_order o = {.aud = x->due.offer.did,
	    .sub = x->due.account,
	    .workspace = x->due.workspace,
	    .task = x->due.offer.task,
	    .model = x->due.offer.model,
	    .pool = pool_name(POOL_MARKETPLACE),
	    .request_id = x->id};
	uint8_t random[10];

	random_bytes(random, sizeof(random));
	uuid_v7(clock_unix_ms(), random, x->id);
	o.request_id = x->id;
	x->question = mint_ask(x->of->house->mint, &o, MINT_MS, on_handoff, x);
}

/* ---------------------------------------------------------------------- claim
 */

static const struct offer_source *
way_to(const struct offer *o)
{
	for (size_t i = 0; i < o->source_count; i++)
		if (o->sources[i]->is_local && !o->sources[i]->is_draining)
			return o->sources[i];
	return NULL;
}

/* What any buyer of the market could be served by now. */
static bool
may_ask(const struct canaries *x, const struct offer *o)
{
	const struct catalog *c = catalogs_now(x->house->catalogs);
	struct query q = {.task = catalog_task_find(c, text_of(o->task)),
	    .model = catalog_model_find(c, text_of(o->model), ""),
	    .pools = POOL_MARKETPLACE,
	    .allow_fallbacks = true};
	struct admission admission = {c, &q, clock_unix_ms(), {NULL, 0}};

	return (strcmp(o->task, "chat") == 0 ||
		   strcmp(o->task, "completion") == 0) &&
	       q.task != NULL && q.model != NULL &&
	       q.model->workspace == NULL && way_to(o) != NULL &&
	       has_place(o->provider) &&
	       offer_admit(&admission, o) == ADMISSIBLE;
}

struct list {
	struct canaries *x;
	struct canary_offer *at;
	size_t count;
};

static void
list_offers(void *arg, const struct offer_provider *p)
{
	struct list *l = arg;

	for (const struct offer *o = p->offers; o != NULL; o = o->of_provider)
		if (l->count < OFFERS_MOST && may_ask(l->x, o))
			l->at[l->count++] =
			    (struct canary_offer){p->did, o->task, o->model};
}

static struct canary *
canary_new(
    struct canaries *all, const struct canary_due *due, const struct offer *o)
{
	struct canary *x = mem_new(sizeof(*x));

	x->of = all;
	x->next = all->first;
	all->first = x;
	all->under_way++;
	x->arena = arena_new();
	x->patience = timer_new(all->house->loop, on_impatient, x);
	x->body = evbuffer_new();
	x->due = (struct canary_due){
	    .offer = {arena_string(x->arena, due->offer.did),
		arena_string(x->arena, due->offer.task),
		arena_string(x->arena, due->offer.model)},
	    .account = arena_string(x->arena, due->account),
	    .workspace = arena_string(x->arena, due->workspace),
	    .seed = due->seed};
	x->session = arena_string(x->arena, way_to(o)->session);
	x->artifact = arena_string(x->arena, o->artifact);
	x->workspace = arena_string(x->arena, o->provider->workspace);
	return x;
}

static void
start(struct canaries *all, const struct canary_due *due)
{
	const struct offer *o = offers_find(all->house->offers, due->offer.did,
	    due->offer.task, due->offer.model);

	if (o != NULL && may_ask(all, o))
		mint(canary_new(all, due, o));
}

static void
on_due(void *arg, const struct canary_due *due, size_t count, int64_t overdue,
    const struct fault *f)
{
	struct canaries *all = arg;

	all->claim = NULL;
	all->has_more = overdue > 0;
	if (f != NULL)
		log_warn(
		    &all->log, "canary_not_claimed", LOG_STR("why", f->why));
	else
		metric_set(all->overdue, overdue, 0, 0, 0);
	for (size_t i = 0; i < count; i++)
		start(all, &due[i]);
	/* Those that went meanwhile have left room. */
	if (count > 0 && overdue > 0 && all->under_way < UNDER_WAY_MOST)
		timer_start(all->poll, 0);
	else
		rest(all);
}

static void
on_poll(void *arg)
{
	struct canaries *all = arg;
	struct list l = {all, NULL, 0};

	if (all->claim != NULL)
		return;
	if (!pg_is_up(all->house->pg) || !mint_is_up(all->house->mint) ||
	    all->under_way >= UNDER_WAY_MOST) {
		rest(all);
		return;
	}
	l.at = mem_array(OFFERS_MOST, sizeof(*l.at));
	offers_each(all->house->offers, list_offers, &l);
	if (l.count > 0)
		all->claim = canary_db_claim(all->house->pg, l.at, l.count,
		    all->period_ms, UNDER_WAY_MOST - all->under_way, on_due,
		    all);
	else {
		metric_set(all->overdue, 0, 0, 0, 0);
		rest(all);
	}
	mem_free(l.at);
}

static struct canaries *
canaries_new(const struct house *h)
{
	static const struct metric_label result = {
	    "result", results, sizeof(results) / sizeof(*results)};
	struct canaries *all = mem_new(sizeof(*all));

	all->house = h;
	all->log = h->log;
	all->arena = arena_new();
	all->period_ms = DAY_MS / h->settings->canary_per_day;
	all->sent = metric_counter(h->counters->all, "assay_canaries_total",
	    "Requests of our own to look at providers, by what was found.",
	    &result, 1);
	all->overdue = metric_gauge(h->counters->all, "assay_canaries_overdue",
	    "Offers that are due to be looked at and were not claimed yet.",
	    NULL, 0);
	all->poll = timer_new(h->loop, on_poll, all);
	return all;
}

static bool
read_prompts(struct canaries *all, struct fault *f)
{
	const char *path = all->house->settings->canary_prompts;
	char *file;
	size_t len;
	bool ok;

	if (path == NULL || *path == '\0')
		return true;
	if (!file_read(path, PROMPTS_BYTES, &file, &len, f))
		return false;
	ok = canary_prompts_read(
	    (struct text){file, len}, all->arena, &all->prompts, f);
	mem_free(file);
	return ok;
}

bool
canaries_open(const struct house *h, struct canaries **out, struct fault *f)
{
	*out = NULL;
	if (h->settings->canary_per_day == 0)
		return true;
	*out = canaries_new(h);
	if (!read_prompts(*out, f)) {
		canaries_free(out);
		return false;
	}
	rest(*out);
	return true;
}

void
canaries_free(struct canaries **allp)
{
	struct canaries *all = *allp;

	if (all == NULL)
		return;
	pending_cancel(&all->claim);
	while (all->first != NULL)
		canary_free(all->first);
	timer_free(&all->poll);
	arena_free(&all->arena);
	mem_free(all);
	*allp = NULL;
}
