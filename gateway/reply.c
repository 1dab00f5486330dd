/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table from fault to HTTP, and the error object that OpenAI's SDKs
 * read. A sentence goes out only where `says` is NULL: those faults are the
 * buyer's own mistakes, and the sentence tells them which.
 */
#include "gateway/reply.h"

#include "base/json.h"

struct reply_row {
	int status;
	const char *type;
	int retry_after;  /* seconds, 0: none */
	const char *says; /* NULL: the fault's own sentence */
};

#define BAD "invalid_request_error"
#define AUTH "authentication_error"
#define SERVER "server_error"

/* clang-format off */
static const struct reply_row rows[FAULT_COUNT] = {
[FAULT_INVALID_REQUEST]      = { 400, BAD, 0, NULL },
[FAULT_INVALID_JSON]         = { 400, BAD, 0, NULL },
[FAULT_INVALID_OPTION]       = { 400, BAD, 0, NULL },
[FAULT_UNKNOWN_TASK]         = { 400, BAD, 0, NULL },
[FAULT_REQUEST_TOO_LARGE]    = { 413, BAD, 0, NULL },
[FAULT_UNSUPPORTED_MEDIA_TYPE] = { 415, BAD, 0, NULL },
[FAULT_REQUEST_TIMEOUT]      = { 408, BAD, 0, NULL },
[FAULT_NOT_FOUND]            = { 404, BAD, 0, NULL },
[FAULT_METHOD_NOT_ALLOWED]   = { 405, BAD, 0, NULL },
[FAULT_INVALID_CREDENTIAL]   = { 401, AUTH, 0, NULL },
[FAULT_EXPIRED_CREDENTIAL]   = { 401, AUTH, 0, NULL },
[FAULT_REVOKED_GRANT]        = { 401, AUTH, 0, NULL },
[FAULT_INSUFFICIENT_SCOPES]  = { 403, "permission_error", 0, NULL },
[FAULT_DEVICE_REVOKED]       = { 403, "permission_error", 0, NULL },
[FAULT_DEVICE_UNKNOWN]       = { 403, "permission_error", 0, NULL },
[FAULT_RATE_LIMITED]         = { 429, "rate_limit_error", 1, NULL },
[FAULT_MODEL_NOT_FOUND]      = { 404, BAD, 0, NULL },
[FAULT_REQUEST_NOT_FOUND]    = { 404, BAD, 0, NULL },
[FAULT_PROVIDER_NOT_FOUND]   = { 404, BAD, 0, NULL },
[FAULT_FEEDBACK_EXISTS]      = { 409, BAD, 0, NULL },
[FAULT_FEEDBACK_NOT_FOUND]   = { 404, BAD, 0, NULL },
[FAULT_FEEDBACK_CLOSED]      = { 409, BAD, 0, NULL },
[FAULT_FEEDBACK_RANGE]      = { 400, BAD, 0, NULL },
[FAULT_FEEDBACK_ISSUE]      = { 400, BAD, 0, NULL },
[FAULT_SIGNATURE_NOT_FOUND]  = { 404, BAD, 0, NULL },
[FAULT_SIGNATURE_MISSING]    = { 409, BAD, 0, NULL },
[FAULT_REQUEST_NOT_SERVED]   = { 409, BAD, 0, NULL },
[FAULT_RUNTIME_UNREACHABLE]  = { 409, BAD, 0,
	"no provider for this model can be reached directly" },
[FAULT_IDEMPOTENCY_CONFLICT] = { 409, BAD, 0, NULL },
[FAULT_NO_WORKSPACE_PROVIDER] = { 503, SERVER, 10,
	"no provider of your workspace can serve this now" },
[FAULT_NO_PROVIDER_AT_TIER]  = { 503, SERVER, 30,
	"no provider of the tier you asked for can serve this now" },
[FAULT_NO_VERIFIED_PROVIDER] = { 503, SERVER, 30,
	"no verified provider can serve this now" },
[FAULT_NO_PROVIDER]          = { 503, SERVER, 10,
	"no provider can serve this now" },
[FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE] = { 503, SERVER, 5,
	"a service this gateway depends on is unavailable" },
[FAULT_UNAVAILABLE]          = { 503, SERVER, 5,
	"a service this gateway depends on is unavailable" },
[FAULT_OVERLOADED]           = { 503, SERVER, 2,
	"too busy to serve this now; ask again" },
[FAULT_CAPACITY_EXCEEDED]    = { 503, SERVER, 2,
	"too busy to serve this now; ask again" },
[FAULT_OUTSIDE_WINDOW]       = { 503, SERVER, 60,
	"no provider can serve this now" },
[FAULT_DRAINING]             = { 503, SERVER, 1,
	"this gateway is going away; ask again" },
[FAULT_PROVIDER_ERROR]       = { 502, SERVER, 0,
	"the provider failed to answer" },
[FAULT_PROVIDER_UNREACHABLE] = { 502, SERVER, 0,
	"the provider could not be reached" },
[FAULT_TRUNCATED]            = { 502, SERVER, 0,
	"the provider's answer was cut short" },
[FAULT_SIGNATURE_INVALID]    = { 502, SERVER, 0,
	"the provider did not sign its answer as its evidence says" },
[FAULT_FIRST_BYTE_TIMEOUT]   = { 504, SERVER, 0,
	"the provider did not begin to answer in time" },
[FAULT_STREAM_STALLED]       = { 504, SERVER, 0,
	"the provider's answer stood still for too long" },
[FAULT_TOTAL_TIMEOUT]        = { 504, SERVER, 0,
	"the request took longer than its deadline" },
[FAULT_BUYER_GONE]           = { 499, SERVER, 0, "the client left" },
};
/* clang-format on */

static const struct reply_row internal = {
    500, SERVER, 0, "something went wrong inside the gateway"};

static const struct reply_row *
row_of(enum fault_kind kind)
{
	if (kind < FAULT_COUNT && rows[kind].status != 0)
		return &rows[kind];
	return &internal;
}

int
reply_status(enum fault_kind kind)
{
	return row_of(kind)->status;
}

const char *
reply_code(enum fault_kind kind)
{
	const struct reply_row *r = row_of(kind);

	if (r == &internal)
		return fault_code(FAULT_INTERNAL);
	if (kind == FAULT_UNAVAILABLE)
		return fault_code(FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE);
	if (kind == FAULT_CAPACITY_EXCEEDED)
		return fault_code(FAULT_OVERLOADED);
	if (kind == FAULT_OUTSIDE_WINDOW)
		return fault_code(FAULT_NO_PROVIDER);
	return fault_code(kind);
}

char *
reply_error_json(struct arena *a, const struct reply_error *e)
{
	const struct reply_row *row = row_of(e->fault->kind);
	const char *says = row->says == NULL ? e->fault->why : row->says;
	json_t *metadata = json_object();
	json_t *o;
	char *out;

	json_object_set_new(metadata, "request_id",
	    e->request_id == NULL ? json_null() : json_string(e->request_id));
	if (e->metadata != NULL)
		json_object_update(metadata, (json_t *)(uintptr_t)e->metadata);
	o = json_pack("{s:{s:s, s:s, s:s, s:s?, s:o}}", "error", "message",
	    says, "type", row->type, "code", reply_code(e->fault->kind),
	    "param", e->param, "metadata", metadata);
	out = json_write(a, o);
	json_free(&o);
	return out;
}

static void
send_whole(
    struct client *c, int status, const char *body, struct http_fields *fs)
{
	struct evbuffer *b = evbuffer_new();

	http_fields_add(fs, client_arena(c), "content-type",
	    "application/json; charset=utf-8");
	evbuffer_add_printf(b, "%s\n", body);
	client_start(c, status, fs);
	client_write(c, b);
	client_end(c);
	evbuffer_free(b);
}

static struct http_fields
copy(struct client *c, const struct http_fields *own)
{
	struct http_fields fs = {0};

	for (size_t i = 0; own != NULL && i < own->count; i++)
		http_fields_add(
		    &fs, client_arena(c), own->at[i].name, own->at[i].value);
	return fs;
}

void
reply_error(struct client *c, const struct reply_error *e,
    const struct http_fields *own)
{
	const struct reply_row *row = row_of(e->fault->kind);
	struct http_fields fs = copy(c, own);
	struct arena *a = client_arena(c);
	int after = e->retry_after > 0 ? e->retry_after : row->retry_after;

	if (after > 0)
		http_fields_add(
		    &fs, a, "retry-after", arena_printf(a, "%d", after));
	if (row->status == 401)
		http_fields_add(&fs, a, "www-authenticate", "Bearer");
	if (row->status == 405 && e->allow != NULL)
		http_fields_add(&fs, a, "allow", e->allow);
	send_whole(c, row->status, reply_error_json(a, e), &fs);
}

void
reply_json(struct client *c, int status, const char *body,
    const struct http_fields *own)
{
	struct http_fields fs = copy(c, own);

	send_whole(c, status, body, &fs);
}

void
reply_error_event(struct client *c, const struct reply_error *e)
{
	struct evbuffer *b = evbuffer_new();

	evbuffer_add_printf(b, "event: error\ndata: %s\n\n",
	    reply_error_json(client_arena(c), e));
	client_write(c, b);
	evbuffer_free(b);
}
