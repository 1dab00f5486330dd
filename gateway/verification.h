/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence judged: what a statement carries, against the active policy, with
 * the collateral at hand, bound to the tunnel it came through. Judging is a
 * few milliseconds at each hello, never on a request's way: what comes out is
 * a status, a reason and a moment until which it counts. No policy, no
 * collateral, no answer from Postgres: nobody is verified by that.
 */
#ifndef GATEWAY_VERIFICATION_H
#define GATEWAY_VERIFICATION_H

#include <openssl/x509.h>

#include "base/log.h"
#include "gateway/collateral.h"
#include "gateway/session.h"
#include "gateway/statement.h"

/* What a tunnel has shown, and what came of it. A plain value, zeroed to
 * begin with, that owns its key; proof_free clears it. */
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
	char told[160];		 /* what the log last said */
	bool is_owed;		 /* and Postgres does not have it yet */
	struct writing *writing; /* its row on the way, or NULL */
};
void proof_know(struct proof *p, X509 *peer);
/* A new statement answers the hello with this nonce (64 hex digits). */
void proof_heard(struct proof *p, const char *nonce, int64_t now_ms);
void proof_free(struct proof *p);

struct verifications_settings {
	const char *instance;	   /* names the worker in rows */
	struct counters *counters; /* NULL: nothing is counted */
#ifdef ASSAY_TEST_BUILD
	const char *test_root; /* PEM in the place of makers' roots, or NULL */
#endif
};
struct verifications;
/* on_change(arg): the policy or collateral changed, so every proof is to be
 * judged again. Fails where the settings name what cannot be read. */
bool verifications_new(struct loop *l, struct pg *pg, struct fetch *fetch,
    const struct verifications_settings *s,
    const struct collaterals_settings *c, void (*on_change)(void *arg),
    void *arg, const struct log *log, struct verifications **out,
    struct fault *f);
void verifications_free(struct verifications **v);
/* Reads the active policy anew. */
void verifications_policy_changed(struct verifications *v);

/* Fills the verdict of *p. v may be NULL: then there is none. A verdict that
 * differs from the last is written with its evidence, and not waited for. */
void verification_judge(struct verifications *v, struct proof *p,
    const struct statement *st, const struct session *s);

/* What verdicts are made with at this moment; borrowed, good until the loop's
 * next turn. The policy is NULL where none is active, all is
 * where v is NULL. */
struct verification_means {
	const struct policy *policy;
	const struct anchors *anchors;
	struct collaterals *collaterals;
};
struct verification_means verification_means(const struct verifications *v);

#endif
