/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stepping through a text that is known to be sound JSON: what bounds these
 * loops is the end of the text, and whatever is not as expected ends them.
 */
#include "attestation/tdx_json.h"

#include <string.h>

static void
skip_blank(struct text *t)
{
	while (t->len > 0 && (*t->at == ' ' || *t->at == '\n' ||
				 *t->at == '\r' || *t->at == '\t')) {
		t->at++;
		t->len--;
	}
}

static void
skip(struct text *t, size_t n)
{
	t->at += n;
	t->len -= n;
}

static bool
take(struct text *t, char c)
{
	skip_blank(t);
	if (t->len == 0 || *t->at != c)
		return false;
	skip(t, 1);
	return true;
}

/* Bytes of the string that begins here, quotes included; 0 without end. */
static size_t
string_size(struct text t)
{
	size_t i;

	for (i = 1; i < t.len; i++) {
		if (t.at[i] == '"')
			return i + 1;
		if (t.at[i] == '\\')
			i++;
	}
	return 0;
}

/* Of an object or array: to the bracket that closes it. */
static size_t
nested_size(struct text t)
{
	size_t i, depth = 0, n;

	for (i = 0; i < t.len; i++)
		switch (t.at[i]) {
		case '"':
			n = string_size((struct text){t.at + i, t.len - i});
			if (n == 0)
				return 0;
			i += n - 1;
			break;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (--depth == 0)
				return i + 1;
			break;
		default:
			break;
		}
	return 0;
}

static bool
ends_plain(char c)
{
	return c == ',' || c == ']' || c == '}' || c == ' ' || c == '\n' ||
	       c == '\r' || c == '\t';
}

static size_t
plain_size(struct text t)
{
	size_t i = 0;

	while (i < t.len && !ends_plain(t.at[i]))
		i++;
	return i;
}

static bool
take_value(struct text *t, struct text *value)
{
	size_t n;

	skip_blank(t);
	if (t->len == 0)
		return false;
	if (*t->at == '"')
		n = string_size(*t);
	else if (*t->at == '{' || *t->at == '[')
		n = nested_size(*t);
	else
		n = plain_size(*t);
	*value = (struct text){t->at, n};
	skip(t, n);
	return n > 0;
}

bool
tdx_json_string(struct text value, struct text *out)
{
	if (value.len < 2 || value.at[0] != '"' ||
	    memchr(value.at, '\\', value.len) != NULL)
		return false;
	*out = (struct text){value.at + 1, value.len - 2};
	return true;
}

static bool
take_member(struct text *t, struct scan_member *wanted, size_t count)
{
	struct text raw, name, value;
	size_t i;

	if (!take_value(t, &raw) || !tdx_json_string(raw, &name) ||
	    !take(t, ':') || !take_value(t, &value))
		return false;
	for (i = 0; i < count; i++)
		if (text_is(name, wanted[i].name)) {
			wanted[i].value = value;
			break;
		}
	return true;
}

bool
tdx_json_members(struct text object, struct scan_member *wanted, size_t count)
{
	struct text t = object;
	size_t i;

	for (i = 0; i < count; i++)
		wanted[i].value = (struct text){NULL, 0};
	if (!take(&t, '{'))
		return false;
	if (take(&t, '}'))
		return true;
	do {
		if (!take_member(&t, wanted, count))
			return false;
	} while (take(&t, ','));
	return take(&t, '}');
}

bool
tdx_json_array(struct text array, struct text *inside)
{
	if (array.len < 2 || array.at[0] != '[')
		return false;
	*inside = (struct text){array.at + 1, array.len - 2};
	return true;
}

bool
tdx_json_next(struct text *inside, struct text *element)
{
	if (!take_value(inside, element))
		return false;
	take(inside, ',');
	return true;
}

bool
tdx_json_number(struct text value, uint64_t max, uint64_t *out)
{
	return text_to_u64(value, out) && *out <= max;
}
