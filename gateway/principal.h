/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who asks, once a credential has been believed: a plain value that an
 * exchange copies and never changes. Scopes are the bits of auth/scope.h.
 */
#ifndef GATEWAY_PRINCIPAL_H
#define GATEWAY_PRINCIPAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

struct principal_limits {
	int64_t requests_per_minute; /* 0: the operator's default */
	int64_t concurrent;	     /* likewise */
};

struct principal {
	char account[UUID_TEXT];
	char workspace[UUID_TEXT];
	char key[UUID_TEXT]; /* api_key id; "" for an access token */
	uint32_t scopes;     /* auth/scope.h */
	int64_t expires_at;  /* Unix ms, 0: never */
	struct principal_limits limits;
};

/* May it ask for inference, the catalog, the market, a stream? The market
 * needs its scope and is closed to workspace_only whatever else is there. */
bool principal_may_infer(const struct principal *p);
bool principal_may_read_catalog(const struct principal *p);
bool principal_may_use_market(const struct principal *p);
bool principal_may_stream(const struct principal *p);
/* Carries the restriction that nothing lifts. */
bool principal_is_workspace_only(const struct principal *p);

#endif
