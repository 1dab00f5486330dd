/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See considered.h. The map is bounded: past the bound, offers not seen since
 * the last writing go uncounted until the next one. So is the spool: where it
 * is full, the newest counts are lost, and said to be.
 */
#include "gateway/considered.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/spool.h"
#include "gateway/gateway_db.h"
#include "gateway/index.h"

enum {
	WRITE_MS = 5000,
	OFFERS_MOST = 20000,
	BATCH_ROWS = 5000,
	SPOOL_MOST = 16 << 20,
	DAYS_MOST = 1000000 /* since 1970 */
};

/* [ADMISSIBLE] is for offers that were admissible and not taken. */
struct tally {
	char did[DID_SIZE];
	char *task;
	char *model;
	int64_t times[REJECT_COUNT];
};

struct considered {
	struct log log;
	struct loop *loop;
	struct pg *pg;
	struct spool *spool;
	struct timer *timer;
	struct pending *question;
	struct pending *deferred; /* drained, to be told */
	uint64_t asked;		  /* newest record in the question */
	struct index *by_offer;
	struct tally **all;
	size_t count;
	int64_t day; /* on which all of these were considered */
	void (*on_drained)(void *arg);
	void *drained_arg;
};

static void
forget(struct considered *x)
{
	for (size_t i = 0; i < x->count; i++) {
		mem_free(x->all[i]->task);
		mem_free(x->all[i]->model);
		mem_free(x->all[i]);
	}
	x->count = 0;
	index_free(&x->by_offer);
}

static struct tally *
tally_of(struct considered *x, const struct offer *o)
{
	char key[INDEX_KEY];
	size_t len = index_key(key, o->provider->did, o->task, o->model);
	struct tally *t = index_find(x->by_offer, key, len);

	if (t != NULL || len == 0 || x->count == OFFERS_MOST)
		return t;
	t = mem_new(sizeof(*t));
	snprintf(t->did, sizeof(t->did), "%s", o->provider->did);
	t->task = mem_string(o->task);
	t->model = mem_string(o->model);
	index_add(&x->by_offer, key, len, t);
	x->all[x->count++] = t;
	return t;
}

/* ----------------------------------------------------------- to the spool */

static void
spool_rows(struct considered *x, json_t *rows)
{
	struct arena *a = arena_new();
	json_t *o = json_pack("{s:O}", "rows", rows);
	const char *record = json_write(a, o);
	struct fault f;

	if (!spool_append(x->spool, bytes_of(record, strlen(record)), &f))
		log_warn(
		    &x->log, "not_chosen_not_spooled", LOG_STR("why", f.why));
	json_free(&o);
	json_array_clear(rows);
	arena_free(&a);
}

static void
add_tally(struct considered *x, const struct tally *t, json_t *rows)
{
	for (int i = 0; i < REJECT_COUNT; i++) {
		if (t->times[i] == 0)
			continue;
		json_array_append_new(rows,
		    json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "did", t->did,
			"task", t->task, "model", t->model, "reason",
			i == ADMISSIBLE ? "another_preferred"
					: rejection_name((enum rejection)i),
			"times", (json_int_t)t->times[i], "day",
			(json_int_t)x->day));
		if (json_array_size(rows) == NOT_CHOSEN_ROWS)
			spool_rows(x, rows);
	}
}

/* What is in memory goes to the disk, with the day on which it was. */
static void
put_away(struct considered *x)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < x->count; i++)
		add_tally(x, x->all[i], rows);
	if (json_array_size(rows) > 0)
		spool_rows(x, rows);
	json_free(&rows);
	forget(x);
}

/* ----------------------------------------------------------------- a choice */

/* Counts of two days are never added up. */
static void
note_day(struct considered *x, int64_t day)
{
	if (day != x->day)
		put_away(x);
	x->day = day;
}

void
considered_note(struct considered *x, const struct route_ask *ask,
    const struct route *chosen)
{
	const struct query *q = ask->admission.query;
	struct offer *const *offers;
	size_t count;

	if (x == NULL)
		return;
	note_day(x, ask->admission.now_ms / DAY_MS);
	offers =
	    offers_of(ask->offers, q->task->name, q->model->canonical, &count);
	for (size_t i = 0; i < count; i++) {
		const struct offer *o = offers[i];
		struct tally *t;

		if (chosen->is_found &&
		    strcmp(o->provider->did, chosen->did) == 0)
			continue;
		t = tally_of(x, o);
		if (t != NULL)
			t->times[offer_admit(&ask->admission, o)]++;
	}
	if (x->count > 0 && !timer_is_running(x->timer))
		timer_start(x->timer, WRITE_MS);
}

/* --------------------------------------------------------- to the database */

static bool
read_row(const json_t *o, struct arena *a, struct not_chosen_row *out,
    struct fault *f)
{
	if (!json_get_string(o, "did", DID_SIZE, &out->did, FAULT_INVALID, f) ||
	    !json_get_string(
		o, "task", TASK_SIZE, &out->task, FAULT_INVALID, f) ||
	    !json_get_string(
		o, "model", CANONICAL_SIZE, &out->model, FAULT_INVALID, f) ||
	    !json_get_string(
		o, "reason", 100, &out->reason, FAULT_INVALID, f) ||
	    !json_get_int(
		o, "times", 1, INT64_MAX, &out->times, FAULT_INVALID, f) ||
	    !json_get_int(o, "day", 0, DAYS_MOST, &out->day, FAULT_INVALID, f))
		return false;
	out->did = arena_string(a, out->did);
	out->task = arena_string(a, out->task);
	out->model = arena_string(a, out->model);
	out->reason = arena_string(a, out->reason);
	return true;
}

bool
not_chosen_read(struct bytes record, struct arena *a,
    struct not_chosen_row *out, size_t *count, struct fault *f)
{
	const json_t *rows;
	json_t *o;
	bool ok;

	*count = 0;
	if (!json_read((struct text){(const char *)record.at, record.len},
		SPOOL_RECORD_MAX, &o, f))
		return false;
	ok =
	    json_get_array(o, "rows", NOT_CHOSEN_ROWS, &rows, FAULT_INVALID, f);
	for (size_t i = 0; ok && i < json_array_size(rows); i++)
		ok = read_row(json_array_get(rows, i), a, &out[(*count)++], f);
	json_free(&o);
	return ok;
}

/* A record that can not be read is passed over, with what it held. */
static size_t
gather(struct considered *x, struct arena *a, struct not_chosen_row *rows)
{
	struct bytes record;
	uint64_t number;
	struct fault f;
	size_t n = 0;

	while (n + NOT_CHOSEN_ROWS <= BATCH_ROWS) {
		size_t more;

		if (!spool_read(x->spool, &record, &number, &f)) {
			log_error(&x->log, "not_chosen_spool_unreadable",
			    LOG_STR("why", f.why));
			break;
		}
		if (record.len == 0)
			break;
		x->asked = number;
		if (not_chosen_read(record, a, rows + n, &more, &f))
			n += more;
		else
			log_error(&x->log, "not_chosen_record_unreadable",
			    LOG_STR("why", f.why));
	}
	return n;
}

static void
consume(struct considered *x)
{
	struct fault f;

	if (x->asked != 0 && !spool_consume(x->spool, x->asked, &f))
		log_error(&x->log, "not_chosen_spool_not_consumed",
		    LOG_STR("why", f.why));
}

static bool
has_left(const struct considered *x)
{
	struct spool_counts c;

	spool_counts(x->spool, &c);
	return c.next - 1 > c.consumed;
}

static void
tell_drained(void *arg)
{
	struct considered *x = arg;
	void (*fn)(void *arg) = x->on_drained;

	x->deferred = NULL;
	x->on_drained = NULL;
	fn(x->drained_arg);
}

static void
rest(struct considered *x, bool is_done)
{
	if (x->on_drained != NULL && x->deferred == NULL)
		x->deferred = loop_defer(x->loop, tell_drained, x);
	else if (!is_done && !timer_is_running(x->timer))
		timer_start(x->timer, WRITE_MS);
}

static void write_on(struct considered *x);

static void
on_written(void *arg, const struct fault *f)
{
	struct considered *x = arg;
	bool is_refused = f != NULL && (f->kind == FAULT_CONFLICT ||
					   f->kind == FAULT_INTERNAL);

	x->question = NULL;
	if (f != NULL)
		log_warn(
		    &x->log, "not_chosen_not_written", LOG_STR("why", f->why));
	if (f != NULL && !is_refused) {
		spool_rewind(x->spool);
		rest(x, false);
		return;
	}
	consume(x); /* what Postgres says no to is not asked for ever */
	if (has_left(x))
		write_on(x);
	else
		rest(x, x->count == 0);
}

static void
write_on(struct considered *x)
{
	struct not_chosen_row *rows;
	struct arena *a;
	size_t n;

	if (!pg_is_up(x->pg)) {
		rest(x, false);
		return;
	}
	a = arena_new();
	rows = arena_alloc(a, BATCH_ROWS * sizeof(*rows));
	x->asked = 0;
	n = gather(x, a, rows);
	if (n > 0) {
		x->question =
		    gateway_db_count_not_chosen(x->pg, rows, n, on_written, x);
	} else {
		consume(x);
		rest(x, x->count == 0);
	}
	arena_free(&a);
}

static void
on_time(void *arg)
{
	struct considered *x = arg;

	put_away(x);
	if (x->question == NULL)
		write_on(x);
}

void
considered_drain(struct considered *x, void (*fn)(void *arg), void *arg)
{
	x->on_drained = fn;
	x->drained_arg = arg;
	timer_stop(x->timer);
	on_time(x);
}

bool
considered_open(struct loop *l, struct pg *pg, const char *folder,
    const struct log *log, struct considered **out, struct fault *f)
{
	struct spool_settings s = {.total_bytes = SPOOL_MOST};
	struct considered *x;
	struct spool *spool;

	if (!spool_open(folder, &s, &spool, f))
		return false;
	x = mem_new(sizeof(*x));
	x->loop = l;
	x->pg = pg;
	x->spool = spool;
	x->log = *log;
	x->timer = timer_new(l, on_time, x);
	x->all = mem_array(OFFERS_MOST, sizeof(struct tally *));
	if (has_left(x))
		timer_start(x->timer, WRITE_MS);
	*out = x;
	return true;
}

void
considered_free(struct considered **x)
{
	if (*x == NULL)
		return;
	pending_cancel(&(*x)->question);
	pending_cancel(&(*x)->deferred);
	timer_free(&(*x)->timer);
	put_away(*x);
	spool_close(&(*x)->spool);
	mem_free((*x)->all);
	mem_free(*x);
	*x = NULL;
}
