/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An NVIDIA attestation report: the SPDM GET_MEASUREMENTS request that asked
 * and the MEASUREMENTS response that answered (DMTF DSP0274 1.1, sections
 * 10.11.1 and 10.11.2), with NVIDIA's opaque fields. Parsing only: every
 * length must be exact, nothing may stand twice, nothing may be left over.
 */
#ifndef ATTESTATION_SPDM_H
#define ATTESTATION_SPDM_H

#include "base/fault.h"
#include "base/text.h"

enum {
	SPDM_REPORT_MAX = 64 * 1024,
	SPDM_DIGEST = 48,
	SPDM_NONCE = 32,
	SPDM_SIGNATURE = 96,
	SPDM_INDEX_MAX = 254, /* 255 means "all" in a request */
	SPDM_OPAQUE_TYPES = 64
};

/* Types of opaque fields that are looked at (NVIDIA attestation SDK). */
enum spdm_opaque {
	OPAQUE_DRIVER_VERSION = 3,
	OPAQUE_VBIOS_VERSION = 6,
	OPAQUE_NVDEC0 = 11,
	OPAQUE_CHIP_SKU = 15,
	OPAQUE_PROJECT = 17,
	OPAQUE_PROJECT_SKU = 18,
	OPAQUE_FWID = 20,
	OPAQUE_PROTECTED_PCIE = 21,
	OPAQUE_SWITCH_PDIS = 22,
	OPAQUE_LOCK_STATUS = 25,
	OPAQUE_VERSION = 34,
	OPAQUE_CHIP_INFO = 35,
	OPAQUE_FEATURE_FLAG = 36
};

struct spdm_report {
	struct bytes nonce; /* of the request: the verifier's */
	/* By block index; NULL where the report has no such block. */
	const uint8_t *block[SPDM_INDEX_MAX + 1];
	unsigned blocks;
	/* By type; at is NULL where the field is absent. */
	struct bytes opaque[SPDM_OPAQUE_TYPES];
	struct bytes signed_part;
	const uint8_t *signature; /* r and s, big-endian */
};

/* Borrows from `raw`. Fails INVALID, or UNSUPPORTED for a version, code or
 * measurement kind that is not NVIDIA's. */
bool spdm_report_read(
    struct bytes raw, struct spdm_report *out, struct fault *f);

/* An opaque field as text: NULs may follow, nothing but printable ASCII may
 * come before them. False if absent or not such a text. */
bool spdm_opaque_text(
    const struct spdm_report *r, enum spdm_opaque type, char *out, size_t size);

#endif
