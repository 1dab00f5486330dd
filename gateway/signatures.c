/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See signatures.h. A job is one exchange's: ask, judge, spool, wait until
 * Postgres has it, tell. The spool is emptied record by record; while
 * Postgres is away it grows, and nobody waits for it.
 */
#include "gateway/signatures.h"

#include <string.h>

#include "base/ask.h"
#include "base/json.h"
#include "base/spool.h"

#define WITHIN_MS 5000 /* for the provider's answer */
#define WAIT_MS 2000   /* for Postgres; then the spool has to do */
#define PAUSE_MS 1000  /* after a write that failed */
#define SYNC_MS 1000
#define RECORD_MAX 8192

struct job {
	struct pending pending; /* first member */
	struct job *next, *before;
	struct signatures *all;
	struct arena *arena;
	struct signature_order order;
	struct signature_row row;
	struct pending *asking;
	struct timer *patience; /* for Postgres */
	uint64_t number;	/* of its record; 0: none yet */
	struct fault fault;	/* why there is no signature */
	signatures_answer *fn;
	void *arg;
};

struct signatures {
	struct loop *loop;
	struct pg *pg;
	struct log log;
	struct spool *spool;
	struct timer *flush, *sync;
	struct pending *writing;
	uint64_t written; /* the record being written */
	struct job *jobs;
	void (*on_drained)(void *arg);
	void *drained_arg;
};

/* --------------------------------------------------------------- the record */

/* clang-format off */
static const struct {
	const char *name;
	size_t offset;
} texts[] = {
	{"account", offsetof(struct signature_row, account)},
	{"request", offsetof(struct signature_row, request)},
	{"did", offsetof(struct signature_row, did)},
	{"chat_id", offsetof(struct signature_row, chat_ids[1])},
	{"text", offsetof(struct signature_row, text)},
	{"signature", offsetof(struct signature_row, signature)},
	{"address", offsetof(struct signature_row, address)},
	{"algorithm", offsetof(struct signature_row, algorithm)},
	{"missing", offsetof(struct signature_row, missing)},
};
/* clang-format on */
#define TEXTS (sizeof(texts) / sizeof(*texts))

char *
signature_record_write(struct arena *a, const struct signature_row *r)
{
	json_t *o = json_pack("{s:I, s:b}", "bytes", (json_int_t)r->bytes,
	    "complete", r->complete);
	char *out;

	for (size_t i = 0; i < TEXTS; i++) {
		const char *text;

		memcpy(&text, (const char *)r + texts[i].offset, sizeof(text));
		if (text != NULL)
			json_object_set_new(
			    o, texts[i].name, json_string(text));
	}
	out = json_write(a, o);
	json_free(&o);
	return out;
}

bool
signature_record_read(
    struct text t, struct arena *a, struct signature_row *r, struct fault *f)
{
	json_t *o = NULL;
	bool ok;

	memset(r, 0, sizeof(*r));
	ok = json_read(t, RECORD_MAX, &o, f) &&
	     json_get_int(
		 o, "bytes", 0, INT64_MAX, &r->bytes, FAULT_INVALID, f) &&
	     json_get_bool_or(
		 o, "complete", false, &r->complete, FAULT_INVALID, f);
	for (size_t i = 0; ok && i < TEXTS; i++) {
		const char *text;

		ok = json_get_string_or(o, texts[i].name, RECORD_MAX, NULL,
		    &text, FAULT_INVALID, f);
		text = ok ? arena_string(a, text) : NULL;
		memcpy((char *)r + texts[i].offset, &text, sizeof(text));
	}
	ok = ok && (r->request != NULL ||
		       fault_set(f, FAULT_INVALID, "request is missing"));
	r->chat_ids[0] = r->request;
	json_free(&o);
	return ok;
}

/* --------------------------------------------------------------------- jobs */

static void
job_free(struct job *j)
{
	if (j->next != NULL)
		j->next->before = j->before;
	if (j->before != NULL)
		j->before->next = j->next;
	else
		j->all->jobs = j->next;
	pending_cancel(&j->asking);
	timer_free(&j->patience);
	arena_free(&j->arena);
	mem_free(j);
}

/* The exchange goes on without its asker. */
static void
on_cancel(struct pending *p)
{
	struct job *j = (struct job *)(void *)p;

	j->fn = NULL;
}

static void
tell(struct job *j)
{
	bool ok = j->fault.kind == FAULT_NONE;

	if (j->fn != NULL)
		j->fn(j->arg, ok ? &j->row : NULL, ok ? NULL : &j->fault);
	job_free(j);
}

static void
on_impatient(void *arg)
{
	tell(arg);
}

/* Into the spool; from here on only the disk can lose it. */
static bool
spool_row(struct signatures *s, const struct job *j)
{
	const char *record = signature_record_write(j->arena, &j->row);
	struct fault f;

	if (spool_append(s->spool, bytes_of(record, strlen(record)), &f)) {
		if (s->writing == NULL)
			timer_start(s->flush, 0);
		return true;
	}
	log_error(&s->log, "signature_not_spooled",
	    LOG_STR("request_id", j->row.request), LOG_STR("why", f.why));
	return false;
}

static void
keep(struct job *j)
{
	struct spool_counts c;

	if (!spool_row(j->all, j)) {
		if (j->fault.kind == FAULT_NONE)
			fault_set(&j->fault,
			    FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE,
			    "its signature could not be kept");
		tell(j);
		return;
	}
	spool_counts(j->all->spool, &c);
	j->number = c.next - 1;
	timer_start(j->patience, WAIT_MS);
}

static void
settle(struct job *j)
{
	const struct fault *f = &j->fault;

	if (f->kind == FAULT_NONE) {
		keep(j);
		return;
	}
	log_warn(&j->all->log, "signature_missing",
	    LOG_STR("request_id", j->row.request), LOG_STR("did", j->row.did),
	    LOG_STR("reason", j->row.missing), LOG_STR("why", f->why));
	if (j->order.is_sent)
		keep(j);
	else
		tell(j);
}

static void
missing(struct job *j, const char *reason)
{
	j->row.text = j->row.signature = NULL;
	j->row.address = j->row.algorithm = NULL;
	j->row.missing = reason;
}

static void
on_answer(void *arg, const struct http_answer *a, const struct fault *f)
{
	struct job *j = arg;

	j->asking = NULL;
	if (f != NULL) {
		bool late = f->kind == FAULT_TIMEOUT || f->kind == FAULT_LIMIT;

		fault_set(&j->fault,
		    late ? FAULT_SIGNATURE_INVALID : FAULT_PROVIDER_UNREACHABLE,
		    "signature: %s", f->why);
		missing(j, late ? "not_given" : "provider_gone");
	} else if (a->status != 200) {
		fault_set(&j->fault, FAULT_SIGNATURE_INVALID,
		    "the provider answered %d when asked to sign", a->status);
		missing(j, "not_given");
	} else if (!signature_read((struct text){a->body, a->body_len},
		       &j->order.wish, j->arena, &j->row, &j->fault)) {
		missing(j, "invalid");
	}
	settle(j);
}

static void
on_gone(void *arg)
{
	struct job *j = arg;

	j->asking = NULL;
	fault_set(&j->fault, FAULT_PROVIDER_UNREACHABLE,
	    "its tunnel closed before it had signed");
	missing(j, "provider_gone");
	settle(j);
}

static void
ask_provider(struct job *j)
{
	struct http_outgoing o = {
	    .method = "POST", .path = "/.well-known/assay/signature"};
	struct path *p = j->order.path;
	struct http_call *call;
	struct fault f = {0};
	struct ask *a;

	j->order.path = NULL; /* a path is good for this turn only */
	if (p == NULL) {
		j->asking = loop_defer(j->all->loop, on_gone, j);
		return;
	}
	http_fields_add(
	    &o.fields, j->arena, "content-type", "application/json");
	http_fields_add(
	    &o.fields, j->arena, "x-request-id", j->order.request_id);
	o.body = evbuffer_new();
	evbuffer_add_printf(o.body, "{\"request_id\":\"%s\",\"bytes\":%llu}",
	    j->order.request_id, (unsigned long long)j->order.wish.bytes);
	a = ask_new(
	    j->all->loop, SIGNATURE_ANSWER_MAX, WITHIN_MS, on_answer, j);
	call = path_call(p, &o, &ask_events, a, &f);
	j->asking = ask_begin(a, call, &f);
	evbuffer_free(o.body);
}

static void
copy_order(struct job *j, const struct signature_order *o)
{
	struct arena *a = j->arena;

	j->order = *o;
	j->order.account = arena_string(a, o->account);
	j->order.request_id = arena_string(a, o->request_id);
	j->order.did = arena_string(a, o->did);
	j->order.chat_id = arena_string(a, o->chat_id);
	j->order.wish.model = arena_string(a, o->wish.model);
	j->order.wish.address = arena_string(a, o->wish.address);
	j->row = (struct signature_row){
	    .chat_ids = {j->order.request_id, j->order.chat_id},
	    .account = j->order.account,
	    .request = j->order.request_id,
	    .did = j->order.did,
	    .complete = o->is_whole,
	    .bytes = (int64_t)o->wish.bytes};
}

struct pending *
signatures_take(struct signatures *s, const struct signature_order *o,
    signatures_answer *fn, void *arg)
{
	struct job *j = mem_new(sizeof(*j));

	j->pending.cancel = on_cancel;
	j->all = s;
	j->arena = arena_new();
	j->fn = fn;
	j->arg = arg;
	j->patience = timer_new(s->loop, on_impatient, j);
	copy_order(j, o);
	j->next = s->jobs;
	if (s->jobs != NULL)
		s->jobs->before = j;
	s->jobs = j;
	ask_provider(j);
	return fn == NULL ? NULL : &j->pending;
}

/* ----------------------------------------------------------------- Postgres */

uint64_t
signatures_backlog(const struct signatures *s)
{
	struct spool_counts c;

	spool_counts(s->spool, &c);
	return c.next - 1 - c.consumed;
}

static void
tell_drained(struct signatures *s)
{
	void (*fn)(void *arg) = s->on_drained;

	s->on_drained = NULL;
	if (fn != NULL)
		fn(s->drained_arg);
}

/* Up to this record nobody has to wait any more. */
static void
tell_jobs(struct signatures *s, uint64_t number)
{
	struct job *next;

	for (struct job *j = s->jobs; j != NULL; j = next) {
		next = j->next;
		if (j->number != 0 && j->number <= number)
			timer_start(j->patience, 0);
	}
}

static void
consume(struct signatures *s)
{
	struct fault f;

	if (!spool_consume(s->spool, s->written, &f))
		log_error(
		    &s->log, "spool_consume_failed", LOG_STR("why", f.why));
	tell_jobs(s, s->written);
	if (signatures_backlog(s) > 0)
		timer_start(s->flush, 0);
	else
		tell_drained(s);
}

static void
on_written(void *arg, const struct fault *f)
{
	struct signatures *s = arg;

	s->writing = NULL;
	if (f == NULL) {
		consume(s);
	} else if (f->kind == FAULT_CONFLICT || f->kind == FAULT_INTERNAL) {
		log_error(&s->log, "signature_given_up",
		    LOG_INT("record", (int64_t)s->written),
		    LOG_STR("why", f->why));
		consume(s);
	} else {
		spool_rewind(s->spool);
		tell_jobs(s, UINT64_MAX);
		timer_start(s->flush, PAUSE_MS);
		tell_drained(s);
	}
}

static void
on_flush(void *arg)
{
	struct signatures *s = arg;
	struct signature_row row;
	struct arena *a;
	struct bytes record;
	struct fault f;

	if (s->writing != NULL)
		return;
	if (!spool_read(s->spool, &record, &s->written, &f)) {
		log_error(&s->log, "spool_unreadable", LOG_STR("why", f.why));
		tell_drained(s);
		return;
	}
	if (record.len == 0) {
		tell_drained(s);
		return;
	}
	a = arena_new();
	if (signature_record_read(
		(struct text){(const char *)record.at, record.len}, a, &row,
		&f)) {
		s->writing =
		    gateway_db_keep_signature(s->pg, &row, on_written, s);
	} else {
		log_error(&s->log, "signature_record_unreadable",
		    LOG_STR("why", f.why));
		consume(s);
	}
	arena_free(&a);
}

static void
on_sync(void *arg)
{
	struct signatures *s = arg;
	struct fault f;

	if (!spool_sync(s->spool, &f))
		log_error(&s->log, "spool_sync_failed", LOG_STR("why", f.why));
}

bool
signatures_open(struct loop *l, struct pg *pg, const char *folder,
    const struct log *log, struct signatures **out, struct fault *f)
{
	struct spool *spool;

	if (!spool_open(folder, NULL, &spool, f))
		return false;
	*out = mem_new(sizeof(**out));
	(*out)->loop = l;
	(*out)->pg = pg;
	(*out)->log = *log;
	(*out)->spool = spool;
	(*out)->flush = timer_new(l, on_flush, *out);
	(*out)->sync = timer_new(l, on_sync, *out);
	timer_every((*out)->sync, SYNC_MS);
	timer_start((*out)->flush, 0); /* what an earlier life left */
	return true;
}

void
signatures_drain(struct signatures *s, void (*fn)(void *arg), void *arg)
{
	s->on_drained = fn;
	s->drained_arg = arg;
	if (s->writing == NULL)
		timer_start(s->flush, 0);
}

/* What was sent and will not be signed any more says so. */
static void
give_up(struct job *j)
{
	if (j->number == 0 && j->order.is_sent) {
		missing(j, "not_given");
		spool_row(j->all, j);
	}
	job_free(j);
}

void
signatures_free(struct signatures **sp)
{
	struct signatures *s = *sp;

	if (s == NULL)
		return;
	while (s->jobs != NULL)
		give_up(s->jobs);
	pending_cancel(&s->writing);
	timer_free(&s->flush);
	timer_free(&s->sync);
	spool_close(&s->spool);
	mem_free(s);
	*sp = NULL;
}
