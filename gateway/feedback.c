/* SPDX-License-Identifier: Apache-2.0 */
/* See feedback.h. */
#include "gateway/feedback.h"

#include <string.h>

#include "base/json.h"

#define BODY_MAX 16384
#define COMMENT_BYTES (4 * FEEDBACK_COMMENT)

static const char *const issues[FEEDBACK_ISSUES] = {"wrong_model", "incoherent",
    "truncated", "slow", "refused", "unsafe", "other"};

static bool
read_request(
    const json_t *o, struct arena *a, struct feedback *out, struct fault *f)
{
	const char *id;

	if (!json_get_string(
		o, "request_id", 100, &id, FAULT_INVALID_REQUEST, f))
		return false;
	if (!text_is_uuid(text_of(id)))
		return fault_set(
		    f, FAULT_REQUEST_NOT_FOUND, "a request id is a UUID");
	out->request = arena_string(a, id);
	return true;
}

static bool
read_judgement(
    const json_t *o, struct arena *a, struct feedback *out, struct fault *f)
{
	const json_t *q = json_object_get(o, "quality");
	const char *verdict;

	out->quality = -1;
	if (q != NULL && !json_is_null(q)) {
		if (!json_is_integer(q) || json_integer_value(q) < 0 ||
		    json_integer_value(q) > 100)
			return fault_set(f, FAULT_FEEDBACK_RANGE,
			    "quality must be a whole number from 0 to 100");
		out->quality = json_integer_value(q);
	}
	if (!json_get_string_or(
		o, "verdict", 100, NULL, &verdict, FAULT_INVALID_REQUEST, f))
		return false;
	if (verdict != NULL && strcmp(verdict, "good") != 0 &&
	    strcmp(verdict, "bad") != 0)
		return fault_set(
		    f, FAULT_FEEDBACK_RANGE, "verdict must be good or bad");
	out->verdict = arena_string(a, verdict);
	if (out->quality < 0 && verdict == NULL)
		return fault_set(f, FAULT_INVALID_REQUEST,
		    "feedback needs quality, verdict or both");
	return true;
}

/* Each once, in the order of the table. */
static bool
read_issues(const json_t *o, struct feedback *out, struct fault *f)
{
	bool has[FEEDBACK_ISSUES] = {false};
	const json_t *list;

	if (!json_get_array_or(
		o, "issues", 20, &list, FAULT_INVALID_REQUEST, f))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));
		size_t k = 0;

		while (k < FEEDBACK_ISSUES &&
		       (s == NULL || strcmp(s, issues[k]) != 0))
			k++;
		if (k == FEEDBACK_ISSUES)
			return fault_set(f, FAULT_FEEDBACK_ISSUE,
			    "issues[%zu] is none of wrong_model, incoherent, "
			    "truncated, slow, refused, unsafe, other",
			    i);
		has[k] = true;
	}
	for (size_t k = 0; k < FEEDBACK_ISSUES; k++)
		if (has[k])
			out->issues[out->issue_count++] = issues[k];
	return true;
}

static size_t
characters(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static bool
read_comment(
    const json_t *o, struct arena *a, struct feedback *out, struct fault *f)
{
	const json_t *j = json_object_get(o, "comment");
	const char *s;

	if (j != NULL && json_is_string(j) &&
	    (json_string_length(j) > COMMENT_BYTES ||
		characters(json_string_value(j)) > FEEDBACK_COMMENT))
		return fault_set(f, FAULT_FEEDBACK_RANGE,
		    "comment may have %d characters", FEEDBACK_COMMENT);
	if (!json_get_string_or(o, "comment", COMMENT_BYTES, NULL, &s,
		FAULT_INVALID_REQUEST, f))
		return false;
	out->comment = arena_string(a, s);
	return true;
}

/* A misspelt verdict would else be none. */
static bool
has_no_other(json_t *o, bool is_edit, struct fault *f)
{
	static const char *const known[] = {
	    "comment", "issues", "quality", "request_id", "verdict"};
	const size_t count = sizeof(known) / sizeof(*known);
	const char *name;
	json_t *value;

	json_object_foreach(o, name, value)
	{
		size_t k = 0;

		while (k < count && strcmp(name, known[k]) != 0)
			k++;
		if (k == count || (is_edit && strcmp(name, "request_id") == 0))
			return fault_set(f, FAULT_INVALID_REQUEST,
			    "feedback has no member %.60s", name);
	}
	return true;
}

bool
feedback_read(struct text body, bool is_edit, struct arena *a,
    struct feedback *out, struct fault *f)
{
	json_t *o;
	bool ok;

	memset(out, 0, sizeof(*out));
	if (!json_read(body, BODY_MAX, &o, f))
		return false;
	ok = has_no_other(o, is_edit, f) &&
	     (is_edit || read_request(o, a, out, f)) &&
	     read_judgement(o, a, out, f) && read_issues(o, out, f) &&
	     read_comment(o, a, out, f);
	json_free(&o);
	return ok;
}

char *
feedback_write(const struct feedback *x, const char *id, struct arena *a)
{
	json_t *list = json_array();
	json_t *j;
	char *out;

	for (size_t i = 0; i < x->issue_count; i++)
		json_array_append_new(list, json_string(x->issues[i]));
	j = json_pack("{s:s, s:s, s:s?, s:s?, s:o, s:s?}", "id", id, "object",
	    "feedback", "request_id", x->request, "verdict", x->verdict,
	    "issues", list, "comment", x->comment);
	json_object_set_new(j, "quality",
	    x->quality < 0 ? json_null() : json_integer(x->quality));
	out = json_write(a, j);
	json_free(&j);
	return out;
}
