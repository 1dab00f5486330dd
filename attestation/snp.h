/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AMD SEV-SNP: from a report and the key that signed it to a verdict.
 */
#ifndef ATTESTATION_SNP_H
#define ATTESTATION_SNP_H

#include "attestation/policy.h"
#include "attestation/snp_key.h"
#include "attestation/snp_report.h"
#include "attestation/verdict.h"

/* Signature, key against report, guest policy and what p asks for. Debug and
 * broken orders of versions are refused whatever the policy. Returns whether
 * all held; `out` views the report's bytes. */
bool snp_verify(struct bytes report, const struct snp_key *k,
    const struct policy *p, int64_t now_ms, struct verdict *v,
    struct snp_report *out);

#endif
