/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a buyer's body, from any credential: the first byte holds the
 * scopes, the second which endpoint. A restricted credential never gets a
 * query that may leave its workspace, and what goes on to the provider is
 * still a whole JSON text without `options`.
 */
#include <stdlib.h>
#include <string.h>

#include "auth/scope.h"
#include "base/scan.h"
#include "gateway/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static const struct query_bounds bounds = {
    .least = {1, 1, 1},
    .most = {1000, 1000, 1000},
    .otherwise = {10, 10, 10},
    .whole_ms = 20,
};

static const struct catalog *
catalog(void)
{
	static const struct catalog *made;
	struct draft *d;

	if (made != NULL)
		return made;
	d = draft_new(CATALOG_MODELS);
	draft_task(
	    d, &(struct catalog_task){"chat", "/v1/chat/completions", false});
	draft_task(d, &(struct catalog_task){
			  "transcription", "/v1/audio/transcriptions", true});
	draft_model(d, &(struct catalog_model){.canonical = "t:m"});
	draft_model_task(d, "t:m", "chat");
	draft_model_task(d, "t:m", "transcription");
	made = catalog_next(NULL, &d);
	return made;
}

static void
check_body(struct arena *a, const struct query *q)
{
	struct scan_member m = {.name = "options"};
	size_t len = q->body[0].len + q->body[1].len;
	char *body = arena_alloc(a, len + 1);
	struct fault f;

	memcpy(body, q->body[0].at, q->body[0].len);
	if (q->body[1].len > 0)
		memcpy(body + q->body[0].len, q->body[1].at, q->body[1].len);
	if (!scan_object((struct text){body, len}, QUERY_DEPTH, &m, 1, &f) ||
	    m.value.at != NULL)
		abort();
}

static void
check(struct arena *a, const struct query_ask *ask, const struct query *q)
{
	bool market = (q->pools & POOL_MARKETPLACE) != 0;

	if (market && !principal_may_use_market(ask->principal))
		abort();
	if (market && (q->is_workspace_only || q->is_direct))
		abort();
	if (q->model == NULL || q->task == NULL || q->param != NULL)
		abort();
	if (q->timeouts.total_ms < 1 || q->timeouts.total_ms > 1000)
		abort();
	if (!q->task->is_multipart || ask->task == NULL)
		check_body(a, q);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	static const char *const tasks[] = {"chat", "transcription", NULL};
	struct principal p = {.workspace = "w"};
	struct query_ask ask = {.principal = &p, .bounds = &bounds};
	struct arena *a;
	struct query q;
	struct fault f = {0};

	if (len < 2)
		return 0;
	a = arena_new();
	p.scopes = at[0] ^ (SCOPE_INFERENCE | SCOPE_STREAMING);
	ask.catalog = catalog();
	ask.task = tasks[at[1] % 3];
	ask.is_direct = ask.task == NULL && (at[1] & 4) != 0;
	ask.content_type = ask.task != NULL && at[1] % 3 == 1
			       ? "multipart/form-data; boundary=b"
			       : "application/json";
	ask.body = (struct text){(const char *)at + 2, len - 2};
	if (query_make(&ask, a, &q, &f))
		check(a, &ask, &q);
	else if (f.kind == FAULT_NONE || f.why[0] == '\0')
		abort();
	(void)query_read_options(ask.body, &bounds, &p, a, &q, &f);
	arena_free(&a);
	return 0;
}
