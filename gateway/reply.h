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
/* "invalid_request_error", "authentication_error", … */
const char *reply_type(enum fault_kind kind);
/* Seconds for Retry-After, 0: none. */
int reply_retry_after(const struct fault *f);

struct reply_error {
	const struct fault *fault;
	const char *request_id;
	const char *param;      /* or NULL */
	const json_t *metadata; /* members to add to metadata, or NULL */
};
/* {"error":{…}} */
char *reply_error_json(struct arena *a, const struct reply_error *e);
/* Starts and ends a whole error reply with own fields added to its own. */
void reply_error(struct client *c, const struct reply_error *e,
    const struct http_fields *own);
void reply_json(struct client *c, int status, const char *body,
    const struct http_fields *own);
/* The in-band end of a stream cut short: `event: error` with the object. */
void reply_error_event(struct client *c, const struct reply_error *e);

#endif
