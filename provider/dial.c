/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each tunnel has a slot and goes round the addresses from its own offset, so
 * that two tunnels seek two gateways. Pauses: random within 0.5 s doubled per
 * failure, 60 s at the most; one that held a minute starts over. A gateway that
 * says that the device is revoked is asked again after 10 to 20 minutes: only
 * an operator can change that.
 */
#include "provider/dial.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypto.h"

#define PAUSE_LEAST_MS 500
#define PAUSE_MOST_MS 60000
#define STEADY_MS 60000
#define REVOKED_MS 600000

struct tunnel {
	struct dial *dial;
	struct serve_way way;
	struct link *link;
	struct link *fallen; /* to be freed from the loop */
	struct timer *again;
	uint8_t *key; /* what way.spki shows */
	size_t address;
	unsigned failures;
	int64_t up_ms;
	char why[200]; /* it last fell */
	enum fault_kind kind;
};

struct dial {
	struct loop *loop;
	struct dial_settings s;
	struct log log;
	struct tunnel tunnels[TUNNELS_MAX];
	bool draining;
	void (*on_idle)(void *arg);
	void *idle_arg;
	struct pending *idle;
};

static void
tell_idle(void *arg)
{
	struct dial *d = arg;

	d->idle = NULL;
	d->on_idle(d->idle_arg);
}

static void
maybe_idle(struct dial *d)
{
	if (!d->draining || d->idle != NULL)
		return;
	for (unsigned i = 0; i < d->s.count; i++)
		if (d->tunnels[i].link != NULL)
			return;
	d->idle = loop_defer(d->loop, tell_idle, d);
}

static void
on_up(struct link *l, X509 *peer, void *arg)
{
	struct tunnel *t = arg;

	(void)peer;
	t->up_ms = clock_mono_ms();
	t->why[0] = '\0';
	t->kind = FAULT_NONE;
	log_info(&t->dial->log, "tunnel_up", LOG_INT("slot", t->way.slot),
	    LOG_STR("gateway", link_remote(l)));
	t->dial->s.on_change(t->dial->s.arg);
}

static int64_t
pause_ms(unsigned failures)
{
	uint64_t most = PAUSE_LEAST_MS;

	while (failures-- > 0 && most < PAUSE_MOST_MS)
		most *= 2;
	return (int64_t)random_below(
	    most > PAUSE_MOST_MS ? PAUSE_MOST_MS : most);
}

static void
on_down(struct link *l, const struct fault *why, void *arg)
{
	struct tunnel *t = arg;
	struct dial *d = t->dial;
	bool steady = t->up_ms > 0 && clock_mono_ms() - t->up_ms >= STEADY_MS;
	int64_t pause;

	t->failures = steady ? 0 : t->failures + 1;
	t->kind = why->kind;
	pause = why->kind == FAULT_DEVICE_REVOKED
		    ? REVOKED_MS + (int64_t)random_below(REVOKED_MS)
		    : pause_ms(t->failures);
	snprintf(t->why, sizeof t->why, "%s", why->why);
	if (!d->draining)
		log_warn(&d->log, "tunnel_down", LOG_INT("slot", t->way.slot),
		    LOG_STR("gateway", link_remote(l)),
		    LOG_STR("code", fault_code(why->kind)),
		    LOG_STR("why", why->why), LOG_INT("again_ms", pause));
	serve_way_gone(&t->way);
	t->up_ms = 0;
	t->link = NULL;
	t->fallen = l;
	timer_start(t->again, d->draining ? 0 : pause);
	d->s.on_change(d->s.arg);
	maybe_idle(d);
}

/* The events' argument is the tunnel; requests want its way. */
static void
on_request(struct http_request *r, void *arg)
{
	serve_request(r, &((struct tunnel *)arg)->way);
}

static const struct link_events events = {
    .on_up = on_up, .on_down = on_down, .on_request = on_request};

/* Evidence binds the key that this very connection will show. */
static void
keep_key(struct tunnel *t)
{
	X509 *certificate = SSL_CTX_get0_certificate(t->dial->s.tls);
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);

	mem_free(t->key);
	t->key = len > 0 ? mem_copy(der, (size_t)len) : NULL;
	t->way.spki = bytes_of(t->key, len > 0 ? (size_t)len : 0);
	OPENSSL_free(der);
}

static void
dial_tunnel(void *arg)
{
	struct tunnel *t = arg;
	struct dial *d = t->dial;
	struct link_limits limits;

	link_free(&t->fallen);
	if (d->draining)
		return;
	link_limits_default(&limits);
	limits.body_bytes = d->s.request_bytes;
	limits.streams = d->s.streams;
	keep_key(t);
	t->link = link_dial(d->loop, d->s.addresses[t->address], d->s.tls, NULL,
	    LINK_SERVER, &limits, &events, t, &d->log);
	t->address = (t->address + 1) % d->s.address_count;
}

struct dial *
dial_new(struct loop *l, const struct dial_settings *s, struct serve *serve,
    const struct log *log)
{
	struct dial *d = mem_new(sizeof *d);

	d->loop = l;
	d->s = *s;
	d->log = *log;
	for (unsigned i = 0; i < s->count; i++) {
		struct tunnel *t = &d->tunnels[i];

		t->dial = d;
		t->way.serve = serve;
		t->way.slot = (int)i;
		t->address = i % s->address_count;
		t->again = timer_new(l, dial_tunnel, t);
		timer_start(t->again, 0);
	}
	return d;
}

void
dial_set_tls(struct dial *d, SSL_CTX *tls)
{
	d->s.tls = tls;
}

unsigned
dial_up(const struct dial *d)
{
	unsigned n = 0;

	for (unsigned i = 0; i < d->s.count; i++)
		n += d->tunnels[i].link != NULL &&
		     link_is_up(d->tunnels[i].link);
	return n;
}

void
dial_event(struct dial *d, const char *line)
{
	for (unsigned i = 0; i < d->s.count; i++)
		serve_event(&d->tunnels[i].way, line);
}

void
dial_drain(
    struct dial *d, int64_t within_ms, void (*on_idle)(void *arg), void *arg)
{
	d->draining = true;
	d->on_idle = on_idle;
	d->idle_arg = arg;
	dial_event(d, "{\"event\":\"draining\"}");
	for (unsigned i = 0; i < d->s.count; i++) {
		struct tunnel *t = &d->tunnels[i];

		if (t->link == NULL)
			continue;
		if (t->way.events != NULL) {
			http_reply_end(t->way.events);
			http_request_close(&t->way.events);
		}
		link_drain(t->link, within_ms);
	}
	maybe_idle(d);
}

static const char *
code_of(const struct tunnel *t)
{
	return t->kind == FAULT_NONE ? "" : fault_code(t->kind);
}

bool
dial_is_revoked(const struct dial *d)
{
	for (unsigned i = 0; i < d->s.count; i++)
		if (d->tunnels[i].kind == FAULT_DEVICE_REVOKED)
			return dial_up(d) == 0;
	return false;
}

json_t *
dial_report(const struct dial *d)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < d->s.count; i++) {
		const struct tunnel *t = &d->tunnels[i];
		bool up = t->link != NULL && link_is_up(t->link);

		json_array_append_new(
		    list, json_pack("{s:i, s:b, s:s, s:s, s:s, s:s, s:s}",
			      "slot", t->way.slot, "up", up, "gateway",
			      t->link != NULL ? link_remote(t->link) : "",
			      "session", up ? t->way.session : "", "verified",
			      up ? t->way.verified : "", "why", t->why, "code",
			      up ? "" : code_of(t)));
	}
	return list;
}

void
dial_free(struct dial **dp)
{
	struct dial *d = *dp;

	if (d == NULL)
		return;
	pending_cancel(&d->idle);
	for (unsigned i = 0; i < d->s.count; i++) {
		serve_way_gone(&d->tunnels[i].way);
		link_free(&d->tunnels[i].link);
		link_free(&d->tunnels[i].fallen);
		timer_free(&d->tunnels[i].again);
		mem_free(d->tunnels[i].key);
	}
	mem_free(d);
	*dp = NULL;
}
