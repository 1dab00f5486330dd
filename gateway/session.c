/* SPDX-License-Identifier: Apache-2.0 */
/* Rows about tunnels, written and not waited for. */
#include "gateway/session.h"

static void
on_done(void *arg, const struct fault *f)
{
	const struct log *log = arg;

	if (f != NULL)
		log_warn(log, "session_not_written",
		    LOG_STR("code", fault_code(f->kind)),
		    LOG_STR("why", f->why));
}

/* The callbacks touch nothing but the worker's log, which is not ours to
 * change: only the type of a callback's argument wants it so. */
static void *
log_arg(const struct log *log)
{
	return (void *)(uintptr_t)log;
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

	s->is_written = pg_is_up(s->pg);
	if (!s->is_written)
		return;
	gateway_db_open_tunnel(s->pg, &row, on_done, log_arg(s->log));
	gateway_db_write_fingerprints(s->pg, s->did, s->slot, s->id, st,
	    verdicts, on_done, log_arg(s->log));
}

void
session_touch(struct session *s, const struct statement *st,
    const struct statement_verdict *verdicts)
{
	const char *id = s->id;

	if (!s->is_written)
		session_stated(s, st, verdicts);
	else if (pg_is_up(s->pg))
		gateway_db_touch_tunnels(
		    s->pg, &id, 1, on_done, log_arg(s->log));
}

void
session_ended(struct session *s, const struct fault *why)
{
	if (s->is_written)
		gateway_db_close_tunnel(s->pg, s->id, fault_code(why->kind),
		    why->why, on_done, log_arg(s->log));
}

void
sessions_begin(struct pg *pg, const char *instance, const struct log *log)
{
	gateway_db_close_left(pg, instance, on_done, log_arg(log));
}
