/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `assay policy init` writes of verified facts into the sections of a
 * policy. The verdict is the one that the facts come from: its arena holds
 * the texts.
 */
#ifndef CLIENT_POLICY_PIN_H
#define CLIENT_POLICY_PIN_H

#include "attestation/evidence.h"

/* Adds to the list of that name, once. */
void policy_pin_text(json_t *section, const char *name, const char *value);
/* In hex; all zeros is a field that nobody used and is not pinned. */
void policy_pin_bytes(
    struct verdict *v, json_t *section, const char *name, struct bytes b);
/* Workload and product; firmware may become newer, and never older again. */
void policy_pin_snp(
    struct verdict *v, json_t *section, const struct evidence_facts *k);
/* The Mac itself, and systems not older than it showed. Its posture is what
 * the defaults ask for, or the report would not have been sound. */
struct apple_mda_facts;
void policy_pin_mac(
    struct verdict *v, json_t *section, const struct apple_mda_facts *k);

#endif
