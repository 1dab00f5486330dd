/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks assay-auth for handoffs over one kept HTTP/2 link with mutual TLS,
 * dialled again with growing pauses when it falls. A mint that cannot be
 * reached is UPSTREAM_DEPENDENCY_UNAVAILABLE, never a credential problem.
 */
#ifndef GATEWAY_MINT_H
#define GATEWAY_MINT_H

#include "base/log.h"
#include "base/loop.h"
#include "base/tls.h"

#define HANDOFF_TOKEN_MAX 4096

struct handoff_order {
	const char *aud; /* provider DID */
	const char *sub; /* buyer account */
	const char *workspace;
	const char *task;
	const char *model; /* canonical */
	const char *pool;
	const char *request_id;
	const char *cnf_x5t_s256; /* base64url, or NULL */
};
struct handoff {
	const char *token;
	int64_t expires_at_ms;
};

/* Pure: {"token", "expires_at"} as auth answers; the token in the arena. Fails
 * INVALID_JSON or INVALID. */
bool handoff_read(
    struct text t, struct arena *a, struct handoff *out, struct fault *f);

struct mint;
/* address is host:port; tls a client context; server_name NULL: chain only. */
struct mint *mint_new(struct loop *l, const char *address, SSL_CTX *tls,
    const char *server_name, const struct log *log);
bool mint_is_up(const struct mint *m);
void mint_free(struct mint **m);
/* The handoff lives until fn returns; exactly one of it and f is given. */
struct pending *mint_ask(struct mint *m, const struct handoff_order *o,
    int64_t within_ms,
    void (*fn)(void *arg, const struct handoff *h, const struct fault *f),
    void *arg);

#endif
