/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verifier of the bundle's kind "dstack": the event log and the compose
 * document of a TD whose quote has been verified before.
 */
#ifndef ATTESTATION_DSTACK_EVIDENCE_H
#define ATTESTATION_DSTACK_EVIDENCE_H

#include "attestation/evidence.h"

extern const struct verifier dstack_verifier;

#endif
