/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One libpq connection on the loop that makes itself again for ever, with
 * full jitter between tries. Inside base/pg*.c only: the pool (pg.c) and the
 * listener (pg_listen.c) each say what to do with a connection they are given.
 */
#ifndef BASE_PG_WIRE_H
#define BASE_PG_WIRE_H

#include "base/log.h"
#include "base/loop.h"

/* Called from the loop only, never from inside a pg_wire_* call but
 * pg_wire_fail, which calls on_lost itself. */
struct pg_wire_events {
	void (*on_connected)(void *arg); /* libpq says the session is there */
	void (*on_input)(void *arg);	 /* bytes were read: look at results */
	/* The session is gone; not called when a try to connect fails. */
	void (*on_lost)(void *arg, const char *why);
};

struct pg_conn; /* libpq's PGconn */
struct pg_wire;
struct pg_wire *pg_wire_new(struct loop *l, const char *conninfo,
    const char *application, int64_t connect_ms,
    const struct pg_wire_events *events, void *arg, const struct log *log);
struct pg_conn *pg_wire_conn(struct pg_wire *w); /* NULL while not connected */
/* Something was queued in libpq: write it now or when the socket allows. A
 * failure is reported by on_lost in the next turn. */
void pg_wire_flush(struct pg_wire *w);
/* Nothing more can be asked of the session: fails in the next turn. */
void pg_wire_break(struct pg_wire *w);
/* The owner is content with the session: the next loss starts anew with a
 * short pause. */
void pg_wire_settled(struct pg_wire *w);
/* Drops the session now (on_lost), and connects again after a pause. */
void pg_wire_fail(struct pg_wire *w, const char *why);
void pg_wire_free(struct pg_wire **w);

#endif
