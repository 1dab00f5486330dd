/* SPDX-License-Identifier: Apache-2.0 */
/* One bucket and one count a key. */
#include "gateway/limits.h"

#include <string.h>

#include "base/mem.h"
#include "base/ratelimit.h"

#define uthash_malloc(size) mem_new(size)
#define uthash_free(at, size) mem_free(at)
#include <uthash.h>

#define CONCURRENCY_WAIT_MS 1000

struct row {
	char key[UUID_TEXT];
	int64_t per_minute; /* the bucket was made for */
	int64_t active;
	struct ratelimit rate;
	UT_hash_handle hh;
};

struct limits {
	struct limits_settings settings;
	struct row *rows; /* oldest first */
};

struct limits *
limits_new(const struct limits_settings *s)
{
	struct limits *l = mem_new(sizeof(*l));

	l->settings = *s;
	return l;
}

static void
drop(struct limits *l, struct row *r)
{
	HASH_DEL(l->rows, r);
	mem_free(r);
}

void
limits_free(struct limits **lp)
{
	struct limits *l = *lp;

	if (l == NULL)
		return;
	while (l->rows != NULL)
		drop(l, l->rows);
	mem_free(l);
	*lp = NULL;
}

/* The oldest idle one goes; only so many are looked at. */
static void
make_room(struct limits *l)
{
	struct row *r = l->rows;

	if (HASH_COUNT(l->rows) < l->settings.kept)
		return;
	for (int looked = 0; r != NULL && looked < 16; looked++) {
		if (r->active == 0) {
			drop(l, r);
			return;
		}
		r = r->hh.next;
	}
}

static struct row *
row_of(struct limits *l, const char *key, int64_t per_minute, int64_t now_ms)
{
	struct row *r;

	HASH_FIND_STR(l->rows, key, r);
	if (r == NULL) {
		make_room(l);
		r = mem_new(sizeof(*r));
		memcpy(r->key, key, strlen(key) + 1);
		HASH_ADD_STR(l->rows, key, r);
	}
	if (r->per_minute != per_minute) {
		uint64_t burst = (uint64_t)(per_minute / 6 + 1);

		ratelimit_init(
		    &r->rate, burst, (uint64_t)per_minute, 60000, now_ms);
		r->per_minute = per_minute;
	}
	return r;
}

bool
limits_enter(struct limits *l, const struct principal *p, int64_t now_ms,
    int64_t *wait_ms, struct fault *f)
{
	int64_t per_minute = p->limits.requests_per_minute;
	int64_t most = p->limits.concurrent;
	struct row *r;

	if (per_minute == 0)
		per_minute = l->settings.requests_per_minute;
	if (most == 0)
		most = l->settings.concurrent;
	r = row_of(l, p->key, per_minute, now_ms);
	if (r->active >= most) {
		*wait_ms = CONCURRENCY_WAIT_MS;
		return fault_set(f, FAULT_RATE_LIMITED,
		    "this key has %lld requests under way, its limit",
		    (long long)most);
	}
	if (!ratelimit_take(&r->rate, 1, now_ms)) {
		*wait_ms = ratelimit_wait_ms(&r->rate, 1, now_ms);
		return fault_set(f, FAULT_RATE_LIMITED,
		    "this key may make %lld requests a minute",
		    (long long)per_minute);
	}
	r->active++;
	return true;
}

void
limits_leave(struct limits *l, const char *key)
{
	struct row *r;

	HASH_FIND_STR(l->rows, key, r);
	if (r != NULL && r->active > 0)
		r->active--;
}
