/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests whose XML signature was found good before, so that many machines
 * with the same driver pay for it once. An entry is of exact bytes under one
 * set of anchors, and holds while its signer's chain does; whether the signer
 * was revoked is asked at each use, of what is at hand then.
 */
#ifndef ATTESTATION_RIM_KEPT_H
#define ATTESTATION_RIM_KEPT_H

#include "attestation/rim.h"

enum { RIM_KEPT_MAX = 32 };

/* The caller's, zeroed to begin with. */
struct rim_kept {
	struct rim_kept_entry {
		uint8_t body[32];    /* SHA-256 of what it came in */
		struct arena *arena; /* NULL: free */
		struct rim *rim;
		struct chain signer;
		const char *names[CHAIN_MAX]; /* answers about that chain */
		/* Its revocation as it was last asked: of which lists and
		 * answers. For how long they say so is the rim's window. */
		uint8_t asked[32];
	} at[RIM_KEPT_MAX];
	size_t next; /* the entry to overwrite */
};
void rim_kept_clear(struct rim_kept *k);

/* A copy, in the arena, of the manifest that came in this body, or NULL: it
 * is not kept, or does not hold now by these rules, and rim_read says why. */
struct rim *rim_kept_find(struct rim_kept *k, struct bytes body,
    const struct rim_rules *r, struct arena *a);
/* The signer's chain of the manifest that came in this body, or NULL: it is
 * not kept. Good until the next entry is added. */
const struct chain *rim_kept_signer(struct rim_kept *k, struct bytes body);
/* Keeps a copy of what rim_read_signed gave. */
void rim_kept_add(struct rim_kept *k, struct bytes body, const struct rim *rim,
    const struct chain *signer);

#endif
