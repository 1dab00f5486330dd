/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a piece of collateral is its maker's own and what its name says,
 * asked when it comes, so that garbage, a forgery, another issuer's list or
 * another platform's statement pushes out nothing that is sound. Against the
 * pinned roots, and where those do not sign it themselves, against issuers that
 * good evidence has shown. Its times are left aside: a verifier looks at them,
 * and at everything else again, at each use.
 */
#ifndef GATEWAY_COLLATERAL_GENUINE_H
#define GATEWAY_COLLATERAL_GENUINE_H

#include "attestation/nvidia.h"
#include "attestation/snp_key.h"

enum genuine {
	GENUINE_UNKNOWN, /* nobody has shown its issuer, or it is past its time
			  */
	GENUINE_NO,
	GENUINE_YES
};

/* By whom it may be signed. */
struct collateral_issuers {
	const struct anchors *anchors;
	const struct nvidia_kept *nvidia; /* the issuers in it */
	/* AMD's chains that were found genuine, in PEM; NULL: not yet. */
	char *amd[SNP_PRODUCTS][2];
};

/* AMD's chains are remembered from here on. f is set with GENUINE_NO. */
enum genuine collateral_judge(struct collateral_issuers *by, const char *name,
    struct bytes body, int64_t now_ms, struct fault *f);
void collateral_issuers_clear(struct collateral_issuers *by);

#endif
