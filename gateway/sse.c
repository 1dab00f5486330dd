/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over the bytes, whole lines at a time. A line is ended by LF; a CR
 * before it belongs to the end. A blank line ends an event.
 */
#include "gateway/sse.h"

#include <string.h>

static bool
is_line(const struct sse *s, const char *whole)
{
	size_t len = s->line_len;

	if (len > sizeof(s->line))
		return false;
	while (len > 0 && (s->line[len - 1] == '\r' || s->line[len - 1] == ' '))
		len--;
	return len == strlen(whole) && memcmp(s->line, whole, len) == 0;
}

static bool
line_begins(const struct sse *s, const char *with)
{
	size_t len = strlen(with);

	return s->line_len >= len && memcmp(s->line, with, len) == 0;
}

/* The first line of data, its name too. */
static void
keep_first(struct sse *s, const char *at, size_t len)
{
	if (s->first_len < sizeof(s->first)) {
		size_t room = sizeof(s->first) - s->first_len;

		memcpy(s->first + s->first_len, at, len < room ? len : room);
	}
	s->first_len += len;
}

static void
add(struct sse *s, const char *at, size_t len)
{
	if (!s->has_data)
		keep_first(s, at, len);
	if (s->line_len < sizeof(s->line)) {
		size_t room = sizeof(s->line) - s->line_len;

		memcpy(s->line + s->line_len, at, len < room ? len : room);
	}
	s->line_len += len;
	s->event_len += len;
	if (line_begins(s, "data:") || line_begins(s, "event:"))
		s->said += len;
	if (s->event_len > SSE_HOLD_MAX)
		s->is_parted = true;
}

static void
end_line(struct sse *s)
{
	s->event_len++;
	if (is_line(s, "data: [DONE]") || is_line(s, "data:[DONE]")) {
		s->is_done = true;
		return;
	}
	if (line_begins(s, "data:"))
		s->has_data = true;
	if (!s->has_data)
		s->first_len = 0;
	if (is_line(s, "")) {
		s->event_len = 0;
		s->is_parted = false;
	}
	s->line_len = 0;
}

void
sse_feed(struct sse *s, const char *at, size_t len)
{
	while (len > 0 && !s->is_done) {
		const char *lf = memchr(at, '\n', len);
		size_t n = lf == NULL ? len : (size_t)(lf - at);

		add(s, at, n);
		at += n;
		len -= n;
		if (lf != NULL) {
			end_line(s);
			at++;
			len--;
		}
	}
	if (s->is_done)
		s->event_len += len;
}

size_t
sse_hold(const struct sse *s)
{
	return s->is_parted && !s->is_done ? 0 : s->event_len;
}

bool
sse_at_boundary(const struct sse *s)
{
	return !s->is_parted;
}

struct text
sse_first(const struct sse *s)
{
	static const size_t name = sizeof("data:") - 1;

	if (!s->has_data || s->first_len > sizeof(s->first))
		return (struct text){NULL, 0};
	return (struct text){s->first + name, s->first_len - name};
}
