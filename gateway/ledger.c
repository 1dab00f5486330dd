/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spool -> batch -> Postgres -> consume. One batch is asked at a time. While
 * Postgres is away the spool grows and is flushed to the disk each second. A
 * batch that Postgres refuses is asked again row by row, so that one bad row
 * can not hold up the rest: it alone is given up, in the log, after a few
 * tries. (A row that comes just as a partition is made for its day is refused
 * once and taken the next time.)
 */
#include "gateway/ledger.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/spool.h"

#define SYNC_MS 1000
#define PAUSE_MS 1000 /* after a failed batch */
#define REFUSED_MS 200
#define REFUSALS_MOST 3 /* of one row, then it is given up */
#define ATTEMPTS_MAX 16
#define RECORD_MAX 65536

/* ------------------------------------------------------------- the record */

enum column_type { TEXT, NUMBER, FLAG };
struct column {
	const char *name;
	enum column_type type;
	size_t offset;
};

#define R(type, name)                                                          \
	{                                                                      \
#name, type, offsetof(struct request_row, name)                \
	}
#define A(type, name)                                                          \
	{                                                                      \
#name, type, offsetof(struct attempt_row, name)                \
	}

/* clang-format off */
static const struct column request_columns[] = {
	R(TEXT, id), R(NUMBER, created_at), R(TEXT, account),
	R(TEXT, workspace), R(TEXT, key), R(TEXT, endpoint), R(TEXT, task),
	R(TEXT, model), R(FLAG, streamed), R(TEXT, pool_wanted),
	R(TEXT, min_tier), R(FLAG, verified), R(TEXT, did), R(TEXT, pool),
	R(TEXT, tier), R(TEXT, quantization), R(TEXT, outcome),
	R(NUMBER, status), R(TEXT, fault_code), R(TEXT, fault_why),
	R(NUMBER, attempts), R(TEXT, rejected), R(NUMBER, prompt_tokens),
	R(NUMBER, completion_tokens), R(NUMBER, request_bytes),
	R(NUMBER, response_bytes), R(NUMBER, auth_us), R(NUMBER, route_us),
	R(NUMBER, mint_us), R(NUMBER, connect_us), R(NUMBER, first_byte_us),
	R(NUMBER, total_us), R(TEXT, instance),
};
static const struct column attempt_columns[] = {
	A(NUMBER, ordinal), A(TEXT, did), A(TEXT, pool), A(TEXT, tier),
	A(TEXT, outcome), A(NUMBER, status), A(TEXT, fault_code),
	A(TEXT, fault_why), A(NUMBER, started_us), A(NUMBER, first_byte_us),
	A(NUMBER, total_us),
};
/* clang-format on */

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

static json_t *
row_write(const struct column *table, size_t count, const void *row)
{
	json_t *o = json_object();

	for (size_t i = 0; i < count; i++) {
		const char *at = (const char *)row + table[i].offset;
		const char *text;
		json_t *v = NULL;

		switch (table[i].type) {
		case TEXT:
			memcpy(&text, at, sizeof(text));
			v = text == NULL ? NULL : json_string(text);
			break;
		case NUMBER:
			v = json_integer(*(const int64_t *)(const void *)at);
			break;
		case FLAG:
			v = json_boolean(*(const bool *)(const void *)at);
			break;
		}
		if (v != NULL)
			json_object_set_new(o, table[i].name, v);
	}
	return o;
}

static bool
row_read(const struct column *table, size_t count, const json_t *o,
    struct arena *a, void *row, struct fault *f)
{
	for (size_t i = 0; i < count; i++) {
		char *at = (char *)row + table[i].offset;
		const char *text;
		bool ok = true;

		switch (table[i].type) {
		case TEXT:
			ok = json_get_string_or(o, table[i].name, RECORD_MAX,
			    NULL, &text, FAULT_INVALID, f);
			if (ok) {
				text = arena_string(a, text);
				memcpy(at, &text, sizeof(text));
			}
			break;
		case NUMBER:
			ok = json_get_int(o, table[i].name, INT64_MIN,
			    INT64_MAX, (int64_t *)(void *)at, FAULT_INVALID, f);
			break;
		case FLAG:
			ok = json_get_bool_or(o, table[i].name, false,
			    (bool *)(void *)at, FAULT_INVALID, f);
			break;
		}
		if (!ok)
			return false;
	}
	return true;
}

char *
record_write(struct arena *a, const struct request_row *r,
    const struct attempt_row *attempts, size_t count)
{
	json_t *o = row_write(request_columns, COUNT(request_columns), r);
	json_t *list = json_array();
	char *out;

	for (size_t i = 0; i < count; i++)
		json_array_append_new(
		    list, row_write(attempt_columns, COUNT(attempt_columns),
			      &attempts[i]));
	json_object_set_new(o, "tried", list);
	out = json_write(a, o);
	json_free(&o);
	return out;
}

bool
record_read(struct text t, struct arena *a, struct request_row *r,
    struct attempt_row **attempts, size_t *count, struct fault *f)
{
	const json_t *list;
	json_t *o;
	bool ok = false;

	if (!json_read(t, RECORD_MAX, &o, f))
		return false;
	if (!row_read(request_columns, COUNT(request_columns), o, a, r, f) ||
	    !json_get_array(o, "tried", ATTEMPTS_MAX, &list, FAULT_INVALID, f))
		goto out;
	*count = json_array_size(list);
	*attempts = arena_alloc(a, (*count + 1) * sizeof(**attempts));
	for (size_t i = 0; i < *count; i++) {
		struct attempt_row *t_row = &(*attempts)[i];

		if (!row_read(attempt_columns, COUNT(attempt_columns),
			json_array_get(list, i), a, t_row, f))
			goto out;
		t_row->request = r->id;
		t_row->created_at = r->created_at;
	}
	ok = true;
out:
	json_free(&o);
	return ok;
}

/* ------------------------------------------------------------- the ledger */

struct ledger {
	struct log log;
	struct pg *pg;
	struct spool *spool;
	struct timer *flush;
	struct timer *sync;
	struct pending *question;
	unsigned batch_most;
	unsigned batch_now; /* 1 while looking for a row that is refused */
	unsigned alone;	    /* rows still to be asked one by one */
	int64_t flush_ms;
	uint64_t last;	   /* number of the newest record in the question */
	unsigned asked;	   /* rows in it */
	unsigned refusals; /* of the row that is asked alone */
	uint64_t given_up;
	void (*on_drained)(void *arg);
	void *drained_arg;
};

struct batch {
	struct arena *arena;
	struct request_row *requests;
	struct attempt_row *attempts;
	size_t request_count, attempt_count;
	uint64_t last;
};

uint64_t
ledger_backlog(const struct ledger *x)
{
	struct spool_counts c;

	spool_counts(x->spool, &c);
	return c.next - 1 - c.consumed;
}

static void
tell_drained(struct ledger *x)
{
	void (*fn)(void *arg) = x->on_drained;

	x->on_drained = NULL;
	if (fn != NULL)
		fn(x->drained_arg);
}

static void
take_record(struct ledger *x, struct batch *b, struct bytes record)
{
	struct request_row *r = &b->requests[b->request_count];
	struct attempt_row *attempts;
	struct fault f;
	size_t count;

	if (!record_read((struct text){(const char *)record.at, record.len},
		b->arena, r, &attempts, &count, &f)) {
		log_error(
		    &x->log, "ledger_record_unreadable", LOG_STR("why", f.why));
		return;
	}
	b->request_count++;
	if (count > 0)
		memcpy(b->attempts + b->attempt_count, attempts,
		    count * sizeof(*attempts));
	b->attempt_count += count;
}

static bool
gather(struct ledger *x, struct batch *b)
{
	struct bytes record;
	struct fault f;
	uint64_t number;

	b->arena = arena_new();
	b->requests =
	    arena_alloc(b->arena, x->batch_now * sizeof(struct request_row));
	b->attempts = arena_alloc(
	    b->arena, x->batch_now * ATTEMPTS_MAX * sizeof(struct attempt_row));
	while (b->request_count < x->batch_now) {
		if (!spool_read(x->spool, &record, &number, &f)) {
			log_error(
			    &x->log, "spool_unreadable", LOG_STR("why", f.why));
			break;
		}
		if (record.len == 0)
			break;
		b->last = number;
		take_record(x, b, record);
	}
	return b->request_count > 0;
}

static void
consume(struct ledger *x, uint64_t last)
{
	struct fault f;

	if (!spool_consume(x->spool, last, &f))
		log_error(
		    &x->log, "spool_consume_failed", LOG_STR("why", f.why));
}

/* Postgres looked at it and said no: find the row, and only that one goes. */
static void
refused(struct ledger *x, const struct fault *f)
{
	if (x->asked > 1) {
		x->alone = x->asked;
		x->batch_now = 1;
		spool_rewind(x->spool);
		timer_start(x->flush, 0);
		return;
	}
	if (++x->refusals < REFUSALS_MOST) {
		spool_rewind(x->spool);
		timer_start(x->flush, REFUSED_MS);
		return;
	}
	x->refusals = 0;
	x->given_up++;
	log_error(&x->log, "ledger_row_given_up",
	    LOG_INT("record", (int64_t)x->last), LOG_STR("why", f->why));
	consume(x, x->last);
	timer_start(x->flush, 0);
}

static void
on_written(void *arg, const struct fault *f)
{
	struct ledger *x = arg;

	x->question = NULL;
	if (f != NULL &&
	    (f->kind == FAULT_CONFLICT || f->kind == FAULT_INTERNAL)) {
		refused(x, f);
		return;
	}
	if (f != NULL) {
		spool_rewind(x->spool);
		timer_start(x->flush, PAUSE_MS);
		tell_drained(x);
		return;
	}
	x->refusals = 0;
	consume(x, x->last);
	if (x->alone > 0 && --x->alone == 0)
		x->batch_now = x->batch_most;
	if (ledger_backlog(x) > 0)
		timer_start(x->flush, 0);
	else
		tell_drained(x);
}

static void
on_flush(void *arg)
{
	struct ledger *x = arg;
	struct batch b = {0};

	if (x->question != NULL)
		return;
	if (gather(x, &b)) {
		x->last = b.last;
		x->asked = (unsigned)b.request_count;
		x->question = gateway_db_write_requests(x->pg, b.requests,
		    b.request_count, b.attempts, b.attempt_count, on_written,
		    x);
	} else if (b.last != 0) {
		consume(x, b.last); /* nothing in them could be read */
		timer_start(x->flush, 0);
	} else {
		tell_drained(x);
	}
	arena_free(&b.arena);
}

static void
on_sync(void *arg)
{
	struct ledger *x = arg;
	struct fault f;

	if (!spool_sync(x->spool, &f))
		log_error(&x->log, "spool_sync_failed", LOG_STR("why", f.why));
}

bool
ledger_open(struct loop *l, struct pg *pg, const struct ledger_settings *s,
    const struct log *log, struct ledger **out, struct fault *f)
{
	struct spool *spool;

	if (!spool_open(s->folder, NULL, &spool, f))
		return false;
	struct ledger *x = mem_new(sizeof(*x));

	x->log = *log;
	x->pg = pg;
	x->spool = spool;
	x->batch_most = s->batch > 0 ? s->batch : 500;
	x->batch_now = x->batch_most;
	x->flush_ms = s->flush_ms;
	x->flush = timer_new(l, on_flush, x);
	x->sync = timer_new(l, on_sync, x);
	timer_every(x->sync, SYNC_MS);
	timer_start(x->flush, s->flush_ms); /* what an earlier life left */
	*out = x;
	return true;
}

void
ledger_free(struct ledger **xp)
{
	struct ledger *x = *xp;

	if (x == NULL)
		return;
	pending_cancel(&x->question);
	timer_free(&x->flush);
	timer_free(&x->sync);
	spool_close(&x->spool);
	mem_free(x);
	*xp = NULL;
}

void
ledger_note(struct ledger *x, const struct request_row *r)
{
	log_info(&x->log, "exchange", LOG_STR("request_id", r->id),
	    LOG_STR("endpoint", r->endpoint), LOG_STR("outcome", r->outcome),
	    LOG_INT("status", r->status),
	    LOG_STR("code", r->fault_code == NULL ? "ok" : r->fault_code),
	    LOG_STR("why", r->fault_why), LOG_STR("account", r->account),
	    LOG_STR("workspace", r->workspace), LOG_STR("key", r->key),
	    LOG_STR("task", r->task), LOG_STR("model", r->model),
	    LOG_STR("did", r->did), LOG_STR("pool", r->pool),
	    LOG_STR("tier", r->tier), LOG_INT("attempts", r->attempts),
	    LOG_STR("rejected", r->rejected), LOG_INT("streamed", r->streamed),
	    LOG_INT("bytes_in", r->request_bytes),
	    LOG_INT("bytes_out", r->response_bytes),
	    LOG_INT("tokens_in", r->prompt_tokens),
	    LOG_INT("tokens_out", r->completion_tokens),
	    LOG_INT("auth_us", r->auth_us), LOG_INT("route_us", r->route_us),
	    LOG_INT("mint_us", r->mint_us),
	    LOG_INT("first_byte_us", r->first_byte_us),
	    LOG_INT("total_us", r->total_us));
}

bool
ledger_write(struct ledger *x, const struct request_row *r,
    const struct attempt_row *attempts, size_t count)
{
	struct arena *a = arena_new();
	char *record = record_write(a, r, attempts, count);
	struct fault f;
	bool ok = spool_append(x->spool, bytes_of(record, strlen(record)), &f);

	ledger_note(x, r);
	if (!ok)
		log_error(&x->log, "spool_append_failed",
		    LOG_STR("request_id", r->id), LOG_STR("why", f.why));
	arena_free(&a);
	if (!timer_is_running(x->flush) && x->question == NULL)
		timer_start(x->flush, x->flush_ms);
	return ok;
}

void
ledger_drain(struct ledger *x, void (*fn)(void *arg), void *arg)
{
	x->on_drained = fn;
	x->drained_arg = arg;
	if (x->question == NULL)
		timer_start(x->flush, 0);
}
