/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Revocation of a certificate chain, offline, from lists that were fetched
 * before. A list is believed only if an issuer of this very chain signed it
 * and its next update has not passed; a list of this chain's issuer that
 * cannot be believed is an error, never a reason to go on without.
 */
#ifndef ATTESTATION_REVOCATION_H
#define ATTESTATION_REVOCATION_H

#include "attestation/chain.h"

enum { REVOCATION_LISTS_MAX = 64 };

struct revocation {
	const struct bytes *lists; /* DER or PEM */
	size_t count;
	bool required;	 /* each of the upper levels must have its list */
	size_t levels;	 /* how many issuers, from the anchor down */
	bool allow_hold; /* an entry with reason "on hold" does not count */
};

/* The chain has been walked already. Lists of other issuers are passed over.
 * Faults: REVOKED; NOT_FOUND where a required list is missing; what crl_read
 * and crl_verify say of a list. *window shrinks. */
bool revocation_check(const struct revocation *r, const struct chain *c,
    int64_t now_ms, struct window *window, struct fault *f);

#endif
