/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credential -> principal, through a bounded memory of keys by their digest.
 * The key itself is hashed and forgotten; it is in no log and no fault.
 */
#include "gateway/buyer.h"

#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "gateway/gateway_db.h"

#define uthash_malloc(size) mem_new(size)
#define uthash_free(at, size) mem_free(at)
#include <uthash.h>

#define KEY_PREFIX "lv_live_"
#define KEY_MAX 128 /* characters after the prefix */

struct kept {
	uint8_t sha256[32];
	bool is_there;
	bool is_doubted;
	struct key_row row;
	int64_t asked_ms; /* clock_mono_ms */
	UT_hash_handle hh;
};

struct buyers {
	struct loop *loop;
	struct pg *pg;
	struct buyers_settings settings;
	struct kept *kept; /* oldest first */
};

struct question {
	struct pending pending; /* first member */
	struct pending *inner;
	struct buyers *buyers;
	uint8_t sha256[32];
	bool is_refused; /* the fault is the answer */
	struct fault fault;
	struct key_row row;
	void (*fn)(void *arg, const struct principal *p, const struct fault *f);
	void *arg;
};

/* ------------------------------------------------------------- credential */

static bool
is_base62(struct text t)
{
	for (size_t i = 0; i < t.len; i++) {
		char c = t.at[i];

		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
			(c >= 'a' && c <= 'z')))
			return false;
	}
	return t.len > 0;
}

static bool
check_shape(const char *key, struct fault *f)
{
	struct text rest;

	if (strchr(key, '.') != NULL)
		return fault_set(f, FAULT_INVALID_CREDENTIAL,
		    "that is a token, not an API key of this gateway");
	if (!text_starts_with(text_of(key), KEY_PREFIX))
		return fault_set(f, FAULT_INVALID_CREDENTIAL,
		    "an API key begins with " KEY_PREFIX);
	rest = text_of(key + strlen(KEY_PREFIX));
	if (rest.len > KEY_MAX || !is_base62(rest))
		return fault_set(f, FAULT_INVALID_CREDENTIAL,
		    "that is not the form of an API key");
	return true;
}

bool
credential_read(const struct http_fields *fs, const char **out, struct fault *f)
{
	const char *bearer = http_fields_find(fs, "authorization");
	const char *key = http_fields_find(fs, "x-api-key");

	if (http_fields_count(fs, "authorization") > 1 ||
	    http_fields_count(fs, "x-api-key") > 1)
		return fault_set(f, FAULT_INVALID_CREDENTIAL,
		    "the request carries several credentials");
	if (bearer != NULL) {
		if (strncasecmp(bearer, "Bearer ", 7) != 0)
			return fault_set(f, FAULT_INVALID_CREDENTIAL,
			    "Authorization must be Bearer <api key>");
		bearer += 7 + strspn(bearer + 7, " ");
	}
	if (bearer != NULL && key != NULL && strcmp(bearer, key) != 0)
		return fault_set(f, FAULT_INVALID_CREDENTIAL,
		    "Authorization and x-api-key differ");
	*out = bearer != NULL ? bearer : key;
	if (*out == NULL)
		return fault_set(f, FAULT_INVALID_CREDENTIAL,
		    "no credential: send Authorization: Bearer <api key>");
	return check_shape(*out, f);
}

/* ----------------------------------------------------------------- memory */

static struct kept *
kept_find(const struct buyers *b, const uint8_t sha256[32])
{
	struct kept *k;

	HASH_FIND(hh, b->kept, sha256, 32, k);
	return k;
}

static void
kept_drop(struct buyers *b, struct kept *k)
{
	HASH_DEL(b->kept, k);
	mem_free(k);
}

static void
keep(struct buyers *b, const uint8_t sha256[32], const struct key_row *row)
{
	struct kept *k = kept_find(b, sha256);

	if (k != NULL)
		kept_drop(b, k);
	else if (HASH_COUNT(b->kept) >= b->settings.kept)
		kept_drop(b, b->kept);
	k = mem_new(sizeof(*k));
	memcpy(k->sha256, sha256, 32);
	k->is_there = row != NULL;
	if (row != NULL)
		k->row = *row;
	k->asked_ms = clock_mono_ms();
	HASH_ADD(hh, b->kept, sha256, 32, k);
}

static bool
kept_is_fresh(const struct buyers *b, const struct kept *k)
{
	int64_t age = clock_mono_ms() - k->asked_ms;

	return !k->is_doubted && age < (k->is_there ? b->settings.fresh_ms
						    : b->settings.absent_ms);
}

struct buyers *
buyers_new(struct loop *l, struct pg *pg, const struct buyers_settings *s)
{
	struct buyers *b = mem_new(sizeof(*b));

	b->loop = l;
	b->pg = pg;
	b->settings = *s;
	return b;
}

void
buyers_free(struct buyers **bp)
{
	struct buyers *b = *bp;

	if (b == NULL)
		return;
	while (b->kept != NULL)
		kept_drop(b, b->kept);
	mem_free(b);
	*bp = NULL;
}

void
buyers_doubt(struct buyers *b)
{
	for (struct kept *k = b->kept; k != NULL; k = k->hh.next)
		k->is_doubted = true;
}

/* --------------------------------------------------------------- question */

static void
question_free(struct question *q)
{
	pending_cancel(&q->inner);
	mem_free(q);
}

static void
on_cancel(struct pending *p)
{
	question_free((struct question *)(void *)p);
}

static bool
judge(const struct key_row *row, struct fault *f)
{
	if (row->is_revoked)
		return fault_set(
		    f, FAULT_REVOKED_GRANT, "this API key was revoked");
	if (row->is_suspended)
		return fault_set(f, FAULT_REVOKED_GRANT,
		    "the account or workspace of this API key is suspended");
	if (row->principal.expires_at != 0 &&
	    row->principal.expires_at <= clock_unix_ms())
		return fault_set(
		    f, FAULT_EXPIRED_CREDENTIAL, "this API key has expired");
	return true;
}

static void
answer(struct question *q)
{
	bool ok = !q->is_refused && judge(&q->row, &q->fault);

	q->fn(q->arg, ok ? &q->row.principal : NULL, ok ? NULL : &q->fault);
	question_free(q);
}

static void
on_known(void *arg)
{
	struct question *q = arg;

	q->inner = NULL;
	answer(q);
}

static void
refuse(struct question *q, enum fault_kind kind, const char *why)
{
	q->is_refused = true;
	fault_set(&q->fault, kind, "%s", why);
}

static void
no_such_key(struct question *q)
{
	refuse(q, FAULT_INVALID_CREDENTIAL, "this API key is not known");
}

static void
on_row(void *arg, const struct key_row *row, const struct fault *f)
{
	struct question *q = arg;
	const struct kept *k;

	q->inner = NULL;
	if (f == NULL) {
		keep(q->buyers, q->sha256, row);
		if (row == NULL)
			no_such_key(q);
		else
			q->row = *row;
	} else if ((k = kept_find(q->buyers, q->sha256)) != NULL &&
		   k->is_there) {
		q->row = k->row;
	} else {
		refuse(q, FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE, f->why);
	}
	answer(q);
}

/* True: the answer is known without asking Postgres. */
static bool
is_known(struct question *q, const struct http_fields *fs)
{
	struct buyers *b = q->buyers;
	const char *credential;
	const struct kept *k;

	if (!credential_read(fs, &credential, &q->fault)) {
		q->is_refused = true;
		return true;
	}
	sha256(bytes_of(credential, strlen(credential)), q->sha256);
	k = kept_find(b, q->sha256);
	if (k == NULL || !kept_is_fresh(b, k)) {
		if (pg_is_up(b->pg))
			return false;
		if (k == NULL || !k->is_there) {
			refuse(q, FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE,
			    "Postgres is away and this key is not in memory");
			return true;
		}
	}
	if (k->is_there)
		q->row = k->row;
	else
		no_such_key(q);
	return true;
}

struct pending *
buyer_ask(struct buyers *b, const struct http_fields *fs,
    void (*fn)(void *arg, const struct principal *p, const struct fault *f),
    void *arg)
{
	struct question *q = mem_new(sizeof(*q));

	q->pending.cancel = on_cancel;
	q->buyers = b;
	q->fn = fn;
	q->arg = arg;
	q->inner = is_known(q, fs)
		       ? loop_defer(b->loop, on_known, q)
		       : gateway_db_find_key(b->pg, q->sha256, on_row, q);
	return &q->pending;
}
