/* SPDX-License-Identifier: Apache-2.0 */
/* The checks stand in the order in which a first start would fail. */
#include "provider/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/jwk.h"
#include "base/clock.h"
#include "base/fetch.h"
#include "base/link.h"
#include "base/loop.h"
#include "provider/hasher.h"
#include "provider/identity.h"
#include "provider/offer.h"

#define ANSWER_BYTES (1024 * 1024)
#define PATIENCE_MS 10000
#define CLOCK_MS 30000 /* half of what a handoff token lives */

struct doctor {
	const struct provider_settings *s;
	struct log log;
	struct arena *arena;
	struct identity identity;
	struct offer offer;
	bool have_identity;
	bool have_offer;
	bool have_date;	  /* assay-auth told the time */
	int64_t ahead_ms; /* by which our clock is ahead of it */
	/* the check under way */
	struct loop *loop;
	bool good;
	bool is_up;
	struct fault fault;
};

/* ------------------------------------------------------------ asking others */

/* An IMF-fixdate (RFC 9110 section 5.6.7), as servers send it. */
static void
note_date(struct doctor *d, const char *date)
{
	struct tm at = {0};
	const char *end = date != NULL
			      ? strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &at)
			      : NULL;

	d->have_date = end != NULL && *end == '\0';
	d->ahead_ms = clock_unix_ms() - (int64_t)timegm(&at) * 1000;
}

static void
on_answer(void *arg, const struct http_answer *answer, const struct fault *f)
{
	struct doctor *d = arg;

	if (f == NULL)
		note_date(d, http_fields_find(&answer->fields, "date"));
	if (f != NULL)
		d->fault = *f;
	else if (answer->status >= 400)
		fault_set(
		    &d->fault, FAULT_REFUSED, "it answers %d", answer->status);
	else
		d->good = true;
	loop_stop(d->loop);
}

static bool
get(struct doctor *d, const char *url, const char *ca,
    const char *authorization, struct fault *f)
{
	struct fetch_settings settings = {.ca_file = ca};
	struct http_outgoing o = {.method = "GET", .path = url};
	struct fetch *fetch;

	if (authorization != NULL)
		http_fields_add(
		    &o.fields, d->arena, "authorization", authorization);
	d->good = false;
	memset(&d->fault, 0, sizeof d->fault);
	d->loop = loop_new();
	fetch = fetch_new(d->loop, &settings);
	if (fetch_ask(fetch, &o, ANSWER_BYTES, PATIENCE_MS, on_answer, d) !=
	    NULL)
		loop_run(d->loop);
	fetch_free(&fetch);
	loop_free(&d->loop);
	if (!d->good)
		fault_set(f, d->fault.kind, "%s: %s", url, d->fault.why);
	return d->good;
}

/* TLS is up before the gateway has looked at the certificate: only its hello
 * says that it lets us in. */
static void
on_hello(struct http_request *r, void *arg)
{
	struct doctor *d = arg;

	http_request_close(&r);
	d->good = true;
	loop_stop(d->loop);
}

static void
on_up(struct link *l, X509 *peer, void *arg)
{
	struct doctor *d = arg;

	(void)l;
	(void)peer;
	d->is_up = true;
}

static void
on_down(struct link *l, const struct fault *why, void *arg)
{
	struct doctor *d = arg;

	(void)l;
	d->fault = *why;
	if (d->is_up)
		fault_set(&d->fault, FAULT_REFUSED,
		    "it took the connection and ended it without a hello: is "
		    "the device revoked?");
	loop_stop(d->loop);
}

static void
on_patience(void *arg)
{
	struct doctor *d = arg;

	fault_set(&d->fault, FAULT_TIMEOUT, "no hello within %d s",
	    PATIENCE_MS / 1000);
	loop_stop(d->loop);
}

static bool
dial(struct doctor *d, const char *address, SSL_CTX *tls, struct fault *f)
{
	static const struct link_events events = {
	    .on_up = on_up, .on_down = on_down, .on_request = on_hello};
	struct link_limits limits;
	struct timer *patience;
	struct link *l;

	link_limits_default(&limits);
	d->good = false;
	d->is_up = false;
	d->loop = loop_new();
	patience = timer_new(d->loop, on_patience, d);
	timer_start(patience, PATIENCE_MS);
	l = link_dial(d->loop, address, tls, NULL, LINK_SERVER, &limits,
	    &events, d, &d->log);
	loop_run(d->loop);
	link_free(&l);
	timer_free(&patience);
	loop_free(&d->loop);
	if (!d->good)
		fault_set(f, d->fault.kind, "%s: %s", address, d->fault.why);
	return d->good;
}

/* ------------------------------------------------------------------- checks */

static bool
check_identity(struct doctor *d, struct fault *f)
{
	d->have_identity =
	    identity_load(d->arena, d->s->state_folder, &d->identity, f);
	return d->have_identity;
}

static bool
check_certificate(struct doctor *d, struct fault *f)
{
	int64_t left = d->identity.expires_at_ms - clock_unix_ms();

	if (!d->have_identity)
		return fault_set(f, FAULT_NOT_FOUND, "no identity");
	if (left <= 0)
		return fault_set(f, FAULT_EXPIRED,
		    "it has expired: remove the state folder and enrol anew");
	if (left < DAY_MS)
		return fault_set(f, FAULT_STALE,
		    "it expires within a day: is assay-auth reachable, so "
		    "that the daemon can renew it?");
	return true;
}

static bool
check_auth(struct doctor *d, struct fault *f)
{
	const char *url = d->s->auth_url;
	const char *ca = d->s->auth_ca;

	if (url == NULL && !d->have_identity)
		return fault_set(f, FAULT_NOT_FOUND, "no identity");
	if (url == NULL)
		url = d->identity.auth_url;
	if (ca == NULL && d->have_identity)
		ca = d->identity.auth_ca_file;
	return get(d, arena_printf(d->arena, "%s/.well-known/jwks.json", url),
	    ca, NULL, f);
}

/* After check_auth: the date is that of its answer. */
static bool
check_clock(struct doctor *d, struct fault *f)
{
	if (!d->have_date)
		return fault_set(
		    f, FAULT_NOT_FOUND, "assay-auth told no time to go by");
	if (d->ahead_ms > -CLOCK_MS && d->ahead_ms < CLOCK_MS)
		return true;
	return fault_set(f, FAULT_INVALID,
	    "this machine is %lld s %s assay-auth: handoff tokens live 60 s, "
	    "so set the clock (NTP)",
	    (long long)llabs(d->ahead_ms) / 1000,
	    d->ahead_ms > 0 ? "ahead of" : "behind");
}

static bool
check_tunnels(struct doctor *d, struct fault *f)
{
	struct tls_settings settings = {
	    .verify = TLS_VERIFY_REQUIRED, .alpn = "rh2"};
	const char *const *at = d->s->tunnel_addresses.at;
	size_t count = d->s->tunnel_addresses.count;
	SSL_CTX *tls = NULL;
	bool ok = true;

	if (!d->have_identity)
		return fault_set(f, FAULT_NOT_FOUND, "no identity");
	settings.certificate_file = d->identity.chain_file;
	settings.key_file = d->identity.key_file;
	settings.ca_file = d->identity.gateway_ca_file;
	if (!tls_context_new(&settings, &tls, f))
		return false;
	if (count == 0) {
		at = d->identity.tunnels;
		count = d->identity.tunnel_count;
	}
	for (size_t i = 0; ok && i < count; i++)
		ok = dial(d, at[i], tls, f);
	SSL_CTX_free(tls);
	return ok &&
	       (count > 0 || fault_set(f, FAULT_INVALID_OPTION,
				 "no gateway to dial: set tunnel.addresses"));
}

static bool
check_offer(struct doctor *d, struct fault *f)
{
	d->have_offer = offer_read(d->arena, d->s->offer_file, &d->offer, f);
	return d->have_offer;
}

static bool
check_files(struct doctor *d, struct fault *f)
{
	if (!d->have_offer)
		return fault_set(f, FAULT_NOT_FOUND, "no offer file");
	for (size_t i = 0; i < d->offer.model_count; i++) {
		const struct artifact *x = &d->offer.models[i].artifact;

		for (size_t k = 0; k < x->count; k++) {
			struct file_state state;

			if (x->files[k].path == NULL)
				continue;
			file_state_read(x->files[k].path, &state);
			if (!state.there)
				return fault_set(f, FAULT_NOT_FOUND,
				    "%s cannot be read", x->files[k].path);
		}
	}
	return true;
}

static bool
check_runtime(struct doctor *d, struct fault *f)
{
	const char *authorization;

	if (!d->have_offer)
		return fault_set(f, FAULT_NOT_FOUND, "no offer file");
	return offer_authorization(&d->offer, d->arena, &authorization, f) &&
	       get(d,
		   arena_printf(d->arena, "%s/v1/models", d->offer.runtime_url),
		   NULL, authorization, f);
}

/* clang-format off */
static const struct {
	const char *name;
	bool (*check)(struct doctor *d, struct fault *f);
} checks[] = {
    {"identity in the state folder",     check_identity},
    {"device certificate is good",       check_certificate},
    {"assay-auth answers",               check_auth},
    {"clock agrees with assay-auth",     check_clock},
    {"a gateway lets us in",             check_tunnels},
    {"offer file",                       check_offer},
    {"model files are there",            check_files},
    {"model runtime answers",            check_runtime},
};
/* clang-format on */

int
doctor_run(const struct provider_settings *s, const struct log *log)
{
	struct doctor d = {.s = s, .log = *log};
	int failed = 0;

	d.arena = arena_new();
	for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
		struct fault f = {0};
		bool ok = checks[i].check(&d, &f);

		printf("%-5s %s%s%s\n", ok ? "ok" : "FAIL", checks[i].name,
		    ok ? "" : ": ", ok ? "" : f.why);
		failed += !ok;
	}
	if (d.have_offer)
		offer_free(&d.offer);
	arena_free(&d.arena);
	return failed > 0;
}
