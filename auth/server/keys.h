/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signing keys. Which key signs and which are published is state in
 * Postgres; the private halves are files. What Postgres said last is kept
 * beside them, so that a restart without Postgres signs and publishes as
 * before.
 */
#ifndef AUTH_SERVER_KEYS_H
#define AUTH_SERVER_KEYS_H

#include "auth/jwt.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/pg.h"

struct keys;
/* Reads every key of the folder, and the state kept there. */
bool keys_open(struct loop *l, const char *folder, const struct log *log,
    struct keys **out, struct fault *f);
void keys_free(struct keys **k);

/* Begins to follow the key table: now, whenever told, and at times. on_known
 * (may be NULL) is called once, when it was first read. */
void keys_follow(
    struct keys *k, struct pg *pg, void (*on_known)(void *arg), void *arg);
/* The table changed, or may have. */
void keys_refresh(struct keys *k);
/* Reads key files that came since. */
void keys_reload(struct keys *k);

/* Signs with the current key; NULL where it is not here. Borrowed until the
 * next turn of the loop. */
const struct jwt_signer *keys_signer(const struct keys *k);
/* The published set as JSON, and its entity tag (with quotes). */
const char *keys_jwks(const struct keys *k);
const char *keys_etag(const struct keys *k);

#endif
