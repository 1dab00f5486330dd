/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the readers of gateway_db share: the numbers of the statements, whose
 * table stands in gateway_db.c, and the one open question.
 */
#ifndef GATEWAY_GATEWAY_DB_PRIV_H
#define GATEWAY_GATEWAY_DB_PRIV_H

#include "gateway/attestation_db.h"
#include "gateway/canary_db.h"
#include "gateway/gateway_db.h"

enum {
	FIND_KEY,
	VERSIONS,
	LOAD_MODELS,
	LOAD_DEVICES,
	LOAD_SCORES,
	WRITE_REQUESTS,
	FIND_REQUEST,
	FIND_ANSWER,
	KEEP_ANSWER,
	GIVE_FEEDBACK,
	EDIT_FEEDBACK,
	COUNT_NOT_CHOSEN,
	FIND_NOT_CHOSEN,
	OPEN_TUNNEL,
	TOUCH_TUNNELS,
	CLOSE_TUNNEL,
	CLOSE_LEFT,
	WRITE_FINGERPRINTS,
	LOAD_POLICY,
	WRITE_VERDICT,
	FIND_COLLATERAL,
	KEEP_COLLATERAL,
	FAIL_COLLATERAL,
	KEEP_SIGNATURE,
	FIND_SIGNATURE,
	CLAIM_CANARY,
	KNOWN_CANARY,
	NOTE_CANARY,
	STATEMENTS
};

/* One open question: what to do with its rows, and who wants to know. */
struct ask {
	struct pending pending; /* first member */
	struct pending *inner;
	void (*read)(struct ask *x, const struct pg_rows *rows);
	void (*fail)(struct ask *x, const struct fault *f);
	union {
		key_answer *key;
		versions_answer *versions;
		part_answer *part;
		request_answer *request;
		kept_answer *kept;
		done_answer *done;
		edited_answer *edited;
		reasons_answer *reasons;
		policy_answer *policy;
		collateral_answer *collateral;
		signature_answer *signature;
		canary_due_answer *canary_due;
		canary_known_answer *canary_known;
	} fn;
	void *arg;
	enum catalog_part part;
	struct arena *arena; /* of the parameters, then of the answer */
};

/* read gets the rows, fail the fault; exactly one of them is called. */
struct ask *ask_make(void (*read)(struct ask *, const struct pg_rows *),
    void (*fail)(struct ask *, const struct fault *), void *arg);
/* A question whose answer is that it was done. */
struct ask *ask_done(done_answer *fn, void *arg);
struct pending *ask_send(
    struct ask *x, struct pg *pg, size_t statement, const char *const *params);

#endif
