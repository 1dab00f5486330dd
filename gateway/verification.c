/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See verification.h. The library judges; this file brings it what it needs
 * (policy, collateral, what the evidence must be bound to) and keeps what
 * came of it.
 */
#include "gateway/verification.h"

#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "attestation/eip191.h"
#include "attestation/gpu_evidence.h"
#include "attestation/rim_kept.h"
#include "attestation/test_roots.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/json.h"
#include "gateway/attestation_db.h"
#include "gateway/kept.h"
#include "gateway/verdict_count.h"

enum {
	AGAIN_MS = 1000,	     /* after a policy that could not be read */
	OWING_MOST_MS = 60000,	     /* between two tries of rows */
	RENEW_LEAST_MS = 2000,	     /* between two hellos for renewal */
	RENEW_AHEAD_MS = 120000,     /* at most this long before the end */
	SIGNING_KEY = EIP191_ADDRESS /* bytes */
};

/* A row under way to Postgres, and the proof that still owes it if it does
 * not arrive; NULL where that is gone or has said something newer. */
struct writing {
	TAILQ_ENTRY(writing) link;
	struct verifications *all;
	struct proof *proof;
	struct pending *question;
};

struct verifications {
	struct loop *loop;
	struct pg *pg;
	struct collaterals *collaterals;
	const struct anchors *anchors;
#ifdef ASSAY_TEST_BUILD
	struct anchors *test_anchors;
#endif
	struct kept *kept;
	struct rim_kept rims;
	const char *instance;
	struct counters *counters; /* or NULL */
	void (*on_change)(void *arg);
	void *arg;
	struct log log;
	TAILQ_HEAD(, writing) writing;
	struct timer *owing; /* until rows that are owed are tried again */
	int64_t owing_ms;    /* the pause before that; 0: none is owed */
	struct arena *arena; /* of the policy */
	struct policy *policy;
	uint64_t policies; /* how many there were: the number of this one */
	struct pending *loading;
	bool is_dirty; /* changed while it was read */
	struct timer *again;
};

/* ------------------------------------------------------------------- policy */

static void load_policy(struct verifications *v);

static void
on_again(void *arg)
{
	load_policy(arg);
}

static void
take_policy(struct verifications *v, const char *document)
{
	struct policy *old = v->policy;
	struct arena *arena = arena_new();
	struct policy *next = NULL;
	struct fault f;

	if (document != NULL &&
	    !policy_read(arena, text_of(document), &next, &f))
		log_error(&v->log, "policy_unusable", LOG_STR("why", f.why));
	if (old != NULL && next != NULL &&
	    strcmp(old->digest, next->digest) == 0) {
		arena_free(&arena);
		return;
	}
	arena_free(&v->arena);
	v->arena = arena;
	v->policy = next;
	if (old == NULL && next == NULL)
		return;
	v->policies++;
	log_info(&v->log, "policy",
	    LOG_INT("version", next != NULL ? next->version : 0),
	    LOG_STR("digest", next != NULL ? next->digest : "none"));
	v->on_change(v->arg);
}

static void
on_policy(
    void *arg, int64_t version, const char *document, const struct fault *f)
{
	struct verifications *v = arg;
	bool again = v->is_dirty;

	(void)version;
	v->loading = NULL;
	v->is_dirty = false;
	if (f != NULL) {
		/* The last policy goes on; this one is asked for again. */
		timer_start(v->again, AGAIN_MS);
		return;
	}
	take_policy(v, document);
	if (again)
		load_policy(v);
}

static void
load_policy(struct verifications *v)
{
	if (v->loading != NULL) {
		v->is_dirty = true;
		return;
	}
	v->loading = gateway_db_load_policy(v->pg, on_policy, v);
}

void
verifications_policy_changed(struct verifications *v)
{
	load_policy(v);
}

/* ------------------------------------------------------------------ judging */

/* One judging: what it is given, and what comes of it. */
struct verification {
	struct verifications *all;
	struct proof *proof;
	const struct statement *statement;
	const struct session *session;
	struct arena *arena;
	struct verdict verdict;
	struct examination x;
	struct evidence_bound bound;
	uint8_t signing_key[SIGNING_KEY];
	const char *signing_address; /* or NULL */
	enum counted_evidence kind;
};

/* The signing key is the worker's own word; report data must cover it. */
static bool
read_signing_key(struct verification *one, struct fault *f)
{
	const char *address;

	if (!json_get_string_or(one->statement->evidence, "signing_address", 42,
		NULL, &address, FAULT_INVALID, f))
		return false;
	if (address == NULL)
		return true;
	if (!eip191_address_read(text_of(address), one->signing_key, f))
		return false;
	one->signing_address = address;
	one->bound.signing_key = bytes_of(one->signing_key, SIGNING_KEY);
	return true;
}

/* Intel's collateral as it was verified for an earlier verdict, if it still
 * holds; where it does not, the verdict says why from its bytes. */
static void
use_kept(struct verification *one, struct collateral *c)
{
	struct verifications *all = one->all;
	bool fresh;

	c->nvidia = kept_nvidia(all->kept);
	c->rims = &all->rims;
	for (size_t i = 0; i < c->count; i++) {
		const struct collateral_item *item = &c->items[i];

		if (strncmp(item->name, "tdx/tcb/", 8) != 0)
			continue;
		c->tdx = kept_tdx(all->kept, item->name,
		    collaterals_generation(all->collaterals, item->name),
		    item->body, one->x.policy->revocation, &one->verdict,
		    &fresh);
		if (c->tdx != NULL || fresh)
			verdict_count_chain(all->counters, one->kind,
			    fresh ? COUNTED_FULL : COUNTED_KEPT);
		break;
	}
}

/* What is held of the names, as one number: it differs where a piece has come,
 * changed or grown younger. */
static uint64_t
at_hand(const struct verifications *v, const char *const *names, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		struct collateral_item item;

		sum *= 31;
		if (collaterals_peek(v->collaterals, &names[i], 1, &item) == 1)
			sum +=
			    collaterals_generation(v->collaterals, names[i]) *
				UINT64_C(0x9e3779b97f4a7c15) +
			    (uint64_t)item.fetched_at;
	}
	return sum;
}

static void
judge(struct verification *one)
{
	const char *names[EVIDENCE_NEEDS_MAX];
	struct collateral_item items[EVIDENCE_NEEDS_MAX];
	struct collateral collateral = {.items = items};
	struct verdict *v = &one->verdict;
	const json_t *evidence = one->statement->evidence;
	struct fault f = {0};
	size_t count = 0, first;

	proof_need(one->proof, NULL, 0);
	if (!verdict_check_fault(v, read_signing_key(one, &f),
		"binding.signing_key_form", SOURCE_PROVIDER, &f))
		return;
	/* Evidence that cannot be read is refused below, for its reason. */
	if (!evidence_needs(one->arena, evidence, names, &count, &f))
		count = 0;
	collateral.count =
	    collaterals_find(one->all->collaterals, names, count, items);
	use_kept(one, &collateral);
	first = count;
	gpu_manifest_needs(one->arena, &collateral, names, &count);
	collateral.count += collaterals_find(one->all->collaterals,
	    names + first, count - first, items + collateral.count);
	proof_need(one->proof, names, count);
	one->proof->at_hand = at_hand(one->all, names, count);
	one->x.collateral = &collateral;
	evidence_judge(&one->x, evidence, v);
	one->x.collateral = NULL;
}

static const char *
measurement(struct verification *one)
{
	const struct evidence_facts *k = &one->x.facts;
	const uint8_t *parts[] = {
	    k->mrtd, k->rtmr[0], k->rtmr[1], k->rtmr[2], k->rtmr[3]};
	char hex[HEX_SIZE(48)];
	char *out = NULL;

	if (!k->cpu)
		return NULL;
	if (!k->is_tdx)
		return verdict_hex(&one->verdict, bytes_of(k->measurement, 48));
	for (size_t i = 0; i < 5; i++) {
		hex_encode(bytes_of(parts[i], 48), hex);
		out = out == NULL ? arena_string(one->arena, hex)
				  : arena_printf(one->arena, "%s.%s", out, hex);
	}
	return out;
}

static const char *
bound_json(struct verification *one)
{
	char nonce[HEX_SIZE(32)], statement[HEX_SIZE(32)];
	char *spki = arena_alloc(one->arena, BASE64_SIZE(one->proof->spki_len));
	const char *out;
	json_t *j;

	hex_encode(bytes_of(one->proof->nonce, 32), nonce);
	hex_encode(bytes_of(one->statement->digest, 32), statement);
	base64_encode(bytes_of(one->proof->spki, one->proof->spki_len), spki);
	j = json_pack("{s:s, s:s, s:s, s:s, s:s*}", "nonce", nonce, "did",
	    one->session->did, "tls_spki", spki, "statement_sha256", statement,
	    "signing_address", one->signing_address);
	out = json_write(one->arena, j);
	json_free(&j);
	return out;
}

/* Judging is repeatable, so what is owed is made again rather than kept. */
static void
owe(struct verifications *v, struct proof *p)
{
	p->is_owed = true;
	if (timer_is_running(v->owing))
		return;
	v->owing_ms = v->owing_ms == 0 ? AGAIN_MS : 2 * v->owing_ms;
	if (v->owing_ms > OWING_MOST_MS)
		v->owing_ms = OWING_MOST_MS;
	timer_start(v->owing, v->owing_ms);
}

static void
on_owing(void *arg)
{
	struct verifications *v = arg;

	if (pg_is_up(v->pg))
		v->on_change(v->arg);
	else
		timer_start(v->owing, AGAIN_MS);
}

static void
writing_free(struct writing *w)
{
	if (w->proof != NULL)
		w->proof->writer = NULL;
	TAILQ_REMOVE(&w->all->writing, w, link);
	pending_cancel(&w->question);
	mem_free(w);
}

static void
on_written(void *arg, const struct fault *f)
{
	struct writing *w = arg;

	w->question = NULL;
	if (f == NULL)
		w->all->owing_ms = 0;
	else if (w->proof != NULL)
		owe(w->all, w->proof);
	if (f != NULL)
		log_warn(&w->all->log, "verdict_not_written",
		    LOG_STR("code", fault_code(f->kind)),
		    LOG_STR("why", f->why));
	writing_free(w);
}

static void
write_down(
    struct verifications *all, struct proof *p, const struct verdict_row *row)
{
	struct writing *w = mem_new(sizeof(*w));

	if (p->writer != NULL)
		*p->writer = NULL;
	w->all = all;
	w->proof = p;
	p->writer = &w->proof;
	p->is_owed = false;
	TAILQ_INSERT_TAIL(&all->writing, w, link);
	w->question = gateway_db_write_verdict(all->pg, row, on_written, w);
}

static void
write_row(struct verification *one)
{
	const struct verdict *v = &one->verdict;
	json_t *checks = verdict_json(v);
	struct verdict_row row = {.did = one->session->did,
	    .slot = one->session->slot,
	    .session = one->session->id,
	    .judged_at = v->judged_at,
	    .status = one->proof->status,
	    .reason = one->proof->reason,
	    .failed = v->failed,
	    .why = v->why,
	    .renew_by = v->renew_by,
	    .measurement = measurement(one),
	    .signing_address = one->proof->signing_address[0] != '\0'
				   ? one->proof->signing_address
				   : NULL,
	    .policy_digest = one->x.policy->digest,
	    .checks = json_write(one->arena, checks),
	    .bound = bound_json(one),
	    .evidence = json_write(one->arena, one->statement->evidence),
	    .instance = one->all->instance};
	uint8_t random[10];
	char id[UUID_TEXT];

	random_bytes(random, sizeof(random));
	uuid_v7(v->judged_at, random, id);
	row.id = id;
	write_down(one->all, one->proof, &row);
	json_free(&checks);
}

static void
log_verdict(struct verification *one)
{
	const struct verdict *v = &one->verdict;

	log_info(&one->all->log, "verdict", LOG_STR("did", one->session->did),
	    LOG_INT("slot", one->session->slot),
	    LOG_STR("status", one->proof->status),
	    LOG_STR("reason", one->proof->reason),
	    LOG_STR("check", v->failed != NULL ? v->failed : ""),
	    LOG_STR("why", v->why != NULL ? v->why : ""),
	    LOG_INT("renew_in_s", (v->renew_by - v->judged_at) / 1000));
}

/* Says once what is new; the same verdict on the same evidence is no news. It
 * is owed to Postgres until it is there. */
static void
tell(struct verification *one)
{
	char nonce[HEX_SIZE(8)], said[sizeof(one->proof->told)];

	hex_encode(bytes_of(one->proof->nonce, 8), nonce);
	snprintf(said, sizeof(said), "%s %s %.64s %s %lld", one->proof->status,
	    one->proof->reason, one->x.policy->digest, nonce,
	    (long long)one->proof->until);
	if (strcmp(said, one->proof->told) != 0) {
		memcpy(one->proof->told, said, sizeof(said));
		one->proof->is_owed = true;
		log_verdict(one);
	}
	if (!one->proof->is_owed)
		return;
	if (pg_is_up(one->all->pg))
		write_row(one);
	else
		owe(one->all, one->proof);
}

/* A verdict is asked for again in good time before it ends: after three
 * quarters of its life, or two minutes before its end, what is later. */
static int64_t
renewal(int64_t now_ms, int64_t until)
{
	int64_t life = until - now_ms;
	int64_t ahead = life / 4 < RENEW_AHEAD_MS ? life / 4 : RENEW_AHEAD_MS;
	int64_t at = until - ahead;

	return at < now_ms + RENEW_LEAST_MS ? now_ms + RENEW_LEAST_MS : at;
}

/* Without report data of a verified machine nothing ties the key, or what was
 * measured, to this tunnel: both are then the provider's word alone. */
static bool
is_bound(const struct verification *one)
{
	const struct claim *c =
	    verdict_find(&one->verdict, "binding.report_data");

	return one->x.facts.cpu && one->verdict.outcome == VERDICT_VERIFIED &&
	       c != NULL && c->result == CLAIM_ASSERTED;
}

/* SHA-256 over MRTD and RTMR0-3, or over SNP's MEASUREMENT, in turn. */
static void
tell_bound(struct verification *one, struct proof *p)
{
	const struct evidence_facts *k = &one->x.facts;
	struct bytes parts[5] = {bytes_of(k->mrtd, 48)};
	char hex[HEX_SIZE(32)];
	uint8_t digest[32];

	if (!is_bound(one))
		return;
	if (one->signing_address != NULL)
		eip191_address_write(one->signing_key, p->signing_address);
	for (size_t i = 0; i < 4; i++)
		parts[i + 1] = bytes_of(k->rtmr[i], 48);
	if (!k->is_tdx)
		parts[0] = bytes_of(k->measurement, 48);
	sha256_parts(parts, k->is_tdx ? 5 : 1, digest);
	hex_encode(bytes_of(digest, 32), hex);
	snprintf(p->image_digest, sizeof(p->image_digest), "sha256:%s", hex);
}

static void
settle(struct verification *one)
{
	struct verdict *v = &one->verdict;
	struct proof *p = one->proof;

	/* Judged again later, evidence does not become younger. */
	verdict_until(v, p->heard_at + one->x.policy->max_verdict_age_s * 1000);
	if (v->outcome == VERDICT_VERIFIED && v->renew_by <= v->judged_at) {
		proof_conclude(p, "refused", verdict_code_name(CODE_STALE));
	} else if (v->outcome == VERDICT_VERIFIED) {
		proof_conclude(p, "verified", verdict_code_name(CODE_OK));
		tell_bound(one, p);
		p->until = v->renew_by;
		p->renew_at = renewal(v->judged_at, v->renew_by);
	} else {
		proof_conclude(p,
		    v->outcome == VERDICT_FAILED ? "refused" : "error",
		    verdict_code_name(v->code));
	}
}

bool
verification_lapse(const struct verifications *v, struct proof *p)
{
	if (v == NULL || p->status == NULL || p->policy == v->policies ||
	    strcmp(p->status, "none") == 0)
		return false;
	proof_conclude(p, "none", "policy_changed");
	return true;
}

bool
verification_is_due(const struct verifications *v, const struct proof *p)
{
	const char *names[EVIDENCE_NEEDS_MAX];
	size_t count;

	if (v == NULL || p->status == NULL)
		return false;
	if (p->policy != v->policies || (p->is_owed && pg_is_up(v->pg)))
		return true;
	count = proof_needs(p, names, EVIDENCE_NEEDS_MAX);
	return v->policy != NULL && at_hand(v, names, count) != p->at_hand;
}

void
verification_judge(struct verifications *all, struct proof *p,
    const struct statement *st, const struct session *s)
{
	struct verification one = {
	    .all = all, .proof = p, .statement = st, .session = s};
	int64_t began_us = clock_thread_us();

	p->policy = all != NULL ? all->policies : 0;
	if (st->evidence == NULL) {
		proof_conclude(p, "none", "no_evidence");
		return;
	}
	if (all == NULL || all->policy == NULL) {
		proof_conclude(p, "none", "no_policy");
		return;
	}
	one.arena = arena_new();
	one.kind = verdict_kind(st->evidence);
	one.bound = (struct evidence_bound){.nonce = bytes_of(p->nonce, 32),
	    .did = text_of(s->did),
	    .tls_spki = bytes_of(p->spki, p->spki_len),
	    .statement_sha256 = bytes_of(st->digest, 32)};
	one.x = (struct examination){.policy = all->policy,
	    .anchors = all->anchors,
	    .bound = &one.bound,
	    .bindings = &all->policy->bindings,
	    .now_ms = clock_unix_ms()};
	verdict_init(&one.verdict, one.arena, one.x.now_ms);
	judge(&one);
	verdict_count(all->counters, one.kind, &one.verdict,
	    clock_thread_us() - began_us);
	settle(&one);
	tell(&one);
	arena_free(&one.arena);
}

struct verification_means
verification_means(const struct verifications *v)
{
	struct verification_means out = {0};

	if (v != NULL)
		out = (struct verification_means){
		    v->policy, v->anchors, v->collaterals};
	return out;
}

/* --------------------------------------------------------------------- life */

static void
on_collateral(void *arg)
{
	struct verifications *v = arg;

	v->on_change(v->arg);
}

static enum genuine
is_genuine(void *arg, const char *name, struct bytes body, struct fault *f)
{
	struct verifications *v = arg;

	return kept_judge(v->kept, name, body, clock_unix_ms(), f);
}

#ifdef ASSAY_TEST_BUILD
static bool
trust_test_roots(struct verifications *v, const char *path, struct fault *f)
{
	char *pem;
	size_t len;
	bool ok;

	if (path == NULL)
		return true;
	if (!file_read(path, CHAIN_PEM_MAX, &pem, &len, f))
		return false;
	ok = test_roots_read((struct text){pem, len}, &v->test_anchors, f);
	mem_free(pem);
	if (!ok)
		return false;
	v->anchors = v->test_anchors;
	log_warn(&v->log, "test_root_trusted", LOG_STR("path", path));
	return true;
}
#endif

bool
verifications_new(struct loop *l, struct pg *pg, struct fetch *fetch,
    const struct verifications_settings *s,
    const struct collaterals_settings *c, void (*on_change)(void *arg),
    void *arg, const struct log *log, struct verifications **out,
    struct fault *f)
{
	struct verifications *v = mem_new(sizeof(*v));
	struct collaterals_settings own = *c;

	v->loop = l;
	v->pg = pg;
	v->anchors = anchors_pinned();
	v->instance = s->instance;
	v->counters = s->counters;
	v->on_change = on_change;
	v->arg = arg;
	v->log = *log;
	TAILQ_INIT(&v->writing);
	v->again = timer_new(l, on_again, v);
	v->owing = timer_new(l, on_owing, v);
	own.is_genuine = is_genuine;
	v->collaterals =
	    collaterals_new(l, pg, fetch, &own, on_collateral, v, log);
	*out = v;
#ifdef ASSAY_TEST_BUILD
	if (!trust_test_roots(v, s->test_root, f)) {
		verifications_free(out);
		return false;
	}
#else
	(void)f;
#endif
	v->kept = kept_new(v->anchors);
	return true;
}

void
verifications_free(struct verifications **vp)
{
	struct verifications *v = *vp;

	if (v == NULL)
		return;
	pending_cancel(&v->loading);
	while (!TAILQ_EMPTY(&v->writing))
		writing_free(TAILQ_FIRST(&v->writing));
	timer_free(&v->again);
	timer_free(&v->owing);
	collaterals_free(&v->collaterals);
	kept_free(&v->kept);
	rim_kept_clear(&v->rims);
	arena_free(&v->arena);
#ifdef ASSAY_TEST_BUILD
	anchors_test_free(&v->test_anchors);
#endif
	mem_free(v);
	*vp = NULL;
}
