/* SPDX-License-Identifier: Apache-2.0 */
/* One line of a daemon's events, judged. */
#include "gateway/event.h"

#include <string.h>

#include "base/json.h"

#define LOAD_MAX 1000000

static bool
read_members(const json_t *o, struct event_line *out, struct fault *f)
{
	const char *name;

	if (!json_get_string(o, "event", 64, &name, FAULT_INVALID, f))
		return false;
	if (strcmp(name, "models") == 0) {
		out->kind = EVENT_MODELS;
		return true;
	}
	if (strcmp(name, "draining") == 0) {
		out->kind = EVENT_DRAINING;
		return true;
	}
	if (strcmp(name, "load") == 0) {
		out->kind = EVENT_LOAD;
		return json_get_int(o, "active", 0, LOAD_MAX, &out->active,
			   FAULT_INVALID, f) &&
		       json_get_int_or(o, "queued", 0, LOAD_MAX, 0,
			   &out->queued, FAULT_INVALID, f);
	}
	if (strcmp(name, "window") == 0) {
		out->kind = EVENT_WINDOW;
		if (!json_is_boolean(json_object_get(o, "open")))
			return fault_set(f, FAULT_INVALID,
			    "a window event without open: true or false");
		out->is_open = json_is_true(json_object_get(o, "open"));
		return true;
	}
	return true;
}

bool
event_read(struct text line, struct event_line *out, struct fault *f)
{
	json_t *o;
	bool ok;

	memset(out, 0, sizeof(*out));
	if (!json_read(line, EVENT_LINE, &o, f))
		return false;
	ok = json_is_object(o) ? read_members(o, out, f)
			       : fault_set(f, FAULT_INVALID,
				     "an event that is no JSON object");
	json_free(&o);
	return ok;
}
