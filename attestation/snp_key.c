/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VCEK and VLEK certificates. The product line in the leaf picks the root that
 * must stand above it, so a leaf of one line never passes under another's.
 */
#include "attestation/snp_key.h"

#include <string.h>

#include "attestation/der.h"
#include "base/mem.h"

/* 1.3.6.1.4.1.3704.1, and what follows it (publication 57230, table 8). */
#define AMD_ARC 0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01
static const uint8_t oid_product[] = {AMD_ARC, 2};
static const uint8_t oid_bootloader[] = {AMD_ARC, 3, 1};
static const uint8_t oid_tee[] = {AMD_ARC, 3, 2};
static const uint8_t oid_snp[] = {AMD_ARC, 3, 3};
static const uint8_t oid_microcode[] = {AMD_ARC, 3, 8};
static const uint8_t oid_fmc[] = {AMD_ARC, 3, 9};
static const uint8_t oid_hwid[] = {AMD_ARC, 4};
static const uint8_t oid_csp[] = {AMD_ARC, 5};
#define OID(name) bytes_of(name, sizeof(name))

static const struct {
	const char *name;
	const char *root, *issuer[2]; /* common names; of VCEK, VLEK */
	enum anchor_kind ark, ask, asvk;
} lines[SNP_PRODUCTS] = {
    [SNP_MILAN] = {"Milan", "ARK-Milan", {"SEV-Milan", "SEV-VLEK-Milan"},
	ANCHOR_AMD_ARK_MILAN, ANCHOR_AMD_ASK_MILAN, ANCHOR_AMD_ASVK_MILAN},
    [SNP_GENOA] = {"Genoa", "ARK-Genoa", {"SEV-Genoa", "SEV-VLEK-Genoa"},
	ANCHOR_AMD_ARK_GENOA, ANCHOR_AMD_ASK_GENOA, ANCHOR_AMD_ASVK_GENOA},
    [SNP_TURIN] = {"Turin", "ARK-Turin", {"SEV-Turin", "SEV-VLEK-Turin"},
	ANCHOR_AMD_ARK_TURIN, ANCHOR_AMD_ASK_TURIN, ANCHOR_AMD_ASVK_TURIN},
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
read_spl(const struct cert *leaf, struct bytes oid, uint8_t *out)
{
	struct bytes ext, number;
	uint32_t n;

	if (!cert_extension(leaf, oid, &ext) ||
	    !der_only(ext, DER_INTEGER, &number) || !der_uint(number, &n) ||
	    n > 255)
		return false;
	*out = (uint8_t)n;
	return true;
}

/* Parts 4 to 7 are not in use: zero where a leaf has them. */
static bool
spare_parts_are_zero(const struct cert *leaf)
{
	struct bytes ext;
	uint8_t n;

	for (uint8_t i = 4; i <= 7; i++) {
		const uint8_t oid[] = {AMD_ARC, 3, i};

		if (cert_extension(leaf, OID(oid), &ext) &&
		    (!read_spl(leaf, OID(oid), &n) || n != 0))
			return false;
	}
	return true;
}

static bool
read_tcb(struct snp_key *k, struct fault *f)
{
	const struct cert *c = &k->leaf;

	if (!read_spl(c, OID(oid_bootloader), &k->tcb.bootloader) ||
	    !read_spl(c, OID(oid_tee), &k->tcb.tee) ||
	    !read_spl(c, OID(oid_snp), &k->tcb.snp) ||
	    !read_spl(c, OID(oid_microcode), &k->tcb.microcode) ||
	    (k->product == SNP_TURIN &&
		!read_spl(c, OID(oid_fmc), &k->tcb.fmc)))
		return fault_set(f, FAULT_INVALID,
		    "%s: no whole TCB in the certificate",
		    k->kind == SNP_VLEK ? "VLEK" : "VCEK");
	return spare_parts_are_zero(c) ||
	       fault_set(f, FAULT_UNSUPPORTED,
		   "the leaf's TCB has parts that are not known");
}

/* The chip's id: raw in the extension, shorter since Turin. A VLEK is of a
 * cloud provider and of no chip, and must say so. */
static bool
read_hwid(struct snp_key *k, struct fault *f)
{
	const size_t wanted = k->product == SNP_TURIN ? 8 : 64;
	struct bytes ext, csp;
	bool there = cert_extension(&k->leaf, OID(oid_hwid), &ext);
	bool named = cert_extension(&k->leaf, OID(oid_csp), &csp);

	if (k->kind == SNP_VLEK && there)
		return fault_set(
		    f, FAULT_INVALID, "VLEK: the certificate names a chip");
	if (k->kind == SNP_VLEK)
		return (named && csp.len > 2) ||
		       fault_set(f, FAULT_INVALID,
			   "VLEK: the certificate names no cloud provider");
	if (named)
		return fault_set(f, FAULT_INVALID,
		    "VCEK: the certificate names a cloud provider");
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

	if (cert_is_named(&k->leaf, "SEV-VCEK"))
		k->kind = SNP_VCEK;
	else if (cert_is_named(&k->leaf, "SEV-VLEK"))
		k->kind = SNP_VLEK;
	else
		return fault_set(f, FAULT_UNTRUSTED,
		    "the leaf is neither a VCEK nor a VLEK");
	if (!cert_extension(&k->leaf, OID(oid_product), &ext) ||
	    !product_of(ext, &k->product))
		return fault_set(
		    f, FAULT_UNSUPPORTED, "no known product in the leaf");
	if (k->leaf.curve != NID_secp384r1)
		return fault_set(
		    f, FAULT_UNSUPPORTED, "the leaf's key is not of P-384");
	return read_tcb(k, f) && read_hwid(k, f);
}

/* DER, or the one block of a PEM text. */
static bool
read_certificate(
    struct arena *a, struct bytes b, struct cert *out, struct fault *f)
{
	struct chain_blocks blocks;

	if (b.len > CERTIFICATE_DER_MAX * 2)
		return fault_set(
		    f, FAULT_INVALID, "certificate of %zu bytes", b.len);
	if (b.len == 0 || b.at[0] != '-')
		return cert_read(
		    bytes_of(arena_copy(a, b.at, b.len), b.len), out, f);
	if (!chain_split_pem(
		a, (struct text){(const char *)b.at, b.len}, &blocks, f))
		return false;
	if (blocks.count != 1)
		return fault_set(f, FAULT_INVALID, "more than one certificate");
	return cert_read(blocks.at[0], out, f);
}

static bool
read_upper(struct snp_key *k, const struct snp_source *s, struct fault *f)
{
	struct chain_blocks b;

	if (s->chain.len == 0)
		return read_certificate(k->arena, s->ask, &k->issuer, f) &&
		       read_certificate(k->arena, s->ark, &k->root, f);
	if (!chain_split_pem(k->arena, s->chain, &b, f))
		return false;
	if (b.count != 2)
		return fault_set(f, FAULT_INVALID,
		    "AMD chain of %zu certificates, not 2", b.count);
	return cert_read(b.at[0], &k->issuer, f) &&
	       cert_read(b.at[1], &k->root, f);
}

/* From the pinned root down to the leaf. */
static bool
walk(struct snp_key *k, EVP_PKEY *root_key, struct fault *f)
{
	enum anchor_kind issuer = k->kind == SNP_VLEK ? lines[k->product].asvk
						      : lines[k->product].ask;
	EVP_PKEY *key;
	uint8_t spki[32];
	bool held;

	/* By name and, below, by key: a test root's issuers are any. */
	if (!cert_is_named(&k->root, lines[k->product].root) ||
	    !cert_is_named(&k->issuer, lines[k->product].issuer[k->kind]))
		return fault_set(f, FAULT_UNTRUSTED,
		    "the chain is not named as that of %s leafs of %s",
		    k->kind == SNP_VLEK ? "VLEK" : "VCEK",
		    lines[k->product].name);
	if (!cert_check_anchor(
		&k->root, root_key, k->anchors, lines[k->product].ark, f) ||
	    !cert_check_link(
		&k->issuer, &k->root, root_key, 1, CHAIN_RSA_PSS, f))
		return false;
	key = cert_key(&k->issuer, NULL);
	held = cert_check_leaf(&k->leaf, f) &&
	       cert_check_link(&k->leaf, &k->issuer, key, 0, CHAIN_RSA_PSS, f);
	EVP_PKEY_free(key);
	if (!held)
		return false;
	cert_spki_sha256(&k->issuer, spki);
	if (!anchors_trust(k->anchors, issuer, spki))
		return fault_set(f, FAULT_UNTRUSTED,
		    "the issuer is not AMD's for %s leafs of %s",
		    k->kind == SNP_VLEK ? "VLEK" : "VCEK",
		    lines[k->product].name);
	k->chain_window = window_meet(k->issuer.window, k->root.window);
	k->key = cert_key(&k->leaf, NULL);
	return k->key != NULL || fault_set(f, FAULT_INVALID,
				     "the leaf's key is not on its curve");
}

bool
snp_leaf_peek(struct bytes leaf, enum snp_key_kind *kind,
    enum snp_product *product, struct fault *f)
{
	struct snp_key k = {.arena = arena_new()};
	bool read =
	    read_certificate(k.arena, leaf, &k.leaf, f) && read_leaf(&k, f);

	arena_free(&k.arena);
	*kind = k.kind;
	*product = k.product;
	return read;
}

/* AMD's list is by the ARK and names issuers; a leaf on it counts as well, and
 * so does the root. */
static bool
check_list(struct snp_key *k, struct bytes list, EVP_PKEY *root_key,
    bool wanted, struct verdict *v)
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
	if (!verdict_need(v, list.len > 0,
		(struct check){"snp.crl_given", SOURCE_VERIFIER, CODE_MISSING,
		    list.len > 0 ? NULL : "none", "AMD's revocation list"}))
		return false;
	held =
	    verdict_need_fault(v,
		crl_read(list, &crl, &f) && cert_verify_list(crl, &k->root,
						root_key, &k->list_window, &f),
		"snp.crl", SOURCE_VERIFIER, &f) &&
	    verdict_check(v,
		!cert_is_listed(crl, &k->issuer) &&
		    !cert_is_listed(crl, &k->leaf) &&
		    !cert_is_listed(crl, &k->root),
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
	EVP_PKEY *root_key = NULL;
	struct fault f = {0};
	bool held;

	k->anchors = anchors;
	k->arena = arena_new();
	k->list_window = WINDOW_ALWAYS;
	held = verdict_check_fault(v,
		   read_certificate(k->arena, s->leaf, &k->leaf, &f),
		   "snp.leaf_format", SOURCE_VERIFIER, &f) &&
	       verdict_check_fault(
		   v, read_leaf(k, &f), "snp.leaf", SOURCE_VERIFIER, &f) &&
	       verdict_check_fault(v, read_upper(k, s, &f), "snp.chain_format",
		   SOURCE_VERIFIER, &f);
	if (held) {
		root_key = cert_key(&k->root, NULL);
		held = verdict_check_fault(v, walk(k, root_key, &f),
			   "snp.chain", SOURCE_VERIFIER, &f) &&
		       check_list(k, s->crl, root_key, revocation, v);
	}
	EVP_PKEY_free(root_key);
	if (held)
		v->test_root |= anchors_is_test(anchors, lines[k->product].ark);
	else
		snp_key_free(&k);
	*out = k;
	return held;
}

void
snp_key_free(struct snp_key **k)
{
	if (*k == NULL)
		return;
	EVP_PKEY_free((*k)->key);
	arena_free(&(*k)->arena);
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
	if (!verdict_check(v, window_holds(k->leaf.window, now_ms),
		time_check(v, "snp.leaf_time", k->leaf.window, now_ms,
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
