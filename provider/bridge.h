/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One admitted request at the local runtime and its answer back: streamed
 * with back-pressure, stopped at once when the asker leaves. It owns the
 * request from here to its close.
 */
#ifndef PROVIDER_BRIDGE_H
#define PROVIDER_BRIDGE_H

#include "base/fetch.h"
#include "base/log.h"
#include "provider/guard.h"
#include "provider/signing.h"

struct bridge_settings {
	struct fetch *fetch;
	const struct offer *offer;
	struct caps *caps;
	const char *authorization; /* for the runtime, or NULL */
	struct signings *signings; /* NULL: nothing is signed */
	/* A request has begun or ended: the load changed. */
	void (*on_load)(void *arg);
	void *arg;
};

/* Takes the request and the place in caps. */
void bridge_start(const struct bridge_settings *s, struct http_request *r,
    const struct admitted *admitted, const struct log *log);

#endif
