/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults as buyers see them: one table maps a kind to its HTTP status and
 * OpenAI error type, and one writer makes the error object. The sentence goes
 * out only for the buyer's own mistakes; otherwise a plain standing one.
 */
#ifndef GATEWAY_REPLY_H
#define GATEWAY_REPLY_H

#include <jansson.h>

#include "gateway/client.h"

int reply_status(enum fault_kind kind);
/* The code a buyer sees: that of the kind, or of what it means outside. */
const char *reply_code(enum fault_kind kind);

struct reply_error {
	const struct fault *fault;
	const char *request_id;
	const char *param;	/* the member at fault, or NULL */
	const json_t *metadata; /* members to add to metadata, or NULL */
	int retry_after;	/* seconds; 0: as the table says */
	const char *allow;	/* for 405 */
};
/* {"error":{…}} */
char *reply_error_json(struct arena *a, const struct reply_error *e);
/* A whole reply, with `own` fields (or NULL) before its own. */
void reply_error(struct client *c, const struct reply_error *e,
    const struct http_fields *own);
void reply_json(struct client *c, int status, const char *body,
    const struct http_fields *own);
/* In a stream that has begun: `event: error` with the object as data. */
void reply_error_event(struct client *c, const struct reply_error *e);

#endif
