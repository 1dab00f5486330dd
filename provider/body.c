/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multipart is walked part by part (RFC 2046 section 5.1.1); a second part
 * named "model" is refused, since a runtime might read the other one.
 */
#include "provider/body.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/scan.h"

#define JSON_DEPTH 64
#define PARTS_MAX 64
#define PART_HEAD_MAX 4096

static bool
media_type_is(const char *content_type, const char *type)
{
	size_t len = strlen(type);

	return content_type != NULL &&
	       strncasecmp(content_type, type, len) == 0 &&
	       (content_type[len] == '\0' || content_type[len] == ';' ||
		   content_type[len] == ' ');
}

static bool
find_json(struct text body, struct body_model *out, struct fault *f)
{
	struct scan_member member = {.name = "model"};

	if (!scan_object(body, JSON_DEPTH, &member, 1, f))
		return false;
	if (member.value.at == NULL)
		return fault_set(f, FAULT_INVALID_REQUEST, "model is missing");
	out->json = true;
	out->value = member.value;
	return scan_string(member.value, out->name, sizeof out->name, f);
}

/* boundary="…" or boundary=… of RFC 2046: 1..70 characters. */
static bool
read_boundary(const char *content_type, char out[80], struct fault *f)
{
	const char *at = strcasestr(content_type, "boundary=");
	size_t len;

	if (at != NULL) {
		at += strlen("boundary=");
		if (*at == '"')
			len = strcspn(++at, "\"");
		else
			len = strcspn(at, "; \t");
		if (len >= 1 && len <= 70) {
			snprintf(out, 80, "--%.*s", (int)len, at);
			return true;
		}
	}
	return fault_set(f, FAULT_UNSUPPORTED_MEDIA_TYPE,
	    "multipart/form-data without a boundary");
}

static bool
head_names_model(struct text head)
{
	char line[PART_HEAD_MAX + 1];
	const char *at;

	if (!text_store(head, line, sizeof line))
		return false;
	at = strcasestr(line, "content-disposition:");
	if (at == NULL)
		return false;
	return strcasestr(at, "; name=\"model\"") != NULL ||
	       strcasestr(at, ";name=\"model\"") != NULL ||
	       strcasestr(at, "; name=model\r") != NULL;
}

static bool
take_part(struct text part, struct body_model *out, struct fault *f)
{
	const char *blank = memmem(part.at, part.len, "\r\n\r\n", 4);
	struct text head, value;

	if (blank == NULL || blank - part.at > PART_HEAD_MAX)
		return fault_set(
		    f, FAULT_INVALID_REQUEST, "a part's head has no end");
	head = (struct text){part.at, (size_t)(blank - part.at) + 2};
	if (!head_names_model(head))
		return true;
	value.at = blank + 4;
	value.len = part.len - (size_t)(value.at - part.at);
	if (out->value.at != NULL)
		return fault_set(
		    f, FAULT_INVALID_REQUEST, "two parts are named model");
	out->value = value;
	return text_store(value, out->name, sizeof out->name) ||
	       fault_set(f, FAULT_INVALID_REQUEST, "model is too long");
}

static bool
find_multipart(const char *content_type, struct text body,
    struct body_model *out, struct fault *f)
{
	char mark[82];
	const char *at, *end = body.at + body.len, *next;
	size_t mark_len;

	if (!read_boundary(content_type, mark + 2, f))
		return false;
	memcpy(mark, "\r\n", 2);
	mark_len = strlen(mark);
	if (body.len < mark_len || memcmp(body.at, mark + 2, mark_len - 2) != 0)
		return fault_set(f, FAULT_INVALID_REQUEST,
		    "the body does not begin with its boundary");
	at = body.at + mark_len - 2;
	for (unsigned parts = 0; parts < PARTS_MAX; parts++) {
		if (end - at >= 2 && memcmp(at, "--", 2) == 0) {
			return out->value.at != NULL ||
			       fault_set(f, FAULT_INVALID_REQUEST,
				   "there is no part named model");
		}
		if (end - at < 2 || memcmp(at, "\r\n", 2) != 0)
			break;
		at += 2;
		next = memmem(at, (size_t)(end - at), mark, mark_len);
		if (next == NULL)
			break;
		if (!take_part((struct text){at, (size_t)(next - at)}, out, f))
			return false;
		at = next + mark_len;
	}
	return fault_set(f, FAULT_INVALID_REQUEST,
	    "the multipart body is cut short or has too many parts");
}

bool
body_model_find(const char *content_type, struct text body,
    struct body_model *out, struct fault *f)
{
	memset(out, 0, sizeof *out);
	if (media_type_is(content_type, "application/json"))
		return find_json(body, out, f);
	if (media_type_is(content_type, "multipart/form-data"))
		return find_multipart(content_type, body, out, f);
	return fault_set(f, FAULT_UNSUPPORTED_MEDIA_TYPE,
	    "the body is neither application/json nor multipart/form-data");
}
