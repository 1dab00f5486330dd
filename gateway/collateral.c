/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See collateral.h. One entry a name, whether it is held or only sought. An
 * entry seeks alone: first Postgres, then its source, one URL after the
 * other. Names come from evidence: their number is bounded, and a name that
 * was sought in vain is left alone for longer each time.
 */
#include "gateway/collateral.h"

#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "gateway/attestation_db.h"
#include "gateway/collateral_body.h"

enum {
	ENTRIES_MAX = 256,
	SEEKS_MAX = 16,	       /* under way at once */
	PAUSE_LEAST_MS = 1000, /* after an attempt in vain; then twice that */
	PAUSE_MOST_MS = 64000,
	LOOK_LEAST_MS = 250, /* between two looks for what grows old */
	LOOK_MOST_MS = 60000,
	REFRESHES = 24,	       /* at most that many in refresh_ms */
	OVER_MS = 60000,       /* while the source gives what has ended */
	USED_MS = 2 * 86400000 /* what nobody asked for is not refreshed */
};

struct entry {
	TAILQ_ENTRY(entry) link;
	struct collaterals *all;
	char *name;
	uint8_t *body; /* NULL: only sought */
	size_t len;
	uint64_t generation; /* of the body */
	int64_t fetched_at;  /* Unix ms */
	int64_t next_update; /* Unix ms */
	int64_t file_ms;     /* mtime of the file it was last read from */
	int64_t used_ms;     /* monotonic, as is the one below */
	int64_t again_ms;    /* not sought before */
	unsigned fails;	     /* in a row */
	enum fault_kind failure;
	struct pending *keeping; /* its row is being written */
	/* The seek under way. */
	struct pending *question;
	struct arena *arena;
	struct collateral_plan plan;
	struct collateral_answer_part parts[COLLATERAL_STEPS_MAX];
	size_t step;
};

struct collaterals {
	struct loop *loop;
	struct pg *pg;
	struct fetch *fetch;
	struct collaterals_settings settings;
	void (*on_new)(void *arg);
	void *arg;
	struct log log;
	TAILQ_HEAD(, entry) list; /* the longest unused first */
	size_t count;
	size_t seeking;
	uint64_t generations;
	struct timer *look;
	struct pending *telling;
};

/* ----------------------------------------------------------------- entries */

static void
seek_end(struct entry *e)
{
	if (e->arena == NULL)
		return;
	pending_cancel(&e->question);
	arena_free(&e->arena);
	e->all->seeking--;
}

static void plan_look(struct collaterals *c);

static void
entry_free(struct entry *e)
{
	seek_end(e);
	pending_cancel(&e->keeping);
	TAILQ_REMOVE(&e->all->list, e, link);
	e->all->count--;
	mem_free(e->name);
	mem_free(e->body);
	mem_free(e);
}

/* The longest unused makes room, but not one that is being sought. */
static bool
make_room(struct collaterals *c)
{
	struct entry *e;

	if (c->count < ENTRIES_MAX)
		return true;
	for (e = TAILQ_FIRST(&c->list); e != NULL; e = TAILQ_NEXT(e, link)) {
		if (e->arena == NULL) {
			entry_free(e);
			return true;
		}
	}
	return false;
}

static struct entry *
entry_of(struct collaterals *c, const char *name)
{
	struct entry *e;

	for (e = TAILQ_FIRST(&c->list); e != NULL; e = TAILQ_NEXT(e, link)) {
		if (strcmp(e->name, name) == 0) {
			TAILQ_REMOVE(&c->list, e, link);
			TAILQ_INSERT_TAIL(&c->list, e, link);
			return e;
		}
	}
	if (!collateral_name_is_sound(name) || !make_room(c))
		return NULL;
	e = mem_new(sizeof(*e));
	e->all = c;
	e->name = mem_string(name);
	c->count++;
	TAILQ_INSERT_TAIL(&c->list, e, link);
	return e;
}

static void
on_telling(void *arg)
{
	struct collaterals *c = arg;

	c->telling = NULL;
	c->on_new(c->arg);
}

/* Takes the bytes in where they are newer than what is held. */
static void
take(struct entry *e, struct bytes body, int64_t fetched_at,
    int64_t next_update, bool tell)
{
	struct collaterals *c = e->all;

	if (e->body != NULL && fetched_at <= e->fetched_at)
		return;
	/* The same again is only younger. */
	if (e->body == NULL || e->len != body.len ||
	    memcmp(e->body, body.at, body.len) != 0) {
		mem_free(e->body);
		e->body = mem_copy(body.at, body.len);
		e->len = body.len;
		e->generation = ++c->generations;
	}
	e->fetched_at = fetched_at;
	e->next_update = next_update;
	if (tell && c->telling == NULL)
		c->telling = loop_defer(c->loop, on_telling, c);
}

/* What was nearly over when it came, or over already, is not asked for over
 * and over. */
static int64_t
least_wait(const struct entry *e)
{
	int64_t least = e->all->settings.refresh_ms / REFRESHES;
	int64_t left = e->next_update - e->fetched_at;

	if (left <= 0)
		return least < OVER_MS ? least : OVER_MS;
	if (left / 2 < least)
		least = left / 2;
	return least > PAUSE_LEAST_MS ? least : PAUSE_LEAST_MS;
}

/* Unix ms from when it is to be fetched anew: when it is old, or ahead of its
 * makers' next update. */
static int64_t
due_at(const struct entry *e)
{
	int64_t refresh = e->all->settings.refresh_ms;
	int64_t due = e->fetched_at + refresh;
	int64_t least = e->fetched_at + least_wait(e);

	if (e->next_update - refresh < due)
		due = e->next_update - refresh;
	return due > least ? due : least;
}

static bool
is_old(const struct entry *e)
{
	return e->body == NULL || clock_unix_ms() > due_at(e);
}

/* How many names are served from what is held because their source fails. */
static void
count_kept(struct collaterals *c)
{
	int64_t kept[COLLATERAL_SOURCES + 1] = {0};
	struct entry *e;

	if (c->settings.counters == NULL)
		return;
	for (e = TAILQ_FIRST(&c->list); e != NULL; e = TAILQ_NEXT(e, link))
		if (e->fails > 0 && e->body != NULL)
			kept[collateral_source_of(e->name)]++;
	for (size_t i = 0; i < COLLATERAL_SOURCES; i++)
		metric_set(
		    c->settings.counters->collateral_kept, kept[i], i, 0, 0);
}

static void
count_answer(struct entry *e, enum fault_kind kind)
{
	if (e->all->settings.counters != NULL)
		metric_count(e->all->settings.counters->collateral_answers,
		    collateral_source_of(e->name), kind, 0);
}

/* The next look is when the first of those in use is due. */
static void
plan_look(struct collaterals *c)
{
	int64_t now = clock_mono_ms(), unix_ms = clock_unix_ms();
	int64_t in = LOOK_MOST_MS;
	struct entry *e;

	for (e = TAILQ_FIRST(&c->list); e != NULL; e = TAILQ_NEXT(e, link)) {
		int64_t due = e->body != NULL ? due_at(e) - unix_ms : 0;
		int64_t again = e->again_ms - now;

		if (e->arena != NULL || now - e->used_ms > USED_MS)
			continue;
		if (due < again)
			due = again;
		if (due < in)
			in = due;
	}
	timer_start(c->look, in < LOOK_LEAST_MS ? LOOK_LEAST_MS : in);
}

/* ------------------------------------------------------------------ folder */

static void
look_in_folder(struct entry *e)
{
	const char *folder = e->all->settings.folder;
	char path[4096], *at;
	struct stat st;
	struct fault f;
	int64_t ms, next_update;
	size_t len;

	if (folder == NULL ||
	    snprintf(path, sizeof(path), "%s/%s", folder, e->name) >=
		(int)sizeof(path) ||
	    stat(path, &st) != 0)
		return;
	ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	if (ms == e->file_ms)
		return;
	if (!file_read(path, COLLATERAL_BODY_MAX, &at, &len, &f)) {
		log_warn(&e->all->log, "collateral_not_read",
		    LOG_STR("name", e->name), LOG_STR("why", f.why));
		return;
	}
	/* The folder's word stands, also when a file went back in time. */
	if (e->file_ms != 0 && e->fetched_at == e->file_ms)
		e->fetched_at = 0;
	e->file_ms = ms;
	if (!collateral_body_read(e->name, bytes_of(at, len), &next_update, &f))
		log_warn(&e->all->log, "collateral_unreadable",
		    LOG_STR("name", e->name), LOG_STR("why", f.why));
	take(e, bytes_of(at, len), ms, next_update, false);
	mem_free(at);
}

/* ------------------------------------------------------------------- seeks */

static void
on_kept(void *arg, const struct fault *f)
{
	struct entry *e = arg;

	e->keeping = NULL;
	if (f != NULL)
		log_warn(&e->all->log, "collateral_not_kept",
		    LOG_STR("name", e->name),
		    LOG_STR("code", fault_code(f->kind)),
		    LOG_STR("why", f->why));
}

/* Once for each new reason and then ever more rarely. */
static bool
is_news(const struct entry *e, enum fault_kind kind)
{
	return e->failure != kind || (e->fails & (e->fails - 1)) == 0;
}

static void
tell_failure(struct entry *e, const struct fault *f)
{
	struct collaterals *c = e->all;
	int64_t age = (clock_unix_ms() - e->fetched_at) / 1000;

	if (e->body == NULL) {
		log_warn(&c->log, "collateral_missing",
		    LOG_STR("name", e->name),
		    LOG_STR("code", fault_code(f->kind)),
		    LOG_STR("why", f->why));
		return;
	}
	log_warn(&c->log, "collateral_kept", LOG_STR("name", e->name),
	    LOG_INT("age_s", age), LOG_STR("code", fault_code(f->kind)),
	    LOG_STR("why", f->why));
	pending_cancel(&e->keeping); /* what was sent is written all the same */
	e->keeping = gateway_db_fail_collateral(
	    c->pg, e->name, clock_unix_ms(), fault_code(f->kind), on_kept, e);
}

static void
seek_over(struct entry *e)
{
	struct collaterals *c = e->all;

	seek_end(e);
	count_kept(c);
	plan_look(c);
}

static void
seek_failed(struct entry *e, const struct fault *f)
{
	int64_t pause = PAUSE_LEAST_MS;

	e->fails++;
	for (unsigned i = 1; i < e->fails && pause < PAUSE_MOST_MS; i++)
		pause *= 2;
	e->again_ms = clock_mono_ms() + pause;
	count_answer(e, f->kind);
	if (is_news(e, f->kind))
		tell_failure(e, f);
	e->failure = f->kind;
	seek_over(e);
}

static void
seek_held(struct entry *e)
{
	e->fails = 0;
	e->failure = FAULT_NONE;
	seek_over(e);
}

/* An answer is taken in only as what its name promises. */
static bool
answer_read(
    struct entry *e, struct bytes *body, int64_t *next_update, struct fault *f)
{
	const struct collaterals *c = e->all;
	const struct collaterals_settings *s = &c->settings;

	return collateral_assemble(e->arena, e->name,
		   e->plan.is_choice ? &e->parts[e->step] : e->parts,
		   e->plan.is_choice ? 1 : e->plan.count, body, f) &&
	       collateral_body_read(e->name, *body, next_update, f) &&
	       (s->is_genuine == NULL ||
		   s->is_genuine(c->arg, e->name, *body, f));
}

static void
seek_done(struct entry *e)
{
	struct collateral_row row = {.name = e->name,
	    .source = e->plan.url[e->plan.is_choice ? e->step : 0],
	    .fetched_at = clock_unix_ms()};
	int64_t next_update;
	struct fault f;

	if (!answer_read(e, &row.body, &next_update, &f)) {
		seek_failed(e, &f);
		return;
	}
	log_info(&e->all->log, "collateral_fetched", LOG_STR("name", e->name),
	    LOG_STR("source", row.source), LOG_INT("bytes", row.body.len));
	count_answer(e, FAULT_NONE);
	take(e, row.body, row.fetched_at, next_update, true);
	pending_cancel(&e->keeping);
	e->keeping = gateway_db_keep_collateral(e->all->pg, &row, on_kept, e);
	seek_held(e);
}

static void seek_step(struct entry *e);

static void
keep_answer(struct entry *e, const struct http_answer *answer)
{
	static const char *const chains[] = {"tcb-info-issuer-chain",
	    "sgx-tcb-info-issuer-chain", "sgx-enclave-identity-issuer-chain",
	    "sgx-pck-crl-issuer-chain"};
	struct collateral_answer_part *p = &e->parts[e->step];

	p->body = bytes_of(arena_copy(e->arena, answer->body, answer->body_len),
	    answer->body_len);
	for (size_t i = 0; i < sizeof(chains) / sizeof(*chains); i++) {
		const char *v = http_fields_find(&answer->fields, chains[i]);

		if (v != NULL)
			p->chain = arena_string(e->arena, v);
	}
}

static void
answer_refused(const struct entry *e, int status, struct fault *out)
{
	enum fault_kind kind = status == 404 ? FAULT_NOT_FOUND
			       : status >= 300 && status < 400
				   ? FAULT_REFUSED
				   : FAULT_UNAVAILABLE;

	fault_set(out, kind, "%.120s answered %d%s", e->plan.url[e->step],
	    status,
	    kind == FAULT_REFUSED ? ", and redirects are not followed" : "");
}

static void
on_fetched(void *arg, const struct http_answer *answer, const struct fault *f)
{
	struct entry *e = arg;
	struct fault why;

	e->question = NULL;
	if (f == NULL && answer->status == 200) {
		keep_answer(e, answer);
		if (!e->plan.is_choice && ++e->step < e->plan.count)
			seek_step(e);
		else
			seek_done(e);
		return;
	}
	if (f == NULL)
		answer_refused(e, answer->status, &why);
	else
		why = *f;
	if (e->plan.is_choice && e->step + 1 < e->plan.count) {
		e->step++;
		seek_step(e);
	} else {
		seek_failed(e, &why);
	}
}

static void
seek_step(struct entry *e)
{
	const struct collateral_plan *p = &e->plan;
	struct http_outgoing o = {.method = "GET", .path = p->url[e->step]};

	if (p->question.len > 0) {
		o.method = "POST";
		http_fields_add(
		    &o.fields, e->arena, "content-type", p->question_type);
		o.body = evbuffer_new();
		evbuffer_add(o.body, p->question.at, p->question.len);
	}
	e->question = fetch_ask(e->all->fetch, &o, COLLATERAL_BODY_MAX,
	    e->all->settings.within_ms, on_fetched, e);
	if (o.body != NULL)
		evbuffer_free(o.body);
}

static void
seek_source(struct entry *e)
{
	struct fault f;
	bool planned = false;

	if (e->all->fetch == NULL)
		fault_set(&f, FAULT_UNAVAILABLE, "nothing is fetched here");
	else
		planned = collateral_plan_make(
		    e->arena, &e->all->settings.urls, e->name, &e->plan, &f);
	if (planned) {
		seek_step(e);
	} else if (e->body != NULL) {
		/* Where nobody is to be asked, nobody fails. */
		e->again_ms = clock_mono_ms() + PAUSE_MOST_MS;
		seek_held(e);
	} else {
		seek_failed(e, &f);
	}
}

static void
on_row(void *arg, const struct collateral_row *row, const struct fault *f)
{
	struct entry *e = arg;
	int64_t next_update;
	struct fault why;

	(void)f; /* Postgres may be away; the source may not */
	e->question = NULL;
	if (row != NULL &&
	    collateral_body_read(e->name, row->body, &next_update, &why))
		take(e, row->body, row->fetched_at, next_update, true);
	if (is_old(e))
		seek_source(e);
	else
		seek_held(e);
}

static void
seek(struct entry *e)
{
	struct collaterals *c = e->all;

	if (e->arena != NULL || c->seeking >= SEEKS_MAX ||
	    clock_mono_ms() < e->again_ms)
		return;
	e->arena = arena_new();
	e->step = 0;
	memset(e->parts, 0, sizeof(e->parts));
	c->seeking++;
	e->question = gateway_db_find_collateral(c->pg, e->name, on_row, e);
}

/* ------------------------------------------------------------------ asking */

size_t
collaterals_find(struct collaterals *c, const char *const *names, size_t count,
    struct collateral_item *out)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		struct entry *e = entry_of(c, names[i]);

		if (e == NULL)
			continue;
		e->used_ms = clock_mono_ms();
		look_in_folder(e);
		if (is_old(e))
			seek(e);
		if (e->body != NULL)
			out[found++] = (struct collateral_item){
			    e->name, bytes_of(e->body, e->len), e->fetched_at};
	}
	return found;
}

/* The entry that holds this name's bytes, or NULL. */
static const struct entry *
held(const struct collaterals *c, const char *name)
{
	const struct entry *e;

	for (e = TAILQ_FIRST(&c->list); e != NULL; e = TAILQ_NEXT(e, link))
		if (strcmp(e->name, name) == 0)
			return e->body != NULL ? e : NULL;
	return NULL;
}

size_t
collaterals_peek(const struct collaterals *c, const char *const *names,
    size_t count, struct collateral_item *out)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		const struct entry *e = held(c, names[i]);

		if (e != NULL)
			out[found++] = (struct collateral_item){
			    e->name, bytes_of(e->body, e->len), e->fetched_at};
	}
	return found;
}

uint64_t
collaterals_generation(struct collaterals *c, const char *name)
{
	const struct entry *e = held(c, name);

	return e != NULL ? e->generation : 0;
}

/* Ahead of need: what is in use and has grown old. */
static void
on_look(void *arg)
{
	struct collaterals *c = arg;
	struct entry *e;

	for (e = TAILQ_FIRST(&c->list); e != NULL; e = TAILQ_NEXT(e, link)) {
		if (clock_mono_ms() - e->used_ms > USED_MS)
			continue;
		look_in_folder(e);
		if (is_old(e))
			seek(e);
	}
	plan_look(c);
}

struct collaterals *
collaterals_new(struct loop *l, struct pg *pg, struct fetch *fetch,
    const struct collaterals_settings *s, void (*on_new)(void *arg), void *arg,
    const struct log *log)
{
	struct collaterals *c = mem_new(sizeof(*c));

	c->loop = l;
	c->pg = pg;
	c->fetch = fetch;
	c->settings = *s;
	c->on_new = on_new;
	c->arg = arg;
	c->log = *log;
	TAILQ_INIT(&c->list);
	c->look = timer_new(l, on_look, c);
	plan_look(c);
	return c;
}

void
collaterals_free(struct collaterals **cp)
{
	struct collaterals *c = *cp;

	if (c == NULL)
		return;
	while (!TAILQ_EMPTY(&c->list))
		entry_free(TAILQ_FIRST(&c->list));
	pending_cancel(&c->telling);
	timer_free(&c->look);
	mem_free(c);
	*cp = NULL;
}
