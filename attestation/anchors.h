/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is trusted without proof: the makers' roots, pinned by the SHA-256 of
 * their public keys (names prove nothing: anyone may call a root "Intel SGX
 * Root CA"). Test roots exist in test builds only: a release build has no
 * function, setting or field through which one could be named.
 */
#ifndef ATTESTATION_ANCHORS_H
#define ATTESTATION_ANCHORS_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

enum anchor_kind {
	ANCHOR_INTEL_SGX_ROOT,
	ANCHOR_AMD_ARK_MILAN,
	ANCHOR_AMD_ARK_GENOA,
	ANCHOR_AMD_ARK_TURIN,
	/* Issuers of VCEK leafs (ASK) and VLEK leafs (ASVK) under an ARK. */
	ANCHOR_AMD_ASK_MILAN,
	ANCHOR_AMD_ASK_GENOA,
	ANCHOR_AMD_ASK_TURIN,
	ANCHOR_AMD_ASVK_MILAN,
	ANCHOR_AMD_ASVK_GENOA,
	ANCHOR_AMD_ASVK_TURIN,
	ANCHOR_NVIDIA_DEVICE,
	ANCHOR_NVIDIA_RIM,
	ANCHOR_NRAS_INTERMEDIATE,
	ANCHOR_APPLE_APP_ATTEST,
	ANCHOR_APPLE_ENTERPRISE,
	ANCHOR_COUNT
};

struct anchors;

/* The pinned set; the only one that a release build has. */
const struct anchors *anchors_pinned(void);

bool anchors_trust(const struct anchors *a, enum anchor_kind kind,
    const uint8_t spki_sha256[32]);
/* It is, byte for byte, the certificate that the maker published: nothing in
 * it need be verified. */
bool anchors_is_published(const struct anchors *a, enum anchor_kind kind,
    const uint8_t certificate_sha256[32]);
/* The root's certificate where the set carries one (senders leave Apple's
 * roots out); NULL otherwise. The caller frees it with X509_free. */
X509 *anchors_certificate(const struct anchors *a, enum anchor_kind kind);
/* True when a test root stands in for the maker's of that kind. */
bool anchors_is_test(const struct anchors *a, enum anchor_kind kind);
const char *anchor_name(enum anchor_kind kind);

#ifdef ASSAY_TEST_BUILD
/* The pinned set with test roots in the place of some; the caller frees it. A
 * kind that has a test root trusts that one alone. */
struct anchors *anchors_test_new(void);
void anchors_test_set(struct anchors *a, enum anchor_kind kind, X509 *root);
/* No key of that kind is asked for: whatever the kind above it signed. */
void anchors_test_any(struct anchors *a, enum anchor_kind kind);
void anchors_test_free(struct anchors **a);
#endif

#endif
