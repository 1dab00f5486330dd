/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Used names in a hash of open slots beside a queue by age. Names live for
 * about the same time, so the expired are found at the queue's front; one
 * that lives longer keeps those behind it a little longer, never shorter.
 */
#include "auth/replay.h"

#include <assert.h>
#include <string.h>

#include "base/crypto.h"
#include "base/mem.h"

#define NAME_MAX_ 64

struct used {
	char name[NAME_MAX_];
	int64_t expires_at_ms;
	size_t next; /* in its bucket; room: none */
};

struct replay {
	size_t room;
	size_t first; /* of the queue, a ring */
	size_t count;
	size_t mask;
	uint64_t seed;
	size_t *buckets;
	struct used *ring;
};

struct replay *
replay_new(size_t room)
{
	struct replay *r = mem_new(sizeof *r);
	size_t buckets = 16;

	assert(room > 0);
	while (buckets < room * 2)
		buckets *= 2;
	r->room = room;
	r->mask = buckets - 1;
	r->buckets = mem_array(buckets, sizeof *r->buckets);
	r->ring = mem_array(room, sizeof *r->ring);
	for (size_t i = 0; i < buckets; i++)
		r->buckets[i] = room;
	random_bytes(&r->seed, sizeof r->seed);
	return r;
}

/* FNV-1a from a secret start; names are chosen by those who mint, and a
 * provider's minter is trusted, so this need only be unguessed. */
static size_t *
bucket_of(const struct replay *r, const char *name)
{
	uint64_t h = r->seed;

	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * 1099511628211U;
	return &r->buckets[(h ^ (h >> 32)) & r->mask];
}

static void
forget_oldest(struct replay *r)
{
	size_t *at = bucket_of(r, r->ring[r->first].name);

	while (*at != r->first)
		at = &r->ring[*at].next;
	*at = r->ring[r->first].next;
	r->first = (r->first + 1) % r->room;
	r->count--;
}

static bool
is_used(const struct replay *r, const char *name)
{
	for (size_t i = *bucket_of(r, name); i != r->room; i = r->ring[i].next)
		if (strcmp(r->ring[i].name, name) == 0)
			return true;
	return false;
}

bool
replay_use(struct replay *r, const char *name, int64_t expires_at_ms,
    int64_t now_ms, struct fault *f)
{
	size_t len = strlen(name), slot, *bucket;

	assert(len > 0 && len < NAME_MAX_);
	while (r->count > 0 && r->ring[r->first].expires_at_ms < now_ms)
		forget_oldest(r);
	if (is_used(r, name))
		return fault_set(
		    f, FAULT_TOKEN_REPLAYED, "token %s was used before", name);
	if (r->count == r->room)
		return fault_set(f, FAULT_OVERLOADED,
		    "%zu tokens in their lifetime: no room to remember one "
		    "more",
		    r->count);
	slot = (r->first + r->count) % r->room;
	bucket = bucket_of(r, name);
	memcpy(r->ring[slot].name, name, len + 1);
	r->ring[slot].expires_at_ms = expires_at_ms;
	r->ring[slot].next = *bucket;
	*bucket = slot;
	r->count++;
	return true;
}

size_t
replay_count(const struct replay *r)
{
	return r->count;
}

void
replay_free(struct replay **r)
{
	if (*r == NULL)
		return;
	mem_free((*r)->buckets);
	mem_free((*r)->ring);
	mem_free(*r);
	*r = NULL;
}
