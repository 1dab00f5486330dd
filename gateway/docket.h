/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker has to do by and by and at a cost of its own: verdicts to be
 * made again when a policy or collateral has changed for many tunnels at
 * once. One case is called in a turn of the loop, after all else that is due
 * in it, so that streams go on; on a loop that never rests, one now and then
 * all the same.
 */
#ifndef GATEWAY_DOCKET_H
#define GATEWAY_DOCKET_H

#include <stddef.h>

#include "base/loop.h"

struct docket;
struct docket *docket_new(struct loop *l);
/* Cases that are still there are forgotten. */
void docket_free(struct docket **d);
/* fn(arg), once, when it is this case's turn: first come, first served. */
struct pending *docket_add(struct docket *d, void (*fn)(void *arg), void *arg);
size_t docket_count(const struct docket *d);

#endif
