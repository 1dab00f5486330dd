/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VCEK and VLEK certificates. The product line in the leaf picks the root that
 * must stand above it, so a leaf of one line never passes under another's.
 */
#include "attestation/snp_key.h"

#include <string.h>

#include "attestation/der.h"
#include "base/crypto.h"
#include "base/mem.h"

#define AMD_OID "1.3.6.1.4.1.3704.1."

static const struct {
	const char *name;
	enum anchor_kind ark, ask, asvk;
} lines[SNP_PRODUCTS] = {
    [SNP_MILAN] = {"Milan", ANCHOR_AMD_ARK_MILAN, ANCHOR_AMD_ASK_MILAN,
	ANCHOR_AMD_ASVK_MILAN},
    [SNP_GENOA] = {"Genoa", ANCHOR_AMD_ARK_GENOA, ANCHOR_AMD_ASK_GENOA,
	ANCHOR_AMD_ASVK_GENOA},
    [SNP_TURIN] = {"Turin", ANCHOR_AMD_ARK_TURIN, ANCHOR_AMD_ASK_TURIN,
	ANCHOR_AMD_ASVK_TURIN},
};

const char *
snp_product_name(enum snp_product p)
{
	return lines[p].name;
}

/* "Milan-B0", "Genoa", …; Bergamo and Siena are of the Genoa line. */
static bool
product_of(struct bytes ext, enum snp_product *out)
{
	static const struct {
		const char *name;
		enum snp_product product;
	} names[] = {{"Milan", SNP_MILAN}, {"Genoa", SNP_GENOA},
	    {"Bergamo", SNP_GENOA}, {"Siena", SNP_GENOA}, {"Turin", SNP_TURIN}};
	struct bytes name;
	size_t i, len;

	if (!der_only(ext, DER_IA5_STRING, &name))
		return false;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		len = strlen(names[i].name);
		if (name.len < len || memcmp(name.at, names[i].name, len) != 0)
			continue;
		if (name.len == len || name.at[len] == '-') {
			*out = names[i].product;
			return true;
		}
	}
	return false;
}

static bool
read_spl(X509 *leaf, const char *oid, uint8_t *out)
{
	struct bytes ext, number;
	uint32_t n;

	if (!certificate_extension(leaf, oid, &ext) ||
	    !der_only(ext, DER_INTEGER, &number) || !der_uint(number, &n) ||
	    n > 255)
		return false;
	*out = (uint8_t)n;
	return true;
}

static bool
read_tcb(struct snp_key *k, struct fault *f)
{
	if (!read_spl(k->leaf, AMD_OID "3.1", &k->tcb.bootloader) ||
	    !read_spl(k->leaf, AMD_OID "3.2", &k->tcb.tee) ||
	    !read_spl(k->leaf, AMD_OID "3.3", &k->tcb.snp) ||
	    !read_spl(k->leaf, AMD_OID "3.8", &k->tcb.microcode) ||
	    (k->product == SNP_TURIN &&
		!read_spl(k->leaf, AMD_OID "3.9", &k->tcb.fmc)))
		return fault_set(f, FAULT_INVALID,
		    "%s: no whole TCB in the certificate",
		    k->kind == SNP_VLEK ? "VLEK" : "VCEK");
	return true;
}

/* The chip's id: raw in the extension, shorter since Turin. A VLEK is of no
 * chip and must not name one. */
static bool
read_hwid(struct snp_key *k, struct fault *f)
{
	const size_t wanted = k->product == SNP_TURIN ? 8 : 64;
	struct bytes ext;
	bool there = certificate_extension(k->leaf, AMD_OID "4", &ext);

	if (k->kind == SNP_VLEK)
		return !there || fault_set(f, FAULT_INVALID,
				     "VLEK: the certificate names a chip");
	if (!there || ext.len != wanted)
		return fault_set(f, FAULT_INVALID,
		    "VCEK: no chip id of %zu bytes in the certificate", wanted);
	memcpy(k->hwid, ext.at, ext.len);
	k->hwid_len = ext.len;
	return true;
}

static bool
read_leaf(struct snp_key *k, struct fault *f)
{
	struct bytes ext;
	char name[32];

	if (!certificate_common_name(k->leaf, name, sizeof(name)))
		name[0] = '\0';
	if (strcmp(name, "SEV-VCEK") == 0)
		k->kind = SNP_VCEK;
	else if (strcmp(name, "SEV-VLEK") == 0)
		k->kind = SNP_VLEK;
	else
		return fault_set(f, FAULT_UNTRUSTED,
		    "the leaf is neither a VCEK nor a VLEK");
	if (!certificate_extension(k->leaf, AMD_OID "2", &ext) ||
	    !product_of(ext, &k->product))
		return fault_set(f, FAULT_UNSUPPORTED,
		    "%s: no known product in the certificate", name);
	if (!key_is_curve(X509_get0_pubkey(k->leaf), "P-384"))
		return fault_set(
		    f, FAULT_UNSUPPORTED, "%s: not a P-384 key", name);
	return read_tcb(k, f) && read_hwid(k, f);
}

static bool
read_certificate(struct bytes b, X509 **out, struct fault *f)
{
	if (b.len > 0 && b.at[0] == '-')
		return certificate_read_pem(
		    (struct text){(const char *)b.at, b.len}, out, f);
	return certificate_read_der(b, out, f);
}

static bool
read_upper(const struct snp_source *s, struct chain *out, struct fault *f)
{
	if (s->chain.len > 0)
		return chain_read_pem(s->chain, out, f);
	return chain_add_der(out, s->ask, f) && chain_add_der(out, s->ark, f);
}

bool
snp_leaf_peek(struct bytes leaf, enum snp_key_kind *kind,
    enum snp_product *product, struct fault *f)
{
	struct snp_key k = {0};
	bool read = read_certificate(leaf, &k.leaf, f) && read_leaf(&k, f);

	X509_free(k.leaf);
	*kind = k.kind;
	*product = k.product;
	return read;
}

static bool
walk(struct snp_key *k, const struct chain *upper, struct fault *f)
{
	struct chain_rules rules = {.anchors = k->anchors,
	    .anchor = lines[k->product].ark,
	    .signing = CHAIN_RSA_PSS};
	struct chain whole = {0};
	uint8_t spki[32];
	bool held;

	if (upper->count != 2)
		return fault_set(f, FAULT_INVALID,
		    "AMD chain of %zu certificates, not 2", upper->count);
	chain_add(&whole, k->leaf);
	chain_add(&whole, upper->at[0]);
	chain_add(&whole, upper->at[1]);
	held = chain_walk_untimed(&whole, &rules, &k->chain_window, f);
	chain_free(&whole);
	if (!held || !certificate_window(k->leaf, &k->leaf_window, f))
		return false;
	spki_sha256(upper->at[0], spki);
	if (!anchors_trust(k->anchors,
		k->kind == SNP_VLEK ? lines[k->product].asvk
				    : lines[k->product].ask,
		spki))
		return fault_set(f, FAULT_UNTRUSTED,
		    "the issuer is not AMD's for %s leafs of %s",
		    k->kind == SNP_VLEK ? "VLEK" : "VCEK",
		    lines[k->product].name);
	return true;
}

/* AMD's list is by the ARK and names issuers; a leaf on it counts as well. */
static bool
check_list(struct snp_key *k, const struct snp_source *s,
    const struct chain *upper, bool wanted, struct verdict *v)
{
	struct check revoked = {
	    "snp.revoked", SOURCE_VERIFIER, CODE_REVOKED, NULL, NULL};
	struct fault f = {0};
	X509_CRL *crl = NULL;
	bool held;

	if (!wanted) {
		verdict_unknown(v, revoked);
		return true;
	}
	if (!verdict_need(v, s->crl.len > 0,
		(struct check){"snp.crl_given", SOURCE_VERIFIER, CODE_MISSING,
		    s->crl.len > 0 ? NULL : "none", "AMD's revocation list"}))
		return false;
	held =
	    verdict_need_fault(v,
		crl_read(s->crl, &crl, &f) &&
		    crl_verify_untimed(crl, upper->at[1], &k->list_window, &f),
		"snp.crl", SOURCE_VERIFIER, &f) &&
	    verdict_check(v,
		!crl_lists(crl, upper->at[0]) && !crl_lists(crl, k->leaf),
		revoked);
	k->has_list = held;
	X509_CRL_free(crl);
	return held;
}

bool
snp_key_new(const struct snp_source *s, const struct anchors *anchors,
    bool revocation, struct verdict *v, struct snp_key **out)
{
	struct snp_key *k = mem_new(sizeof(*k));
	struct chain upper = {0};
	struct fault f = {0};
	bool held;

	k->anchors = anchors;
	k->list_window = WINDOW_ALWAYS;
	held = verdict_check_fault(v, read_certificate(s->leaf, &k->leaf, &f),
		   "snp.leaf_format", SOURCE_VERIFIER, &f) &&
	       verdict_check_fault(
		   v, read_leaf(k, &f), "snp.leaf", SOURCE_VERIFIER, &f) &&
	       verdict_check_fault(v,
		   read_upper(s, &upper, &f) && walk(k, &upper, &f),
		   "snp.chain", SOURCE_VERIFIER, &f) &&
	       check_list(k, s, &upper, revocation, v);
	chain_free(&upper);
	if (!held)
		snp_key_free(&k);
	else
		v->test_root |= anchors_is_test(anchors, lines[k->product].ark);
	*out = k;
	return held;
}

void
snp_key_free(struct snp_key **k)
{
	if (*k == NULL)
		return;
	X509_free((*k)->leaf);
	mem_free(*k);
	*k = NULL;
}

static struct check
time_check(struct verdict *v, const char *name, struct window w, int64_t now_ms,
    enum verdict_code ended)
{
	bool early = now_ms < w.from;
	struct check c = {name, SOURCE_VERIFIER,
	    early ? CODE_NOT_YET_VALID : ended, NULL, NULL};

	verdict_until(v, w.until);
	if (!window_holds(w, now_ms)) {
		c.seen = verdict_time(v, now_ms);
		c.wanted =
		    verdict_format(v, "%s %s", early ? "not before" : "by",
			verdict_time(v, early ? w.from : w.until - 999));
	}
	return c;
}

bool
snp_key_check_time(const struct snp_key *k, int64_t now_ms, struct verdict *v)
{
	if (!verdict_check(v, window_holds(k->leaf_window, now_ms),
		time_check(v, "snp.leaf_time", k->leaf_window, now_ms,
		    CODE_EXPIRED)) ||
	    !verdict_check(v, window_holds(k->chain_window, now_ms),
		time_check(v, "snp.chain_time", k->chain_window, now_ms,
		    CODE_EXPIRED)))
		return false;
	return !k->has_list ||
	       verdict_need(v, window_holds(k->list_window, now_ms),
		   time_check(
		       v, "snp.crl_time", k->list_window, now_ms, CODE_STALE));
}
