/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key that signed an SNP report: a VCEK (of one chip) or VLEK (of one
 * cloud), its chain to AMD's root of the product line, what its certificate
 * says (publication 57230, VCEK Certificate and KDS Interface, 3), and AMD's
 * revocation list. Verified once, it may be kept: a report then costs one
 * signature. Times are looked at for every report.
 */
#ifndef ATTESTATION_SNP_KEY_H
#define ATTESTATION_SNP_KEY_H

#include "attestation/anchors.h"
#include "attestation/cert.h"
#include "attestation/chain.h"
#include "attestation/snp_report.h"
#include "attestation/verdict.h"

struct snp_source {
	struct bytes leaf; /* DER or PEM */
	struct text chain; /* PEM: ASK or ASVK, then ARK; or in DER: */
	struct bytes ask, ark;
	struct bytes crl; /* DER or PEM; empty where there is none */
};

struct snp_key {
	const struct anchors *anchors;
	struct arena *arena;
	struct cert leaf, issuer, root; /* views on DER in the arena */
	EVP_PKEY *key;			/* of the leaf */
	enum snp_key_kind kind;
	enum snp_product product;
	struct snp_tcb tcb;
	uint8_t hwid[64];
	size_t hwid_len; /* 64, 8 (Turin), 0 (VLEK) */
	bool has_list;
	struct window chain_window, list_window;
};

/* Verifies all but the times; refusals are recorded in v, those about AMD's
 * own statements as needs. */
bool snp_key_new(const struct snp_source *s, const struct anchors *anchors,
    bool revocation, struct verdict *v, struct snp_key **out);
void snp_key_free(struct snp_key **k);
/* The times, as checks and renewal. */
bool snp_key_check_time(
    const struct snp_key *k, int64_t now_ms, struct verdict *v);
/* What an unverified leaf says it is, for finding what it needs. */
bool snp_leaf_peek(struct bytes leaf, enum snp_key_kind *kind,
    enum snp_product *product, struct fault *f);
const char *snp_product_name(enum snp_product p);

#endif
