/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a PCK certificate says about its platform (Intel SGX PCK Certificate
 * and CRL Profile, 1.3.5: extension 1.2.840.113741.1.13.1).
 */
#ifndef ATTESTATION_TDX_PCK_H
#define ATTESTATION_TDX_PCK_H

#include "attestation/cert.h"
#include "base/fault.h"

struct tdx_pck {
	uint8_t ppid[16];
	uint8_t svn[16]; /* SGX TCB component SVNs */
	uint16_t pcesvn;
	uint8_t pceid[2];
	uint8_t fmspc[6];
	uint32_t sgx_type; /* 0 standard, 1 scalable, 2 with integrity */
	bool has_piid;
	uint8_t piid[16]; /* platform instance id */
	bool has_configuration;
	bool dynamic_platform, cached_keys, smt;
};

bool tdx_pck_read(
    const struct cert *leaf, struct tdx_pck *out, struct fault *f);

#endif
