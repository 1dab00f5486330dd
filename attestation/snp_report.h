/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An AMD SEV-SNP attestation report, versions 2 to 5, taken apart (SEV Secure
 * Nested Paging Firmware ABI Specification, publication 56860, table 22 and
 * its successors). Views on the caller's bytes; trusted only once snp.h has
 * said so.
 */
#ifndef ATTESTATION_SNP_REPORT_H
#define ATTESTATION_SNP_REPORT_H

#include "attestation/policy.h"
#include "base/fault.h"
#include "base/text.h"

#define SNP_REPORT_SIZE ((size_t)1184)

/* A TCB version by its parts; the eight bytes are laid out by product. */
struct snp_tcb {
	uint8_t fmc, bootloader, tee, snp, microcode;
};
struct snp_tcb snp_tcb_of(const uint8_t raw[8], enum snp_product product);
/* Every part of a is at least that of b. */
bool snp_tcb_reaches(struct snp_tcb a, struct snp_tcb b);

enum snp_key_kind { SNP_VCEK = 0, SNP_VLEK = 1, SNP_NO_KEY = 7 };

struct snp_version {
	uint8_t build, minor, major;
};

struct snp_report {
	uint32_t version;
	uint32_t guest_svn;
	uint64_t policy;
	struct bytes family_id, image_id;
	uint32_t vmpl;
	uint32_t signature_algorithm; /* 1: ECDSA P-384 with SHA-384 */
	struct bytes current_tcb;     /* 8 bytes each */
	uint64_t platform_info;
	bool author_key_enabled, chip_key_masked;
	unsigned signing_key;	 /* enum snp_key_kind */
	uint32_t reserved_flags; /* bits beside these */
	struct bytes report_data, measurement, host_data;
	struct bytes id_key_digest, author_key_digest;
	struct bytes report_id, report_id_ma;
	struct bytes reported_tcb;
	bool has_cpuid; /* version 3 and later */
	uint8_t family, model, stepping;
	struct bytes chip_id; /* 64 */
	struct bytes committed_tcb;
	struct snp_version current, committed;
	struct bytes launch_tcb;
	uint64_t launch_mitigation, current_mitigation; /* version 5 */
	struct bytes signed_part;
	uint8_t signature[96]; /* r, s, big-endian */
};

enum {
	SNP_POLICY_SMT = 16,
	SNP_POLICY_ONE = 17, /* reserved, must be one */
	SNP_POLICY_MIGRATION_AGENT = 18,
	SNP_POLICY_DEBUG = 19,
	SNP_POLICY_SINGLE_SOCKET = 20,
	SNP_POLICY_CIPHERTEXT_HIDING = 24
};
enum { SNP_PLATFORM_SMT = 0, SNP_PLATFORM_CIPHERTEXT_HIDING = 4 };
/* Bits that have a meaning; the others are reserved. */
#define SNP_POLICY_KNOWN ((UINT64_C(1) << 26) - 1)
#define SNP_PLATFORM_KNOWN UINT64_C(0xbf)

/* Exactly one report. INVALID, or UNSUPPORTED for a version or signature
 * algorithm that is not known. What no signature covers must be zero. */
bool snp_report_read(struct bytes b, struct snp_report *out, struct fault *f);

#endif
