/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error object is the one that the gateway speaks. The sentence of a
 * fault goes out where the mistake is the caller's; what broke inside is for
 * the log.
 */
#include "auth/server/reply.h"

#include <string.h>
#include <strings.h>

struct row {
	enum fault_kind kind;
	int status;
};

/* clang-format off */
static const struct row rows[] = {
	{ FAULT_INVALID_REQUEST,        400 },
	{ FAULT_INVALID_JSON,           400 },
	{ FAULT_CSR_INVALID,            400 },
	{ FAULT_INVALID_CREDENTIAL,     401 },
	{ FAULT_CODE_INVALID,           403 },
	{ FAULT_CODE_EXPIRED,           403 },
	{ FAULT_DEVICE_REVOKED,         403 },
	{ FAULT_REFUSED,                403 },
	{ FAULT_NOT_FOUND,              404 },
	{ FAULT_DEVICE_UNKNOWN,         404 },
	{ FAULT_METHOD_NOT_ALLOWED,     405 },
	{ FAULT_CODE_USED,              409 },
	{ FAULT_CONFLICT,               409 },
	{ FAULT_REQUEST_TOO_LARGE,      413 },
	{ FAULT_UNSUPPORTED_MEDIA_TYPE, 415 },
	{ FAULT_OVERLOADED,             503 },
	{ FAULT_UNAVAILABLE,            503 },
	{ FAULT_TIMEOUT,                503 },
	{ FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE, 503 },
};
/* clang-format on */

int
reply_status(enum fault_kind kind)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].kind == kind)
			return rows[i].status;
	return 500;
}

static bool
is_json(const char *type)
{
	static const char name[] = "application/json";
	size_t len = sizeof name - 1;

	return strncasecmp(type, name, len) == 0 &&
	       (type[len] == '\0' || type[len] == ';' || type[len] == ' ');
}

bool
body_read(
    const struct http_request *r, size_t max, json_t **out, struct fault *f)
{
	const char *type = http_fields_find(&r->fields, "content-type");
	size_t len = r->body == NULL ? 0 : evbuffer_get_length(r->body);
	struct text t = {"", len};

	*out = NULL;
	if (type != NULL && !is_json(type))
		return fault_set(f, FAULT_UNSUPPORTED_MEDIA_TYPE,
		    "the body must be application/json");
	if (len > max)
		return fault_set(f, FAULT_REQUEST_TOO_LARGE,
		    "the body has %zu bytes, at most %zu are taken", len, max);
	if (len > 0)
		t.at = (const char *)evbuffer_pullup(r->body, -1);
	if (!json_read(t, max, out, f))
		return false;
	if (json_is_object(*out))
		return true;
	json_free(out);
	return fault_set(f, FAULT_INVALID_JSON, "the body must be an object");
}

static void
send_text(
    struct http_request **r, int status, const char *text, int retry_after)
{
	struct arena *a = (*r)->arena;
	struct evbuffer *body = evbuffer_new();
	struct http_fields fs = {0};

	http_fields_add(&fs, a, "content-type", "application/json");
	http_fields_add(&fs, a, "cache-control", "no-store");
	if (retry_after > 0)
		http_fields_add(
		    &fs, a, "retry-after", arena_printf(a, "%d", retry_after));
	evbuffer_add(body, text, strlen(text));
	http_reply_start(*r, status, &fs);
	http_reply_body(*r, body);
	http_reply_end(*r);
	evbuffer_free(body);
	http_request_close(r);
}

void
reply_json(struct http_request **r, int status, json_t **document)
{
	char *text = json_write((*r)->arena, *document);

	json_free(document);
	send_text(r, status, text, 0);
}

void
reply_fault(struct http_request **r, const struct fault *f)
{
	int status = reply_status(f->kind);
	enum fault_kind kind = status == 500 ? FAULT_INTERNAL : f->kind;
	const char *message = f->why;
	json_t *o;
	char *text;

	if (status == 503 && kind != FAULT_OVERLOADED)
		kind = FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE;
	if (status == 500)
		message = "something went wrong inside";
	else if (status == 503)
		message = "this cannot be done just now; ask again";
	o = json_pack("{s:{s:s, s:s, s:s, s:n}}", "error", "message", message,
	    "type", status >= 500 ? "server_error" : "invalid_request_error",
	    "code", fault_code(kind), "param");
	text = json_write((*r)->arena, o);
	json_free(&o);
	send_text(r, status, text, status == 503 ? 2 : 0);
}
