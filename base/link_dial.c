/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dialling a link: an address in text becomes a connection under way. Names
 * resolve off the loop, and each of their addresses is tried in turn. Nothing
 * fails at once: what is wrong already comes out through the loop like any
 * other reason to be down.
 */
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/dns.h>
#include <netinet/in.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/link_priv.h"
#include "base/listener.h"

bool
link_name_server(SSL *ssl, const char *name)
{
	unsigned char address[16];

	if (name == NULL)
		return true;
	if (evutil_inet_pton(AF_INET, name, address) == 1 ||
	    evutil_inet_pton(AF_INET6, name, address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(
			   SSL_get0_param(ssl), name) == 1;
	/* The macro for this drops const. */
	return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME,
		   TLSEXT_NAMETYPE_host_name, (void *)(uintptr_t)name) == 1 &&
	       SSL_set1_host(ssl, name) == 1;
}

/* A link's way to its first TCP connection; gone once it is there. */
struct dialling {
	struct link *link; /* NULL once nobody waits for the name */
	SSL_CTX *tls;
	char *server_name;
	struct evdns_getaddrinfo_request *resolving;
	struct evutil_addrinfo *all;
	struct evutil_addrinfo *next;
	struct timer *patience; /* with one address while there are others */
};

static void
dialling_free(struct dialling *d)
{
	SSL_CTX_free(d->tls);
	mem_free(d->server_name);
	timer_free(&d->patience);
	if (d->all != NULL)
		evutil_freeaddrinfo(d->all);
	mem_free(d);
}

void
link_dial_done(struct link *l)
{
	struct dialling *d = l->dialling;

	if (d == NULL)
		return;
	l->dialling = NULL;
	d->link = NULL;
	timer_stop(d->patience);
	if (d->resolving != NULL)
		evdns_getaddrinfo_cancel(d->resolving); /* on_resolved frees */
	else
		dialling_free(d);
}

static void
on_dial_failed(void *arg)
{
	struct link *l = arg;

	l->turn = NULL;
	if (l->why.kind == FAULT_NONE)
		fault_set(&l->why, FAULT_UNAVAILABLE, "connecting failed");
	link_down(l, &l->why);
}

static void
fail_soon(struct link *l)
{
	if (l->turn == NULL && l->stage != STAGE_DOWN)
		l->turn = loop_defer(l->loop, on_dial_failed, l);
}

static void
connect_to(struct link *l, const struct sockaddr *address, int len)
{
	struct dialling *d = l->dialling;

	if (l->bev != NULL)
		bufferevent_free(l->bev);
	link_attach(l, -1, d->tls, BUFFEREVENT_SSL_CONNECTING, d->server_name);
	if (l->why.kind == FAULT_INVALID ||
	    bufferevent_socket_connect(l->bev, address, len) != 0)
		fail_soon(l);
}

static void
try_next(struct link *l)
{
	struct dialling *d = l->dialling;
	const struct evutil_addrinfo *a = d->next;

	d->next = a->ai_next;
	if (d->next != NULL)
		timer_start(d->patience, l->limits.handshake_ms / 4);
	else
		timer_stop(d->patience);
	connect_to(l, a->ai_addr, (int)a->ai_addrlen);
}

static bool
is_connected(const struct link *l)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof a;

	return l->bev != NULL && getpeername(bufferevent_getfd(l->bev),
				     (struct sockaddr *)&a, &len) == 0;
}

bool
link_dial_again(struct link *l)
{
	if (l->dialling == NULL || l->dialling->next == NULL || is_connected(l))
		return false;
	try_next(l);
	return true;
}

static void
on_patience(void *arg)
{
	struct dialling *d = arg;

	link_dial_again(d->link);
}

static void
on_first(void *arg)
{
	struct link *l = arg;

	l->turn = NULL;
	try_next(l);
}

/* May be called from inside evdns_getaddrinfo. */
static void
on_resolved(int error, struct evutil_addrinfo *all, void *arg)
{
	struct dialling *d = arg;
	struct link *l = d->link;

	d->resolving = NULL;
	d->all = d->next = all;
	if (l == NULL) {
		dialling_free(d);
		return;
	}
	if (error == 0 && all != NULL) {
		l->turn = loop_defer(l->loop, on_first, l);
		return;
	}
	fault_set(&l->why, FAULT_UNAVAILABLE, "name does not resolve: %s",
	    evutil_gai_strerror(error));
	fail_soon(l);
}

/* "name:port" */
static void
dial_name(struct link *l, const char *address)
{
	struct evutil_addrinfo hints = {
	    .ai_family = AF_UNSPEC,
	    .ai_socktype = SOCK_STREAM,
	    .ai_flags = EVUTIL_AI_ADDRCONFIG,
	};
	const char *colon = strrchr(address, ':');
	struct text name = {
	    address, colon == NULL ? 0 : (size_t)(colon - address)};
	char host[256];
	uint64_t port;
	struct evdns_getaddrinfo_request *r;

	if (name.len == 0 || !text_store(name, host, sizeof host) ||
	    !text_to_u64(text_of(colon + 1), &port) || port == 0 ||
	    port > 65535) {
		fault_set(&l->why, FAULT_INVALID,
		    "\"%s\" is no address to dial", address);
		fail_soon(l);
		return;
	}
	r = evdns_getaddrinfo(loop_dns(l->loop), host, colon + 1, &hints,
	    on_resolved, l->dialling);
	if (r != NULL)
		l->dialling->resolving = r;
}

struct link *
link_dial(struct loop *loop, const char *address, SSL_CTX *tls,
    const char *server_name, enum link_role role,
    const struct link_limits *limits, const struct link_events *events,
    void *arg, const struct log *log)
{
	struct link *l = link_new(loop, address, role, limits, log);
	struct dialling *d = mem_new(sizeof *d);
	struct sockaddr_storage a;
	int len;

	link_listen_to(l, events, arg);
	if (strncmp(address, "unix:", 5) != 0)
		l->authority =
		    mem_string(server_name == NULL ? address : server_name);
	l->dialling = d;
	d->link = l;
	if (tls != NULL)
		SSL_CTX_up_ref(tls);
	d->tls = tls;
	d->server_name = mem_string(server_name);
	d->patience = timer_new(loop, on_patience, d);
	if (address_read(address, &a, &len))
		connect_to(l, (const struct sockaddr *)&a, len);
	else
		dial_name(l, address);
	return l;
}
