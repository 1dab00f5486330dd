/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU evidence as it stands in a bundle, brought together with its collateral:
 * the verifiers of "tdx" and "snp". They fill the facts that everything else
 * in the bundle leans on, and only once all their checks have held.
 */
#include <string.h>

#include "attestation/collateral_age.h"
#include "attestation/evidence.h"
#include "attestation/snp.h"
#include "attestation/tdx.h"
#include "base/codec.h"
#include "base/json.h"

#define CERTIFICATES_MAX 4

/* One CPU speaks for the node. */
static bool
only_cpu(struct examination *x, struct verdict *v)
{
	return verdict_check(v, !x->facts.cpu,
	    (struct check){"evidence.cpu", SOURCE_PROVIDER, CODE_MISMATCH,
		x->facts.cpu ? "two CPUs" : NULL, "one"});
}

static const struct collateral_item *
find(struct examination *x, const char *name, const char *check,
    struct verdict *v)
{
	const struct collateral_item *item =
	    collateral_find(x->collateral, name);

	if (!verdict_need(v, item != NULL,
		(struct check){check, SOURCE_VERIFIER, CODE_MISSING,
		    item != NULL ? NULL : "no collateral at hand", name}) ||
	    !collateral_young(x, item, check, v))
		return NULL;
	return item;
}

static const char *
tcb_name(struct arena *a, const uint8_t fmspc[6], bool is_processor)
{
	char hex[HEX_SIZE(6)];

	hex_encode(bytes_of(fmspc, 6), hex);
	return arena_printf(
	    a, "tdx/tcb/%s%s", hex, is_processor ? ".processor" : "");
}

/* What is at hand under the name; whoever keeps one file a platform names it
 * without the CA. */
static const struct collateral_item *
tcb_at_hand(struct examination *x, const uint8_t fmspc[6], bool is_processor,
    const char **name, struct verdict *v)
{
	const struct collateral_item *item;

	*name = tcb_name(v->arena, fmspc, is_processor);
	item = collateral_find(x->collateral, *name);
	if (item == NULL && is_processor) {
		*name = tcb_name(v->arena, fmspc, false);
		item = collateral_find(x->collateral, *name);
	}
	return item;
}

static bool
tdx_judge(struct examination *x, struct bytes quote,
    const struct tdx_collateral *c, struct verdict *v)
{
	struct evidence_facts *facts = &x->facts;
	struct tdx_judgement j;
	int i;

	if (!tdx_verify(quote, c, x->policy, x->now_ms, v, &j))
		return false;
	facts->cpu = facts->is_tdx = true;
	memcpy(facts->report_data, j.quote.body.reportdata.at, 64);
	memcpy(facts->mrtd, j.quote.body.mrtd.at, 48);
	memcpy(facts->mrconfigid, j.quote.body.mrconfigid.at, 48);
	for (i = 0; i < 4; i++)
		memcpy(facts->rtmr[i], j.quote.body.rtmr[i].at, 48);
	return true;
}

/* Collateral that is not kept is verified here, for this quote alone. */
static bool
tdx_judge_fresh(struct examination *x, struct bytes quote,
    const uint8_t fmspc[6], bool is_processor, struct verdict *v)
{
	const struct collateral_item *item;
	const char *name;
	struct tdx_collateral *c = NULL;
	struct tdx_source source;
	struct fault f = {0};
	bool held;

	tcb_at_hand(x, fmspc, is_processor, &name, v);
	item = find(x, name, "tdx.collateral", v);
	if (item == NULL)
		return false;
	held =
	    verdict_need_fault(v,
		tdx_source_of_bundle(v->arena,
		    (struct text){(const char *)item->body.at, item->body.len},
		    &source, &f),
		"tdx.collateral_format", SOURCE_VERIFIER, &f) &&
	    tdx_collateral_new(
		&source, x->anchors, x->policy->revocation, v, &c) &&
	    tdx_judge(x, quote, c, v);
	tdx_collateral_free(&c);
	return held;
}

/* The caller verified it before; how old it is counts all the same. */
static bool
tdx_judge_kept(struct examination *x, struct bytes quote,
    const uint8_t fmspc[6], bool is_processor, struct verdict *v)
{
	const struct collateral_item *item;
	const char *name;

	item = tcb_at_hand(x, fmspc, is_processor, &name, v);
	verdict_check(v, true,
	    (struct check){"tdx.collateral", SOURCE_VERIFIER, CODE_OK,
		"verified and kept", NULL});
	return (item == NULL ||
		   collateral_young(x, item, "tdx.collateral", v)) &&
	       tdx_judge(x, quote, x->collateral->tdx, v);
}

static bool
verify_tdx(struct examination *x, const json_t *item, struct verdict *v)
{
	const struct tdx_collateral *kept =
	    x->collateral != NULL ? x->collateral->tdx : NULL;
	struct bytes quote;
	struct fault f = {0};
	uint8_t fmspc[6];
	bool is_processor, read;

	if (!only_cpu(x, v))
		return false;
	read = evidence_member(
		   v->arena, item, "quote", TDX_QUOTE_MAX, &quote, &f) &&
	       tdx_quote_peek(quote, fmspc, &is_processor, &f);
	if (!verdict_check_fault(
		v, read, "tdx.quote_format", SOURCE_VERIFIER, &f))
		return false;
	if (kept != NULL && kept->anchors == x->anchors &&
	    memcmp(kept->tcb.fmspc, fmspc, 6) == 0)
		return tdx_judge_kept(x, quote, fmspc, is_processor, v);
	return tdx_judge_fresh(x, quote, fmspc, is_processor, v);
}

static const char *
kind_name(enum snp_key_kind k)
{
	return k == SNP_VLEK ? "vlek" : "vcek";
}

/* A chip's certificate is found by its id and the version it reports. */
static const char *
vcek_name(struct arena *a, const struct snp_report *r)
{
	bool turin = r->has_cpuid && r->family == 0x1a;
	char id[HEX_SIZE(64)], tcb[HEX_SIZE(8)];

	hex_encode(bytes_of(r->chip_id.at, turin ? 8 : 64), id);
	hex_encode(r->reported_tcb, tcb);
	return arena_printf(a, "amd/vcek/%s/%s", id, tcb);
}

static bool
read_certificates(struct arena *a, const json_t *item,
    struct bytes out[CERTIFICATES_MAX], size_t *count, struct fault *f)
{
	const json_t *list;
	size_t i;

	if (!json_get_array_or(item, "certificates", CERTIFICATES_MAX, &list,
		FAULT_INVALID, f))
		return false;
	*count = json_array_size(list);
	for (i = 0; i < *count; i++) {
		json_t *one =
		    json_pack("{s:O}", "der", json_array_get(list, i));
		bool read = evidence_member(
		    a, one, "der", CERTIFICATE_DER_MAX, &out[i], f);

		json_decref(one);
		if (!read)
			return false;
	}
	return true;
}

/* Leaf and chain from the bundle where they are there, else from what AMD
 * published; lists are AMD's always. */
static bool
snp_source(struct examination *x, const json_t *item,
    const struct snp_report *r, struct snp_source *out, struct verdict *v)
{
	struct bytes certs[CERTIFICATES_MAX];
	const struct collateral_item *found;
	enum snp_product product;
	enum snp_key_kind kind;
	struct fault f = {0};
	size_t count;

	memset(out, 0, sizeof(*out));
	if (!verdict_check_fault(v,
		read_certificates(v->arena, item, certs, &count, &f),
		"snp.certificates", SOURCE_PROVIDER, &f))
		return false;
	if (count > 0) {
		out->leaf = certs[0];
	} else {
		found = find(x, vcek_name(v->arena, r), "snp.vcek", v);
		if (found == NULL)
			return false;
		out->leaf = found->body;
	}
	if (!verdict_check_fault(v,
		snp_leaf_peek(out->leaf, &kind, &product, &f), "snp.leaf",
		SOURCE_VERIFIER, &f))
		return false;
	if (count >= 3) {
		out->ask = certs[1];
		out->ark = certs[2];
	} else {
		found = find(x,
		    arena_printf(v->arena, "amd/chain/%s/%s",
			snp_product_name(product), kind_name(kind)),
		    "snp.chain_at_hand", v);
		if (found == NULL)
			return false;
		out->chain = (struct text){
		    (const char *)found->body.at, found->body.len};
	}
	if (!x->policy->revocation)
		return true;
	found = find(x,
	    arena_printf(v->arena, "amd/crl/%s/%s", snp_product_name(product),
		kind_name(kind)),
	    "snp.crl_at_hand", v);
	if (found != NULL)
		out->crl = found->body;
	return found != NULL;
}

static struct policy_tcb
tcb_facts(struct bytes raw, enum snp_product product)
{
	struct snp_tcb t = snp_tcb_of(raw.at, product);

	return (struct policy_tcb){true, product == SNP_TURIN ? t.fmc : -1,
	    t.bootloader, t.tee, t.snp, t.microcode};
}

static bool
snp_judge(struct examination *x, struct bytes report,
    const struct snp_source *s, struct verdict *v)
{
	struct evidence_facts *facts = &x->facts;
	struct snp_key *k = NULL;
	struct snp_report r;
	bool held;

	held = snp_key_new(s, x->anchors, x->policy->revocation, v, &k) &&
	       snp_verify(report, k, x->policy, x->now_ms, v, &r);
	if (held) {
		facts->cpu = true;
		memcpy(facts->report_data, r.report_data.at, 64);
		memcpy(facts->measurement, r.measurement.at, 48);
		memcpy(facts->host_data, r.host_data.at, 32);
		facts->product = k->product;
		facts->reported_tcb = tcb_facts(r.reported_tcb, k->product);
		facts->launch_tcb = tcb_facts(r.launch_tcb, k->product);
	}
	snp_key_free(&k);
	return held;
}

static bool
verify_snp(struct examination *x, const json_t *item, struct verdict *v)
{
	struct snp_source source;
	struct snp_report r;
	struct bytes report;
	struct fault f = {0};

	if (!only_cpu(x, v))
		return false;
	if (!verdict_check_fault(v,
		evidence_member(
		    v->arena, item, "report", SNP_REPORT_SIZE, &report, &f) &&
		    snp_report_read(report, &r, &f),
		"snp.report_format", SOURCE_VERIFIER, &f))
		return false;
	return snp_source(x, item, &r, &source, v) &&
	       snp_judge(x, report, &source, v);
}

const struct verifier tdx_verifier = {"tdx", 0, verify_tdx};
const struct verifier snp_verifier = {"snp", 0, verify_snp};

static void
need(const char *name, const char **out, size_t *count)
{
	if (*count < EVIDENCE_NEEDS_MAX)
		out[(*count)++] = name;
}

static void
product_needs(struct arena *a, enum snp_product product, enum snp_key_kind kind,
    bool has_chain, const char **out, size_t *count)
{
	const char *name = snp_product_name(product);

	if (!has_chain)
		need(arena_printf(a, "amd/chain/%s/%s", name, kind_name(kind)),
		    out, count);
	need(arena_printf(a, "amd/crl/%s/%s", name, kind_name(kind)), out,
	    count);
}

/* Of a report without certificates. Only the chip's tells the product where
 * there is no CPUID; Turin's reports have one. */
static void
bare_needs(struct arena *a, const struct snp_report *r, const char **out,
    size_t *count)
{
	bool turin = r->has_cpuid && r->family == 0x1a;
	bool genoa = !r->has_cpuid || (!turin && r->model >= 0x10);

	need(vcek_name(a, r), out, count);
	if (turin)
		product_needs(a, SNP_TURIN, SNP_VCEK, false, out, count);
	if (!r->has_cpuid || (!turin && !genoa))
		product_needs(a, SNP_MILAN, SNP_VCEK, false, out, count);
	if (genoa)
		product_needs(a, SNP_GENOA, SNP_VCEK, false, out, count);
}

static bool
snp_needs(struct arena *a, const json_t *item, const char **out, size_t *count,
    struct fault *f)
{
	struct bytes certs[CERTIFICATES_MAX], report;
	enum snp_product product;
	enum snp_key_kind kind;
	struct snp_report r;
	size_t n;

	if (!evidence_member(a, item, "report", SNP_REPORT_SIZE, &report, f) ||
	    !snp_report_read(report, &r, f) ||
	    !read_certificates(a, item, certs, &n, f))
		return false;
	if (n == 0) {
		bare_needs(a, &r, out, count);
		return true;
	}
	if (!snp_leaf_peek(certs[0], &kind, &product, f))
		return false;
	product_needs(a, product, kind, n >= 3, out, count);
	return true;
}

bool
cpu_needs(struct arena *a, const json_t *item, const char **out, size_t *count,
    struct fault *f)
{
	const char *kind = json_string_value(json_object_get(item, "kind"));
	struct bytes quote;
	uint8_t fmspc[6];
	bool is_processor;

	if (kind != NULL && strcmp(kind, "snp") == 0)
		return snp_needs(a, item, out, count, f);
	if (!evidence_member(a, item, "quote", TDX_QUOTE_MAX, &quote, f) ||
	    !tdx_quote_peek(quote, fmspc, &is_processor, f))
		return false;
	need(tcb_name(a, fmspc, is_processor), out, count);
	return true;
}
