/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one check before a model works, on both ways in: the handoff is good
 * for this device, this task and this model, now, for the first time; the
 * window is open; a place is free. Waits at most once, for keys.
 */
#ifndef PROVIDER_GUARD_H
#define PROVIDER_GUARD_H

#include "auth/handoff.h"
#include "base/http.h"
#include "provider/body.h"
#include "provider/caps.h"
#include "provider/keys.h"
#include "provider/models.h"

struct guard {
	const char *did;
	const char *issuer; /* NULL: any that our keys sign */
	struct keys *keys;
	struct models *models;
	const struct offer *offer;
	struct replay *replay;
	struct caps caps;
};

struct admitted {
	struct handoff_claims claims;
	const struct offer_model *model;
	struct body_model body_model;
	struct evbuffer *body; /* the request's, as one piece */
};

/* "chat" for /v1/chat/completions, TASK for /v1/tasks/TASK; NULL otherwise.
 * In the arena. */
const char *guard_task(struct arena *a, const char *path);

/* Judges a request by the keys we have. Fails with the TOKEN_* kinds,
 * OUTSIDE_WINDOW, CAPACITY_EXCEEDED, INVALID_CREDENTIAL (no bearer), or what
 * is wrong with the body. After success the caller owes one caps_leave.
 * TOKEN_KEY_UNKNOWN: ask keys_refresh and try once more. direct: it came to
 * our own listener. */
bool guard_admit(struct guard *g, struct http_request *r, const char *task,
    bool direct, int64_t now_ms, struct admitted *out, struct fault *f);

/* The HTTP status of a refusal. */
int guard_status(enum fault_kind kind);

#endif
