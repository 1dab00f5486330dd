/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay-auth: wires the parts of one worker together and takes them down
 * again in order. Nothing here decides anything.
 */
#include <stdio.h>
#include <string.h>

#include "auth/server/admin.h"
#include "auth/server/auth_db.h"
#include "auth/server/mint.h"
#include "auth/server/public.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/server.h"
#include "base/worker.h"

#define PROGRAM "assay-auth"
#define SUMMARY                                                                \
	"Signs handoffs for gateways, publishes the keys, enrols devices. "    \
	"`assay-auth init` makes what is missing in the state folder and "     \
	"ends."
#define READY_WITHIN_MS 5000

struct worker {
	struct house house;
	struct public_door public_door;
	struct mint *mint;
	struct server *public_server;
	struct server *admin_server;
	struct pg_listener *listener;
	SSL_CTX *mint_tls;
	SSL_CTX *public_tls;
	struct timer *clock; /* of being ready, then of draining */
	bool is_ready;
	unsigned number;
};

/* What main hands to its workers. */
struct start {
	struct auth_settings settings;
	struct state_paths paths;
	const char *issuer;
};

/* -------------------------------------------------------------------- parts */

static bool
mint_context(const struct house *h, SSL_CTX **out, struct fault *f)
{
	struct tls_settings t = {.server = true,
	    .verify = TLS_VERIFY_REQUIRED,
	    .certificate_file = h->paths->mint_certificate,
	    .key_file = h->paths->mint_key,
	    .ca_file = h->paths->mint_gateway_ca,
	    .alpn = "h2"};

	return tls_context_new(&t, out, f);
}

static bool
public_context(const struct house *h, SSL_CTX **out, struct fault *f)
{
	struct tls_settings t = {.server = true,
	    .verify = TLS_VERIFY_OPTIONAL,
	    .certificate_file = h->paths->server_certificate,
	    .key_file = h->paths->server_key,
	    .ca_file = h->paths->device_ca,
	    .alpn = "http/1.1",
	    .tls12 = true};

	return tls_context_new(&t, out, f);
}

static bool
open_authority(struct house *h, struct fault *f)
{
	struct arena *a;
	size_t len;

	if (!authority_read(h->paths->device_ca, h->paths->device_ca_key,
		&h->device_ca, f) ||
	    !file_read(
		h->paths->enrol_gateway_ca, 65536, &h->gateway_ca_pem, &len, f))
		return false;
	a = arena_new();
	h->device_ca_pem =
	    mem_string(certificate_pem(a, authority_certificate(h->device_ca)));
	arena_free(&a);
	return true;
}

static bool
open_minted(struct worker *w, struct fault *f)
{
	struct house *h = &w->house;
	struct arena *a = arena_new();
	bool ok = minted_open(h->loop, h->pg,
	    arena_printf(
		a, "%s/spool-%u", h->settings->state_folder, w->number),
	    h->settings->spool_bytes, &h->log, &h->minted, f);

	arena_free(&a);
	return ok;
}

static void
open_database(struct house *h)
{
	struct pg_settings p = {.conninfo = h->settings->database_url,
	    .application = PROGRAM,
	    .statements = auth_statements,
	    .statement_count = auth_statement_count,
	    .connections = (unsigned)h->settings->database_connections};

	if (p.conninfo == NULL)
		p.conninfo = "";
	h->pg = pg_new(h->loop, &p, &h->log);
}

static void
tell_listening(
    const struct house *h, const char *what, const char *address, unsigned port)
{
	log_info(&h->log, "listening", LOG_STR("what", what),
	    LOG_STR("address", address), LOG_INT("port", port));
}

static bool
open_public(struct worker *w, struct fault *f)
{
	struct house *h = &w->house;
	const struct auth_settings *s = h->settings;
	struct server_limits limits;

	server_limits_default(&limits);
	limits.head_bytes = 16384;
	limits.body_bytes = 65536;
	limits.head_ms = s->timeout_head;
	limits.body_ms = s->timeout_body;
	w->public_door.house = h;
	w->public_door.enrolments = enrolments_new(h);
	w->public_server = server_new(h->loop, s->listen_address, w->public_tls,
	    &limits, public_answer, &w->public_door, &h->log, f);
	if (w->public_server == NULL)
		return false;
	tell_listening(
	    h, "public", s->listen_address, server_port(w->public_server));
	return true;
}

/* Each worker's own counts are asked for at an address of its own. */
static char *
admin_address(const struct worker *w, struct arena *a)
{
	const char *address = w->house.settings->admin_listen;
	const char *colon = strrchr(address, ':');
	uint64_t port;

	if (w->number == 0 || colon == NULL ||
	    !text_to_u64(text_of(colon + 1), &port) || port == 0)
		return arena_string(a, address);
	return arena_printf(a, "%.*s:%llu", (int)(colon - address), address,
	    (unsigned long long)port + w->number);
}

static bool
open_admin(struct worker *w, struct fault *f)
{
	struct house *h = &w->house;
	struct server_limits limits;
	struct arena *a;

	if (h->settings->admin_listen == NULL)
		return true;
	a = arena_new();
	server_limits_default(&limits);
	limits.connections = 100;
	w->admin_server = server_new(h->loop, admin_address(w, a), NULL,
	    &limits, admin_answer, h, &h->log, f);
	if (w->admin_server != NULL)
		tell_listening(h, "admin", admin_address(w, a),
		    server_port(w->admin_server));
	arena_free(&a);
	return w->admin_server != NULL;
}

static bool
open_mint(struct worker *w, struct fault *f)
{
	struct house *h = &w->house;
	const char *address = h->settings->mint_listen;

	if (!mint_open(h, address, w->mint_tls, &w->mint, f))
		return false;
	tell_listening(h, "mint", address, mint_port(w->mint));
	return true;
}

static bool
open_all(struct worker *w, struct fault *f)
{
	struct house *h = &w->house;

	h->counters = counters_new();
	metrics_on_render(h->counters->all, admin_fill, h);
	open_database(h);
	return keys_open(
		   h->loop, h->paths->keys_folder, &h->log, &h->keys, f) &&
	       open_authority(h, f) && mint_context(h, &w->mint_tls, f) &&
	       public_context(h, &w->public_tls, f) && open_minted(w, f) &&
	       open_mint(w, f) && open_public(w, f) && open_admin(w, f);
}

static void
close_all(struct worker *w)
{
	struct house *h = &w->house;

	pg_listener_free(&w->listener);
	enrolments_free(&w->public_door.enrolments);
	server_free(&w->admin_server);
	server_free(&w->public_server);
	mint_free(&w->mint);
	minted_free(&h->minted);
	keys_free(&h->keys);
	pg_free(&h->pg);
	authority_free(&h->device_ca);
	counters_free(&h->counters);
	mem_free(h->device_ca_pem);
	mem_free(h->gateway_ca_pem);
	timer_free(&w->clock);
	SSL_CTX_free(w->mint_tls);
	SSL_CTX_free(w->public_tls);
}

/* ---------------------------------------------------------------- the start */

static void
tell_ready(struct worker *w)
{
	const struct house *h = &w->house;

	if (w->is_ready || h->is_draining)
		return;
	w->is_ready = true;
	timer_stop(w->clock);
	log_info(&h->log, "ready", LOG_STR("issuer", h->issuer),
	    LOG_STR("postgres", pg_is_up(h->pg) ? "up" : "down"));
}

static void
on_known(void *arg)
{
	tell_ready(arg);
}

static void
on_notify(void *arg, const char *channel, const char *payload)
{
	struct worker *w = arg;

	(void)channel;
	if (strcmp(payload, "signing_key") == 0)
		keys_refresh(w->house.keys);
}

static void
on_fresh(void *arg)
{
	struct worker *w = arg;

	keys_refresh(w->house.keys);
}

static void
follow_keys(struct worker *w)
{
	static const char *const channels[] = {"assay_change"};
	struct house *h = &w->house;
	const char *where = h->settings->database_listen_url;

	if (where == NULL)
		where = h->settings->database_url;
	keys_follow(h->keys, h->pg, on_known, w);
	w->listener = pg_listen(h->loop, where == NULL ? "" : where,
	    PROGRAM " listen", channels, 1, on_notify, on_fresh, w, &h->log);
}

/* ------------------------------------------------------------------ the end */

static void
on_written(void *arg)
{
	struct worker *w = arg;

	loop_stop(w->house.loop);
}

static void
on_public_idle(void *arg)
{
	struct worker *w = arg;

	minted_drain(w->house.minted, on_written, w);
}

static void
on_mint_idle(void *arg)
{
	struct worker *w = arg;

	server_drain(w->public_server, on_public_idle, w);
}

/* What is not in Postgres by now is in the spool, for the next start. */
static void
on_clock(void *arg)
{
	struct worker *w = arg;

	if (w->house.is_draining)
		loop_stop(w->house.loop);
	else
		tell_ready(w);
}

static void
on_drain(void *arg)
{
	struct worker *w = arg;
	int64_t within_ms = w->house.settings->timeout_drain;

	log_info(&w->house.log, "draining");
	w->house.is_draining = true;
	timer_start(w->clock, within_ms);
	mint_drain(w->mint, within_ms / 2, on_mint_idle, w);
}

static void
reload_context(struct worker *w, SSL_CTX **kept,
    bool (*make)(const struct house *h, SSL_CTX **out, struct fault *f))
{
	struct fault f;
	SSL_CTX *tls;

	if (!make(&w->house, &tls, &f)) {
		log_error(
		    &w->house.log, "reload_failed", LOG_STR("why", f.why));
		return;
	}
	if (make == mint_context)
		mint_set_tls(w->mint, tls);
	else
		server_set_tls(w->public_server, tls);
	SSL_CTX_free(*kept);
	*kept = tls;
}

static void
on_reload(void *arg)
{
	struct worker *w = arg;

	reload_context(w, &w->mint_tls, mint_context);
	reload_context(w, &w->public_tls, public_context);
	keys_reload(w->house.keys);
	log_info(&w->house.log, "reloaded");
}

/* ------------------------------------------------------------------- worker */

static int
run(unsigned number, void *arg)
{
	const struct start *start = arg;
	struct worker w = {.number = number};
	struct house *h = &w.house;
	int status = WORKER_GIVE_UP;
	char text[16];
	struct fault f;

	log_init(&h->log, PROGRAM, start->settings.log_level);
	snprintf(text, sizeof text, "%u", number);
	h->log = log_child(&h->log, "worker", text);
	h->settings = &start->settings;
	h->paths = &start->paths;
	h->issuer = start->issuer;
	h->loop = loop_new();
	w.clock = timer_new(h->loop, on_clock, &w);
	worker_signals(h->loop, on_drain, on_reload, &w);
	if (open_all(&w, &f)) {
		timer_start(w.clock, READY_WITHIN_MS);
		follow_keys(&w);
		loop_run(h->loop);
		log_info(&h->log, "stopped");
		status = 0;
	} else {
		log_error(&h->log, "start_failed",
		    LOG_STR("code", fault_code(f.kind)), LOG_STR("why", f.why));
	}
	close_all(&w);
	loop_free(&h->loop);
	return status;
}

static void
on_made(void *arg, const char *path)
{
	(void)arg;
	fprintf(stderr, PROGRAM ": made %s\n", path);
}

/* `init` takes the same settings, and --state for --state.folder. */
static bool
load(int argc, char **argv, struct start *s, struct arena *a, struct fault *f)
{
	char **words = arena_alloc(a, ((size_t)argc + 1) * sizeof *words);
	int count = 0;

	for (int i = 0; i < argc; i++) {
		if (i == 1 && strcmp(argv[i], "init") == 0)
			continue;
		words[count++] = strcmp(argv[i], "--state") == 0
				     ? arena_string(a, "--state.folder")
				     : argv[i];
	}
	return settings_load(auth_settings_table, auth_settings_count, PROGRAM,
		   count, words, &s->settings, a, f) &&
	       auth_settings_check(&s->settings, f) &&
	       state_prepare(&s->settings, clock_unix_ms(), a, on_made, NULL,
		   &s->paths, f);
}

static int
serve(struct start *s, struct arena *a)
{
	struct worker_program p = {.run = run,
	    .arg = s,
	    .count = (unsigned)s->settings.workers,
	    .drain_ms = s->settings.timeout_drain + 5000};
	struct log log;

	if (s->settings.database_url == NULL) {
		fprintf(stderr, PROGRAM ": database.url must be set\n");
		return 2;
	}
	s->issuer = s->settings.issuer;
	if (s->issuer == NULL)
		s->issuer =
		    arena_printf(a, "https://%s", s->settings.listen_address);
	log_init(&log, PROGRAM, s->settings.log_level);
	return worker_run(&p, &log);
}

int
main(int argc, char **argv)
{
	struct start s = {0};
	struct arena *a;
	struct fault f;
	int status = 0;

	if (settings_answered(auth_settings_table, auth_settings_count, PROGRAM,
		SUMMARY, argc, argv))
		return 0;
	a = arena_new();
	if (!load(argc, argv, &s, a, &f)) {
		fprintf(stderr, PROGRAM ": %s\n", f.why);
		status = 2;
	} else if (argc < 2 || strcmp(argv[1], "init") != 0) {
		status = serve(&s, a);
	}
	arena_free(&a);
	return status;
}
