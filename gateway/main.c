/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay-gateway: wires the parts of one worker together and takes them down
 * again in order. Nothing here decides anything.
 */
#include <stdio.h>
#include <string.h>

#include "base/worker.h"
#include "gateway/admin.h"
#include "gateway/canary.h"
#include "gateway/listener.h"
#include "gateway/session.h"

#define FEEDBACK_MS 2000 /* for Postgres to keep one, or to refuse it */
#define SUMMARY                                                                \
	"Routes buyers' requests to providers whose identity and models it "   \
	"has checked."

struct worker {
	const struct settings *settings;
	struct house house;
	struct admin admin;
	struct tunnels_house tunnels_house;
	SSL_CTX *mint_tls;
	SSL_CTX *tunnel_tls;
	struct fetch *fetch;
	struct verifications *verifications;
	struct sync *sync;
	struct tunnels *tunnels;
	struct canaries *canaries;
	struct server *admin_server;
	struct buyer_listener *listener;
	struct timer *drain;
	bool is_draining;
	bool is_closing;    /* the sessions, once all else has ended */
	bool has_begun;	    /* Postgres was there once */
	char instance[128]; /* names the worker in Postgres */
};

/* ------------------------------------------------------------------- parts */

static bool
open_mint_tls(struct worker *w, struct fault *f)
{
	const struct settings *s = w->settings;
	struct tls_settings t = {.verify = TLS_VERIFY_REQUIRED,
	    .certificate_file = s->auth_certificate,
	    .key_file = s->auth_key,
	    .ca_file = s->auth_ca,
	    .alpn = "h2"};

	return tls_context_new(&t, &w->mint_tls, f);
}

static bool
open_tunnel_tls(struct worker *w, SSL_CTX **out, struct fault *f)
{
	const struct settings *s = w->settings;
	struct tls_settings t = {.server = true,
	    .verify = TLS_VERIFY_REQUIRED,
	    .certificate_file = s->tunnel_certificate,
	    .key_file = s->tunnel_key,
	    .ca_file = s->tunnel_ca,
	    .alpn = "rh2"};

	return tls_context_new(&t, out, f);
}

static void
on_catalog(void *arg, enum catalog_part part)
{
	struct worker *w = arg;

	if (w->tunnels == NULL)
		return;
	if (part == CATALOG_DEVICES)
		tunnels_devices_changed(w->tunnels);
	else if (part == CATALOG_MODELS)
		tunnels_catalog_changed(w->tunnels);
}

static void
on_keys(void *arg)
{
	struct worker *w = arg;

	buyers_doubt(w->house.buyers);
}

/* What an earlier life of this worker left open is closed once. */
static void
on_database(void *arg, bool is_up)
{
	struct worker *w = arg;

	if (!is_up || w->has_begun)
		return;
	w->has_begun = true;
	sessions_close(w->house.pg, w->instance, &w->house.log, NULL, NULL);
}

static void
on_policy(void *arg)
{
	struct worker *w = arg;

	if (w->verifications != NULL)
		verifications_policy_changed(w->verifications);
}

static void
on_evidence(void *arg)
{
	struct worker *w = arg;

	if (w->tunnels != NULL)
		tunnels_evidence_changed(w->tunnels);
}

static const struct sync_events sync_events = {on_catalog, on_keys};

/* Feedback waits for nobody's questions and lets none wait: a connection of
 * its own, on which Postgres ends what the buyer is told was refused. */
static void
open_feedback(struct house *h, struct pg_settings p)
{
	p.connections = 1;
	p.statement_ms = FEEDBACK_MS;
	h->feedback_pg = pg_new(h->loop, &p, &h->log);
}

static void
open_database(struct worker *w)
{
	const struct settings *s = w->settings;
	struct house *h = &w->house;
	struct pg_settings p = {.conninfo = s->database_url,
	    .application = "assay-gateway",
	    .statements = gateway_statements,
	    .statement_count = gateway_statement_count,
	    .connections = (unsigned)s->database_connections};
	struct buyers_settings b = {
	    s->keys_fresh, 2000, (unsigned)s->keys_kept};

	h->pg = pg_new(h->loop, &p, &h->log);
	pg_on_change(h->pg, on_database, w);
	open_feedback(h, p);
	h->catalogs = catalogs_new();
	h->buyers = buyers_new(h->loop, h->pg, &b);
	w->sync = sync_new(h->loop, h->pg,
	    s->database_listen_url != NULL ? s->database_listen_url
					   : s->database_url,
	    h->catalogs, &sync_events, w, &h->log);
	sync_on_policy(w->sync, on_policy, w);
}

static void
open_memory(struct worker *w)
{
	const struct settings *s = w->settings;
	struct house *h = &w->house;
	struct limits_settings l = {s->limits_key_rate,
	    s->limits_key_concurrency, (unsigned)s->keys_kept};

	h->offers = offers_new();
	h->presence = presence_new();
	h->limits = limits_new(&l);
	h->counters = counters_new();
	h->bounds = settings_bounds(s);
	route_policy_default(&h->policy);
	h->policy.newcomer_permille = (unsigned)s->route_newcomer_permille;
	h->policy.newcomer_samples = (double)s->route_newcomer_samples;
}

static bool
open_ledger(struct worker *w, unsigned number, struct fault *f)
{
	struct ledger_settings l = {.flush_ms = w->settings->ledger_flush,
	    .batch = (unsigned)w->settings->ledger_batch};
	char folder[512];

	snprintf(folder, sizeof(folder), "%s/spool-%u",
	    w->settings->state_folder, number);
	l.folder = folder;
	return ledger_open(
	    w->house.loop, w->house.pg, &l, &w->house.log, &w->house.ledger, f);
}

static bool
open_considered(struct worker *w, unsigned number, struct fault *f)
{
	struct house *h = &w->house;
	char folder[512];

	snprintf(folder, sizeof(folder), "%s/considered-%u",
	    w->settings->state_folder, number);
	return considered_open(
	    h->loop, h->pg, folder, &h->log, &h->considered, f);
}

static bool
open_signatures(struct worker *w, unsigned number, struct fault *f)
{
	struct house *h = &w->house;
	char folder[512];

	snprintf(folder, sizeof(folder), "%s/signatures-%u",
	    w->settings->state_folder, number);
	return signatures_open(
	    h->loop, h->pg, folder, &h->log, &h->signatures, f);
}

static const char *
url_or_none(const char *url)
{
	return url != NULL && url[0] != '\0' ? url : NULL;
}

static bool
open_verifications(struct worker *w, struct fault *f)
{
	const struct settings *s = w->settings;
	struct fetch_settings fetch = {0};
	struct collaterals_settings c = {.folder = s->attestation_folder,
	    .urls = {.pcs = url_or_none(s->attestation_pcs),
		.root_crl = url_or_none(s->attestation_pcs_root),
		.kds = url_or_none(s->attestation_kds),
		.nvidia_crl = url_or_none(s->attestation_nvidia_crl),
		.nvidia_ocsp = url_or_none(s->attestation_nvidia_ocsp),
		.rim = url_or_none(s->attestation_rim),
		.nras = url_or_none(s->attestation_nras)},
	    .refresh_ms = s->attestation_refresh,
	    .within_ms = s->attestation_within,
	    .counters = w->house.counters};
	struct verifications_settings v = {
	    .instance = w->instance, .counters = w->house.counters};
	struct house *h = &w->house;

#ifdef ASSAY_TEST_BUILD
	v.test_root = s->attestation_test_root;
#endif
	w->fetch = fetch_new(h->loop, &fetch);
	if (!verifications_new(h->loop, h->pg, w->fetch, &v, &c, on_evidence, w,
		&h->log, &w->verifications, f))
		return false;
	h->verifications = w->verifications;
	return true;
}

static bool
open_tunnels(struct worker *w, struct fault *f)
{
	const struct settings *s = w->settings;
	struct tunnels_settings t = {.address = s->tunnel_listen,
	    .proxy_from = s->tunnel_proxy_from,
	    .links = (unsigned)s->tunnel_links,
	    .probe = {s->gateway_id, s->gateway_instance,
		(unsigned)s->gateway_instances, s->timeout_hello},
	    .holder = w->instance,
	    .admitted_ms = 10000,
	    .reprobe_least_ms = s->tunnel_reprobe_least,
	    .reprobe_most_ms = s->tunnel_reprobe_most,
	    .lease_ms = 30000,
	    .drain_ms = s->timeout_drain};
	struct house *h = &w->house;

	if (!open_tunnel_tls(w, &w->tunnel_tls, f))
		return false;
	t.tls = w->tunnel_tls;
	t.verifications = w->verifications;
	w->tunnels_house = (struct tunnels_house){
	    h->loop, h->catalogs, h->offers, h->presence, h->pg, &h->log};
	if (!tunnels_open(&w->tunnels_house, &t, &w->tunnels, f))
		return false;
	log_info(&h->log, "listening", LOG_STR("what", "tunnels"),
	    LOG_STR("address", s->tunnel_listen),
	    LOG_INT("port", tunnels_port(w->tunnels)));
	return true;
}

static bool
open_admin(struct worker *w, struct fault *f)
{
	struct server_limits limits;

	server_limits_default(&limits);
	w->admin.house = &w->house;
	w->admin.tunnels = w->tunnels;
	w->admin.sync = w->sync;
	w->admin_server = server_new(w->house.loop, w->settings->admin_listen,
	    NULL, &limits, admin_answer, &w->admin, &w->house.log, f);
	if (w->admin_server == NULL)
		return false;
	log_info(&w->house.log, "listening", LOG_STR("what", "admin"),
	    LOG_STR("address", w->settings->admin_listen),
	    LOG_INT("port", server_port(w->admin_server)));
	return true;
}

static bool
open_all(struct worker *w, unsigned number, struct fault *f)
{
	struct house *h = &w->house;

	if (!open_mint_tls(w, f))
		return false;
	open_memory(w);
	open_database(w);
	h->mint = mint_new(h->loop, w->settings->auth_mint, w->mint_tls,
	    w->settings->auth_name, &h->log);
	return open_ledger(w, number, f) && open_considered(w, number, f) &&
	       open_signatures(w, number, f) && open_verifications(w, f) &&
	       open_tunnels(w, f) && open_admin(w, f) &&
	       buyer_listener_open(h, &w->listener, f);
}

static void
close_all(struct worker *w)
{
	struct house *h = &w->house;

	server_free(&w->admin_server);
	buyer_listener_free(&w->listener);
	canaries_free(&w->canaries);
	tunnels_free(&w->tunnels);
	verifications_free(&w->verifications);
	fetch_free(&w->fetch);
	sync_free(&w->sync);
	mint_free(&h->mint);
	considered_free(&h->considered);
	signatures_free(&h->signatures);
	ledger_free(&h->ledger);
	buyers_free(&h->buyers);
	pg_free(&h->feedback_pg);
	pg_free(&h->pg);
	offers_free(&h->offers);
	presence_free(&h->presence);
	limits_free(&h->limits);
	counters_free(&h->counters);
	catalogs_free(&h->catalogs);
	timer_free(&w->drain);
	SSL_CTX_free(w->mint_tls);
	SSL_CTX_free(w->tunnel_tls);
}

/* ----------------------------------------------------------------- the end */

static void
on_signed(void *arg)
{
	struct worker *w = arg;

	loop_stop(w->house.loop);
}

static void
on_counted(void *arg)
{
	struct worker *w = arg;

	signatures_drain(w->house.signatures, on_signed, w);
}

static void
on_written(void *arg)
{
	struct worker *w = arg;

	considered_drain(w->house.considered, on_counted, w);
}

static void
on_sessions_closed(void *arg)
{
	struct worker *w = arg;

	ledger_drain(w->house.ledger, on_written, w);
}

/* Once: the tunnels may end in the very turn in which patience does. */
static void
close_sessions(struct worker *w)
{
	if (w->is_closing)
		return;
	w->is_closing = true;
	sessions_close(
	    w->house.pg, w->instance, &w->house.log, on_sessions_closed, w);
}

static void
on_tunnels_drained(void *arg)
{
	close_sessions(arg);
}

static void
on_buyers_idle(void *arg)
{
	struct worker *w = arg;

	tunnels_drain(w->tunnels, on_tunnels_drained, w);
}

static void
on_drain_over(void *arg)
{
	struct worker *w = arg;

	log_warn(&w->house.log, "drain_over",
	    LOG_INT("requests_open", w->house.open));
	exchanges_end(&w->house);
	close_sessions(w);
}

static void
on_drain(void *arg)
{
	struct worker *w = arg;

	if (w->is_draining)
		return;
	w->is_draining = true;
	w->admin.is_draining = true;
	canaries_free(&w->canaries);
	log_info(
	    &w->house.log, "draining", LOG_INT("requests_open", w->house.open));
	timer_start(w->drain, w->settings->timeout_drain);
	buyer_listener_drain(w->listener, on_buyers_idle, w);
}

static void
reload_tunnels(struct worker *w)
{
	struct fault f;
	SSL_CTX *tls;

	if (!open_tunnel_tls(w, &tls, &f)) {
		log_error(&w->house.log, "reload_failed",
		    LOG_STR("what", "tunnels"), LOG_STR("why", f.why));
		return;
	}
	tunnels_set_tls(w->tunnels, tls);
	SSL_CTX_free(w->tunnel_tls);
	w->tunnel_tls = tls;
}

static void
on_reload(void *arg)
{
	struct worker *w = arg;
	struct fault f;

	if (!buyer_listener_reload(w->listener, &f))
		log_error(&w->house.log, "reload_failed",
		    LOG_STR("what", "listener"), LOG_STR("why", f.why));
	reload_tunnels(w);
	sync_refresh(w->sync);
	log_info(&w->house.log, "reloaded");
}

/* ------------------------------------------------------------------ worker */

static void
name_worker(struct worker *w, unsigned number)
{
	const char *instance = w->settings->gateway_instance;

	if (number == 0)
		snprintf(w->instance, sizeof(w->instance), "%s", instance);
	else
		snprintf(w->instance, sizeof(w->instance), "%s/%u", instance,
		    number);
}

static int
run(unsigned number, void *arg)
{
	struct worker w = {.settings = arg};
	struct fault f;
	char text[16];
	int status = 1;

	log_init(&w.house.log, "assay-gateway", w.settings->log_level);
	snprintf(text, sizeof(text), "%u", number);
	w.house.log = log_child(&w.house.log, "worker", text);
	name_worker(&w, number);
	w.house.settings = w.settings;
	w.house.loop = loop_new();
	w.drain = timer_new(w.house.loop, on_drain_over, &w);
	worker_signals(w.house.loop, on_drain, on_reload, &w);
	if (open_all(&w, number, &f) &&
	    canaries_open(&w.house, &w.canaries, &f)) {
		log_info(
		    &w.house.log, "ready", LOG_STR("version", ASSAY_VERSION));
		loop_run(w.house.loop);
		status = 0;
	} else {
		log_error(&w.house.log, "start_failed",
		    LOG_STR("code", fault_code(f.kind)), LOG_STR("why", f.why));
	}
	close_all(&w);
	loop_free(&w.house.loop);
	return status;
}

static int
refuse(const struct fault *f)
{
	fprintf(stderr, "assay-gateway: %s\n", f->why);
	return 2;
}

int
main(int argc, char **argv)
{
	struct arena *a;
	struct settings s = {0};
	struct fault f;
	struct log log;
	int status;

	if (settings_answered(settings_table, settings_count, "assay-gateway",
		SUMMARY, argc, argv))
		return 0;
	a = arena_new();
	if (!settings_load(settings_table, settings_count, "assay-gateway",
		argc, argv, &s, a, &f) ||
	    !settings_check(&s, &f)) {
		status = refuse(&f);
	} else {
		struct worker_program p = {.run = run,
		    .arg = &s,
		    .count = (unsigned)s.workers,
		    .drain_ms = s.timeout_drain + 5000};

		log_init(&log, "assay-gateway", LOG_INFO_);
		status = worker_run(&p, &log);
	}
	arena_free(&a);
	return status;
}
