/* SPDX-License-Identifier: Apache-2.0 */
/* See considered.h. The map is bounded: past the bound, offers not seen since
 * the last writing go uncounted until the next one. */
#include "gateway/considered.h"

#include <string.h>

#include "gateway/gateway_db.h"
#include "gateway/index.h"

enum { WRITE_MS = 5000, OFFERS_MOST = 20000 };

/* [ADMISSIBLE] is for offers that were admissible and not taken. */
struct tally {
	char did[DID_SIZE];
	char *task;
	char *model;
	int64_t times[REJECT_COUNT];
};

struct considered {
	struct log log;
	struct pg *pg;
	struct timer *timer;
	struct pending *question;
	struct index *by_offer;
	struct tally **all;
	size_t count;
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

void
considered_note(struct considered *x, const struct route_ask *ask,
    const struct route *chosen)
{
	const struct query *q = ask->admission.query;
	struct offer *const *offers;
	size_t count;

	if (x == NULL)
		return;
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

static void
on_written(void *arg, const struct fault *f)
{
	struct considered *x = arg;

	x->question = NULL;
	if (f != NULL)
		log_warn(
		    &x->log, "not_chosen_not_written", LOG_STR("why", f->why));
}

static size_t
rows_of(const struct tally *t, struct not_chosen_row *out)
{
	size_t n = 0;

	for (int i = 0; i < REJECT_COUNT; i++)
		if (t->times[i] > 0)
			out[n++] = (struct not_chosen_row){t->did, t->task,
			    t->model,
			    i == ADMISSIBLE ? "another_preferred"
					    : rejection_name((enum rejection)i),
			    t->times[i]};
	return n;
}

static void
on_time(void *arg)
{
	struct considered *x = arg;
	struct not_chosen_row *rows;
	size_t n = 0;

	if (!pg_is_up(x->pg) || x->question != NULL) {
		timer_start(x->timer, WRITE_MS);
		return;
	}
	rows = mem_array(x->count * REJECT_COUNT + 1, sizeof(*rows));
	for (size_t i = 0; i < x->count; i++)
		n += rows_of(x->all[i], rows + n);
	x->question =
	    gateway_db_count_not_chosen(x->pg, rows, n, on_written, x);
	mem_free(rows);
	forget(x);
}

struct considered *
considered_new(struct loop *l, struct pg *pg, const struct log *log)
{
	struct considered *x = mem_new(sizeof(*x));

	x->pg = pg;
	x->log = *log;
	x->timer = timer_new(l, on_time, x);
	x->all = mem_array(OFFERS_MOST, sizeof(struct tally *));
	return x;
}

void
considered_free(struct considered **x)
{
	if (*x == NULL)
		return;
	pending_cancel(&(*x)->question);
	timer_free(&(*x)->timer);
	forget(*x);
	mem_free((*x)->all);
	mem_free(*x);
	*x = NULL;
}
