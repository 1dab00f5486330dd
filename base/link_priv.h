/* SPDX-License-Identifier: Apache-2.0 */
/* Between link.c and link_listener.c, for nobody else. */
#ifndef BASE_LINK_PRIV_H
#define BASE_LINK_PRIV_H

#include "base/link.h"

/* Who counts accepted links. on_settled: up or down, whichever is first;
 * on_closed: the link's connection is gone. Each once. */
struct link_owner {
	void (*on_settled)(void *arg);
	void (*on_closed)(void *arg);
	void *arg;
};

/* Takes the connected, non-blocking fd. Nothing happens before the loop's
 * next turn, so events may be set after. */
struct link *link_accepted(struct loop *l, int fd, const char *remote,
    SSL_CTX *tls, enum link_role role, const struct link_limits *limits,
    const struct link_owner *owner, const struct log *log);
void link_listen_to(
    struct link *l, const struct link_events *events, void *arg);

#endif
