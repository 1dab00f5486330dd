/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See status_print.h. Others' words are escaped, so that none of them moves
 * the cursor or makes a line of its own.
 */
#include "provider/status_print.h"

#include <string.h>

enum { SAID_BYTES = 300 };

struct page {
	FILE *to;
	struct arena *arena;
};

/* For comparing; what is printed is said. */
static const char *
member(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s != NULL ? s : "";
}

static const char *
said(const struct page *p, const json_t *o, const char *name)
{
	char *out = arena_alloc(p->arena, SAID_BYTES);

	text_escape(text_of(member(o, name)), out, SAID_BYTES);
	return out;
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
print_daemon(const struct page *p, const json_t *j, bool running)
{
	fprintf(p->to, "did          %s\n", said(p, j, "did"));
	fprintf(p->to, "state        %s\n",
	    !running		     ? "not running"
	    : is_true(j, "revoked")  ? "revoked: the gateway takes no tunnel "
				       "of this device"
	    : is_true(j, "draining") ? "draining"
				     : "running");
	fprintf(p->to, "as of        %s\n", said(p, j, "at"));
	fprintf(p->to, "certificate  until %s\n",
	    said(p, j, "certificate_expires_at"));
	fprintf(p->to, "runtime      %s\n",
	    is_true(j, "runtime_up") ? "up" : "down");
	fprintf(p->to, "window       %s\n",
	    is_true(j, "window_open") ? "open" : "closed");
	fprintf(p->to,
	    "under way    %.0f requests, %.0f tokens in the last minute\n",
	    number(j, "active"), number(j, "tokens_last_minute"));
}

static void
print_models(const struct page *p, const json_t *j)
{
	const json_t *one, *judgement;
	size_t i;

	json_array_foreach(json_object_get(j, "models"), i, one)
	{
		judgement = json_object_get(
		    json_object_get(j, "judgements"), member(one, "canonical"));
		fprintf(p->to, "model        %s  %s%s  gateway: %s %s\n",
		    said(p, one, "canonical"),
		    is_true(one, "served") ? "served" : "not served ",
		    said(p, one, "why"),
		    is_true(j, "revoked") ? "device_revoked"
		    : judgement != NULL	  ? said(p, judgement, "status")
					  : "not judged yet",
		    said(p, judgement, "reason"));
	}
}

static void
print_tunnels(const struct page *p, const json_t *j)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(j, "tunnels"), i, one)
	    fprintf(p->to, "tunnel %.0f     %s  %s  %s\n", number(one, "slot"),
		is_true(one, "up") ? "up" : "down", said(p, one, "gateway"),
		said(p, one, "why"));
}

/* Delivery, quality, speed, audit: those that have data. */
static void
print_parts(const struct page *p, const json_t *parts)
{
	static const char *const streams[] = {
	    "delivery", "quality", "speed", "audit"};

	for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
		const json_t *part = json_object_get(parts, streams[i]);

		if (part != NULL)
			fprintf(p->to,
			    "  %-10s %5.1f of 100, weight %.0f  (%.1f for, "
			    "%.1f against)\n",
			    streams[i], 100 * number(part, "value"),
			    number(part, "weight"), number(part, "good"),
			    number(part, "bad"));
	}
	if (is_true(parts, "held_by_quality"))
		fputs(
		    "  held       by what buyers say of its quality\n", p->to);
}

static void
print_next(const struct page *p, const json_t *next)
{
	if (next != NULL)
		fprintf(p->to,
		    "  next       %s: days in a row at %.0f or more, %.0f "
		    "done, %.0f missing\n",
		    said(p, next, "tier"), number(next, "line"),
		    number(next, "days_in_a_row"),
		    number(next, "days_missing"));
}

static void
print_not_chosen(const struct page *p, const json_t *list, const json_t *pair)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		if (strcmp(member(one, "task"), member(pair, "task")) == 0 &&
		    strcmp(member(one, "model"), member(pair, "model")) == 0)
			fprintf(p->to,
			    "  not chosen %.0f times in 7 days: %s\n",
			    number(one, "times"), said(p, one, "reason"));
	}
}

static void
print_pair(const struct page *p, const json_t *pair, const json_t *not_chosen)
{
	const json_t *score = json_object_get(pair, "score");
	const json_t *parts = json_object_get(pair, "parts");
	char text[32] = "none yet";

	if (json_is_number(score))
		snprintf(text, sizeof text, "%.1f", json_number_value(score));
	fprintf(p->to,
	    "standing     %s %s  tier %s  score %s  (%.1f events, halved "
	    "every %.0f days)\n",
	    said(p, pair, "model"), said(p, pair, "task"),
	    said(p, pair, "tier"), text, number(pair, "sample_size"),
	    number(pair, "half_life_days"));
	print_parts(p, parts);
	print_next(p, json_object_get(parts, "next"));
	print_not_chosen(p, not_chosen, pair);
}

static void
print_pairs(const struct page *p, const json_t *standing)
{
	const json_t *pair;
	size_t i;

	json_array_foreach(json_object_get(standing, "pairs"), i, pair)
	    print_pair(p, pair, json_object_get(standing, "not_chosen"));
}

void
status_print(FILE *to, const json_t *status, bool running)
{
	struct page p = {to, arena_new()};

	print_daemon(&p, status, running);
	print_models(&p, status);
	print_tunnels(&p, status);
	arena_free(&p.arena);
}

void
standing_print(FILE *to, const json_t *standing, const char *why)
{
	struct page p = {to, arena_new()};

	if (standing == NULL)
		fprintf(to, "standing     unknown: %s\n", why);
	print_pairs(&p, standing);
	arena_free(&p.arena);
}
