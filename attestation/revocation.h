/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Revocation of a certificate chain, offline, from lists and responders'
 * answers that were fetched before. A list is believed only if an issuer of
 * this very chain signed it and its next update has not passed; a list of
 * this chain's issuer that cannot be believed is an error, never a reason to
 * go on without. A valid answer (ocsp.h) stands for a list that is missing or
 * stale, and the other way round; what either calls revoked is revoked.
 */
#ifndef ATTESTATION_REVOCATION_H
#define ATTESTATION_REVOCATION_H

#include "attestation/ocsp.h"

enum { REVOCATION_LISTS_MAX = 64, REVOCATION_ANSWERS_MAX = 64 };

struct revocation_answer {
	const char *name; /* as ocsp_name gives it */
	struct bytes body;
};

struct revocation {
	const struct bytes *lists; /* DER or PEM */
	/* When each is too old, Unix ms; NULL: never. */
	const int64_t *list_ends;
	size_t count;
	int64_t list_age_s; /* at most, since thisUpdate; 0: any */
	const struct revocation_answer *answers;
	size_t answer_count;
	int64_t answer_age_s; /* at most; 0: any */
	bool required;	      /* each of the upper levels must be covered */
	size_t levels;	      /* how many issuers, from the anchor down */
	bool allow_hold; /* an entry with reason "on hold" does not count */
};

/* The chain has been walked already. Lists of other issuers and answers about
 * other certificates are passed over. Faults: REVOKED; NOT_FOUND where nothing
 * covers a required level; what crl_read and crl_verify say of a list, and
 * ocsp_verify of an answer that nothing stands for. *window shrinks. */
bool revocation_check(const struct revocation *r, const struct chain *c,
    int64_t now_ms, struct window *window, struct fault *f);
/* The same; *covered tells whether a valid list or answer stands for every
 * certificate below the root. Where nothing is required, an answer that says
 * nothing (stale, unknown, the responder refused) is as if it were not there.
 */
bool revocation_ask(const struct revocation *r, const struct chain *c,
    int64_t now_ms, struct window *window, bool *covered, struct fault *f);

#endif
