/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dialling a link: an address in text becomes a connection under way. Names
 * resolve off the loop. Nothing fails at once: what is wrong already comes
 * out through the loop like any other reason to be down.
 */
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
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

static void
on_dial_failed(void *arg)
{
	struct link *l = arg;

	l->turn = NULL;
	if (l->why.kind == FAULT_NONE)
		fault_set(&l->why, FAULT_UNAVAILABLE, "connecting failed");
	link_down(l, &l->why);
}

/* "name:port", the name possibly in brackets. */
static bool
dial_name(struct link *l, const char *address)
{
	const char *colon = strrchr(address, ':');
	size_t len = colon == NULL ? 0 : (size_t)(colon - address);
	char name[256];
	uint64_t port;

	if (len == 0 || len >= sizeof name ||
	    !text_to_u64(text_of(colon + 1), &port) || port == 0 ||
	    port > 65535)
		return fault_set(&l->why, FAULT_INVALID,
		    "\"%s\" is no address to dial", address);
	memcpy(name, address, len);
	name[len] = '\0';
	return bufferevent_socket_connect_hostname(
		   l->bev, loop_dns(l->loop), AF_UNSPEC, name, (int)port) == 0;
}

static bool
dial(struct link *l, const char *address)
{
	struct sockaddr_storage a;
	int len;

	if (l->why.kind != FAULT_NONE)
		return false;
	if (address_read(address, &a, &len))
		return bufferevent_socket_connect(
			   l->bev, (struct sockaddr *)&a, len) == 0;
	return dial_name(l, address);
}

struct link *
link_dial(struct loop *loop, const char *address, SSL_CTX *tls,
    const char *server_name, enum link_role role,
    const struct link_limits *limits, const struct link_events *events,
    void *arg, const struct log *log)
{
	struct link *l = link_new(loop, address, role, limits, log);

	link_listen_to(l, events, arg);
	if (strncmp(address, "unix:", 5) != 0)
		l->authority =
		    mem_string(server_name == NULL ? address : server_name);
	link_attach(l, -1, tls, BUFFEREVENT_SSL_CONNECTING, server_name);
	if (!dial(l, address) && l->stage != STAGE_DOWN)
		l->turn = loop_defer(loop, on_dial_failed, l);
	return l;
}
