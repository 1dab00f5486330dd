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

struct listener;
bool listener_open(struct house *h, struct listener **out, struct fault *f);
/* Certificate and key are read again, for connections to come. */
bool listener_reload(struct listener *l, struct fault *f);
/* Accept no more; fn(arg), once, when nothing is open. */
void listener_drain(struct listener *l, void (*fn)(void *arg), void *arg);
void listener_free(struct listener **l);

#endif
