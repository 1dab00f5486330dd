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
#include "gateway/collateral_held.h"

enum {
	ENTRIES_MAX = 256,
	SEEKS_MAX = 16,	       /* under way at once */
	PAUSE_LEAST_MS = 1000, /* after an attempt in vain; then twice that */
	PAUSE_MOST_MS = 64000,
	LOOK_LEAST_MS = 250, /* between two looks for what grows old */
	LOOK_MOST_MS = 60000,
	USED_MS = 2 * DAY_MS /* what nobody asked for is not refreshed */
};

struct entry {
	TAILQ_ENTRY(entry) link;
	struct collaterals *all;
	char *name;
	struct collateral_held held; /* nothing: only sought */
	uint64_t generation;	     /* of the bytes */
	int64_t file_ms;	     /* mtime of the file that was last read */
	int64_t taken_ms;	     /* and of the last that was taken in */
	bool is_asked;		     /* Postgres has said what it holds */
	int64_t used_ms;	     /* monotonic, as is the one below */
	int64_t again_ms;	     /* not sought before */
	unsigned fails;		     /* in a row */
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

static void
entry_free(struct entry *e)
{
	seek_end(e);
	pending_cancel(&e->keeping);
	TAILQ_REMOVE(&e->all->list, e, link);
	e->all->count--;
	mem_free(e->name);
	collateral_held_clear(&e->held);
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

static enum genuine
judge(struct entry *e, struct bytes body, struct fault *f)
{
	const struct collaterals *c = e->all;

	return c->settings.is_genuine != NULL
		   ? c->settings.is_genuine(c->arg, e->name, body, f)
		   : GENUINE_UNKNOWN;
}

/* Whose issuer has been seen since it came is known now. */
static void
judge_held(struct entry *e)
{
	struct collateral_held *h = &e->held;
	struct fault f;

	if (h->body != NULL && h->genuine != GENUINE_YES)
		h->genuine = judge(e, bytes_of(h->body, h->len), &f);
}

static void
count_older(const struct entry *e)
{
	if (e->all->settings.counters != NULL)
		metric_count(e->all->settings.counters->collateral_older,
		    collateral_source_of(e->name), 0, 0);
}

/* Takes the piece in where it may take the place of what is held. */
static bool
take(struct entry *e, const struct collateral_piece *p, bool tell,
    struct fault *f)
{
	struct collaterals *c = e->all;
	int64_t before = e->held.fetched_at;
	bool changed;

	judge_held(e);
	if (!collateral_held_take(&e->held, p, clock_unix_ms(), &changed, f)) {
		if (f->kind == FAULT_STALE)
			count_older(e);
		return false;
	}
	if (changed)
		e->generation = ++c->generations;
	if (tell && e->held.fetched_at != before && c->telling == NULL)
		c->telling = loop_defer(c->loop, on_telling, c);
	return true;
}

/* What came, with what it says and whether it is its maker's. */
static bool
piece_read(struct entry *e, struct bytes body, int64_t fetched_at,
    struct collateral_piece *out, struct fault *f)
{
	out->body = body;
	out->fetched_at = fetched_at;
	out->any_time = false;
	out->genuine = GENUINE_NO;
	if (!collateral_body_read(e->name, body, &out->facts, f))
		return false;
	out->genuine = judge(e, body, f);
	return out->genuine != GENUINE_NO;
}

static int64_t
due_at(const struct entry *e)
{
	return collateral_held_due(&e->held, e->all->settings.refresh_ms);
}

static bool
is_old(const struct entry *e)
{
	return e->held.body == NULL || clock_unix_ms() > due_at(e);
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
		if (e->fails > 0 && e->held.body != NULL)
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
		int64_t due = e->held.body != NULL ? due_at(e) - unix_ms : 0;
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

/* What cannot be read or is forged is taken in all the same where nothing
 * better is held: the verdict says why it does not do. A file that went back
 * in time stands, if it is no older edition. It is told where somebody may
 * have been judged without it. */
static void
take_file(struct entry *e, struct bytes body, int64_t ms)
{
	bool replaces_file =
	    e->taken_ms != 0 && e->held.fetched_at == e->taken_ms;
	struct collateral_piece p;
	struct fault f;

	e->file_ms = ms;
	if (!piece_read(e, body, ms, &p, &f))
		log_warn(&e->all->log, "collateral_unreadable",
		    LOG_STR("name", e->name),
		    LOG_STR("code", fault_code(f.kind)), LOG_STR("why", f.why));
	p.any_time = replaces_file;
	if (take(e, &p, e->used_ms != 0, &f))
		e->taken_ms = ms;
	else
		log_warn(&e->all->log, "collateral_not_taken",
		    LOG_STR("name", e->name), LOG_STR("source", "folder"),
		    LOG_STR("code", fault_code(f.kind)), LOG_STR("why", f.why));
}

static void
look_in_folder(struct entry *e)
{
	const char *folder = e->all->settings.folder;
	char path[4096], *at;
	struct stat st;
	struct fault f;
	int64_t ms;
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
	take_file(e, bytes_of(at, len), ms);
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
	int64_t age = (clock_unix_ms() - e->held.fetched_at) / 1000;

	if (e->held.body == NULL) {
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
take_answer(struct entry *e, struct collateral_piece *p, struct fault *f)
{
	struct bytes body;

	return collateral_assemble(e->arena, e->name,
		   e->plan.is_choice ? &e->parts[e->step] : e->parts,
		   e->plan.is_choice ? 1 : e->plan.count, &body, f) &&
	       piece_read(e, body, clock_unix_ms(), p, f) &&
	       take(e, p, true, f);
}

static void
keep_row(struct entry *e, const struct collateral_piece *p, const char *source)
{
	const char *edition[EDITION_PARTS];
	struct collateral_row row = {.name = e->name,
	    .body = p->body,
	    .source = source,
	    .fetched_at = p->fetched_at,
	    .edition = edition};

	if (p->genuine == GENUINE_YES)
		row.edition_count = p->facts.edition.count;
	for (size_t i = 0; i < row.edition_count; i++)
		edition[i] = p->facts.edition.part[i];
	pending_cancel(&e->keeping);
	e->keeping = gateway_db_keep_collateral(e->all->pg, &row, on_kept, e);
}

static void
seek_done(struct entry *e)
{
	const char *source = e->plan.url[e->plan.is_choice ? e->step : 0];
	struct collateral_piece p;
	struct fault f;

	if (!take_answer(e, &p, &f)) {
		seek_failed(e, &f);
		return;
	}
	log_info(&e->all->log, "collateral_fetched", LOG_STR("name", e->name),
	    LOG_STR("source", source), LOG_INT("bytes", p.body.len));
	count_answer(e, FAULT_NONE);
	keep_row(e, &p, source);
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
		collateral_refused(e->plan.url[e->step], answer->status, &why);
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
	} else if (e->held.body != NULL) {
		/* Where nobody is to be asked, nobody fails. */
		e->again_ms = clock_mono_ms() + PAUSE_MOST_MS;
		seek_held(e);
	} else {
		seek_failed(e, &f);
	}
}

/* Another gateway's, or an operator's: no better than a source. */
static void
take_row(struct entry *e, const struct collateral_row *row)
{
	struct collateral_piece p;
	struct fault f;

	if (!piece_read(e, row->body, row->fetched_at, &p, &f) ||
	    !take(e, &p, true, &f))
		log_warn(&e->all->log, "collateral_not_taken",
		    LOG_STR("name", e->name), LOG_STR("source", "postgres"),
		    LOG_STR("code", fault_code(f.kind)), LOG_STR("why", f.why));
}

static void
on_row(void *arg, const struct collateral_row *row, const struct fault *f)
{
	struct entry *e = arg;

	e->question = NULL;
	e->is_asked |= f == NULL;
	if (row != NULL)
		take_row(e, row);
	if (is_old(e)) { /* Postgres may be away; the source may not */
		seek_source(e);
		return;
	}
	if (f != NULL)
		e->again_ms = clock_mono_ms() + PAUSE_MOST_MS;
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

static struct collateral_item
item_of(const struct entry *e)
{
	return (struct collateral_item){
	    e->name, bytes_of(e->held.body, e->held.len), e->held.fetched_at};
}

size_t
collaterals_find(struct collaterals *c, const char *const *names, size_t count,
    struct collateral_item *out)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		struct entry *e = entry_of(c, names[i]);

		if (e == NULL)
			continue;
		look_in_folder(e);
		e->used_ms = clock_mono_ms();
		if (!e->is_asked || is_old(e))
			seek(e);
		if (e->held.body != NULL)
			out[found++] = item_of(e);
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
			return e->held.body != NULL ? e : NULL;
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
			out[found++] = item_of(e);
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
		if (!e->is_asked || is_old(e))
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
