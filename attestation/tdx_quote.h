/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TDX quote of version 4 or 5, taken apart (Intel TDX DCAP Quoting Library
 * API, appendix A.3 and A.4). Views on the caller's bytes; nothing in it is
 * trusted until tdx.h has said so.
 */
#ifndef ATTESTATION_TDX_QUOTE_H
#define ATTESTATION_TDX_QUOTE_H

#include "base/fault.h"
#include "base/text.h"

/* Authentication data may be of any length that two bytes can say. */
#define TDX_QUOTE_MAX ((size_t)131072)

struct tdx_body {
	bool is_15; /* TD report 1.5: the last two members are there */
	struct bytes tee_tcb_svn, mrseam, mrsignerseam, seamattributes;
	struct bytes tdattributes, xfam, mrtd, mrconfigid, mrowner;
	struct bytes mrownerconfig, rtmr[4], reportdata;
	struct bytes tee_tcb_svn_2, mrservicetd;
};

/* The report of the quoting enclave (SGX REPORT body). */
struct tdx_qe {
	struct bytes report; /* 384 bytes, as the PCK key signed them */
	struct bytes miscselect, attributes, mrenclave, mrsigner, reportdata;
	uint16_t isvprodid, isvsvn;
};

struct tdx_quote {
	uint16_t version;
	uint16_t key_type; /* 2: ECDSA P-256 */
	uint32_t tee_type; /* 0x81: TDX */
	struct bytes vendor;
	struct bytes signed_part; /* header, descriptor of v5, body */
	struct tdx_body body;
	struct bytes signature;
	struct bytes attestation_key; /* x, y */
	uint16_t outer_type;	      /* 6 */
	struct tdx_qe qe;
	struct bytes qe_signature;
	struct bytes auth_data;
	uint16_t inner_type; /* 5 */
	struct text chain;   /* PEM, as it came */
	size_t trailing;     /* bytes after the declared end: not signed */
};

/* Structure and bounds. INVALID for broken bytes; UNSUPPORTED for what is
 * well known but not a TD quote that we verify: SGX quotes (v3 or TEE type
 * 0), other versions, bodies, key types or certification data types. */
bool tdx_quote_read(struct bytes b, struct tdx_quote *out, struct fault *f);

#endif
