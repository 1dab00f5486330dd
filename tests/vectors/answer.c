/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole answers of services, as a buyer gets them: CPU quote, event log,
 * compose document, GPUs and binding in one verdict, for every node in the
 * answer. What the service says about its own verification is not read.
 */
#include <string.h>

#include "attestation/binding.h"
#include "attestation/dstack.h"
#include "attestation/nvidia.h"
#include "attestation/snp.h"
#include "attestation/tdx.h"
#include "base/codec.h"
#include "base/crypto.h"
#include "base/json.h"
#include "tests/vectors/vectors.h"

enum { DECODED_MAX = 64 * 1024, GPUS_MAX = 16, PAYLOAD_MAX = 512 * 1024 };

struct answer {
	struct vector *x;
	struct verdict v;
	uint8_t nonce[32];
	int64_t now;
	size_t nodes;
};

static const char *
member(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}

static bool
check(struct answer *s, bool holds, const char *name, const struct fault *f)
{
	return verdict_check_fault(&s->v, holds, name, SOURCE_HARDWARE, f);
}

/* A hexadecimal or base64 member; empty where absent or broken. */
static struct bytes
decoded(struct answer *s, const json_t *o, const char *name, bool base64)
{
	const char *t = member(o, name);
	uint8_t *at = arena_alloc(s->x->a, DECODED_MAX);
	size_t len = 0;

	if (t == NULL ||
	    !(base64 ? base64_decode(text_of(t), at, DECODED_MAX, &len)
		     : hex_decode(text_of(t), at, DECODED_MAX, &len)))
		return (struct bytes){NULL, 0};
	return bytes_of(at, len);
}

/* Whether what a bundle says about TCB levels is for that platform. */
static bool
is_for(struct answer *s, const struct tdx_source *source, const uint8_t *fmspc)
{
	struct tdx_tcb_info info;
	struct fault f = {0};

	return tdx_tcb_info_read(s->x->a, source->tcb_info, &info, &f) &&
	       memcmp(info.fmspc, fmspc, 6) == 0;
}

/* The first collateral of the case that is for this quote's platform. */
static struct tdx_collateral *
collateral_of(struct answer *s, struct bytes quote)
{
	const json_t *list = json_object_get(s->x->c, "collateral");
	struct tdx_collateral *out = NULL;
	uint8_t fmspc[6];
	struct fault f = {0};

	if (!tdx_quote_fmspc(quote, fmspc, &f))
		return NULL;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *path = json_string_value(json_array_get(list, i));
		struct tdx_source source;
		struct bytes bundle;

		if (path != NULL && vector_file(s->x, path, &bundle) &&
		    tdx_source_of_bundle(s->x->a,
			(struct text){(const char *)bundle.at, bundle.len},
			&source, &f) &&
		    is_for(s, &source, fmspc) &&
		    tdx_collateral_new(
			&source, anchors_pinned(), true, &s->v, &out))
			return out;
	}
	return NULL;
}

static bool
quote_judge(struct answer *s, struct bytes quote, struct tdx_judgement *out)
{
	struct tdx_collateral *c = collateral_of(s, quote);
	struct fault f = {0};
	bool ok;

	if (c == NULL)
		return check(s, false, "answer.collateral",
		    (fault_set(&f, FAULT_NOT_FOUND, "no collateral"), &f));
	ok = tdx_verify(quote, c, NULL, s->now, &s->v, out);
	tdx_collateral_free(&c);
	return ok;
}

static bool
log_judge(struct answer *s, const json_t *log, const struct tdx_body *body,
    struct dstack_log *out)
{
	struct fault f = {0};
	bool ok = json_is_string(log)
		      ? dstack_log_read(s->x->a,
			    (struct text){json_string_value(log),
				json_string_length(log)},
			    out, &f)
		      : dstack_log_of_json(s->x->a, log, out, &f);

	for (unsigned i = 0; ok && i < DSTACK_REGISTERS; i++)
		ok = dstack_register_reached(out, i, body->rtmr[i].at, &f);
	return check(s, ok, "answer.event_log", &f);
}

/* dstack's own agent gives tcb_info as JSON text, its libraries as an object.
 */
static json_t *
tcb_info_of(const json_t *node)
{
	json_t *o = json_object_get(json_object_get(node, "info"), "tcb_info");
	struct fault f = {0};
	json_t *read = NULL;

	if (!json_is_string(o))
		return json_incref(o);
	json_read((struct text){json_string_value(o), json_string_length(o)},
	    PAYLOAD_MAX, &read, &f);
	return read;
}

static bool
compose_judge(struct answer *s, const json_t *node, const struct tdx_body *b,
    const struct dstack_log *log)
{
	json_t *tcb = tcb_info_of(node);
	const char *text = member(tcb, "app_compose");
	struct fault f = {0};
	bool ok = text != NULL && dstack_compose_check(
				      log, b->mrconfigid.at, text_of(text), &f);

	json_decref(tcb);
	return check(s, ok, "answer.compose", &f);
}

/* With the TLS key where the answer names one, else by the address alone. */
static bool
binding_judge(struct answer *s, const json_t *node, struct bytes report_data)
{
	struct bytes tls = decoded(s, node, "tls_cert_fingerprint", false);
	uint8_t wanted[64];
	struct binding_key key;
	struct fault f = {0};

	if (!binding_key_read(text_of(member(node, "signing_algo")),
		text_of(member(node, "signing_address")), &key, &f))
		return check(s, false, "answer.binding", &f);
	if (tls.len == 32)
		binding_address_tls(&key, tls.at, s->nonce, wanted);
	else
		binding_address(&key, s->nonce, wanted);
	return check(s,
	    report_data.len == 64 && binding_holds(report_data.at,
					 bytes_of(wanted, sizeof(wanted)), &f),
	    "answer.binding", &f);
}

static bool
gpus_judge(struct answer *s, const json_t *list)
{
	const struct nvidia_rules r = {.anchors = anchors_pinned(),
	    .nonce = bytes_of(s->nonce, 32),
	    .now_ms = s->now};
	size_t count = json_array_size(list);
	struct nvidia_device *d = arena_alloc(s->x->a, GPUS_MAX * sizeof(*d));
	bool ok = verdict_check(&s->v, count > 0 && count <= GPUS_MAX,
	    (struct check){"answer.gpu_count", SOURCE_PROVIDER, CODE_MALFORMED,
		verdict_format(&s->v, "%zu", count), NULL});

	for (size_t i = 0; ok && i < count; i++) {
		const json_t *o = json_array_get(list, i);
		struct bytes pem = decoded(s, o, "certificate", true);

		s->v.subject = arena_printf(s->x->a, "gpu %zu", i);
		ok = nvidia_device_judge(&s->v, &r, NVIDIA_GPU,
		    decoded(s, o, "evidence", true),
		    (struct text){(const char *)pem.at, pem.len}, &d[i]);
	}
	s->v.subject = NULL;
	return ok && nvidia_set_judge(&s->v, d, count, (int64_t)count);
}

static bool
payload_judge(struct answer *s, const json_t *node)
{
	const char *text = member(node, "nvidia_payload");
	struct fault f = {0};
	json_t *j = NULL;
	bool ok;

	if (text == NULL)
		return true;
	ok = check(s, json_read(text_of(text), PAYLOAD_MAX, &j, &f),
		 "answer.gpu_payload", &f) &&
	     gpus_judge(s, json_object_get(j, "evidence_list"));
	json_free(&j);
	return ok;
}

/* The compose manager's own quote: its actions and the same nonce. */
static bool
manager_judge(struct answer *s, const json_t *o)
{
	struct bytes quote = decoded(s, o, "quote", false);
	char *actions = json_dumps(json_object_get(o, "actions"), JSON_COMPACT);
	struct tdx_judgement j;
	struct dstack_log log;
	struct fault f = {0};
	bool ok;

	ok = actions != NULL && quote_judge(s, quote, &j) &&
	     log_judge(
		 s, json_object_get(o, "event_log"), &j.quote.body, &log) &&
	     check(s,
		 binding_actions_hold(j.quote.body.reportdata.at,
		     text_of(actions), s->nonce, &f),
		 "answer.actions", &f);
	free(actions);
	return ok;
}

static bool
node_judge(struct answer *s, const json_t *node)
{
	const json_t *manager =
	    json_object_get(node, "compose_manager_attestation");
	struct bytes quote = decoded(s, node, "intel_quote", false);
	struct tdx_judgement j;
	struct dstack_log log;

	s->nodes++;
	return quote_judge(s, quote, &j) &&
	       binding_judge(s, node, j.quote.body.reportdata) &&
	       log_judge(s, json_object_get(node, "event_log"), &j.quote.body,
		   &log) &&
	       compose_judge(s, node, &j.quote.body, &log) &&
	       payload_judge(s, node) &&
	       (manager == NULL || manager_judge(s, manager));
}

/* NEAR's shapes: a gateway and models, or one node and all of its kind. */
static bool
near_judge(struct answer *s, const json_t *doc)
{
	const json_t *gateway = json_object_get(doc, "gateway_attestation");
	const json_t *models = json_object_get(doc, "model_attestations");
	const json_t *all = json_object_get(doc, "all_attestations");
	const json_t *list = models != NULL ? models : all;
	bool ok = true;

	if (gateway != NULL)
		ok = node_judge(s, gateway);
	if (member(doc, "intel_quote") != NULL)
		ok = ok && node_judge(s, doc);
	for (size_t i = 0; ok && i < json_array_size(list); i++)
		ok = node_judge(s, json_array_get(list, i));
	return ok;
}

/* Tinfoil names the GPUs by SHA-256 of their document as compact JSON. */
static bool
gpu_hash_judge(struct answer *s, const json_t *doc, struct bytes said)
{
	char *text = json_dumps(json_object_get(doc, "gpu"), JSON_COMPACT);
	uint8_t hash[32] = {0};

	if (text != NULL)
		sha256(bytes_of(text, strlen(text)), hash);
	free(text);
	return verdict_check(&s->v, bytes_equal(said, bytes_of(hash, 32)),
	    (struct check){"answer.gpu_hash", SOURCE_VERIFIER, CODE_BINDING,
		verdict_hex(&s->v, said),
		verdict_hex(&s->v, bytes_of(hash, 32))});
}

/* The recording holds no VCEK: an SNP case of the same chip may have one. */
static bool
key_of_chip(
    struct answer *s, const json_t *c, struct bytes chip, struct snp_key **out)
{
	const char *leaf = json_string_value(json_object_get(c, "leaf"));
	const char *chain = json_string_value(json_object_get(c, "chain"));
	struct snp_source source = {.crl = {NULL, 0}};
	struct verdict aside;
	struct bytes pem;

	if (leaf == NULL || chain == NULL ||
	    !vector_file(s->x, leaf, &source.leaf) ||
	    !vector_file(s->x, chain, &pem))
		return false;
	source.chain = (struct text){(const char *)pem.at, pem.len};
	verdict_init(&aside, s->x->a, s->now);
	if (!snp_key_new(&source, anchors_pinned(), false, &aside, out))
		return false;
	if ((*out)->hwid_len == chip.len &&
	    memcmp((*out)->hwid, chip.at, chip.len) == 0)
		return true;
	snp_key_free(out);
	return false;
}

static struct snp_key *
key_find(struct answer *s, struct bytes chip)
{
	struct snp_key *found = NULL;
	struct bytes index;
	struct fault f = {0};
	json_t *list = NULL;

	if (vector_file(s->x, "snp/cases.json", &index) &&
	    json_read((struct text){(const char *)index.at, index.len},
		index.len, &list, &f))
		for (size_t i = 0; found == NULL && i < json_array_size(list);
		     i++)
			key_of_chip(s, json_array_get(list, i), chip, &found);
	json_free(&list);
	s->x->why[0] = '\0';
	return found;
}

/* Without a VCEK at hand what can be said is what the report states. */
static bool
report_judge(struct answer *s, struct bytes report, struct snp_report *out)
{
	struct policy p = policy_defaults();
	struct fault f = {0};
	struct snp_key *k;
	bool ok;

	if (!check(s, snp_report_read(report, out, &f), "answer.report", &f))
		return false;
	k = key_find(s, out->chip_id);
	if (k == NULL) {
		verdict_unknown(
		    &s->v, (struct check){"answer.report_signature",
			       SOURCE_HARDWARE, CODE_MISSING, "no VCEK", NULL});
		return true;
	}
	p.version = 1;
	p.require = REQUIRE_CPU;
	p.revocation = false;
	p.snp.present = p.snp.any_workload = true;
	ok = snp_verify(report, k, &p, s->now, &s->v, out);
	snp_key_free(&k);
	return ok;
}

/* Tinfoil v3: report data over its fields. */
static bool
tinfoil_judge(struct answer *s, const json_t *doc)
{
	const json_t *said = json_object_get(doc, "report_data");
	const json_t *cpu = json_object_get(doc, "cpu");
	const struct binding_tinfoil b = {decoded(s, said, "tls_key_fp", false),
	    decoded(s, said, "hpke_key", false), bytes_of(s->nonce, 32),
	    decoded(s, said, "gpu_evidence_hash", false),
	    decoded(s, said, "nvswitch_evidence_hash", false)};
	struct bytes report = decoded(s, cpu, "report", true);
	const char *platform = member(cpu, "platform");
	bool tdx = platform != NULL && strcmp(platform, "tdx") == 0;
	bool snp = platform != NULL && strcmp(platform, "sev-snp") == 0;
	struct bytes said_nonce = decoded(s, said, "nonce", false);
	struct tdx_judgement j;
	struct snp_report r;
	struct fault f = {0};
	uint8_t wanted[64];
	const uint8_t *seen;

	s->nodes++;
	binding_tinfoil(&b, wanted);
	if (!verdict_check(&s->v, tdx || snp,
		(struct check){"answer.platform", SOURCE_PROVIDER,
		    CODE_UNSUPPORTED, NULL, "tdx or sev-snp"}) ||
	    !verdict_check(&s->v, bytes_equal(said_nonce, b.nonce),
		(struct check){"answer.nonce", SOURCE_PROVIDER, CODE_NONCE,
		    verdict_hex(&s->v, said_nonce),
		    verdict_hex(&s->v, b.nonce)}))
		return false;
	if (tdx ? !quote_judge(s, report, &j) : !report_judge(s, report, &r))
		return false;
	seen = tdx ? j.quote.body.reportdata.at : r.report_data.at;
	if (!check(s, binding_holds(seen, bytes_of(wanted, 64), &f),
		"answer.binding", &f))
		return false;
	return !tdx ||
	       (gpu_hash_judge(s, doc, b.gpu_evidence_hash) &&
		   gpus_judge(s, json_object_get(json_object_get(doc, "gpu"),
				     "evidences")));
}

bool
vector_answer(struct vector *x)
{
	struct answer s = {.x = x};
	const char *at = vector_string(x, "verify_at");
	const char *expect = vector_string(x, "expect");
	struct bytes file;
	struct fault f = {0};
	json_t *doc = NULL;
	size_t len;

	if (at == NULL)
		at = vector_string(x, "captured_at");
	if (at == NULL || !time_of_rfc3339(text_of(at), &s.now) ||
	    !hex_decode(
		text_of(vector_string(x, "nonce")), s.nonce, 32, &len) ||
	    !vector_member_file(x, "file", &file))
		return vector_fail(x, "no time, nonce or file");
	if (!json_read((struct text){(const char *)file.at, file.len}, file.len,
		&doc, &f))
		return vector_fail(x, "%s", f.why);
	verdict_init(&s.v, x->a, s.now);
	if (json_object_get(doc, "cpu") != NULL)
		tinfoil_judge(&s, doc);
	else
		near_judge(&s, doc);
	json_free(&doc);
	verdict_check(&s.v, s.nodes > 0,
	    (struct check){"answer.nodes", SOURCE_PROVIDER, CODE_MALFORMED,
		s.nodes > 0 ? NULL : "none", NULL});
	verdict_conclude(&s.v);
	return vector_expect(x, &s.v, expect != NULL ? expect : "accept");
}
