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
	const struct log *log; /* lives longer than any question */
	bool is_written;       /* asked for, as far as we know */
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
void session_ended(struct session *s, const struct fault *why);
/* At start: what an earlier life of this instance left open. */
void sessions_begin(struct pg *pg, const char *instance, const struct log *log);

#endif
