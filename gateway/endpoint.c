/* SPDX-License-Identifier: Apache-2.0 */
/* The buyers' API. A new endpoint is a row here. */
#include "gateway/endpoint.h"

#include <string.h>

#include "auth/scope.h"
#include "base/codec.h"

/* clang-format off */
static const struct endpoint table[] = {
{ "POST", "/v1/chat/completions", ENDPOINT_RELAY, "chat/completions", "chat", SCOPE_INFERENCE, false },
{ "POST", "/v1/completions", ENDPOINT_RELAY, "completions", "completion", SCOPE_INFERENCE, false },
{ "POST", "/v1/embeddings", ENDPOINT_RELAY, "embeddings", "embedding", SCOPE_INFERENCE, false },
{ "POST", "/v1/audio/transcriptions", ENDPOINT_RELAY, "audio/transcriptions", "transcription", SCOPE_INFERENCE, false },
{ "POST", "/v1/audio/speech", ENDPOINT_RELAY, "audio/speech", "speech", SCOPE_INFERENCE, false },
{ "POST", "/v1/images/generations", ENDPOINT_RELAY, "images/generations", "image", SCOPE_INFERENCE, false },
{ "POST", "/v1/tasks/{}", ENDPOINT_RELAY, "tasks", NULL, SCOPE_INFERENCE, false },
{ "POST", "/v1/handoffs", ENDPOINT_HANDOFF, "handoffs", NULL, SCOPE_INFERENCE, false },
{ "POST", "/v1/route", ENDPOINT_ROUTE, "route", NULL, SCOPE_INFERENCE, false },
{ "POST", "/v1/feedback", ENDPOINT_FEEDBACK, "feedback", NULL, SCOPE_INFERENCE, false },
{ "PUT", "/v1/feedback/{}", ENDPOINT_FEEDBACK, "feedback/id", NULL, SCOPE_INFERENCE, false },
{ "GET", "/v1/models", ENDPOINT_MODELS, "models", NULL, SCOPE_CATALOG_READ, false },
{ "GET", "/v1/models/{*}", ENDPOINT_MODEL, "models/id", NULL, SCOPE_CATALOG_READ, false },
{ "GET", "/v1/providers/{}", ENDPOINT_PROVIDER, "providers", NULL, SCOPE_CATALOG_READ, false },
{ "GET", "/v1/requests/{}", ENDPOINT_REQUEST, "requests", NULL, SCOPE_USAGE_READ | SCOPE_CATALOG_READ, false },
{ "POST", "/v1/private/attestation", ENDPOINT_ATTESTATION, "private/attestation", NULL, SCOPE_INFERENCE, false },
{ "POST", "/v1/private/chat/completions", ENDPOINT_RELAY, "private/chat/completions", "chat", SCOPE_INFERENCE, true },
{ "POST", "/v1/private/completions", ENDPOINT_RELAY, "private/completions", "completion", SCOPE_INFERENCE, true },
{ "GET", "/v1/signature/{}", ENDPOINT_SIGNATURE, "signature", NULL, SCOPE_INFERENCE, false },
{ "GET", "/v1/attestation/report", ENDPOINT_REPORT, "attestation/report", NULL, SCOPE_INFERENCE, false },
{ "POST", "/v1/aci/verify", ENDPOINT_VERIFY, "aci/verify", NULL, SCOPE_CATALOG_READ | SCOPE_INFERENCE, false },
};
/* clang-format on */

#define COUNT (sizeof(table) / sizeof(*table))

size_t
endpoint_count(void)
{
	return COUNT;
}

const struct endpoint *
endpoint_at(size_t i)
{
	return &table[i];
}

/* Whether the path has the row's form; the variable segment goes to *rest. */
static bool
matches(const struct endpoint *e, const char *path, struct text *rest)
{
	const char *open = strchr(e->path, '{');
	size_t fixed =
	    open == NULL ? strlen(e->path) : (size_t)(open - e->path);

	*rest = text_of("");
	if (strncmp(path, e->path, fixed) != 0)
		return false;
	if (open == NULL)
		return path[fixed] == '\0';
	*rest = text_of(path + fixed);
	return rest->len > 0 &&
	       (open[1] == '*' || memchr(rest->at, '/', rest->len) == NULL);
}

static bool
is_get(const struct endpoint *e)
{
	return strcmp(e->method, "GET") == 0;
}

/* RFC 9110 section 9.3.2: HEAD is GET without the content. */
static bool
takes(const struct endpoint *e, const char *method)
{
	return strcmp(method, e->method) == 0 ||
	       (is_get(e) && strcmp(method, "HEAD") == 0);
}

const struct endpoint *
endpoint_find(const char *method, const char *path, char *variable, size_t size,
    const char **allow, struct fault *f)
{
	struct text rest;
	size_t written;

	*allow = NULL;
	variable[0] = '\0';
	for (size_t i = 0; i < COUNT; i++) {
		const struct endpoint *e = &table[i];

		if (!matches(e, path, &rest))
			continue;
		if (!takes(e, method)) {
			*allow = is_get(e) ? "GET, HEAD" : e->method;
			continue;
		}
		if (!percent_decode(rest, variable, size, &written)) {
			variable[0] = '\0'; /* what fits was written */
			fault_set(f, FAULT_NOT_FOUND,
			    "the last part of the path is malformed");
			return NULL;
		}
		return e;
	}
	if (*allow != NULL)
		fault_set(f, FAULT_METHOD_NOT_ALLOWED,
		    "this endpoint takes %s, not %s", *allow, method);
	else
		fault_set(f, FAULT_NOT_FOUND, "there is no endpoint %s", path);
	return NULL;
}

const char *
endpoint_parameter(const char *query, const char *name, struct arena *a)
{
	size_t len = strlen(name), written;

	for (const char *at = query; at != NULL;) {
		size_t end = strcspn(at, "&");
		char *out;

		if (strncmp(at, name, len) != 0 || at[len] != '=') {
			at = at[end] == '&' ? at + end + 1 : NULL;
			continue;
		}
		at += len + 1;
		end -= len + 1;
		out = arena_alloc(a, end + 1);
		return percent_decode(
			   (struct text){at, end}, out, end + 1, &written)
			   ? out
			   : NULL;
	}
	return NULL;
}
