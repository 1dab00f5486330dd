/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The buyer's end of an exchange. It stands between the steps and whatever
 * carries the request (base/http), counts what was sent, and lets the
 * exchange watch for a hang-up while the relay watches for room. Nothing is
 * called back from inside a client_* call.
 */
#ifndef GATEWAY_CLIENT_H
#define GATEWAY_CLIENT_H

#include "base/http.h"

struct client;

/* Takes the request; the client lives in its arena until client_close. */
struct client *client_new(struct http_request *r);
const struct http_request *client_request(const struct client *c);
struct arena *client_arena(const struct client *c);

/* NULL takes a hook off. gone: the buyer has left; what is written from now
 * on arrives nowhere. drained: the backlog fell under the low mark. */
void client_on_gone(struct client *c, void (*fn)(void *arg), void *arg);
void client_on_drained(struct client *c, void (*fn)(void *arg), void *arg);

/* Once. */
void client_start(struct client *c, int status, const struct http_fields *fs);
bool client_is_started(const struct client *c);
int client_status(const struct client *c); /* as started with; 0: not yet */
/* Moves all of data out of it. */
void client_write(struct client *c, struct evbuffer *data);
/* Bytes written that the buyer's socket has not taken. */
size_t client_backlog(const struct client *c);
uint64_t client_sent(const struct client *c); /* body bytes written */
/* The reply is whole. */
void client_end(struct client *c);
/* Without client_end before it, a started reply is visibly cut. Accepts NULL,
 * leaves NULL. */
void client_close(struct client **c);

#endif
