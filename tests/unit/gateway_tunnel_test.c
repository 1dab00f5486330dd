/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/tunnel: daemons over real sockets with real certificates, each
 * against one table of steps. The daemon here is a link in the other role.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/crypto.h"
#include "base/json.h"
#include "gateway/gateway_db.h"
#include "gateway/tunnel.h"
#include "tests/unit/certificates.h"

#define DID "did:assay:zDevice"
#define WORKSPACE "aaaaaaaa-0000-7000-8000-000000000000"

struct daemon {
	struct scene *scene;
	struct link *link;
	struct http_request *events; /* kept open */
	char said[2048];	     /* the statement */
	int hello_status;
	unsigned hellos, admitted, requests;
	char verdict[2048];
	bool is_up, is_down;
};

struct scene {
	struct loop *loop;
	struct log log;
	struct certificate ca, other_ca, server, device;
	SSL_CTX *server_tls, *device_tls;
	struct catalogs *catalogs;
	struct offers *offers;
	struct presence *presence;
	struct pg *pg;
	struct tunnels_house house;
	struct tunnels_settings settings;
	struct verifications *verifications;
	struct tunnels *tunnels;
	struct daemon daemon, second;
	struct timer *patience, *look;
	bool (*until)(struct scene *s);
	bool is_late;
	char address[64];
};

/* ------------------------------------------------------------- the daemon */

static const char statement_form[] =
    "{\"protocol\":1,\"daemon\":\"test/1\",\"runtime\":{\"kind\":\"llama.cpp\","
    "\"version\":\"1\"},\"models\":[{\"canonical\":\"test:model\","
    "\"tasks\":[\"chat\"],\"files\":[{\"name\":\"m\",\"size\":1,"
    "\"sha256\":\"%s\"}],\"quantization\":\"Q4_K_M\"}],"
    "\"controls\":{\"max_concurrency\":4},\"slot\":0,\"evidence\":null}";

static void
say(struct daemon *d, const char *content)
{
	uint8_t digest[32];
	char hex[65];

	sha256(bytes_of(content, strlen(content)), digest);
	hex_encode(bytes_of(digest, 32), hex);
	snprintf(d->said, sizeof(d->said), statement_form, hex);
}

static void
keep_events(struct daemon *d, struct http_request *r)
{
	struct http_fields fs = {0};

	http_fields_add(&fs, r->arena, "content-type", "application/x-ndjson");
	http_reply_start(r, 200, &fs);
	d->events = r;
}

static void
tell(struct daemon *d, const char *line)
{
	struct evbuffer *b = evbuffer_new();

	evbuffer_add_printf(b, "%s\n", line);
	http_reply_body(d->events, b);
	evbuffer_free(b);
}

static void
on_request(struct http_request *r, void *arg)
{
	struct daemon *d = arg;

	if (strcmp(r->path, "/.well-known/assay/hello") == 0) {
		d->hellos++;
		http_reply_text(
		    &r, d->hello_status, "application/json", d->said);
	} else if (strcmp(r->path, "/.well-known/assay/admitted") == 0) {
		size_t len = evbuffer_get_length(r->body);

		assert_true(len < sizeof(d->verdict));
		evbuffer_remove(r->body, d->verdict, len);
		d->verdict[len] = '\0';
		d->admitted++;
		http_reply_text(&r, 204, "text/plain", "");
	} else if (strcmp(r->path, "/.well-known/assay/events") == 0) {
		keep_events(d, r);
	} else {
		d->requests++;
		http_reply_text(&r, 200, "text/plain", "served");
	}
}

static void
on_up(struct link *l, X509 *peer, void *arg)
{
	(void)l;
	(void)peer;
	((struct daemon *)arg)->is_up = true;
}

static void
on_down(struct link *l, const struct fault *why, void *arg)
{
	struct daemon *d = arg;

	(void)l;
	(void)why;
	d->is_down = true;
}

static const struct link_events daemon_events = {
    on_up, on_down, on_request, NULL};

static void
dial(struct scene *s, struct daemon *d)
{
	struct link_limits limits;

	link_limits_default(&limits);
	d->scene = s;
	d->hello_status = 200;
	d->link = link_dial(s->loop, s->address, s->device_tls, NULL,
	    LINK_SERVER, &limits, &daemon_events, d, &s->log);
}

static void
hang_up(struct daemon *d)
{
	if (d->events != NULL)
		http_request_close(&d->events);
	link_free(&d->link);
}

/* -------------------------------------------------------------- the world */

static void
load_models(struct scene *s, bool is_withdrawn)
{
	struct draft *d = draft_new(CATALOG_MODELS);
	struct catalog_model m = {
	    .canonical = "test:model", .is_withdrawn = is_withdrawn};
	struct catalog_task t = {"chat", "/v1/chat/completions", false};
	struct catalog_artifact x = {
	    .id = "dddddddd-0000-7000-8000-000000000000",
	    .runtime = RUNTIME_LLAMA_CPP,
	    .quantization = "Q4_K_M"};
	uint8_t digest[32];

	draft_task(d, &t);
	draft_model(d, &m);
	draft_model_task(d, "test:model", "chat");
	draft_artifact(d, "test:model", &x);
	sha256(bytes_of("weights", 7), digest);
	draft_file(d, x.id, digest);
	catalogs_set(s->catalogs, catalog_next(catalogs_now(s->catalogs), &d));
}

static void
load_devices(struct scene *s, bool is_there, bool is_revoked)
{
	struct draft *d = draft_new(CATALOG_DEVICES);
	struct catalog_device x = {.did = DID,
	    .workspace = WORKSPACE,
	    .name = "",
	    .is_revoked = is_revoked};

	if (is_there)
		draft_device(d, &x);
	catalogs_set(s->catalogs, catalog_next(catalogs_now(s->catalogs), &d));
}

static void
load_scores(struct scene *s)
{
	struct draft *d = draft_new(CATALOG_SCORES);

	catalogs_set(s->catalogs, catalog_next(catalogs_now(s->catalogs), &d));
}

static SSL_CTX *
context(
    const struct certificate *own, const struct certificate *ca, bool server)
{
	struct tls_settings t = {.server = server,
	    .verify = TLS_VERIFY_REQUIRED,
	    .certificate_file = own->file,
	    .key_file = own->key_file,
	    .ca_file = ca->file,
	    .alpn = "rh2"};
	struct fault f;
	SSL_CTX *tls;

	if (!tls_context_new(&t, &tls, &f))
		fail_msg("%s", f.why);
	return tls;
}

static void
on_patience(void *arg)
{
	struct scene *s = arg;

	s->is_late = true;
	loop_stop(s->loop);
}

static void
on_look(void *arg)
{
	struct scene *s = arg;

	if (s->until(s))
		loop_stop(s->loop);
}

/* Runs the loop until the claim holds; it must within five seconds. */
static void
run_until(struct scene *s, bool (*claim)(struct scene *s))
{
	s->until = claim;
	timer_start(s->patience, 5000);
	timer_every(s->look, 2);
	loop_run(s->loop);
	timer_stop(s->look);
	timer_stop(s->patience);
	assert_false(s->is_late);
}

static void
on_evidence(void *arg)
{
	tunnels_evidence_changed(((struct scene *)arg)->tunnels);
}

/* No policy ever comes: there is no Postgres. */
static void
open_verifications(struct scene *s)
{
	static const struct verifications_settings v = {.instance = "gw-1"};
	static const struct collaterals_settings c = {.refresh_ms = 3600000};
	struct fault f;

	if (!verifications_new(s->loop, s->pg, NULL, &v, &c, on_evidence, s,
		&s->log, &s->verifications, &f))
		fail_msg("%s", f.why);
	s->settings.verifications = s->verifications;
}

static void
begin(struct scene *s)
{
	struct certificate_wish ca = {.name = "ca", .ca = true};
	struct certificate_wish server = {.name = "gw", .usage = "serverAuth"};
	struct certificate_wish device = {
	    .name = "d", .san = "URI:" DID, .usage = "clientAuth"};
	struct pg_settings pg = {.conninfo = "host=/nonexistent",
	    .application = "test",
	    .statements = gateway_statements,
	    .statement_count = gateway_statement_count};
	struct fault f;

	memset(s, 0, sizeof(*s));
	certificate_make(&s->ca, NULL, &ca);
	certificate_make(&s->other_ca, NULL, &ca);
	certificate_make(&s->server, &s->ca, &server);
	certificate_make(&s->device, &s->ca, &device);
	log_init(&s->log, "test", LOG_ERROR_);
	s->loop = loop_new();
	s->server_tls = context(&s->server, &s->ca, true);
	s->device_tls = context(&s->device, &s->ca, false);
	s->catalogs = catalogs_new();
	s->offers = offers_new();
	s->presence = presence_new();
	s->pg = pg_new(s->loop, &pg, &s->log);
	load_models(s, false);
	load_devices(s, true, false);
	load_scores(s);
	s->house = (struct tunnels_house){
	    s->loop, s->catalogs, s->offers, s->presence, s->pg, &s->log};
	s->settings = (struct tunnels_settings){.address = "127.0.0.1:0",
	    .tls = s->server_tls,
	    .links = 100,
	    .probe = {"assay", "gw-1", 1, 2000},
	    .holder = "gw-1",
	    .admitted_ms = 2000,
	    .reprobe_least_ms = 600000,
	    .reprobe_most_ms = 600000,
	    .lease_ms = 50,
	    .drain_ms = 1000};
	open_verifications(s);
	if (!tunnels_open(&s->house, &s->settings, &s->tunnels, &f))
		fail_msg("%s", f.why);
	snprintf(s->address, sizeof(s->address), "127.0.0.1:%u",
	    tunnels_port(s->tunnels));
	s->patience = timer_new(s->loop, on_patience, s);
	s->look = timer_new(s->loop, on_look, s);
	say(&s->daemon, "weights");
	say(&s->second, "weights");
}

static void
end(struct scene *s)
{
	hang_up(&s->daemon);
	hang_up(&s->second);
	tunnels_free(&s->tunnels);
	verifications_free(&s->verifications);
	pg_free(&s->pg);
	offers_free(&s->offers);
	presence_free(&s->presence);
	catalogs_free(&s->catalogs);
	timer_free(&s->patience);
	timer_free(&s->look);
	loop_free(&s->loop);
	SSL_CTX_free(s->server_tls);
	SSL_CTX_free(s->device_tls);
	certificate_done(&s->ca);
	certificate_done(&s->other_ca);
	certificate_done(&s->server);
	certificate_done(&s->device);
}

static size_t
offered(struct scene *s)
{
	size_t count;

	offers_of(s->offers, "chat", "test:model", &count);
	return count;
}

static bool
is_serving(struct scene *s)
{
	struct tunnels_counts c;

	tunnels_counts(s->tunnels, &c);
	return c.serving == 1 && s->daemon.events != NULL;
}

static bool
is_refused(struct scene *s)
{
	struct tunnels_counts c;

	tunnels_counts(s->tunnels, &c);
	return c.refused == 1;
}

static bool
has_ended(struct scene *s)
{
	struct tunnels_counts c;

	tunnels_counts(s->tunnels, &c);
	return c.ended == 1 && s->daemon.is_down;
}

/* ------------------------------------------------------------------- tests */

static void
test_admitted_and_offered(void **state)
{
	struct scene s;
	struct offer *o;

	(void)state;
	begin(&s);
	dial(&s, &s.daemon);
	run_until(&s, is_serving);
	assert_int_equal(s.daemon.hellos, 1);
	assert_non_null(strstr(s.daemon.verdict, "\"status\":\"accepted\""));
	assert_int_equal(offered(&s), 1);
	o = offers_find(s.offers, DID, "chat", "test:model");
	assert_non_null(o);
	assert_string_equal(o->quantization, "Q4_K_M");
	assert_int_equal(o->provider->capacity, 4);
	assert_string_equal(o->provider->workspace, WORKSPACE);
	assert_non_null(presence_find(s.presence, o->sources[0]->session));
	end(&s);
}

static void
test_unknown_hash_is_told_and_not_offered(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	say(&s.daemon, "other weights");
	dial(&s, &s.daemon);
	run_until(&s, is_serving);
	assert_non_null(strstr(s.daemon.verdict, "unknown_hash"));
	assert_int_equal(offered(&s), 0);
	end(&s);
}

static void
test_refused(void **state)
{
	struct scene s;

	(void)state;
	begin(&s); /* not enrolled */
	load_devices(&s, false, false);
	dial(&s, &s.daemon);
	run_until(&s, is_refused);
	assert_int_equal(s.daemon.hellos, 0);
	end(&s);

	begin(&s); /* revoked */
	load_devices(&s, true, true);
	dial(&s, &s.daemon);
	run_until(&s, is_refused);
	end(&s);

	begin(&s); /* a statement that is none */
	snprintf(s.daemon.said, sizeof(s.daemon.said), "[]");
	dial(&s, &s.daemon);
	run_until(&s, is_refused);
	assert_int_equal(s.daemon.hellos, 1);
	assert_int_equal(s.daemon.admitted, 0);
	end(&s);

	begin(&s); /* an error instead of one */
	dial(&s, &s.daemon);
	s.daemon.hello_status = 500;
	run_until(&s, is_refused);
	end(&s);
}

static void
test_other_ca(void **state)
{
	struct certificate_wish device = {
	    .name = "d", .san = "URI:" DID, .usage = "clientAuth"};
	struct certificate stranger;
	struct scene s;
	SSL_CTX *own;

	(void)state;
	begin(&s);
	certificate_make(&stranger, &s.other_ca, &device);
	own = s.device_tls;
	s.device_tls = context(&stranger, &s.ca, false);
	dial(&s, &s.daemon);
	run_until(&s, is_refused);
	assert_int_equal(s.daemon.hellos, 0);
	SSL_CTX_free(own);
	end(&s);
	certificate_done(&stranger);
}

static void
test_revoked_while_connected(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	dial(&s, &s.daemon);
	run_until(&s, is_serving);
	load_devices(&s, true, true);
	tunnels_devices_changed(s.tunnels);
	assert_int_equal(offered(&s), 0); /* at once */
	run_until(&s, has_ended);
	end(&s);
}

static bool
is_probed_again(struct scene *s)
{
	return s->daemon.admitted == 2;
}

static void
test_changed_files_are_withdrawn(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	dial(&s, &s.daemon);
	run_until(&s, is_serving);
	assert_int_equal(offered(&s), 1);
	say(&s.daemon, "swapped weights");
	tell(&s.daemon, "{\"event\":\"models\"}");
	run_until(&s, is_probed_again);
	assert_int_equal(s.daemon.hellos, 2);
	assert_int_equal(offered(&s), 0);
	end(&s);
}

static void
test_catalog_change_is_judged_again(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	dial(&s, &s.daemon);
	run_until(&s, is_serving);
	load_models(&s, true);
	tunnels_catalog_changed(s.tunnels);
	run_until(&s, is_probed_again);
	assert_int_equal(s.daemon.hellos, 1); /* the same statement */
	assert_non_null(strstr(s.daemon.verdict, "model_withdrawn"));
	assert_int_equal(offered(&s), 0);
	end(&s);
}

static bool
window_is_shut(struct scene *s)
{
	const struct offer_provider *p = offers_provider(s->offers, DID);

	return !p->window_open && p->load > 0.4 && p->load < 0.6;
}

static bool
source_drains(struct scene *s)
{
	return offers_find(s->offers, DID, "chat", "test:model")
	    ->sources[0]
	    ->is_draining;
}

/* It waits for its turn, and is judged then; what changes nothing that the
 * daemon was told is not told again. */
static void
test_evidence_is_judged_in_its_turn(void **state)
{
	static const char evidence[] = "\"evidence\":{\"items\":[]}}";
	struct scene s;

	(void)state;
	begin(&s);
	memcpy(strstr(s.daemon.said, "\"evidence\":null}"), evidence,
	    sizeof(evidence));
	dial(&s, &s.daemon);
	run_until(&s, is_serving);
	assert_non_null(strstr(s.daemon.verdict, "no_policy"));
	assert_int_equal(s.daemon.hellos, 1);
	tunnels_evidence_changed(s.tunnels);
	tunnels_catalog_changed(s.tunnels); /* of which nothing is new */
	tell(&s.daemon, "{\"event\":\"models\"}");
	run_until(&s, is_probed_again); /* the new statement's answer */
	assert_int_equal(s.daemon.hellos, 2);
	assert_int_equal(offered(&s), 1);
	/* Gone while it waits for its turn. */
	tunnels_evidence_changed(s.tunnels);
	end(&s);
}

static void
test_events(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	dial(&s, &s.daemon);
	run_until(&s, is_serving);
	tell(&s.daemon, "{\"event\":\"load\",\"active\":2}\n"
			"{\"event\":\"window\",\"open\":false}");
	run_until(&s, window_is_shut);
	tell(&s.daemon, "{\"event\":\"draining\"}");
	run_until(&s, source_drains);
	tell(&s.daemon, "no JSON");
	run_until(&s, has_ended);
	end(&s);
}

static void
test_event_flood_ends_the_tunnel(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	dial(&s, &s.daemon);
	run_until(&s, is_serving);
	for (int i = 0; i < 100; i++)
		tell(&s.daemon, "{\"event\":\"load\",\"active\":0}");
	run_until(&s, has_ended);
	end(&s);
}

static bool
second_took_over(struct scene *s)
{
	return s->second.events != NULL && s->daemon.is_down &&
	       presence_count(s->presence) == 1;
}

static void
test_newer_tunnel_supersedes(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	dial(&s, &s.daemon);
	run_until(&s, is_serving);
	dial(&s, &s.second);
	run_until(&s, second_took_over);
	assert_int_equal(offered(&s), 1);
	end(&s);
}

static unsigned drained;

static void
on_drained(void *arg)
{
	(void)arg;
	drained++;
}

static bool
is_drained(struct scene *s)
{
	return drained == 1 && s->daemon.is_down;
}

static void
test_drain(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	dial(&s, &s.daemon);
	run_until(&s, is_serving);
	tunnels_drain(s.tunnels, on_drained, &s);
	assert_int_equal(offered(&s), 0);
	run_until(&s, is_drained);
	end(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_admitted_and_offered),
	    cmocka_unit_test(test_unknown_hash_is_told_and_not_offered),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_other_ca),
	    cmocka_unit_test(test_revoked_while_connected),
	    cmocka_unit_test(test_changed_files_are_withdrawn),
	    cmocka_unit_test(test_catalog_change_is_judged_again),
	    cmocka_unit_test(test_evidence_is_judged_in_its_turn),
	    cmocka_unit_test(test_events),
	    cmocka_unit_test(test_event_flood_ends_the_tunnel),
	    cmocka_unit_test(test_newer_tunnel_supersedes),
	    cmocka_unit_test(test_drain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
