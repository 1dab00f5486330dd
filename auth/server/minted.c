/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spool -> batch -> Postgres -> consume, one batch at a time. A record is
 * eleven texts between unit separators, none of which can hold one: the
 * claims were checked. A batch that violates a constraint is asked again row
 * by row, and only the row that does it is given up, in the log.
 */
#include "auth/server/minted.h"

#include <stdio.h>
#include <string.h>

#define BATCH_MOST 500
#define FLUSH_MS 100
#define PAUSE_MS 1000
#define SEPARATOR '\x1f'

struct minted {
	struct log log;
	struct pg *pg;
	struct spool *spool;
	struct timer *flush;
	struct timer *sync;
	struct pending *question;
	uint64_t last;	/* newest record in the question */
	unsigned asked; /* rows in it */
	unsigned alone; /* rows still to be asked one by one */
	void (*on_written)(void *arg);
	void *on_written_arg;
};

struct batch {
	struct arena *arena;
	const char **columns[MINTED_COLUMNS];
	size_t count;
	uint64_t last;
};

/* ------------------------------------------------------------------ records */

static char *
record_write(struct arena *a, const struct handoff_claims *c, const char *kid,
    const char *gateway)
{
	return arena_printf(a,
	    "%s\x1f%lld\x1f%s\x1f%s\x1f%s\x1f%s\x1f%s\x1f%s\x1f%s\x1f%s\x1f%s",
	    c->jti, (long long)c->iat, c->request_id, kid, c->aud, c->sub,
	    c->workspace, c->task, c->model, c->pool, gateway);
}

/* Cuts a copy of the record in place. */
bool
minted_read(
    struct arena *a, struct bytes record, const char *out[MINTED_COLUMNS])
{
	char *at = arena_copy(a, record.at, record.len);

	for (size_t i = 0; i < MINTED_COLUMNS; i++) {
		char *end = strchr(at, SEPARATOR);

		if ((end == NULL) != (i == MINTED_COLUMNS - 1))
			return false;
		out[i] = at;
		if (end == NULL)
			break;
		*end = '\0';
		at = end + 1;
	}
	return true;
}

static bool
take_record(struct batch *b, struct bytes record)
{
	const char *texts[MINTED_COLUMNS];

	if (!minted_read(b->arena, record, texts))
		return false;
	for (size_t i = 0; i < MINTED_COLUMNS; i++)
		b->columns[i][b->count] = texts[i];
	b->count++;
	return true;
}

static void
gather(struct minted *m, struct batch *b)
{
	size_t most = m->alone > 0 ? 1 : BATCH_MOST;
	struct bytes record;
	struct fault f;
	uint64_t number;

	b->arena = arena_new();
	b->count = 0;
	for (size_t i = 0; i < MINTED_COLUMNS; i++)
		b->columns[i] = arena_alloc(b->arena, most * sizeof(char *));
	while (b->count < most) {
		if (!spool_read(m->spool, &record, &number, &f)) {
			log_error(
			    &m->log, "spool_unreadable", LOG_STR("why", f.why));
			break;
		}
		if (record.len == 0)
			break;
		b->last = number;
		if (!take_record(b, record))
			log_error(&m->log, "minted_record_unreadable",
			    LOG_INT("number", (int64_t)number));
	}
}

/* ---------------------------------------------------------------- delivery */

static void
consume(struct minted *m)
{
	struct fault f;

	if (!spool_consume(m->spool, m->last, &f))
		log_error(&m->log, "spool_not_consumed", LOG_STR("why", f.why));
}

static void
again_later(struct minted *m)
{
	spool_rewind(m->spool);
	timer_start(m->flush, PAUSE_MS);
}

static void
batch_failed(struct minted *m, const struct fault *f)
{
	bool for_good = f->kind == FAULT_CONFLICT;

	log_warn(&m->log, "minted_not_written", LOG_INT("rows", m->asked),
	    LOG_STR("code", fault_code(f->kind)), LOG_STR("why", f->why));
	if (for_good && m->asked > 1) {
		m->alone = m->asked;
	} else if (for_good) {
		log_error(&m->log, "minted_given_up",
		    LOG_INT("number", (int64_t)m->last));
		consume(m);
	}
	again_later(m);
}

static void
on_written(void *arg, const struct pg_rows *rows, const struct fault *f)
{
	struct minted *m = arg;

	m->question = NULL;
	if (m->alone > 0)
		m->alone--;
	if (rows == NULL) {
		batch_failed(m, f);
		return;
	}
	consume(m);
	timer_start(m->flush, m->asked == BATCH_MOST ? 0 : FLUSH_MS);
}

static void
tell_written(struct minted *m)
{
	void (*fn)(void *) = m->on_written;

	m->on_written = NULL;
	if (fn != NULL)
		fn(m->on_written_arg);
}

static void
on_flush(void *arg)
{
	struct minted *m = arg;
	struct batch b;

	if (m->question != NULL)
		return;
	if (!pg_is_up(m->pg)) {
		timer_start(m->flush, PAUSE_MS);
		return;
	}
	gather(m, &b);
	if (b.count > 0) {
		m->asked = (unsigned)b.count;
		m->last = b.last;
		m->question = auth_db_minted(
		    m->pg, b.arena, b.columns, b.count, on_written, m);
	} else {
		tell_written(m);
	}
	arena_free(&b.arena);
}

/* A power cut loses at most this much. */
static void
on_sync(void *arg)
{
	struct minted *m = arg;
	struct fault f;

	if (!spool_sync(m->spool, &f))
		log_error(&m->log, "spool_not_synced", LOG_STR("why", f.why));
}

/* --------------------------------------------------------------------- life */

bool
minted_open(struct loop *l, struct pg *pg, const char *folder,
    size_t spool_bytes, const struct log *log, struct minted **out,
    struct fault *f)
{
	const struct spool_settings s = {.total_bytes = spool_bytes};
	struct minted *m = mem_new(sizeof *m);

	m->log = *log;
	m->pg = pg;
	*out = NULL;
	if (!spool_open(folder, &s, &m->spool, f)) {
		mem_free(m);
		return false;
	}
	m->flush = timer_new(l, on_flush, m);
	m->sync = timer_new(l, on_sync, m);
	timer_start(m->flush, FLUSH_MS);
	timer_every(m->sync, 1000);
	*out = m;
	return true;
}

bool
minted_add(struct minted *m, const struct handoff_claims *c, const char *kid,
    const char *gateway, struct fault *f)
{
	struct arena *a = arena_new();
	char *record = record_write(a, c, kid, gateway);
	struct fault why;
	bool ok =
	    spool_append(m->spool, bytes_of(record, strlen(record)), &why);

	arena_free(&a);
	if (!ok)
		return fault_set(f,
		    why.kind == FAULT_LIMIT ? FAULT_OVERLOADED : FAULT_SYSTEM,
		    "%s", why.why);
	if (m->question == NULL && !timer_is_running(m->flush))
		timer_start(m->flush, FLUSH_MS);
	return true;
}

void
minted_counts(const struct minted *m, struct spool_counts *out)
{
	spool_counts(m->spool, out);
}

void
minted_drain(struct minted *m, void (*fn)(void *arg), void *arg)
{
	m->on_written = fn;
	m->on_written_arg = arg;
	if (m->question == NULL)
		timer_start(m->flush, 0);
}

void
minted_free(struct minted **mp)
{
	struct minted *m = *mp;

	if (m == NULL)
		return;
	*mp = NULL;
	pending_cancel(&m->question);
	timer_free(&m->flush);
	timer_free(&m->sync);
	spool_close(&m->spool);
	mem_free(m);
}
