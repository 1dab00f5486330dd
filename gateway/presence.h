/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is connected where. Tunnels enter when admitted and leave when they
 * end; whoever wants to reach a provider looks its path up here, by the
 * session that an offer names. Memory of this worker; a peer's tunnels can be
 * entered the same way.
 */
#ifndef GATEWAY_PRESENCE_H
#define GATEWAY_PRESENCE_H

#include "base/text.h"
#include "gateway/path.h"

struct presence_entry {
	char did[201];
	char session[UUID_TEXT]; /* tunnel_session id, as offers name it */
	int64_t slot;
	int64_t since_ms; /* Unix */
	struct path *path;
	/* A newer tunnel took this slot, or the device is revoked: end it.
	 * The entry is already out of presence when it is called. */
	void (*on_end)(struct path *p, const struct fault *why);
};

struct presence;
struct presence *presence_new(void);
void presence_free(struct presence **p);

/* Copies the entry. A tunnel with the same DID and slot is superseded: it
 * leaves, and its on_end is called. */
void presence_enter(struct presence *p, const struct presence_entry *e);
/* Nothing happens where it is not (or no longer) there. */
void presence_leave(struct presence *p, const char *session);
struct path *presence_find(const struct presence *p, const char *session);
unsigned presence_count(const struct presence *p);
void presence_each(const struct presence *p,
    void (*fn)(void *arg, const struct presence_entry *e), void *arg);

#endif
