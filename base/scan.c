/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one pass over a buyer's body: recursive descent over RFC 8259 with the
 * depth bounded, so that the stack is. The names of the objects that are open
 * now stand in one bounded array; when an object closes, its names are
 * checked for repetition and leave the array. No byte is changed or copied.
 */
#include "base/scan.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
	DEPTH_LIMIT = 256,   /* whatever the caller asks: frames are stack */
	NAMES_LIMIT = 65536, /* names of objects open at one time */
	FEW = 16	     /* as many are compared each with each */
};

struct name {
	uint32_t hash; /* of the un-escaped name */
	struct text raw;
};

struct scan {
	const char *start;
	const char *at;
	const char *end;
	size_t depth;
	size_t max_depth;
	struct name *names;
	size_t name_count;
	size_t name_size;
	struct scan_member *members;
	size_t member_count;
	struct fault *fault;
};

static bool value(struct scan *s);

static bool
bad_at(struct scan *s, const char *at, const char *what)
{
	return fault_set(s->fault, FAULT_INVALID_JSON, "JSON: %s at byte %zu",
	    what, (size_t)(at - s->start));
}

static bool
bad(struct scan *s, const char *what)
{
	return bad_at(s, s->at, what);
}

static void
skip_blank(struct scan *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' ||
				     *s->at == '\r' || *s->at == '\t'))
		s->at++;
}

static int
hex4(const char *at, const char *end)
{
	int n = 0;

	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = at[i];

		if (c >= '0' && c <= '9')
			n = n * 16 + c - '0';
		else if (c >= 'a' && c <= 'f')
			n = n * 16 + c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			n = n * 16 + c - 'A' + 10;
		else
			return -1;
	}
	return n;
}

/* The code point of \uXXXX, with its second half where it is a surrogate
 * (RFC 8259 section 7); at stands on the u and is moved behind. -1: none. */
static int
unicode_escape(const char **at, const char *end)
{
	int high = hex4(*at + 1, end);
	int low;

	if (high < 0 || (high >= 0xdc00 && high <= 0xdfff))
		return -1;
	*at += 5;
	if (high < 0xd800 || high > 0xdbff)
		return high;
	if (end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
		return -1;
	low = hex4(*at + 2, end);
	if (low < 0xdc00 || low > 0xdfff)
		return -1;
	*at += 6;
	return 0x10000 + (high - 0xd800) * 0x400 + (low - 0xdc00);
}

/* What the escape at the backslash stands for; -1 if it is none. */
static int
escape(const char **at, const char *end)
{
	static const char from[] = "\"\\/bfnrt";
	static const char into[] = "\"\\/\b\f\n\r\t";
	const char *known;

	if (end - *at < 2)
		return -1;
	(*at)++;
	if (**at == 'u')
		return unicode_escape(at, end);
	known = memchr(from, **at, sizeof(from) - 1);
	if (known == NULL)
		return -1;
	(*at)++;
	return into[known - from];
}

/* Eight bytes that need no look: no quote, backslash, control or UTF-8. */
static bool
eight_are_plain(const char *at)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	const uint64_t tops = UINT64_C(0x8080808080808080);
	uint64_t v;
	uint64_t quote;
	uint64_t slash;

	memcpy(&v, at, sizeof(v));
	quote = v ^ ones * '"';
	slash = v ^ ones * '\\';
	return (((v - ones * 0x20) | (quote - ones) | (slash - ones) | v) &
		   tops) == 0;
}

/* A byte of 0x80 or above: steps over its whole sequence. */
static bool
utf8(struct scan *s)
{
	uint8_t first = (uint8_t)*s->at;
	size_t len = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

	if ((size_t)(s->end - s->at) < len ||
	    !text_is_utf8((struct text){s->at, len}))
		return bad(s, "bytes are not UTF-8");
	s->at += len;
	return true;
}

/* From the opening quote to behind the closing one; *inside without them. */
static bool
string(struct scan *s, bool nul_allowed, struct text *inside)
{
	const char *first = ++s->at;

	while (s->at < s->end) {
		const char *was = s->at;

		if (s->end - s->at >= 8 && eight_are_plain(s->at)) {
			s->at += 8;
		} else if (*s->at == '"') {
			*inside = (struct text){first, (size_t)(s->at - first)};
			s->at++;
			return true;
		} else if (*s->at == '\\') {
			int point = escape(&s->at, s->end);

			if (point < 0)
				return bad_at(s, was, "bad escape");
			if (point == 0 && !nul_allowed)
				return bad_at(s, was, "NUL escape");
		} else if ((uint8_t)*s->at < 0x20) {
			return bad(s, "control character in a string");
		} else if ((uint8_t)*s->at < 0x80) {
			s->at++;
		} else if (!utf8(s)) {
			return false;
		}
	}
	return bad(s, "unterminated string");
}

static size_t
digits(struct scan *s)
{
	const char *first = s->at;

	while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
		s->at++;
	return (size_t)(s->at - first);
}

static bool
number(struct scan *s)
{
	const char *first;

	if (*s->at == '-')
		s->at++;
	first = s->at;
	if (digits(s) == 0)
		return bad(s, "bad value");
	if (*first == '0' && s->at - first > 1)
		return bad_at(s, first, "number with a leading zero");
	if (s->at < s->end && *s->at == '.') {
		s->at++;
		if (digits(s) == 0)
			return bad(s, "number without digits after its point");
	}
	if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
		s->at++;
		if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
			s->at++;
		if (digits(s) == 0)
			return bad(s, "number without digits in its exponent");
	}
	return true;
}

static bool
literal(struct scan *s, const char *word)
{
	struct text rest = {s->at, (size_t)(s->end - s->at)};

	if (!text_starts_with(rest, word))
		return bad(s, "bad value");
	s->at += strlen(word);
	return true;
}

/* The next byte of an un-escaped name, through `spare`, which holds the
 * UTF-8 of an escape; -1 at the end. Names have been validated. */
struct decoder {
	const char *at;
	const char *end;
	uint8_t spare[4];
	unsigned spare_count;
};

static unsigned
utf8_of(int point, uint8_t out[4])
{
	if (point < 0x80) {
		out[0] = (uint8_t)point;
		return 1;
	}
	if (point < 0x800) {
		out[0] = (uint8_t)(0xc0 | point >> 6);
		out[1] = (uint8_t)(0x80 | (point & 63));
		return 2;
	}
	if (point < 0x10000) {
		out[0] = (uint8_t)(0xe0 | point >> 12);
		out[1] = (uint8_t)(0x80 | (point >> 6 & 63));
		out[2] = (uint8_t)(0x80 | (point & 63));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | point >> 18);
	out[1] = (uint8_t)(0x80 | (point >> 12 & 63));
	out[2] = (uint8_t)(0x80 | (point >> 6 & 63));
	out[3] = (uint8_t)(0x80 | (point & 63));
	return 4;
}

static int
next_byte(struct decoder *d)
{
	uint8_t first;

	if (d->spare_count == 0) {
		if (d->at == d->end)
			return -1;
		if (*d->at != '\\')
			return (uint8_t)*d->at++;
		d->spare_count = utf8_of(escape(&d->at, d->end), d->spare);
	}
	first = d->spare[0];
	memmove(d->spare, d->spare + 1, 3);
	d->spare_count--;
	return first;
}

static struct decoder
decoder_of(struct text raw)
{
	return (struct decoder){raw.at, raw.at + raw.len, {0}, 0};
}

static uint32_t
hash_of(struct text raw)
{
	struct decoder d = decoder_of(raw);
	uint32_t h = 2166136261u;

	for (int c = next_byte(&d); c >= 0; c = next_byte(&d))
		h = (h ^ (uint32_t)c) * 16777619u;
	return h;
}

static int
compare(const void *a, const void *b)
{
	const struct name *x = a;
	const struct name *y = b;
	struct decoder dx;
	struct decoder dy;
	int cx;
	int cy;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	dx = decoder_of(x->raw);
	dy = decoder_of(y->raw);
	do {
		cx = next_byte(&dx);
		cy = next_byte(&dy);
	} while (cx == cy && cx >= 0);
	return cx - cy;
}

static bool
repeated(struct scan *s, const struct name *name)
{
	return bad_at(s, name->raw.at, "repeated name");
}

/* The hash is no secret and may be made to collide: sorting keeps that at
 * n log n comparisons. */
static bool
check_names(struct scan *s, struct name *names, size_t count)
{
	if (count > FEW) {
		qsort(names, count, sizeof(*names), compare);
		for (size_t i = 1; i < count; i++)
			if (compare(names + i - 1, names + i) == 0)
				return repeated(s, names + i);
		return true;
	}
	for (size_t i = 1; i < count; i++)
		for (size_t j = 0; j < i; j++)
			if (compare(names + j, names + i) == 0)
				return repeated(s, names + i);
	return true;
}

static bool
keep_name(struct scan *s, struct text raw)
{
	if (s->name_count == NAMES_LIMIT)
		return bad(s, "too many names");
	if (s->name_count == s->name_size) {
		s->name_size = s->name_size == 0 ? 64 : s->name_size * 2;
		s->names =
		    mem_resize(s->names, s->name_size * sizeof(*s->names));
	}
	s->names[s->name_count++] = (struct name){hash_of(raw), raw};
	return true;
}

static struct scan_member *
wanted(struct scan *s, struct text raw)
{
	for (size_t i = 0; i < s->member_count; i++) {
		struct decoder d = decoder_of(raw);
		const char *name = s->members[i].name;

		while (*name != '\0' && next_byte(&d) == (uint8_t)*name)
			name++;
		if (*name == '\0' && next_byte(&d) < 0)
			return &s->members[i];
	}
	return NULL;
}

static struct text
between(const char *from, const char *to)
{
	return (struct text){from, (size_t)(to - from)};
}

/* name : value, and if it is wanted, where it stands. `comma` is the comma
 * before it or NULL; the one after it is taken in preference. */
static bool
member(struct scan *s, const char *comma)
{
	const char *from = s->at;
	struct scan_member *m = NULL;
	struct text name;

	if (s->at == s->end || *s->at != '"')
		return bad(s, "no name where one must be");
	if (!string(s, false, &name) || !keep_name(s, name))
		return false;
	if (s->depth == 1)
		m = wanted(s, name);
	skip_blank(s);
	if (s->at == s->end || *s->at != ':')
		return bad(s, "no colon after a name");
	s->at++;
	skip_blank(s);
	if (m != NULL)
		m->value.at = s->at;
	if (!value(s))
		return false;
	if (m != NULL)
		m->value = between(m->value.at, s->at);
	skip_blank(s);
	if (m == NULL)
		return true;
	if (s->at < s->end && *s->at == ',')
		m->around = between(from, s->at + 1);
	else
		m->around = between(
		    comma == NULL ? from : comma, m->value.at + m->value.len);
	return true;
}

static bool
members(struct scan *s)
{
	const char *comma = NULL;

	for (;;) {
		skip_blank(s);
		if (!member(s, comma))
			return false;
		if (s->at == s->end)
			return bad(s, "unterminated object");
		if (*s->at == '}')
			return true;
		if (*s->at != ',')
			return bad(s, "no comma between members");
		comma = s->at++;
	}
}

static bool
object(struct scan *s)
{
	size_t first = s->name_count;

	s->at++;
	skip_blank(s);
	if (s->at < s->end && *s->at == '}') {
		s->at++;
		return true;
	}
	if (!members(s) ||
	    !check_names(s, s->names + first, s->name_count - first))
		return false;
	s->name_count = first;
	s->at++;
	return true;
}

static bool
array(struct scan *s)
{
	s->at++;
	skip_blank(s);
	if (s->at < s->end && *s->at == ']') {
		s->at++;
		return true;
	}
	for (;;) {
		skip_blank(s);
		if (!value(s))
			return false;
		skip_blank(s);
		if (s->at == s->end)
			return bad(s, "unterminated array");
		if (*s->at++ == ']')
			return true;
		if (s->at[-1] != ',')
			return bad_at(s, s->at - 1, "no comma in an array");
	}
}

static bool
nested(struct scan *s)
{
	bool ok;

	if (s->depth == s->max_depth)
		return bad(s, "nested too deep");
	s->depth++;
	ok = *s->at == '{' ? object(s) : array(s);
	s->depth--;
	return ok;
}

static bool
value(struct scan *s)
{
	struct text ignored;

	if (s->at == s->end)
		return bad(s, "no value where one must be");
	switch (*s->at) {
	case '{':
	case '[':
		return nested(s);
	case '"':
		return string(s, true, &ignored);
	case 't':
		return literal(s, "true");
	case 'f':
		return literal(s, "false");
	case 'n':
		return literal(s, "null");
	default:
		return number(s);
	}
}

static bool
whole(struct scan *s)
{
	skip_blank(s);
	if (s->at == s->end || *s->at != '{')
		return bad(s, "no object");
	if (!value(s))
		return false;
	skip_blank(s);
	return s->at == s->end || bad(s, "more than one value");
}

bool
scan_object(struct text t, size_t max_depth, struct scan_member *list,
    size_t count, struct fault *f)
{
	struct scan s = {
	    .start = t.at,
	    .at = t.at,
	    .end = t.at + t.len,
	    .max_depth = max_depth < DEPTH_LIMIT ? max_depth : DEPTH_LIMIT,
	    .members = list,
	    .member_count = count,
	    .fault = f,
	};
	bool ok;

	for (size_t i = 0; i < count; i++) {
		list[i].value = (struct text){NULL, 0};
		list[i].around = (struct text){NULL, 0};
	}
	if (t.len == 0)
		return fault_set(f, FAULT_INVALID_JSON, "JSON: empty text");
	ok = whole(&s);
	mem_free(s.names);
	return ok;
}

static bool
not_a_string(struct fault *f)
{
	return fault_set(f, FAULT_INVALID_JSON, "JSON: not a string");
}

bool
scan_string(struct text raw, char *out, size_t size, struct fault *f)
{
	struct scan s = {
	    .start = raw.at,
	    .at = raw.at,
	    .end = raw.at + raw.len,
	    .fault = f,
	};
	struct decoder d;
	struct text inside;
	size_t at = 0;

	if (raw.len == 0 || *raw.at != '"')
		return not_a_string(f);
	if (!string(&s, false, &inside))
		return false;
	if (s.at != s.end)
		return not_a_string(f);
	d = decoder_of(inside);
	for (int c = next_byte(&d); c >= 0; c = next_byte(&d)) {
		if (at + 1 >= size)
			return fault_set(f, FAULT_INVALID_JSON,
			    "JSON: string longer than %zu bytes",
			    size == 0 ? 0 : size - 1);
		out[at++] = (char)c;
	}
	if (size == 0)
		return not_a_string(f);
	out[at] = '\0';
	return true;
}

bool
scan_bool(struct text raw, bool *out, struct fault *f)
{
	if (!text_is(raw, "true") && !text_is(raw, "false"))
		return fault_set(
		    f, FAULT_INVALID_JSON, "JSON: not true or false");
	*out = raw.at[0] == 't';
	return true;
}
