/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scene for exchanges: a migrated database, a mint over a Unix socket, and
 * stand-ins for the buyer and two providers. For the tests of how exchanges
 * end well and of how they are refused.
 */
#ifndef TESTS_GATEWAY_SCENE_H
#define TESTS_GATEWAY_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crypto.h"
#include "base/json.h"
#include "base/link.h"
#include "gateway/exchange.h"
#include "tests/unit/gateway_fakes.h"
#include "tests/unit/migrated_postgres.h"

#define W "11111111-1111-7111-8111-111111111111"
#define W2 "22222222-2222-7222-8222-222222222222"
#define ACCOUNT "33333333-3333-7333-8333-333333333333"
#define SCOPES                                                                 \
	"lattice:compute:inference,lattice:compute:streaming,"                 \
	"lattice:compute:catalog:read,lattice:compute:usage:read"

static struct private_postgres server;
static bool is_here;

static const char world[] =
    "INSERT INTO assay.workspace (id, name) VALUES ('" W "', 'w'),"
    " ('" W2 "', 'w2');"
    "INSERT INTO assay.account (id, name) VALUES ('" ACCOUNT "', 'a');"
    "INSERT INTO assay.membership VALUES ('" W "', '" ACCOUNT "');"
    "INSERT INTO assay.api_key (id, account_id, workspace_id, sha256, hint,"
    " scopes, requests_per_minute, revoked_at, expires_at) VALUES "
    "('44444444-4444-7444-8444-444444444441', '" ACCOUNT "', '" W "',"
    " sha256('lv_live_good'), 'x', '{" SCOPES
    ",lattice:compute:marketplace}', NULL, NULL, NULL),"
    "('44444444-4444-7444-8444-444444444442', '" ACCOUNT "', '" W "',"
    " sha256('lv_live_inside'), 'x', '{" SCOPES ",lattice:compute:marketplace,"
    "lattice:compute:workspace_only}', NULL, NULL, NULL),"
    "('44444444-4444-7444-8444-444444444443', '" ACCOUNT "', '" W "',"
    " sha256('lv_live_revoked'), 'x', '{" SCOPES "}', NULL, now(), NULL),"
    "('44444444-4444-7444-8444-444444444444', '" ACCOUNT "', '" W "',"
    " sha256('lv_live_expired'), 'x', '{" SCOPES "}', NULL, NULL,"
    " '2001-01-01'),"
    "('44444444-4444-7444-8444-444444444445', '" ACCOUNT "', '" W "',"
    " sha256('lv_live_slow'), 'x', '{" SCOPES "}', 1, NULL, NULL),"
    "('44444444-4444-7444-8444-444444444446', '" ACCOUNT "', '" W "',"
    " sha256('lv_live_reader'), 'x', '{lattice:compute:catalog:read}', NULL,"
    " NULL, NULL);";

struct scene {
	struct loop *loop;
	struct house house;
	struct settings settings;
	struct link_listener *mint;
	struct link *mint_link;
	unsigned minted;
	char minted_for[2048]; /* the last body */
	struct fake_path paths[2];
	struct offer_source *sources[2];
	struct fake_buyer buyer;
	char folder[64];
	char socket[96];
	struct arena *arena;
};

/* --------------------------------------------------------------- the mint */

static inline void
on_mint(struct http_request *r, void *arg)
{
	struct scene *s = arg;
	size_t len = evbuffer_get_length(r->body);

	assert_string_equal(r->path, "/internal/handoffs");
	assert_true(len < sizeof(s->minted_for));
	evbuffer_remove(r->body, s->minted_for, len);
	s->minted_for[len] = '\0';
	s->minted++;
	http_reply_text(&r, 200, "application/json",
	    "{\"token\":\"tok\",\"expires_at\":\"2030-01-01T00:00:00Z\"}");
}

static inline void
on_mint_up(struct link *l, X509 *peer, void *arg)
{
	(void)l;
	(void)peer;
	(void)arg;
}

static inline void
on_mint_down(struct link *l, const struct fault *why, void *arg)
{
	struct scene *s = arg;

	(void)l;
	(void)why;
	link_free(&s->mint_link);
}

static const struct link_events mint_events = {
    on_mint_up, on_mint_down, on_mint, NULL};

static inline void
on_accept(struct link *l, void *arg, const struct link_events **events,
    void **events_arg)
{
	struct scene *s = arg;

	s->mint_link = l;
	*events = &mint_events;
	*events_arg = s;
}

static inline bool
mint_up(void *arg)
{
	struct scene *s = arg;

	return mint_is_up(s->house.mint) && pg_is_up(s->house.pg);
}

/* -------------------------------------------------------------- the world */

static inline void
load_devices(struct scene *s, const char *workspace)
{
	const char *const dids[] = {"did:assay:p0", "did:assay:p1"};
	struct draft *d = draft_new(CATALOG_DEVICES);

	for (int i = 0; i < 2; i++) {
		struct catalog_device x = {
		    .did = dids[i], .workspace = workspace, .name = ""};

		draft_device(d, &x);
	}
	catalogs_set(s->house.catalogs,
	    catalog_next(catalogs_now(s->house.catalogs), &d));
}

static inline void
load_catalog(struct scene *s)
{
	struct draft *d = draft_new(CATALOG_MODELS);
	struct catalog_model m = {.canonical = "test:model"};
	struct catalog_task t = {"chat", "/v1/chat/completions", false};

	draft_task(d, &t);
	draft_model(d, &m);
	draft_model_task(d, "test:model", "chat");
	catalogs_set(s->house.catalogs,
	    catalog_next(catalogs_now(s->house.catalogs), &d));
	load_devices(s, W2);
	d = draft_new(CATALOG_SCORES);
	catalogs_set(s->house.catalogs,
	    catalog_next(catalogs_now(s->house.catalogs), &d));
}

static inline void
on_path_end(struct path *p, const struct fault *why)
{
	(void)p;
	(void)why;
}

/* Provider i of that workspace offers the one model. */
static inline void
offer_of(struct scene *s, int i, const char *workspace)
{
	struct offer_facts facts = {"chat", "test:model", "Q4",
	    "dddddddd-0000-7000-8000-000000000000", 0};
	struct presence_entry e = {
	    .path = &s->paths[i].path, .on_end = on_path_end};
	const char *direct = "https://192.0.2.7:8443";

	snprintf(e.did, sizeof(e.did), "did:assay:p%d", i);
	snprintf(e.session, sizeof(e.session), "session-%d", i);
	fake_path_init(&s->paths[i]);
	presence_enter(s->house.presence, &e);
	s->sources[i] =
	    offers_open(s->house.offers, e.did, workspace, e.session, true);
	offers_state(s->house.offers, s->sources[i], &facts, 1);
	s->sources[i]->provider->capacity = 4;
	offers_set_direct(
	    s->house.offers, s->sources[i]->provider, &direct, 1, "");
}

static inline void
offer(struct scene *s, int i)
{
	offer_of(s, i, W2);
}

static inline void
begin_with(struct scene *s, const char *conninfo)
{
	struct house *h = &s->house;
	struct pg_settings pg = {.conninfo = conninfo,
	    .application = "test",
	    .statements = gateway_statements,
	    .statement_count = gateway_statement_count};
	struct buyers_settings buyers = {60000, 2000, 100};
	struct limits_settings limits = {6000, 100, 100};
	struct ledger_settings ledger = {.flush_ms = 5, .batch = 10};
	struct link_listener_settings mint = {.role = LINK_SERVER};
	struct fault f;

	memset(s, 0, sizeof(*s));
	s->arena = arena_new();
	snprintf(s->folder, sizeof(s->folder), "/tmp/assay-test-XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	snprintf(s->socket, sizeof(s->socket), "unix:%s/mint", s->folder);
	s->settings = (struct settings){.gateway_instance = "gw-1",
	    .limits_concurrency = 100,
	    .limits_tries = 3,
	    .timeout_auth = 2000,
	    .timeout_mint = 2000,
	    .timeout_keepalive = 15000,
	    .timeout_first_byte = 2000,
	    .timeout_first_byte_most = 9000,
	    .timeout_first_byte_whole = 2000,
	    .timeout_stall = 2000,
	    .timeout_stall_most = 9000,
	    .timeout_total = 5000,
	    .timeout_total_most = 9000};
	h->settings = &s->settings;
	log_init(&h->log, "test", LOG_ERROR_);
	s->loop = h->loop = loop_new();
	link_limits_default(&mint.limits);
	mint.address = s->socket;
	s->mint = link_listen(s->loop, &mint, on_accept, s, &h->log, &f);
	assert_non_null(s->mint);
	h->pg = pg_new(s->loop, &pg, &h->log);
	h->catalogs = catalogs_new();
	h->buyers = buyers_new(s->loop, h->pg, &buyers);
	h->offers = offers_new();
	h->presence = presence_new();
	h->limits = limits_new(&limits);
	h->counters = counters_new();
	h->bounds = settings_bounds(&s->settings);
	route_policy_default(&h->policy);
	h->mint = mint_new(s->loop, s->socket, NULL, NULL, &h->log);
	ledger.folder = s->folder;
	if (!ledger_open(s->loop, h->pg, &ledger, &h->log, &h->ledger, &f))
		fail_msg("%s", f.why);
	load_catalog(s);
}

static inline void
begin(struct scene *s)
{
	begin_with(s, server.conninfo);
	assert_true(migrated_run(
	    server.conninfo, "TRUNCATE assay.request, assay.request_attempt"));
	assert_true(run_until(s->loop, mint_up, s));
}

static inline void
end(struct scene *s)
{
	struct house *h = &s->house;
	char command[128];

	assert_int_equal(h->open, 0);
	fake_buyer_free(&s->buyer);
	mint_free(&h->mint);
	link_free(&s->mint_link);
	link_listener_free(&s->mint);
	ledger_free(&h->ledger);
	buyers_free(&h->buyers);
	pg_free(&h->pg);
	for (int i = 0; i < 2; i++)
		offers_close(h->offers, &s->sources[i]);
	offers_free(&h->offers);
	presence_free(&h->presence);
	limits_free(&h->limits);
	counters_free(&h->counters);
	catalogs_free(&h->catalogs);
	loop_free(&s->loop);
	arena_free(&s->arena);
	snprintf(command, sizeof(command), "rm -rf %s", s->folder);
	assert_int_equal(system(command), 0);
}

/* ------------------------------------------------------------- the request */

static inline bool
is_closed(void *arg)
{
	return ((struct scene *)arg)->buyer.is_closed;
}

static inline bool
is_asked(void *arg)
{
	struct scene *s = arg;

	return s->paths[0].events != NULL || s->paths[1].events != NULL ||
	       s->buyer.is_closed;
}

static inline bool
is_written(void *arg)
{
	return ledger_backlog(((struct scene *)arg)->house.ledger) == 0;
}

static inline void
send_to(struct scene *s, const char *method, const char *path, const char *key,
    const char *body)
{
	if (s->buyer.arena != NULL)
		fake_buyer_free(&s->buyer);
	fake_buyer_init(&s->buyer, method, path, body);
	if (key != NULL)
		http_fields_add(&s->buyer.request.fields, s->buyer.arena,
		    "authorization",
		    arena_printf(s->buyer.arena, "Bearer %s", key));
	http_fields_add(&s->buyer.request.fields, s->buyer.arena,
	    "content-type", "application/json");
	exchange_start(&s->buyer.request, &s->house);
}

#define CHAT "/v1/chat/completions"
#define BODY "{\"model\":\"test:model\",\"messages\":[]}"

/* To its end, which no provider is needed for. */
static inline void
ask(struct scene *s, const char *method, const char *path, const char *key,
    const char *body)
{
	send_to(s, method, path, key, body);
	assert_true(run_until(s->loop, is_closed, s));
}

static inline struct fake_path *
open_path(struct scene *s)
{
	assert_true(run_until(s->loop, is_asked, s));
	assert_false(s->buyer.is_closed);
	return s->paths[0].events != NULL ? &s->paths[0] : &s->paths[1];
}

static inline void
assert_error(struct scene *s, int status, const char *code)
{
	const char *text = fake_buyer_text(&s->buyer);

	assert_int_equal(s->buyer.status, status);
	if (strstr(text, arena_printf(s->arena, "\"code\":\"%s\"", code)) ==
	    NULL)
		fail_msg("no code %s in %s", code, text);
	assert_true(s->buyer.is_ended);
	assert_non_null(http_fields_find(&s->buyer.fields, "x-request-id"));
}

static inline void
assert_row(struct scene *s, const char *columns, const char *expected)
{
	const char *sql = arena_printf(
	    s->arena, "SELECT concat_ws(' ', %s) FROM assay.request", columns);
	const char *value;

	assert_true(run_until(s->loop, is_written, s));
	value = migrated_value(server.conninfo, sql, s->arena);
	assert_non_null(value);
	assert_string_equal(value, expected);
	assert_string_equal(migrated_value(server.conninfo,
				"SELECT count(*) FROM assay.request", s->arena),
	    "1");
}

static inline int
start(void **state)
{
	(void)state;
	is_here = migrated_postgres_start(&server);
	if (is_here)
		assert_true(migrated_run(server.conninfo, world));
	return 0;
}

static inline int
stop(void **state)
{
	(void)state;
	if (is_here)
		private_postgres_end(&server);
	return 0;
}

#endif
