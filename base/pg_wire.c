/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connecting to Postgres and staying connected. libpq drives its own
 * handshake (PQconnectPoll); this file tells it when the socket is ready and
 * how long it may take. A host name is resolved by libpq while it connects.
 */
#include "base/pg_wire.h"

#include <libpq-fe.h>
#include <string.h>

#include "base/crypto.h"
#include "base/mem.h"

#define PAUSE_FIRST_MS 100
#define PAUSE_MOST_MS 5000

struct pg_wire {
	struct loop *loop;
	char *conninfo;
	char *application;
	int64_t connect_ms;
	const struct pg_wire_events *events;
	void *arg;
	const struct log *log;
	PGconn *conn;
	struct event *readable;
	struct event *writable;
	struct timer *clock;	  /* the next try, or the end of this one */
	struct pending *breaking; /* a write failed: tell in the next turn */
	bool connected;
	bool complained; /* one warning per outage, not per try */
	unsigned tries;
};

static void connect_start(struct pg_wire *w);

static void
events_drop(struct pg_wire *w)
{
	if (w->readable != NULL)
		event_free(w->readable);
	if (w->writable != NULL)
		event_free(w->writable);
	w->readable = NULL;
	w->writable = NULL;
}

static void
conn_drop(struct pg_wire *w)
{
	events_drop(w);
	pending_cancel(&w->breaking);
	timer_stop(w->clock);
	PQfinish(w->conn);
	w->conn = NULL;
	w->connected = false;
}

/* Full jitter: anything between now and the growing limit, so that a
 * thousand clients of a restarted server do not come back in one wave. */
static void
pause_then_connect(struct pg_wire *w)
{
	int64_t most = PAUSE_FIRST_MS;

	for (unsigned i = 0; i < w->tries && most < PAUSE_MOST_MS; i++)
		most *= 2;
	if (most > PAUSE_MOST_MS)
		most = PAUSE_MOST_MS;
	w->tries++;
	timer_start(w->clock, 1 + (int64_t)random_below((uint64_t)most));
}

/* libpq ends its messages with a newline and may use several lines. */
static void
one_line(const char *message, char *out, size_t size)
{
	size_t n = 0;

	for (const char *c = message; *c != '\0' && n + 1 < size; c++) {
		if (*c == '\n' && c[1] == '\0')
			break;
		out[n++] = *c == '\n' || *c == '\t' ? ' ' : *c;
	}
	out[n] = '\0';
}

static void
connect_failed(struct pg_wire *w, const char *why)
{
	char line[256];

	one_line(why, line, sizeof line);
	if (w->complained)
		log_debug(w->log, "postgres_unreachable", LOG_STR("why", line));
	else
		log_warn(w->log, "postgres_unreachable", LOG_STR("why", line));
	w->complained = true;
	conn_drop(w);
	pause_then_connect(w);
}

void
pg_wire_fail(struct pg_wire *w, const char *why)
{
	char line[256];

	one_line(why, line, sizeof line);
	log_warn(w->log, "postgres_lost", LOG_STR("why", line));
	w->complained = true;
	conn_drop(w);
	pause_then_connect(w);
	w->events->on_lost(w->arg, line);
}

static void
on_breaking(void *arg)
{
	struct pg_wire *w = arg;

	w->breaking = NULL;
	pg_wire_fail(w, PQerrorMessage(w->conn));
}

void
pg_wire_break(struct pg_wire *w)
{
	if (w->breaking == NULL)
		w->breaking = loop_defer(w->loop, on_breaking, w);
}

void
pg_wire_flush(struct pg_wire *w)
{
	int left = PQflush(w->conn);

	if (left > 0)
		event_add(w->writable, NULL);
	else if (left < 0)
		pg_wire_break(w);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct pg_wire *w = arg;

	(void)fd;
	(void)what;
	if (!PQconsumeInput(w->conn)) {
		/* Results may stand before the end of the stream. */
		w->events->on_input(w->arg);
		return;
	}
	pg_wire_flush(w);
	w->events->on_input(w->arg);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	pg_wire_flush(arg);
}

static void
connected(struct pg_wire *w)
{
	struct event_base *base = loop_base(w->loop);
	int fd = PQsocket(w->conn);

	timer_stop(w->clock);
	events_drop(w);
	PQsetnonblocking(w->conn, 1);
	w->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, w);
	w->writable = event_new(base, fd, EV_WRITE, on_writable, w);
	event_add(w->readable, NULL);
	w->connected = true;
	w->events->on_connected(w->arg);
}

static void
on_connecting(evutil_socket_t fd, short what, void *arg)
{
	struct pg_wire *w = arg;
	PostgresPollingStatusType now = PQconnectPoll(w->conn);
	short want = now == PGRES_POLLING_WRITING ? EV_WRITE : EV_READ;

	(void)fd;
	(void)what;
	if (now == PGRES_POLLING_FAILED) {
		connect_failed(w, PQerrorMessage(w->conn));
		return;
	}
	if (now == PGRES_POLLING_OK) {
		connected(w);
		return;
	}
	/* libpq may have gone on to another address: ask for the socket. */
	events_drop(w);
	w->readable = event_new(
	    loop_base(w->loop), PQsocket(w->conn), want, on_connecting, w);
	event_add(w->readable, NULL);
}

static void
on_notice(void *arg, const char *message)
{
	struct pg_wire *w = arg;
	char line[256];

	one_line(message, line, sizeof line);
	log_debug(w->log, "postgres_notice", LOG_STR("says", line));
}

static void
connect_start(struct pg_wire *w)
{
	const char *const names[] = {"dbname", "application_name",
	    "client_encoding", "keepalives_idle", "keepalives_interval",
	    "keepalives_count", NULL};
	const char *const values[] = {
	    w->conninfo, w->application, "UTF8", "10", "5", "3", NULL};

	w->conn = PQconnectStartParams(names, values, 1);
	if (w->conn == NULL || PQstatus(w->conn) == CONNECTION_BAD) {
		connect_failed(w, w->conn == NULL ? "out of memory"
						  : PQerrorMessage(w->conn));
		return;
	}
	PQsetNoticeProcessor(w->conn, on_notice, w);
	timer_start(w->clock, w->connect_ms);
	/* As if PQconnectPoll had returned PGRES_POLLING_WRITING. */
	w->readable = event_new(
	    loop_base(w->loop), PQsocket(w->conn), EV_WRITE, on_connecting, w);
	event_add(w->readable, NULL);
}

static void
on_clock(void *arg)
{
	struct pg_wire *w = arg;

	if (w->conn == NULL)
		connect_start(w);
	else
		connect_failed(w, "no answer to the connection attempt");
}

struct pg_wire *
pg_wire_new(struct loop *l, const char *conninfo, const char *application,
    int64_t connect_ms, const struct pg_wire_events *events, void *arg,
    const struct log *log)
{
	struct pg_wire *w = mem_new(sizeof *w);

	w->loop = l;
	w->conninfo = mem_string(conninfo);
	w->application = mem_string(application);
	w->connect_ms = connect_ms;
	w->events = events;
	w->arg = arg;
	w->log = log;
	w->clock = timer_new(l, on_clock, w);
	timer_start(w->clock, 0);
	return w;
}

PGconn *
pg_wire_conn(struct pg_wire *w)
{
	return w->connected ? w->conn : NULL;
}

void
pg_wire_settled(struct pg_wire *w)
{
	if (w->complained)
		log_info(w->log, "postgres_back", LOG_INT("tries", w->tries));
	w->complained = false;
	w->tries = 0;
}

void
pg_wire_free(struct pg_wire **at)
{
	struct pg_wire *w = *at;

	if (w == NULL)
		return;
	conn_drop(w);
	timer_free(&w->clock);
	mem_wipe_free(w->conninfo, strlen(w->conninfo));
	mem_free(w->application);
	mem_free(w);
	*at = NULL;
}
