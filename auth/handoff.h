/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handoff: a token of 60 seconds by which one buyer may ask one provider
 * for one task with one model, once. assay-auth makes it, a provider checks
 * it on both of its ways in. The check is pure: keys, names, now and the
 * record of used tokens come in; it starts from "refused".
 */
#ifndef AUTH_HANDOFF_H
#define AUTH_HANDOFF_H

#include "auth/jwt.h"
#include "auth/replay.h"

#define HANDOFF_TYP "handoff+jwt"
#define HANDOFF_LIFE_S 60
#define HANDOFF_SKEW_S 5

struct handoff_claims {
	const char *iss;
	const char *aud;       /* provider DID */
	const char *sub;       /* buyer account, UUID */
	const char *workspace; /* the buyer's, UUID */
	const char *task;
	const char *model;	  /* canonical */
	const char *pool;	  /* "workspace" or "marketplace" */
	const char *request_id;	  /* UUID */
	const char *jti;	  /* UUID version 7 */
	const char *cnf_x5t_s256; /* base64url SHA-256 of the buyer's client
				   * certificate, or NULL (RFC 8705) */
	int64_t iat;		  /* Unix seconds; nbf is the same, exp + 60 */
};

/* Fails INVALID_REQUEST, naming the claim that has not its form or length. */
bool handoff_claims_check(const struct handoff_claims *c, struct fault *f);
/* Signs claims that passed handoff_claims_check; token in the arena. */
bool handoff_make(struct arena *a, const struct jwt_signer *s,
    const struct handoff_claims *c, char **token, struct fault *f);

struct handoff_rules {
	const struct jwks *keys;
	const char *iss; /* the operator's; NULL: whoever the keys trust */
	const char *aud; /* this provider's DID */
	int64_t now_ms;
	/* What the request asks for; NULL: not known yet, see `advertised`. */
	const char *task;
	const char *model;
	/* Is that task with that model advertised now? */
	bool (*advertised)(void *arg, const char *task, const char *model);
	void *arg;
	struct replay *replay;
	/* The direct way in: SHA-256 of the buyer's client certificate, NULL
	 * where it sent none. A token bound to a certificate is refused for
	 * any other. Through the tunnel the gateway has checked it. */
	bool holder_seen;
	const uint8_t *holder_sha256;
};

/* In this order, each its own refusal; out's strings live in the arena.
 * TOKEN_MALFORMED      form, header, typ, iss, a claim missing or of the
 *                      wrong shape, a life longer than 60 s
 * TOKEN_KEY_UNKNOWN    kid not in the set
 * TOKEN_SIGNATURE      signature, or certificate binding
 * TOKEN_WRONG_AUDIENCE aud is somebody else
 * TOKEN_NOT_YET_VALID  iat or nbf more than 5 s in the future
 * TOKEN_EXPIRED        older than 60 s by our clock
 * TOKEN_NOT_ADVERTISED another task or model than asked for, or not offered
 * TOKEN_REPLAYED       jti was used (OVERLOADED: no room to remember it) */
bool handoff_check(struct arena *a, struct text token,
    const struct handoff_rules *r, struct handoff_claims *out, struct fault *f);

#endif
