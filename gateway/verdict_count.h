/* SPDX-License-Identifier: Apache-2.0 */
/* What the metrics say of verdicts: of which kind, why, at which cost. */
#ifndef GATEWAY_VERDICT_COUNT_H
#define GATEWAY_VERDICT_COUNT_H

#include "attestation/verdict.h"
#include "base/json.h"
#include "gateway/counters.h"

/* By the kinds of the bundle's items, whatever else they are. */
enum counted_evidence verdict_kind(const json_t *evidence);

/* One verdict that took so much CPU time, with the device chains in it; c may
 * be NULL. */
void verdict_count(struct counters *c, enum counted_evidence kind,
    const struct verdict *v, int64_t cpu_us);
void verdict_count_chain(
    struct counters *c, enum counted_evidence kind, enum counted_chain how);

#endif
