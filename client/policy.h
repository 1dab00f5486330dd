/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policies that a command judges by: from a file (a policy, or a Contrast
 * manifest, which is several of which one must be met) or the active one of
 * the database. No policy is never "anything goes".
 */
#ifndef CLIENT_POLICY_H
#define CLIENT_POLICY_H

#include "attestation/policy.h"
#include "client/command.h"

struct policies {
	struct policy *at[CONTRAST_POLICIES_MAX];
	size_t count;	    /* at least one once read */
	const char *source; /* the file's name, or "active policy" */
};

/* Fails as file_read and policy_read do. */
bool policies_read(
    struct arena *a, const char *path, struct policies *out, struct fault *f);
/* The active one. Fails NOT_FOUND where none is. */
bool policies_load(struct arena *a, struct pg_session *s, struct policies *out,
    struct fault *f);

/* `assay policy init` (policy_init.c). */
bool policy_init(struct cli *c, struct fault *f);
extern const struct option_rule policy_init_options[];

#endif
