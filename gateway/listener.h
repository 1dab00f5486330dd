/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where buyers come in: HTTP behind a balancer, HTTPS, or both, each request
 * one exchange. Limits and deadlines hold before anything is looked up; they
 * are base/server's work.
 */
#ifndef GATEWAY_LISTENER_H
#define GATEWAY_LISTENER_H

#include "base/server.h"
#include "gateway/exchange.h"

struct buyer_listener;
bool buyer_listener_open(
    struct house *h, struct buyer_listener **out, struct fault *f);
/* Certificate and key are read again, for connections to come. */
bool buyer_listener_reload(struct buyer_listener *l, struct fault *f);
/* Accept no more; fn(arg), once, when nothing is open. */
void buyer_listener_drain(
    struct buyer_listener *l, void (*fn)(void *arg), void *arg);
void buyer_listener_free(struct buyer_listener **l);

#endif
