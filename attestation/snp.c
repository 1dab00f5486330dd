/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An SNP report judged (publication 56860; table numbers of revision 1.55 and
 * later). First what makes it genuine: signature, and a key that belongs to
 * this chip at this version. Then what the guest was allowed to be.
 */
#include "attestation/snp.h"

#include <string.h>

#include "attestation/collateral_age.h"

struct examined {
	const struct snp_key *k;
	const struct policy *p;
	struct verdict *v;
	struct snp_report r;
};

static bool
check(struct examined *x, bool holds, const char *name, enum verdict_code code,
    const char *seen, const char *wanted)
{
	return verdict_check(x->v, holds,
	    (struct check){name, SOURCE_HARDWARE, code, seen, wanted});
}

static struct snp_tcb
tcb_of(struct examined *x, struct bytes raw)
{
	return snp_tcb_of(raw.at, x->k->product);
}

static const char *
show_tcb(struct examined *x, struct snp_tcb t)
{
	if (x->k->product == SNP_TURIN)
		return verdict_format(x->v, "%u.%u.%u.%u.%u", t.fmc,
		    t.bootloader, t.tee, t.snp, t.microcode);
	return verdict_format(
	    x->v, "%u.%u.%u.%u", t.bootloader, t.tee, t.snp, t.microcode);
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
check_signature(struct examined *x)
{
	return check(x,
	    signature_p384(x->k->key, x->r.signed_part, x->r.signature),
	    "snp.report_signature", CODE_TAMPERED, NULL, NULL);
}

/* Ranges of table 22 that firmware of these versions writes as zeros. */
static const struct {
	uint32_t first, last; /* versions */
	size_t from, to;
} reserved[] = {
    {2, 5, 0x04c, 0x050},
    {2, 2, 0x188, 0x1a0},
    {3, 5, 0x18b, 0x1a0},
    {2, 5, 0x1eb, 0x1ec},
    {2, 5, 0x1ef, 0x1f0},
    {2, 3, 0x1f8, 0x2a0},
    {4, 5, 0x208, 0x2a0},
};

/* Tables 3 and 4, TCB_VERSION: what lies between the parts. */
static bool
tcbs_are_plain(const struct examined *x)
{
	const bool turin = x->k->product == SNP_TURIN;
	const struct bytes all[] = {x->r.current_tcb, x->r.reported_tcb,
	    x->r.committed_tcb, x->r.launch_tcb};
	bool zero = true;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		zero &= turin ? all_zero(bytes_of(all[i].at + 4, 3))
			      : all_zero(bytes_of(all[i].at + 2, 4));
	return zero;
}

/* A field that is in use there says something that is not understood. */
static bool
check_reserved(struct examined *x)
{
	const struct snp_report *r = &x->r;
	bool zero = r->reserved_flags == 0 && tcbs_are_plain(x);
	size_t i;

	for (i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (r->version >= reserved[i].first &&
		    r->version <= reserved[i].last)
			zero &= all_zero(
			    bytes_of(r->signed_part.at + reserved[i].from,
				reserved[i].to - reserved[i].from));
	return check(x, zero, "snp.reserved", CODE_UNSUPPORTED, NULL,
	    "zeros in reserved fields");
}

static const char *
key_name(unsigned kind)
{
	return kind == SNP_VCEK ? "VCEK" : kind == SNP_VLEK ? "VLEK" : "none";
}

/* Table 23, CPUID: Milan, Genoa (Bergamo and Siena with it) and Turin. */
static bool
cpuid_fits(const struct snp_report *r, enum snp_product p)
{
	switch (p) {
	case SNP_MILAN:
		return r->family == 0x19 && r->model <= 0x0f;
	case SNP_GENOA:
		return r->family == 0x19 &&
		       ((r->model >= 0x10 && r->model <= 0x1f) ||
			   (r->model >= 0xa0 && r->model <= 0xaf));
	case SNP_TURIN:
		return r->family == 0x1a && r->model <= 0x1f;
	case SNP_PRODUCTS:
		break;
	}
	return false;
}

/* A VCEK is of one chip; Turin's shorter id fills the field with zeros. */
static bool
check_chip(struct examined *x)
{
	const struct snp_key *k = x->k;
	struct bytes id = x->r.chip_id;
	bool same;

	if (k->kind == SNP_VLEK)
		return true;
	same = memcmp(id.at, k->hwid, k->hwid_len) == 0 &&
	       all_zero(bytes_of(id.at + k->hwid_len, id.len - k->hwid_len));
	return check(x, same, "snp.chip_id", CODE_MISMATCH,
	    verdict_hex(x->v, id),
	    verdict_hex(x->v, bytes_of(k->hwid, k->hwid_len)));
}

/* The key belongs to this report: kind, chip, product and version. */
static bool
check_key(struct examined *x)
{
	const struct snp_report *r = &x->r;
	struct snp_tcb reported = tcb_of(x, r->reported_tcb);

	return check(x, r->signing_key == (unsigned)x->k->kind,
		   "snp.signing_key", CODE_MISMATCH, key_name(r->signing_key),
		   key_name((unsigned)x->k->kind)) &&
	       check_chip(x) &&
	       check(x, !r->has_cpuid || cpuid_fits(r, x->k->product),
		   "snp.product", CODE_MISMATCH,
		   verdict_format(
		       x->v, "family %#x model %#x", r->family, r->model),
		   snp_product_name(x->k->product)) &&
	       check(x, memcmp(&reported, &x->k->tcb, sizeof(reported)) == 0,
		   "snp.reported_tcb", CODE_MISMATCH, show_tcb(x, reported),
		   show_tcb(x, x->k->tcb));
}

static bool
version_reaches(struct snp_version a, struct snp_version b)
{
	if (a.major != b.major)
		return a.major > b.major;
	if (a.minor != b.minor)
		return a.minor > b.minor;
	return a.build >= b.build;
}

/* 2.3: firmware may go back to what was committed and no further; nothing is
 * reported that does not run. A guest launched under newer firmware than runs
 * now has seen it go back under its feet. */
static bool
check_versions(struct examined *x)
{
	const struct snp_report *r = &x->r;
	struct snp_tcb current = tcb_of(x, r->current_tcb);
	struct snp_tcb committed = tcb_of(x, r->committed_tcb);
	struct snp_tcb reported = tcb_of(x, r->reported_tcb);
	struct snp_tcb launch = tcb_of(x, r->launch_tcb);

	return check(x, snp_tcb_reaches(current, committed),
		   "snp.committed_tcb", CODE_MISMATCH, show_tcb(x, committed),
		   show_tcb(x, current)) &&
	       check(x, snp_tcb_reaches(current, reported), "snp.current_tcb",
		   CODE_MISMATCH, show_tcb(x, reported),
		   show_tcb(x, current)) &&
	       check(x, snp_tcb_reaches(current, launch), "snp.launch_tcb",
		   CODE_MISMATCH, show_tcb(x, launch), show_tcb(x, current)) &&
	       check(x, version_reaches(r->current, r->committed),
		   "snp.committed_version", CODE_MISMATCH, NULL, NULL);
}

static bool
bit(uint64_t word, int n)
{
	return word >> n & 1;
}

/* Table 9, guest policy: what nobody may relax. A bit that has no meaning yet
 * may one day allow something; so with platform info (table 23). */
static bool
check_guest(struct examined *x)
{
	uint64_t policy = x->r.policy, platform = x->r.platform_info;
	const char *seen =
	    verdict_format(x->v, "%#llx", (unsigned long long)policy);

	return check(x, !bit(policy, SNP_POLICY_DEBUG), "snp.debug", CODE_DEBUG,
		   seen, "bit 19 clear") &&
	       check(x, bit(policy, SNP_POLICY_ONE), "snp.policy_reserved",
		   CODE_MALFORMED, seen, "bit 17 set") &&
	       check(x, (policy & ~SNP_POLICY_KNOWN) == 0,
		   "snp.policy_reserved", CODE_UNSUPPORTED, seen,
		   "bits 26 to 63 clear") &&
	       check(x, (platform & ~SNP_PLATFORM_KNOWN) == 0,
		   "snp.platform_reserved", CODE_UNSUPPORTED,
		   verdict_format(x->v, "%#llx", (unsigned long long)platform),
		   "bits 6 and 8 to 63 clear");
}

static bool
policy_number(struct examined *x, const char *name, int64_t seen, int64_t least)
{
	return check(x, seen >= least, name, CODE_POLICY,
	    verdict_format(x->v, "%lld", (long long)seen),
	    verdict_format(x->v, "at least %lld", (long long)least));
}

static bool
policy_flag(struct examined *x, const char *name, bool refused)
{
	return check(
	    x, !refused, name, CODE_POLICY, refused ? "yes" : "no", "no");
}

static bool
policy_guest(struct examined *x)
{
	const struct policy_snp *s = &x->p->snp;
	const struct snp_report *r = &x->r;
	bool held;

	held = policy_flag(x, "snp.policy_migration_agent",
	    bit(r->policy, SNP_POLICY_MIGRATION_AGENT) &&
		!s->allow_migration_agent);
	held &= policy_flag(x, "snp.policy_smt",
	    bit(r->policy, SNP_POLICY_SMT) && !s->allow_smt);
	held &= policy_flag(x, "snp.policy_many_sockets",
	    !bit(r->policy, SNP_POLICY_SINGLE_SOCKET) &&
		s->require_single_socket);
	held &= policy_flag(x, "snp.policy_no_ciphertext_hiding",
	    !bit(r->platform_info, SNP_PLATFORM_CIPHERTEXT_HIDING) &&
		s->require_ciphertext_hiding);
	held &= check(x, (int64_t)r->vmpl <= s->max_vmpl, "snp.policy_vmpl",
	    CODE_POLICY, verdict_format(x->v, "%u", r->vmpl),
	    verdict_format(x->v, "at most %lld", (long long)s->max_vmpl));
	held &= policy_number(
	    x, "snp.policy_guest_svn", r->guest_svn, s->min_guest_svn);
	held &=
	    policy_number(x, "snp.policy_abi", (int64_t)(r->policy & 0xffff),
		s->min_abi_major << 8 | s->min_abi_minor);
	if (s->guest_policy >= 0)
		held &= check(x, r->policy == (uint64_t)s->guest_policy,
		    "snp.policy_exact", CODE_POLICY,
		    verdict_format(
			x->v, "%#llx", (unsigned long long)r->policy),
		    verdict_format(
			x->v, "%#llx", (unsigned long long)s->guest_policy));
	return held;
}

/* Bits that a manifest wants set or clear in one word. */
static bool
policy_bits(struct examined *x, const char *name, uint64_t seen, uint64_t must,
    uint64_t must_not)
{
	if (must == 0 && must_not == 0)
		return true;
	return check(x, (seen & must) == must && (seen & must_not) == 0, name,
	    CODE_POLICY,
	    verdict_format(x->v, "%#llx", (unsigned long long)seen),
	    verdict_format(x->v, "%#llx set, %#llx clear",
		(unsigned long long)must, (unsigned long long)must_not));
}

static bool
policy_reaches(struct examined *x, const char *name,
    const struct policy_tcb *least, struct bytes raw)
{
	struct snp_tcb t = tcb_of(x, raw);
	bool reached = t.fmc >= least->fmc &&
		       t.bootloader >= least->bootloader &&
		       t.tee >= least->tee && t.snp >= least->snp &&
		       t.microcode >= least->microcode;

	if (!least->given)
		return true;
	return check(x, reached, name, CODE_POLICY, show_tcb(x, t),
	    verdict_format(x->v, "at least %d.%d.%d.%d.%d", least->fmc,
		least->bootloader, least->tee, least->snp, least->microcode));
}

/* Vectors of version 5: reports before it mitigate nothing that they say. */
static bool
policy_mitigations(
    struct examined *x, const char *name, uint64_t seen, int64_t least)
{
	if (least == 0)
		return true;
	return check(x, x->r.version >= 5 && ((uint64_t)least & ~seen) == 0,
	    name, CODE_POLICY,
	    verdict_format(x->v, "%#llx", (unsigned long long)seen),
	    verdict_format(x->v, "%#llx", (unsigned long long)least));
}

static bool
policy_firmware(struct examined *x)
{
	const struct policy_snp *s = &x->p->snp;
	const struct snp_report *r = &x->r;
	enum snp_product p = x->k->product;
	bool held;

	held = policy_check_text(x->v, &s->products, "snp.policy_product",
	    SOURCE_HARDWARE, text_of(snp_product_name(p)));
	held &= policy_flag(
	    x, "snp.policy_vlek", x->k->kind == SNP_VLEK && !s->allow_vlek);
	held &= policy_reaches(
	    x, "snp.policy_tcb", &s->min_tcb[p], r->reported_tcb);
	held &= policy_reaches(
	    x, "snp.policy_launch_tcb", &s->min_launch_tcb[p], r->launch_tcb);
	held &= policy_flag(x, "snp.policy_provisional",
	    !s->allow_provisional &&
		memcmp(r->committed_tcb.at, r->current_tcb.at, 8) != 0);
	held &= policy_number(x, "snp.policy_version",
	    r->committed.major << 8 | r->committed.minor,
	    s->min_version_major << 8 | s->min_version_minor);
	held &= policy_number(
	    x, "snp.policy_build", r->committed.build, s->min_build);
	if (s->platform_info >= 0)
		held &= check(x, r->platform_info == (uint64_t)s->platform_info,
		    "snp.policy_platform_info", CODE_POLICY,
		    verdict_format(
			x->v, "%#llx", (unsigned long long)r->platform_info),
		    verdict_format(
			x->v, "%#llx", (unsigned long long)s->platform_info));
	held &= policy_mitigations(x, "snp.policy_mitigation",
	    r->launch_mitigation, s->min_launch_mitigation);
	return policy_mitigations(x, "snp.policy_current_mitigation",
		   r->current_mitigation, s->min_current_mitigation) &&
	       held;
}

static bool
policy_digest(struct examined *x, const struct policy_digests *l,
    const char *name, struct bytes seen)
{
	return policy_check_digest(x->v, l, name, SOURCE_HARDWARE, seen);
}

static bool
policy_identity(struct examined *x)
{
	const struct policy_snp *s = &x->p->snp;
	const struct snp_report *r = &x->r;
	bool held;

	held = policy_digest(
	    x, &s->measurement, "snp.policy_measurement", r->measurement);
	held &= policy_digest(
	    x, &s->host_data, "snp.policy_host_data", r->host_data);
	held &= policy_digest(
	    x, &s->id_keys, "snp.policy_id_key", r->id_key_digest);
	held &= policy_digest(x, &s->author_keys, "snp.policy_author_key",
	    bytes_of(r->author_key_digest.at,
		r->author_key_enabled ? r->author_key_digest.len : 0));
	held &=
	    policy_digest(x, &s->chip_ids, "snp.policy_chip_id", r->chip_id);
	held &= policy_digest(
	    x, &s->report_ids, "snp.policy_report_id", r->report_id);
	held &= policy_digest(
	    x, &s->family_ids, "snp.policy_family_id", r->family_id);
	return policy_digest(
		   x, &s->image_ids, "snp.policy_image_id", r->image_id) &&
	       held;
}

static bool
check_policy(struct examined *x)
{
	const struct policy_snp *s = &x->p->snp;
	bool held;

	if (!verdict_need(x->v, x->p->snp.present,
		(struct check){"snp.policy", SOURCE_OPERATOR, CODE_BAD_POLICY,
		    x->p->snp.present ? NULL : "no snp section", "one"}))
		return false;
	if (!verdict_need(x->v, x->k->has_list || !x->p->revocation,
		(struct check){"snp.revocation_list", SOURCE_VERIFIER,
		    CODE_MISSING, NULL, NULL}))
		return false;
	if (x->k->has_list &&
	    !collateral_list_young(
		x->p, x->k->list_window.from, "snp.policy_crl_age", x->v))
		return false;
	held = policy_guest(x);
	held &= policy_bits(x, "snp.policy_guest_bits", x->r.policy,
	    s->guest_must, s->guest_must_not);
	held &= policy_bits(x, "snp.policy_platform_bits", x->r.platform_info,
	    s->platform_must, s->platform_must_not);
	held &= policy_firmware(x);
	return policy_identity(x) && held;
}

bool
snp_verify(struct bytes report, const struct snp_key *k, const struct policy *p,
    int64_t now_ms, struct verdict *v, struct snp_report *out)
{
	struct examined x = {.k = k, .p = p, .v = v};
	struct fault f = {0};

	if (!verdict_check_fault(v, snp_report_read(report, &x.r, &f),
		"snp.report_format", SOURCE_VERIFIER, &f) ||
	    !snp_key_check_time(k, now_ms, v) || !check_signature(&x) ||
	    !check_reserved(&x) || !check_key(&x) || !check_versions(&x) ||
	    !check_guest(&x) || !check_policy(&x))
		return false;
	*out = x.r;
	return true;
}
