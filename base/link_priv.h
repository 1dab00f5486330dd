/* SPDX-License-Identifier: Apache-2.0 */
/* Between link.c, link_dial.c and link_listener.c, for nobody else. */
#ifndef BASE_LINK_PRIV_H
#define BASE_LINK_PRIV_H

#include <event2/bufferevent_ssl.h>

#include "base/http2.h"
#include "base/link.h"

/* Who counts accepted links. on_settled: up or down, whichever is first;
 * on_closed: the link's connection is gone. Each once. */
struct link_owner {
	void (*on_settled)(void *arg);
	void (*on_closed)(void *arg);
	void *arg;
};

enum stage {
	STAGE_HANDSHAKE, /* connect, TLS */
	STAGE_GREETING,	 /* until the peer's SETTINGS: it has accepted us */
	STAGE_UP,
	STAGE_DOWN
};

struct link {
	struct loop *loop;
	enum stage stage;
	enum link_role role;
	struct link_limits limits;
	struct link_events events;
	void *arg;
	struct link_owner owner;
	struct log log;
	struct bufferevent *bev; /* NULL once down */
	SSL *ssl;
	X509 *peer;
	struct http2 *h2;
	char *remote;
	char *authority;
	struct timer *clock; /* handshake deadline, then silence */
	struct timer *drain;
	struct dialling *dialling; /* until connected; link_dial.c's */
	struct pending *turn;	   /* a turn is due */
	struct pending *destroy;   /* freed; the memory goes later */
	struct pending *at_end;
	uint64_t frames;
	int64_t heard_ms; /* when the last frame came */
	int64_t pinged_ms;
	bool in_turn;
	bool settled;
	bool freed;
	struct fault why; /* for a dial that failed at once */
};

/* The handshake's clock runs from here. */
struct link *link_new(struct loop *loop, const char *remote,
    enum link_role role, const struct link_limits *limits,
    const struct log *log);
/* Gives it its bufferevent; fd -1 for one that is to be connected. */
void link_attach(struct link *l, int fd, SSL_CTX *tls,
    enum bufferevent_ssl_state state, const char *server_name);
bool link_name_server(SSL *ssl, const char *name); /* NULL: no name */
/* Dialling is over, one way or the other. */
void link_dial_done(struct link *l);
/* Nobody answered: is there another address to try? Then it is tried. */
bool link_dial_again(struct link *l);
/* Ends everything and tells everybody; on top of the stack only. */
void link_down(struct link *l, const struct fault *why);

/* Takes the connected, non-blocking fd. Nothing happens before the loop's
 * next turn, so events may be set after. */
struct link *link_accepted(struct loop *l, int fd, const char *remote,
    SSL_CTX *tls, enum link_role role, const struct link_limits *limits,
    const struct link_owner *owner, const struct log *log);
void link_listen_to(
    struct link *l, const struct link_events *events, void *arg);

#endif
