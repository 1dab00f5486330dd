/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See multipart.h. One walk over the body: delimiter, head, data, delimiter.
 * Every failure names the byte where the body stopped making sense.
 */
#include "gateway/multipart.h"

#include <string.h>
#include <strings.h>

enum { BOUNDARY_MAX = 70 }; /* RFC 2046 section 5.1.1 */

struct walk {
	const char *start;
	const char *at;
	const char *end;
	char delimiter[4 + BOUNDARY_MAX]; /* CRLF "--" boundary */
	size_t delimiter_len;
	struct fault *fault;
};

static bool
bad(const struct walk *w, const char *what)
{
	return fault_set(w->fault, FAULT_INVALID_REQUEST,
	    "multipart body: %s at byte %zu", what, (size_t)(w->at - w->start));
}

static bool
is_token_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool
is_boundary(struct text t)
{
	if (t.len == 0 || t.len > BOUNDARY_MAX || t.at[t.len - 1] == ' ')
		return false;
	for (size_t i = 0; i < t.len; i++) {
		char c = t.at[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			(c >= 'A' && c <= 'Z') ||
			(c != '\0' && strchr("'()+_,-./:=? ", c) != NULL)))
			return false;
	}
	return true;
}

/* -------------------------------------------------------------- parameters */

static void
skip_blank(struct text *t)
{
	while (t->len > 0 && (*t->at == ' ' || *t->at == '\t')) {
		t->at++;
		t->len--;
	}
}

static struct text
take_token(struct text *t)
{
	struct text token = {t->at, 0};

	while (t->len > 0 && is_token_byte(*t->at)) {
		t->at++;
		t->len--;
		token.len++;
	}
	return token;
}

/* A token, or what stands between quotes, escapes left as they are. */
static bool
take_value(struct text *t, struct text *out)
{
	if (t->len == 0 || *t->at != '"') {
		*out = take_token(t);
		return out->len > 0;
	}
	*out = (struct text){t->at + 1, 0};
	for (size_t i = 1; i < t->len; i++) {
		if (t->at[i] == '"') {
			out->len = i - 1;
			t->at += i + 1;
			t->len -= i + 1;
			return true;
		}
		if (t->at[i] == '\\')
			i++;
	}
	return false;
}

static bool
text_is_nocase(struct text t, const char *s)
{
	return t.len == strlen(s) && strncasecmp(t.at, s, t.len) == 0;
}

/* ";" name "=" value …: the one parameter of that name. False where the list
 * breaks its grammar or names it twice; *found tells whether it is there. */
static bool
find_parameter(
    struct text rest, const char *name, struct text *out, bool *found)
{
	*found = false;
	for (;;) {
		struct text key;
		struct text value;

		skip_blank(&rest);
		if (rest.len == 0)
			return true;
		if (*rest.at != ';')
			return false;
		rest.at++;
		rest.len--;
		skip_blank(&rest);
		key = take_token(&rest);
		if (key.len == 0 || rest.len == 0 || *rest.at != '=')
			return false;
		rest.at++;
		rest.len--;
		if (!take_value(&rest, &value))
			return false;
		if (!text_is_nocase(key, name))
			continue;
		if (*found)
			return false;
		*found = true;
		*out = value;
	}
}

bool
multipart_boundary(const char *content_type, struct text *out, struct fault *f)
{
	static const char wanted[] = "multipart/form-data";
	struct text rest = text_of(content_type);
	bool found;

	if (rest.len < sizeof(wanted) - 1 ||
	    strncasecmp(rest.at, wanted, sizeof(wanted) - 1) != 0)
		return fault_set(f, FAULT_UNSUPPORTED_MEDIA_TYPE,
		    "this task takes multipart/form-data");
	rest.at += sizeof(wanted) - 1;
	rest.len -= sizeof(wanted) - 1;
	if (!find_parameter(rest, "boundary", out, &found) || !found ||
	    !is_boundary(*out))
		return fault_set(f, FAULT_UNSUPPORTED_MEDIA_TYPE,
		    "multipart/form-data without one good boundary");
	return true;
}

/* ------------------------------------------------------------------- parts */

static bool
take(struct walk *w, const char *bytes, size_t len)
{
	if ((size_t)(w->end - w->at) < len || memcmp(w->at, bytes, len) != 0)
		return false;
	w->at += len;
	return true;
}

static bool
read_disposition(struct walk *w, struct text value, struct text *name)
{
	struct text kind = take_token(&value);
	bool found;

	if (!text_is_nocase(kind, "form-data"))
		return bad(w, "part that is not form-data");
	if (!find_parameter(value, "name", name, &found))
		return bad(w, "broken content-disposition");
	if (!found)
		return bad(w, "part without a name");
	/* Readers differ on what an escape in a name means. */
	if (name->len == 0 || memchr(name->at, '\\', name->len) != NULL)
		return bad(w, "part with an ambiguous name");
	return true;
}

static bool
is_clean_line(struct text line)
{
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.at[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return text_is_utf8(line);
}

/* One field of a part's head. */
static bool
read_field(struct walk *w, struct text line, bool *named, struct text *name)
{
	struct text rest = line;
	struct text field;

	if (!is_clean_line(line))
		return bad(
		    w, "control character or bad UTF-8 in a part's head");
	field = take_token(&rest);
	if (field.len == 0 || rest.len == 0 || *rest.at != ':')
		return bad(w, "broken field in a part's head");
	rest.at++;
	rest.len--;
	skip_blank(&rest);
	if (!text_is_nocase(field, "content-disposition"))
		return true;
	if (*named)
		return bad(w, "second content-disposition in a part");
	*named = true;
	return read_disposition(w, rest, name);
}

static bool
read_head(struct walk *w, struct text *name)
{
	const char *first = w->at;
	bool named = false;

	while (!take(w, "\r\n", 2)) {
		size_t left = (size_t)(w->end - w->at);
		const char *eol = memmem(w->at, left, "\r\n", 2);

		if (eol == NULL || eol - first > MULTIPART_HEAD_BYTES)
			return bad(w, "unterminated head of a part");
		if (!read_field(w, (struct text){w->at, (size_t)(eol - w->at)},
			&named, name))
			return false;
		w->at = eol + 2;
	}
	if (!named)
		return bad(w, "part without content-disposition");
	return true;
}

/* The data up to the next delimiter; none of it may be missing.
 */
static bool
read_data(struct walk *w, struct text *body)
{
	const char *first = w->at;
	const char *next;

	next = memmem(
	    first, (size_t)(w->end - first), w->delimiter, w->delimiter_len);
	if (next == NULL)
		return bad(w, "part without an end");
	*body = (struct text){first, (size_t)(next - first)};
	w->at = next + 2; /* on the dashes */
	return true;
}

bool
multipart_read(struct text body, struct text boundary,
    struct multipart_part parts[MULTIPART_PARTS], size_t *count,
    struct fault *f)
{
	struct walk w = {
	    .start = body.at,
	    .at = body.at,
	    .end = body.at + body.len,
	    .delimiter_len = 4 + boundary.len,
	    .fault = f,
	};

	*count = 0;
	memcpy(w.delimiter, "\r\n--", 4);
	memcpy(w.delimiter + 4, boundary.at, boundary.len);
	for (;;) {
		struct multipart_part *p = &parts[*count];
		const char *from = w.at;

		if (!take(&w, w.delimiter + 2, w.delimiter_len - 2))
			return bad(&w, "no delimiter where one must be");
		if (take(&w, "--", 2))
			break;
		if (!take(&w, "\r\n", 2))
			return bad(&w, "line that is not quite a delimiter");
		if (*count == MULTIPART_PARTS)
			return bad(&w, "too many parts");
		if (!read_head(&w, &p->name) || !read_data(&w, &p->body))
			return false;
		p->around = (struct text){from, (size_t)(w.at - from)};
		(*count)++;
	}
	(void)take(&w, "\r\n", 2);
	if (w.at != w.end)
		return bad(&w, "bytes behind the last delimiter");
	return true;
}

bool
multipart_find(const struct multipart_part *parts, size_t count,
    const char *name, const struct multipart_part **out, struct fault *f)
{
	*out = NULL;
	for (size_t i = 0; i < count; i++) {
		if (!text_is(parts[i].name, name))
			continue;
		if (*out != NULL)
			return fault_set(f, FAULT_INVALID_REQUEST,
			    "multipart body: two parts named %s", name);
		*out = &parts[i];
	}
	return true;
}
