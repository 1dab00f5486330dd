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
#include "base/pg.h"
#include "base/text.h"
#include "gateway/usage.h"

#define LEDGER_ATTEMPTS 8

struct attempt {
	char did[201];
	char tunnel[UUID_TEXT]; /* tunnel_session */
	char code[40];          /* "ok" or a fault code */
	char why[200];
	int status;             /* the provider's, 0: none */
	int64_t began_ms;       /* Unix */
	int64_t first_byte_ms;  /* since began_ms, -1: none */
	int64_t took_ms;
	uint64_t bytes;
};

/* One exchange as it ended: plain values, nothing points elsewhere. */
struct outcome {
	char request_id[UUID_TEXT];
	char trace_id[33];
	char endpoint[40]; /* "chat/completions", "handoffs", "route" … */
	char kind[12];     /* "relay", "handoff", "other" */
	char account[UUID_TEXT];
	char workspace[UUID_TEXT];
	char key[UUID_TEXT]; /* api_key id */
	char task[64];
	char model[201];
	char pool[12];
	char tier[12];
	char provider[201];
	char provider_workspace[UUID_TEXT];
	char quantization[40];
	char code[40];       /* "ok" or a fault code */
	char why[200];
	char step[16];       /* where it ended */
	char rejected[512];  /* JSON: reason -> count */
	int status;          /* as the buyer saw it */
	bool is_stream;
	bool is_truncated;
	struct usage usage;
	uint64_t bytes_in;
	uint64_t bytes_out;
	int64_t began_ms;    /* Unix */
	int64_t auth_ms, route_ms, mint_ms, first_byte_ms, total_ms; /* or -1 */
	int attempt_count;
	struct attempt attempts[LEDGER_ATTEMPTS];
};

struct ledger;
struct ledger_settings {
	const char *folder;   /* of the spool */
	int64_t flush_ms;     /* a batch waits this long at most */
	unsigned batch;       /* rows */
};
bool ledger_open(struct loop *l, struct pg *pg,
    const struct ledger_settings *s, const struct log *log,
    struct ledger **out, struct fault *f);
/* Closes the spool; what is in it is written at the next start. */
void ledger_free(struct ledger **x);
/* False where the spool refused it: it is logged, and only the log has it. */
bool ledger_write(struct ledger *x, const struct outcome *o);
/* Records not yet in Postgres. */
uint64_t ledger_backlog(const struct ledger *x);
/* fn(arg) when all is in Postgres, or at once when it cannot be. */
void ledger_drain(struct ledger *x, void (*fn)(void *arg), void *arg);

/* Pure, for the spool and the tests: an outcome as one JSON text and back. */
char *outcome_write(struct arena *a, const struct outcome *o);
bool outcome_read(struct text t, struct outcome *out, struct fault *f);

#endif
