/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A way to a provider: a tunnel of this worker, later a peer that holds one.
 * The steps know nothing more of it than this. A path belongs to whoever
 * publishes it and may vanish between two turns of the loop: look it up in
 * presence, call, and keep only the call.
 */
#ifndef GATEWAY_PATH_H
#define GATEWAY_PATH_H

#include "base/http.h"

struct path;
struct path_ops {
	struct http_call *(*call)(struct path *, struct http_outgoing *,
	    const struct http_events *, void *arg, struct fault *f);
	/* The provider misbehaved on this way: look at it again soon. */
	void (*suspect)(struct path *, const struct fault *why);
};
/* Embedded as first member by whoever publishes it. */
struct path {
	const struct path_ops *ops;
};

/* As link_call: NULL and *f where it can not be tried at all. */
struct http_call *path_call(struct path *p, struct http_outgoing *o,
    const struct http_events *events, void *arg, struct fault *f);
void path_suspect(struct path *p, const struct fault *why);

#endif
