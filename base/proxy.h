/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PROXY protocol, version 2: what a layer-4 load balancer puts in front
 * of a connection to say whose it is. The caller reads exactly as many bytes
 * as are asked for, so nothing of what follows is ever taken along.
 */
#ifndef BASE_PROXY_H
#define BASE_PROXY_H

#include <sys/socket.h>

#include "base/fault.h"
#include "base/text.h"

#define PROXY_REMOTE 64 /* "[address]:port" and a NUL */

enum { PROXY_MAX = 16 + 2048 };

struct proxy {
	uint8_t bytes[PROXY_MAX];
	size_t have;
};

/* How many bytes are still missing; 0 once the header is whole. Fails INVALID
 * as soon as the bytes so far can not become a header. */
bool proxy_need(const struct proxy *p, size_t *missing, struct fault *f);
/* Of a whole header: the client's address, or "" where it names none (LOCAL,
 * as balancers send in health checks; Unix). */
bool proxy_remote(
    const struct proxy *p, char out[PROXY_REMOTE], struct fault *f);

/* "10.0.0.0/8,::1/128": does the address stand in the list? Also IPv4
 * addresses mapped into IPv6. */
bool networks_check(const char *list, struct fault *f); /* well-formed? */
bool networks_have(const char *list, const struct sockaddr *address);

/* "203.0.113.9:4711", "[2001:db8::1]:4711"; "unix" for a Unix socket. */
void address_text(const struct sockaddr *address, char out[PROXY_REMOTE]);

#endif
