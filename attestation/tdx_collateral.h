/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intel's collateral for one kind of platform: TCB info, identity of the
 * quoting enclave, revocation lists and their chains. Verified once, it is
 * kept: what can be checked without a quote is then not checked again, and a
 * quote costs three signatures. Times are looked at for every quote.
 */
#ifndef ATTESTATION_TDX_COLLATERAL_H
#define ATTESTATION_TDX_COLLATERAL_H

#include "attestation/anchors.h"
#include "attestation/cert_list.h"
#include "attestation/chain.h"
#include "attestation/tdx_tcb.h"
#include "attestation/verdict.h"

/* The parts as they are signed. Texts are the exact signed bytes. */
struct tdx_source {
	struct text tcb_info;
	struct text tcb_info_signature; /* hex */
	struct text tcb_info_chain;	/* PEM */
	struct text qe_identity;
	struct text qe_identity_signature;
	struct text qe_identity_chain;
	struct bytes root_crl; /* DER */
	struct bytes pck_crl;  /* DER */
	struct text pck_crl_chain;
};

/* One JSON document with the members of the names above, "_issuer_chain" for
 * chains, lists in hex. Fails INVALID_JSON or INVALID. */
#define TDX_BUNDLE_MAX ((size_t)16 << 20)
bool tdx_source_of_bundle(
    struct arena *a, struct text json, struct tdx_source *out, struct fault *f);

/* What the services answer: bodies as they came, issuer chains from their
 * headers, percent-encoded. */
struct tdx_answers {
	struct text tcb; /* {"tcbInfo":…,"signature":…} */
	struct text tcb_issuer_chain;
	struct text qe; /* {"enclaveIdentity":…,"signature":…} */
	struct text qe_issuer_chain;
	struct bytes pck_crl;
	struct text pck_crl_issuer_chain;
	struct bytes root_crl;
};
bool tdx_source_of_answers(struct arena *a, const struct tdx_answers *in,
    struct tdx_source *out, struct fault *f);

struct tdx_collateral {
	struct arena *arena;
	const struct anchors *anchors;
	struct tdx_tcb_info tcb;
	struct tdx_qe_identity qe;
	/* Views on DER in the arena; the root's key is a pattern for others. */
	struct cert root, tcb_signing, qe_signing, pck_ca;
	EVP_PKEY *root_key, *tcb_key, *qe_key, *pck_ca_key;
	struct window chain_window; /* all certificates above */
	struct window root_crl_window, pck_crl_window;
	bool has_lists; /* else taken in without them */
	struct cert_list root_crl, pck_crl;
};

/* Verifies everything but the times. Refusals are recorded in v as needs:
 * they are not the provider's doing. Without `revocation` the lists are not
 * asked for, and policies that want revocation refuse the result. */
bool tdx_collateral_new(const struct tdx_source *s,
    const struct anchors *anchors, bool revocation, struct verdict *v,
    struct tdx_collateral **out);
void tdx_collateral_free(struct tdx_collateral **c);

/* Of which platforms it speaks. */
struct tdx_subject {
	uint8_t fmspc[6];
	bool is_processor; /* the PCK list is the Processor CA's */
};
/* Whether all of it is Intel's own, whatever its lists say of the very chains
 * it came with: a revocation is news, and to be taken in as such. Not for
 * judging a quote. */
bool tdx_collateral_is_genuine(const struct tdx_source *s,
    const struct anchors *anchors, struct verdict *v, struct tdx_subject *out);

#endif
