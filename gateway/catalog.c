/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See catalog.h. A part is one arena with its indexes; a snapshot is a count
 * and three parts, each counted too, so that a new score leaves the models
 * where they are. Nothing changes once catalog_next has taken the draft.
 */
#include "gateway/catalog.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "gateway/index.h"
#include "gateway/scorebook.h"

struct list {
	void **at;
	size_t count;
	size_t room;
};

struct made_model {
	struct catalog_model pub;
	struct list tasks;
	struct list artifacts;
};

struct made_artifact {
	struct catalog_artifact pub;
	struct list files;
};

struct draft {
	unsigned refs;
	enum catalog_part kind;
	uint64_t id; /* random: two parts never share one */
	struct arena *arena;
	size_t dropped;
	struct list tasks;
	struct list models;
	struct list artifacts;
	struct index *by_task;
	struct index *by_canonical;
	struct index *by_artifact;
	struct index *by_file;	/* sha256 -> artifacts */
	struct index *by_files; /* SHA-256 over all of them -> artifacts */
	struct index *by_did;	/* devices */
	struct index *by_serial;
	struct list scores; /* until the book is made of them */
	bool is_change;	    /* of some scores */
	struct scorebook *book;
};

struct catalog {
	unsigned refs;
	struct draft *part[CATALOG_PARTS];
};

static const struct catalog nothing = {.refs = 1};

static const char *const tier_names[] = {"none", "bronze", "silver", "gold"};
static const char *const runtime_names[RUNTIME_COUNT] = {
    [RUNTIME_LLAMA_CPP] = "llama.cpp",
    [RUNTIME_OLLAMA] = "ollama",
    [RUNTIME_MLX] = "mlx",
    [RUNTIME_CLOUD_BRIDGE] = "cloud_bridge",
};

const char *
tier_name(enum tier t)
{
	return tier_names[t];
}

bool
tier_of(struct text name, enum tier *out)
{
	for (int t = TIER_BRONZE; t <= TIER_GOLD; t++) {
		if (text_is(name, tier_names[t])) {
			*out = (enum tier)t;
			return true;
		}
	}
	return false;
}

const char *
runtime_name(enum runtime_kind k)
{
	return runtime_names[k];
}

bool
runtime_of(struct text name, enum runtime_kind *out)
{
	for (int k = 0; k < RUNTIME_COUNT; k++) {
		if (text_is(name, runtime_names[k])) {
			*out = (enum runtime_kind)k;
			return true;
		}
	}
	return false;
}

/* ---------------------------------------------------------------- making */

static void
list_add(struct arena *a, struct list *l, void *value)
{
	if (l->count == l->room) {
		size_t room = l->room == 0 ? 4 : l->room * 2;
		void **at = arena_alloc(a, room * sizeof(*at));

		if (l->count != 0)
			memcpy(at, l->at, l->count * sizeof(*at));
		l->at = at;
		l->room = room;
	}
	l->at[l->count++] = value;
}

struct draft *
draft_new(enum catalog_part part)
{
	struct draft *d = mem_new(sizeof(*d));

	d->refs = 1;
	d->kind = part;
	random_bytes(&d->id, sizeof(d->id));
	d->arena = arena_new();
	return d;
}

static void
part_unref(struct draft **d)
{
	if (*d == NULL || --(*d)->refs > 0) {
		*d = NULL;
		return;
	}
	index_free(&(*d)->by_task);
	index_free(&(*d)->by_canonical);
	index_free(&(*d)->by_artifact);
	index_free(&(*d)->by_file);
	index_free(&(*d)->by_files);
	index_free(&(*d)->by_did);
	index_free(&(*d)->by_serial);
	scorebook_free(&(*d)->book);
	arena_free(&(*d)->arena);
	mem_free(*d);
	*d = NULL;
}

void
draft_free(struct draft **d)
{
	part_unref(d);
}

size_t
draft_dropped(const struct draft *d)
{
	return d->dropped;
}

void
draft_task(struct draft *d, const struct catalog_task *t)
{
	struct catalog_task *own = arena_alloc(d->arena, sizeof(*own));

	assert(d->kind == CATALOG_MODELS);
	own->name = arena_string(d->arena, t->name);
	own->path = arena_string(d->arena, t->path);
	own->is_multipart = t->is_multipart;
	list_add(d->arena, &d->tasks, own);
	index_add(&d->by_task, own->name, strlen(own->name), own);
}

void
draft_model(struct draft *d, const struct catalog_model *m)
{
	struct made_model *own = arena_alloc(d->arena, sizeof(*own));

	assert(d->kind == CATALOG_MODELS);
	own->pub = *m;
	own->pub.canonical = arena_string(d->arena, m->canonical);
	own->pub.workspace = arena_string(d->arena, m->workspace);
	own->pub.display_name = arena_string(
	    d->arena, m->display_name != NULL ? m->display_name : "");
	own->pub.tasks = NULL;
	own->pub.task_count = 0;
	own->pub.artifacts = NULL;
	own->pub.artifact_count = 0;
	list_add(d->arena, &d->models, own);
	index_add(&d->by_canonical, own->pub.canonical,
	    strlen(own->pub.canonical), own);
}

static struct made_model *
model_of(struct draft *d, const char *canonical)
{
	struct made_model *m =
	    index_find(d->by_canonical, canonical, strlen(canonical));

	if (m == NULL)
		d->dropped++;
	return m;
}

void
draft_model_task(struct draft *d, const char *canonical, const char *task)
{
	struct made_model *m = model_of(d, canonical);
	struct catalog_task *t;

	if (m == NULL)
		return;
	t = index_find(d->by_task, task, strlen(task));
	if (t == NULL) {
		d->dropped++;
		return;
	}
	list_add(d->arena, &m->tasks, arena_string(d->arena, t->name));
}

void
draft_artifact(
    struct draft *d, const char *canonical, const struct catalog_artifact *x)
{
	struct made_model *m = model_of(d, canonical);
	struct made_artifact *own;

	if (m == NULL)
		return;
	own = arena_alloc(d->arena, sizeof(*own));
	own->pub = *x;
	own->pub.id = arena_string(d->arena, x->id);
	own->pub.quantization = arena_string(d->arena, x->quantization);
	own->pub.model = &m->pub;
	own->pub.files = NULL;
	own->pub.file_count = 0;
	list_add(d->arena, &m->artifacts, &own->pub);
	list_add(d->arena, &d->artifacts, own);
	index_add(&d->by_artifact, own->pub.id, strlen(own->pub.id), own);
}

void
draft_file(struct draft *d, const char *artifact_id, const uint8_t sha256[32])
{
	struct made_artifact *x =
	    index_find(d->by_artifact, artifact_id, strlen(artifact_id));

	if (x == NULL) {
		d->dropped++;
		return;
	}
	list_add(d->arena, &x->files, arena_copy(d->arena, sha256, 32));
}

void
draft_device(struct draft *d, const struct catalog_device *x)
{
	struct catalog_device *own = arena_alloc(d->arena, sizeof(*own));

	assert(d->kind == CATALOG_DEVICES);
	*own = *x;
	own->did = arena_string(d->arena, x->did);
	own->workspace = arena_string(d->arena, x->workspace);
	own->name = arena_string(d->arena, x->name != NULL ? x->name : "");
	index_add(&d->by_did, own->did, strlen(own->did), own);
}

void
draft_revoked_certificate(struct draft *d, const char *serial)
{
	char *own = arena_string(d->arena, serial);

	assert(d->kind == CATALOG_DEVICES);
	index_add(&d->by_serial, own, strlen(own), own);
}

void
draft_score(struct draft *d, const struct catalog_score *x)
{
	struct catalog_score *own = arena_alloc(d->arena, sizeof(*own));
	char key[INDEX_KEY];
	size_t len = index_key(key, x->did, x->task, x->model);

	assert(d->kind == CATALOG_SCORES);
	if (len == 0) {
		d->dropped++;
		return;
	}
	*own = *x;
	own->did = arena_string(d->arena, x->did);
	own->task = arena_string(d->arena, x->task);
	own->model = arena_string(d->arena, x->model);
	own->parts = arena_string(d->arena, x->parts);
	list_add(d->arena, &d->scores, own);
}

void
draft_is_change(struct draft *d)
{
	assert(d->kind == CATALOG_SCORES);
	d->is_change = true;
}

static int
by_hash(const void *a, const void *b)
{
	return memcmp(a, b, 32);
}

static int
by_canonical(const void *a, const void *b)
{
	struct made_model *const *x = a;
	struct made_model *const *y = b;

	return strcmp((*x)->pub.canonical, (*y)->pub.canonical);
}

static void
finish_artifact(struct draft *d, struct made_artifact *x)
{
	uint8_t(*files)[32];
	uint8_t digest[32];

	if (x->files.count == 0)
		return; /* of no files: nothing can match it */
	files = arena_alloc(d->arena, x->files.count * 32);
	for (size_t i = 0; i < x->files.count; i++)
		memcpy(files[i], x->files.at[i], 32);
	qsort(files, x->files.count, 32, by_hash);
	x->pub.file_count = x->files.count;
	x->pub.files = (const void *)files;
	for (size_t i = 0; i < x->files.count; i++) {
		if (i == 0 || by_hash(files[i], files[i - 1]) != 0)
			index_add(&d->by_file, files[i], 32, &x->pub);
	}
	sha256(bytes_of(files, x->files.count * 32), digest);
	index_add(&d->by_files, digest, 32, &x->pub);
}

static void
finish(struct draft *d)
{
	if (d->models.count > 1)
		qsort(d->models.at, d->models.count, sizeof(void *),
		    by_canonical);
	for (size_t i = 0; i < d->models.count; i++) {
		struct made_model *m = d->models.at[i];

		m->pub.tasks = (void *)m->tasks.at;
		m->pub.task_count = m->tasks.count;
		m->pub.artifacts = (void *)m->artifacts.at;
		m->pub.artifact_count = m->artifacts.count;
	}
	for (size_t i = 0; i < d->artifacts.count; i++)
		finish_artifact(d, d->artifacts.at[i]);
}

/* The book has copies of all of them. */
static void
finish_scores(struct draft *d, const struct draft *before)
{
	const void *rows = d->scores.at;

	d->book =
	    scorebook_next(d->is_change && before != NULL ? before->book : NULL,
		rows, d->scores.count);
	d->scores = (struct list){0};
	arena_free(&d->arena);
	d->arena = arena_new();
}

const struct catalog *
catalog_next(const struct catalog *before, struct draft **d)
{
	struct catalog *c = mem_new(sizeof(*c));
	enum catalog_part kind = (*d)->kind;

	finish(*d);
	if (kind == CATALOG_SCORES)
		finish_scores(*d, before == NULL ? NULL : before->part[kind]);
	c->refs = 1;
	for (int i = 0; i < CATALOG_PARTS; i++) {
		if (before == NULL || (int)kind == i)
			continue;
		c->part[i] = before->part[i];
		if (c->part[i] != NULL)
			c->part[i]->refs++;
	}
	c->part[kind] = *d;
	*d = NULL;
	return c;
}

/* A snapshot's own count is the one thing in it that changes. */
static struct catalog *
counted(const struct catalog *c)
{
	union {
		const struct catalog *in;
		struct catalog *out;
	} u = {.in = c};

	return u.out;
}

const struct catalog *
catalog_ref(const struct catalog *c)
{
	if (c != &nothing)
		counted(c)->refs++;
	return c;
}

void
catalog_unref(const struct catalog **c)
{
	struct catalog *x = counted(*c);

	*c = NULL;
	if (x == NULL || x == &nothing || --x->refs > 0)
		return;
	for (int i = 0; i < CATALOG_PARTS; i++)
		part_unref(&x->part[i]);
	mem_free(x);
}

bool
catalog_is_whole(const struct catalog *c)
{
	for (int i = 0; i < CATALOG_PARTS; i++) {
		if (c->part[i] == NULL)
			return false;
	}
	return true;
}

/* --------------------------------------------------------------- reading */

static const struct draft no_part;

static const struct draft *
part(const struct catalog *c, enum catalog_part kind)
{
	return c->part[kind] != NULL ? c->part[kind] : &no_part;
}

uint64_t
catalog_part_id(const struct catalog *c, enum catalog_part kind)
{
	return part(c, kind)->id;
}

const struct catalog_task *
catalog_task_find(const struct catalog *c, struct text name)
{
	return index_find(part(c, CATALOG_MODELS)->by_task, name.at, name.len);
}

size_t
catalog_task_count(const struct catalog *c)
{
	return part(c, CATALOG_MODELS)->tasks.count;
}

const struct catalog_task *
catalog_task_at(const struct catalog *c, size_t i)
{
	const struct draft *d = part(c, CATALOG_MODELS);

	assert(i < d->tasks.count);
	return d->tasks.at[i];
}

bool
catalog_model_is_visible(const struct catalog_model *m, const char *workspace)
{
	return m->workspace == NULL || strcmp(m->workspace, workspace) == 0;
}

const struct catalog_model *
catalog_model_find(
    const struct catalog *c, struct text canonical, const char *workspace)
{
	const struct made_model *m = index_find(
	    part(c, CATALOG_MODELS)->by_canonical, canonical.at, canonical.len);

	if (m == NULL || !catalog_model_is_visible(&m->pub, workspace))
		return NULL;
	return &m->pub;
}

bool
catalog_model_has_task(const struct catalog_model *m, const char *task)
{
	for (size_t i = 0; i < m->task_count; i++) {
		if (strcmp(m->tasks[i], task) == 0)
			return true;
	}
	return false;
}

size_t
catalog_model_count(const struct catalog *c)
{
	return part(c, CATALOG_MODELS)->models.count;
}

const struct catalog_model *
catalog_model_at(const struct catalog *c, size_t i)
{
	const struct draft *d = part(c, CATALOG_MODELS);
	const struct made_model *m;

	assert(i < d->models.count);
	m = d->models.at[i];
	return &m->pub;
}

static const struct catalog_artifact *const *
as_artifacts(void *const *at)
{
	const void *p = at;

	return p;
}

const struct catalog_artifact *const *
catalog_artifacts_of(const struct catalog *c, const uint8_t (*files)[32],
    size_t file_count, size_t *count)
{
	uint8_t digest[32];

	sha256(bytes_of(files, file_count * 32), digest);
	return as_artifacts(
	    index_list(part(c, CATALOG_MODELS)->by_files, digest, 32, count));
}

const struct catalog_artifact *const *
catalog_artifacts_with(
    const struct catalog *c, const uint8_t sha256[32], size_t *count)
{
	return as_artifacts(
	    index_list(part(c, CATALOG_MODELS)->by_file, sha256, 32, count));
}

const struct catalog_device *
catalog_device_find(const struct catalog *c, const char *did)
{
	return index_find(part(c, CATALOG_DEVICES)->by_did, did, strlen(did));
}

bool
catalog_certificate_is_revoked(const struct catalog *c, const char *serial)
{
	const struct draft *d = part(c, CATALOG_DEVICES);

	return index_find(d->by_serial, serial, strlen(serial)) != NULL;
}

const struct catalog_score *
catalog_score_find(const struct catalog *c, const char *did, const char *task,
    const char *model)
{
	return scorebook_find(part(c, CATALOG_SCORES)->book, did, task, model);
}

const struct catalog_score *const *
catalog_scores_of(const struct catalog *c, const char *did, size_t *count)
{
	return scorebook_of(part(c, CATALOG_SCORES)->book, did, count);
}

/* ---------------------------------------------------------------- holding */

struct catalogs {
	const struct catalog *now;
};

struct catalogs *
catalogs_new(void)
{
	struct catalogs *h = mem_new(sizeof(*h));

	h->now = &nothing;
	return h;
}

void
catalogs_free(struct catalogs **h)
{
	if (*h == NULL)
		return;
	catalog_unref(&(*h)->now);
	mem_free(*h);
	*h = NULL;
}

const struct catalog *
catalogs_now(const struct catalogs *h)
{
	return h->now;
}

void
catalogs_set(struct catalogs *h, const struct catalog *c)
{
	catalog_unref(&h->now);
	h->now = c;
}
