/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The certificate is issued before Postgres is asked and leaves only when
 * Postgres has it: a certificate that nobody recorded is never in anybody's
 * hands. Codes, keys and certificates do not appear in the log.
 */
#include "auth/server/enrol.h"

#include <string.h>
#include <sys/queue.h>

#include "auth/server/auth_db.h"
#include "auth/server/order.h"
#include "auth/server/reply.h"
#include "base/clock.h"
#include "base/tls.h"

#define OPEN_MOST 256
#define BACKDATED_MS 300000 /* devices' clocks run behind */

enum what { ENROL, RENEW, SHOW };

struct job {
	LIST_ENTRY(job) entry;
	struct enrolments *all;
	enum what what;
	struct http_request *request;
	struct pending *question;
	char did[201];
	uint8_t code_sha256[32];
	X509 *certificate;
	struct certificate_row row;
};

struct enrolments {
	struct house *house;
	LIST_HEAD(job_list, job) open;
	unsigned count;
};

/* --------------------------------------------------------------------- jobs */

static void
job_end(struct job *j)
{
	LIST_REMOVE(j, entry);
	j->all->count--;
	pending_cancel(&j->question);
	X509_free(j->certificate);
	if (j->request != NULL)
		http_request_close(&j->request);
	mem_free(j);
}

static struct metric *
counter_of(const struct job *j)
{
	struct counters *c = j->all->house->counters;

	return j->what == ENROL ? c->enrolled : c->renewed;
}

static void
job_refuse(struct job *j, const struct fault *f)
{
	static const char *const events[] = {
	    "not_enrolled", "not_renewed", "not_shown"};
	const struct log *log = &j->all->house->log;

	if (j->what != SHOW) {
		log_warn(log, events[j->what], LOG_STR("did", j->did),
		    LOG_STR("remote", j->request->remote),
		    LOG_STR("code", fault_code(f->kind)),
		    LOG_STR("why", f->why));
		counters_outcome(counter_of(j), f->kind);
	}
	reply_fault(&j->request, f);
	job_end(j);
}

/* NULL, and the request is answered, where too many wait already. */
static struct job *
job_new(struct enrolments *e, enum what what, struct http_request *r)
{
	struct job *j;
	struct fault f;

	if (e->count >= OPEN_MOST) {
		fault_set(
		    &f, FAULT_OVERLOADED, "%u requests wait already", e->count);
		reply_fault(&r, &f);
		return NULL;
	}
	j = mem_new(sizeof *j);
	j->all = e;
	j->what = what;
	j->request = r;
	LIST_INSERT_HEAD(&e->open, j, entry);
	e->count++;
	return j;
}

struct enrolments *
enrolments_new(struct house *h)
{
	struct enrolments *e = mem_new(sizeof *e);

	e->house = h;
	LIST_INIT(&e->open);
	return e;
}

void
enrolments_free(struct enrolments **e)
{
	if (*e == NULL)
		return;
	while (!LIST_EMPTY(&(*e)->open))
		job_end(LIST_FIRST(&(*e)->open));
	mem_free(*e);
	*e = NULL;
}

/* ------------------------------------------------------------- certificates */

static bool
issue(struct job *j, struct ec_key *key, struct fault *f)
{
	struct house *h = j->all->house;
	int64_t now = clock_unix_ms();
	struct leaf l = {.common_name = "assay device",
	    .uri = j->did,
	    .client = true,
	    .server = true,
	    .not_before_ms = now - BACKDATED_MS,
	    .not_after_ms = now + h->settings->device_life};
	struct certificate_row *c = &j->row;

	random_bytes(l.serial, sizeof l.serial);
	j->certificate = authority_issue(h->device_ca, key, &l, f);
	if (j->certificate == NULL)
		return false;
	certificate_sha256(j->certificate, c->sha256);
	spki_sha256(j->certificate, c->spki_sha256);
	return (certificate_serial(
		    j->certificate, c->serial, sizeof c->serial) &&
		   certificate_times(
		       j->certificate, &c->not_before_ms, &c->not_after_ms)) ||
	       fault_set(f, FAULT_INTERNAL, "own certificate is unreadable");
}

static char *
jwk_text(struct arena *a, const struct ec_key *key)
{
	json_t *jwk = jwk_write(key);
	char *text = json_write(a, jwk);

	json_free(&jwk);
	return text;
}

static json_t *
tunnels_json(const struct house *h)
{
	json_t *list = json_array();

	for (size_t i = 0; i < h->settings->enrol_tunnels.count; i++)
		json_array_append_new(
		    list, json_string(h->settings->enrol_tunnels.at[i]));
	return list;
}

static void
answer_certificate(struct job *j, int status)
{
	struct house *h = j->all->house;
	struct arena *a = j->request->arena;
	int64_t from = j->row.not_before_ms, to = j->row.not_after_ms;
	char renew[RFC3339_TEXT], expires[RFC3339_TEXT];
	json_t *o;

	time_to_rfc3339(from + (to - from) / 3 * 2, renew);
	time_to_rfc3339(to, expires);
	o = json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:s}", "did", j->did,
	    "issuer", h->issuer, "certificate_chain",
	    arena_printf(a, "%s%s", certificate_pem(a, j->certificate),
		h->device_ca_pem),
	    "gateway_ca", h->gateway_ca_pem, "tunnels", tunnels_json(h),
	    "renew_after", renew, "expires_at", expires);
	log_info(&h->log, j->what == ENROL ? "enrolled" : "renewed",
	    LOG_STR("did", j->did), LOG_STR("serial", j->row.serial),
	    LOG_STR("until", expires));
	counters_outcome(counter_of(j), FAULT_NONE);
	reply_json(&j->request, status, &o);
	job_end(j);
}

/* ---------------------------------------------------------------- enrolment */

static void
got_code(void *arg, const struct code_row *row, const struct fault *f)
{
	struct job *j = arg;
	struct fault why;

	j->question = NULL;
	if (f != NULL)
		why = *f;
	else if (!row->is_known || row->is_revoked)
		fault_set(&why, FAULT_CODE_INVALID,
		    "this enrolment code is not valid");
	else if (row->is_used)
		fault_set(&why, FAULT_CODE_USED,
		    "this enrolment code was used already");
	else if (row->is_expired)
		fault_set(&why, FAULT_CODE_EXPIRED,
		    "this enrolment code has expired");
	else if (row->is_of_revoked)
		fault_set(&why, FAULT_DEVICE_REVOKED,
		    "this key's device was revoked; make a new key");
	else if (row->is_of_another)
		fault_set(&why, FAULT_CONFLICT,
		    "this key is a device of another workspace; make a new "
		    "one");
	else
		fault_set(&why, FAULT_UNAVAILABLE,
		    "the code became valid a moment ago");
	job_refuse(j, &why);
}

static void
got_enrolled(void *arg, const struct pg_rows *rows, const struct fault *f)
{
	struct job *j = arg;

	j->question = NULL;
	if (rows != NULL && pg_count(rows) > 0) {
		answer_certificate(j, 201);
		return;
	}
	if (rows != NULL) {
		j->question = auth_db_code(
		    j->all->house->pg, j->code_sha256, j->did, got_code, j);
		return;
	}
	job_refuse(j, f);
}

static bool
ask_enrolment(struct job *j, const json_t *body, struct fault *f)
{
	struct arena *a = j->request->arena;
	struct ec_key *key;
	bool ok;

	if (!device_order_read(body, j->code_sha256, &key, f))
		return false;
	device_did(key, j->did);
	ok = issue(j, key, f);
	if (ok)
		j->question = auth_db_enrol(j->all->house->pg, j->code_sha256,
		    j->did, jwk_text(a, key), &j->row, got_enrolled, j);
	ec_key_free(&key);
	return ok;
}

void
enrol_device(struct enrolments *e, struct http_request *r)
{
	struct job *j = job_new(e, ENROL, r);
	json_t *body = NULL;
	struct fault f;

	if (j == NULL)
		return;
	if (!body_read(r, DEVICE_ORDER_MAX, &body, &f) ||
	    !ask_enrolment(j, body, &f))
		job_refuse(j, &f);
	json_free(&body);
}

/* ------------------------------------------------------------------ renewal */

static void
got_device_of_renewal(
    void *arg, const struct device_row *row, const struct fault *f)
{
	struct job *j = arg;
	struct fault why;

	j->question = NULL;
	if (f != NULL)
		why = *f;
	else if (!row->is_known)
		fault_set(
		    &why, FAULT_DEVICE_UNKNOWN, "this device is not known");
	else if (row->is_revoked)
		fault_set(
		    &why, FAULT_DEVICE_REVOKED, "this device was revoked");
	else
		fault_set(&why, FAULT_DEVICE_REVOKED,
		    "the certificate presented was revoked or is not ours");
	job_refuse(j, &why);
}

static void
got_renewed(void *arg, const struct pg_rows *rows, const struct fault *f)
{
	struct job *j = arg;

	j->question = NULL;
	if (rows == NULL)
		job_refuse(j, f);
	else if (pg_count(rows) > 0)
		answer_certificate(j, 200);
	else
		j->question = auth_db_device(
		    j->all->house->pg, j->did, got_device_of_renewal, j);
}

static bool
read_presented(const struct job *j, struct presented *out, struct fault *f)
{
	X509 *peer = j->request->peer;
	char did[sizeof j->did];

	if (peer == NULL)
		return fault_set(f, FAULT_INVALID_CREDENTIAL,
		    "renewal needs the device's current certificate");
	if (!certificate_did(peer, did, sizeof did, f))
		return fault_set(f, FAULT_INVALID_CREDENTIAL,
		    "the certificate presented names no device");
	if (strcmp(did, j->did) != 0)
		return fault_set(f, FAULT_REFUSED,
		    "the certificate presented is another device's");
	certificate_sha256(peer, out->sha256);
	return certificate_serial(peer, out->serial, sizeof out->serial) ||
	       fault_set(f, FAULT_INVALID_CREDENTIAL,
		   "the certificate presented has no usable serial number");
}

static bool
ask_renewal(struct job *j, const json_t *body, struct fault *f)
{
	struct presented was;
	struct ec_key *key;
	bool ok;

	if (!read_presented(j, &was, f) ||
	    !device_order_read(body, NULL, &key, f))
		return false;
	ok = issue(j, key, f);
	if (ok)
		j->question = auth_db_renew(j->all->house->pg, j->did, &was,
		    jwk_text(j->request->arena, key), &j->row, got_renewed, j);
	ec_key_free(&key);
	return ok;
}

void
renew_device(struct enrolments *e, struct http_request *r, const char *did)
{
	struct job *j = job_new(e, RENEW, r);
	json_t *body = NULL;
	struct fault f;

	if (j == NULL)
		return;
	text_store(text_of(did), j->did, sizeof j->did);
	if (!body_read(r, DEVICE_ORDER_MAX, &body, &f) ||
	    !ask_renewal(j, body, &f))
		job_refuse(j, &f);
	json_free(&body);
}

/* ------------------------------------------------------------ DID documents */

/* DID Core 1.0, section 5, with the device's key of the day. */
static json_t *
document(const struct job *j, json_t *jwk)
{
	struct arena *a = j->request->arena;
	struct house *h = j->all->house;
	char *key = arena_printf(a, "%s#key", j->did);
	json_t *services = json_array();

	for (size_t i = 0; i < h->settings->enrol_tunnels.count; i++)
		json_array_append_new(
		    services, json_pack("{s:s, s:s, s:s}", "id",
				  arena_printf(a, "%s#tunnel-%zu", j->did, i),
				  "type", "AssayTunnel", "serviceEndpoint",
				  arena_printf(a, "https://%s",
				      h->settings->enrol_tunnels.at[i])));
	return json_pack("{s:[s,s], s:s, s:[{s:s, s:s, s:s, s:o}], s:[s], "
			 "s:[s], s:o}",
	    "@context", "https://www.w3.org/ns/did/v1",
	    "https://w3id.org/security/suites/jws-2020/v1", "id", j->did,
	    "verificationMethod", "id", key, "type", "JsonWebKey2020",
	    "controller", j->did, "publicKeyJwk", jwk, "authentication", key,
	    "assertionMethod", key, "service", services);
}

static void
got_device(void *arg, const struct device_row *row, const struct fault *f)
{
	struct job *j = arg;
	struct fault why;
	json_t *jwk, *o;

	j->question = NULL;
	if (f != NULL) {
		job_refuse(j, f);
		return;
	}
	if (!row->is_known || row->is_revoked) {
		fault_set(&why,
		    row->is_known ? FAULT_DEVICE_REVOKED : FAULT_DEVICE_UNKNOWN,
		    row->is_known ? "this device was revoked"
				  : "this device is not known");
		job_refuse(j, &why);
		return;
	}
	if (!json_read(text_of(row->jwk), 4096, &jwk, &why)) {
		job_refuse(j, &why);
		return;
	}
	o = document(j, jwk);
	reply_json(&j->request, 200, &o);
	job_end(j);
}

void
show_device(struct enrolments *e, struct http_request *r, const char *did)
{
	struct job *j = job_new(e, SHOW, r);

	if (j == NULL)
		return;
	text_store(text_of(did), j->did, sizeof j->did);
	j->question = auth_db_device(e->house->pg, j->did, got_device, j);
}
