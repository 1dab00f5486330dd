/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cheap checks come first and the token's one use is spent last: a request
 * that is refused for capacity has not used up its handoff.
 */
#include "provider/guard.h"

#include <string.h>
#include <strings.h>

#include "base/tls.h"

/* clang-format off */
static const struct {
	const char *path;
	const char *task;
} paths[] = {
    {"/v1/chat/completions",     "chat"},
    {"/v1/completions",          "completion"},
    {"/v1/embeddings",           "embedding"},
    {"/v1/audio/transcriptions", "transcription"},
    {"/v1/audio/speech",         "speech"},
    {"/v1/images/generations",   "image"},
};
/* clang-format on */

const char *
guard_task(struct arena *a, const char *path)
{
	static const char generic[] = "/v1/tasks/";
	const char *task;

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		if (strcmp(paths[i].path, path) == 0)
			return paths[i].task;
	if (strncmp(path, generic, strlen(generic)) != 0)
		return NULL;
	task = path + strlen(generic);
	if (task[0] == '\0' ||
	    strspn(task, "abcdefghijklmnopqrstuvwxyz0123456789_-") !=
		strlen(task))
		return NULL;
	return arena_string(a, task);
}

static bool
bearer(const struct http_request *r, struct text *out, struct fault *f)
{
	const char *value = http_fields_find(&r->fields, "authorization");

	if (value == NULL ||
	    http_fields_count(&r->fields, "authorization") != 1 ||
	    strncasecmp(value, "Bearer ", 7) != 0)
		return fault_set(f, FAULT_INVALID_CREDENTIAL,
		    "a handoff token is needed: authorization: Bearer TOKEN");
	*out = text_of(value + 7);
	return true;
}

static bool
is_advertised(void *arg, const char *task, const char *model)
{
	return models_find(arg, task, model) != NULL;
}

bool
guard_admit(struct guard *g, struct http_request *r, const char *task,
    bool direct, int64_t now_ms, struct admitted *out, struct fault *f)
{
	struct handoff_rules rules = {.keys = keys_now(g->keys),
	    .iss = g->issuer,
	    .aud = g->did,
	    .now_ms = now_ms,
	    .task = task,
	    .advertised = is_advertised,
	    .arg = g->models,
	    .replay = g->replay,
	    .holder_seen = direct};
	uint8_t holder[32];
	struct text token, body;

	memset(out, 0, sizeof *out);
	if (!bearer(r, &token, f))
		return false;
	body.len = evbuffer_get_length(r->body);
	body.at = (const char *)evbuffer_pullup(r->body, -1);
	if (!body_model_find(http_fields_find(&r->fields, "content-type"), body,
		&out->body_model, f))
		return false;
	rules.model = out->body_model.name;
	if (r->peer != NULL) {
		certificate_sha256(r->peer, holder);
		rules.holder_sha256 = holder;
	}
	if (!caps_enter(&g->caps, now_ms, f))
		return false;
	if (!handoff_check(r->arena, token, &rules, &out->claims, f))
		goto refused;
	if (strcmp(out->claims.pool, "marketplace") == 0 &&
	    !windows_are_open(
		g->offer->windows, g->offer->window_count, now_ms)) {
		fault_set(f, FAULT_OUTSIDE_WINDOW,
		    "marketplace requests are not welcome at this hour");
		goto refused;
	}
	out->model = models_find(g->models, task, out->claims.model);
	out->body = r->body;
	return true;
refused:
	caps_leave(&g->caps, 0, now_ms);
	return false;
}

int
guard_status(enum fault_kind kind)
{
	static const struct {
		enum fault_kind kind;
		int status;
	} statuses[] = {{FAULT_INVALID_CREDENTIAL, 401},
	    {FAULT_TOKEN_MALFORMED, 401}, {FAULT_TOKEN_SIGNATURE, 401},
	    {FAULT_TOKEN_WRONG_AUDIENCE, 401}, {FAULT_TOKEN_EXPIRED, 401},
	    {FAULT_TOKEN_NOT_YET_VALID, 401}, {FAULT_TOKEN_REPLAYED, 401},
	    {FAULT_TOKEN_KEY_UNKNOWN, 401}, {FAULT_TOKEN_NOT_ADVERTISED, 403},
	    {FAULT_INVALID_JSON, 400}, {FAULT_INVALID_REQUEST, 400},
	    {FAULT_UNSUPPORTED_MEDIA_TYPE, 415}, {FAULT_REQUEST_TOO_LARGE, 413},
	    {FAULT_NOT_FOUND, 404}, {FAULT_METHOD_NOT_ALLOWED, 405},
	    {FAULT_RUNTIME_UNREACHABLE, 502}};

	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
		if (statuses[i].kind == kind)
			return statuses[i].status;
	return 503;
}
