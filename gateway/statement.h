/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a daemon says about itself in answer to hello, read strictly and
 * judged against the catalog: each model is accepted or refused with exactly
 * one reason. Pure. The provider is an untrusted server: everything is
 * bounded before it is kept.
 */
#ifndef GATEWAY_STATEMENT_H
#define GATEWAY_STATEMENT_H

#include <jansson.h>

#include "gateway/catalog.h"

#define STATEMENT_BYTES (256 * 1024)
#define STATEMENT_MODELS 64
#define STATEMENT_TASKS 16
#define STATEMENT_FILES 512 /* of one model */
#define STATEMENT_WINDOWS 16
#define STATEMENT_SLOTS 64

/* X(NAME, "stable_reason") */
#define STATEMENT_REASONS(X)                                                   \
	X(UNKNOWN_HASH, "unknown_hash")                                        \
	X(CLAIM_MISMATCH, "claim_mismatch")                                    \
	X(ARTIFACT_INCOMPLETE, "artifact_incomplete")                          \
	X(RUNTIME_MISMATCH, "runtime_mismatch")                                \
	X(TASK_NOT_IN_CATALOG, "task_not_in_catalog")                          \
	X(MODEL_WITHDRAWN, "model_withdrawn")

enum statement_reason {
	STATEMENT_ACCEPTED = 0,
#define X(name, code) STATEMENT_##name,
	STATEMENT_REASONS(X)
#undef X
	    STATEMENT_REASON_COUNT
};
const char *statement_reason_name(enum statement_reason r);

struct statement_file {
	char name[256];
	int64_t size;
	uint8_t sha256[32];
};

struct statement_model {
	const char *canonical;
	const char *tasks[STATEMENT_TASKS];
	size_t task_count;
	const struct statement_file *files;
	size_t file_count;
	const uint8_t (*hashes)[32]; /* of the files, sorted */
	const char *quantization;    /* "" where it says none */
	int64_t context_length;	     /* 0: not said */
};

struct statement {
	int64_t protocol;
	const char *daemon;
	const char *nonce; /* NULL: it left it out */
	enum runtime_kind runtime;
	const char *runtime_version;
	const struct statement_model *models;
	size_t model_count;
	int64_t max_concurrency;       /* 0: not said */
	int64_t max_tokens_per_minute; /* 0: no cap */
	size_t window_count;	       /* the daemon keeps its windows itself */
	const char *direct[4];	       /* https URLs */
	size_t direct_count;
	char direct_spki[65]; /* lower-case hex, or "" */
	int64_t slot;
	const json_t *evidence; /* NULL: none; lives in the document */
	uint8_t
	    digest[32];	  /* SHA-256 of the canonical JSON, evidence left out */
	json_t *document; /* freed by statement_free */
};

/* Everything else lives in the arena. Fails INVALID_JSON, INVALID, or
 * UNSUPPORTED (another protocol). */
bool statement_read(
    struct text t, struct arena *a, struct statement *out, struct fault *f);
void statement_free(struct statement *s); /* the document only */

struct statement_verdict {
	enum statement_reason reason;
	const struct catalog_artifact *artifact; /* where accepted */
	const struct catalog_model *model;	 /* where accepted */
};
/* workspace is the device's: it sees public models and its own. The second
 * of two claims to one canonical id is a claim_mismatch. verdicts has room
 * for model_count. Returns how many are accepted. */
size_t statement_judge(const struct statement *s, const struct catalog *c,
    const char *workspace, struct statement_verdict *verdicts);

/* The body of POST /.well-known/assay/admitted. verified_* as given. */
char *statement_answer(struct arena *a, const struct statement *s,
    const struct statement_verdict *verdicts, const char *session,
    const char *verified_status, const char *verified_reason);

#endif
