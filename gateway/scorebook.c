/* SPDX-License-Identifier: Apache-2.0 */
/* See scorebook.h. A shard is written once, when its book is made; it lives
 * as long as any book that has it. */
#include "gateway/scorebook.h"

#include <string.h>

#include "gateway/index.h"

enum { SHARDS = 512 };

struct shard {
	unsigned refs;
	struct arena *arena;
	struct index *by_pair; /* did, task, model -> score */
	struct index *by_did;
};

struct scorebook {
	struct shard *at[SHARDS];
};

/* FNV-1a: evenly, and the same in every book. */
static size_t
shard_of(const char *did)
{
	uint32_t hash = 2166136261u;

	for (; *did != '\0'; did++)
		hash = (hash ^ (uint8_t)*did) * 16777619u;
	return (hash ^ hash >> 16) % SHARDS;
}

static void
shard_unref(struct shard **sp)
{
	struct shard *s = *sp;

	*sp = NULL;
	if (s == NULL || --s->refs > 0)
		return;
	index_free(&s->by_pair);
	index_free(&s->by_did);
	arena_free(&s->arena);
	mem_free(s);
}

/* The first one of a pair that is put holds. */
static void
put(struct shard *s, const struct catalog_score *x)
{
	char key[INDEX_KEY];
	size_t len = index_key(key, x->did, x->task, x->model);
	struct catalog_score *own;

	if (len == 0 || index_find(s->by_pair, key, len) != NULL)
		return;
	own = arena_alloc(s->arena, sizeof(*own));
	*own = *x;
	own->did = arena_string(s->arena, x->did);
	own->task = arena_string(s->arena, x->task);
	own->model = arena_string(s->arena, x->model);
	own->parts = arena_string(s->arena, x->parts);
	index_add(&s->by_pair, key, len, own);
	index_add(&s->by_did, own->did, strlen(own->did), own);
}

static void
put_old(void *arg, void *value)
{
	put(arg, value);
}

/* A book's own shard, new; what the old one had follows in close_shards. */
static struct shard *
own_shard(struct scorebook *b, const struct scorebook *before, size_t at)
{
	struct shard *s = b->at[at];

	if (s != NULL && (before == NULL || s != before->at[at]))
		return s;
	shard_unref(&b->at[at]);
	s = mem_new(sizeof(*s));
	s->refs = 1;
	s->arena = arena_new();
	b->at[at] = s;
	return s;
}

static void
close_shards(struct scorebook *b, const struct scorebook *before)
{
	for (size_t i = 0; before != NULL && i < SHARDS; i++) {
		if (before->at[i] != NULL && before->at[i] != b->at[i])
			index_each(before->at[i]->by_pair, put_old, b->at[i]);
	}
}

struct scorebook *
scorebook_next(const struct scorebook *before,
    const struct catalog_score *const *rows, size_t count)
{
	struct scorebook *b = mem_new(sizeof(*b));

	for (size_t i = 0; before != NULL && i < SHARDS; i++) {
		b->at[i] = before->at[i];
		if (b->at[i] != NULL)
			b->at[i]->refs++;
	}
	for (size_t i = count; i > 0; i--) {
		const struct catalog_score *x = rows[i - 1];

		put(own_shard(b, before, shard_of(x->did)), x);
	}
	close_shards(b, before);
	return b;
}

void
scorebook_free(struct scorebook **b)
{
	if (*b == NULL)
		return;
	for (size_t i = 0; i < SHARDS; i++)
		shard_unref(&(*b)->at[i]);
	mem_free(*b);
	*b = NULL;
}

const struct catalog_score *
scorebook_find(const struct scorebook *b, const char *did, const char *task,
    const char *model)
{
	const struct shard *s = b != NULL ? b->at[shard_of(did)] : NULL;
	char key[INDEX_KEY];
	size_t len = index_key(key, did, task, model);

	return s != NULL && len > 0 ? index_find(s->by_pair, key, len) : NULL;
}

const struct catalog_score *const *
scorebook_of(const struct scorebook *b, const char *did, size_t *count)
{
	const struct shard *s = b != NULL ? b->at[shard_of(did)] : NULL;
	const void *at = NULL;

	*count = 0;
	if (s != NULL)
		at = index_list(s->by_did, did, strlen(did), count);
	return at;
}
