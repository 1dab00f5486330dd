/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NOTIFY -> next snapshot. Reads everything at the start, looks at everything
 * after every reconnect, and reads the changed part after a notification (of
 * scores those that changed alone); while Postgres is
 * away the last snapshot goes on serving. A revocation is in the snapshot,
 * and told to the listeners, within 2 s.
 */
#ifndef GATEWAY_SYNC_H
#define GATEWAY_SYNC_H

#include "base/log.h"
#include "base/loop.h"
#include "base/pg.h"
#include "gateway/catalog.h"

struct sync_events {
	/* The holder has a new snapshot; this part of it is new. */
	void (*on_catalog)(void *arg, enum catalog_part part);
	/* Some key, account, membership or workspace changed, or may have:
	 * doubt every credential kept. */
	void (*on_keys)(void *arg);
};

struct sync;
/* conninfo is for LISTEN: a direct connection, never through a pooler. */
struct sync *sync_new(struct loop *l, struct pg *pg, const char *conninfo,
    struct catalogs *holder, const struct sync_events *events, void *arg,
    const struct log *log);
/* fn(arg) whenever the attestation policy changed, or may have; also once at
 * the start. Set before the loop runs. */
void sync_on_policy(struct sync *s, void (*fn)(void *arg), void *arg);
void sync_free(struct sync **s);
/* Every part has been read at least once: the worker may take traffic. */
bool sync_is_ready(const struct sync *s);
/* Asks again now (SIGHUP, a suspicion). */
void sync_refresh(struct sync *s);

struct sync_counts {
	uint64_t reads;	   /* parts read */
	uint64_t changes;  /* readings of what changed alone */
	uint64_t failures; /* and not read */
	int64_t read_at;   /* Unix ms of the newest part */
};
void sync_counts(const struct sync *s, struct sync_counts *out);

#endif
