/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See offer.h. Three indexes: providers by DID, sources by session, offers by
 * (task, model). A provider goes with its last source, an offer with the last
 * source that states it.
 */
#include "gateway/offer.h"

#include <assert.h>
#include <string.h>

#include "gateway/index.h"

struct offers {
	struct index *providers;
	struct index *sources;
	struct index *by_model;
	size_t count;
};

struct offers *
offers_new(void)
{
	return mem_new(sizeof(struct offers));
}

static void
copy(char *out, size_t size, const char *s)
{
	size_t len = strnlen(s, size - 1);

	memcpy(out, s, len);
	out[len] = '\0';
}

/* ---------------------------------------------------------------- sources */

static bool
source_remove(
    struct offer_source **at, size_t *count, const struct offer_source *s)
{
	for (size_t i = 0; i < *count; i++) {
		if (at[i] != s)
			continue;
		at[i] = at[--*count];
		return true;
	}
	return false;
}

static void
direct_clear(struct offer_provider *p)
{
	for (size_t i = 0; i < DIRECT_ENDPOINTS; i++) {
		mem_free(p->priv[i]);
		p->priv[i] = NULL;
		p->direct[i] = NULL;
	}
	p->direct_spki[0] = '\0';
}

void
offers_set_direct(struct offers *o, struct offer_provider *p,
    const char *const *urls, size_t count, const char *spki)
{
	(void)o;
	direct_clear(p);
	for (size_t i = 0; i < count && i < DIRECT_ENDPOINTS; i++) {
		p->priv[i] = mem_string(urls[i]);
		p->direct[i] = p->priv[i];
	}
	copy(p->direct_spki, sizeof(p->direct_spki), spki);
}

/* The least of its ways' moments. */
static void
reckon_verified(struct offer_provider *p)
{
	int64_t least = p->source_count > 0 ? INT64_MAX : 0;

	p->unverified = NULL;
	for (size_t i = 0; i < p->source_count; i++) {
		if (p->sources[i]->verified_until >= least)
			continue;
		least = p->sources[i]->verified_until;
		p->unverified = p->sources[i]->verdict;
	}
	p->verified_until = least;
}

void
offers_bind(struct offer_source *s, const char *address, const char *image)
{
	text_store(
	    text_of(address), s->signing_address, sizeof(s->signing_address));
	text_store(text_of(image), s->image_digest, sizeof(s->image_digest));
}

void
offers_verify(struct offers *o, struct offer_source *s, int64_t until,
    const char *verdict)
{
	(void)o;
	s->verified_until = until;
	s->verdict = verdict;
	reckon_verified(s->provider);
}

struct offer_source *
offers_open(struct offers *o, const char *did, const char *workspace,
    const char *session, bool is_local)
{
	struct offer_provider *p = offers_provider(o, did);
	struct offer_source *s;

	if (offers_source(o, session) != NULL)
		return NULL;
	if (p != NULL && p->source_count == OFFER_SOURCES)
		return NULL;
	if (p == NULL) {
		p = mem_new(sizeof(*p));
		copy(p->did, sizeof(p->did), did);
		p->capacity = 1;
		p->window_open = true;
		index_add(&o->providers, p->did, strlen(p->did), p);
	}
	copy(p->workspace, sizeof(p->workspace), workspace);
	s = mem_new(sizeof(*s));
	s->provider = p;
	s->is_local = is_local;
	copy(s->session, sizeof(s->session), session);
	p->sources[p->source_count++] = s;
	reckon_verified(p);
	index_add(&o->sources, s->session, strlen(s->session), s);
	return s;
}

/* ----------------------------------------------------------------- offers */

static void
offer_drop(struct offers *o, struct offer *x)
{
	struct offer **at = &x->provider->offers;
	char key[INDEX_KEY];
	size_t len = index_key(key, x->task, x->model, NULL);

	while (*at != x)
		at = &(*at)->of_provider;
	*at = x->of_provider;
	index_remove(&o->by_model, key, len, x);
	o->count--;
	mem_free(x->memo);
	mem_free(x);
}

static struct offer *
offer_make(
    struct offers *o, struct offer_provider *p, const struct offer_facts *f)
{
	struct offer *x = mem_new(sizeof(*x));
	char key[INDEX_KEY];

	x->memo = mem_new(sizeof(*x->memo));
	x->provider = p;
	copy(x->task, sizeof(x->task), f->task);
	copy(x->model, sizeof(x->model), f->model);
	x->of_provider = p->offers;
	p->offers = x;
	index_add(
	    &o->by_model, key, index_key(key, x->task, x->model, NULL), x);
	o->count++;
	return x;
}

static struct offer *
offer_of(const struct offer_provider *p, const char *task, const char *model)
{
	for (struct offer *x = p->offers; x != NULL; x = x->of_provider) {
		if (strcmp(x->task, task) == 0 && strcmp(x->model, model) == 0)
			return x;
	}
	return NULL;
}

static bool
is_stated(const struct offer *x, const struct offer_facts *facts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(x->task, facts[i].task) == 0 &&
		    strcmp(x->model, facts[i].model) == 0)
			return true;
	}
	return false;
}

static void
state_one(struct offers *o, struct offer_source *s, const struct offer_facts *f)
{
	struct offer *x = offer_of(s->provider, f->task, f->model);

	if (x == NULL)
		x = offer_make(o, s->provider, f);
	copy(x->quantization, sizeof(x->quantization), f->quantization);
	copy(x->artifact, sizeof(x->artifact), f->artifact);
	x->context_length = f->context_length;
	(void)source_remove(x->sources, &x->source_count, s);
	x->sources[x->source_count++] = s;
}

void
offers_state(struct offers *o, struct offer_source *s,
    const struct offer_facts *facts, size_t count)
{
	struct offer *next;

	for (struct offer *x = s->provider->offers; x != NULL; x = next) {
		next = x->of_provider;
		if (is_stated(x, facts, count))
			continue;
		if (source_remove(x->sources, &x->source_count, s) &&
		    x->source_count == 0)
			offer_drop(o, x);
	}
	for (size_t i = 0; i < count; i++)
		state_one(o, s, &facts[i]);
}

void
offers_withdraw(struct offers *o, const char *did, const char *model)
{
	struct offer_provider *p = offers_provider(o, did);
	struct offer *next;

	if (p == NULL)
		return;
	for (struct offer *x = p->offers; x != NULL; x = next) {
		next = x->of_provider;
		if (model == NULL || strcmp(x->model, model) == 0)
			offer_drop(o, x);
	}
}

static void
provider_drop(struct offers *o, struct offer_provider *p)
{
	assert(p->offers == NULL);
	index_remove(&o->providers, p->did, strlen(p->did), p);
	direct_clear(p);
	mem_free(p);
}

void
offers_close(struct offers *o, struct offer_source **at)
{
	struct offer_source *s = *at;
	struct offer_provider *p;

	*at = NULL;
	if (s == NULL)
		return;
	p = s->provider;
	p->active -= s->active;
	offers_state(o, s, NULL, 0);
	(void)source_remove(p->sources, &p->source_count, s);
	index_remove(&o->sources, s->session, strlen(s->session), s);
	mem_free(s);
	if (p->source_count == 0)
		provider_drop(o, p);
	else
		reckon_verified(p);
}

static void
free_provider(void *arg, void *value)
{
	struct offer_provider *p = value;

	(void)arg;
	for (size_t i = 0; i < p->source_count; i++)
		mem_free(p->sources[i]);
	while (p->offers != NULL) {
		struct offer *x = p->offers;

		p->offers = x->of_provider;
		mem_free(x->memo);
		mem_free(x);
	}
	direct_clear(p);
	mem_free(p);
}

void
offers_free(struct offers **o)
{
	if (*o == NULL)
		return;
	index_each((*o)->providers, free_provider, NULL);
	index_free(&(*o)->providers);
	index_free(&(*o)->sources);
	index_free(&(*o)->by_model);
	mem_free(*o);
	*o = NULL;
}

/* ---------------------------------------------------------------- reading */

struct offer_provider *
offers_provider(const struct offers *o, const char *did)
{
	return index_find(o->providers, did, strlen(did));
}

struct offer_source *
offers_source(const struct offers *o, const char *session)
{
	return index_find(o->sources, session, strlen(session));
}

struct offer *const *
offers_of(
    const struct offers *o, const char *task, const char *model, size_t *count)
{
	char key[INDEX_KEY];
	size_t len = index_key(key, task, model, NULL);
	const void *at;

	*count = 0;
	if (len == 0)
		return NULL;
	at = index_list(o->by_model, key, len, count);
	return at;
}

struct offer *
offers_find(const struct offers *o, const char *did, const char *task,
    const char *model)
{
	const struct offer_provider *p = offers_provider(o, did);

	return p != NULL ? offer_of(p, task, model) : NULL;
}

size_t
offers_count(const struct offers *o)
{
	return o->count;
}

size_t
offers_provider_count(const struct offers *o)
{
	return index_count(o->providers);
}

struct each {
	void (*fn)(void *arg, const struct offer_provider *p);
	void *arg;
};

static void
each_one(void *arg, void *value)
{
	const struct each *e = arg;

	e->fn(e->arg, value);
}

void
offers_each(const struct offers *o,
    void (*fn)(void *arg, const struct offer_provider *p), void *arg)
{
	struct each e = {fn, arg};

	index_each(o->providers, each_one, &e);
}

/* ------------------------------------------------------------------- load */

void
offers_begin(struct offers *o, const char *session)
{
	struct offer_source *s = offers_source(o, session);

	if (s == NULL)
		return;
	s->active++;
	s->provider->active++;
}

void
offers_finish(struct offers *o, const char *session)
{
	struct offer_source *s = offers_source(o, session);

	if (s == NULL)
		return; /* what it carried was taken off when it closed */
	assert(s->active > 0 && s->provider->active >= s->active);
	s->active--;
	s->provider->active--;
}

bool
offer_provider_has_room(const struct offer_provider *p)
{
	return p->active < p->capacity;
}

double
offer_provider_load(const struct offer_provider *p)
{
	double load = p->load;

	if (p->capacity == 0)
		return 1;
	load += (double)p->active / (double)p->capacity;
	return load > 1 ? 1 : load;
}
