/* SPDX-License-Identifier: Apache-2.0 */
/*
 * THE BUYER'S DOOR: one request's way through the gateway, as one struct and
 * one table of steps. An exchange owns itself from its first byte to its
 * record in the ledger; nothing outside holds a pointer to it.
 */
#ifndef GATEWAY_EXCHANGE_H
#define GATEWAY_EXCHANGE_H

#include "gateway/buyer.h"
#include "gateway/catalog.h"
#include "gateway/ledger.h"
#include "gateway/mint.h"
#include "gateway/offer.h"
#include "gateway/presence.h"
#include "gateway/settings.h"

/* What exchanges work with, and how many there are. All borrowed but the
 * counts; one per worker. */
struct house {
	const struct settings *settings;
	struct loop *loop;
	struct log log;
	struct pg *pg;
	struct buyers *buyers;
	struct catalogs *catalogs;
	struct offers *offers;
	struct presence *presence;
	struct mint *mint;
	struct ledger *ledger;
	struct limits *limits;
	struct counters *counters;
	unsigned open;        /* exchanges under way */
	bool is_draining;
};

/* Takes the request. Returns nothing on purpose. */
void exchange_start(struct house *h, struct http_request *r);

#endif
