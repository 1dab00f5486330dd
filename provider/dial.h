/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tunnels: as many as asked for, spread over the gateways, each dialled
 * again with full jitter when it falls. The daemon is the HTTP/2 server on a
 * connection it opened (ALPN rh2).
 */
#ifndef PROVIDER_DIAL_H
#define PROVIDER_DIAL_H

#include "base/link.h"
#include "provider/serve.h"

#define TUNNELS_MAX 16

struct dial_settings {
	const char *const *addresses; /* host:port */
	size_t address_count;
	unsigned count;
	SSL_CTX *tls; /* borrowed; dial_set_tls after a renewal */
	size_t request_bytes;
	uint32_t streams;
	void (*on_change)(void *arg); /* a tunnel came up or fell */
	void *arg;
};

struct dial;
struct dial *dial_new(struct loop *l, const struct dial_settings *s,
    struct serve *serve, const struct log *log);
/* For connections to come; those that are up stay. */
void dial_set_tls(struct dial *d, SSL_CTX *tls);
unsigned dial_up(const struct dial *d);
/* No tunnel is up, and a gateway said that the device is revoked. */
bool dial_is_revoked(const struct dial *d); /* tunnels that are up */
/* The event line to every tunnel. */
void dial_event(struct dial *d, const char *line);
/* No new tunnels; every link drains. on_idle when all are gone. */
void dial_drain(
    struct dial *d, int64_t within_ms, void (*on_idle)(void *arg), void *arg);
json_t *dial_report(const struct dial *d); /* for status */
void dial_free(struct dial **d);

#endif
