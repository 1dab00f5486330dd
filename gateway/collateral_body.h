/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a piece of collateral has the form that its name promises, and when
 * its makers will have written it anew. Pure. Nothing here says that it is
 * genuine: a verifier does, at each use.
 */
#ifndef GATEWAY_COLLATERAL_BODY_H
#define GATEWAY_COLLATERAL_BODY_H

#include "base/fault.h"
#include "base/text.h"

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

/* *next_update: the earliest one of its parts, Unix ms. Fails INVALID and
 * what the parts' readers say. */
bool collateral_body_read(
    const char *name, struct bytes body, int64_t *next_update, struct fault *f);

#endif
