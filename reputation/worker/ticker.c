/* SPDX-License-Identifier: Apache-2.0 */
/* See ticker.h. */
#include "reputation/worker/ticker.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "reputation/rater.h"
#include "reputation/worker/reputation_db.h"
#include "reputation/worker/scorer.h"

enum {
	CLOCK_OFF_MS = 10000,
	AHEAD_MS = 120000,
	PARTITIONS_AGAIN_MS = 60000,
};

struct ticker {
	const struct reputation_settings *settings;
	struct log log;
	struct pg_session *db;	   /* leads, adds up, reads */
	struct pg_session *writer; /* of scores, while db reads the next */
	bool is_writing;	   /* it owes an answer */
	struct ticker_counts counts;
	int64_t partitions_day;	  /* the day they were last seen to */
	int64_t partitions_at_ms; /* when what waits is tried, monotonic */
	bool prunes;		  /* there may be old evidence left today */
	int64_t connected_ms;	  /* since when, monotonic */
	bool has_begun;		  /* there is a day_close to go on from */
};

/* -------------------------------------------------------------- statements */

static bool
warn(struct ticker *t, enum reputation_statement which, const struct fault *f)
{
	log_warn(&t->log, "statement_failed",
	    LOG_STR("statement", reputation_statements[which].name),
	    LOG_STR("why", f->why));
	return false;
}

static bool
run_on(struct ticker *t, struct pg_session *db, enum reputation_statement which,
    const char *const *params, struct pg_rows **rows, struct fault *f)
{
	static const char *const none[] = {NULL};
	const struct pg_statement *s = &reputation_statements[which];

	return pg_session_run(db, s->sql, s->params,
		   params == NULL ? none : params, rows, f) ||
	       warn(t, which, f);
}

static bool
run(struct ticker *t, enum reputation_statement which,
    const char *const *params, struct pg_rows **rows, struct fault *f)
{
	return run_on(t, t->db, which, params, rows, f);
}

/* A statement without rows, or whose rows nobody reads. */
static bool
act(struct ticker *t, enum reputation_statement which,
    const char *const *params, struct fault *f)
{
	return run(t, which, params, NULL, f);
}

static bool
ask_bool(struct ticker *t, enum reputation_statement which,
    const char *const *params, bool *out, struct fault *f)
{
	struct pg_rows *rows;

	if (!run(t, which, params, &rows, f))
		return false;
	*out = pg_count(rows) > 0 && pg_bool(rows, 0, 0);
	pg_rows_free(&rows);
	return true;
}

static int64_t
first_int(struct pg_rows **rows)
{
	int64_t out = pg_count(*rows) > 0 ? pg_i64(*rows, 0, 0) : 0;

	pg_rows_free(rows);
	return out;
}

static bool
ask_int(struct ticker *t, enum reputation_statement which,
    const char *const *params, int64_t *out, struct fault *f)
{
	struct pg_rows *rows;

	if (!run(t, which, params, &rows, f))
		return false;
	*out = first_int(&rows);
	return true;
}

/* ---------------------------------------------------------------- folding */

static bool
fold_one(struct ticker *t, enum reputation_statement which, int64_t day,
    struct fault *f)
{
	struct arena *a = arena_new();
	const char *params[] = {
	    scorer_day(day, a), pg_int(a, t->settings->batch_rows)};
	int64_t rows;
	bool ok;

	do {
		ok = ask_int(t, which, params, &rows, f);
		if (ok)
			t->counts.events += (uint64_t)rows;
	} while (ok && rows == t->settings->batch_rows);
	arena_free(&a);
	return ok;
}

/* Audits count from the close of their day on: a score that moved with each
 * would tell the provider which request had been one. */
static bool
fold(struct ticker *t, int64_t day, bool is_closing, struct fault *f)
{
	return fold_one(t, DB_FOLD, day, f) &&
	       fold_one(t, DB_FOLD_VERDICTS, day, f) &&
	       fold_one(t, DB_FOLD_AUDITS, is_closing ? day : day - 1, f);
}

/* ---------------------------------------------------------------- scoring */

/* Waits until what was last written is there. */
static bool
finish_writing(struct ticker *t, struct fault *f)
{
	struct pg_rows *rows;

	if (!t->is_writing)
		return true;
	t->is_writing = false;
	if (!pg_session_answer(t->writer, &rows, f))
		return warn(t, DB_WRITE, f);
	t->counts.tier_changes += (uint64_t)first_int(&rows);
	return true;
}

static bool
begin_writing(struct ticker *t, const char *const write[SCORER_PARAMS],
    size_t pairs, struct fault *f)
{
	const struct pg_statement *s = &reputation_statements[DB_WRITE];

	t->is_writing = pg_session_ask(t->writer, s->sql, s->params, write, f);
	if (!t->is_writing)
		return warn(t, DB_WRITE, f);
	t->counts.pairs += pairs;
	return true;
}

/* Asks for the pairs after one, without waiting for the answer. A tier falls
 * when an audit fails; a day closes by the audits of that day, be it closed
 * days later. The clock of gateways may be ahead of ours. */
static bool
ask_pairs(struct ticker *t, const struct scorer_moment *m, int64_t after,
    struct fault *f)
{
	const struct pg_statement *s =
	    &reputation_statements[m->is_closing ? DB_UNCLOSED : DB_DUE];
	int64_t since = m->is_closing ? m->day * DAY_MS : m->now_ms - DAY_MS;
	int64_t until = m->is_closing ? since + DAY_MS : m->now_ms + AHEAD_MS;
	struct arena *a = arena_new();
	const char *params[] = {scorer_day(m->day, a),
	    pg_int(a, t->settings->batch_pairs), pg_int(a, after),
	    pg_int(a, since), pg_int(a, until)};
	bool ok = pg_session_ask(t->db, s->sql, s->params, params, f);

	arena_free(&a);
	return ok;
}

/* While we score one batch, Postgres reads the next and writes the last. */
static bool
score_batch(struct ticker *t, const struct scorer_moment *m,
    struct pg_rows **rows, struct fault *f)
{
	struct arena *a = arena_new();
	const char *write[SCORER_PARAMS];
	size_t pairs;
	bool ok = ask_pairs(t, m, scorer_last(*rows), f);

	if (ok) {
		pairs = scorer_judge(*rows, m, a, write);
		pg_rows_free(rows);
		ok = finish_writing(t, f) &&
		     begin_writing(t, write, pairs, f) &&
		     pg_session_answer(t->db, rows, f);
	}
	arena_free(&a);
	return ok;
}

/* The pairs that are due, or those that are to be closed. */
static bool
score_all(struct ticker *t, const struct scorer_moment *m, struct fault *f)
{
	struct pg_rows *rows = NULL;
	bool ok = ask_pairs(t, m, 0, f) && pg_session_answer(t->db, &rows, f);

	while (ok && pg_count(rows) > 0)
		ok = score_batch(t, m, &rows, f);
	pg_rows_free(&rows);
	return ok && finish_writing(t, f);
}

/* ----------------------------------------------------------------- raters */

static void
weigh_rows(const struct pg_rows *rows, struct arena *a, const char *params[4])
{
	size_t count = (size_t)pg_count(rows);
	const char **columns[4];

	for (int c = 0; c < 4; c++)
		columns[c] = arena_alloc(a, (count + 1) * sizeof(char *));
	for (int i = 0; i < (int)count; i++) {
		double w =
		    rater_variety(pg_f64(rows, i, 3), pg_f64(rows, i, 4)) *
		    rater_company((size_t)pg_i64(rows, i, 5),
			(size_t)pg_i64(rows, i, 6), (size_t)pg_i64(rows, i, 7),
			(size_t)pg_i64(rows, i, 8));

		for (int c = 0; c < 3; c++)
			columns[c][i] = pg_text(rows, i, c);
		columns[3][i] = arena_printf(a, "%.17g", w);
	}
	for (int c = 0; c < 4; c++)
		params[c] = pg_array(a, columns[c], count);
}

static bool
weigh_raters(struct ticker *t, const char *day, struct fault *f)
{
	bool ok = act(t, DB_WEIGH_BEGIN, &day, f);
	int count = 1;

	while (ok && count > 0) {
		struct arena *a = arena_new();
		const char *most = pg_int(a, t->settings->batch_rows);
		const char *params[4];
		struct pg_rows *rows;

		ok = run(t, DB_WEIGH_READ, &most, &rows, f);
		if (ok) {
			count = pg_count(rows);
			weigh_rows(rows, a, params);
			ok = count == 0 || act(t, DB_WEIGH_WRITE, params, f);
			pg_rows_free(&rows);
		}
		arena_free(&a);
	}
	return ok && act(t, DB_WEIGH_END, NULL, f);
}

/* ------------------------------------------------------------------- days */

/* Days that had closed before their downtime was noted. */
static bool
excuse_late(struct ticker *t, const char *day, struct fault *f)
{
	struct arena *a = arena_new();
	const char *params[] = {day,
	    arena_printf(a, "%g", standing_line(STANDING_SILVER)),
	    arena_printf(a, "%g", standing_line(STANDING_GOLD))};
	bool ok = act(t, DB_EXCUSE_LATE, params, f);

	arena_free(&a);
	return ok;
}

static bool
close_pairs(struct ticker *t, int64_t day, int64_t now_ms, const char *text,
    bool *is_excused, struct fault *f)
{
	struct scorer_moment m = {.now_ms = now_ms, .day = day};

	if (!fold(t, day, true, f) || !score_all(t, &m, f) ||
	    !act(t, DB_NOTE_DOWNTIME, &text, f) || !excuse_late(t, text, f) ||
	    !ask_bool(t, DB_IS_EXCUSED, &text, is_excused, f))
		return false;
	m.is_closing = true;
	m.is_excused = *is_excused;
	return score_all(t, &m, f);
}

/* What is done twice because we fell in between is the same the second time;
 * the day is over for good with its row in day_close. */
static bool
close_day(struct ticker *t, int64_t day, int64_t now_ms, struct fault *f)
{
	struct arena *a = arena_new();
	const char *text = scorer_day(day, a);
	const char *closed[] = {text, pg_int(a, now_ms), "f"};
	bool is_excused = false, ok;

	ok = close_pairs(t, day, now_ms, text, &is_excused, f);
	closed[2] = is_excused ? "t" : "f";
	ok = ok && act(t, DB_LAPSE, &text, f) && weigh_raters(t, text, f) &&
	     act(t, DB_SPEED, &text, f) && act(t, DB_ALL_DUE, NULL, f) &&
	     act(t, DB_CLOSED, closed, f);
	if (ok) {
		t->counts.days_closed++;
		log_info(&t->log, "day_closed", LOG_STR("day", text),
		    LOG_STR("excused", is_excused ? "yes" : "no"));
	}
	arena_free(&a);
	return ok;
}

/* The very first day is there to be closed: the one before counts as over. */
static bool
begin_days(struct ticker *t, int64_t next, int64_t now_ms, struct fault *f)
{
	struct arena *a;
	const char *closed[3] = {NULL, NULL, "f"};

	if (t->has_begun)
		return true;
	a = arena_new();
	closed[0] = scorer_day(next - 1, a);
	closed[1] = pg_int(a, now_ms);
	t->has_begun = act(t, DB_CLOSED, closed, f);
	arena_free(&a);
	return t->has_begun;
}

/* The first day that is not closed, which may be one to come. */
static bool
find_next(struct ticker *t, int64_t now_ms, int64_t *next, struct fault *f)
{
	struct arena *a = arena_new();
	const char *text = scorer_day(tier_day(now_ms), a);
	struct pg_rows *rows;
	char stamp[32];
	int64_t ms;
	bool ok = run(t, DB_NEXT_DAY, &text, &rows, f);

	if (ok) {
		snprintf(
		    stamp, sizeof(stamp), "%sT00:00:00Z", pg_text(rows, 0, 0));
		ok = time_of_rfc3339(text_of(stamp), &ms) ||
		     fault_set(f, FAULT_INTERNAL, "no day: %s", stamp);
		*next = ok ? tier_day(ms) : 0;
		pg_rows_free(&rows);
	}
	arena_free(&a);
	return ok && begin_days(t, *next, now_ms, f);
}

/* Gateways that could not write while Postgres was away do so after it is
 * back: we count from when we saw it. */
static bool
is_ripe(const struct ticker *t, int64_t day, int64_t now_ms)
{
	int64_t grace = t->settings->close_grace;

	return now_ms >= (day + 1) * DAY_MS + grace &&
	       clock_mono_ms() - t->connected_ms >= grace;
}

/* One day at most, so that a signal is heard between two. *day: whose events
 * may be counted now. */
static bool
close_days(struct ticker *t, int64_t now_ms, int64_t *day, struct fault *f)
{
	int64_t today = tier_day(now_ms), next;

	if (!find_next(t, now_ms, &next, f))
		return false;
	if (next < today && is_ripe(t, next, now_ms)) {
		if (!close_day(t, next++, now_ms, f))
			return false;
		t->counts.is_behind = next < today && is_ripe(t, next, now_ms);
	}
	*day = next < today ? next : today;
	return true;
}

/* Each in a transaction of its own: no table is held while another is waited
 * for. Who reads a table for long keeps it from this, and this from nobody; of
 * a table that is in use the rest waits too. How many are left. */
static int64_t
mend_partitions(struct ticker *t, const struct pg_rows *due)
{
	const char *in_use = "";
	int64_t left = 0;

	for (int i = 0; i < pg_count(due); i++) {
		const char *params[] = {pg_text(due, i, 0), pg_text(due, i, 1)};
		struct fault f = {0};

		if (strcmp(params[0], in_use) != 0 &&
		    act(t,
			pg_bool(due, i, 2) ? DB_DROP_PARTITION
					   : DB_MAKE_PARTITION,
			params, &f))
			continue;
		in_use = params[0];
		left++;
	}
	return left;
}

/* Whatever fails here is tried again. */
static void
keep_partitions(struct ticker *t, int64_t today)
{
	struct arena *a;
	struct pg_rows *due;
	const char *params[2];
	struct fault f = {0};

	if (t->partitions_day == today &&
	    (t->counts.partitions_waiting == 0 ||
		clock_mono_ms() < t->partitions_at_ms))
		return;
	a = arena_new();
	params[0] = scorer_day(today, a);
	params[1] = pg_int(a, t->settings->partitions_ahead);
	t->counts.partitions_waiting = 1;
	if (run(t, DB_PARTITIONS, params, &due, &f)) {
		t->counts.partitions_waiting = mend_partitions(t, due);
		pg_rows_free(&due);
	}
	t->partitions_at_ms = clock_mono_ms() + PARTITIONS_AGAIN_MS;
	arena_free(&a);
}

/* What each day wants once. */
static bool
keep_house(struct ticker *t, int64_t now_ms, struct fault *f)
{
	int64_t today = tier_day(now_ms);

	keep_partitions(t, today);
	if (t->partitions_day == today)
		return true;
	if (!act(t, DB_FORGET, NULL, f))
		return false;
	t->partitions_day = today;
	t->prunes = true;
	return true;
}

/* Some of it at a time: a tick is not to wait for a day's worth. */
static bool
prune(struct ticker *t, struct fault *f)
{
	int64_t rows;

	if (!t->prunes)
		return true;
	if (!ask_int(t, DB_PRUNE, NULL, &rows, f))
		return false;
	t->prunes = rows > 0;
	return true;
}

/* ------------------------------------------------------------------- tick */

/* No statement waits for the disk: what a crash of Postgres takes back, it
 * takes back whole and in order, and the next tick does it again. Compiling a
 * batch's statement takes longer than running it. */
static bool
open_session(struct ticker *t, struct pg_session **db, struct fault *f)
{
	if (*db != NULL)
		return true;
	t->connected_ms = clock_mono_ms();
	return pg_session_open(
		   t->settings->database_url, "assay-reputation", db, f) &&
	       pg_session_run(*db,
		   "SET synchronous_commit = off; SET jit = off", 0, NULL, NULL,
		   f) &&
	       run_on(t, *db, DB_NOTICE_END, NULL, NULL, f);
}

static void
close_sessions(struct ticker *t)
{
	pg_session_free(&t->db); /* the locks go with them */
	pg_session_free(&t->writer);
	t->is_writing = false;
}

/* A day closed ahead can not be opened again: with a clock that is not
 * Postgres's we do not lead. A clock given by --now is one on purpose. */
static bool
look_at_clock(
    struct ticker *t, int64_t now_ms, int64_t began_ms, struct fault *f)
{
	int64_t theirs, least, most, off;
	bool was_off = t->counts.is_off;

	if (t->settings->now != NULL)
		return true;
	if (!ask_int(t, DB_CLOCK, NULL, &theirs, f))
		return false;
	/* We do not know when between our look and its answer Postgres looked:
	 * one that is slow to answer has no other clock. */
	least = now_ms - theirs;
	most = least + clock_mono_ms() - began_ms;
	off = least > 0 ? least : most < 0 ? most : 0;
	t->counts.is_off = off > CLOCK_OFF_MS || off < -CLOCK_OFF_MS;
	if (t->counts.is_off && !was_off)
		log_error(&t->log, "clock_off", LOG_INT("ahead_ms", off),
		    LOG_STR("why", "it is not Postgres's: we do not lead"));
	return true;
}

static bool
take_lock(struct ticker *t, struct pg_session *db, const char *key, bool *has,
    struct fault *f)
{
	struct pg_rows *rows;

	if (!run_on(t, db, DB_LEAD, &key, &rows, f))
		return false;
	*has = pg_count(rows) > 0 && pg_bool(rows, 0, 0);
	pg_rows_free(&rows);
	return true;
}

/* Each session holds a lock, in this order: nobody leads while a statement of
 * who led before may still write. */
static bool
take_locks(struct ticker *t, bool *leads, struct fault *f)
{
	return take_lock(t, t->db, "1634956146", leads, f) &&
	       (!*leads || take_lock(t, t->writer, "1634956147", leads, f));
}

static bool
lead(struct ticker *t, int64_t now_ms, struct fault *f)
{
	int64_t began_ms = clock_mono_ms();
	bool led = t->counts.leads;

	if (!open_session(t, &t->db, f) || !open_session(t, &t->writer, f) ||
	    !look_at_clock(t, now_ms, began_ms, f))
		return false;
	t->counts.is_up = true;
	t->counts.leads = false;
	if (t->counts.is_off)
		close_sessions(t);
	else if (!take_locks(t, &t->counts.leads, f))
		return false;
	if (t->counts.leads != led)
		log_info(&t->log, t->counts.leads ? "leads" : "follows");
	return true;
}

static bool
fail(struct ticker *t)
{
	close_sessions(t);
	t->counts.is_up = false;
	t->counts.leads = false;
	t->counts.failures++;
	return false;
}

bool
ticker_run(struct ticker *t, int64_t now_ms, struct fault *f)
{
	int64_t began = clock_mono_us();
	uint64_t pairs = t->counts.pairs;
	struct scorer_moment m = {.now_ms = now_ms};

	t->counts.is_behind = false;
	if (!lead(t, now_ms, f))
		return fail(t);
	if (!t->counts.leads)
		return true;
	if (!keep_house(t, now_ms, f) || !prune(t, f) ||
	    !close_days(t, now_ms, &m.day, f))
		return fail(t);
	if (!t->counts.is_behind &&
	    (!fold(t, m.day, false, f) || !score_all(t, &m, f)))
		return fail(t);
	t->counts.ticks++;
	t->counts.last_us = clock_mono_us() - began;
	if (t->counts.pairs > pairs)
		log_debug(&t->log, "ticked",
		    LOG_INT("pairs", t->counts.pairs - pairs),
		    LOG_INT("us", t->counts.last_us));
	return true;
}

/* On one snapshot: what is noted meanwhile stays for the next tick, and so
 * does what is of a day after the one to be closed next. */
static bool
rebuild(struct ticker *t, int64_t day, struct fault *f)
{
	struct arena *a = arena_new();
	const char *params[] = {
	    t->settings->recompute_from, scorer_day(day, a)};
	bool ok;

	ok = pg_session_run(t->db, "BEGIN ISOLATION LEVEL REPEATABLE READ", 0,
		 NULL, NULL, f) &&
	     act(t, DB_REBUILD, params, f) &&
	     pg_session_run(t->db, "COMMIT", 0, NULL, NULL, f) &&
	     act(t, DB_REBUILT, NULL, f);
	arena_free(&a);
	return ok;
}

bool
ticker_recompute(struct ticker *t, int64_t now_ms, struct fault *f)
{
	struct scorer_moment m = {.now_ms = now_ms, .day = tier_day(now_ms)};
	int64_t next;

	if (!lead(t, now_ms, f))
		return fail(t);
	if (!t->counts.leads) {
		fail(t);
		return fault_set(f, FAULT_CONFLICT,
		    t->counts.is_off
			? "the clock is more than ten seconds off Postgres's"
			: "another assay-reputation leads; stop it first");
	}
	if (!find_next(t, now_ms, &next, f) || !rebuild(t, next, f))
		return fail(t);
	if (next < m.day)
		m.day = next;
	return score_all(t, &m, f) || fail(t);
}

struct ticker *
ticker_new(const struct reputation_settings *s, const struct log *log)
{
	struct ticker *t = mem_new(sizeof(*t));

	t->settings = s;
	t->log = *log;
	t->partitions_day = -1;
	return t;
}

void
ticker_free(struct ticker **t)
{
	if (*t == NULL)
		return;
	close_sessions(*t);
	mem_free(*t);
	*t = NULL;
}

const struct ticker_counts *
ticker_counts(const struct ticker *t)
{
	return &t->counts;
}
