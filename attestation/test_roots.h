/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roots of our own in the place of the makers': of test builds alone, and
 * empty in any other.
 */
#ifndef ATTESTATION_TEST_ROOTS_H
#define ATTESTATION_TEST_ROOTS_H

#include "attestation/anchors.h"
#include "base/fault.h"
#include "base/text.h"

#ifdef ASSAY_TEST_BUILD
/* PEM certificates; each takes the place of the pinned one whose
 * common name it has. The caller frees *out. */
bool test_roots_read(struct text pem, struct anchors **out, struct fault *f);
#endif

#endif
