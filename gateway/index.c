/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See index.h. uthash does the hashing; its memory comes from base/mem, so
 * that running out of it ends the worker as everywhere else.
 */
#include "gateway/index.h"

#include <string.h>

#include "base/mem.h"

#define uthash_malloc(size) mem_new(size)
#define uthash_free(at, size) mem_free(at)
#include <uthash.h>

struct index {
	UT_hash_handle hh;
	void **at;
	size_t count;
	size_t room;
	char key[];
};

static struct index *
find(const struct index *x, const void *key, size_t len)
{
	struct index *found = NULL;

	HASH_FIND(hh, x, key, len, found);
	return found;
}

void
index_add(struct index **x, const void *key, size_t len, void *value)
{
	struct index *i = find(*x, key, len);

	if (i == NULL) {
		i = mem_new(sizeof(*i) + len);
		memcpy(i->key, key, len);
		HASH_ADD_KEYPTR(hh, *x, i->key, len, i);
	}
	if (i->count == i->room) {
		i->room = i->room == 0 ? 1 : i->room * 2;
		i->at = mem_resize(i->at, i->room * sizeof(*i->at));
	}
	i->at[i->count++] = value;
}

static void
forget(struct index **x, struct index *i)
{
	HASH_DEL(*x, i);
	mem_free(i->at);
	mem_free(i);
}

void
index_remove(struct index **x, const void *key, size_t len, const void *value)
{
	struct index *i = find(*x, key, len);

	if (i == NULL)
		return;
	for (size_t k = 0; k < i->count; k++) {
		if (i->at[k] != value)
			continue;
		i->at[k] = i->at[--i->count];
		break;
	}
	if (i->count == 0)
		forget(x, i);
}

void *const *
index_list(const struct index *x, const void *key, size_t len, size_t *count)
{
	const struct index *i = find(x, key, len);

	*count = i != NULL ? i->count : 0;
	return i != NULL ? i->at : NULL;
}

void *
index_find(const struct index *x, const void *key, size_t len)
{
	size_t count;
	void *const *at = index_list(x, key, len, &count);

	return count != 0 ? at[0] : NULL;
}

size_t
index_count(const struct index *x)
{
	return HASH_COUNT(x);
}

void
index_each(const struct index *x, void (*fn)(void *arg, void *value), void *arg)
{
	for (const struct index *i = x; i != NULL; i = i->hh.next) {
		for (size_t k = 0; k < i->count; k++)
			fn(arg, i->at[k]);
	}
}

void
index_free(struct index **x)
{
	while (*x != NULL)
		forget(x, *x);
}

static bool
put(char key[INDEX_KEY], size_t *at, const char *name)
{
	size_t len = strlen(name) + 1;

	if (len > INDEX_KEY - *at)
		return false;
	memcpy(key + *at, name, len);
	*at += len;
	return true;
}

size_t
index_key(char key[INDEX_KEY], const char *a, const char *b, const char *c)
{
	size_t len = 0;

	if (!put(key, &len, a) || !put(key, &len, b))
		return 0;
	if (c != NULL && !put(key, &len, c))
		return 0;
	return len;
}
