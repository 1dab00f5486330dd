/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the gateway's SQL that is about evidence: the active policy,
 * verdicts, collateral, signatures of exchanges. The promises are those of
 * gateway_db.h.
 */
#ifndef GATEWAY_ATTESTATION_DB_H
#define GATEWAY_ATTESTATION_DB_H

#include "gateway/gateway_db.h"

/* document NULL and f NULL: no policy is active. */
typedef void policy_answer(
    void *arg, int64_t version, const char *document, const struct fault *f);
struct pending *gateway_db_load_policy(
    struct pg *pg, policy_answer *fn, void *arg);

/* A row of assay.attestation_verdict. Texts: NULL for null. */
struct verdict_row {
	const char *id;
	const char *did;
	int64_t slot;
	const char *session;
	int64_t judged_at; /* Unix ms */
	const char *status;
	const char *reason;
	const char *failed;
	const char *why;
	int64_t renew_by; /* Unix ms */
	const char *measurement;
	const char *signing_address;
	const char *policy_digest;
	const char *checks;   /* JSON */
	const char *bound;    /* JSON */
	const char *evidence; /* JSON */
	const char *instance;
};
struct pending *gateway_db_write_verdict(
    struct pg *pg, const struct verdict_row *row, done_answer *fn, void *arg);

struct collateral_row {
	const char *name;
	struct bytes body;
	const char *source;
	int64_t fetched_at; /* Unix ms */
	/* Of what was verified; none is told where it was not. */
	const char *const *edition;
	size_t edition_count;
};
/* row NULL and f NULL: it is not there. name and edition are not filled in. */
typedef void collateral_answer(
    void *arg, const struct collateral_row *row, const struct fault *f);
struct pending *gateway_db_find_collateral(
    struct pg *pg, const char *name, collateral_answer *fn, void *arg);
/* The newer of two stands: none takes the place of a newer edition, or without
 * an edition of one that has one. */
struct pending *gateway_db_keep_collateral(struct pg *pg,
    const struct collateral_row *row, done_answer *fn, void *arg);
/* Its source failed: since when (if it has not before), and a stable code. */
struct pending *gateway_db_fail_collateral(struct pg *pg, const char *name,
    int64_t at, const char *code, done_answer *fn, void *arg);

/* Texts: NULL for null. */
struct signature_row {
	const char *chat_ids[2]; /* the request id first; the second or NULL */
	const char *account;
	const char *request;
	const char *did;
	const char *text;
	const char *signature;
	const char *address;
	const char *algorithm;
	bool complete;
	int64_t bytes;	     /* of the answer, that it covers */
	const char *missing; /* why there is none, or NULL */
};
/* For each of the chat ids the newest exchange stands. */
struct pending *gateway_db_keep_signature(
    struct pg *pg, const struct signature_row *row, done_answer *fn, void *arg);
/* row NULL and f NULL: this account has none of that id. */
typedef void signature_answer(
    void *arg, const struct signature_row *row, const struct fault *f);
struct pending *gateway_db_find_signature(struct pg *pg, const char *account,
    const char *chat_id, signature_answer *fn, void *arg);

#endif
