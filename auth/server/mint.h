/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mint: gateways, known by the operator's gateway CA, ask for handoffs
 * over HTTP/2 with mutual TLS. Needs no database: it signs, records in the
 * spool, answers.
 */
#ifndef AUTH_SERVER_MINT_H
#define AUTH_SERVER_MINT_H

#include "auth/server/house.h"
#include "base/tls.h"

struct mint;
/* tls: a server context that requires certificates of the gateway CA. */
bool mint_open(struct house *h, const char *address, SSL_CTX *tls,
    struct mint **out, struct fault *f);
unsigned mint_port(const struct mint *m);
void mint_set_tls(struct mint *m, SSL_CTX *tls);
/* No new links; on_idle(arg) when the last has gone or its time is up. */
void mint_drain(
    struct mint *m, int64_t within_ms, void (*on_idle)(void *arg), void *arg);
void mint_free(struct mint **m);

#endif
