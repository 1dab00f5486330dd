/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets: an address in text becomes a socket that several workers
 * may share (SO_REUSEPORT), or a Unix socket. Both servers stand on this.
 */
#ifndef BASE_LISTENER_H
#define BASE_LISTENER_H

#include <event2/listener.h>
#include <sys/socket.h>

#include "base/fault.h"
#include "base/loop.h"

/* "127.0.0.1:0", "[::1]:443", "unix:/path" (a stale socket is replaced; mode
 * 0600). Accepts nothing until a callback is set; free with
 * evconnlistener_free. */
bool listener_open(struct loop *l, const char *address,
    struct evconnlistener **out, struct fault *f);
unsigned listener_port(struct evconnlistener *x); /* 0 on Unix */

/* For evconnlistener_set_error_cb: descriptors have run out, so stop asking
 * for a while instead of spinning. The owner enables it again. */
void listener_rest(struct evconnlistener *x, void *arg);
enum { LISTENER_REST_MS = 250 };

/* The address behind "unix:/path" or numbers with a port; false for a name. */
bool address_read(const char *text, struct sockaddr_storage *out, int *len);

#endif
