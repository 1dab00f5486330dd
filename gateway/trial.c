/* SPDX-License-Identifier: Apache-2.0 */
/* See trial.h. */
#include "gateway/trial.h"

#include "attestation/eip191.h"
#include "attestation/gpu_evidence.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/json.h"
#include "base/text.h"

enum { SIGNING_KEY = EIP191_ADDRESS /* bytes */ };

static bool
report_hex(struct arena *a, const json_t *j, const char *name,
    struct bytes *out, struct fault *f)
{
	const char *hex;
	uint8_t *at = arena_alloc(a, 32);
	size_t len;

	if (!json_get_string_or(
		j, name, 64, NULL, &hex, FAULT_INVALID_REQUEST, f))
		return false;
	if (hex == NULL)
		return true;
	if (!hex_decode(text_of(hex), at, 32, &len) || len != 32)
		return fault_set(f, FAULT_INVALID_REQUEST,
		    "bound.%s is not 32 bytes in hex", name);
	*out = bytes_of(at, 32);
	return true;
}

static bool
report_bound(struct arena *a, const json_t *j, struct evidence_bound *out,
    struct fault *f)
{
	uint8_t *key = arena_alloc(a, SIGNING_KEY);
	const char *did, *address;

	if (!report_hex(a, j, "nonce", &out->nonce, f) ||
	    !report_hex(a, j, "statement_sha256", &out->statement_sha256, f) ||
	    !json_get_string_or(
		j, "did", 200, "", &did, FAULT_INVALID_REQUEST, f) ||
	    !json_get_string_or(j, "signing_address", 42, NULL, &address,
		FAULT_INVALID_REQUEST, f) ||
	    (json_object_get(j, "tls_spki") != NULL &&
		!evidence_member(a, j, "tls_spki", 2048, &out->tls_spki, f)) ||
	    (address != NULL &&
		!eip191_address_read(text_of(address), key, f))) {
		f->kind = FAULT_INVALID_REQUEST;
		return false;
	}
	out->did = text_of(did);
	if (address != NULL)
		out->signing_key = bytes_of(key, SIGNING_KEY);
	return true;
}

static bool
report_policy(const struct verification_means *m, const json_t *given,
    struct arena *a, const struct policy **out, struct fault *f)
{
	struct policy *own = NULL;

	*out = m->policy;
	if (given != NULL) {
		if (!policy_of_json(a, given, &own, f)) {
			f->kind = FAULT_INVALID_REQUEST;
			return false;
		}
		*out = own;
	}
	return (*out != NULL && m->collaterals != NULL) ||
	       fault_set(f, FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE,
		   "no policy is active here; send one along");
}

struct trial {
	struct arena *arena;
	const json_t *evidence;
	struct examination x;
	struct evidence_bound bound;
	struct collateral collateral;
	struct collateral_item items[EVIDENCE_NEEDS_MAX];
};

/* What is held of all that the evidence needs, and the manifests with it. */
static size_t
peek(const struct verification_means *m, const json_t *evidence,
    struct arena *a, struct collateral_item items[EVIDENCE_NEEDS_MAX])
{
	const char *names[EVIDENCE_NEEDS_MAX];
	struct collateral held = {.items = items};
	size_t count = 0, first;
	struct fault none;

	if (!evidence_needs(a, evidence, names, &count, &none))
		return 0;
	held.count = collaterals_peek(m->collaterals, names, count, items);
	first = count;
	gpu_manifest_needs(a, &held, names, &count);
	return held.count + collaterals_peek(m->collaterals, names + first,
				count - first, items + held.count);
}

bool
trial_prepare(const struct verification_means *m, const json_t *report,
    const json_t *policy, struct arena *a, struct trial **out, struct fault *f)
{
	const json_t *said = json_object_get(report, "bound");
	struct trial *t = arena_alloc(a, sizeof(*t));

	t->arena = a;
	t->evidence = json_object_get(report, "evidence");
	if (t->evidence == NULL) {
		t->evidence = report;
		said = NULL;
	}
	if (!report_policy(m, policy, a, &t->x.policy, f) ||
	    (json_is_object(said) && !report_bound(a, said, &t->bound, f)))
		return false;
	if (json_is_object(said))
		t->x.bound = &t->bound;
	t->x.anchors = m->anchors;
	t->x.now_ms = clock_unix_ms();
	t->collateral.items = t->items;
	t->x.collateral = &t->collateral;
	t->collateral.count = peek(m, t->evidence, a, t->items);
	*out = t;
	return true;
}

const char *
trial_judge(struct trial *t)
{
	struct verdict verdict;
	const char *out;
	json_t *j;

	verdict_init(&verdict, t->arena, t->x.now_ms);
	evidence_judge(&t->x, t->evidence, &verdict);
	j = verdict_json(&verdict);
	out = json_write(t->arena, j);
	json_free(&j);
	return out;
}

/* ------------------------------------------------- what makers published */

static json_t *
item_json(const struct collateral_item *item)
{
	char *text = mem_new(BASE64_SIZE(item->body.len));
	char at[RFC3339_TEXT];
	json_t *out;

	base64_encode(item->body, text);
	time_to_rfc3339(item->fetched_at, at);
	out = json_pack("{s:s, s:s}", "base64", text, "fetched_at", at);
	mem_free(text);
	return out;
}

void
trial_collateral(const struct verification_means *m, const json_t *evidence,
    struct arena *a, json_t *into)
{
	struct collateral_item items[EVIDENCE_NEEDS_MAX];
	size_t found;

	if (m->collaterals == NULL)
		return;
	found = peek(m, evidence, a, items);
	for (size_t i = 0; i < found; i++)
		if (json_object_get(into, items[i].name) == NULL)
			json_object_set_new(
			    into, items[i].name, item_json(&items[i]));
}
