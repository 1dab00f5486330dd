/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `model` of a request's body, JSON or multipart: found to hold it
 * against the handoff, and replaced by the name the runtime knows. Nothing
 * else of the body is touched.
 */
#ifndef PROVIDER_BODY_H
#define PROVIDER_BODY_H

#include "base/fault.h"
#include "base/text.h"

struct body_model {
	char name[256];	   /* what the buyer asked for */
	struct text value; /* its bytes in the body: with quotes for JSON */
	bool json;
};

/* Fails INVALID_JSON, INVALID_REQUEST (no model) or UNSUPPORTED_MEDIA_TYPE. */
bool body_model_find(const char *content_type, struct text body,
    struct body_model *out, struct fault *f);

#endif
