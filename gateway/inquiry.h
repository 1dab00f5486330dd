/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A provider asked, on a buyer's behalf, for its statement with evidence over
 * the buyer's own nonce: a hello like the gateway's, down the same path. What
 * comes back proves itself to the buyer; the gateway admits nobody by it, as
 * its own nonces are its own.
 */
#ifndef GATEWAY_INQUIRY_H
#define GATEWAY_INQUIRY_H

#include "base/loop.h"
#include "gateway/path.h"
#include "gateway/statement.h"

/* nonce is 64 hex digits. fn gets the statement, which lives in the arena and
 * is freed after fn has returned, or the fault. */
struct pending *inquiry_ask(struct loop *l, struct path *p, const char *nonce,
    int64_t within_ms, struct arena *a,
    void (*fn)(void *arg, const struct statement *st, const struct fault *f),
    void *arg);

#endif
