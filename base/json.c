/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small JSON documents over jansson, the only place that calls its parser.
 * The depth is counted before jansson sees the text, because it recurses;
 * the rest of the strictness is jansson's own, switched on and tested here.
 */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 64 };

/* Counts brackets outside strings; says nothing else about the text. */
static bool
check_depth(struct text t, struct fault *f)
{
	size_t depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < t.len; i++) {
		char c = t.at[i];

		if (quoted && c == '\\') {
			i++;
		} else if (c == '"') {
			quoted = !quoted;
		} else if (!quoted && (c == '{' || c == '[')) {
			if (++depth > MAX_DEPTH)
				return fault_set(f, FAULT_INVALID_JSON,
				    "JSON: nested deeper than %d at byte %zu",
				    MAX_DEPTH, i);
		} else if (!quoted && (c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return true;
}

static bool
read_with(struct text t, size_t max_bytes, size_t flags, json_t **out,
    struct fault *f)
{
	json_error_t error;

	*out = NULL;
	if (t.len > max_bytes)
		return fault_set(f, FAULT_INVALID_JSON,
		    "JSON: %zu bytes are more than the %zu allowed", t.len,
		    max_bytes);
	if (t.len == 0)
		return fault_set(f, FAULT_INVALID_JSON, "JSON: empty text");
	if (!text_is_utf8(t))
		return fault_set(f, FAULT_INVALID_JSON,
		    "JSON: the text is not well-formed UTF-8");
	/* jansson skips a NUL that follows a number */
	if (memchr(t.at, '\0', t.len) != NULL)
		return fault_set(
		    f, FAULT_INVALID_JSON, "JSON: the text holds a NUL");
	if (!check_depth(t, f))
		return false;
	*out = json_loadb(t.at, t.len, JSON_REJECT_DUPLICATES | flags, &error);
	if (*out != NULL)
		return true;
	if (json_error_code(&error) == json_error_out_of_memory)
		abort();
	return fault_set(f, FAULT_INVALID_JSON, "JSON: %s at byte %d",
	    error.text, error.position);
}

bool
json_read(struct text t, size_t max_bytes, json_t **out, struct fault *f)
{
	return read_with(t, max_bytes, 0, out, f);
}

bool
json_read_value(struct text t, size_t max_bytes, json_t **out, struct fault *f)
{
	return read_with(t, max_bytes, JSON_DECODE_ANY, out, f);
}

void
json_free(json_t **j)
{
	if (j == NULL)
		return;
	json_decref(*j);
	*j = NULL;
}

char *
json_write(struct arena *a, const json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);
	char *kept;

	if (text == NULL) /* a circle or no memory: both are our bugs */
		abort();
	kept = arena_string(a, text);
	free(text);
	return kept;
}

struct buffer {
	char *at;
	size_t len;
	size_t size;
};

static void
put(struct buffer *b, const char *at, size_t len)
{
	if (b->size - b->len < len) {
		b->size = (b->len + len) * 2 + 64;
		b->at = mem_resize(b->at, b->size);
	}
	if (len > 0)
		memcpy(b->at + b->len, at, len);
	b->len += len;
}

/* RFC 8785 section 3.2.2.2: two-character escapes where JSON has them, the
 * other control characters as \u00xx, everything else as it is. */
static void
put_string(struct buffer *b, const char *s, size_t len)
{
	static const char from[] = "\b\t\n\f\r\"\\";
	static const char into[] = "btnfr\"\\";
	static const char digits[] = "0123456789abcdef";

	put(b, "\"", 1);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		const char *known = c == 0 ? NULL : strchr(from, c);

		if (known != NULL) {
			char two[2] = {'\\', into[known - from]};

			put(b, two, sizeof(two));
		} else if (c < 0x20) {
			char six[6] = {'\\', 'u', '0', '0', digits[c >> 4],
			    digits[c & 15]};

			put(b, six, sizeof(six));
		} else {
			put(b, s + i, 1);
		}
	}
	put(b, "\"", 1);
}

static int
by_name(const void *a, const void *b)
{
	const char *const *x = a;
	const char *const *y = b;

	return strcmp(*x, *y);
}

static bool put_value(struct buffer *b, const json_t *j);

static bool
put_object(struct buffer *b, const json_t *j)
{
	size_t count = json_object_size(j);
	const char **names = mem_array(count, sizeof(*names));
	size_t n = 0;
	bool ok = true;

	/* jansson's iteration takes a mutable object and leaves it alone */
	for (void *i = json_object_iter((json_t *)(uintptr_t)j); i != NULL;
	     i = json_object_iter_next((json_t *)(uintptr_t)j, i))
		names[n++] = json_object_iter_key(i);
	qsort(names, n, sizeof(*names), by_name);
	put(b, "{", 1);
	for (size_t i = 0; i < n && ok; i++) {
		if (i > 0)
			put(b, ",", 1);
		put_string(b, names[i], strlen(names[i]));
		put(b, ":", 1);
		ok = put_value(b, json_object_get(j, names[i]));
	}
	put(b, "}", 1);
	mem_free(names);
	return ok;
}

static bool
put_array(struct buffer *b, const json_t *j)
{
	put(b, "[", 1);
	for (size_t i = 0; i < json_array_size(j); i++) {
		if (i > 0)
			put(b, ",", 1);
		if (!put_value(b, json_array_get(j, i)))
			return false;
	}
	put(b, "]", 1);
	return true;
}

static bool
put_integer(struct buffer *b, const json_t *j)
{
	char number[32];
	int len = snprintf(
	    number, sizeof(number), "%lld", (long long)json_integer_value(j));

	put(b, number, (size_t)len);
	return true;
}

static bool
put_value(struct buffer *b, const json_t *j)
{
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		return put_object(b, j);
	case JSON_ARRAY:
		return put_array(b, j);
	case JSON_STRING:
		put_string(b, json_string_value(j), json_string_length(j));
		return true;
	case JSON_INTEGER:
		return put_integer(b, j);
	case JSON_TRUE:
		put(b, "true", 4);
		return true;
	case JSON_FALSE:
		put(b, "false", 5);
		return true;
	case JSON_NULL:
		put(b, "null", 4);
		return true;
	case JSON_REAL:
		break;
	}
	return false;
}

char *
json_write_canonical(struct arena *a, const json_t *j)
{
	struct buffer b = {0};
	char *kept = NULL;

	if (put_value(&b, j))
		kept = arena_copy(a, b.at, b.len);
	mem_free(b.at);
	return kept;
}

static bool
missing(const char *name, enum fault_kind kind, struct fault *f)
{
	return fault_set(f, kind, "'%s' is missing", name);
}

static bool
wrong(const char *name, const char *type, enum fault_kind kind, struct fault *f)
{
	return fault_set(f, kind, "'%s' must be %s", name, type);
}

/* The member, or NULL where it is absent or null. */
static const json_t *
member(const json_t *o, const char *name)
{
	const json_t *j = json_object_get(o, name);

	return json_is_null(j) ? NULL : j;
}

bool
json_get_string(const json_t *o, const char *name, size_t max_len,
    const char **out, enum fault_kind kind, struct fault *f)
{
	if (json_object_get(o, name) == NULL)
		return missing(name, kind, f);
	if (member(o, name) == NULL)
		return wrong(name, "a string", kind, f);
	return json_get_string_or(o, name, max_len, NULL, out, kind, f);
}

bool
json_get_string_or(const json_t *o, const char *name, size_t max_len,
    const char *otherwise, const char **out, enum fault_kind kind,
    struct fault *f)
{
	const json_t *j = member(o, name);

	*out = otherwise;
	if (j == NULL)
		return true;
	if (!json_is_string(j))
		return wrong(name, "a string", kind, f);
	if (json_string_length(j) > max_len)
		return fault_set(
		    f, kind, "'%s' is longer than %zu bytes", name, max_len);
	*out = json_string_value(j);
	return true;
}

bool
json_get_int(const json_t *o, const char *name, int64_t min, int64_t max,
    int64_t *out, enum fault_kind kind, struct fault *f)
{
	if (json_object_get(o, name) == NULL)
		return missing(name, kind, f);
	if (member(o, name) == NULL)
		return wrong(name, "an integer", kind, f);
	return json_get_int_or(o, name, min, max, 0, out, kind, f);
}

bool
json_get_int_or(const json_t *o, const char *name, int64_t min, int64_t max,
    int64_t otherwise, int64_t *out, enum fault_kind kind, struct fault *f)
{
	const json_t *j = member(o, name);
	int64_t value;

	*out = otherwise;
	if (j == NULL)
		return true;
	if (!json_is_integer(j))
		return wrong(name, "an integer", kind, f);
	value = (int64_t)json_integer_value(j);
	if (value < min || value > max)
		return fault_set(f, kind,
		    "'%s' must be from %lld to %lld, not %lld", name,
		    (long long)min, (long long)max, (long long)value);
	*out = value;
	return true;
}

bool
json_get_bool_or(const json_t *o, const char *name, bool otherwise, bool *out,
    enum fault_kind kind, struct fault *f)
{
	const json_t *j = member(o, name);

	*out = otherwise;
	if (j == NULL)
		return true;
	if (!json_is_boolean(j))
		return wrong(name, "true or false", kind, f);
	*out = json_is_true(j);
	return true;
}

bool
json_get_object(const json_t *o, const char *name, const json_t **out,
    enum fault_kind kind, struct fault *f)
{
	*out = NULL;
	if (json_object_get(o, name) == NULL)
		return missing(name, kind, f);
	if (member(o, name) == NULL)
		return wrong(name, "an object", kind, f);
	return json_get_object_or(o, name, out, kind, f);
}

bool
json_get_object_or(const json_t *o, const char *name, const json_t **out,
    enum fault_kind kind, struct fault *f)
{
	const json_t *j = member(o, name);

	*out = NULL;
	if (j == NULL)
		return true;
	if (!json_is_object(j))
		return wrong(name, "an object", kind, f);
	*out = j;
	return true;
}

bool
json_get_array(const json_t *o, const char *name, size_t max_items,
    const json_t **out, enum fault_kind kind, struct fault *f)
{
	*out = NULL;
	if (json_object_get(o, name) == NULL)
		return missing(name, kind, f);
	if (member(o, name) == NULL)
		return wrong(name, "an array", kind, f);
	return json_get_array_or(o, name, max_items, out, kind, f);
}

bool
json_get_array_or(const json_t *o, const char *name, size_t max_items,
    const json_t **out, enum fault_kind kind, struct fault *f)
{
	const json_t *j = member(o, name);

	*out = NULL;
	if (j == NULL)
		return true;
	if (!json_is_array(j))
		return wrong(name, "an array", kind, f);
	if (json_array_size(j) > max_items)
		return fault_set(
		    f, kind, "'%s' has more than %zu items", name, max_items);
	*out = j;
	return true;
}
