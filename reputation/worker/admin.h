/* SPDX-License-Identifier: Apache-2.0 */
/* The operators' listener: /healthz, /readyz, /metrics. */
#ifndef REPUTATION_WORKER_ADMIN_H
#define REPUTATION_WORKER_ADMIN_H

#include "base/loop.h"
#include "reputation/worker/ticker.h"

struct admin;
/* No address: none is opened, and *out is NULL. The ticker is borrowed. */
bool admin_open(struct loop *l, const char *address, const struct ticker *t,
    const struct log *log, struct admin **out, struct fault *f);
void admin_close(struct admin **x);

#endif
