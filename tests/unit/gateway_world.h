/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small world for the tests of admission and routing, built from the words
 * of tests/fixtures/{admission,route}.cases: a catalog with one task and one
 * model, a few providers with one offer each, and one query. The buyer is of
 * workspace A. The words are explained in the fixtures.
 */
#ifndef TESTS_GATEWAY_WORLD_H
#define TESTS_GATEWAY_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/route.h"

#define WORLD_NOW INT64_C(1700000000000)
#define WORLD_PROVIDERS 16
#define WORLD_A "aaaaaaaa-0000-7000-8000-000000000000"
#define WORLD_B "bbbbbbbb-0000-7000-8000-000000000000"
#define WORLD_C "cccccccc-0000-7000-8000-000000000000"

struct world {
	struct arena *arena;
	struct draft *drafts[CATALOG_PARTS];
	const struct catalog *catalog;
	struct offers *offers;
	struct offer_source *sources[WORLD_PROVIDERS];
	size_t source_count;
	bool model_withdrawn;
	bool model_private;
	struct query query;
	struct dids tried;
	struct route_policy policy;
	uint64_t random[3];
};

static inline void
world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->arena = arena_new();
	w->offers = offers_new();
	for (int i = 0; i < CATALOG_PARTS; i++)
		w->drafts[i] = draft_new((enum catalog_part)i);
	route_policy_default(&w->policy);
	w->policy.newcomer_permille = 0;
	snprintf(w->query.workspace, sizeof(w->query.workspace), WORLD_A);
	w->query.pools = POOL_BOTH;
	w->query.allow_fallbacks = true;
}

static inline const char *
world_did(struct world *w, const char *name)
{
	return arena_printf(w->arena, "did:assay:%s", name);
}

/* "word" or "word=value"; NULL ends the list. Cuts the text in place. */
static inline char *
world_word(char **rest, char separator, char **value)
{
	char *word = *rest;
	char *end;

	if (word == NULL || *word == '\0')
		return NULL;
	end = strchr(word, separator);
	*rest = end != NULL ? end + 1 : NULL;
	if (end != NULL)
		*end = '\0';
	*value = strchr(word, '=');
	if (*value != NULL)
		*(*value)++ = '\0';
	else
		*value = word + strlen(word);
	return word;
}

static inline struct dids
world_dids(struct world *w, char *list, bool as_did)
{
	const char **at = arena_alloc(w->arena, 16 * sizeof(*at));
	size_t count = 0;
	char *value;

	for (char *s = world_word(&list, '+', &value); s != NULL;
	     s = world_word(&list, '+', &value))
		at[count++] =
		    as_did ? world_did(w, s) : arena_string(w->arena, s);
	return (struct dids){at, count};
}

static inline const char *
world_workspace(const char *name)
{
	return *name == 'A' ? WORLD_A : *name == 'B' ? WORLD_B : WORLD_C;
}

struct world_offer {
	const char *home;
	const char *device;
	const char *quantization;
	struct catalog_score score;
	bool has_score;
	bool source_drains;
	bool is_remote;
	bool is_bound;
	struct offer_provider p;
};

static inline bool
world_offer_word(struct world_offer *x, const char *word, const char *value)
{
	if (strcmp(word, "home") == 0)
		x->home = world_workspace(value);
	else if (strcmp(word, "device") == 0)
		x->device = value;
	else if (strcmp(word, "quant") == 0)
		x->quantization = value;
	else if (strcmp(word, "tier") == 0)
		x->has_score = tier_of(text_of(value), &x->score.tier);
	else if (strcmp(word, "score") == 0)
		x->score.score = atof(value);
	else if (strcmp(word, "delivered") == 0)
		x->score.delivered = atof(value);
	else if (strcmp(word, "active") == 0)
		x->p.active = (unsigned)atoi(value);
	else if (strcmp(word, "capacity") == 0)
		x->p.capacity = (unsigned)atoi(value);
	else if (strcmp(word, "load") == 0)
		x->p.load = atof(value);
	else if (strcmp(word, "window") == 0)
		x->p.window_open = strcmp(value, "open") == 0;
	else if (strcmp(word, "draining") == 0)
		x->p.is_draining = true;
	else if (strcmp(word, "goaway") == 0)
		x->source_drains = true;
	else if (strcmp(word, "doubt") == 0)
		x->p.is_in_doubt = true;
	else if (strcmp(word, "verified") == 0)
		x->p.verified_until = WORLD_NOW + atoi(value);
	else if (strcmp(word, "bound") == 0)
		x->is_bound = true;
	else if (strcmp(word, "direct") == 0)
		x->p.direct[0] = "https://127.0.0.1:8443";
	else if (strcmp(word, "remote") == 0)
		x->is_remote = true;
	else
		return false;
	return true;
}

static inline void
world_device(struct world *w, const struct world_offer *x, const char *did)
{
	if (strcmp(x->device, "none") == 0)
		return;
	draft_device(w->drafts[CATALOG_DEVICES],
	    &(struct catalog_device){.did = did,
		.workspace =
		    strncmp(x->device, "moved", 5) == 0 ? WORLD_C : x->home,
		.is_revoked = strcmp(x->device, "revoked") == 0,
		.is_suspended = strcmp(x->device, "suspended") == 0});
}

static inline void
world_publish(struct world *w, const struct world_offer *x, const char *did)
{
	struct offer_source *s;
	struct offer_facts facts = {"chat", "test:model", x->quantization,
	    "dddddddd-0000-7000-8000-000000000000", 8192};
	char session[UUID_TEXT];

	snprintf(session, sizeof(session), "session-%zu", w->source_count);
	s = offers_open(w->offers, did, x->home, session, !x->is_remote);
	offers_state(w->offers, s, &facts, 1);
	s->is_draining = x->source_drains;
	s->active = x->p.active;
	if (x->is_bound)
		offers_bind(s, "0x00", "");
	s->provider->active = x->p.active;
	s->provider->capacity = x->p.capacity;
	s->provider->load = x->p.load;
	s->provider->window_open = x->p.window_open;
	s->provider->is_draining = x->p.is_draining;
	s->provider->is_in_doubt = x->p.is_in_doubt;
	s->provider->verified_until = x->p.verified_until;
	if (x->p.direct[0] != NULL)
		offers_set_direct(w->offers, s->provider, x->p.direct, 1, "");
	w->sources[w->source_count++] = s;
}

/* name "home=B,tier=gold,…"; false on a word that is none. */
static inline bool
world_offer(struct world *w, const char *name, char *words)
{
	const char *did = world_did(w, name);
	struct world_offer x = {
	    .home = WORLD_B,
	    .device = "active",
	    .quantization = "Q4_K_M",
	    .score = {.tier = TIER_BRONZE, .score = 50, .delivered = 1000},
	    .p = {.capacity = 4, .window_open = true},
	};
	char *value;

	for (char *s = world_word(&words, ',', &value); s != NULL;
	     s = world_word(&words, ',', &value)) {
		if (!world_offer_word(&x, s, value))
			return false;
	}
	x.score.did = did;
	x.score.task = "chat";
	x.score.model = "test:model";
	if (x.has_score)
		draft_score(w->drafts[CATALOG_SCORES], &x.score);
	world_device(w, &x, did);
	world_publish(w, &x, did);
	return true;
}

static inline bool
world_query_word(struct world *w, const char *word, char *value)
{
	struct query *q = &w->query;

	if (strcmp(word, "pool") == 0)
		q->pools = *value == 'w' ? POOL_WORKSPACE : POOL_MARKETPLACE;
	else if (strcmp(word, "workspace_only") == 0) {
		q->is_workspace_only = true;
		q->pools = POOL_WORKSPACE;
	} else if (strcmp(word, "restricted") == 0)
		q->is_workspace_only = true; /* the restriction alone */
	else if (strcmp(word, "only") == 0) {
		q->has_only = true;
		q->only = world_dids(w, value, true);
	} else if (strcmp(word, "ignore") == 0)
		q->ignore = world_dids(w, value, true);
	else if (strcmp(word, "order") == 0)
		q->order = world_dids(w, value, true);
	else if (strcmp(word, "tried") == 0)
		w->tried = world_dids(w, value, true);
	else if (strcmp(word, "quantizations") == 0)
		q->quantizations = world_dids(w, value, false);
	else if (strcmp(word, "min_tier") == 0)
		return tier_of(text_of(value), &q->min_tier);
	else if (strcmp(word, "verified") == 0)
		q->verified = true;
	else if (strcmp(word, "private") == 0)
		q->verified = q->needs_key = true;
	else if (strcmp(word, "direct") == 0)
		q->is_direct = true;
	else if (strcmp(word, "withdrawn") == 0)
		w->model_withdrawn = true;
	else if (strcmp(word, "newcomers") == 0)
		w->policy.newcomer_permille = (unsigned)atoi(value);
	else if (strcmp(word, "random") == 0) {
		for (int i = 0; i < 3 && value != NULL; i++) {
			w->random[i] = strtoull(value, &value, 10);
			value += *value == '/';
		}
	} else
		return false;
	return true;
}

static inline bool
world_query(struct world *w, char *words)
{
	char *value;

	for (char *s = world_word(&words, ',', &value); s != NULL;
	     s = world_word(&words, ',', &value)) {
		if (!world_query_word(w, s, value))
			return false;
	}
	return true;
}

/* The catalog is whole; the query points into it. */
static inline void
world_close(struct world *w)
{
	struct draft *models = w->drafts[CATALOG_MODELS];

	draft_task(models,
	    &(struct catalog_task){"chat", "/v1/chat/completions", false});
	draft_model(models, &(struct catalog_model){.canonical = "test:model",
				.is_withdrawn = w->model_withdrawn});
	draft_model_task(models, "test:model", "chat");
	for (int i = 0; i < CATALOG_PARTS; i++) {
		const struct catalog *before = w->catalog;

		w->catalog = catalog_next(before, &w->drafts[i]);
		catalog_unref(&before);
	}
	w->query.task = catalog_task_find(w->catalog, text_of("chat"));
	w->query.model =
	    catalog_model_find(w->catalog, text_of("test:model"), WORLD_A);
}

static inline struct route_ask
world_ask(const struct world *w)
{
	return (struct route_ask){
	    .admission = {w->catalog, &w->query, WORLD_NOW, w->tried},
	    .offers = w->offers,
	    .policy = &w->policy,
	    .random = {w->random[0], w->random[1], w->random[2]},
	};
}

static inline void
world_free(struct world *w)
{
	for (size_t i = 0; i < w->source_count; i++) {
		/* Requests under way were only pretended. */
		w->sources[i]->provider->active = w->sources[i]->active;
		offers_close(w->offers, &w->sources[i]);
	}
	offers_free(&w->offers);
	catalog_unref(&w->catalog);
	for (int i = 0; i < CATALOG_PARTS; i++)
		draft_free(&w->drafts[i]);
	arena_free(&w->arena);
}

/* The next case of a file: its three columns, blanks taken off both ends and
 * out of the first two. False at the end. Lines and '#' are counted in *line.
 */
static inline bool
world_case(FILE *file, char *buffer, size_t size, int *line, char *column[3])
{
	while (fgets(buffer, (int)size, file) != NULL) {
		char *rest = buffer;

		(*line)++;
		if (*buffer == '#' || *buffer == '\n')
			continue;
		for (int i = 0; i < 3; i++) {
			char *end = strpbrk(rest, i < 2 ? "|" : "\n");

			if (end != NULL)
				*end = '\0';
			column[i] = rest + strspn(rest, " \t");
			for (size_t n = strlen(column[i]);
			     n > 0 && strchr(" \t", column[i][n - 1]); n--)
				column[i][n - 1] = '\0';
			rest = end != NULL ? end + 1 : rest + strlen(rest);
		}
		return true;
	}
	return false;
}

#endif
