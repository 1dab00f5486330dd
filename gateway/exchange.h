/* SPDX-License-Identifier: Apache-2.0 */
/*
 * THE BUYER'S DOOR: one request's way through the gateway, as one struct and
 * one table of steps. An exchange owns itself from its first byte to its
 * record in the ledger; nothing outside holds a pointer to it.
 */
#ifndef GATEWAY_EXCHANGE_H
#define GATEWAY_EXCHANGE_H

#include "gateway/buyer.h"
#include "gateway/considered.h"
#include "gateway/counters.h"
#include "gateway/ledger.h"
#include "gateway/limits.h"
#include "gateway/mint.h"
#include "gateway/presence.h"
#include "gateway/route.h"
#include "gateway/settings.h"
#include "gateway/signatures.h"

/* What exchanges work with; one per worker. All borrowed. */
struct house {
	const struct settings *settings;
	struct loop *loop;
	struct log log;
	struct pg *pg;
	struct pg *feedback_pg; /* a connection for what is told when durable */
	struct buyers *buyers;
	struct catalogs *catalogs;
	struct offers *offers;
	struct presence *presence;
	struct verifications *verifications;
	struct mint *mint;
	struct ledger *ledger;
	struct signatures *signatures;
	struct limits *limits;
	struct counters *counters;
	struct considered *considered; /* NULL: not counted */
	struct query_bounds bounds;
	struct route_policy policy;
	struct exchange *first; /* of those under way */
	unsigned open;		/* how many they are */
	unsigned trials;	/* reports being judged */
	size_t holding;		/* bytes of private answers, not sent yet */
};

/* An http_handler; arg is the house. Takes the request, and returns nothing
 * on purpose: an exchange may be over before it could. */
void exchange_start(struct http_request *r, void *arg);
/* Time is up: each exchange under way ends, is answered as far as it can be,
 * and is recorded as drained. */
void exchanges_end(struct house *h);

#endif
