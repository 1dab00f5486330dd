/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operators' listener: alive, ready, metrics, and what this worker holds
 * in memory, as JSON. Read only, on an address of its own that buyers and
 * providers can not reach.
 */
#ifndef GATEWAY_ADMIN_H
#define GATEWAY_ADMIN_H

#include "base/http.h"
#include "gateway/exchange.h"
#include "gateway/sync.h"
#include "gateway/tunnel.h"

struct admin {
	const struct house *house;
	const struct tunnels *tunnels;
	const struct sync *sync;
	bool is_draining;
};

/* An http_handler; arg is the admin. */
void admin_answer(struct http_request *r, void *arg);
/* May this worker take traffic? Otherwise *why says what it lacks. */
bool admin_is_ready(const struct admin *a, const char **why);

#endif
