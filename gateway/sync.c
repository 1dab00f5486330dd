/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See sync.h. A notification says that an area changed; the part of it is
 * read again, one reading at a time, and a change during a reading asks for
 * one more. The versions are compared every second besides, so that a lost
 * notification, or a listener that hangs, costs a second and no more.
 *
 * Of scores only those are read whose version is above the one last read.
 * Writers take the area's version under a lock that they hold until they
 * commit: versions are committed in their order, and none is passed over. All
 * scores are read once in a while nevertheless.
 */
#include "gateway/sync.h"

#include <string.h>

#include "base/clock.h"
#include "gateway/gateway_db.h"

enum {
	POLL_MS = 1000, /* half of what a revocation may take */
	EAGER_MS = 50,	/* until everything has been read once */
	WHOLE_MS = 15 * 60 * 1000
};

static const char channel[] = "assay_change";

struct reading {
	struct sync *sync;
	enum catalog_part part;
	struct pending *question;
	bool is_read;  /* at least once */
	bool is_dirty; /* changed since, or could not be read */
	int64_t version;
	bool asks_whole;  /* the question is for all of it */
	bool wants_whole; /* the next one is */
	int64_t whole_at; /* when all of it was last asked for, monotonic */
};

struct sync {
	struct pg *pg;
	struct pg_listener *listener;
	struct catalogs *holder;
	struct sync_events events;
	void *arg;
	struct log log;
	struct reading parts[CATALOG_PARTS];
	struct pending *versions;
	int64_t key_version; /* -1: not known yet */
	int64_t policy_version;
	void (*on_policy)(void *arg);
	void *policy_arg;
	struct timer *poll;
	struct sync_counts counts;
};

static const enum change_area area_of[CATALOG_PARTS] = {
    [CATALOG_MODELS] = CHANGE_CATALOG,
    [CATALOG_DEVICES] = CHANGE_DEVICE,
    [CATALOG_SCORES] = CHANGE_SCORE,
};

static void read_part(struct reading *r);

static void
take_part(struct reading *r, struct draft **d, int64_t version)
{
	struct sync *s = r->sync;

	if (draft_dropped(*d) > 0)
		log_warn(&s->log, "catalog_rows_dropped",
		    LOG_STR("area", change_area_name(area_of[r->part])),
		    LOG_INT("rows", draft_dropped(*d)));
	catalogs_set(s->holder, catalog_next(catalogs_now(s->holder), d));
	r->is_read = true;
	r->version = version;
	s->counts.reads++;
	s->counts.read_at = clock_unix_ms();
	s->events.on_catalog(s->arg, r->part);
}

static void
on_part(void *arg, struct draft **d, int64_t version, const struct fault *f)
{
	struct reading *r = arg;
	bool again = r->is_dirty;

	r->question = NULL;
	if (f != NULL) {
		r->is_dirty = true; /* the poll asks again, for no less */
		r->wants_whole = r->wants_whole || r->asks_whole;
		r->sync->counts.failures++;
		if (f->kind != FAULT_UNAVAILABLE)
			log_warn(&r->sync->log, "catalog_not_read",
			    LOG_STR("area", change_area_name(area_of[r->part])),
			    LOG_STR("why", f->why));
		return;
	}
	take_part(r, d, version);
	if (again)
		read_part(r);
}

static bool
is_change_enough(const struct reading *r)
{
	return r->part == CATALOG_SCORES && r->is_read && !r->wants_whole &&
	       clock_mono_ms() - r->whole_at < WHOLE_MS;
}

static void
read_part(struct reading *r)
{
	if (r->question != NULL) {
		r->is_dirty = true;
		return;
	}
	r->is_dirty = false;
	r->asks_whole = !is_change_enough(r);
	if (!r->asks_whole) {
		r->sync->counts.changes++;
		r->question =
		    gateway_db_load_scores(r->sync->pg, r->version, on_part, r);
		return;
	}
	r->wants_whole = false;
	r->whole_at = clock_mono_ms();
	r->question = gateway_db_load(r->sync->pg, r->part, on_part, r);
}

static void
read_all(struct sync *s)
{
	for (int i = 0; i < CATALOG_PARTS; i++)
		read_part(&s->parts[i]);
}

void
sync_refresh(struct sync *s)
{
	s->parts[CATALOG_SCORES].wants_whole = true;
	read_all(s);
}

static void
tell_policy(struct sync *s)
{
	if (s->on_policy != NULL)
		s->on_policy(s->policy_arg);
}

static void
on_notify(void *arg, const char *name, const char *payload)
{
	struct sync *s = arg;

	(void)name;
	if (strcmp(payload, change_area_name(CHANGE_KEY)) == 0)
		s->events.on_keys(s->arg);
	if (strcmp(payload, change_area_name(CHANGE_POLICY)) == 0)
		tell_policy(s);
	for (int i = 0; i < CATALOG_PARTS; i++) {
		if (strcmp(payload, change_area_name(area_of[i])) == 0)
			read_part(&s->parts[i]);
	}
}

static void
on_fresh(void *arg)
{
	struct sync *s = arg;

	s->events.on_keys(s->arg);
	tell_policy(s);
	sync_refresh(s); /* this Postgres may be an older one than that was */
}

/* ----------------------------------------------------------------- polling */

static void
on_versions(void *arg, const struct change_versions *v, const struct fault *f)
{
	struct sync *s = arg;
	int64_t key;

	s->versions = NULL;
	if (f != NULL)
		return;
	for (int i = 0; i < CATALOG_PARTS; i++) {
		struct reading *r = &s->parts[i];

		if (r->is_dirty || r->version != v->at[area_of[i]])
			read_part(r);
	}
	key = s->key_version;
	s->key_version = v->at[CHANGE_KEY];
	if (key >= 0 && key != s->key_version)
		s->events.on_keys(s->arg);
	if (s->policy_version != v->at[CHANGE_POLICY])
		tell_policy(s);
	s->policy_version = v->at[CHANGE_POLICY];
}

static void
on_poll(void *arg)
{
	struct sync *s = arg;

	if (s->versions == NULL && pg_is_up(s->pg))
		s->versions = gateway_db_versions(s->pg, on_versions, s);
	timer_start(s->poll, sync_is_ready(s) ? POLL_MS : EAGER_MS);
}

struct sync *
sync_new(struct loop *l, struct pg *pg, const char *conninfo,
    struct catalogs *holder, const struct sync_events *events, void *arg,
    const struct log *log)
{
	static const char *const channels[] = {channel};
	struct sync *s = mem_new(sizeof(*s));

	s->pg = pg;
	s->holder = holder;
	s->events = *events;
	s->arg = arg;
	s->log = *log;
	s->key_version = s->policy_version = -1;
	for (int i = 0; i < CATALOG_PARTS; i++) {
		s->parts[i].sync = s;
		s->parts[i].part = (enum catalog_part)i;
		s->parts[i].version = -1;
	}
	s->poll = timer_new(l, on_poll, s);
	timer_start(s->poll, EAGER_MS);
	s->listener = pg_listen(l, conninfo, "assay-gateway", channels, 1,
	    on_notify, on_fresh, s, log);
	return s;
}

void
sync_on_policy(struct sync *s, void (*fn)(void *arg), void *arg)
{
	s->on_policy = fn;
	s->policy_arg = arg;
}

void
sync_free(struct sync **s)
{
	if (*s == NULL)
		return;
	for (int i = 0; i < CATALOG_PARTS; i++)
		pending_cancel(&(*s)->parts[i].question);
	pending_cancel(&(*s)->versions);
	pg_listener_free(&(*s)->listener);
	timer_free(&(*s)->poll);
	mem_free(*s);
	*s = NULL;
}

bool
sync_is_ready(const struct sync *s)
{
	for (int i = 0; i < CATALOG_PARTS; i++) {
		if (!s->parts[i].is_read)
			return false;
	}
	return true;
}

void
sync_counts(const struct sync *s, struct sync_counts *out)
{
	*out = s->counts;
}
