/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intel's statements about what is up to date: TCB info (version 3, TDX) and
 * the identity of the TD quoting enclave (version 2), read from the text that
 * Intel signed, and the matching of a platform against them (Intel SGX DCAP
 * Quote Verification, 4.1.2.4). Pure; signatures are tdx_collateral.h's.
 */
#ifndef ATTESTATION_TDX_TCB_H
#define ATTESTATION_TDX_TCB_H

#include "attestation/tdx_pck.h"
#include "attestation/tdx_quote.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/text.h"

enum tdx_status {
	TDX_UP_TO_DATE,
	TDX_SW_HARDENING,
	TDX_CONFIGURATION,
	TDX_CONFIGURATION_AND_SW_HARDENING,
	TDX_RELAUNCH,
	TDX_RELAUNCH_CONFIGURATION,
	TDX_OUT_OF_DATE,
	TDX_OUT_OF_DATE_CONFIGURATION,
	TDX_REVOKED,
	TDX_STATUS_COUNT
};
const char *tdx_status_name(enum tdx_status s); /* Intel's word */

struct tdx_advisories {
	const char **at;
	size_t count;
};

struct tdx_level {
	uint8_t sgx[16];
	uint8_t tdx[16];
	uint16_t pcesvn;
	enum tdx_status status;
	struct tdx_advisories advisories;
};

struct tdx_svn_level {
	uint16_t isvsvn;
	enum tdx_status status; /* up to date, out of date or revoked */
	struct tdx_advisories advisories;
};

struct tdx_module {
	uint8_t version; /* of "TDX_01"; 0 for the general entry */
	uint8_t mrsigner[48];
	uint8_t attributes[8];
	uint8_t mask[8];
	struct tdx_svn_level *levels; /* greatest first */
	size_t count;
};

struct tdx_tcb_info {
	int64_t issued, next_update; /* Unix ms; next_update inclusive */
	int64_t evaluation;	     /* tcbEvaluationDataNumber */
	uint8_t fmspc[6];
	uint8_t pceid[2];
	struct tdx_module general;
	struct tdx_module *modules;
	size_t module_count;
	struct tdx_level *levels; /* greatest first, whatever the file says */
	size_t count;
};

struct tdx_qe_identity {
	int64_t issued, next_update;
	int64_t evaluation;
	uint8_t miscselect[4], miscselect_mask[4];
	uint8_t attributes[16], attributes_mask[16];
	uint8_t mrsigner[32];
	uint16_t isvprodid;
	struct tdx_svn_level *levels; /* greatest first */
	size_t count;
};

#define TDX_TEXT_MAX ((size_t)1 << 20)
/* Fail INVALID (or INVALID_JSON), UNSUPPORTED for another version, or
 * CONFLICT for a statement about SGX instead of TDX. */
bool tdx_tcb_info_read(
    struct arena *a, struct text t, struct tdx_tcb_info *out, struct fault *f);
bool tdx_qe_identity_read(struct arena *a, struct text t,
    struct tdx_qe_identity *out, struct fault *f);

/* What matched; NULL where nothing did. */
struct tdx_match {
	const struct tdx_level *sgx;	  /* platform components alone */
	const struct tdx_level *platform; /* and TDX components */
	const struct tdx_module *module;  /* general entry for version 0 */
	const struct tdx_svn_level *module_level; /* NULL for version 0 */
	const struct tdx_svn_level *qe;
};
void tdx_match_find(const struct tdx_tcb_info *info,
    const struct tdx_qe_identity *identity, const struct tdx_pck *pck,
    const struct tdx_quote *q, struct tdx_match *out);
/* The status of a whole match (every part found): platform, module and quoting
 * enclave converge, and none replaces another. Fails CONFLICT where a TD that
 * could be healed by a restart now runs under an unknown module. */
bool tdx_match_status(const struct tdx_match *m,
    const struct tdx_tcb_info *info, const struct tdx_quote *q,
    enum tdx_status *out, struct fault *f);

#endif
