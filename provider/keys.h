/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys that handoffs are checked with: assay-auth's JWKS, fetched by
 * itself, refreshed on a timer and once more when a token names a key we do
 * not have (at most every few seconds: tokens come from strangers), and kept
 * in the state folder so that a restart during an outage serves on.
 */
#ifndef PROVIDER_KEYS_H
#define PROVIDER_KEYS_H

#include "auth/jwk.h"
#include "base/fetch.h"
#include "base/log.h"
#include "base/loop.h"

struct keys;
struct keys *keys_new(struct loop *l, struct fetch *fetch, const char *auth_url,
    const char *state_folder, int64_t refresh_ms, const struct log *log);
void keys_free(struct keys **k);

/* Borrowed until the loop's next turn; empty before the first fetch. */
const struct jwks *keys_now(const struct keys *k);
/* A token named a key that is not there: fetches unless that was done just
 * now, then answers; look again with keys_now. Answers at once (through the
 * loop) where no fetch was due. */
struct pending *keys_refresh(struct keys *k, void (*fn)(void *arg), void *arg);

#endif
