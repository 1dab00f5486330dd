/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/exchange on a migrated database and a mint over a Unix socket; the
 * buyer and the providers are stand-ins. Each exchange must end in exactly
 * one record.
 */
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

static void
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

static void
on_mint_up(struct link *l, X509 *peer, void *arg)
{
	(void)l;
	(void)peer;
	(void)arg;
}

static void
on_mint_down(struct link *l, const struct fault *why, void *arg)
{
	struct scene *s = arg;

	(void)l;
	(void)why;
	link_free(&s->mint_link);
}

static const struct link_events mint_events = {
    on_mint_up, on_mint_down, on_mint, NULL};

static void
on_accept(struct link *l, void *arg, const struct link_events **events,
    void **events_arg)
{
	struct scene *s = arg;

	s->mint_link = l;
	*events = &mint_events;
	*events_arg = s;
}

static bool
mint_up(void *arg)
{
	struct scene *s = arg;

	return mint_is_up(s->house.mint) && pg_is_up(s->house.pg);
}

/* -------------------------------------------------------------- the world */

static void
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

static void
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

static void
on_path_end(struct path *p, const struct fault *why)
{
	(void)p;
	(void)why;
}

/* Provider i of that workspace offers the one model. */
static void
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

static void
offer(struct scene *s, int i)
{
	offer_of(s, i, W2);
}

static void
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

static void
begin(struct scene *s)
{
	begin_with(s, server.conninfo);
	assert_true(migrated_run(
	    server.conninfo, "TRUNCATE assay.request, assay.request_attempt"));
	assert_true(run_until(s->loop, mint_up, s));
}

static void
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

static bool
is_closed(void *arg)
{
	return ((struct scene *)arg)->buyer.is_closed;
}

static bool
is_asked(void *arg)
{
	struct scene *s = arg;

	return s->paths[0].events != NULL || s->paths[1].events != NULL ||
	       s->buyer.is_closed;
}

static bool
is_written(void *arg)
{
	return ledger_backlog(((struct scene *)arg)->house.ledger) == 0;
}

static void
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
static void
ask(struct scene *s, const char *method, const char *path, const char *key,
    const char *body)
{
	send_to(s, method, path, key, body);
	assert_true(run_until(s->loop, is_closed, s));
}

static struct fake_path *
open_path(struct scene *s)
{
	assert_true(run_until(s->loop, is_asked, s));
	assert_false(s->buyer.is_closed);
	return s->paths[0].events != NULL ? &s->paths[0] : &s->paths[1];
}

static void
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

static void
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

/* ------------------------------------------------------------------- tests */

static void
test_served(void **state)
{
	struct fake_path *p;
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	offer(&s, 0);
	send_to(&s, "POST", CHAT, "lv_live_good",
	    "{\"model\":\"test:model\",\"options\":{},\"seed\":7}");
	p = open_path(&s);
	assert_string_equal(p->body, "{\"model\":\"test:model\",\"seed\":7}");
	assert_string_equal(p->authorization, "Bearer tok");
	assert_int_equal(s.sources[0]->provider->active, 1);
	fake_path_head(p, 200, "application/json");
	fake_path_body(p, "{\"usage\":{\"prompt_tokens\":5,"
			  "\"completion_tokens\":6}}");
	fake_path_end(p, NULL);
	assert_true(s.buyer.is_closed && s.buyer.is_ended);
	assert_int_equal(s.buyer.status, 200);
	assert_string_equal(
	    http_fields_find(&s.buyer.fields, "x-assay-provider"),
	    "did:assay:p0");
	assert_string_equal(
	    http_fields_find(&s.buyer.fields, "x-assay-pool"), "marketplace");
	assert_string_equal(
	    http_fields_find(&s.buyer.fields, "x-assay-attempts"), "1");
	assert_int_equal(s.sources[0]->provider->active, 0);
	assert_row(&s,
	    "outcome, status, did, pool, tier, attempts, "
	    "prompt_tokens, completion_tokens, task, canonical",
	    "served 200 did:assay:p0 marketplace bronze 1 5 6 chat "
	    "test:model");
	end(&s);
}

static void
test_credentials(void **state)
{
	static const struct {
		const char *key, *code;
		int status;
	} rows[] = {
	    {NULL, "invalid_credential", 401},
	    {"lv_live_unknown", "invalid_credential", 401},
	    {"eyJhbGciOiJFUzI1NiJ9.e30.c2ln", "invalid_credential", 401},
	    {"garbage", "invalid_credential", 401},
	    {"lv_live_revoked", "revoked_grant", 401},
	    {"lv_live_expired", "expired_credential", 401},
	    {"lv_live_reader", "insufficient_scopes", 403},
	};
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	offer(&s, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		ask(&s, "POST", CHAT, rows[i].key, BODY);
		assert_error(&s, rows[i].status, rows[i].code);
	}
	assert_int_equal(s.paths[0].calls, 0);
	end(&s);
}

static void
test_buyers_mistakes(void **state)
{
	static const struct {
		const char *method, *path, *body, *code;
		int status;
	} rows[] = {
	    {"POST", "/v1/nothing", BODY, "not_found", 404},
	    {"GET", CHAT, "", "method_not_allowed", 405},
	    {"POST", CHAT, "{", "invalid_json", 400},
	    {"POST", CHAT, "", "invalid_json", 400},
	    {"POST", CHAT, "{\"model\":\"no:such\"}", "model_not_found", 404},
	    {"POST", "/v1/tasks/nothing", BODY, "unknown_task", 400},
	    {"POST", CHAT, "{\"model\":\"test:model\",\"options\":{\"x\":1}}",
		"invalid_option", 400},
	    {"GET", "/v1/requests/abc", "", "request_not_found", 404},
	    {"GET", "/v1/requests/01900000-0000-7000-8000-000000000000", "",
		"request_not_found", 404},
	    {"GET", "/v1/models/no:such", "", "model_not_found", 404},
	};
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		ask(&s, rows[i].method, rows[i].path, "lv_live_good",
		    rows[i].body);
		assert_error(&s, rows[i].status, rows[i].code);
	}
	end(&s);
}

static void
test_nobody(void **state)
{
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	ask(&s, "POST", CHAT, "lv_live_good", BODY);
	assert_error(&s, 503, "no_provider");
	offer(&s, 0);
	ask(&s, "POST", CHAT, "lv_live_inside", BODY);
	assert_error(&s, 503, "no_workspace_provider");
	ask(&s, "POST", CHAT, "lv_live_good",
	    "{\"model\":\"test:model\",\"options\":{\"verified\":true}}");
	assert_error(&s, 503, "no_verified_provider");
	ask(&s, "POST", CHAT, "lv_live_good",
	    "{\"model\":\"test:model\",\"options\":{\"min_tier\":\"gold\"}}");
	assert_error(&s, 503, "no_provider_at_tier");
	assert_non_null(
	    strstr(fake_buyer_text(&s.buyer), "\"below_min_tier\":1"));
	assert_non_null(http_fields_find(&s.buyer.fields, "retry-after"));
	assert_int_equal(s.paths[0].calls, 0);
	assert_int_equal(s.minted, 0);
	end(&s);
}

static void
test_failover_before_the_first_byte(void **state)
{
	struct fake_path *first, *other;
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	offer(&s, 0);
	offer(&s, 1);
	send_to(&s, "POST", CHAT, "lv_live_good", BODY);
	first = open_path(&s);
	fake_path_head(first, 500, "application/json");
	fake_path_end(first, NULL);
	other = open_path(&s);
	assert_ptr_not_equal(first, other);
	assert_int_equal(first->suspicions, 1);
	assert_int_equal(s.minted, 2);
	fake_path_head(other, 200, "application/json");
	fake_path_body(other, "{}");
	fake_path_end(other, NULL);
	assert_string_equal(
	    http_fields_find(&s.buyer.fields, "x-assay-attempts"), "2");
	assert_row(&s, "outcome, attempts", "served 2");
	assert_string_equal(
	    migrated_value(server.conninfo,
		"SELECT string_agg(outcome::text || coalesce(fault_code, ''),"
		" ' ' ORDER BY ordinal) FROM assay.request_attempt",
		s.arena),
	    "failedprovider_error served");
	end(&s);
}

static void
test_no_fallback_where_it_is_not_wanted(void **state)
{
	struct fake_path *p;
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	offer(&s, 0);
	offer(&s, 1);
	send_to(&s, "POST", CHAT, "lv_live_good",
	    "{\"model\":\"test:model\",\"options\":"
	    "{\"allow_fallbacks\":false}}");
	p = open_path(&s);
	fake_path_head(p, 500, "application/json");
	fake_path_end(p, NULL);
	assert_true(s.buyer.is_closed);
	assert_error(&s, 502, "provider_error");
	assert_row(&s, "outcome, status, fault_code, attempts",
	    "failed 502 provider_error 1");
	end(&s);
}

static void
test_all_fail(void **state)
{
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	offer(&s, 0);
	offer(&s, 1);
	send_to(&s, "POST", CHAT, "lv_live_good", BODY);
	for (int i = 0; i < 2; i++) {
		struct fake_path *p = open_path(&s);

		fake_path_head(p, 500, "application/json");
		fake_path_end(p, NULL);
	}
	assert_error(&s, 502, "provider_error");
	assert_row(&s, "outcome, attempts", "failed 2");
	end(&s);
}

static void
test_truncated_stream(void **state)
{
	struct fault f = {FAULT_UNAVAILABLE, "gone"};
	struct fake_path *p;
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	offer(&s, 0);
	offer(&s, 1);
	send_to(&s, "POST", CHAT, "lv_live_good",
	    "{\"model\":\"test:model\",\"stream\":true}");
	p = open_path(&s);
	fake_path_head(p, 200, "text/event-stream");
	fake_path_body(p, "data: 1\n\ndata: {");
	fake_path_end(p, &f);
	assert_true(s.buyer.is_closed && s.buyer.is_ended);
	assert_int_equal(strncmp(fake_buyer_text(&s.buyer),
			     "data: 1\n\nevent: error\ndata: {\"error\"", 35),
	    0);
	assert_null(strstr(fake_buyer_text(&s.buyer), "[DONE]"));
	assert_row(&s, "outcome, status, streamed, fault_code, attempts",
	    "truncated 200 t provider_unreachable 1");
	end(&s);
}

static void
test_buyer_leaves(void **state)
{
	struct fake_path *p;
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	offer(&s, 0);
	send_to(&s, "POST", CHAT, "lv_live_good",
	    "{\"model\":\"test:model\",\"stream\":true}");
	p = open_path(&s);
	fake_path_head(p, 200, "text/event-stream");
	fake_path_body(p, "data: 1\n\n");
	s.buyer.watch->on_gone(s.buyer.watch_arg);
	assert_int_equal(p->cancels, 1); /* at once */
	assert_true(s.buyer.is_closed);
	assert_int_equal(s.sources[0]->provider->active, 0);
	assert_row(
	    &s, "outcome, status, fault_code", "buyer_gone 499 buyer_gone");
	end(&s);
}

static void
test_time_is_up(void **state)
{
	struct fake_path *p;
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	offer(&s, 0);
	send_to(&s, "POST", CHAT, "lv_live_good", BODY);
	p = open_path(&s);
	exchanges_end(&s.house);
	assert_int_equal(p->cancels, 1);
	assert_error(&s, 503, "draining");
	assert_row(&s, "outcome, status, attempts", "drained 503 1");
	assert_string_equal(
	    migrated_value(server.conninfo,
		"SELECT outcome FROM assay.request_attempt", s.arena),
	    "drained");
	end(&s);
}

static void
test_handoff(void **state)
{
	struct scene s;
	const char *text;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	offer(&s, 0);
	/* The provider is another workspace's, and a handoff stays inside. */
	ask(&s, "POST", "/v1/handoffs", "lv_live_good",
	    "{\"task\":\"chat\",\"model\":\"test:model\"}");
	assert_error(&s, 503, "no_workspace_provider");
	assert_int_equal(s.minted, 0);
	load_devices(&s, W);
	offer_of(&s, 1, W);
	ask(&s, "POST", "/v1/handoffs", "lv_live_good",
	    "{\"task\":\"chat\",\"model\":\"test:model\"}");
	assert_int_equal(s.buyer.status, 200);
	text = fake_buyer_text(&s.buyer);
	assert_non_null(strstr(text,
	    "{\"token\":\"tok\",\"expires_at\":\"2030-01-01T00:00:00Z\","
	    "\"provider\":{\"did\":\"did:assay:p1\",\"endpoints\":"
	    "[\"https://192.0.2.7:8443\"],\"tls_spki_sha256\":null}"));
	assert_non_null(strstr(s.minted_for,
	    "{\"aud\":\"did:assay:p1\",\"sub\":\"" ACCOUNT
	    "\",\"workspace\":\"" W "\",\"task\":\"chat\","
	    "\"model\":\"test:model\",\"pool\":\"workspace\""));
	assert_int_equal(s.minted, 1);
	assert_int_equal(s.paths[1].calls, 0);
	end(&s);
}

static void
ask_keyed(struct scene *s, const char *key, const char *body)
{
	fake_buyer_free(&s->buyer);
	fake_buyer_init(&s->buyer, "POST", "/v1/handoffs", body);
	http_fields_add(&s->buyer.request.fields, s->buyer.arena, "x-api-key",
	    "lv_live_good");
	http_fields_add(&s->buyer.request.fields, s->buyer.arena,
	    "content-type", "application/json");
	http_fields_add(
	    &s->buyer.request.fields, s->buyer.arena, "idempotency-key", key);
	exchange_start(&s->buyer.request, &s->house);
	assert_true(run_until(s->loop, is_closed, s));
}

static void
test_idempotency(void **state)
{
	const char *body = "{\"task\":\"chat\",\"model\":\"test:model\"}";
	struct scene s;
	const char *first;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	load_devices(&s, W);
	offer_of(&s, 1, W);
	fake_buyer_init(&s.buyer, "GET", "/", "");
	ask_keyed(&s, "k-1", body);
	assert_int_equal(s.buyer.status, 200);
	first = arena_string(s.arena, fake_buyer_text(&s.buyer));
	ask_keyed(&s, "k-1", body);
	assert_string_equal(fake_buyer_text(&s.buyer), first);
	assert_int_equal(s.minted, 1);
	ask_keyed(
	    &s, "k-1", "{\"task\":\"chat\",\"model\":\"test:model\",\"x\":1}");
	assert_error(&s, 409, "idempotency_conflict");
	ask_keyed(&s, "k-2", body);
	assert_int_equal(s.buyer.status, 200);
	assert_int_equal(s.minted, 2);
	end(&s);
}

static void
test_dry_run(void **state)
{
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	offer(&s, 0);
	ask(&s, "POST", "/v1/route", "lv_live_good",
	    "{\"task\":\"chat\",\"model\":\"test:model\"}");
	assert_int_equal(s.buyer.status, 200);
	assert_non_null(
	    strstr(fake_buyer_text(&s.buyer), "\"did\":\"did:assay:p0\""));
	assert_int_equal(s.minted, 0);
	assert_int_equal(s.paths[0].calls, 0);
	assert_string_equal(migrated_value(server.conninfo,
				"SELECT count(*) FROM assay.request", s.arena),
	    "0");
	end(&s);
}

static void
test_rate_limit(void **state)
{
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	for (int i = 0; i < 2 && s.buyer.status != 429; i++)
		ask(&s, "GET", "/v1/models", "lv_live_slow", "");
	assert_error(&s, 429, "rate_limited");
	assert_true(
	    atoi(http_fields_find(&s.buyer.fields, "retry-after")) > 30);
	end(&s);
}

static bool
mint_down(void *arg)
{
	return !mint_is_up(((struct scene *)arg)->house.mint);
}

static void
test_mint_is_away(void **state)
{
	struct scene s;

	(void)state;
	if (!is_here)
		skip();
	begin(&s);
	offer(&s, 0);
	link_listener_free(&s.mint);
	link_free(&s.mint_link);
	assert_true(run_until(s.loop, mint_down, &s));
	ask(&s, "POST", CHAT, "lv_live_good", BODY);
	assert_error(&s, 503, "upstream_dependency_unavailable");
	assert_row(&s, "outcome, attempts", "failed 0");
	end(&s);
}

/* No Postgres at all: a key nobody knows is not called invalid. */
static void
test_postgres_is_away(void **state)
{
	struct scene s;

	(void)state;
	begin_with(&s, "host=/nonexistent");
	offer(&s, 0);
	ask(&s, "POST", CHAT, "lv_live_good", BODY);
	assert_error(&s, 503, "upstream_dependency_unavailable");
	assert_non_null(http_fields_find(&s.buyer.fields, "retry-after"));
	ask(&s, "POST", CHAT, "garbage", BODY);
	assert_error(&s, 401, "invalid_credential");
	assert_int_equal(ledger_backlog(s.house.ledger), 2);
	end(&s);
}

static int
start(void **state)
{
	(void)state;
	is_here = migrated_postgres_start(&server);
	if (is_here)
		assert_true(migrated_run(server.conninfo, world));
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	if (is_here)
		private_postgres_end(&server);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_served),
	    cmocka_unit_test(test_credentials),
	    cmocka_unit_test(test_buyers_mistakes),
	    cmocka_unit_test(test_nobody),
	    cmocka_unit_test(test_failover_before_the_first_byte),
	    cmocka_unit_test(test_no_fallback_where_it_is_not_wanted),
	    cmocka_unit_test(test_all_fail),
	    cmocka_unit_test(test_truncated_stream),
	    cmocka_unit_test(test_buyer_leaves),
	    cmocka_unit_test(test_time_is_up),
	    cmocka_unit_test(test_handoff),
	    cmocka_unit_test(test_idempotency),
	    cmocka_unit_test(test_dry_run),
	    cmocka_unit_test(test_rate_limit),
	    cmocka_unit_test(test_mint_is_away),
	    cmocka_unit_test(test_postgres_is_away),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
