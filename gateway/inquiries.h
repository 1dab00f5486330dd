/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several providers asked at once for evidence over the same nonce; the
 * answer is there when each has given its own or failed to, and so no later
 * than the patience of one.
 */
#ifndef GATEWAY_INQUIRIES_H
#define GATEWAY_INQUIRIES_H

#include "gateway/inquiry.h"

#define INQUIRIES_MAX 8

/* One of them; at and count are the asker's own numbering. The statement and
 * the fault live until each returns. */
struct inquiries_events {
	void (*on_one)(void *arg, size_t at, const struct statement *st,
	    const struct fault *f);
	void (*on_all)(void *arg); /* once, and last */
};
/* paths: 1..INQUIRIES_MAX; NULL is a way that is gone. */
struct pending *inquiries_ask(struct loop *l, struct path *const *paths,
    size_t count, const char *nonce, int64_t within_ms, struct arena *a,
    const struct inquiries_events *events, void *arg);

#endif
