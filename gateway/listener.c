/* SPDX-License-Identifier: Apache-2.0 */
/* The one or two servers that buyers reach. */
#include "gateway/listener.h"

struct buyer_listener {
	struct house *house;
	struct server *http;
	struct server *https;
	SSL_CTX *tls;
	unsigned draining; /* servers still to fall idle */
	void (*on_idle)(void *arg);
	void *idle_arg;
};

static struct server_limits
limits_of(const struct settings *s)
{
	struct server_limits l;

	server_limits_default(&l);
	l.body_bytes = s->limits_body;
	l.connections = (unsigned)s->limits_connections;
	l.head_ms = s->timeout_head;
	l.body_ms = s->timeout_body;
	l.idle_ms = s->timeout_idle;
	return l;
}

static bool
open_tls(struct buyer_listener *l, SSL_CTX **out, struct fault *f)
{
	const struct settings *s = l->house->settings;
	struct tls_settings t = {.server = true,
	    .verify = TLS_VERIFY_OPTIONAL, /* a device's, see device.c */
	    .ca_file = s->tunnel_ca,
	    .certificate_file = s->listen_certificate,
	    .key_file = s->listen_key,
	    .tls12 = true,
	    .session_tickets = true};

	return tls_context_new(&t, out, f);
}

static bool
open_one(struct buyer_listener *l, const char *address, SSL_CTX *tls,
    struct server **out, struct fault *f)
{
	struct server_limits limits = limits_of(l->house->settings);

	if (address == NULL)
		return true;
	*out = server_new(l->house->loop, address, tls, &limits, exchange_start,
	    l->house, &l->house->log, f);
	if (*out == NULL)
		return false;
	log_info(&l->house->log, "listening",
	    LOG_STR("what", tls == NULL ? "http" : "https"),
	    LOG_STR("address", address), LOG_INT("port", server_port(*out)));
	return true;
}

bool
buyer_listener_open(
    struct house *h, struct buyer_listener **out, struct fault *f)
{
	struct buyer_listener *l = mem_new(sizeof(*l));
	const struct settings *s = h->settings;

	l->house = h;
	if ((s->listen_https != NULL && !open_tls(l, &l->tls, f)) ||
	    !open_one(l, s->listen_http, NULL, &l->http, f) ||
	    !open_one(l, s->listen_https, l->tls, &l->https, f)) {
		buyer_listener_free(&l);
		return false;
	}
	*out = l;
	return true;
}

bool
buyer_listener_reload(struct buyer_listener *l, struct fault *f)
{
	SSL_CTX *tls;

	if (l->https == NULL)
		return true;
	if (!open_tls(l, &tls, f))
		return false;
	server_set_tls(l->https, tls);
	SSL_CTX_free(l->tls);
	l->tls = tls;
	return true;
}

static void
on_idle(void *arg)
{
	struct buyer_listener *l = arg;

	if (--l->draining == 0)
		l->on_idle(l->idle_arg);
}

void
buyer_listener_drain(struct buyer_listener *l, void (*fn)(void *arg), void *arg)
{
	l->on_idle = fn;
	l->idle_arg = arg;
	l->draining =
	    (unsigned)(l->http != NULL) + (unsigned)(l->https != NULL);
	if (l->http != NULL)
		server_drain(l->http, on_idle, l);
	if (l->https != NULL)
		server_drain(l->https, on_idle, l);
}

void
buyer_listener_free(struct buyer_listener **lp)
{
	struct buyer_listener *l = *lp;

	if (l == NULL)
		return;
	server_free(&l->http);
	server_free(&l->https);
	SSL_CTX_free(l->tls);
	mem_free(l);
	*lp = NULL;
}
