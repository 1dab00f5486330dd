/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A report file: evidence of one or more nodes, as a gateway keeps it, as a
 * daemon makes it, or as services of dstack's kind answer it, brought into
 * the one form of bundle that attestation/evidence.h judges. Reading proves
 * nothing: what a report says about its own soundness is not read at all.
 *
 * Forms, told apart by their members:
 *   {"items": [...], ...}                 a bundle by itself
 *   {"evidence": bundle, "bound": {...}}  a row of attestation_verdict; may
 *     carry "collateral": {name: {"base64", "fetched_at"}}
 *   {"intel_quote": hex, ...}             one node of a service's answer
 *   {"gateway_attestation", "model_attestations": [...]}   a whole answer,
 *     each node of it a service's or one with "evidence" and "bound";
 *     may carry "collateral" for all of them
 */
#ifndef CLIENT_REPORT_H
#define CLIENT_REPORT_H

#include "attestation/evidence.h"

#define REPORT_BYTES_MAX ((size_t)32 << 20)
#define REPORT_NODES_MAX 32
#define REPORT_COLLATERAL_MAX 64

struct report_node {
	const char *name;	     /* "node", "gateway", "model 0" */
	json_t *bundle;		     /* the report owns it */
	struct evidence_bound bound; /* as far as the report tells it */
	const char *signing_address; /* lower case, or NULL */
	const char *left_out;	     /* a part that is not judged, or NULL */
};

struct report {
	json_t *document;
	json_t *made; /* bundles that were put together here */
	struct report_node nodes[REPORT_NODES_MAX];
	size_t count;
	struct collateral_item collateral[REPORT_COLLATERAL_MAX];
	size_t collateral_count;
};

/* Fails INVALID_JSON or INVALID; texts and bytes are in the arena. A report
 * that was not read is empty and may be freed. */
bool report_read(
    struct arena *a, struct text file, struct report *out, struct fault *f);
void report_free(struct report *r);

/* The node of that name; NULL takes the only one. Fails INVALID_OPTION. */
bool report_node_find(const struct report *r, const char *name,
    const struct report_node **out, struct fault *f);

#endif
