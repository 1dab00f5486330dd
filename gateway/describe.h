/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a buyer may read about models, providers, decisions and their own
 * requests, as JSON. Pure functions over snapshot, offers and rows; the
 * answers are in the arena. Nothing here shows another workspace's private
 * models, or another buyer's requests.
 */
#ifndef GATEWAY_DESCRIBE_H
#define GATEWAY_DESCRIBE_H

#include <jansson.h>

#include "gateway/gateway_db.h"
#include "gateway/route.h"

struct describe {
	const struct catalog *catalog;
	const struct offers *offers;
	const struct principal *principal;
	int64_t now_ms;
};

/* GET /v1/models: {"object":"list","data":[…]}: servable now to this caller */
char *describe_models(const struct describe *d, struct arena *a);
/* GET /v1/models/{id}; MODEL_NOT_FOUND. */
bool describe_model(const struct describe *d, struct text canonical,
    struct arena *a, char **out, struct fault *f);
/* GET /v1/providers/{did}; PROVIDER_NOT_FOUND. */
bool describe_provider(const struct describe *d, const char *did,
    struct arena *a, char **out, struct fault *f);
/* GET /v1/requests/{id} from its row and attempts. */
char *describe_request(const struct request_row *r,
    const struct attempt_row *attempts, size_t count, struct arena *a);
/* POST /v1/route: candidates, choice, each rejected one with its reason. */
char *describe_route(const struct route_ask *ask, const struct route *r,
    const struct fault *f, const char *request_id, struct arena *a);

/* {reason: count} of what was rejected; a new object, the caller's. */
json_t *describe_rejected(const struct route *r);
/* The same as text, for the ledger. */
char *describe_rejected_text(const struct route *r, struct arena *a);
/* The decision trace of `explain`, short enough for a header field; a new
 * object, the caller's. */
json_t *describe_decision(const struct route_ask *ask, const struct route *r);

#endif
