/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judging one node of a report: collects what makers published (from the
 * report itself, a folder, the database; never from the network) and hands it
 * all to attestation/evidence.h. Shared by `assay verify` and `policy init`.
 */
#ifndef CLIENT_JUDGE_H
#define CLIENT_JUDGE_H

#include "base/pg.h"
#include "client/policy.h"
#include "client/report.h"

struct judging {
	struct arena *arena;
	const struct policies *policies;
	const struct anchors *anchors;
	const struct report *report;
	const char *folder;	     /* of collateral, or NULL */
	struct pg_session *database; /* or NULL */
	const uint8_t *nonce;	     /* 32 bytes that were asked, or NULL */
	struct bytes tls_spki;	     /* of the connection, or empty */
	int64_t now_ms;
};

/* What the node shows, under the policy that goes furthest with it. `out` may
 * be NULL; its facts hold only when the verdict is verified. Fails where the
 * folder or the database cannot be read. */
bool judge_node(const struct judging *j, const struct report_node *n,
    struct verdict *v, struct evidence_facts *out, struct fault *f);

#endif
