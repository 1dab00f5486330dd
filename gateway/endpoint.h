/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The buyers' API as one table: method and path to what is done, for which
 * task, and with which scope. Pure. The path is the raw one of the request:
 * escapes are decoded in the one variable segment only.
 */
#ifndef GATEWAY_ENDPOINT_H
#define GATEWAY_ENDPOINT_H

#include "base/fault.h"
#include "base/mem.h"
#include "base/text.h"

enum endpoint_kind {
	ENDPOINT_RELAY,	  /* a task, carried to a provider */
	ENDPOINT_HANDOFF, /* a token, given to the buyer */
	ENDPOINT_ROUTE,	  /* the dry run */
	ENDPOINT_MODELS,
	ENDPOINT_MODEL,
	ENDPOINT_PROVIDER,
	ENDPOINT_REQUEST,
	ENDPOINT_ATTESTATION, /* a provider's evidence, over a nonce */
	ENDPOINT_REPORT,      /* the same in another form */
	ENDPOINT_VERIFY,      /* a report, judged */
	ENDPOINT_SIGNATURE,   /* of a private exchange that is over */
	ENDPOINT_FEEDBACK     /* POST gives, PUT with an id changes */
};

struct endpoint {
	const char *method;
	const char *path; /* "{}" at its end: one variable segment; "{*}":
			   * the rest of the path */
	enum endpoint_kind kind;
	const char *name; /* as in logs, metrics and rows */
	const char *task; /* of ENDPOINT_RELAY; NULL: named by the variable
			   * or, for handoff and route, by the body */
	uint32_t scopes;  /* auth/scope.h: any of these grants it */
	bool is_private;  /* of ENDPOINT_RELAY: verified, unchanged, signed */
};

/* Fails NOT_FOUND, or METHOD_NOT_ALLOWED with *allow naming the method. The
 * decoded variable is stored in variable (empty where there is none). */
const struct endpoint *endpoint_find(const char *method, const char *path,
    char *variable, size_t size, const char **allow, struct fault *f);

/* The value of the first parameter of that name in a query ("a=1&b=%20", or
 * NULL), decoded, in the arena; NULL where there is none, or one that cannot
 * be decoded. */
const char *endpoint_parameter(
    const char *query, const char *name, struct arena *a);

/* The table, for metrics and tests. */
size_t endpoint_count(void);
const struct endpoint *endpoint_at(size_t i);

#endif
