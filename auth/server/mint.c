/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /internal/handoffs: order -> claims -> token -> record -> answer, in
 * one turn of the loop. The token leaves only after its record is in the
 * spool.
 */
#include "auth/server/mint.h"

#include <openssl/x509.h>
#include <string.h>
#include <sys/queue.h>

#include "auth/server/order.h"
#include "auth/server/reply.h"
#include "base/clock.h"
#include "base/link.h"

#define NAME_MAX_ 200

struct gateway {
	LIST_ENTRY(gateway) entry;
	struct mint *mint;
	struct link *link;
	char name[NAME_MAX_]; /* common name of its certificate */
};

struct mint {
	struct house *house;
	struct link_listener *listener;
	LIST_HEAD(gateway_list, gateway) gateways;
	bool is_draining;
	void (*on_idle)(void *arg);
	void *arg;
};

/* ----------------------------------------------------------------- handoffs */

static bool
make(struct gateway *g, struct arena *a, struct handoff_claims *c, char **token,
    struct fault *f)
{
	struct house *h = g->mint->house;
	const struct jwt_signer *signer = keys_signer(h->keys);
	int64_t now_ms = clock_unix_ms();
	char jti[UUID_TEXT];
	uint8_t random[10];

	if (signer == NULL)
		return fault_set(f, FAULT_UNAVAILABLE,
		    "the current signing key is not here");
	random_bytes(random, sizeof random);
	uuid_v7(now_ms, random, jti);
	c->iss = h->issuer;
	c->jti = jti;
	c->iat = now_ms / 1000;
	return handoff_make(a, signer, c, token, f) &&
	       minted_add(h->minted, c, signer->kid, g->name, f);
}

static void
answer(struct http_request **r, const char *token, int64_t expires_at)
{
	char text[RFC3339_TEXT];
	json_t *o;

	time_to_rfc3339(expires_at * 1000, text);
	o = json_pack("{s:s, s:s}", "token", token, "expires_at", text);
	reply_json(r, 201, &o);
}

static void
refuse(struct gateway *g, struct http_request **r, const struct fault *f)
{
	const struct log *log = &g->mint->house->log;
	const char *code = fault_code(f->kind);

	if (reply_status(f->kind) >= 500)
		log_error(log, "not_minted", LOG_STR("gateway", g->name),
		    LOG_STR("code", code), LOG_STR("why", f->why));
	else
		log_warn(log, "not_minted", LOG_STR("gateway", g->name),
		    LOG_STR("code", code), LOG_STR("why", f->why));
	reply_fault(r, f);
}

static bool
is_for_us(const struct http_request *r, struct fault *f)
{
	if (strcmp(r->path, "/internal/handoffs") != 0)
		return fault_set(f, FAULT_NOT_FOUND, "there is no such path");
	if (strcmp(r->method, "POST") != 0)
		return fault_set(f, FAULT_METHOD_NOT_ALLOWED,
		    "handoffs are asked for with POST");
	return true;
}

static void
on_request(struct http_request *r, void *arg)
{
	struct gateway *g = arg;
	struct counters *counters = g->mint->house->counters;
	struct handoff_claims c = {0};
	struct fault f = {0};
	int64_t began_us = r->began_us;
	json_t *order = NULL;
	char *token = NULL;

	if (is_for_us(r, &f) && body_read(r, HANDOFF_ORDER_MAX, &order, &f) &&
	    handoff_order_read(order, &c, &f) &&
	    make(g, r->arena, &c, &token, &f))
		answer(&r, token, c.iat + HANDOFF_LIFE_S);
	else
		refuse(g, &r, &f);
	json_free(&order);
	counters_outcome(counters->minted, f.kind);
	metric_observe(counters->mint_seconds,
	    (double)(clock_mono_us() - began_us) / 1e6, 0, 0, 0);
}

/* -------------------------------------------------------------------- links */

static void
common_name(X509 *c, char *out, size_t size)
{
	X509_NAME *name = X509_get_subject_name(c);
	char raw[NAME_MAX_];
	int len =
	    X509_NAME_get_text_by_NID(name, NID_commonName, raw, sizeof raw);

	text_escape((struct text){raw, len < 0 ? 0 : strlen(raw)}, out, size);
}

static void
on_up(struct link *l, X509 *peer, void *arg)
{
	struct gateway *g = arg;

	common_name(peer, g->name, sizeof g->name);
	g->mint->house->gateways++;
	log_info(&g->mint->house->log, "gateway_connected",
	    LOG_STR("gateway", g->name), LOG_STR("remote", link_remote(l)));
}

static void
tell_idle(struct mint *m)
{
	void (*fn)(void *) = m->on_idle;

	if (!m->is_draining || !LIST_EMPTY(&m->gateways))
		return;
	m->on_idle = NULL;
	if (fn != NULL)
		fn(m->arg);
}

static void
on_down(struct link *l, const struct fault *why, void *arg)
{
	struct gateway *g = arg;
	struct mint *m = g->mint;
	bool was_up = g->name[0] != '\0';

	log_info(&m->house->log, was_up ? "gateway_gone" : "gateway_refused",
	    LOG_STR("gateway", g->name), LOG_STR("remote", link_remote(l)),
	    LOG_STR("code", fault_code(why->kind)), LOG_STR("why", why->why));
	if (was_up)
		m->house->gateways--;
	LIST_REMOVE(g, entry);
	link_free(&g->link);
	mem_free(g);
	tell_idle(m);
}

static const struct link_events link_events = {
    .on_up = on_up,
    .on_down = on_down,
    .on_request = on_request,
};

static void
on_accept(struct link *l, void *arg, const struct link_events **events,
    void **events_arg)
{
	struct mint *m = arg;
	struct gateway *g = mem_new(sizeof *g);

	g->mint = m;
	g->link = l;
	LIST_INSERT_HEAD(&m->gateways, g, entry);
	*events = &link_events;
	*events_arg = g;
}

/* --------------------------------------------------------------------- life */

bool
mint_open(struct house *h, const char *address, SSL_CTX *tls, struct mint **out,
    struct fault *f)
{
	struct link_listener_settings s = {.address = address,
	    .tls = tls,
	    .role = LINK_SERVER,
	    .pending_handshakes = 64,
	    .links = 1000};
	struct mint *m = mem_new(sizeof *m);

	link_limits_default(&s.limits);
	s.limits.body_bytes = HANDOFF_ORDER_MAX;
	s.limits.streams = 1000;
	/* A gateway gives up on requests whose buyers leave. */
	s.limits.resets_per_s = 10000;
	m->house = h;
	LIST_INIT(&m->gateways);
	*out = NULL;
	m->listener = link_listen(h->loop, &s, on_accept, m, &h->log, f);
	if (m->listener == NULL) {
		mem_free(m);
		return false;
	}
	*out = m;
	return true;
}

unsigned
mint_port(const struct mint *m)
{
	return link_listener_port(m->listener);
}

void
mint_set_tls(struct mint *m, SSL_CTX *tls)
{
	link_listener_set_tls(m->listener, tls);
}

void
mint_drain(
    struct mint *m, int64_t within_ms, void (*on_idle)(void *arg), void *arg)
{
	struct gateway *g, *next;

	link_listener_pause(m->listener);
	m->is_draining = true;
	m->on_idle = on_idle;
	m->arg = arg;
	for (g = LIST_FIRST(&m->gateways); g != NULL; g = next) {
		next = LIST_NEXT(g, entry);
		link_drain(g->link, within_ms);
	}
	tell_idle(m);
}

void
mint_free(struct mint **mp)
{
	struct mint *m = *mp;
	struct gateway *g;

	if (m == NULL)
		return;
	*mp = NULL;
	link_listener_free(&m->listener);
	while ((g = LIST_FIRST(&m->gateways)) != NULL) {
		LIST_REMOVE(g, entry);
		link_free(&g->link);
		mem_free(g);
	}
	mem_free(m);
}
