/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: JSON documents, and the one table from fault to status. */
#ifndef AUTH_SERVER_REPLY_H
#define AUTH_SERVER_REPLY_H

#include "base/http.h"
#include "base/json.h"

/* Reads the body as one JSON object of at most max bytes; the caller frees it
 * with json_free. Fails INVALID_JSON, or UNSUPPORTED_MEDIA_TYPE where a
 * content type is given and is not JSON. */
bool body_read(
    const struct http_request *r, size_t max, json_t **out, struct fault *f);

/* Takes the document; ends the request. */
void reply_json(struct http_request **r, int status, json_t **document);
/* {"error":{"message","type","code","param":null}}; ends the request. */
void reply_fault(struct http_request **r, const struct fault *f);
int reply_status(enum fault_kind kind);

#endif
