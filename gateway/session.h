/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tunnel's row in assay.tunnel_session and its fingerprints: for operators
 * to read, never for routing. What Postgres misses while it is away is
 * written with the next lease; nobody waits for any of it.
 */
#ifndef GATEWAY_SESSION_H
#define GATEWAY_SESSION_H

#include "base/log.h"
#include "gateway/gateway_db.h"

struct session {
	struct pg *pg;
	const struct log *log;
	struct pending *row; /* being written */
	struct pending *fingerprints;
	bool is_missed; /* an outage swallowed one of them */
	char id[UUID_TEXT];
	char did[DID_SIZE];
	char remote[64];
	char serial[64];
	const char *instance;
	int64_t slot;
	int64_t opened_at; /* Unix ms */
};

void session_stated(struct session *s, const struct statement *st,
    const struct statement_verdict *verdicts);
/* The lease. st is written again where an outage swallowed it. */
void session_touch(struct session *s, const struct statement *st,
    const struct statement_verdict *verdicts);
/* Its last act. */
void session_ended(struct session *s, const struct fault *why);
/* Forgets what is being written; it is written all the same. */
void session_forget(struct session *s);
/* Closes what this worker, in an earlier life or this one, left open; fn(arg),
 * which may be NULL, once that is done or cannot be. */
void sessions_close(struct pg *pg, const char *instance, const struct log *log,
    void (*fn)(void *arg), void *arg);

#endif
