/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One hello: a fresh nonce goes down the tunnel, a statement comes back in
 * time, within bounds, and about that very nonce. What it says is judged
 * elsewhere.
 */
#ifndef GATEWAY_PROBE_H
#define GATEWAY_PROBE_H

#include "base/link.h"
#include "gateway/statement.h"

struct probe_settings {
	const char *gateway_id; /* names the installation */
	const char *instance;	/* this gateway among its siblings */
	unsigned instances;
	int64_t within_ms;
};

/* The nonce is written out in hex (64 digits and a NUL) for the log and for
 * evidence. fn gets the statement, which lives in the arena, and must free it
 * with statement_free; or the fault. */
struct pending *probe_ask(struct link *l, const struct probe_settings *s,
    struct arena *a, char nonce[65],
    void (*fn)(void *arg, const struct statement *st, const struct fault *f),
    void *arg);

/* Pure: the body of a hello. */
char *probe_hello(
    const struct probe_settings *s, const char *nonce, struct arena *a);
/* Pure: an answer to it. */
bool probe_read(const struct http_answer *answer, const char *nonce,
    struct arena *a, struct statement *out, struct fault *f);

#endif
