/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's SQL: one table of named statements, one function a statement,
 * one reader a row shape. Statements are asked of a struct pg made with
 * gateway_statements. Each function keeps the three promises of loop.h; its
 * answer lives until the callback returns.
 */
#ifndef GATEWAY_GATEWAY_DB_H
#define GATEWAY_GATEWAY_DB_H

#include "base/pg.h"
#include "gateway/catalog.h"
#include "gateway/feedback.h"
#include "gateway/principal.h"
#include "gateway/statement.h"

extern const struct pg_statement gateway_statements[];
extern const size_t gateway_statement_count;

/* ------------------------------------------------------------------- buyer */

struct key_row {
	struct principal principal;
	bool is_revoked;
	bool is_suspended; /* its account or workspace */
};
/* row NULL and f NULL: there is no such key. */
typedef void key_answer(
    void *arg, const struct key_row *row, const struct fault *f);
struct pending *gateway_db_find_key(
    struct pg *pg, const uint8_t sha256[32], key_answer *fn, void *arg);

/* ----------------------------------------------------------------- catalog */

enum change_area {
	CHANGE_KEY,
	CHANGE_DEVICE,
	CHANGE_CATALOG,
	CHANGE_SCORE,
	CHANGE_POLICY,
	CHANGE_AREAS
};
const char *change_area_name(enum change_area x);

struct change_versions {
	int64_t at[CHANGE_AREAS];
};
typedef void versions_answer(
    void *arg, const struct change_versions *v, const struct fault *f);
struct pending *gateway_db_versions(
    struct pg *pg, versions_answer *fn, void *arg);

/* One part of the catalog from one consistent read, with the version it is
 * of. The callee takes *d, or leaves it to be freed. */
typedef void part_answer(
    void *arg, struct draft **d, int64_t version, const struct fault *f);
struct pending *gateway_db_load(
    struct pg *pg, enum catalog_part part, part_answer *fn, void *arg);
/* Scores that changed after that version, as a draft that says so; all of them
 * where since is below zero, or the change cannot be told from it (a score was
 * deleted, or the database is an older one). */
struct pending *gateway_db_load_scores(
    struct pg *pg, int64_t since, part_answer *fn, void *arg);

/* ----------------------------------------------------------------- traffic */

/* A row of assay.request. Texts: NULL for null. Numbers: -1 for null. */
struct request_row {
	const char *id;
	int64_t created_at; /* Unix ms */
	const char *account;
	const char *workspace;
	const char *key;
	const char *endpoint;
	const char *task;
	const char *model;
	bool streamed;
	const char *pool_wanted; /* any, workspace, marketplace */
	const char *min_tier;
	bool verified;
	const char *did;
	const char *pool;
	const char *tier;
	const char *quantization;
	const char *outcome; /* assay.outcome */
	int64_t status;
	const char *fault_code;
	const char *fault_why;
	int64_t attempts;
	const char *rejected; /* JSON object */
	int64_t prompt_tokens;
	int64_t completion_tokens;
	int64_t request_bytes;
	int64_t response_bytes;
	int64_t auth_us;
	int64_t route_us;
	int64_t mint_us;
	int64_t connect_us;
	int64_t first_byte_us;
	int64_t total_us;
	const char *instance;
};

struct attempt_row {
	const char *request;
	int64_t created_at; /* the request's */
	int64_t ordinal;    /* from 1 */
	const char *did;
	const char *pool;
	const char *tier;
	const char *outcome;
	int64_t status;
	const char *fault_code;
	const char *fault_why;
	int64_t started_us;
	int64_t first_byte_us;
	int64_t total_us;
};

typedef void done_answer(void *arg, const struct fault *f); /* NULL: done */

/* A batch, in one transaction; rows that are there already are left alone, so
 * that asking twice changes nothing. */
struct pending *gateway_db_write_requests(struct pg *pg,
    const struct request_row *requests, size_t request_count,
    const struct attempt_row *attempts, size_t attempt_count, done_answer *fn,
    void *arg);

/* One's own request with its attempts; row NULL and f NULL: there is none of
 * this account. */
typedef void request_answer(void *arg, const struct request_row *row,
    const struct attempt_row *attempts, size_t count, const struct fault *f);
struct pending *gateway_db_find_request(struct pg *pg, const char *id,
    const char *account, request_answer *fn, void *arg);

/* --------------------------------------------------------- idempotency-key */

struct answer_row {
	uint8_t request_sha256[32];
	int64_t status;
	const char *body;
};
/* row NULL and f NULL: nothing is kept (for 24 hours) under this key. */
typedef void kept_answer(
    void *arg, const struct answer_row *row, const struct fault *f);
struct pending *gateway_db_find_answer(struct pg *pg, const char *account,
    const char *endpoint, const char *key, kept_answer *fn, void *arg);
/* The first answer stands; a second one for the same key changes nothing. */
struct pending *gateway_db_keep_answer(struct pg *pg, const char *account,
    const char *endpoint, const char *key, const struct answer_row *row,
    done_answer *fn, void *arg);

/* ---------------------------------------------------------------- feedback */

struct feedback_row {
	const char *id; /* of the feedback, UUID version 7 */
	const char *account;
	const char *idempotency_key; /* or NULL; what follows goes with it */
	uint8_t body_sha256[32];
	const char *answer;
};
/* Done when it is durable. Faults: REQUEST_NOT_FOUND, REQUEST_NOT_SERVED,
 * FEEDBACK_CLOSED, FEEDBACK_EXISTS, UPSTREAM_DEPENDENCY_UNAVAILABLE. */
struct pending *gateway_db_give_feedback(struct pg *pg,
    const struct feedback *b, const struct feedback_row *row, done_answer *fn,
    void *arg);
/* The request that was judged; or NULL, and why it is not changed. */
typedef void edited_answer(
    void *arg, const char *request, const struct fault *f);
/* Of the row, id and account. FEEDBACK_NOT_FOUND, FEEDBACK_CLOSED, … */
struct pending *gateway_db_edit_feedback(struct pg *pg,
    const struct feedback *b, const struct feedback_row *row, edited_answer *fn,
    void *arg);

/* -------------------------------------------------------------- not chosen */

struct not_chosen_row {
	const char *did;
	const char *task;
	const char *model;
	const char *reason;
	int64_t times;
	int64_t day; /* on which they were, in UTC since 1970-01-01 */
};
struct pending *gateway_db_count_not_chosen(struct pg *pg,
    const struct not_chosen_row *rows, size_t count, done_answer *fn,
    void *arg);
/* A provider's reasons of the last seven days, over all workers. */
typedef void reasons_answer(void *arg, const struct not_chosen_row *rows,
    size_t count, const struct fault *f);
struct pending *gateway_db_find_not_chosen(
    struct pg *pg, const char *did, reasons_answer *fn, void *arg);

/* ---------------------------------------------------------------- presence */

struct tunnel_row {
	const char *id; /* UUID */
	const char *did;
	int64_t slot;
	const char *instance;
	const char *remote;
	const char *serial;
	const char *daemon;
	const char *runtime_kind;
	const char *runtime_version;
	int64_t opened_at; /* Unix ms */
};
/* Again for the same id: daemon and runtime are brought up to date. */
struct pending *gateway_db_open_tunnel(
    struct pg *pg, const struct tunnel_row *t, done_answer *fn, void *arg);
struct pending *gateway_db_touch_tunnels(struct pg *pg, const char *const *ids,
    size_t count, done_answer *fn, void *arg);
/* Said and not waited for: nobody need be there any more when it is done. A
 * failure goes to the log, which must outlive pg. */
void gateway_db_close_tunnel(struct pg *pg, const char *id, const char *code,
    const char *reason, const struct log *log);
/* At start: what an earlier life of this instance left open. */
struct pending *gateway_db_close_left(
    struct pg *pg, const char *instance, done_answer *fn, void *arg);

/* What a tunnel stated and how it was judged: replaces what stood for its
 * (did, slot). */
struct pending *gateway_db_write_fingerprints(struct pg *pg, const char *did,
    int64_t slot, const char *session, const struct statement *s,
    const struct statement_verdict *verdicts, done_answer *fn, void *arg);

#endif
