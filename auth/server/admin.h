/* SPDX-License-Identifier: Apache-2.0 */
/* The operators' listener: /healthz, /readyz, /metrics. */
#ifndef AUTH_SERVER_ADMIN_H
#define AUTH_SERVER_ADMIN_H

#include "auth/server/house.h"

/* An http_handler; arg is a struct house. */
void admin_answer(struct http_request *r, void *arg);
/* Sets the gauges that are read, not kept; arg is a struct house. */
void admin_fill(void *arg);

#endif
