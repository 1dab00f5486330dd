/* SPDX-License-Identifier: Apache-2.0 */
/* The two things a step does with a way to a provider. */
#include "gateway/path.h"

struct http_call *
path_call(struct path *p, struct http_outgoing *o,
    const struct http_events *events, void *arg, struct fault *f)
{
	return p->ops->call(p, o, events, arg, f);
}

void
path_suspect(struct path *p, const struct fault *why)
{
	p->ops->suspect(p, why);
}
