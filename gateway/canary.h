/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Canaries: at random times a worker asks a provider of its own tunnels
 * something, as any buyer would, and holds the answer's log-probabilities
 * against what others, or the provider itself, answered before. Postgres says
 * whose turn it is, so that any number of workers send as many as one would.
 *
 * Only what the market may use is asked: no private model, nobody whose window
 * is closed. The last place of a provider is left to buyers; one that has a
 * single place is asked while it has nothing to do, for stating one place
 * would else buy freedom from audits. Nothing of it is billed or counted as a
 * buyer's request, and a canary that fails says nothing.
 */
#ifndef GATEWAY_CANARY_H
#define GATEWAY_CANARY_H

#include "gateway/exchange.h"

struct canaries;
/* settings.canary_per_day 0: none are sent, and *out is NULL. Fails where the
 * file settings.canary_prompts can not be read as prompts. */
bool canaries_open(
    const struct house *h, struct canaries **out, struct fault *f);
/* What is under way is cancelled. Accepts NULL, leaves NULL. */
void canaries_free(struct canaries **x);

#endif
