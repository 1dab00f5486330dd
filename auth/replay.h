/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which one-time names were used, until they expire. Bounded: when it is full
 * of names that are still alive a new one is refused, never an old forgotten.
 */
#ifndef AUTH_REPLAY_H
#define AUTH_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

struct replay;
struct replay *replay_new(size_t room);
/* Marks the name (1..63 characters) used until expires_at_ms. Fails
 * TOKEN_REPLAYED where it was, OVERLOADED where there is no room. */
bool replay_use(struct replay *r, const char *name, int64_t expires_at_ms,
    int64_t now_ms, struct fault *f);
size_t replay_count(const struct replay *r); /* for metrics and tests */
void replay_free(struct replay **r);

#endif
