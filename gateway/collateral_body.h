/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a piece of collateral has the form that its name promises, and what
 * it says of itself: its edition, and when its makers will have written it
 * anew. Pure. Nothing here says that it is genuine: collateral_genuine.h does,
 * and a verifier at each use.
 */
#ifndef GATEWAY_COLLATERAL_BODY_H
#define GATEWAY_COLLATERAL_BODY_H

#include "base/fault.h"
#include "base/text.h"
#include "gateway/collateral_edition.h"

#define COLLATERAL_NO_UPDATE INT64_MAX

/* Whose it is, by its name; "other" for a name of no known form. */
enum collateral_source {
	COLLATERAL_INTEL,
	COLLATERAL_AMD,
	COLLATERAL_NVIDIA,
	COLLATERAL_NRAS,
	COLLATERAL_SOURCES
};
enum collateral_source collateral_source_of(const char *name);

enum { ISSUER_DIGEST = 32 };

struct collateral_facts {
	int64_t next_update; /* the earliest one of its parts, Unix ms */
	struct collateral_edition edition;
	/* SHA-256 of the name of a revocation list's issuer; else zeros. */
	uint8_t issuer[ISSUER_DIGEST];
};
/* Fails INVALID and what the parts' readers say; *out is set all the same, to
 * what could be read. */
bool collateral_body_read(const char *name, struct bytes body,
    struct collateral_facts *out, struct fault *f);

#endif
