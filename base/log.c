/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log line: built whole in a bounded buffer and given to the kernel in
 * one write, so that lines of several processes do not mix. A line that does
 * not fit is cut, never split; values are quoted wherever a reader of
 * key=value could be misled.
 */
#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

enum { LINE_BYTES = 8192 };

struct line {
	size_t len;
	char at[LINE_BYTES];
};

static const char *const names[] = {"debug", "info", "warn", "error"};

static void
put_char(struct line *l, char c)
{
	if (l->len < sizeof(l->at) - 1) /* the last byte is the newline's */
		l->at[l->len++] = c;
}

static void
put_plain(struct line *l, const char *s)
{
	while (*s != '\0')
		put_char(l, *s++);
}

static bool
needs_quotes(const char *s)
{
	if (*s == '\0')
		return true;
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s > '~' || *s == '"' || *s == '=' ||
		    *s == '\\')
			return true;
	return false;
}

static void
put_value(struct line *l, const char *s)
{
	static const char digits[] = "0123456789abcdef";

	if (s == NULL)
		s = "";
	if (!needs_quotes(s)) {
		put_plain(l, s);
		return;
	}
	put_char(l, '"');
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			put_char(l, '\\');
			put_char(l, *s);
		} else if (c >= ' ' && c <= '~') {
			put_char(l, *s);
		} else {
			put_plain(l, "\\x");
			put_char(l, digits[c >> 4]);
			put_char(l, digits[c & 15]);
		}
	}
	put_char(l, '"');
}

static void
put_number(struct line *l, int64_t n)
{
	char number[24];

	(void)snprintf(number, sizeof(number), "%lld", (long long)n);
	put_plain(l, number);
}

static void
put_field(struct line *l, const struct log_field *field)
{
	put_char(l, ' ');
	put_plain(l, field->name);
	put_char(l, '=');
	if (field->type == LOG_STR_)
		put_value(l, field->str);
	else
		put_number(l, field->i64);
}

static void
put_time(struct line *l)
{
	char time[RFC3339_TEXT];

	time_to_rfc3339(clock_unix_ms(), time);
	put_plain(l, "time=");
	put_plain(l, time);
}

void
log_init(struct log *l, const char *program, enum log_level least)
{
	l->least = least;
	(void)snprintf(l->prefix, sizeof(l->prefix), "program=%s", program);
}

bool
log_level_of(const char *name, enum log_level *out)
{
	for (int i = LOG_DEBUG_; i <= LOG_ERROR_; i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		*out = (enum log_level)i;
		return true;
	}
	return false;
}

struct log
log_child(const struct log *parent, const char *name, const char *value)
{
	struct log child = *parent;
	struct line l = {0};
	size_t used = strlen(child.prefix);

	put_field(&l, &(struct log_field){LOG_STR_, name, value, 0});
	if (l.len >= sizeof(child.prefix) - used)
		return child; /* half a quoted value would mislead */
	memcpy(child.prefix + used, l.at, l.len);
	child.prefix[used + l.len] = '\0';
	return child;
}

void
log_fields(const struct log *log, enum log_level level, const char *event,
    const struct log_field *fields)
{
	struct line l;
	ssize_t sent;

	if (level < log->least)
		return;
	l.len = 0;
	put_time(&l);
	put_plain(&l, " level=");
	put_plain(&l, names[level]);
	put_plain(&l, " event=");
	put_value(&l, event);
	put_char(&l, ' ');
	put_plain(&l, log->prefix);
	for (; fields->type != LOG_END_; fields++)
		put_field(&l, fields);
	l.at[l.len++] = '\n';
	sent = write(STDERR_FILENO, l.at, l.len);
	(void)sent; /* there is nobody left to tell */
}
