/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVIDIA's evidence as it stands in a bundle. Each device is judged under its
 * own subject ("gpu 3"), then all of them together; manifests and lists come
 * from the collateral by name, and what the policy needs but the collateral
 * lacks is an error and not the provider's failure.
 */
#include "attestation/gpu_evidence.h"

#include <string.h>
#include <strings.h>

#include "attestation/collateral_age.h"
#include "attestation/nras.h"
#include "attestation/nvidia.h"
#include "attestation/rim_kept.h"
#include "base/codec.h"
#include "base/json.h"

enum {
	REPORT_MAX = SPDM_REPORT_MAX,
	PEM_MAX = 64 * 1024,
	RIMS_MAX = 64,
	/* Names that devices may fill, so that theirs never crowd out those of
	 * a machine's manifests (three of four certificates each). */
	DEVICE_NEEDS_MAX = EVIDENCE_NEEDS_MAX - 12
};

/* Manifests read once for all the devices that share them. */
struct rims {
	struct {
		const char *id;
		const struct rim *rim; /* NULL: it was refused */
	} at[RIMS_MAX];
	size_t count;
};

struct session {
	struct examination *x;
	struct verdict *v;
	struct nvidia_rules rules;
	struct bytes lists[REVOCATION_LISTS_MAX];
	int64_t list_ends[REVOCATION_LISTS_MAX];
	struct revocation_answer answers[REVOCATION_ANSWERS_MAX];
	struct rims rims;
};

static struct bytes
nonce_of(const struct examination *x)
{
	if (x->bound != NULL && x->bound->nonce.len == 32)
		return x->bound->nonce;
	return bytes_of(x->facts.nonce, sizeof(x->facts.nonce));
}

/* Lists and answers of the collateral, whatever chains they are of. */
static bool
revocation_gather(struct session *s, const struct collateral *c)
{
	struct revocation *r = &s->rules.revocation;

	bool ok = true;

	r->lists = s->lists;
	r->list_ends = s->list_ends;
	r->answers = s->answers;
	for (size_t i = 0; c != NULL && i < c->count; i++) {
		const struct collateral_item *one = &c->items[i];

		if (strncmp(one->name, "nvidia/crl/", 11) == 0 &&
		    r->count < REVOCATION_LISTS_MAX) {
			ok &= collateral_has_come(
			    s->x, one, "nvidia.crl_at_hand", s->v);
			s->list_ends[r->count] = collateral_age_end(s->x, one);
			s->lists[r->count++] = one->body;
		} else if (strncmp(one->name, OCSP_NAME_PREFIX,
			       strlen(OCSP_NAME_PREFIX)) == 0 &&
			   r->answer_count < REVOCATION_ANSWERS_MAX)
			s->answers[r->answer_count++] =
			    (struct revocation_answer){one->name, one->body};
	}
	return ok;
}

static bool
session_start(struct session *s, struct examination *x, struct verdict *v)
{
	struct revocation *r = &s->rules.revocation;

	memset(s, 0, sizeof(*s));
	s->x = x;
	s->v = v;
	s->rules.anchors = x->anchors;
	s->rules.now_ms = x->now_ms;
	s->rules.nonce = nonce_of(x);
	s->rules.kept = x->collateral != NULL ? x->collateral->nvidia : NULL;
	r->required = x->policy->revocation;
	r->allow_hold = x->policy->nvidia.allow_hold;
	r->answer_age_s = x->policy->max_collateral_age_s;
	r->list_age_s = x->policy->max_crl_age_s;
	return revocation_gather(s, x->collateral);
}

/* The service answers with JSON that holds the manifest in base64; a file may
 * hold the manifest itself. */
static bool
rim_body(struct arena *a, struct bytes body, struct bytes *out, struct fault *f)
{
	json_t *o = NULL;
	bool ok;

	if (body.len == 0 || body.at[0] != '{') {
		*out = body;
		return true;
	}
	ok = json_read((struct text){(const char *)body.at, body.len},
		 (size_t)2 * RIM_BYTES_MAX, &o, f) &&
	     evidence_member(a, o, "rim", RIM_BYTES_MAX, out, f);
	json_free(&o);
	return ok;
}

/* The manifest in this body, which may have been verified before. */
static struct rim *
rim_judge(struct session *s, struct bytes body, const struct rim_rules *r,
    struct fault *f)
{
	const struct rim_rules unasked = {r->anchors, NULL, r->now_ms};
	struct rim_kept *kept = s->x->collateral->rims;
	struct arena *a = s->v->arena;
	struct chain signer;
	struct bytes xml;
	struct rim *rim = kept != NULL ? rim_kept_find(kept, body, r, a) : NULL;
	bool ok;

	if (rim != NULL)
		return rim;
	rim = arena_alloc(a, sizeof(*rim));
	if (!rim_body(a, body, &xml, f) ||
	    !rim_read_signed(a, xml, &unasked, rim, &signer, f))
		return NULL;
	nvidia_kept_signer(s->rules.kept, &signer);
	if (kept != NULL)
		rim_kept_add(kept, body, rim, &signer);
	ok = rim_signer_ask(&signer, r, rim, f);
	chain_free(&signer);
	return ok ? rim : NULL;
}

/* What lists and answers said of the signer, and whether that is enough. */
static bool
signer_judge(struct session *s, const struct rim *rim, const char *id)
{
	struct check c = {
	    "nvidia.rim_revocation", SOURCE_VERIFIER, CODE_MISSING, NULL, id};

	if (rim->covered)
		return verdict_need(s->v, true, c);
	c.seen = "no list and no answer for each of its signer's certificates";
	if (s->x->policy->nvidia.require_rim_revocation)
		return verdict_need(s->v, false, c);
	verdict_unknown(s->v, c);
	return true;
}

static const struct rim *
rim_fetch(struct session *s, const char *id, const char *check)
{
	const struct collateral_item *item;
	const struct revocation *all = &s->rules.revocation;
	const struct revocation lists = {.lists = all->lists,
	    .list_ends = all->list_ends,
	    .count = all->count,
	    .answers = all->answers,
	    .answer_count = all->answer_count,
	    .answer_age_s = all->answer_age_s,
	    .list_age_s = all->list_age_s};
	const struct rim_rules rules = {s->x->anchors, &lists, s->x->now_ms};
	struct arena *a = s->v->arena;
	struct fault f = {0};
	struct rim *rim;

	item = collateral_find(
	    s->x->collateral, arena_printf(a, "nvidia/rim/%s", id));
	if (item == NULL) {
		struct check c = {check, SOURCE_VERIFIER, CODE_MISSING,
		    "no manifest at hand", id};

		if (s->x->policy->nvidia.allow_no_rim)
			verdict_unknown(s->v, c);
		else
			verdict_need(s->v, false, c);
		return NULL;
	}
	if (!collateral_young(s->x, item, check, s->v))
		return NULL;
	rim = rim_judge(s, item->body, &rules, &f);
	if (rim == NULL && f.kind == FAULT_REVOKED) {
		verdict_check_fault(s->v, false, check, SOURCE_VERIFIER, &f);
		return NULL;
	}
	if (!verdict_need_fault(
		s->v, rim != NULL, check, SOURCE_VERIFIER, &f) ||
	    !signer_judge(s, rim, id))
		return NULL;
	verdict_until(s->v, rim->window.until);
	return rim;
}

static const struct rim *
rim_find(struct session *s, const char *id, const char *check)
{
	struct rims *all = &s->rims;

	if (id == NULL) {
		verdict_need(s->v, false,
		    (struct check){check, SOURCE_VERIFIER, CODE_MISSING,
			"the report does not name its manifest", NULL});
		return NULL;
	}
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->at[i].id, id) == 0)
			return all->at[i].rim;
	if (all->count == RIMS_MAX)
		return NULL;
	all->at[all->count].id = id;
	all->at[all->count].rim = rim_fetch(s, id, check);
	return all->at[all->count++].rim;
}

static bool
manifests_judge(struct session *s, const struct nvidia_device *d)
{
	struct arena *a = s->v->arena;
	const struct rim *driver = NULL, *vbios;

	if (d->kind == NVIDIA_GPU)
		driver = rim_find(
		    s, nvidia_driver_rim_id(a, d), "nvidia.driver_rim");
	vbios = rim_find(s, nvidia_vbios_rim_id(a, d), "nvidia.vbios_rim");
	if (!s->x->policy->nvidia.allow_no_rim &&
	    (vbios == NULL || (d->kind == NVIDIA_GPU && driver == NULL)))
		return false;
	return nvidia_manifests_judge(s->v, d, driver, vbios);
}

/* The lists are of GPUs; switches are held to their signed manifest. */
static bool
policy_judge(struct session *s, const struct nvidia_device *d)
{
	const struct policy_nvidia *p = &s->x->policy->nvidia;
	bool ok;

	if (d->kind == NVIDIA_SWITCH)
		return true;
	ok = policy_check_text(s->v, &p->vbios, "nvidia.vbios", SOURCE_HARDWARE,
	    text_of(d->vbios));
	ok &= policy_check_text(s->v, &p->architectures, "nvidia.architecture",
	    SOURCE_HARDWARE, text_of(nvidia_architecture(d)));
	ok &= policy_check_text(s->v, &p->drivers, "nvidia.driver",
	    SOURCE_HARDWARE, text_of(d->driver));
	ok &= policy_check_text(s->v, &p->modes, "nvidia.mode_accepted",
	    SOURCE_HARDWARE, text_of(nvidia_mode_name(d->mode)));
	return ok;
}

static bool
entry_read(struct arena *a, const json_t *entry, struct bytes *evidence,
    struct text *chain, struct fault *f)
{
	struct bytes pem;

	if (!evidence_member(a, entry, "evidence", REPORT_MAX, evidence, f) ||
	    !evidence_member(a, entry, "certificate", PEM_MAX, &pem, f))
		return false;
	*chain = (struct text){(const char *)pem.at, pem.len};
	return true;
}

/* Where an entry names the nonce beside its report, it names that one. */
static bool
entry_nonce(
    struct session *s, const json_t *entry, const struct nvidia_device *d)
{
	const char *said = json_string_value(json_object_get(entry, "nonce"));
	uint8_t raw[SPDM_NONCE];
	size_t len;

	if (said == NULL)
		return true;
	return verdict_check(s->v,
	    hex_decode(text_of(said), raw, sizeof(raw), &len) &&
		bytes_equal(bytes_of(raw, len), d->report.nonce),
	    (struct check){"nvidia.entry_nonce", SOURCE_PROVIDER, CODE_NONCE,
		verdict_text(s->v, text_of(said)),
		verdict_hex(s->v, d->report.nonce)});
}

static bool
entry_judge(struct session *s, const json_t *entry, enum nvidia_kind kind,
    struct nvidia_device *d)
{
	struct bytes evidence;
	struct text chain;
	struct fault f = {0};
	bool ok;

	if (!entry_read(s->v->arena, entry, &evidence, &chain, &f))
		return verdict_check_fault(
		    s->v, false, "nvidia.report", SOURCE_PROVIDER, &f);
	if (!nvidia_device_judge(s->v, &s->rules, kind, evidence, chain, d))
		return false;
	ok = entry_nonce(s, entry, d);
	ok &= policy_judge(s, d);
	return manifests_judge(s, d) && ok;
}

/* The architecture that the item names, where it names one, is that of each
 * of its devices. */
static bool
arch_judge(struct session *s, const json_t *item, const struct nvidia_device *d,
    size_t count)
{
	const char *said = json_string_value(json_object_get(item, "arch"));
	bool ok = true;

	if (said == NULL)
		return true;
	for (size_t i = 0; i < count; i++)
		ok &= strcasecmp(said, nvidia_architecture(&d[i])) == 0;
	return verdict_check(s->v, ok,
	    (struct check){"nvidia.arch", SOURCE_HARDWARE, CODE_MISMATCH,
		verdict_text(s->v, text_of(said)), "that of the devices"});
}

/* Judges every entry; *out holds the devices when all of them are sound. */
static bool
list_judge(struct session *s, const json_t *item, enum nvidia_kind kind,
    struct nvidia_device **out, size_t *count)
{
	const json_t *list;
	struct nvidia_device *d;
	struct fault f = {0};
	bool ok = true;

	if (!json_get_array(item, "evidence_list", EVIDENCE_GPUS_MAX, &list,
		FAULT_INVALID, &f))
		return verdict_check_fault(
		    s->v, false, "nvidia.report", SOURCE_PROVIDER, &f);
	*count = json_array_size(list);
	d = arena_alloc(s->v->arena, (*count + 1) * sizeof(*d));
	for (size_t i = 0; i < *count; i++) {
		s->v->subject = verdict_format(
		    s->v, "%s %zu", kind == NVIDIA_GPU ? "gpu" : "switch", i);
		ok &= entry_judge(s, json_array_get(list, i), kind, &d[i]);
		s->v->subject = NULL;
	}
	*out = d;
	return ok && arch_judge(s, item, d, *count);
}

static bool
verify_nvidia(struct examination *x, const json_t *item, struct verdict *v)
{
	struct evidence_facts *facts = &x->facts;
	struct nvidia_device *d;
	struct session *s = arena_alloc(v->arena, sizeof(*s));
	size_t count;
	bool ok;

	if (!verdict_check(v, facts->gpu == NULL,
		(struct check){"nvidia.once", SOURCE_PROVIDER, CODE_MISMATCH,
		    facts->gpu != NULL ? "GPUs in more than one item" : NULL,
		    NULL}))
		return false;
	if (!session_start(s, x, v))
		return false;
	ok = list_judge(s, item, NVIDIA_GPU, &d, &count);
	if (!ok || !nvidia_set_judge(v, d, count, x->policy->nvidia.gpus))
		return false;
	facts->gpus = count;
	facts->gpu = d;
	for (size_t i = 0; i < count; i++)
		memcpy(facts->gpu_ids[i], d[i].key, sizeof(d[i].key));
	return true;
}

static bool
verify_nvswitch(struct examination *x, const json_t *item, struct verdict *v)
{
	struct nvidia_device *d;
	struct session *s = arena_alloc(v->arena, sizeof(*s));
	size_t count;
	bool ok;

	if (!session_start(s, x, v) ||
	    !list_judge(s, item, NVIDIA_SWITCH, &d, &count))
		return false;
	ok = nvidia_switches_judge(v, d, count, x->policy->nvidia.switches);
	if (!nvidia_topology_judge(v, x->facts.gpu, x->facts.gpus, d, count) ||
	    !ok)
		return false;
	x->facts.switches = count;
	return true;
}

static bool
verify_nras(struct examination *x, const json_t *item, struct verdict *v)
{
	const struct collateral_item *jwks =
	    collateral_find(x->collateral, "nras/jwks");
	const struct nras_rules rules = {
	    .anchors = x->anchors,
	    .issuers = &x->policy->nras.issuers,
	    .nonce = nonce_of(x),
	    .now_ms = x->now_ms,
	    .max_age_s = x->policy->nras.max_age_s,
	    .devices = x->facts.gpus > 0 ? (int64_t)x->facts.gpus : -1,
	};

	if (!verdict_need(v, jwks != NULL,
		(struct check){"nras.keys", SOURCE_VERIFIER, CODE_MISSING,
		    "no key set at hand", "nras/jwks"}) ||
	    !collateral_young(x, jwks, "nras.keys", v))
		return false;
	return nras_judge(v, &rules, json_object_get(item, "token"),
	    (struct text){(const char *)jwks->body.at, jwks->body.len});
}

const struct verifier nvidia_verifier = {"nvidia", 1, verify_nvidia};
const struct verifier nvswitch_verifier = {"nvswitch", 2, verify_nvswitch};
const struct verifier nras_verifier = {"nras", 2, verify_nras};

static void
need_of(size_t most, const char *name, const char **out, size_t *count)
{
	for (size_t i = 0; i < *count; i++)
		if (strcmp(out[i], name) == 0)
			return;
	if (*count < most)
		out[(*count)++] = name;
}

static void
need(const char *name, const char **out, size_t *count)
{
	need_of(DEVICE_NEEDS_MAX, name, out, count);
}

static void
chain_needs(struct arena *a, struct text chain, const char **out, size_t *count)
{
	const char *names[CHAIN_MAX];
	size_t n = nvidia_answer_names(a, chain, names);

	for (size_t i = 0; i < n; i++)
		need(names[i], out, count);
}

static void
device_needs(struct arena *a, const struct nvidia_device *d, const char **out,
    size_t *count)
{
	const char *driver = nvidia_driver_rim_id(a, d);
	const char *vbios = nvidia_vbios_rim_id(a, d);

	need("nvidia/crl/l1-root", out, count);
	need("nvidia/crl/l1-corim", out, count);
	/* The switches of Hopper machines chain under its identity too. */
	need(strcmp(nvidia_architecture(d), "BLACKWELL") == 0
		 ? "nvidia/crl/l2-gb100"
		 : "nvidia/crl/l2-gh100",
	    out, count);
	if (driver != NULL)
		need(arena_printf(a, "nvidia/rim/%s", driver), out, count);
	if (vbios != NULL)
		need(arena_printf(a, "nvidia/rim/%s", vbios), out, count);
}

bool
gpu_needs(struct arena *a, const json_t *item, const char **out, size_t *count,
    struct fault *f)
{
	const char *kind = json_string_value(json_object_get(item, "kind"));
	enum nvidia_kind k = kind != NULL && strcmp(kind, "nvswitch") == 0
				 ? NVIDIA_SWITCH
				 : NVIDIA_GPU;
	const json_t *list;

	if (!json_get_array(item, "evidence_list", EVIDENCE_GPUS_MAX, &list,
		FAULT_INVALID, f))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct nvidia_device *d = arena_alloc(a, sizeof(*d));
		struct bytes evidence;
		struct text chain;

		if (!entry_read(
			a, json_array_get(list, i), &evidence, &chain, f) ||
		    !nvidia_device_peek(k, evidence, chain, d, f))
			return false;
		device_needs(a, d, out, count);
		chain_needs(a, chain, out, count);
	}
	return true;
}

/* The answers that a manifest's certificates offer: from what is kept, where
 * it has been read before. */
static size_t
manifest_answers(struct arena *a, const struct collateral *c, struct bytes body,
    const char *out[CHAIN_MAX])
{
	const struct chain *kept =
	    c->rims != NULL ? rim_kept_signer(c->rims, body) : NULL;
	struct chain signer;
	struct bytes xml;
	struct fault f;
	size_t count;

	if (kept != NULL)
		return nvidia_chain_answers(a, kept, out);
	if (!rim_body(a, body, &xml, &f) || !rim_signer_peek(xml, &signer, &f))
		return 0;
	count = nvidia_chain_answers(a, &signer, out);
	chain_free(&signer);
	return count;
}

void
gpu_manifest_needs(struct arena *a, const struct collateral *c,
    const char *out[EVIDENCE_NEEDS_MAX], size_t *count)
{
	for (size_t i = 0; i < c->count; i++) {
		const char *names[CHAIN_MAX];
		size_t n = 0;

		if (strncmp(c->items[i].name, "nvidia/rim/", 11) == 0)
			n = manifest_answers(a, c, c->items[i].body, names);
		for (size_t k = 0; k < n; k++)
			need_of(EVIDENCE_NEEDS_MAX, names[k], out, count);
	}
}
