/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by server.c (connections) and server_exchange.c (a request and its
 * reply); for nobody else. A connection has at most one exchange, from the
 * handler's call until the reply has gone to the socket.
 */
#ifndef BASE_SERVER_PRIV_H
#define BASE_SERVER_PRIV_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <sys/queue.h>

#include "base/guard.h"
#include "base/server.h"

struct exchange;

struct conn {
	LIST_ENTRY(conn) entry;
	struct server *server;
	struct bufferevent *bev;	 /* evhttp frees it */
	struct evhttp_connection *evcon; /* once adopted */
	struct evbuffer_cb_entry *in_hook, *out_hook;
	struct guard guard;
	struct timer *timer;
	struct exchange *exchange;
	struct pending *soon;
	char *remote;
	int64_t began_us; /* first byte of the newest request */
	int fd;
	int refusal_status; /* 0: none */
	struct fault refusal;
	bool surplus; /* over the limit of connections */
	bool adopted;
	bool cut;      /* to be closed without a word */
	bool closing;  /* taken from evhttp */
	bool said;     /* that we are done */
	bool flushing; /* a whole reply is on its way out */
};

struct server {
	struct loop *loop;
	struct evhttp *http;
	struct evconnlistener *listener; /* evhttp's */
	SSL_CTX *tls;
	struct server_limits limits;
	http_handler *handler;
	void *arg;
	struct log log;
	LIST_HEAD(, conn) conns;
	LIST_HEAD(, conn) newborn; /* evhttp is still setting them up */
	struct pending *adopt;
	struct conn **by_fd;
	size_t fd_room;
	struct timer *rest;
	struct server_counts counts;
	bool draining, told_idle, freed;
	void (*on_idle)(void *arg);
	void *on_idle_arg;
	struct pending *idle;
};

void conn_watch(struct conn *c); /* sets the clock that fits its state */
void conn_soon(struct conn *c);
void conn_cut(struct conn *c); /* soon: flush and close */
void server_check_idle(struct server *s);

void exchange_begin(struct conn *c, struct evhttp_request *req);
/* The connection is no more, or no more evhttp's. */
void exchange_lost(struct conn *c);
/* The output fell under the low mark. */
void exchange_drained(struct exchange *x);

#endif
