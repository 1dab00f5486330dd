/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intel TDX: every step from a quote to a verdict. The verdict's status is
 * Intel's word for the platform, its module and the quoting enclave together;
 * whether that is good enough is the policy's to say.
 */
#ifndef ATTESTATION_TDX_H
#define ATTESTATION_TDX_H

#include "attestation/policy.h"
#include "attestation/tdx_collateral.h"
#include "attestation/tdx_quote.h"
#include "attestation/verdict.h"

struct tdx_judgement {
	struct tdx_quote quote;
	struct tdx_pck pck;
	enum tdx_status status;
};

/* What the maker's rules say: structure, signatures, chains, revocation,
 * times, TCB, attributes; then what the policy asks for, unless p is NULL
 * (the rules of the house alone; revocation on, no age limit). Returns whether
 * all held; the caller concludes the verdict. `out` views the quote's bytes
 * and may only be used when it returned true. */
bool tdx_verify(struct bytes quote, const struct tdx_collateral *c,
    const struct policy *p, int64_t now_ms, struct verdict *v,
    struct tdx_judgement *out);

/* The FMSPC of a quote's PCK certificate, unverified: for finding the
 * collateral that it needs. */
bool tdx_quote_fmspc(struct bytes quote, uint8_t fmspc[6], struct fault *f);
/* The same, and whether the certificate's issuer calls itself the Processor
 * CA, whose revocation list is then the one to look at. */
bool tdx_quote_peek(
    struct bytes quote, uint8_t fmspc[6], bool *is_processor, struct fault *f);

#endif
