/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LISTEN on a connection of its own. What was announced while it was away is
 * lost, so every new session ends with on_fresh: read all again. A dead peer
 * is found by asking it something small while nothing else happens.
 */
#include "base/pg.h"

#include <libpq-fe.h>
#include <string.h>

#include "base/pg_rows.h"
#include "base/pg_wire.h"

#define CONNECT_MS 5000
#define ASK_EVERY_MS 5000

enum listening { CONNECTING, SUBSCRIBING, LISTENING, ASKED };

struct pg_listener {
	struct pg_wire *wire;
	struct log log;
	char **channels;
	size_t count;
	void (*on_notify)(void *arg, const char *channel, const char *payload);
	void (*on_fresh)(void *arg);
	void *arg;
	struct timer *clock;
	enum listening state;
	bool trouble; /* an error came instead of a result */
	bool inside;  /* a callback is running */
	bool dying;   /* and it freed us */
};

static void
listener_destroy(struct pg_listener *x)
{
	for (size_t i = 0; i < x->count; i++)
		mem_free(x->channels[i]);
	mem_free(x->channels);
	mem_free(x);
}

/* False: freed by the callback. */
static bool
tell_fresh(struct pg_listener *x)
{
	x->inside = true;
	x->on_fresh(x->arg);
	x->inside = false;
	return !x->dying;
}

static bool
tell_notify(struct pg_listener *x, PGnotify *n)
{
	x->inside = true;
	x->on_notify(x->arg, n->relname, n->extra);
	x->inside = false;
	PQfreemem(n);
	return !x->dying;
}

static void
on_connected(void *arg)
{
	struct pg_listener *x = arg;
	struct arena *a = arena_new();
	PGconn *c = pg_wire_conn(x->wire);
	char *sql = arena_string(a, "");

	for (size_t i = 0; i < x->count; i++) {
		char *name = PQescapeIdentifier(
		    c, x->channels[i], strlen(x->channels[i]));

		if (name != NULL)
			sql = arena_printf(a, "%sLISTEN %s;", sql, name);
		PQfreemem(name);
	}
	x->state = SUBSCRIBING;
	x->trouble = false;
	timer_start(x->clock, CONNECT_MS);
	if (PQsendQuery(c, sql))
		pg_wire_flush(x->wire);
	else
		pg_wire_break(x->wire);
	arena_free(&a);
}

/* The last result of what we sent has come. */
static bool
settled(struct pg_listener *x)
{
	bool fresh = x->state == SUBSCRIBING;

	timer_start(x->clock, ASK_EVERY_MS);
	x->state = LISTENING;
	if (!fresh)
		return true;
	pg_wire_settled(x->wire);
	return tell_fresh(x);
}

static void
read_result(struct pg_listener *x, PGresult *r)
{
	struct fault f;

	if (!pg_result_judge(r, "listen", &f)) {
		log_error(&x->log, "listen_failed", LOG_STR("why", f.why));
		x->trouble = true;
	}
	PQclear(r);
}

/* False: freed, or the session was dropped. */
static bool
read_results(struct pg_listener *x, PGconn *c)
{
	while (x->state == SUBSCRIBING || x->state == ASKED) {
		PGresult *r;

		if (PQisBusy(c))
			return true;
		r = PQgetResult(c);
		if (r != NULL) {
			read_result(x, r);
			continue;
		}
		if (x->trouble) {
			pg_wire_fail(x->wire, "LISTEN was refused");
			return false;
		}
		if (!settled(x))
			return false;
	}
	return true;
}

static bool
read_notifies(struct pg_listener *x, PGconn *c)
{
	PGnotify *n;

	while ((n = PQnotifies(c)) != NULL) {
		/* Before on_fresh they say nothing that it does not. */
		if (x->state == SUBSCRIBING)
			PQfreemem(n);
		else if (!tell_notify(x, n))
			return false;
	}
	return true;
}

static void
on_input(void *arg)
{
	struct pg_listener *x = arg;
	PGconn *c = pg_wire_conn(x->wire);
	bool alive = read_results(x, c) && read_notifies(x, c);

	if (x->dying)
		listener_destroy(x);
	else if (alive && PQstatus(c) == CONNECTION_BAD)
		pg_wire_fail(x->wire, PQerrorMessage(c));
}

static void
on_lost(void *arg, const char *why)
{
	struct pg_listener *x = arg;

	(void)why;
	x->state = CONNECTING;
	timer_stop(x->clock);
}

static const struct pg_wire_events listener_events = {
    .on_connected = on_connected,
    .on_input = on_input,
    .on_lost = on_lost,
};

static void
on_clock(void *arg)
{
	struct pg_listener *x = arg;
	PGconn *c = pg_wire_conn(x->wire);

	if (c == NULL)
		return;
	if (x->state != LISTENING) {
		pg_wire_fail(x->wire, "the listening session does not answer");
		return;
	}
	x->state = ASKED;
	timer_start(x->clock, CONNECT_MS);
	if (PQsendQuery(c, "SELECT 1"))
		pg_wire_flush(x->wire);
	else
		pg_wire_break(x->wire);
}

struct pg_listener *
pg_listen(struct loop *l, const char *conninfo, const char *application,
    const char *const *channels, size_t count,
    void (*on_notify)(void *arg, const char *channel, const char *payload),
    void (*on_fresh)(void *arg), void *arg, const struct log *log)
{
	struct pg_listener *x = mem_new(sizeof *x);

	x->log = *log;
	x->channels = mem_array(count + 1, sizeof *x->channels);
	x->count = count;
	for (size_t i = 0; i < count; i++)
		x->channels[i] = mem_string(channels[i]);
	x->on_notify = on_notify;
	x->on_fresh = on_fresh;
	x->arg = arg;
	x->clock = timer_new(l, on_clock, x);
	x->wire = pg_wire_new(
	    l, conninfo, application, CONNECT_MS, &listener_events, x, &x->log);
	return x;
}

void
pg_listener_free(struct pg_listener **at)
{
	struct pg_listener *x = *at;

	if (x == NULL)
		return;
	*at = NULL;
	timer_free(&x->clock);
	pg_wire_free(&x->wire);
	x->dying = true;
	if (!x->inside)
		listener_destroy(x);
}
