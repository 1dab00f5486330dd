/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a buyer asks for, made once from principal, endpoint, body and
 * `options`, and never changed: every retry uses the same. Pure. A
 * workspace_only credential is a restriction that nothing lifts.
 *
 * The outgoing body is the buyer's own bytes with only `options` cut out.
 */
#ifndef GATEWAY_QUERY_H
#define GATEWAY_QUERY_H

#include "gateway/catalog.h"
#include "gateway/principal.h"

#define QUERY_DIDS 64
#define QUERY_QUANTIZATIONS 16
#define QUERY_DEPTH 64 /* nesting of a buyer's JSON */
#define QUERY_OPTIONS_BYTES 32768

enum pool { POOL_WORKSPACE = 1, POOL_MARKETPLACE = 2, POOL_BOTH = 3 };
const char *pool_name(enum pool p); /* "workspace", "marketplace", "any" */

struct query_timeouts {
	int64_t first_byte_ms;
	int64_t stall_ms;
	int64_t total_ms;
};

/* The operator's: least, most, and what holds when nothing is said. */
struct query_bounds {
	struct query_timeouts least;
	struct query_timeouts most;
	struct query_timeouts otherwise;
	int64_t whole_ms; /* for otherwise.first_byte_ms, not streamed */
};

struct dids {
	const char *const *at;
	size_t count;
};
bool dids_has(struct dids d, const char *did);

struct query {
	const char *param;	   /* after a failure: the member, or NULL */
	char workspace[UUID_TEXT]; /* the buyer's */
	const struct catalog_task *task;
	const struct catalog_model *model;
	enum pool pools;	/* what may serve it at all */
	bool is_workspace_only; /* by credential */
	bool is_direct;		/* handoff: buyer goes there itself */
	enum tier min_tier;	/* TIER_NONE: none asked */
	bool verified;
	bool needs_key; /* verified evidence must bind the worker's key */
	bool has_only;	/* `only` was given, be it empty */
	struct dids only, ignore, order;
	struct dids quantizations; /* count 0: any */
	bool allow_fallbacks;
	bool explain;
	bool stream;
	bool wants_octets; /* of an embedding: no JSON comes back */
	struct query_timeouts timeouts;
	const char *model_asked; /* as the body names it */
	/* The outgoing body, in turn; borrowed from the body given. */
	struct text body[2];
};

struct query_ask {
	const struct principal *principal;
	const struct catalog *catalog; /* must outlive the query */
	/* The task's name; NULL: the body's member `task` names it. */
	const char *task;
	/* The request's, or NULL. application/json, or multipart/form-data
	 * where the task takes that. */
	const char *content_type;
	/* The request's, or NULL. Bodies are read as they are. */
	const char *content_encoding;
	struct text body;
	const struct query_bounds *bounds;
	bool is_direct; /* POST /v1/handoffs */
	/* The body goes on byte for byte, to verified providers alone; what a
	 * buyer wants of the way stands in the field, or NULL. */
	bool is_private;
	const char *options;
};

/* Everything in it lives in the arena, the catalog and the body. Fails
 * INVALID_REQUEST, INVALID_JSON, INVALID_OPTION, UNKNOWN_TASK,
 * MODEL_NOT_FOUND, UNSUPPORTED_MEDIA_TYPE, INSUFFICIENT_SCOPES, with
 * out->param set where one member is at fault. */
bool query_make(const struct query_ask *ask, struct arena *a, struct query *out,
    struct fault *f);

/* Pure: the options object alone (a fuzz target, and multipart's part). */
bool query_read_options(struct text json, const struct query_bounds *bounds,
    const struct principal *p, struct arena *a, struct query *out,
    struct fault *f);

#endif
