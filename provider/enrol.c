/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/devices and …/renew. The code and the keys never appear in a log
 * line or an error.
 */
#include "provider/enrol.h"

#include <string.h>
#include <unistd.h>

#include "auth/device.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/json.h"

#define ANSWER_BYTES (256 * 1024)
#define ANSWER_MS 30000
#define CHECK_MS 60000
#define AGAIN_MS 300000

bool
enrol_refused(int status, struct text body, struct fault *f)
{
	enum fault_kind kind = FAULT_REFUSED;
	const json_t *error;
	const char *code, *message;
	json_t *j = NULL;

	json_read(body, ANSWER_BYTES, &j, NULL);
	error = json_object_get(j, "error");
	code = json_string_value(json_object_get(error, "code"));
	message = json_string_value(json_object_get(error, "message"));
	if (code != NULL && fault_of_code(code) != FAULT_NONE)
		kind = fault_of_code(code);
	fault_set(f, kind, "auth answers %d %s: %s", status,
	    code != NULL ? code : "", message != NULL ? message : "");
	json_free(&j);
	return false;
}

static bool
answer_fault(const struct http_answer *answer, struct fault *f)
{
	return enrol_refused(
	    answer->status, (struct text){answer->body, answer->body_len}, f);
}

static struct evbuffer *
request_body(const char *code, struct ec_key *key, struct fault *f)
{
	struct arena *a = arena_new();
	struct evbuffer *body = NULL;
	char *csr = csr_write(a, key, f);
	json_t *j;

	if (csr != NULL) {
		j = json_pack("{s:s}", "csr", csr);
		if (code != NULL)
			json_object_set_new(j, "code", json_string(code));
		body = evbuffer_new();
		evbuffer_add_printf(body, "%s", json_write(a, j));
		json_free(&j);
	}
	arena_free(&a);
	return body;
}

/* ------------------------------------------------------------------- enrol */

struct enrolling {
	struct loop *loop;
	const char *auth_url;
	const char *auth_ca;
	const char *folder;
	bool ok;
	struct fault *fault;
};

static void
on_enrolled(void *arg, const struct http_answer *answer, const struct fault *f)
{
	struct enrolling *e = arg;

	if (f != NULL)
		*e->fault = *f;
	else if (answer->status != 201)
		answer_fault(answer, e->fault);
	else
		e->ok = identity_store(e->folder, answer->body,
		    answer->body_len, e->auth_url, e->auth_ca, false, e->fault);
	loop_stop(e->loop);
}

static void
ask_enrolment(struct enrolling *e, const char *code, struct ec_key *key)
{
	struct fetch_settings settings = {.ca_file = e->auth_ca};
	struct http_outgoing o = {.method = "POST"};
	struct arena *a = arena_new();
	struct fetch *fetch;

	e->loop = loop_new();
	fetch = fetch_new(e->loop, &settings);
	o.path = arena_printf(a, "%s/v1/devices", e->auth_url);
	http_fields_add(&o.fields, a, "content-type", "application/json");
	o.body = request_body(code, key, e->fault);
	if (o.body != NULL && fetch_ask(fetch, &o, ANSWER_BYTES, ANSWER_MS,
				  on_enrolled, e) != NULL)
		loop_run(e->loop);
	if (o.body != NULL)
		evbuffer_free(o.body);
	fetch_free(&fetch);
	loop_free(&e->loop);
	arena_free(&a);
}

bool
enrol(const char *auth_url, const char *auth_ca, const char *code,
    const char *folder, struct fault *f)
{
	struct enrolling e = {.auth_url = auth_url,
	    .auth_ca = auth_ca,
	    .folder = folder,
	    .fault = f};
	struct arena *a = arena_new();
	struct ec_key *key = NULL;
	const char *path = arena_printf(a, "%s/identity.json", folder);

	if (access(path, F_OK) == 0)
		fault_set(f, FAULT_CONFLICT,
		    "%s holds an identity already: use another state folder, "
		    "or remove this one to become a new device",
		    folder);
	else if (folder_make(folder, 0700, f) &&
		 identity_key(folder, false, &key, f))
		ask_enrolment(&e, code, key);
	ec_key_free(&key);
	arena_free(&a);
	return e.ok;
}

/* ----------------------------------------------------------------- renewal */

struct renewal {
	struct loop *loop;
	struct log log;
	struct fetch *fetch;
	struct timer *timer;
	struct pending *asking;
	struct arena *arena;
	const char *url;
	const char *folder;
	const char *auth_url;
	int64_t renew_after_ms;
	void (*on_renewed)(void *arg);
	void *arg;
};

static void
on_answer(void *arg, const struct http_answer *answer, const struct fault *f)
{
	struct renewal *r = arg;
	struct fault why = {0};

	r->asking = NULL;
	if (f != NULL)
		why = *f;
	else if (answer->status != 200 && answer->status != 201)
		answer_fault(answer, &why);
	else if (identity_store(r->folder, answer->body, answer->body_len,
		     r->auth_url, NULL, true, &why)) {
		log_info(&r->log, "certificate_renewed");
		r->on_renewed(r->arg);
		return;
	}
	log_warn(&r->log, "certificate_not_renewed",
	    LOG_STR("code", fault_code(why.kind)), LOG_STR("why", why.why));
	timer_start(r->timer, AGAIN_MS);
}

static void
ask_renewal(struct renewal *r)
{
	struct http_outgoing o = {.method = "POST", .path = r->url};
	struct arena *a = arena_new();
	struct ec_key *key = NULL;
	struct fault f = {0};

	http_fields_add(&o.fields, a, "content-type", "application/json");
	if (identity_key(r->folder, true, &key, &f))
		o.body = request_body(NULL, key, &f);
	if (o.body != NULL) {
		r->asking = fetch_ask(
		    r->fetch, &o, ANSWER_BYTES, ANSWER_MS, on_answer, r);
		evbuffer_free(o.body);
	} else {
		log_error(
		    &r->log, "no_key_to_renew_with", LOG_STR("why", f.why));
		timer_start(r->timer, AGAIN_MS);
	}
	ec_key_free(&key);
	arena_free(&a);
}

static void
look(void *arg)
{
	struct renewal *r = arg;

	if (clock_unix_ms() < r->renew_after_ms)
		timer_start(r->timer, CHECK_MS);
	else
		ask_renewal(r);
}

struct renewal *
renewal_new(struct loop *l, const struct identity *identity,
    void (*on_renewed)(void *arg), void *arg, const struct log *log)
{
	struct fetch_settings settings = {.ca_file = identity->auth_ca_file,
	    .certificate_file = identity->chain_file,
	    .key_file = identity->key_file};
	struct renewal *r = mem_new(sizeof *r);

	r->loop = l;
	r->log = *log;
	r->arena = arena_new();
	r->fetch = fetch_new(l, &settings);
	r->folder = arena_string(r->arena, identity->folder);
	r->auth_url = arena_string(r->arena, identity->auth_url);
	r->url = arena_printf(r->arena, "%s/v1/devices/%s/renew",
	    identity->auth_url, identity->did);
	r->renew_after_ms = identity->renew_after_ms;
	r->on_renewed = on_renewed;
	r->arg = arg;
	r->timer = timer_new(l, look, r);
	timer_start(r->timer, 0);
	return r;
}

void
renewal_free(struct renewal **rp)
{
	struct renewal *r = *rp;

	if (r == NULL)
		return;
	pending_cancel(&r->asking);
	timer_free(&r->timer);
	fetch_free(&r->fetch);
	arena_free(&r->arena);
	mem_free(r);
	*rp = NULL;
}
