/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An asynchronous Redis client on the loop: one connection, pipelined, that
 * comes back by itself with a growing, jittered pause. Redis holds nothing
 * that may not be lost, so nothing is repeated after a break: what was asked
 * is answered with a fault and the asker decides.
 */
#ifndef BASE_REDIS_H
#define BASE_REDIS_H

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/resp.h"
#include "base/text.h"

struct redis_settings {
	const char *address;  /* "host:port" (an IP address or a name) or
			       * "unix:/path" */
	const char *user;     /* NULL or "": none (AUTH password alone) */
	const char *password; /* NULL or "": no AUTH */
	int database;	      /* SELECT, where not 0 */
	int64_t connect_ms;   /* 0: 2 s; connect, AUTH and SELECT together */
	int64_t answer_ms;    /* 0: 1 s; patience for one answer */
	int64_t retry_ms;     /* 0: 100 ms; doubles up to 30 times that */
	size_t questions;     /* 0: 10,000 open at one time */
	size_t answer_bytes;  /* 0: 4 MiB; a larger answer breaks the
			       * connection */
};

/* Exactly one of answer and fault is not NULL; both live until the callback
 * returns. REDIS_ERROR occurs within arrays only. Faults: UNAVAILABLE (no
 * connection, or it broke before the answer), TIMEOUT, OVERLOADED (too many
 * open questions), REFUSED (Redis answered with an error, whose text it is).
 */
typedef void redis_callback(
    void *arg, const struct redis_answer *answer, const struct fault *fault);

struct redis;
/* Copies the settings, starts to connect, and never fails. Questions wait for
 * the first connection, and for the first attempt after a break; once an
 * attempt has failed they are answered UNAVAILABLE at once until Redis is
 * back, so that an outage costs the asker no patience. */
struct redis *redis_new(struct loop *l, const struct redis_settings *settings,
    const struct log *log);
/* Open questions are forgotten: their callbacks never run. May be called from
 * a callback. */
void redis_free(struct redis **r);
bool redis_is_ready(const struct redis *r);

/* One command, argv[0] its name; the arguments are copied and may hold any
 * bytes. A cancelled question's answer is thrown away. */
struct pending *redis_ask(struct redis *r, const struct text *argv, size_t argc,
    redis_callback *callback, void *arg);

/* Called (from the loop) whenever the connection comes up or breaks; for a
 * re-publication of presence. NULL takes it off. */
void redis_on_change(
    struct redis *r, void (*fn)(void *arg, bool ready), void *arg);

#endif
