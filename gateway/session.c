/* SPDX-License-Identifier: Apache-2.0 */
/* Rows about tunnels, written and not waited for. */
#include "gateway/session.h"

static void
complain(const struct log *log, const struct fault *f)
{
	log_warn(log, "session_not_written",
	    LOG_STR("code", fault_code(f->kind)), LOG_STR("why", f->why));
}

static void
note(struct session *s, const struct fault *f)
{
	if (f == NULL)
		return;
	s->is_missed = true;
	complain(s->log, f);
}

static void
on_row(void *arg, const struct fault *f)
{
	struct session *s = arg;

	s->row = NULL;
	note(s, f);
}

static void
on_fingerprints(void *arg, const struct fault *f)
{
	struct session *s = arg;

	s->fingerprints = NULL;
	note(s, f);
}

void
session_forget(struct session *s)
{
	pending_cancel(&s->row);
	pending_cancel(&s->fingerprints);
}

void
session_stated(struct session *s, const struct statement *st,
    const struct statement_verdict *verdicts)
{
	struct tunnel_row row = {.id = s->id,
	    .did = s->did,
	    .slot = s->slot,
	    .instance = s->instance,
	    .remote = s->remote,
	    .serial = s->serial,
	    .daemon = st->daemon,
	    .runtime_kind = runtime_name(st->runtime),
	    .runtime_version = st->runtime_version,
	    .opened_at = s->opened_at};

	session_forget(s);
	s->is_missed = !pg_is_up(s->pg);
	if (s->is_missed)
		return;
	s->row = gateway_db_open_tunnel(s->pg, &row, on_row, s);
	s->fingerprints = gateway_db_write_fingerprints(
	    s->pg, s->did, s->slot, s->id, st, verdicts, on_fingerprints, s);
}

void
session_touch(struct session *s, const struct statement *st,
    const struct statement_verdict *verdicts)
{
	const char *id = s->id;

	if (s->is_missed) {
		session_stated(s, st, verdicts);
	} else if (s->row == NULL && pg_is_up(s->pg)) {
		s->row = gateway_db_touch_tunnels(s->pg, &id, 1, on_row, s);
	}
}

void
session_ended(struct session *s, const struct fault *why)
{
	session_forget(s);
	gateway_db_close_tunnel(
	    s->pg, s->id, fault_code(why->kind), why->why, s->log);
}

struct closing {
	const struct log *log;
	void (*fn)(void *arg);
	void *arg;
};

static void
on_closed(void *arg, const struct fault *f)
{
	struct closing *c = arg;

	if (f != NULL)
		complain(c->log, f);
	if (c->fn != NULL)
		c->fn(c->arg);
	mem_free(c);
}

void
sessions_close(struct pg *pg, const char *instance, const struct log *log,
    void (*fn)(void *arg), void *arg)
{
	struct closing *c = mem_new(sizeof(*c));

	*c = (struct closing){log, fn, arg};
	gateway_db_close_left(pg, instance, on_closed, c);
}
