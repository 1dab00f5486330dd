/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a device certificate is: its DID and serial, held against the devices
 * that the catalog knows. The chain and key usage were verified by TLS; what
 * is judged here can change while a tunnel lives. Pure: now is an argument.
 */
#ifndef GATEWAY_IDENTITY_H
#define GATEWAY_IDENTITY_H

#include "base/tls.h"
#include "gateway/catalog.h"

struct identity {
	char did[DID_SIZE];
	char serial[64]; /* upper-case hex */
	char workspace[UUID_TEXT];
	int64_t expires_at; /* Unix ms */
};

/* Fills what can be read even where it fails, for the log. NULL peer: none
 * came. Fails UNTRUSTED, NOT_YET_VALID, EXPIRED, or as identity_check. */
bool identity_read(X509 *peer, const struct catalog *c, int64_t now_ms,
    struct identity *out, struct fault *f);
/* Again, when devices have changed: UNAVAILABLE (nothing read yet),
 * DEVICE_UNKNOWN, DEVICE_REVOKED, REFUSED (its workspace is suspended).
 * Brings the workspace up to date. */
bool identity_check(
    struct identity *x, const struct catalog *c, struct fault *f);

#endif
