/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views on bytes and the text forms that every program shares. Nothing here
 * allocates, asks the time or depends on the locale; whatever reads a text
 * accepts one spelling and refuses the rest.
 */
#include "base/text.h"

#include <string.h>
#include <time.h>

struct text
text_of(const char *s)
{
	return (struct text){s, s == NULL ? 0 : strlen(s)};
}

struct bytes
bytes_of(const void *at, size_t len)
{
	return (struct bytes){at, len};
}

static bool
same(const void *a, size_t a_len, const void *b, size_t b_len)
{
	return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

bool
text_is(struct text t, const char *s)
{
	return same(t.at, t.len, s, strlen(s));
}

bool
text_equal(struct text a, struct text b)
{
	return same(a.at, a.len, b.at, b.len);
}

bool
bytes_equal(struct bytes a, struct bytes b)
{
	return same(a.at, a.len, b.at, b.len);
}

bool
bytes_equal_secret(struct bytes a, struct bytes b)
{
	volatile uint8_t differ = 0;

	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		differ = (uint8_t)(differ | (a.at[i] ^ b.at[i]));
	return differ == 0;
}

bool
text_starts_with(struct text t, const char *prefix)
{
	size_t len = strlen(prefix);

	return t.len >= len && same(t.at, len, prefix, len);
}

/* Length of the well-formed sequence at p, 0 if there is none (RFC 3629,
 * section 4, the table of syntax). */
static size_t
utf8_sequence(const uint8_t *p, size_t left)
{
	uint8_t low = 0x80;
	uint8_t high = 0xbf;
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (left < len)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0; /* overlong */
	else if (p[0] == 0xed)
		high = 0x9f; /* surrogates */
	else if (p[0] == 0xf0)
		low = 0x90; /* overlong */
	else if (p[0] == 0xf4)
		high = 0x8f; /* above U+10FFFF */
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

bool
text_is_utf8(struct text t)
{
	const uint8_t *p = (const uint8_t *)t.at;

	for (size_t i = 0; i < t.len;) {
		size_t len = utf8_sequence(p + i, t.len - i);

		if (len == 0)
			return false;
		i += len;
	}
	return true;
}

bool
text_store(struct text t, char *out, size_t size)
{
	if (t.len >= size)
		return false;
	if (t.len > 0)
		memcpy(out, t.at, t.len);
	out[t.len] = '\0';
	return true;
}

static bool
is_printable(char c)
{
	return c >= 0x20 && c <= 0x7e;
}

void
text_escape(struct text t, char *out, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	size_t at = 0;
	size_t mark = 0; /* last place where "..." and a NUL still fit */

	if (size == 0)
		return;
	for (size_t i = 0; i < t.len; i++) {
		size_t need = is_printable(t.at[i]) ? 1 : 4;

		if (at + 4 <= size)
			mark = at;
		if (at + need >= size) {
			at = mark;
			for (int dots = 0; dots < 3 && at + 1 < size; dots++)
				out[at++] = '.';
			break;
		}
		if (need == 1) {
			out[at++] = t.at[i];
			continue;
		}
		out[at++] = '\\';
		out[at++] = 'x';
		out[at++] = digits[(uint8_t)t.at[i] >> 4];
		out[at++] = digits[t.at[i] & 15];
	}
	out[at] = '\0';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool
text_to_u64(struct text t, uint64_t *out)
{
	uint64_t n = 0;

	if (t.len == 0)
		return false;
	for (size_t i = 0; i < t.len; i++) {
		unsigned digit = (unsigned)(t.at[i] - '0');

		if (!is_digit(t.at[i]) || n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*out = n;
	return true;
}

static bool
is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool
is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* idchar of DID Core 3.1; a pct-encoded takes three. 0: none here. */
static size_t
did_idchar(struct text t, size_t i)
{
	char c = t.at[i];

	if (is_digit(c) || is_lower(c) || (c >= 'A' && c <= 'Z') || c == '.' ||
	    c == '-' || c == '_')
		return 1;
	if (c == '%' && t.len - i >= 3 && is_hex(t.at[i + 1]) &&
	    is_hex(t.at[i + 2]))
		return 3;
	return 0;
}

bool
text_is_did(struct text t)
{
	size_t i = 4;
	bool named = false; /* the last segment is not empty */

	if (t.len > 200 || !text_starts_with(t, "did:"))
		return false;
	while (i < t.len && (is_lower(t.at[i]) || is_digit(t.at[i])))
		i++;
	if (i == 4 || i == t.len || t.at[i] != ':')
		return false;
	for (i++; i < t.len;) {
		size_t len = t.at[i] == ':' ? 1 : did_idchar(t, i);

		if (len == 0)
			return false;
		named = t.at[i] != ':';
		i += len;
	}
	return named;
}

void
uuid_v7(int64_t unix_ms, const uint8_t random[10], char out[UUID_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	uint64_t ms = unix_ms < 0 ? 0 : (uint64_t)unix_ms;
	uint8_t id[16];
	char *o = out;

	for (int i = 0; i < 6; i++)
		id[i] = (uint8_t)(ms >> (40 - 8 * i));
	memcpy(id + 6, random, 10);
	id[6] = (uint8_t)(0x70 | (id[6] & 0x0f));
	id[8] = (uint8_t)(0x80 | (id[8] & 0x3f));
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*o++ = '-';
		*o++ = digits[id[i] >> 4];
		*o++ = digits[id[i] & 15];
	}
	*o = '\0';
}

bool
text_is_uuid(struct text t)
{
	if (t.len != UUID_TEXT - 1)
		return false;
	for (size_t i = 0; i < t.len; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		char c = t.at[i];

		if (dash ? c != '-' : !is_digit(c) && !(c >= 'a' && c <= 'f'))
			return false;
	}
	return true;
}

int64_t
uuid_v7_time(const char *uuid)
{
	struct text t = text_of(uuid);
	int64_t ms = 0;

	if (!text_is_uuid(t) || t.at[14] != '7' ||
	    memchr("89ab", t.at[19], 4) == NULL)
		return -1;
	for (size_t i = 0; i < 13; i++) {
		char c = t.at[i];

		if (c != '-')
			ms = ms * 16 + (is_digit(c) ? c - '0' : c - 'a' + 10);
	}
	return ms;
}

/* The first and last milliseconds of years 0000 and 9999. */
#define TIME_FIRST INT64_C(-62167219200000)
#define TIME_LAST INT64_C(253402300799999)

/* Writes `width` digits of n, then the character that follows them. */
static char *
put_number(char *out, int width, int n, char after)
{
	for (int i = width - 1; i >= 0; i--) {
		out[i] = (char)('0' + n % 10);
		n /= 10;
	}
	out[width] = after;
	return out + width + 1;
}

void
time_to_rfc3339(int64_t unix_ms, char out[RFC3339_TEXT])
{
	struct tm tm;
	time_t seconds;
	int ms;

	if (unix_ms < TIME_FIRST)
		unix_ms = TIME_FIRST;
	if (unix_ms > TIME_LAST)
		unix_ms = TIME_LAST;
	ms = (int)(unix_ms % 1000);
	if (ms < 0)
		ms += 1000;
	seconds = (time_t)((unix_ms - ms) / 1000);
	(void)gmtime_r(&seconds, &tm);
	out = put_number(out, 4, tm.tm_year + 1900, '-');
	out = put_number(out, 2, tm.tm_mon + 1, '-');
	out = put_number(out, 2, tm.tm_mday, 'T');
	out = put_number(out, 2, tm.tm_hour, ':');
	out = put_number(out, 2, tm.tm_min, ':');
	out = put_number(out, 2, tm.tm_sec, ms == 0 ? 'Z' : '.');
	if (ms != 0)
		out = put_number(out, 3, ms, 'Z');
	*out = '\0';
}

/* Takes `count` digits of value low..high off the front of t. */
static bool
take_number(struct text *t, size_t count, int low, int high, int *out)
{
	int n = 0;

	if (t->len < count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!is_digit(t->at[i]))
			return false;
		n = n * 10 + (t->at[i] - '0');
	}
	t->at += count;
	t->len -= count;
	*out = n;
	return n >= low && n <= high;
}

static bool
take_char(struct text *t, char c)
{
	if (t->len == 0 || t->at[0] != c)
		return false;
	t->at++;
	t->len--;
	return true;
}

/* The digits after a point, of which the first three count. */
static bool
take_fraction(struct text *t, int *ms)
{
	int weight = 100;
	int digit;

	*ms = 0;
	if (!take_char(t, '.'))
		return true;
	if (!take_number(t, 1, 0, 9, &digit))
		return false;
	do {
		*ms += digit * weight;
		weight /= 10;
	} while (take_number(t, 1, 0, 9, &digit));
	return true;
}

static bool
take_offset(struct text *t, int *minutes)
{
	int sign = 1;
	int h;
	int m;

	*minutes = 0;
	if (take_char(t, 'Z') || take_char(t, 'z'))
		return true;
	if (take_char(t, '-'))
		sign = -1;
	else if (!take_char(t, '+'))
		return false;
	if (!take_number(t, 2, 0, 23, &h) || !take_char(t, ':') ||
	    !take_number(t, 2, 0, 59, &m))
		return false;
	*minutes = sign * (h * 60 + m);
	return true;
}

static int
days_in_month(int year, int month)
{
	static const int days[] = {
	    31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

bool
time_of_rfc3339(struct text t, int64_t *unix_ms)
{
	struct tm tm = {0};
	int year;
	int month;
	int offset;
	int ms;

	if (!take_number(&t, 4, 0, 9999, &year) || !take_char(&t, '-') ||
	    !take_number(&t, 2, 1, 12, &month) || !take_char(&t, '-') ||
	    !take_number(&t, 2, 1, days_in_month(year, month), &tm.tm_mday))
		return false;
	if (!take_char(&t, 'T') && !take_char(&t, 't'))
		return false;
	/* No leap second: Unix time has no number for it. */
	if (!take_number(&t, 2, 0, 23, &tm.tm_hour) || !take_char(&t, ':') ||
	    !take_number(&t, 2, 0, 59, &tm.tm_min) || !take_char(&t, ':') ||
	    !take_number(&t, 2, 0, 59, &tm.tm_sec))
		return false;
	if (!take_fraction(&t, &ms) || !take_offset(&t, &offset) || t.len != 0)
		return false;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	*unix_ms = ((int64_t)timegm(&tm) - offset * 60) * 1000 + ms;
	return true;
}
