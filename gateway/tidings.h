/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a daemon tells while it serves: the answer to GET
 * /.well-known/assay/events, kept open, read line by line within bounds, and
 * asked for again a second after it ends. A daemon without that endpoint is
 * left in peace.
 */
#ifndef GATEWAY_TIDINGS_H
#define GATEWAY_TIDINGS_H

#include "base/link.h"
#include "gateway/event.h"

struct tidings_events {
	/* Must not free the tidings. */
	void (*on_event)(void *arg, const struct event_line *e);
	/* The daemon broke the rules; nothing more comes. */
	void (*on_wrong)(void *arg, const struct fault *f);
};

struct tidings;
/* At rest until tidings_open. The link is borrowed. */
struct tidings *tidings_new(struct loop *l, struct link *link,
    const struct tidings_events *events, void *arg);
/* Asks, unless it is being asked already or the daemon has none. */
void tidings_open(struct tidings *t);
/* The daemon tells nothing: what it said once must not hold for ever. */
bool tidings_is_absent(const struct tidings *t);
/* No more, for good: an open stream would hold up a drain. */
void tidings_close(struct tidings *t);
void tidings_free(struct tidings **t);

#endif
