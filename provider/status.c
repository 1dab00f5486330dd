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

/* ------------------------------------------------------------------ printing
 */

static const char *
member(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s != NULL ? s : "";
}

static double
number(const json_t *o, const char *name)
{
	return json_number_value(json_object_get(o, name));
}

static bool
is_true(const json_t *o, const char *name)
{
	return json_is_true(json_object_get(o, name));
}

static void
print_daemon(const json_t *j, bool running)
{
	printf("did          %s\n", member(j, "did"));
	printf("state        %s\n",
	    !running		     ? "not running"
	    : is_true(j, "revoked")  ? "revoked: the gateway takes no tunnel "
				       "of this device"
	    : is_true(j, "draining") ? "draining"
				     : "running");
	printf("as of        %s\n", member(j, "at"));
	printf("certificate  until %s\n", member(j, "certificate_expires_at"));
	printf("runtime      %s\n", is_true(j, "runtime_up") ? "up" : "down");
	printf(
	    "window       %s\n", is_true(j, "window_open") ? "open" : "closed");
	printf("under way    %.0f requests, %.0f tokens in the last minute\n",
	    number(j, "active"), number(j, "tokens_last_minute"));
}

static void
print_models(const json_t *j)
{
	const json_t *one, *judgement;
	size_t i;

	json_array_foreach(json_object_get(j, "models"), i, one)
	{
		judgement = json_object_get(
		    json_object_get(j, "judgements"), member(one, "canonical"));
		printf("model        %s  %s%s  gateway: %s %s\n",
		    member(one, "canonical"),
		    is_true(one, "served") ? "served" : "not served ",
		    member(one, "why"),
		    is_true(j, "revoked") ? "device_revoked"
		    : judgement != NULL	  ? member(judgement, "status")
					  : "not judged yet",
		    member(judgement, "reason"));
	}
}

static void
print_tunnels(const json_t *j)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(j, "tunnels"), i, one)
	    printf("tunnel %.0f     %s  %s  %s\n", number(one, "slot"),
		is_true(one, "up") ? "up" : "down", member(one, "gateway"),
		member(one, "why"));
}

/* Delivery, quality, speed, audit: those that have data. */
static void
print_parts(const json_t *parts)
{
	static const char *const streams[] = {
	    "delivery", "quality", "speed", "audit"};

	for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
		const json_t *p = json_object_get(parts, streams[i]);

		if (p != NULL)
			printf("  %-10s %5.1f of 100, weight %.0f  (%.1f for, "
			       "%.1f against)\n",
			    streams[i], 100 * number(p, "value"),
			    number(p, "weight"), number(p, "good"),
			    number(p, "bad"));
	}
	if (is_true(parts, "held_by_quality"))
		puts("  held       by what buyers say of its quality");
}

static void
print_next(const json_t *next)
{
	if (next != NULL)
		printf("  next       %s: days in a row at %.0f or more, %.0f "
		       "done, %.0f missing\n",
		    member(next, "tier"), number(next, "line"),
		    number(next, "days_in_a_row"),
		    number(next, "days_missing"));
}

static void
print_not_chosen(const json_t *list, const json_t *pair)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		if (strcmp(member(one, "task"), member(pair, "task")) == 0 &&
		    strcmp(member(one, "model"), member(pair, "model")) == 0)
			printf("  not chosen %.0f times in 7 days: %s\n",
			    number(one, "times"), member(one, "reason"));
	}
}

static void
print_pair(const json_t *pair, const json_t *not_chosen)
{
	const json_t *score = json_object_get(pair, "score");
	const json_t *parts = json_object_get(pair, "parts");
	char text[32] = "none yet";

	if (json_is_number(score))
		snprintf(text, sizeof text, "%.1f", json_number_value(score));
	printf("standing     %s %s  tier %s  score %s  (%.1f events, halved "
	       "every %.0f days)\n",
	    member(pair, "model"), member(pair, "task"), member(pair, "tier"),
	    text, number(pair, "sample_size"), number(pair, "half_life_days"));
	print_parts(parts);
	print_next(json_object_get(parts, "next"));
	print_not_chosen(not_chosen, pair);
}

static void
print_standing(const struct standing *x)
{
	const json_t *pair;
	size_t i;

	if (x->json == NULL)
		printf("standing     unknown: %s\n", x->fault.why);
	json_array_foreach(json_object_get(x->json, "pairs"), i, pair)
	    print_pair(pair, json_object_get(x->json, "not_chosen"));
}

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

/* ------------------------------------------------------------------ together
 */

static bool
any_tunnel_up(const json_t *j)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(j, "tunnels"), i, one)
	{
		if (is_true(one, "up"))
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
		print_daemon(j, running);
		print_models(j);
		print_tunnels(j);
		print_standing(&standing);
	}
	json_free(&standing.json);
	json_free(&j);
	return up ? 0 : 1;
}
