/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A report: evidence with what it must be bound to, as the gateway keeps it
 * with each verdict and as it stands in a file:
 * {"evidence": the bundle of attestation/evidence.h,
 *  "bound": {"nonce", "did", "tls_spki": base64, "statement_sha256",
 *            "signing_address"},
 *  "judged_at": RFC 3339, "collateral": {name: {"base64", "fetched_at"}}}
 * A file that has no "evidence" is taken as the bundle alone.
 */
#ifndef CLIENT_REPORT_H
#define CLIENT_REPORT_H

#include "attestation/evidence.h"

#define REPORT_COLLATERAL_MAX 64

struct report {
	json_t *document;	/* report_free */
	const json_t *evidence; /* in the document */
	bool is_bound;
	struct evidence_bound bound; /* where is_bound */
	int64_t judged_at;	     /* Unix ms; 0: not said */
	struct collateral_item items[REPORT_COLLATERAL_MAX];
	size_t item_count;
};

/* "-" is standard input. Strings live in the arena. */
bool report_read(
    struct arena *a, const char *path, struct report *out, struct fault *f);
bool report_of_json(struct arena *a, json_t *document, struct report *out,
    struct fault *f); /* takes the document, also when it fails */
void report_free(struct report *r);

/* The items of a folder for these names, after those of the report itself. */
void report_add_folder(struct arena *a, struct report *r, const char *folder,
    const char *const *names, size_t count);

#endif
