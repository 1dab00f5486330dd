/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a daemon tells while it serves: one JSON object a line on the answer
 * to GET /.well-known/assay/events. Pure; the line is hostile and bounded.
 */
#ifndef GATEWAY_EVENT_H
#define GATEWAY_EVENT_H

#include "base/fault.h"
#include "base/text.h"

#define EVENT_LINE 4096

enum event_kind {
	EVENT_UNKNOWN, /* of a later protocol: passed over */
	EVENT_MODELS,
	EVENT_LOAD,
	EVENT_WINDOW,
	EVENT_DRAINING
};

struct event_line {
	enum event_kind kind;
	int64_t active; /* EVENT_LOAD */
	int64_t queued;
	bool is_open; /* EVENT_WINDOW */
};

bool event_read(struct text line, struct event_line *out, struct fault *f);

#endif
