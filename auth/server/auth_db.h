/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay-auth's SQL: one table of named statements, one function a statement,
 * one reader a row shape. Each function keeps the three promises of loop.h;
 * its answer lives until the callback returns.
 */
#ifndef AUTH_SERVER_AUTH_DB_H
#define AUTH_SERVER_AUTH_DB_H

#include "base/pg.h"
#include "base/text.h"

extern const struct pg_statement auth_statements[];
extern const size_t auth_statement_count;

/* A signing key that verifiers must know now. */
struct key_row {
	const char *kid;
	const char *jwk; /* JSON */
	bool is_current;
};
typedef void keys_answer(
    void *arg, const struct key_row *rows, size_t count, const struct fault *f);
struct pending *auth_db_keys(struct pg *pg, keys_answer *fn, void *arg);
/* Makes the key current where none is. */
struct pending *auth_db_adopt_key(
    struct pg *pg, const char *kid, const char *jwk, pg_answer *fn, void *arg);

/* What a certificate row says; times in Unix ms. */
struct certificate_row {
	char serial[64];
	uint8_t sha256[32];
	uint8_t spki_sha256[32];
	int64_t not_before_ms;
	int64_t not_after_ms;
};
/* One statement: the code is used, the device and its certificate are there,
 * or nothing happened (no row). An active device of the same workspace gets
 * a certificate again; any other that had this key is left alone. */
struct pending *auth_db_enrol(struct pg *pg, const uint8_t code_sha256[32],
    const char *did, const char *jwk, const struct certificate_row *c,
    pg_answer *fn, void *arg);
/* Why auth_db_enrol did nothing; is_known false: there is no such code. */
struct code_row {
	bool is_known;
	bool is_used;
	bool is_revoked; /* or its workspace suspended */
	bool is_expired;
	bool is_of_revoked; /* the device that has this key */
	bool is_of_another; /* it belongs to another workspace */
};
typedef void code_answer(
    void *arg, const struct code_row *row, const struct fault *f);
struct pending *auth_db_code(struct pg *pg, const uint8_t code_sha256[32],
    const char *did, code_answer *fn, void *arg);

/* Adds a certificate for an active device that presented a good one, and
 * makes its key the current one; or nothing happened (no row). */
struct presented {
	char serial[64];
	uint8_t sha256[32];
};
struct pending *auth_db_renew(struct pg *pg, const char *did,
    const struct presented *was, const char *jwk,
    const struct certificate_row *c, pg_answer *fn, void *arg);

struct device_row {
	bool is_known;
	bool is_revoked; /* or its workspace suspended */
	const char *jwk; /* current key, JSON */
};
typedef void device_answer(
    void *arg, const struct device_row *row, const struct fault *f);
struct pending *auth_db_device(
    struct pg *pg, const char *did, device_answer *fn, void *arg);

/* Handoffs minted, column by column; each array holds `count` texts. */
enum minted_column {
	MINTED_JTI,
	MINTED_IAT, /* Unix seconds */
	MINTED_REQUEST,
	MINTED_KID,
	MINTED_DID,
	MINTED_ACCOUNT,
	MINTED_WORKSPACE,
	MINTED_TASK,
	MINTED_MODEL,
	MINTED_POOL,
	MINTED_GATEWAY,
	MINTED_COLUMNS
};
/* Rows that are there already are left as they are. */
struct pending *auth_db_minted(struct pg *pg, struct arena *a,
    const char **const columns[MINTED_COLUMNS], size_t count, pg_answer *fn,
    void *arg);

#endif
