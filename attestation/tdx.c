/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TDX quote judged by Intel's rules (Intel SGX DCAP Quote Verification
 * library API, 4.1.2.4; clause numbers below) and by what those leave to the
 * relying party. Check, cite, refuse; nothing is used before it is proven.
 */
#include "attestation/tdx.h"

#include <string.h>

#include "attestation/collateral_age.h"
#include "base/codec.h"
#include "base/crypto.h"

struct examined {
	const struct tdx_collateral *c;
	const struct policy *p;
	int64_t now_ms;
	struct verdict *v;
	struct arena *arena; /* of this examination */
	struct tdx_quote q;
	struct tdx_pck pck;
	struct cert leaf;
	EVP_PKEY *leaf_key;
	struct cert ca;
	struct window upper; /* of CA and root, where not the kept ones */
	struct tdx_match match;
	enum tdx_status status;
};

static bool
check(struct examined *x, bool holds, const char *name,
    enum claim_source source, enum verdict_code code, const char *seen,
    const char *wanted)
{
	return verdict_check(
	    x->v, holds, (struct check){name, source, code, seen, wanted});
}

static bool
check_bytes(struct examined *x, const char *name, enum verdict_code code,
    struct bytes seen, struct bytes wanted)
{
	return check(x, bytes_equal(seen, wanted), name, SOURCE_HARDWARE, code,
	    verdict_hex(x->v, seen), verdict_hex(x->v, wanted));
}

static bool
all_zero(struct bytes b)
{
	size_t i;

	for (i = 0; i < b.len; i++)
		if (b.at[i] != 0)
			return false;
	return true;
}

static bool
check_structure(struct examined *x, struct bytes quote)
{
	/* The only vendor that there is: Intel (A.3.1). */
	static const uint8_t intel[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c,
	    0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};
	struct fault f = {0};

	return verdict_check_fault(x->v, tdx_quote_read(quote, &x->q, &f),
		   "tdx.quote_format", SOURCE_VERIFIER, &f) &&
	       check_bytes(x, "tdx.qe_vendor", CODE_UNSUPPORTED, x->q.vendor,
		   bytes_of(intel, sizeof(intel)));
}

static struct check
window_check(struct examined *x, struct window w, const char *name,
    enum verdict_code ended)
{
	bool early = x->now_ms < w.from;
	struct check c = {name, SOURCE_VERIFIER,
	    early ? CODE_NOT_YET_VALID : ended, NULL, NULL};

	if (!window_holds(w, x->now_ms)) {
		c.seen = verdict_time(x->v, x->now_ms);
		c.wanted =
		    verdict_format(x->v, "%s %s", early ? "not before" : "by",
			verdict_time(x->v, early ? w.from : w.until - 999));
	}
	return c;
}

static bool
need_window(struct examined *x, struct window w, const char *name,
    enum verdict_code ended)
{
	verdict_until(x->v, w.until);
	return verdict_need(
	    x->v, window_holds(w, x->now_ms), window_check(x, w, name, ended));
}

/* Dates of the collateral at the time asked about; a date to come is as bad
 * as one that has passed. */
static bool
check_collateral_times(struct examined *x)
{
	const struct tdx_collateral *c = x->c;
	struct window tcb = {c->tcb.issued, c->tcb.next_update};
	struct window qe = {c->qe.issued, c->qe.next_update};

	return need_window(x, c->chain_window, "tdx.collateral_chains_time",
		   CODE_EXPIRED) &&
	       need_window(x, tcb, "tdx.tcb_info_time", CODE_STALE) &&
	       need_window(x, qe, "tdx.qe_identity_time", CODE_STALE) &&
	       (!c->has_lists || (need_window(x, c->root_crl_window,
				      "tdx.root_crl_time", CODE_STALE) &&
				     need_window(x, c->pck_crl_window,
					 "tdx.pck_crl_time", CODE_STALE)));
}

static bool
is_pck_ca(const struct cert *c)
{
	return cert_is_named(c, "Intel SGX PCK Platform CA") ||
	       cert_is_named(c, "Intel SGX PCK Processor CA");
}

/* Upper certificates that are not the ones kept: verified here. */
static bool
walk_upper(struct examined *x, const struct chain_blocks *b, struct cert *ca,
    struct fault *f)
{
	const struct tdx_collateral *c = x->c;
	struct cert root;

	if (bytes_equal(b->at[2], c->root.der))
		root = c->root;
	else if (!cert_read(b->at[2], &root, f) ||
		 !cert_check_anchor(
		     &root, c->root_key, c->anchors, ANCHOR_INTEL_SGX_ROOT, f))
		return false;
	if (!cert_read(b->at[1], ca, f) ||
	    !cert_check_link(ca, &root, c->root_key, 1, CHAIN_ECDSA, f))
		return false;
	/* 4.1.2.1: the CA plays its part by name. */
	if (!is_pck_ca(ca))
		return fault_set(f, FAULT_UNTRUSTED,
		    "the PCK certificate's issuer is no PCK CA");
	if (c->has_lists && !bytes_equal(ca->spki, c->pck_ca.spki))
		return fault_set(f, FAULT_CONFLICT,
		    "the revocation list is by another PCK CA");
	x->upper = window_meet(ca->window, root.window);
	return true;
}

/* 4.1.2.1: leaf, CA, root. The usual case is that both upper certificates are
 * the ones already verified. */
static bool
read_pck_chain(struct examined *x, struct fault *f)
{
	const struct tdx_collateral *c = x->c;
	struct chain_blocks b;
	EVP_PKEY *key = c->pck_ca_key;
	bool held;

	x->ca = c->pck_ca;
	x->upper = WINDOW_ALWAYS;
	if (!chain_split_pem(x->arena, x->q.chain, &b, f))
		return false;
	if (b.count != 3)
		return fault_set(f, FAULT_INVALID,
		    "PCK chain of %zu certificates, not 3", b.count);
	if (key == NULL || !bytes_equal(b.at[1], c->pck_ca.der) ||
	    !bytes_equal(b.at[2], c->root.der)) {
		if (!walk_upper(x, &b, &x->ca, f))
			return false;
		key = cert_key(&x->ca, c->root_key);
	} else {
		EVP_PKEY_up_ref(key);
	}
	held = cert_read(b.at[0], &x->leaf, f) &&
	       cert_check_leaf(&x->leaf, f) &&
	       cert_check_link(&x->leaf, &x->ca, key, 0, CHAIN_ECDSA, f);
	EVP_PKEY_free(key);
	if (held)
		x->leaf_key = cert_key(&x->leaf, c->root_key);
	return held;
}

static bool
check_window(struct examined *x, struct window w, const char *name)
{
	verdict_until(x->v, w.until);
	return verdict_check(x->v, window_holds(w, x->now_ms),
	    window_check(x, w, name, CODE_EXPIRED));
}

/* 4.1.2.1 and 4.1.2.4.4: chain, role and time of the PCK certificate. */
static bool
check_pck(struct examined *x)
{
	struct text name = {NULL, 0};
	struct fault f = {0};

	if (!verdict_check_fault(x->v, read_pck_chain(x, &f), "tdx.pck_chain",
		SOURCE_VERIFIER, &f))
		return false;
	cert_common_name(&x->leaf, &name);
	return check(x, text_is(name, "Intel SGX PCK Certificate"),
		   "tdx.pck_role", SOURCE_VERIFIER, CODE_UNTRUSTED,
		   verdict_text(x->v, name), "Intel SGX PCK Certificate") &&
	       check_window(x, x->leaf.window, "tdx.pck_time") &&
	       check_window(x, x->upper, "tdx.pck_ca_time") &&
	       verdict_check_fault(x->v, tdx_pck_read(&x->leaf, &x->pck, &f),
		   "tdx.pck_extension", SOURCE_VERIFIER, &f);
}

/* 4.1.2.4.6 and .7. */
static bool
check_revocation(struct examined *x)
{
	const struct check leaf = {
	    "tdx.pck_revoked", SOURCE_VERIFIER, CODE_REVOKED, NULL, NULL};
	const struct check ca = {
	    "tdx.pck_ca_revoked", SOURCE_VERIFIER, CODE_REVOKED, NULL, NULL};

	if (!x->c->has_lists) {
		if (x->p == NULL || x->p->revocation)
			return verdict_need(x->v, false,
			    (struct check){"tdx.revocation_lists",
				SOURCE_VERIFIER, CODE_MISSING, "none",
				"lists of the root and the PCK CA"});
		verdict_unknown(x->v, leaf);
		return true;
	}
	return verdict_check(
		   x->v, !cert_list_has(&x->c->root_crl, &x->ca), ca) &&
	       verdict_check(
		   x->v, !cert_list_has(&x->c->pck_crl, &x->leaf), leaf);
}

/* 4.1.2.4.9 to .11: collateral of this kind of platform. */
static bool
check_platform(struct examined *x)
{
	struct bytes fmspc = bytes_of(x->pck.fmspc, 6);
	struct bytes pceid = bytes_of(x->pck.pceid, 2);

	return verdict_need(x->v,
		   bytes_equal(fmspc, bytes_of(x->c->tcb.fmspc, 6)),
		   (struct check){"tdx.fmspc", SOURCE_HARDWARE, CODE_MISMATCH,
		       verdict_hex(x->v, fmspc),
		       verdict_hex(x->v, bytes_of(x->c->tcb.fmspc, 6))}) &&
	       verdict_need(x->v,
		   bytes_equal(pceid, bytes_of(x->c->tcb.pceid, 2)),
		   (struct check){"tdx.pceid", SOURCE_HARDWARE, CODE_MISMATCH,
		       verdict_hex(x->v, pceid),
		       verdict_hex(x->v, bytes_of(x->c->tcb.pceid, 2))});
}

/* A point as the quote carries it; NULL if it is not on the curve. */
static EVP_PKEY *
attestation_key(struct examined *x)
{
	uint8_t point[65] = {4};

	memcpy(point + 1, x->q.attestation_key.at, 64);
	return key_of_point(bytes_of(point, sizeof(point)), x->c->root_key);
}

/* 4.1.2.4.12, .13 and .16: PCK key -> QE report -> attestation key -> quote. */
static bool
check_signatures(struct examined *x)
{
	const struct tdx_quote *q = &x->q;
	const struct bytes parts[] = {q->attestation_key, q->auth_data};
	struct bytes bound = bytes_of(q->qe.reportdata.at, 32);
	struct bytes tail = bytes_of(q->qe.reportdata.at + 32, 32);
	uint8_t digest[32];
	EVP_PKEY *key;
	bool held;

	if (!check(x,
		signature_p256(x->leaf_key, q->qe.report, q->qe_signature.at),
		"tdx.qe_report_signature", SOURCE_VERIFIER, CODE_TAMPERED, NULL,
		NULL))
		return false;
	sha256_parts(parts, 2, digest);
	if (!check(x, bytes_equal(bound, bytes_of(digest, 32)),
		"tdx.attestation_key_bound", SOURCE_HARDWARE, CODE_TAMPERED,
		verdict_hex(x->v, bound),
		verdict_hex(x->v, bytes_of(digest, 32))))
		return false;
	if (!check(x, all_zero(tail), "tdx.qe_report_data_tail",
		SOURCE_HARDWARE, CODE_MISMATCH, verdict_hex(x->v, tail),
		"zeros"))
		return false;
	key = attestation_key(x);
	held =
	    key != NULL && signature_p256(key, q->signed_part, q->signature.at);
	EVP_PKEY_free(key);
	return check(x, held, "tdx.quote_signature", SOURCE_VERIFIER,
	    CODE_TAMPERED, NULL, NULL);
}

static bool
equal_masked(
    const uint8_t *seen, const uint8_t *mask, const uint8_t *wanted, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if ((seen[i] & mask[i]) != wanted[i])
			return false;
	return true;
}

/* 4.1.2.4.14 and .15: this is Intel's quoting enclave for TDs. */
static bool
check_qe(struct examined *x)
{
	const struct tdx_qe *qe = &x->q.qe;
	const struct tdx_qe_identity *id = &x->c->qe;

	/* SGX ATTRIBUTES flag 0x02: anyone may read a debug enclave. */
	return check_bytes(x, "tdx.qe_mrsigner", CODE_MISMATCH, qe->mrsigner,
		   bytes_of(id->mrsigner, 32)) &&
	       check(x, qe->isvprodid == id->isvprodid, "tdx.qe_isvprodid",
		   SOURCE_HARDWARE, CODE_MISMATCH,
		   verdict_format(x->v, "%u", qe->isvprodid),
		   verdict_format(x->v, "%u", id->isvprodid)) &&
	       check(x,
		   equal_masked(qe->miscselect.at, id->miscselect_mask,
		       id->miscselect, 4),
		   "tdx.qe_miscselect", SOURCE_HARDWARE, CODE_MISMATCH,
		   verdict_hex(x->v, qe->miscselect),
		   verdict_hex(x->v, bytes_of(id->miscselect, 4))) &&
	       check(x, !(qe->attributes.at[0] & 0x02), "tdx.qe_debug",
		   SOURCE_HARDWARE, CODE_DEBUG,
		   verdict_hex(x->v, qe->attributes), NULL) &&
	       check(x,
		   equal_masked(qe->attributes.at, id->attributes_mask,
		       id->attributes, 16),
		   "tdx.qe_attributes", SOURCE_HARDWARE, CODE_MISMATCH,
		   verdict_hex(x->v, qe->attributes),
		   verdict_hex(x->v, bytes_of(id->attributes, 16)));
}

/* 4.1.2.4.11: the TDX module is Intel's, of a version that is known. */
static bool
check_module(struct examined *x)
{
	const struct tdx_body *b = &x->q.body;
	const struct tdx_module *m = x->match.module;

	return check(x, m != NULL, "tdx.module_known", SOURCE_HARDWARE,
		   CODE_UNSUPPORTED,
		   verdict_format(x->v, "version %u", b->tee_tcb_svn.at[1]),
		   "a module with an identity") &&
	       check_bytes(x, "tdx.module_signer", CODE_MISMATCH,
		   b->mrsignerseam, bytes_of(m->mrsigner, 48)) &&
	       check(x,
		   all_zero(b->seamattributes) &&
		       equal_masked(
			   b->seamattributes.at, m->mask, m->attributes, 8),
		   "tdx.module_attributes", SOURCE_HARDWARE, CODE_MISMATCH,
		   verdict_hex(x->v, b->seamattributes), "zeros");
}

static void
advise(struct examined *x, const struct tdx_advisories *l)
{
	size_t i;

	for (i = 0; i < l->count; i++)
		verdict_advise(x->v, l->at[i]);
}

/* 4.1.2.4.17: status of platform, module and QE together. */
static bool
check_tcb(struct examined *x)
{
	const struct tdx_match *m = &x->match;
	bool versioned = x->q.body.tee_tcb_svn.at[1] > 0;
	const char *level = "a level that is listed";
	struct fault f = {0};

	if (!check(x, m->sgx != NULL && m->platform != NULL,
		"tdx.platform_level", SOURCE_HARDWARE, CODE_UNSUPPORTED,
		verdict_hex(x->v, x->q.body.tee_tcb_svn), level) ||
	    !check(x, !versioned || m->module_level != NULL, "tdx.module_level",
		SOURCE_HARDWARE, CODE_UNSUPPORTED,
		verdict_format(x->v, "%u", x->q.body.tee_tcb_svn.at[0]),
		level) ||
	    !check(x, m->qe != NULL, "tdx.qe_level", SOURCE_HARDWARE,
		CODE_UNSUPPORTED, verdict_format(x->v, "%u", x->q.qe.isvsvn),
		level))
		return false;
	advise(x, &m->platform->advisories);
	if (m->module_level != NULL)
		advise(x, &m->module_level->advisories);
	advise(x, &m->qe->advisories);
	if (!verdict_check_fault(x->v,
		tdx_match_status(m, &x->c->tcb, &x->q, &x->status, &f),
		"tdx.module_running", SOURCE_HARDWARE, &f))
		return false;
	x->v->status = tdx_status_name(x->status);
	return check(x, x->status != TDX_REVOKED, "tdx.tcb_revoked",
	    SOURCE_VERIFIER, CODE_REVOKED, x->v->status, NULL);
}

/* Intel TDX module base architecture, TDATTRIBUTES: TUD (byte 0), SEC (bits 8
 * to 31), OTHER (bits 32 to 63). */
enum {
	SEC_SEPT_VE_DISABLE = 28,
	SEC_MIGRATABLE = 29,
	SEC_PKS = 30,
	SEC_KEY_LOCKER = 31,
	OTHER_PERFMON = 63
};

static bool
check_td(struct examined *x)
{
	const struct tdx_body *b = &x->q.body;
	const char *seen = verdict_hex(x->v, b->tdattributes);
	uint64_t bits = 0;
	const uint64_t known = 1ull << SEC_SEPT_VE_DISABLE |
			       1ull << SEC_MIGRATABLE | 1ull << SEC_PKS |
			       1ull << SEC_KEY_LOCKER | 1ull << OTHER_PERFMON;
	int i;

	for (i = 0; i < 8; i++)
		bits |= (uint64_t)b->tdattributes.at[i] << (8 * i);
	return check(x, !(bits & 1), "tdx.td_debug", SOURCE_HARDWARE,
		   CODE_DEBUG, seen, "bit 0 clear") &&
	       check(x, !(bits & 0xfe), "tdx.td_tud_reserved", SOURCE_HARDWARE,
		   CODE_DEBUG, seen, "bits 1 to 7 clear") &&
	       check(x, !(bits & ~known & ~0xffull), "tdx.td_reserved",
		   SOURCE_HARDWARE, CODE_UNSUPPORTED, seen,
		   "reserved bits clear") &&
	       /* Without it the host may make pages vanish under the guest. */
	       check(x, bits >> SEC_SEPT_VE_DISABLE & 1, "tdx.td_sept_ve",
		   SOURCE_HARDWARE, CODE_POLICY, seen, "SEPT_VE_DISABLE set") &&
	       /* A policy may allow it; nobody else may. */
	       check(x, x->p != NULL || !(bits >> SEC_MIGRATABLE & 1),
		   "tdx.td_migratable", SOURCE_HARDWARE, CODE_POLICY, seen,
		   "MIGRATABLE clear") &&
	       /* A bound service TD could take the guest elsewhere. */
	       check(x, !b->is_15 || all_zero(b->mrservicetd), "tdx.td_service",
		   SOURCE_HARDWARE, CODE_POLICY,
		   b->is_15 ? verdict_hex(x->v, b->mrservicetd) : NULL,
		   "zeros");
}

static bool
policy_bit(struct examined *x, int bit, bool allowed, const char *name)
{
	bool set = x->q.body.tdattributes.at[bit / 8] >> (bit % 8) & 1;

	return check(x, !set || allowed, name, SOURCE_HARDWARE, CODE_POLICY,
	    set ? "set" : "clear", allowed ? NULL : "clear");
}

/* A status below UpToDate needs the policy's word, and so does each of its
 * advisories. */
static bool
policy_status(struct examined *x)
{
	const struct policy_tdx *t = &x->p->tdx;
	bool held = policy_check_text(x->v, &t->accept_status,
	    "tdx.policy_status", SOURCE_VERIFIER, text_of(x->v->status));
	size_t i;

	for (i = 0; x->status != TDX_UP_TO_DATE && i < x->v->advisory_count;
	     i++)
		held &= check(x,
		    policy_texts_have(
			&t->accept_advisories, text_of(x->v->advisories[i])),
		    "tdx.policy_advisory", SOURCE_VERIFIER, CODE_POLICY,
		    x->v->advisories[i], "an accepted advisory");
	return held;
}

static bool
policy_age(struct examined *x, const char *name, int64_t issued)
{
	int64_t end = issued + x->p->max_collateral_age_s * 1000;

	verdict_until(x->v, end);
	return verdict_need(x->v, x->now_ms <= end,
	    (struct check){name, SOURCE_OPERATOR, CODE_STALE,
		verdict_time(x->v, issued),
		verdict_format(x->v, "at most %lld s old",
		    (long long)x->p->max_collateral_age_s)});
}

/* Old collateral that is still in its time must not hide a newer advisory. */
static bool
policy_collateral(struct examined *x)
{
	const struct tdx_collateral *c = x->c;
	int64_t least = x->p->tdx.min_tcb_evaluation;
	int64_t number = c->tcb.evaluation < c->qe.evaluation
			     ? c->tcb.evaluation
			     : c->qe.evaluation;
	bool held;

	held = verdict_need(x->v, number >= least,
	    (struct check){"tdx.policy_tcb_evaluation", SOURCE_OPERATOR,
		CODE_STALE, verdict_format(x->v, "%lld", (long long)number),
		verdict_format(x->v, "at least %lld", (long long)least)});
	held &= policy_age(x, "tdx.policy_tcb_info_age", c->tcb.issued);
	held &= policy_age(x, "tdx.policy_qe_identity_age", c->qe.issued);
	if (c->has_lists)
		held &= policy_age(
		    x, "tdx.policy_pck_crl_age", c->pck_crl_window.from);
	if (c->has_lists)
		held &= collateral_list_young(x->p, c->root_crl_window.from,
		    "tdx.policy_root_crl_age", x->v);
	return held;
}

static bool
policy_digest(struct examined *x, const struct policy_digests *l,
    const char *name, struct bytes seen)
{
	return policy_check_digest(x->v, l, name, SOURCE_HARDWARE, seen);
}

/* XFAM as the policy pins it; some sources leave out the CET bits 11, 12. */
static bool
policy_xfam(struct examined *x)
{
	uint8_t masked[8];

	memcpy(masked, x->q.body.xfam.at, 8);
	if (x->p->tdx.xfam_ignores_cet)
		masked[1] &= (uint8_t)~0x18;
	return policy_digest(
	    x, &x->p->tdx.xfam, "tdx.policy_xfam", bytes_of(masked, 8));
}

static bool
policy_measurements(struct examined *x)
{
	static const char *const rtmr[] = {"tdx.policy_rtmr0",
	    "tdx.policy_rtmr1", "tdx.policy_rtmr2", "tdx.policy_rtmr3"};
	const struct policy_tdx *t = &x->p->tdx;
	const struct tdx_body *b = &x->q.body;
	bool held = true;
	int i;

	held &= policy_digest(x, &t->mrtd, "tdx.policy_mrtd", b->mrtd);
	for (i = 0; i < 4; i++)
		held &= policy_digest(x, &t->rtmr[i], rtmr[i], b->rtmr[i]);
	held &= policy_digest(x, &t->mrseam, "tdx.policy_mrseam", b->mrseam);
	held &= policy_digest(
	    x, &t->mrconfigid, "tdx.policy_mrconfigid", b->mrconfigid);
	held &= policy_digest(x, &t->config_prefix, "tdx.policy_config_prefix",
	    bytes_of(b->mrconfigid.at, 32));
	held &= policy_digest(x, &t->mrowner, "tdx.policy_mrowner", b->mrowner);
	held &= policy_digest(
	    x, &t->mrownerconfig, "tdx.policy_mrownerconfig", b->mrownerconfig);
	held &= policy_digest(
	    x, &t->td_attributes, "tdx.policy_td_attributes", b->tdattributes);
	return policy_xfam(x) && held;
}

static bool
policy_platform(struct examined *x)
{
	const struct policy_tdx *t = &x->p->tdx;
	const struct tdx_pck *k = &x->pck;
	bool held = policy_digest(x, &t->piids, "tdx.policy_piid",
	    bytes_of(k->piid, k->has_piid ? 16 : 0));

	if (t->static_platform)
		held &= check(x, k->has_configuration && !k->dynamic_platform,
		    "tdx.policy_static_platform", SOURCE_HARDWARE, CODE_POLICY,
		    "dynamic or unknown", "static");
	if (t->memory_integrity)
		held &= check(x, k->sgx_type == 2, "tdx.policy_integrity",
		    SOURCE_HARDWARE, CODE_POLICY,
		    verdict_format(x->v, "SGX type %u", k->sgx_type),
		    "type 2, with integrity");
	if (t->smt_disabled)
		held &=
		    check(x, k->has_configuration && !k->smt, "tdx.policy_smt",
			SOURCE_HARDWARE, CODE_POLICY, "on or unknown", "off");
	return held;
}

static bool
check_policy(struct examined *x)
{
	const struct policy_tdx *t = &x->p->tdx;
	bool held;

	if (!verdict_need(x->v, t->present,
		(struct check){"tdx.policy", SOURCE_OPERATOR, CODE_BAD_POLICY,
		    t->present ? NULL : "no tdx section", "one"}))
		return false;
	held = policy_status(x);
	held &= policy_collateral(x);
	held &= policy_bit(
	    x, SEC_MIGRATABLE, t->allow_migratable, "tdx.policy_migratable");
	held &= policy_bit(x, SEC_PKS, t->allow_pks, "tdx.policy_pks");
	held &= policy_bit(
	    x, SEC_KEY_LOCKER, t->allow_key_locker, "tdx.policy_key_locker");
	held &= policy_bit(
	    x, OTHER_PERFMON, t->allow_perfmon, "tdx.policy_perfmon");
	held &= policy_measurements(x);
	return policy_platform(x) && held;
}

static bool
examine(struct examined *x, struct bytes quote)
{
	if (!check_structure(x, quote) || !check_pck(x) ||
	    !check_collateral_times(x) || !check_revocation(x) ||
	    !check_platform(x) || !check_signatures(x) || !check_qe(x))
		return false;
	tdx_match_find(&x->c->tcb, &x->c->qe, &x->pck, &x->q, &x->match);
	return check_module(x) && check_tcb(x) && check_td(x) &&
	       (x->p == NULL || check_policy(x));
}

bool
tdx_verify(struct bytes quote, const struct tdx_collateral *c,
    const struct policy *p, int64_t now_ms, struct verdict *v,
    struct tdx_judgement *out)
{
	struct examined x = {
	    .c = c, .p = p, .now_ms = now_ms, .v = v, .arena = v->arena};
	bool held;

	v->test_root |= anchors_is_test(c->anchors, ANCHOR_INTEL_SGX_ROOT);
	held = examine(&x, quote);
	EVP_PKEY_free(x.leaf_key);
	if (held)
		*out = (struct tdx_judgement){x.q, x.pck, x.status};
	return held;
}

bool
tdx_quote_peek(
    struct bytes quote, uint8_t fmspc[6], bool *is_processor, struct fault *f)
{
	struct tdx_quote q;
	struct tdx_pck pck;
	struct chain_blocks b;
	struct cert leaf, ca;
	struct fault none;
	struct arena *a;
	bool read;

	if (!tdx_quote_read(quote, &q, f))
		return false;
	a = arena_new();
	read = chain_split_pem(a, q.chain, &b, f) &&
	       cert_read(b.at[0], &leaf, f) && tdx_pck_read(&leaf, &pck, f);
	if (read) {
		memcpy(fmspc, pck.fmspc, 6);
		*is_processor =
		    b.count > 1 && cert_read(b.at[1], &ca, &none) &&
		    cert_is_named(&ca, "Intel SGX PCK Processor CA");
	}
	arena_free(&a);
	return read;
}

bool
tdx_quote_fmspc(struct bytes quote, uint8_t fmspc[6], struct fault *f)
{
	bool is_processor;

	return tdx_quote_peek(quote, fmspc, &is_processor, f);
}
