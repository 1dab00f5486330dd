/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See blur.h. The score is made anew, of what is left of the evidence: one
 * that came from the evidence itself, however rounded, moves with every event
 * where there are few, and gives away what of the parts is not told.
 */
#include "gateway/blur.h"

#include <math.h>

#include "reputation/score.h"
#include "reputation/tier.h"

#define STEP_EVENTS 10.0
#define STEP_VOICES 2.0 /* a canary is not judged, and so not told by one */

static double
to_step(double x, double step)
{
	return x > 0 ? step * floor(x / step + 0.5) : 0;
}

double
blur_count(double events)
{
	return to_step(events, STEP_EVENTS);
}

static double
blur_member(json_t *part, const char *name, double step)
{
	double n =
	    to_step(json_number_value(json_object_get(part, name)), step);

	json_object_set_new(part, name, json_real(n));
	return n;
}

static struct evidence
blur_part(json_t *part, double step)
{
	struct evidence e = {0};

	if (!json_is_object(part))
		return e;
	e.good = blur_member(part, "good", step);
	e.bad = blur_member(part, "bad", step);
	json_object_set_new(part, "value",
	    json_real(to_step(score_lower_bound(e.good, e.bad), 0.01)));
	return e;
}

void
blur_parts(json_t *parts, struct blurred *out)
{
	struct evidence streams[STREAMS];
	struct score s;

	for (int i = 0; i < STREAMS; i++)
		streams[i] = blur_part(
		    json_object_get(parts, stream_name((enum stream)i)),
		    i == STREAM_QUALITY ? STEP_VOICES : STEP_EVENTS);
	score_make(streams, &s);
	if (json_object_get(parts, "held_by_quality") != NULL)
		json_object_set_new(parts, "held_by_quality",
		    json_boolean(s.is_held_by_quality));
	out->score = s.has_data ? to_step(s.value, 1) : -1;
	out->samples = s.samples;
}

int64_t
blur_time(int64_t unix_ms)
{
	return unix_ms > 0 ? unix_ms - unix_ms % DAY_MS : unix_ms;
}
