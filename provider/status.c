/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See status.h. The standing is asked with the device's own certificate; where
 * it can not be had the rest is printed all the same, with one sentence on why.
 */
#include "provider/status.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/fetch.h"
#include "base/file.h"
#include "base/json.h"
#include "base/loop.h"
#include "provider/identity.h"
#include "provider/status_print.h"

#define STATUS_BYTES (1024 * 1024)
#define STANDING_BYTES (4 * 1024 * 1024)
#define PATIENCE_MS 10000

/* ------------------------------------------------------------------ standing
 */

struct standing {
	struct loop *loop;
	json_t *json; /* as the gateway said it; NULL: why not is in fault */
	struct fault fault;
};

static void
on_answer(void *arg, const struct http_answer *answer, const struct fault *f)
{
	struct standing *x = arg;
	struct text body;

	loop_stop(x->loop);
	if (f != NULL) {
		x->fault = *f;
		return;
	}
	body = (struct text){answer->body, answer->body_len};
	if (answer->status != 200)
		fault_set(&x->fault, FAULT_REFUSED, "the gateway answers %d",
		    answer->status);
	else
		json_read(body, STANDING_BYTES, &x->json, &x->fault);
}

static void
ask(struct standing *x, const struct provider_settings *s,
    const struct identity *self, struct arena *a)
{
	struct fetch_settings settings = {.ca_file = s->gateway_ca,
	    .certificate_file = self->chain_file,
	    .key_file = self->key_file};
	struct http_outgoing o = {.method = "GET"};
	size_t len = strlen(s->gateway_url);
	struct fetch *fetch;

	while (len > 0 && s->gateway_url[len - 1] == '/')
		len--;
	o.path = arena_printf(
	    a, "%.*s/v1/providers/%s", (int)len, s->gateway_url, self->did);
	fault_set(&x->fault, FAULT_INVALID_OPTION, "gateway.url is no URL");
	x->loop = loop_new();
	fetch = fetch_new(x->loop, &settings);
	if (fetch_ask(fetch, &o, STANDING_BYTES, PATIENCE_MS, on_answer, x) !=
	    NULL)
		loop_run(x->loop);
	fetch_free(&fetch);
	loop_free(&x->loop);
}

static void
find_standing(struct standing *x, const struct provider_settings *s)
{
	struct arena *a = arena_new();
	struct identity self;

	if (s->gateway_url == NULL)
		fault_set(&x->fault, FAULT_NOT_FOUND,
		    "gateway.url is not set, so it is not asked for");
	else if (identity_load(a, s->state_folder, &self, &x->fault))
		ask(x, s, &self, a);
	arena_free(&a);
}

/* ------------------------------------------------------------------ together
 */

static void
print_json(json_t *j, const struct standing *x)
{
	struct arena *a = arena_new();

	json_object_set(j, "standing", x->json != NULL ? x->json : json_null());
	if (x->json == NULL)
		json_object_set_new(
		    j, "standing_why", json_string(x->fault.why));
	puts(json_write(a, j));
	arena_free(&a);
}

static bool
any_tunnel_up(const json_t *j)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(j, "tunnels"), i, one)
	{
		if (json_is_true(json_object_get(one, "up")))
			return true;
	}
	return false;
}

static bool
is_running(const json_t *j)
{
	pid_t pid = (pid_t)json_integer_value(json_object_get(j, "pid"));

	return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

static bool
read_status(const struct provider_settings *s, json_t **out, struct fault *f)
{
	char path[4096], *text = NULL;
	size_t len;
	bool ok;

	snprintf(path, sizeof path, "%s/status.json", s->state_folder);
	ok = file_read(path, STATUS_BYTES, &text, &len, f) &&
	     json_read((struct text){text, len}, STATUS_BYTES, out, f);
	mem_free(text);
	return ok;
}

int
status_run(const struct provider_settings *s, bool json)
{
	struct standing standing = {0};
	struct fault f = {0};
	json_t *j = NULL;
	bool running, up;

	if (!read_status(s, &j, &f)) {
		fprintf(stderr,
		    "assay-provider: no status: %s (has it ever run with this "
		    "state folder?)\n",
		    f.why);
		return 1;
	}
	running = is_running(j);
	up = running && any_tunnel_up(j);
	json_object_set_new(j, "running", json_boolean(running));
	find_standing(&standing, s);
	if (json) {
		print_json(j, &standing);
	} else {
		status_print(stdout, j, running);
		standing_print(stdout, standing.json, standing.fault.why);
	}
	json_free(&standing.json);
	json_free(&j);
	return up ? 0 : 1;
}
