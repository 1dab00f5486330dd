/* SPDX-License-Identifier: Apache-2.0 */
/* See rim_kept.h. A few drivers at a time: the oldest entry makes room. */
#include "attestation/rim_kept.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"

static void
entry_clear(struct rim_kept_entry *e)
{
	arena_free(&e->arena);
	chain_free(&e->signer);
	memset(e, 0, sizeof(*e));
}

void
rim_kept_clear(struct rim_kept *k)
{
	for (size_t i = 0; i < RIM_KEPT_MAX; i++)
		entry_clear(&k->at[i]);
	memset(k, 0, sizeof(*k));
}

static struct rim *
copy(struct arena *a, const struct rim *from)
{
	struct rim *to = arena_alloc(a, sizeof(*to));

	*to = *from;
	for (size_t i = 0; i <= RIM_INDEX_MAX; i++) {
		struct rim_entry *e = &to->entry[i];
		size_t len = e->alternatives * sizeof(*e->value);
		uint8_t(*value)[RIM_DIGEST];

		if (e->value == NULL)
			continue;
		value = arena_alloc(a, len);
		memcpy(value, from->entry[i].value, len);
		e->value = (const uint8_t(*)[RIM_DIGEST])value;
	}
	return to;
}

/* --------------------------------------------------------------- revocation */

static bool
is_about(const struct rim_kept_entry *e, const char *name)
{
	for (size_t i = 0; i < e->signer.count; i++)
		if (e->names[i] != NULL && strcmp(e->names[i], name) == 0)
			return true;
	return false;
}

/* Each piece by its own digest, so that none can pass for another's part. */
static void
add(EVP_MD_CTX *c, struct bytes b)
{
	uint8_t one[32];

	sha256(b, one);
	if (EVP_DigestUpdate(c, one, sizeof(one)) != 1)
		abort();
}

/* Every list, and the answers about this chain: others are of devices. */
static void
digest(const struct revocation *r, uint8_t out[32])
{
	const uint64_t rules[] = {r->count, r->answer_count,
	    (uint64_t)r->answer_age_s, (uint64_t)r->list_age_s, r->levels,
	    r->required, r->allow_hold};
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	if (c == NULL || EVP_DigestInit_ex(c, EVP_sha256(), NULL) != 1)
		abort();
	add(c, bytes_of(rules, sizeof(rules)));
	for (size_t i = 0; i < r->count; i++)
		add(c, r->lists[i]);
	if (r->list_ends != NULL)
		add(c, bytes_of(r->list_ends, r->count * sizeof(int64_t)));
	for (size_t i = 0; i < r->answer_count; i++) {
		const char *name = r->answers[i].name;

		add(c, bytes_of(name, strlen(name)));
		add(c, r->answers[i].body);
	}
	if (EVP_DigestFinal_ex(c, out, NULL) != 1)
		abort();
	EVP_MD_CTX_free(c);
}

/* Whether the signer stands unrevoked now, as far as is asked for. */
static bool
stands(struct rim_kept_entry *e, const struct rim_rules *r)
{
	struct revocation_answer answers[CHAIN_MAX];
	struct revocation own;
	const struct rim_rules rules = {r->anchors, &own, r->now_ms};
	uint8_t asked[32];
	struct fault f;

	if (r->revocation == NULL) {
		e->rim->window = e->rim->signer;
		e->rim->covered = false;
		memset(e->asked, 0, sizeof(e->asked));
		return true;
	}
	own = *r->revocation;
	own.answers = answers;
	own.answer_count = 0;
	for (size_t i = 0; i < r->revocation->answer_count; i++)
		if (is_about(e, r->revocation->answers[i].name) &&
		    own.answer_count < CHAIN_MAX)
			answers[own.answer_count++] = r->revocation->answers[i];
	digest(&own, asked);
	if (memcmp(asked, e->asked, sizeof(asked)) == 0 &&
	    window_holds(e->rim->window, r->now_ms))
		return true;
	memset(e->asked, 0, sizeof(e->asked));
	if (!rim_signer_ask(&e->signer, &rules, e->rim, &f))
		return false;
	memcpy(e->asked, asked, sizeof(asked));
	return true;
}

/* ------------------------------------------------------------------ entries */

static struct rim_kept_entry *
find(struct rim_kept *k, const uint8_t body[32])
{
	for (size_t i = 0; i < RIM_KEPT_MAX; i++)
		if (k->at[i].arena != NULL &&
		    memcmp(k->at[i].body, body, 32) == 0)
			return &k->at[i];
	return NULL;
}

struct rim *
rim_kept_find(struct rim_kept *k, struct bytes body, const struct rim_rules *r,
    struct arena *a)
{
	struct rim_kept_entry *e;
	uint8_t name[32];

	sha256(body, name);
	e = find(k, name);
	if (e == NULL || !window_holds(e->rim->signer, r->now_ms) ||
	    !stands(e, r))
		return NULL;
	return copy(a, e->rim);
}

const struct chain *
rim_kept_signer(struct rim_kept *k, struct bytes body)
{
	struct rim_kept_entry *e;
	uint8_t name[32];

	sha256(body, name);
	e = find(k, name);
	return e != NULL ? &e->signer : NULL;
}

void
rim_kept_add(struct rim_kept *k, struct bytes body, const struct rim *rim,
    const struct chain *signer)
{
	struct rim_kept_entry *e;
	uint8_t name[32];

	sha256(body, name);
	e = find(k, name);
	if (e == NULL) {
		e = &k->at[k->next];
		k->next = (k->next + 1) % RIM_KEPT_MAX;
	}
	entry_clear(e);
	memcpy(e->body, name, sizeof(name));
	e->arena = arena_new();
	e->rim = copy(e->arena, rim);
	for (size_t i = 0; i < signer->count; i++)
		chain_add(&e->signer, signer->at[i]);
	for (size_t i = 0; i + 1 < signer->count; i++)
		e->names[i] =
		    ocsp_name(e->arena, signer->at[i], signer->at[i + 1]);
}
