/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's wiring. Nothing is decided here: models says what is served,
 * guard who may have it, dial keeps the tunnels, and this file hands changes
 * from one to the others and writes status.json.
 */
#include "provider/daemon.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/file.h"
#include "base/server.h"
#include "base/worker.h"
#include "provider/dial.h"
#include "provider/enrol.h"

#define REPLAY_ROOM 100000
#define LOAD_EVERY_MS 1000
#define WINDOW_EVERY_MS 1000
#define HEADROOM_STREAMS 8 /* hello, admitted, events, refusals */

struct daemon {
	const struct provider_settings *s;
	struct log log;
	struct arena *arena;
	struct loop *loop;
	struct identity identity;
	struct offer offer;
	const char *authorization; /* for the runtime, or NULL */
	struct fetch *fetch;	   /* the runtime */
	struct fetch *auth_fetch;  /* keys */
	struct keys *keys;
	struct models *models;
	struct replay *replay;
	struct guard guard;
	struct signer *signer;
	struct serve *serve;
	struct dial *dial;
	struct renewal *renewal;
	struct server *direct;
	struct serve_way direct_way;
	SSL_CTX *tunnel_tls;
	SSL_CTX *direct_tls;
	char spki[HEX_SIZE(32)];
	struct timer *load_timer;
	struct timer *window_timer;
	bool window_open;
	bool ready;
	bool draining;
	int64_t load_told_ms;
};

/* ------------------------------------------------------------------ status */

static void
write_status(struct daemon *d)
{
	struct arena *a = arena_new();
	char path[4096], expires[RFC3339_TEXT], now[RFC3339_TEXT];
	const char *text;
	struct fault f;
	json_t *j;

	time_to_rfc3339(d->identity.expires_at_ms, expires);
	time_to_rfc3339(clock_unix_ms(), now);
	j = json_pack(
	    "{s:s, s:i, s:s, s:s, s:b, s:b, s:b, s:b, s:I, s:I, s:o, s:o, s:o}",
	    "did", d->identity.did, "pid", (int)getpid(), "at", now,
	    "certificate_expires_at", expires, "runtime_up",
	    models_runtime_is_up(d->models), "window_open", d->window_open,
	    "draining", d->draining, "revoked", dial_is_revoked(d->dial),
	    "active", (json_int_t)d->guard.caps.active, "tokens_last_minute",
	    (json_int_t)caps_tokens(&d->guard.caps, clock_unix_ms()), "models",
	    models_report(d->models), "judgements",
	    dial_up(d->dial) > 0 ? serve_judgements(d->serve) : json_object(),
	    "tunnels", dial_report(d->dial));
	text = json_write(a, j);
	snprintf(path, sizeof path, "%s/status.json", d->s->state_folder);
	if (!file_write(path, text, strlen(text), 0644, &f))
		log_warn(&d->log, "status_not_written", LOG_STR("why", f.why));
	json_free(&j);
	arena_free(&a);
}

/* ------------------------------------------------------------------ changes */

static void
on_models(void *arg)
{
	struct daemon *d = arg;

	if (d->dial != NULL)
		dial_event(d->dial, "{\"event\":\"models\"}");
}

static void
tell_load(void *arg)
{
	struct daemon *d = arg;
	char line[100];

	d->load_told_ms = clock_mono_ms();
	snprintf(line, sizeof line,
	    "{\"event\":\"load\",\"active\":%lld,\"queued\":0}",
	    (long long)d->guard.caps.active);
	dial_event(d->dial, line);
}

static void
on_load(void *arg)
{
	struct daemon *d = arg;
	int64_t since = clock_mono_ms() - d->load_told_ms;

	if (!timer_is_running(d->load_timer))
		timer_start(d->load_timer,
		    since >= LOAD_EVERY_MS ? 0 : LOAD_EVERY_MS - since);
}

static void
look_at_window(void *arg)
{
	struct daemon *d = arg;
	bool open = windows_are_open(
	    d->offer.windows, d->offer.window_count, clock_unix_ms());

	if (open != d->window_open) {
		d->window_open = open;
		log_info(&d->log, "window",
		    LOG_STR("state", open ? "open" : "closed"));
		dial_event(
		    d->dial, open ? "{\"event\":\"window\",\"open\":true}"
				  : "{\"event\":\"window\",\"open\":false}");
	}
	write_status(d);
}

static void
on_tunnel(void *arg)
{
	struct daemon *d = arg;

	if (!d->ready && dial_up(d->dial) > 0) {
		d->ready = true;
		log_info(&d->log, "ready", LOG_STR("did", d->identity.did));
	}
	if (!d->window_open && dial_up(d->dial) > 0)
		dial_event(d->dial, "{\"event\":\"window\",\"open\":false}");
	write_status(d);
}

/* ------------------------------------------------------------ certificates */

static bool
make_contexts(struct daemon *d, struct fault *f)
{
	struct tls_settings tunnel = {.verify = TLS_VERIFY_REQUIRED,
	    .certificate_file = d->identity.chain_file,
	    .key_file = d->identity.key_file,
	    .ca_file = d->identity.gateway_ca_file,
	    .alpn = "rh2"};
	struct tls_settings direct = {.server = true,
	    .certificate_file = d->identity.chain_file,
	    .key_file = d->identity.key_file,
	    .tls12 = true,
	    .session_tickets = true};
	uint8_t spki[32];

	SSL_CTX_free(d->tunnel_tls);
	SSL_CTX_free(d->direct_tls);
	d->tunnel_tls = d->direct_tls = NULL;
	if (!tls_context_new(&tunnel, &d->tunnel_tls, f))
		return false;
	if (d->s->direct_listen == NULL)
		return true;
	if (!tls_context_new(&direct, &d->direct_tls, f))
		return false;
	spki_sha256(SSL_CTX_get0_certificate(d->direct_tls), spki);
	hex_encode(bytes_of(spki, sizeof spki), d->spki);
	return true;
}

static void start_renewal(struct daemon *d);

/* The gateway judges the new certificate at the next connection; the tunnels
 * that are up stay. A new hello carries the new key of our own listener. */
static void
on_renewed(void *arg)
{
	struct daemon *d = arg;
	struct fault f;

	if (!identity_load(d->arena, d->s->state_folder, &d->identity, &f) ||
	    !make_contexts(d, &f)) {
		log_error(
		    &d->log, "new_certificate_unusable", LOG_STR("why", f.why));
		return;
	}
	dial_set_tls(d->dial, d->tunnel_tls);
	if (d->direct != NULL)
		server_set_tls(d->direct, d->direct_tls);
	on_models(d);
	start_renewal(d);
}

static void
start_renewal(struct daemon *d)
{
	struct renewal *old = d->renewal;

	d->renewal = renewal_new(d->loop, &d->identity, on_renewed, d, &d->log);
	renewal_free(&old);
}

/* -------------------------------------------------------------------- start */

static bool
start_serving(struct daemon *d, struct fault *f)
{
	struct serve_settings serve = {.guard = &d->guard,
	    .loop = d->loop,
	    .evidence = {.tsm = d->s->evidence_tsm,
		.dstack = d->s->evidence_dstack,
		.nvml = d->s->evidence_nvml,
		.within_ms = d->s->evidence_within_ms},
	    .bridge = {.fetch = d->fetch,
		.offer = &d->offer,
		.caps = &d->guard.caps,
		.authorization = d->authorization,
		.on_load = on_load,
		.arg = d},
	    .statement = {.direct_endpoints = d->s->direct_endpoints.at,
		.direct_endpoint_count = d->s->direct_endpoints.count,
		.tls_spki_sha256 =
		    d->s->direct_listen != NULL ? d->spki : NULL}};
	struct server_limits limits;

	d->signer = signer_new();
	serve.signer = d->signer;
	d->serve = serve_new(&serve, &d->log);
	d->direct_way = (struct serve_way){.serve = d->serve, .slot = -1};
	if (d->s->direct_listen == NULL)
		return true;
	server_limits_default(&limits);
	limits.body_bytes = (size_t)d->s->request_bytes;
	d->direct = server_new(d->loop, d->s->direct_listen, d->direct_tls,
	    &limits, serve_request, &d->direct_way, &d->log, f);
	if (d->direct != NULL)
		log_info(&d->log, "direct_listening",
		    LOG_STR("address", d->s->direct_listen),
		    LOG_INT("port", server_port(d->direct)));
	return d->direct != NULL;
}

static bool
start_tunnels(struct daemon *d, struct fault *f)
{
	struct dial_settings dial = {.addresses = d->s->tunnel_addresses.at,
	    .address_count = d->s->tunnel_addresses.count,
	    .count = (unsigned)d->s->tunnel_count,
	    .tls = d->tunnel_tls,
	    .request_bytes = (size_t)d->s->request_bytes,
	    .streams = (uint32_t)d->offer.max_concurrency + HEADROOM_STREAMS,
	    .on_change = on_tunnel,
	    .arg = d};

	if (dial.address_count == 0) {
		dial.addresses = d->identity.tunnels;
		dial.address_count = d->identity.tunnel_count;
	}
	if (dial.address_count == 0)
		return fault_set(f, FAULT_INVALID_OPTION,
		    "no gateway to dial: set tunnel.addresses");
	d->dial = dial_new(d->loop, &dial, d->serve, &d->log);
	return true;
}

static bool
start(struct daemon *d, struct fault *f)
{
	const struct provider_settings *s = d->s;
	struct fetch_settings auth = {0}, runtime = {0};
	struct models_settings models = {.offer = &d->offer,
	    .state_folder = s->state_folder,
	    .health_ms = s->health_ms,
	    .on_change = on_models,
	    .arg = d};
	const char *auth_url;

	if (!identity_load(d->arena, s->state_folder, &d->identity, f) ||
	    !offer_read(d->arena, s->offer_file, &d->offer, f) ||
	    !offer_authorization(&d->offer, d->arena, &d->authorization, f) ||
	    !make_contexts(d, f))
		return false;
	auth_url = s->auth_url != NULL ? s->auth_url : d->identity.auth_url;
	auth.ca_file =
	    s->auth_ca != NULL ? s->auth_ca : d->identity.auth_ca_file;
	d->auth_fetch = fetch_new(d->loop, &auth);
	d->fetch = fetch_new(d->loop, &runtime);
	d->keys = keys_new(d->loop, d->auth_fetch, auth_url, s->state_folder,
	    s->keys_refresh_ms, &d->log);
	models.fetch = d->fetch;
	models.authorization = d->authorization;
	d->models = models_new(d->loop, &models, &d->log);
	d->replay = replay_new(REPLAY_ROOM);
	d->guard = (struct guard){.did = d->identity.did,
	    .issuer = s->issuer != NULL ? s->issuer : d->identity.issuer,
	    .keys = d->keys,
	    .models = d->models,
	    .offer = &d->offer,
	    .replay = d->replay};
	caps_init(&d->guard.caps, d->offer.max_concurrency,
	    d->offer.max_tokens_per_minute);
	d->window_open = true;
	d->load_timer = timer_new(d->loop, tell_load, d);
	d->window_timer = timer_new(d->loop, look_at_window, d);
	if (!start_serving(d, f) || !start_tunnels(d, f))
		return false;
	start_renewal(d);
	timer_every(d->window_timer, WINDOW_EVERY_MS);
	return true;
}

/* ---------------------------------------------------------------------- end */

static void
on_idle(void *arg)
{
	struct daemon *d = arg;

	loop_stop(d->loop);
}

static void
on_drain(void *arg)
{
	struct daemon *d = arg;

	if (d->draining)
		return;
	d->draining = true;
	log_info(&d->log, "draining", LOG_INT("active", d->guard.caps.active));
	dial_drain(d->dial, d->s->drain_ms, on_idle, d);
}

static void
finish(struct daemon *d)
{
	server_free(&d->direct);
	dial_free(&d->dial);
	serve_free(&d->serve);
	signer_free(&d->signer);
	renewal_free(&d->renewal);
	timer_free(&d->load_timer);
	timer_free(&d->window_timer);
	models_free(&d->models);
	keys_free(&d->keys);
	replay_free(&d->replay);
	fetch_free(&d->fetch);
	fetch_free(&d->auth_fetch);
	SSL_CTX_free(d->tunnel_tls);
	SSL_CTX_free(d->direct_tls);
	offer_free(&d->offer);
	loop_free(&d->loop);
	arena_free(&d->arena);
}

int
daemon_run(const struct provider_settings *s, const struct log *log)
{
	struct daemon d = {.s = s, .log = *log};
	struct fault f = {0};
	bool ok;

	d.arena = arena_new();
	d.loop = loop_new();
	ok = start(&d, &f);
	if (ok) {
		worker_signals(d.loop, on_drain, NULL, &d);
		loop_run(d.loop);
		log_info(log, "stopped");
	} else {
		log_error(log, "not_started",
		    LOG_STR("code", fault_code(f.kind)), LOG_STR("why", f.why));
	}
	finish(&d);
	return ok ? 0 : 1;
}
