/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool: a few pipelined connections, each with the questions it was sent,
 * oldest first. A question is one prepared statement and one Sync, so it is a
 * transaction of its own and one failure does not touch its neighbours; it is
 * answered at the Sync, when the commit is known.
 */
#include "base/pg.h"

#include <assert.h>
#include <libpq-fe.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/pg_rows.h"
#include "base/pg_wire.h"

#define CONNECT_MS 5000
#define PREPARE_AGAIN_MS 5000
#define NO_QUESTION "postgres takes no question"

struct question {
	struct pending pending; /* first: see loop.h */
	TAILQ_ENTRY(question) entry;
	struct pg *pg;
	size_t statement;
	bool prepares;	  /* ours: PREPARE, not execute */
	int64_t asked_at; /* clock_mono_ms, or when it was sent */
	PGresult *result;
	pg_answer *fn; /* NULL: cancelled, or ours */
	void *arg;
	struct arena *kept;    /* not sent yet: has its parameters */
	const char **params;   /* there */
	struct pending *early; /* refused before it was sent */
	struct fault fault;    /* for early */
};

TAILQ_HEAD(questions, question);

enum prepared { NOT_PREPARED, PREPARING, PREPARED };

struct line {
	struct pg *pg;
	struct pg_wire *wire;
	struct questions sent;
	unsigned waiting;
	enum prepared *prepared; /* by statement */
	int64_t *tried_at;
	bool up;
};

struct pg {
	struct loop *loop;
	struct pg_settings set;
	struct log log;
	struct line *lines;
	struct questions held; /* until a connection has nothing to do */
	struct questions early;
	struct timer *sweep;
	unsigned waiting;
	int64_t moved_at; /* when Postgres last came to an end by itself */
	unsigned up;
	unsigned depth; /* of callbacks now running */
	bool dying;	/* freed from inside one of them */
	void (*on_change)(void *arg, bool up);
	void *on_change_arg;
};

static void
pg_destroy(struct pg *p)
{
	for (unsigned i = 0; i < p->set.connections; i++) {
		mem_free(p->lines[i].prepared);
		mem_free(p->lines[i].tried_at);
	}
	mem_free(p->lines);
	mem_free(p);
}

/* Every way into a caller's code goes between these two. */
static void
enter(struct pg *p)
{
	p->depth++;
}

/* False: the caller's code freed the pool, and now it is gone. */
static bool
leave(struct pg *p)
{
	p->depth--;
	if (!p->dying)
		return true;
	if (p->depth == 0)
		pg_destroy(p);
	return false;
}

/* Exactly one of result and f. The question is off every list. */
static bool
answer(struct question *q, PGresult *result, const struct fault *f)
{
	struct pg *p = q->pg;
	struct pg_rows rows = {result};
	pg_answer *fn = q->fn;
	void *arg = q->arg;

	mem_free(q);
	enter(p);
	if (fn != NULL)
		fn(arg, result == NULL ? NULL : &rows, f);
	PQclear(result);
	return leave(p);
}

static void
line_set_up(struct line *ln, bool up)
{
	struct pg *p = ln->pg;
	bool was = p->up > 0;

	if (ln->up == up)
		return;
	ln->up = up;
	p->up = up ? p->up + 1 : p->up - 1;
	if (was != (p->up > 0) && p->on_change != NULL)
		p->on_change(p->on_change_arg, p->up > 0);
}

static struct question *
line_pop(struct line *ln)
{
	struct question *q = TAILQ_FIRST(&ln->sent);

	TAILQ_REMOVE(&ln->sent, q, entry);
	ln->waiting--;
	ln->pg->waiting--;
	return q;
}

static void
line_push(struct line *ln, struct question *q)
{
	q->asked_at = clock_mono_ms();
	TAILQ_INSERT_TAIL(&ln->sent, q, entry);
	ln->waiting++;
	ln->pg->waiting++;
}

/* In the place of being sent. */
static struct pending *
hold(struct question *q, const char *const *params)
{
	int count = q->pg->set.statements[q->statement].params;

	q->kept = arena_new();
	q->params =
	    arena_alloc(q->kept, ((size_t)count + 1) * sizeof *q->params);
	for (int i = 0; i < count; i++)
		q->params[i] = arena_string(q->kept, params[i]);
	q->asked_at = clock_mono_ms();
	TAILQ_INSERT_TAIL(&q->pg->held, q, entry);
	q->pg->waiting++;
	return &q->pending;
}

/* Off the list of those that wait here; its parameters go. */
static void
let_go(struct question *q)
{
	TAILQ_REMOVE(&q->pg->held, q, entry);
	q->pg->waiting--;
	arena_free(&q->kept);
}

/* All that was asked of a lost session. What a callback asks meanwhile goes
 * to another line: this one is down. */
static void
line_fail_all(
    struct line *ln, const struct fault *first, const struct fault *rest)
{
	struct pg *p = ln->pg;
	struct questions old = TAILQ_HEAD_INITIALIZER(old);
	struct question *q;
	const struct fault *f = first;

	TAILQ_CONCAT(&old, &ln->sent, entry);
	p->waiting -= ln->waiting;
	ln->waiting = 0;
	enter(p);
	while ((q = TAILQ_FIRST(&old)) != NULL) {
		TAILQ_REMOVE(&old, q, entry);
		PQclear(q->result);
		q->result = NULL;
		if (p->dying)
			q->fn = NULL;
		answer(q, NULL, f);
		f = rest;
	}
	leave(p);
}

static void
on_lost(void *arg, const char *why)
{
	struct line *ln = arg;
	struct fault f;

	fault_set(&f, FAULT_UNAVAILABLE, "postgres: %s", why);
	memset(ln->prepared, 0,
	    ln->pg->set.statement_count * sizeof *ln->prepared);
	enter(ln->pg);
	line_set_up(ln, false);
	line_fail_all(ln, &f, &f);
	leave(ln->pg);
}

/* ---------------------------------------------------------- preparations */

static bool
send_prepare(struct line *ln, size_t i)
{
	const struct pg_statement *s = &ln->pg->set.statements[i];
	PGconn *c = pg_wire_conn(ln->wire);
	struct question *q;

	if (!PQsendPrepare(c, s->name, s->sql, 0, NULL) || !PQpipelineSync(c))
		return false;
	q = mem_new(sizeof *q);
	q->pg = ln->pg;
	q->statement = i;
	q->prepares = true;
	ln->prepared[i] = PREPARING;
	ln->tried_at[i] = clock_mono_ms();
	line_push(ln, q);
	return true;
}

static void
got_prepared(struct line *ln, struct question *q)
{
	const char *name = ln->pg->set.statements[q->statement].name;
	struct fault f;
	bool ok = pg_result_judge(q->result, name, &f);

	if (!ok)
		log_error(&ln->pg->log, "prepare_failed",
		    LOG_STR("statement", name), LOG_STR("why", f.why));
	ln->prepared[q->statement] = ok ? PREPARED : NOT_PREPARED;
	PQclear(q->result);
	mem_free(q);
}

static void
line_ready(struct line *ln)
{
	pg_wire_settled(ln->wire);
	line_set_up(ln, true);
}

static void
on_connected(void *arg)
{
	struct line *ln = arg;
	PGconn *c = pg_wire_conn(ln->wire);

	if (!PQenterPipelineMode(c)) {
		pg_wire_fail(ln->wire, PQerrorMessage(c));
		return;
	}
	for (size_t i = 0; i < ln->pg->set.statement_count; i++) {
		if (!send_prepare(ln, i)) {
			pg_wire_fail(ln->wire, PQerrorMessage(c));
			return;
		}
	}
	pg_wire_flush(ln->wire);
	if (ln->waiting == 0)
		line_ready(ln);
}

/* --------------------------------------------------------------- answers */

/* The last one is the question's own; what follows an error says nothing. */
static void
keep_result(struct question *q, PGresult *r)
{
	if (q->result != NULL && PQresultStatus(r) == PGRES_PIPELINE_ABORTED) {
		PQclear(r);
		return;
	}
	PQclear(q->result);
	q->result = r;
}

static void send_held(struct line *ln);

/* The question's Sync came back. False: the pool is gone. */
static bool
question_done(struct line *ln)
{
	struct question *q = line_pop(ln);
	PGresult *r = q->result;
	struct fault f;

	if (q->prepares) {
		got_prepared(ln, q);
		if (!ln->up && ln->waiting == 0)
			line_ready(ln);
		return !ln->pg->dying;
	}
	if (pg_result_judge(r, ln->pg->set.statements[q->statement].name, &f)) {
		ln->pg->moved_at = clock_mono_ms();
		return answer(q, r, NULL);
	}
	if (f.kind != FAULT_TIMEOUT)
		ln->pg->moved_at = clock_mono_ms();
	PQclear(r);
	return answer(q, NULL, &f);
}

/* False: the pool is gone. */
static bool
line_read(struct line *ln, PGconn *c)
{
	unsigned nothing = 0;

	while (!TAILQ_EMPTY(&ln->sent) && !PQisBusy(c) && nothing < 2) {
		PGresult *r = PQgetResult(c);

		/* A NULL ends the results of one statement. */
		nothing = r == NULL ? nothing + 1 : 0;
		if (r == NULL)
			continue;
		if (PQresultStatus(r) != PGRES_PIPELINE_SYNC) {
			keep_result(TAILQ_FIRST(&ln->sent), r);
			continue;
		}
		PQclear(r);
		if (!question_done(ln))
			return false;
		if (pg_wire_conn(ln->wire) != c)
			return true;
		send_held(ln);
	}
	return true;
}

static void
on_input(void *arg)
{
	struct line *ln = arg;
	struct pg *p = ln->pg;
	PGconn *c = pg_wire_conn(ln->wire);

	enter(p);
	line_read(ln, c);
	if (!p->dying && pg_wire_conn(ln->wire) == c &&
	    PQstatus(c) == CONNECTION_BAD)
		pg_wire_fail(ln->wire, PQerrorMessage(c));
	leave(p);
}

static const struct pg_wire_events line_events = {
    .on_connected = on_connected,
    .on_input = on_input,
    .on_lost = on_lost,
};

/* A long queue is no fault while it moves. */
static void
fail_held(struct pg *p, int64_t now)
{
	struct question *q;

	while (!p->dying && (q = TAILQ_FIRST(&p->held)) != NULL &&
	       now - q->asked_at >= p->set.statement_ms &&
	       now - p->moved_at >= p->set.statement_ms) {
		struct fault f;

		fault_set(&f, FAULT_TIMEOUT, "%s: not sent in %lld ms",
		    p->set.statements[q->statement].name,
		    (long long)(now - q->asked_at));
		let_go(q);
		answer(q, NULL, &f);
	}
}

/* The oldest question of each line bounds all behind it. */
static void
on_sweep(void *arg)
{
	struct pg *p = arg;
	int64_t now = clock_mono_ms();

	enter(p);
	fail_held(p, now);
	for (unsigned i = 0; i < p->set.connections && !p->dying; i++) {
		struct line *ln = &p->lines[i];
		struct question *q = TAILQ_FIRST(&ln->sent);
		struct fault f, rest;

		if (q == NULL || now - q->asked_at < p->set.answer_ms)
			continue;
		fault_set(&f, FAULT_TIMEOUT, "%s: no answer in %lld ms",
		    p->set.statements[q->statement].name,
		    (long long)(now - q->asked_at));
		fault_set(&rest, FAULT_UNAVAILABLE,
		    "postgres: connection remade after a question got no "
		    "answer");
		/* on_lost finds nothing left to fail. */
		line_set_up(ln, false);
		line_fail_all(ln, &f, &rest);
		if (!p->dying)
			pg_wire_fail(ln->wire, f.why);
	}
	leave(p);
}

/* ------------------------------------------------------------- questions */

static void
question_cancel(struct pending *self)
{
	struct question *q = (struct question *)self;

	q->fn = NULL;
	if (q->kept != NULL) {
		let_go(q);
		mem_free(q);
		return;
	}
	if (q->early == NULL)
		return; /* its result must still be read */
	pending_cancel(&q->early);
	TAILQ_REMOVE(&q->pg->early, q, entry);
	mem_free(q);
}

static void
on_early(void *arg)
{
	struct question *q = arg;
	struct fault f = q->fault;

	q->early = NULL;
	TAILQ_REMOVE(&q->pg->early, q, entry);
	answer(q, NULL, &f);
}

static struct pending *
refuse(struct question *q, const char *why)
{
	struct pg *p = q->pg;

	fault_set(&q->fault, FAULT_UNAVAILABLE, "%s: %s",
	    p->set.statements[q->statement].name, why);
	TAILQ_INSERT_TAIL(&p->early, q, entry);
	q->early = loop_defer(p->loop, on_early, q);
	return &q->pending;
}

static struct line *
least_busy(struct pg *p)
{
	struct line *best = NULL;

	for (unsigned i = 0; i < p->set.connections; i++) {
		struct line *ln = &p->lines[i];

		if (ln->up && (best == NULL || ln->waiting < best->waiting))
			best = ln;
	}
	return best;
}

/* A statement that could not be prepared (a migration not yet run, a right
 * not yet given) is tried again in front of the question that needs it. */
static bool
ensure_prepared(struct line *ln, size_t i)
{
	if (ln->prepared[i] != NOT_PREPARED ||
	    clock_mono_ms() - ln->tried_at[i] < PREPARE_AGAIN_MS)
		return true;
	return send_prepare(ln, i);
}

/* For the question's own transaction, so that it holds behind a pooler too. */
static bool
send_limit(struct line *ln)
{
	char ms[24];
	const char *params[] = {ms};

	snprintf(ms, sizeof ms, "%lld", (long long)ln->pg->set.statement_ms);
	return ln->pg->set.statement_ms == 0 ||
	       PQsendQueryParams(pg_wire_conn(ln->wire),
		   "SELECT set_config('statement_timeout', $1, true)", 1, NULL,
		   params, NULL, NULL, 0);
}

static bool
question_send(struct line *ln, struct question *q, const char *const *params)
{
	const struct pg_statement *s = &ln->pg->set.statements[q->statement];
	PGconn *c = pg_wire_conn(ln->wire);

	if (!ensure_prepared(ln, q->statement) || !send_limit(ln) ||
	    !PQsendQueryPrepared(
		c, s->name, s->params, params, NULL, NULL, 0) ||
	    !PQpipelineSync(c)) {
		pg_wire_break(ln->wire);
		return false;
	}
	line_push(ln, q);
	pg_wire_flush(ln->wire);
	return true;
}

static bool
must_wait(const struct line *ln)
{
	return ln->pg->set.statement_ms > 0 &&
	       (ln->waiting > 0 || !TAILQ_EMPTY(&ln->pg->held));
}

static void
send_held(struct line *ln)
{
	struct question *q = TAILQ_FIRST(&ln->pg->held);
	struct arena *kept;

	if (q == NULL || !ln->up || ln->waiting > 0)
		return;
	kept = q->kept;
	q->kept = NULL;
	let_go(q);
	if (!question_send(ln, q, q->params))
		refuse(q, NO_QUESTION);
	arena_free(&kept);
}

struct pending *
pg_ask(struct pg *p, size_t statement, const char *const *params, pg_answer *fn,
    void *arg)
{
	struct question *q = mem_new(sizeof *q);
	struct line *ln = least_busy(p);

	assert(statement < p->set.statement_count);
	q->pending.cancel = question_cancel;
	q->pg = p;
	q->statement = statement;
	q->fn = fn;
	q->arg = arg;
	if (ln == NULL)
		return refuse(q, "postgres is not connected");
	if (p->waiting >= p->set.queue)
		return refuse(q, "too many questions to postgres are waiting");
	if (must_wait(ln))
		return hold(q, params);
	if (!question_send(ln, q, params))
		return refuse(q, NO_QUESTION);
	return &q->pending;
}

/* ------------------------------------------------------------------ life */

static void
settings_default(struct pg_settings *s)
{
	if (s->connections == 0)
		s->connections = 2;
	if (s->queue == 0)
		s->queue = 10000;
	if (s->answer_ms == 0)
		s->answer_ms = 5000;
}

struct pg *
pg_new(struct loop *l, const struct pg_settings *s, const struct log *log)
{
	struct pg *p = mem_new(sizeof *p);
	int64_t tick;

	p->loop = l;
	p->set = *s;
	settings_default(&p->set);
	p->log = *log;
	TAILQ_INIT(&p->held);
	TAILQ_INIT(&p->early);
	p->lines = mem_array(p->set.connections, sizeof *p->lines);
	for (unsigned i = 0; i < p->set.connections; i++) {
		struct line *ln = &p->lines[i];

		ln->pg = p;
		TAILQ_INIT(&ln->sent);
		ln->prepared =
		    mem_array(s->statement_count + 1, sizeof *ln->prepared);
		ln->tried_at =
		    mem_array(s->statement_count + 1, sizeof *ln->tried_at);
		ln->wire = pg_wire_new(l, s->conninfo, s->application,
		    CONNECT_MS, &line_events, ln, &p->log);
	}
	tick = p->set.answer_ms / 20;
	p->sweep = timer_new(l, on_sweep, p);
	timer_every(p->sweep, tick < 10 ? 10 : tick);
	return p;
}

void
pg_free(struct pg **at)
{
	struct pg *p = *at;
	struct question *q;

	if (p == NULL)
		return;
	*at = NULL;
	timer_free(&p->sweep);
	for (unsigned i = 0; i < p->set.connections; i++) {
		while ((q = TAILQ_FIRST(&p->lines[i].sent)) != NULL) {
			line_pop(&p->lines[i]);
			PQclear(q->result);
			mem_free(q);
		}
		pg_wire_free(&p->lines[i].wire);
	}
	while ((q = TAILQ_FIRST(&p->held)) != NULL) {
		let_go(q);
		mem_free(q);
	}
	while ((q = TAILQ_FIRST(&p->early)) != NULL) {
		TAILQ_REMOVE(&p->early, q, entry);
		pending_cancel(&q->early);
		mem_free(q);
	}
	p->dying = true;
	if (p->depth == 0)
		pg_destroy(p);
}

bool
pg_is_up(const struct pg *p)
{
	return p->up > 0;
}

void
pg_on_change(struct pg *p, void (*on_change)(void *arg, bool up), void *arg)
{
	p->on_change = on_change;
	p->on_change_arg = arg;
}
