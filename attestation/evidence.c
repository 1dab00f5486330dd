/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The combined verdict: items in the order of what leans on what, then what
 * ties them to the asker, then what the policy wants to be there at all. A
 * part that is missing is as bad as one that is forged.
 */
#include "attestation/evidence.h"

#include <string.h>

#include "attestation/apple_evidence.h"
#include "attestation/binding.h"
#include "attestation/dstack_evidence.h"
#include "attestation/gpu_evidence.h"
#include "base/codec.h"
#include "base/crypto.h"
#include "base/json.h"

#define RANKS 3

static const struct verifier *const registry[] = {
    &app_attest_verifier,
    &apple_mda_verifier,
    &dstack_verifier,
    &nras_verifier,
    &nvidia_verifier,
    &nvswitch_verifier,
    &snp_verifier,
    &tdx_verifier,
};

const struct verifier *
verifier_find(const char *kind)
{
	size_t i;

	for (i = 0; i < sizeof(registry) / sizeof(registry[0]); i++)
		if (strcmp(registry[i]->kind, kind) == 0)
			return registry[i];
	return NULL;
}

const struct collateral_item *
collateral_find(const struct collateral *c, const char *name)
{
	size_t i;

	for (i = 0; c != NULL && i < c->count; i++)
		if (strcmp(c->items[i].name, name) == 0)
			return &c->items[i];
	return NULL;
}

bool
evidence_member(struct arena *a, const json_t *item, const char *name,
    size_t max_bytes, struct bytes *out, struct fault *f)
{
	const json_t *j = json_object_get(item, name);
	size_t len, text = json_string_length(j);
	uint8_t *at;

	if (!json_is_string(j))
		return fault_set(
		    f, FAULT_INVALID, "evidence: no text %s", name);
	if (text >= BASE64_SIZE(max_bytes))
		return fault_set(f, FAULT_INVALID,
		    "evidence: %s is longer than %zu bytes", name, max_bytes);
	at = arena_alloc(a, text / 4 * 3 + 1);
	if (!base64_decode((struct text){json_string_value(j), text}, at,
		text / 4 * 3 + 1, &len))
		return fault_set(
		    f, FAULT_INVALID, "evidence: %s is not base64", name);
	*out = bytes_of(at, len);
	return true;
}

struct item {
	const json_t *json;
	const struct verifier *verifier;
};

struct bundle {
	const char *binding;
	const json_t *bound;
	struct item items[EVIDENCE_ITEMS_MAX];
	size_t count;
};

static bool
read_items(const json_t *list, struct bundle *b, struct fault *f)
{
	const char *kind;
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		const json_t *j = json_array_get(list, i);

		if (!json_get_string(j, "kind", 40, &kind, FAULT_INVALID, f))
			return false;
		b->items[i].json = j;
		b->items[i].verifier = verifier_find(kind);
		if (b->items[i].verifier == NULL)
			return fault_set(f, FAULT_UNSUPPORTED,
			    "evidence of unknown kind %.40s", kind);
	}
	b->count = json_array_size(list);
	return b->count > 0 ||
	       fault_set(f, FAULT_NOT_FOUND, "evidence: no items");
}

static bool
read_bundle(
    const json_t *j, struct bundle *b, uint8_t nonce[32], struct fault *f)
{
	const char *hex;
	const json_t *list;
	size_t len;

	memset(b, 0, sizeof(*b));
	if (!json_is_object(j))
		return fault_set(f, FAULT_NOT_FOUND, "no evidence");
	if (!json_get_string(j, "binding", 20, &b->binding, FAULT_INVALID, f) ||
	    !json_get_string(j, "nonce", 64, &hex, FAULT_INVALID, f) ||
	    !json_get_object_or(j, "bound", &b->bound, FAULT_INVALID, f) ||
	    !json_get_array(
		j, "items", EVIDENCE_ITEMS_MAX, &list, FAULT_INVALID, f))
		return false;
	if (!hex_decode(text_of(hex), nonce, 32, &len) || len != 32)
		return fault_set(f, FAULT_INVALID,
		    "evidence: the nonce is not 32 bytes in hex");
	return read_items(list, b, f);
}

/* What the sender says it bound itself to, so that evidence for another
 * tunnel, statement or key is told apart; the digest below proves it. */
static bool
check_said(const struct bundle *b, const char *member, const char *check,
    struct text wanted, struct verdict *v)
{
	const char *said = json_string_value(json_object_get(b->bound, member));

	return said == NULL ||
	       verdict_check(v, text_is(wanted, said),
		   (struct check){check, SOURCE_PROVIDER, CODE_BINDING,
		       verdict_text(v, text_of(said)),
		       verdict_text(v, wanted)});
}

static bool
check_all_said(const struct bundle *b, const struct evidence_bound *bound,
    struct verdict *v)
{
	uint8_t digest[32];
	const char *spki, *statement, *key;

	sha256(bound->tls_spki, digest);
	spki = verdict_hex(v, bytes_of(digest, 32));
	statement = verdict_hex(v, bound->statement_sha256);
	key = verdict_hex(v, bound->signing_key);
	return check_said(b, "did", "binding.did", bound->did, v) &&
	       check_said(
		   b, "tls_spki_sha256", "binding.tls_key", text_of(spki), v) &&
	       check_said(b, "statement_sha256", "binding.statement",
		   text_of(statement), v) &&
	       check_said(
		   b, "signing_key", "binding.signing_key", text_of(key), v);
}

static bool
bind_tunnel(const struct evidence_bound *bound, uint8_t out[REPORT_DATA],
    struct fault *f)
{
	struct binding_tunnel t = {.did = bound->did,
	    .spki = bound->tls_spki,
	    .signing_key = bound->signing_key};

	if (bound->did.len == 0 || bound->tls_spki.len == 0 ||
	    bound->statement_sha256.len != sizeof(t.statement))
		return fault_set(f, FAULT_NOT_FOUND,
		    "binding: no tunnel to hold the evidence against");
	memcpy(t.nonce, bound->nonce.at, sizeof(t.nonce));
	memcpy(t.statement, bound->statement_sha256.at, sizeof(t.statement));
	binding_tunnel(&t, out);
	return true;
}

static bool
bind_address(const struct evidence_bound *bound, bool tls,
    uint8_t out[REPORT_DATA], struct fault *f)
{
	struct binding_key k = {.len = bound->signing_key.len};
	uint8_t spki[32];

	if (k.len != 20 && k.len != 32)
		return fault_set(f, FAULT_NOT_FOUND,
		    "binding: no signing key to hold the evidence against");
	memcpy(k.at, bound->signing_key.at, k.len);
	if (!tls) {
		binding_address(&k, bound->nonce.at, out);
		return true;
	}
	if (bound->tls_spki.len > 0)
		sha256(bound->tls_spki, spki);
	else if (bound->tls_spki_sha256.len == sizeof(spki))
		memcpy(spki, bound->tls_spki_sha256.at, sizeof(spki));
	else
		return fault_set(f, FAULT_NOT_FOUND,
		    "binding: no TLS key to hold the evidence against");
	binding_address_tls(&k, spki, bound->nonce.at, out);
	return true;
}

static bool
wanted_report_data(const struct bundle *b, const struct evidence_bound *bound,
    uint8_t out[REPORT_DATA], struct fault *f)
{
	if (strcmp(b->binding, "assay") == 0)
		return bind_tunnel(bound, out, f);
	if (strcmp(b->binding, "dstack") == 0)
		return bind_address(bound, false, out, f);
	if (strcmp(b->binding, "dstack-tls") == 0)
		return bind_address(bound, true, out, f);
	return fault_set(
	    f, FAULT_UNSUPPORTED, "binding: unknown form %.20s", b->binding);
}

/* Report data is what was asked for: nonce, tunnel, statement, key. */
static bool
check_report_data(
    struct examination *x, const struct bundle *b, struct verdict *v)
{
	struct bytes seen = bytes_of(x->facts.report_data, REPORT_DATA);
	bool has_nonce = strncmp(b->binding, "dstack", 6) == 0;
	uint8_t wanted[REPORT_DATA];
	struct fault f = {0};

	if (!verdict_check_fault(v, wanted_report_data(b, x->bound, wanted, &f),
		"binding.form", SOURCE_VERIFIER, &f))
		return false;
	/* These forms carry the nonce itself: an old answer shows. */
	if (has_nonce &&
	    !verdict_check(v, memcmp(seen.at + 32, wanted + 32, 32) == 0,
		(struct check){"binding.quoted_nonce", SOURCE_HARDWARE,
		    CODE_NONCE, verdict_hex(v, bytes_of(seen.at + 32, 32)),
		    verdict_hex(v, bytes_of(wanted + 32, 32))}))
		return false;
	return verdict_check(v,
	    bytes_equal(seen, bytes_of(wanted, REPORT_DATA)),
	    (struct check){"binding.report_data", SOURCE_HARDWARE, CODE_BINDING,
		verdict_hex(v, seen),
		verdict_hex(v, bytes_of(wanted, REPORT_DATA))});
}

/* The sender chooses the form; a lesser one would let it hand on what another
 * machine says to anybody who asks. */
static bool
check_form(struct examination *x, const struct bundle *b, struct verdict *v)
{
	const struct policy_texts *l = x->bindings;

	return l == NULL || policy_texts_have(l, text_of(b->binding)) ||
	       verdict_check(v, false,
		   (struct check){"binding.form", SOURCE_PROVIDER, CODE_BINDING,
		       verdict_text(v, text_of(b->binding)),
		       l->count == 1 ? verdict_text(v, text_of(l->at[0]))
				     : "a form that the policy names"});
}

static bool
check_binding(struct examination *x, const struct bundle *b, struct verdict *v)
{
	struct bytes nonce = bytes_of(x->facts.nonce, 32);

	if (!check_form(x, b, v))
		return false;
	if (x->bound == NULL) {
		verdict_unknown(
		    v, (struct check){"binding.report_data", SOURCE_VERIFIER,
			   CODE_BINDING, "nothing to compare with", NULL});
		return true;
	}
	if (!verdict_need(v, x->bound->nonce.len == 32,
		(struct check){"binding.asked", SOURCE_VERIFIER, CODE_MISSING,
		    NULL, NULL}) ||
	    !verdict_check(v, bytes_equal(nonce, x->bound->nonce),
		(struct check){"binding.nonce", SOURCE_PROVIDER, CODE_NONCE,
		    verdict_hex(v, nonce), verdict_hex(v, x->bound->nonce)}) ||
	    !check_all_said(b, x->bound, v))
		return false;
	return !x->facts.cpu || check_report_data(x, b, v);
}

static bool
present(struct verdict *v, bool wanted, bool there, const char *name)
{
	return !wanted ||
	       verdict_check(v, there,
		   (struct check){name, SOURCE_HARDWARE, CODE_MISSING,
		       there ? "there" : "none", "required by the policy"});
}

static bool
has_kind(const struct bundle *b, const char *kind)
{
	size_t i;

	for (i = 0; i < b->count; i++)
		if (strcmp(b->items[i].verifier->kind, kind) == 0)
			return true;
	return false;
}

/* What the policy pins can only be met by what was there. */
static bool
check_presence(struct examination *x, const struct bundle *b, struct verdict *v)
{
	const struct policy *p = x->policy;
	bool dstack = has_kind(b, "dstack"), held;

	held = present(
	    v, p->require & REQUIRE_CPU, x->facts.cpu, "evidence.cpu_present");
	/* A number of GPUs asks for them as well. */
	held &= present(v,
	    (p->require & REQUIRE_GPU) ||
		(p->nvidia.present && p->nvidia.gpus > 0),
	    x->facts.gpus > 0, "evidence.gpu_present");
	held &= present(v, p->require & REQUIRE_DEVICE, x->facts.device,
	    "evidence.device_present");
	held &= present(
	    v, p->nras.present, has_kind(b, "nras"), "evidence.nras_present");
	held &=
	    present(v, p->dstack.present, dstack, "evidence.dstack_present");
	held &= present(v, p->kms_roots.given || p->image_digests.given, dstack,
	    "evidence.workload_present");
	return present(v, p->nvidia.present && p->nvidia.switches > 0,
		   x->facts.switches > 0, "evidence.switches_present") &&
	       held;
}

/* MRCONFIGID of dstack: a byte 1 and the compose hash. */
static bool
check_workload(struct examination *x, struct verdict *v)
{
	const struct policy_texts *l = &x->policy->workloads;
	const struct evidence_facts *facts = &x->facts;
	const char *seen, *half, *compose;
	bool held;

	if (!l->given)
		return true;
	if (facts->cpu && !facts->is_tdx)
		return policy_check_text(v, l, "evidence.workload",
		    SOURCE_HARDWARE,
		    text_of(verdict_hex(v, bytes_of(facts->host_data, 32))));
	seen = verdict_hex(v, bytes_of(facts->mrconfigid, 48));
	half = verdict_hex(v, bytes_of(facts->mrconfigid, 32));
	compose = verdict_hex(v, bytes_of(facts->mrconfigid + 1, 32));
	held = facts->cpu && (policy_texts_have(l, text_of(seen)) ||
				 policy_texts_have(l, text_of(half)) ||
				 (facts->mrconfigid[0] == 1 &&
				     policy_texts_have(l, text_of(compose))));
	return verdict_check(v, held,
	    (struct check){"evidence.workload", SOURCE_HARDWARE, CODE_POLICY,
		seen, "an accepted workload"});
}

static bool
check_address(struct examination *x, struct verdict *v)
{
	const struct policy_texts *l = &x->policy->signing_addresses;
	struct bytes key = {NULL, 0};
	const char *hex;

	if (!l->given)
		return true;
	if (x->bound != NULL)
		key = x->bound->signing_key;
	hex = verdict_hex(v, key);
	if (key.len == 20)
		hex = verdict_format(v, "0x%s", hex);
	return policy_check_text(
	    v, l, "evidence.signing_address", SOURCE_HARDWARE, text_of(hex));
}

/* Each rank only if all below it held: a log says nothing without its
 * registers. */
static bool
judge_items(struct examination *x, const struct bundle *b, struct verdict *v)
{
	bool held = true;
	size_t i;
	int rank;

	for (rank = 0; rank < RANKS && held; rank++)
		for (i = 0; i < b->count; i++)
			if (b->items[i].verifier->rank == rank)
				held &= b->items[i].verifier->verify(
				    x, b->items[i].json, v);
	return held;
}

void
evidence_judge(struct examination *x, const json_t *bundle, struct verdict *v)
{
	struct bundle b;
	struct fault f = {0};

	memset(&x->facts, 0, sizeof(x->facts));
	if (!verdict_need(v, x->policy != NULL,
		(struct check){"evidence.policy", SOURCE_OPERATOR,
		    CODE_BAD_POLICY, NULL, "a policy"}))
		return;
	verdict_until(v, x->now_ms + x->policy->max_verdict_age_s * 1000);
	if (!verdict_check_fault(v, read_bundle(bundle, &b, x->facts.nonce, &f),
		"evidence.format", SOURCE_PROVIDER, &f))
		return;
	if (judge_items(x, &b, v) && check_binding(x, &b, v) &&
	    check_workload(x, v) && check_address(x, v) &&
	    check_presence(x, &b, v))
		verdict_conclude(v);
}

bool
evidence_needs(struct arena *a, const json_t *bundle,
    const char *out[EVIDENCE_NEEDS_MAX], size_t *count, struct fault *f)
{
	struct bundle b;
	uint8_t nonce[32];
	size_t i;

	*count = 0;
	if (!read_bundle(bundle, &b, nonce, f))
		return false;
	for (i = 0; i < b.count; i++) {
		const char *kind = b.items[i].verifier->kind;
		const json_t *j = b.items[i].json;

		if ((strcmp(kind, "tdx") == 0 || strcmp(kind, "snp") == 0) &&
		    !cpu_needs(a, j, out, count, f))
			return false;
		if (strncmp(kind, "nv", 2) == 0 &&
		    !gpu_needs(a, j, out, count, f))
			return false;
		if (strcmp(kind, "nras") == 0 && *count < EVIDENCE_NEEDS_MAX)
			out[(*count)++] = "nras/jwks";
	}
	return true;
}
