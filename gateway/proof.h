/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tunnel has shown, and what came of it: the key of its certificate,
 * the nonce that its evidence answers, and the verdict with all that says
 * whether it still stands. verification.c fills it.
 */
#ifndef GATEWAY_PROOF_H
#define GATEWAY_PROOF_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A plain value, zeroed to begin with, that owns its key; proof_free clears
 * it. */
struct proof {
	uint8_t *spki; /* DER of the key of the tunnel's certificate */
	size_t spki_len;
	uint8_t nonce[32]; /* of the hello that the statement answers */
	int64_t heard_at;  /* Unix ms; 0: nothing yet */
	/* The verdict, as POST /.well-known/assay/admitted tells it. */
	const char *status; /* verified, refused, error, none */
	const char *reason; /* a stable code */
	int64_t until;	    /* Unix ms; 0 unless verified */
	int64_t renew_at;   /* Unix ms; when to ask again; 0: no hurry */
	/* What verified evidence binds, or "": the worker's signing key, and
	 * the digest of what its hardware measured. */
	char signing_address[43];
	char image_digest[72];
	/* What it was judged by: which policy, and the names of the collateral
	 * that it needs, each with its NUL, with what was at hand of them. */
	uint64_t policy;
	char *needs; /* NULL: none */
	size_t needs_len;
	uint64_t at_hand;
	char told[160];	       /* what the log last said */
	bool is_owed;	       /* and Postgres does not have it yet */
	struct proof **writer; /* where who writes its row has it, or NULL */
};
void proof_know(struct proof *p, X509 *peer);
/* A new statement answers the hello with this nonce (64 hex digits). */
void proof_heard(struct proof *p, const char *nonce, int64_t now_ms);
/* The verdict from now on, with nothing bound and no moment to wait for. */
void proof_conclude(struct proof *p, const char *status, const char *reason);
/* The names are copied; at_hand is 0. */
void proof_need(struct proof *p, const char *const *names, size_t count);
/* The names again, at most `most`; borrowed. */
size_t proof_needs(const struct proof *p, const char **out, size_t most);
void proof_free(struct proof *p);

#endif
