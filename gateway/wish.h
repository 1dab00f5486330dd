/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a buyer wishes to see evidence of: a model, over a nonce of their own.
 * Pure; whether there is such a model is for the query.
 */
#ifndef GATEWAY_WISH_H
#define GATEWAY_WISH_H

#include "base/mem.h"
#include "base/text.h"

struct wish {
	const char *model; /* in the arena; perhaps not UTF-8 */
	char nonce[65];	   /* as services fill it: zeros on the right */
	bool collateral;   /* to be handed on too */
};

/* {"model_id", "nonce"}. Both fail INVALID_JSON or INVALID_REQUEST. */
bool wish_read(
    struct text body, struct arena *a, struct wish *out, struct fault *f);
/* ?model=…&nonce=…[&signing_algo=ecdsa][&collateral=true]; query may be
 * NULL. */
bool wish_of_query(
    const char *query, struct arena *a, struct wish *out, struct fault *f);

#endif
