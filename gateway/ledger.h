/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of every exchange: one wide log line, one record in the spool, and
 * from there, in batches, rows in Postgres. A record leaves the spool only
 * when its batch is committed; writing the same batch twice changes nothing.
 * ledger_write never waits: the spool is the promise.
 */
#ifndef GATEWAY_LEDGER_H
#define GATEWAY_LEDGER_H

#include "base/log.h"
#include "base/loop.h"
#include "gateway/gateway_db.h"

struct ledger;
struct ledger_settings {
	const char *folder; /* of the spool */
	int64_t flush_ms;   /* a batch waits this long at most */
	unsigned batch;	    /* rows */
};
bool ledger_open(struct loop *l, struct pg *pg, const struct ledger_settings *s,
    const struct log *log, struct ledger **out, struct fault *f);
/* Closes the spool; what is in it is written at the next start. */
void ledger_free(struct ledger **x);
/* The attempts' request and created_at are the request's. False where the
 * spool refused it: then only the log has it, and an operator must act. */
bool ledger_write(struct ledger *x, const struct request_row *r,
    const struct attempt_row *attempts, size_t count);
/* The log line alone: for reads, which change nothing and bill nothing. */
void ledger_note(struct ledger *x, const struct request_row *r);
/* Records not yet in Postgres. */
uint64_t ledger_backlog(const struct ledger *x);
/* fn(arg), once, when all is in Postgres or it can not be asked. */
void ledger_drain(struct ledger *x, void (*fn)(void *arg), void *arg);

/* Pure, for the spool: a record as one JSON text, and back into the arena. */
char *record_write(struct arena *a, const struct request_row *r,
    const struct attempt_row *attempts, size_t count);
bool record_read(struct text t, struct arena *a, struct request_row *r,
    struct attempt_row **attempts, size_t *count, struct fault *f);

#endif
