/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Apple Managed Device Attestation: what an enrolled Mac states about itself,
 * signed by Apple for this one question (ACME device-attest-01, or the
 * certificates of an MDM DeviceInformation answer). The leaf's key signs
 * nothing here; only the freshness code ties the statement to a question or
 * to another key.
 */
#ifndef ATTESTATION_APPLE_MDA_H
#define ATTESTATION_APPLE_MDA_H

#include "attestation/apple.h"

struct apple_mda_rules {
	const struct anchors *anchors;
	/* 32 bytes: SHA-256 of the ACME token, or the nonce of the question.
	 * A device answers from a cache of seven days, so another code is
	 * common; it is never taken for verified. */
	struct bytes freshness;
	struct text device; /* serial or UDID; empty: not asked */
	/* Wanted posture; empty: not asked. Extension 13.1 and 13.3 as raw
	 * DER INTEGER (020100 on a Mac at full security), 13.2 as text. */
	struct bytes sip;
	struct text secure_boot;
	struct bytes kexts;
	int64_t now_ms;
};

/* Raw extension contents, copied into the arena; empty where absent. */
struct apple_mda_facts {
	struct bytes serial;
	struct bytes udid;
	struct bytes software_update_device;
	struct bytes os_version;
	struct bytes sepos_version;
	struct bytes llb_version;
	struct bytes freshness;
	struct bytes sip;
	struct bytes secure_boot;
	struct bytes kexts;
};

void apple_mda_facts_read(
    struct arena *a, X509 *leaf, struct apple_mda_facts *out);

/* The CBOR object {fmt "apple", attStmt {x5c}}. Checks: apple_mda.object,
 * .fmt, .chain, .freshness, .device, .sip, .secure_boot, .kexts. */
bool apple_mda_judge(struct verdict *v, const struct apple_mda_rules *r,
    struct bytes object, struct apple_mda_facts *out);

/* The same for bare certificates, leaf first, without the root. */
bool apple_mda_certificates_judge(struct verdict *v,
    const struct apple_mda_rules *r, const struct bytes *der, size_t count,
    struct apple_mda_facts *out);

/* The freshness code that binds a key by its text (as one network sends the
 * base64 of a public key for a nonce): SHA-256 of exactly this text. */
void apple_mda_freshness_of(struct text text, uint8_t out[32]);

#endif
