/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A piece of collateral that is held, and the one rule by which another takes
 * its place. What was verified gives way only to what was verified, of the
 * same issuer and in no part older: whoever can answer in a source's place
 * (or fill a folder) can keep the gateway from news, but cannot take back
 * what it already knows. Pure.
 */
#ifndef GATEWAY_COLLATERAL_HELD_H
#define GATEWAY_COLLATERAL_HELD_H

#include "gateway/collateral_body.h"
#include "gateway/collateral_genuine.h"

/* As it comes; borrowed. */
struct collateral_piece {
	struct bytes body;
	int64_t fetched_at; /* Unix ms */
	bool any_time;	    /* judged by its edition alone: a folder's file
			     * that may have gone back in time */
	struct collateral_facts facts;
	enum genuine genuine;
};

/* Zeroed: nothing is held. */
struct collateral_held {
	uint8_t *body; /* NULL: nothing; owned */
	size_t len;
	int64_t fetched_at; /* Unix ms */
	struct collateral_facts facts;
	enum genuine genuine;
};

/* Takes the piece in where it may and is newer; *changed where the bytes are
 * now others. Refuses with STALE (an older edition), CONFLICT (of another
 * issuer, while what is held has not ended) or UNTRUSTED (not verified). */
bool collateral_held_take(struct collateral_held *h,
    const struct collateral_piece *p, int64_t now_ms, bool *changed,
    struct fault *f);
void collateral_held_clear(struct collateral_held *h);

/* Unix ms from when it is to be fetched anew: when it is older than
 * refresh_ms, or as near to its makers' next update. */
int64_t collateral_held_due(
    const struct collateral_held *h, int64_t refresh_ms);

#endif
