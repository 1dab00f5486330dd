/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See query.h. Two readers find the same few members, one in JSON and one in
 * multipart/form-data; what follows is the same for both.
 */
#include "gateway/query.h"

#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/scan.h"
#include "gateway/multipart.h"

/* The members that concern us, as the body gives them. */
struct asked {
	char model[1024];
	char task[TASK_SIZE];
	bool has_model;
	bool has_task;
	bool stream;
	struct text options; /* JSON text; len 0: none */
};

const char *
pool_name(enum pool p)
{
	switch (p) {
	case POOL_WORKSPACE:
		return "workspace";
	case POOL_MARKETPLACE:
		return "marketplace";
	case POOL_BOTH:
		break;
	}
	return "any";
}

bool
dids_has(struct dids d, const char *did)
{
	for (size_t i = 0; i < d.count; i++) {
		if (strcmp(d.at[i], did) == 0)
			return true;
	}
	return false;
}

/* Remembers which member is at fault, for the error's `param`. */
static bool
at_fault(struct query *q, const char *param)
{
	q->param = param;
	return false;
}

/* ----------------------------------------------------------------- options */

struct options {
	const json_t *json;
	const struct query_bounds *bounds;
	const struct principal *principal;
	struct arena *arena;
	struct query *out;
	struct fault *fault;
};

static bool
read_list(
    const struct options *o, const char *name, size_t most, struct dids *out)
{
	const json_t *array;
	const char **at;

	if (!json_get_array_or(
		o->json, name, most, &array, FAULT_INVALID_OPTION, o->fault))
		return false;
	out->count = json_array_size(array);
	at = arena_alloc(o->arena, (out->count + 1) * sizeof(*at));
	for (size_t i = 0; i < out->count; i++) {
		const json_t *item = json_array_get(array, i);

		if (!json_is_string(item))
			return fault_set(o->fault, FAULT_INVALID_OPTION,
			    "options.%s[%zu] is not a string", name, i);
		at[i] = arena_string(o->arena, json_string_value(item));
	}
	out->at = at;
	return true;
}

static bool
read_dids(const struct options *o, const char *name, struct dids *out)
{
	if (!read_list(o, name, QUERY_DIDS, out))
		return false;
	for (size_t i = 0; i < out->count; i++) {
		if (!text_is_did(text_of(out->at[i])))
			return fault_set(o->fault, FAULT_INVALID_OPTION,
			    "options.%s[%zu] is not a DID: %.100s", name, i,
			    out->at[i]);
	}
	return true;
}

static bool
read_only(const struct options *o)
{
	o->out->has_only = json_is_array(json_object_get(o->json, "only"));
	return read_dids(o, "only", &o->out->only);
}

static bool
read_ignore(const struct options *o)
{
	return read_dids(o, "ignore", &o->out->ignore);
}

static bool
read_order(const struct options *o)
{
	return read_dids(o, "order", &o->out->order);
}

static bool
read_quantizations(const struct options *o)
{
	struct dids *list = &o->out->quantizations;

	if (!read_list(o, "quantizations", QUERY_QUANTIZATIONS, list))
		return false;
	if (json_is_array(json_object_get(o->json, "quantizations")) &&
	    list->count == 0)
		return fault_set(o->fault, FAULT_INVALID_OPTION,
		    "options.quantizations accepts nothing");
	return true;
}

static bool
read_min_tier(const struct options *o)
{
	const char *name;

	if (!json_get_string_or(o->json, "min_tier", 16, NULL, &name,
		FAULT_INVALID_OPTION, o->fault))
		return false;
	if (name != NULL && !tier_of(text_of(name), &o->out->min_tier))
		return fault_set(o->fault, FAULT_INVALID_OPTION,
		    "options.min_tier is bronze, silver or gold, not %s", name);
	return true;
}

/* workspace_only is a restriction: a query that asks to leave the workspace
 * in spite of it is left with nowhere to go. */
static bool
read_pool(const struct options *o)
{
	const char *name;

	if (!json_get_string_or(o->json, "pool", 16, NULL, &name,
		FAULT_INVALID_OPTION, o->fault))
		return false;
	if (name == NULL)
		return true;
	if (strcmp(name, "workspace") == 0) {
		o->out->pools = POOL_WORKSPACE;
		return true;
	}
	if (strcmp(name, "marketplace") != 0)
		return fault_set(o->fault, FAULT_INVALID_OPTION,
		    "options.pool is workspace or marketplace, not %s", name);
	if (!principal_may_use_market(o->principal))
		return fault_set(o->fault, FAULT_INSUFFICIENT_SCOPES,
		    "this credential may not use the marketplace");
	o->out->pools = POOL_MARKETPLACE;
	return true;
}

static bool
read_verified(const struct options *o)
{
	return json_get_bool_or(o->json, "verified", false, &o->out->verified,
	    FAULT_INVALID_OPTION, o->fault);
}

static bool
read_fallbacks(const struct options *o)
{
	return json_get_bool_or(o->json, "allow_fallbacks", true,
	    &o->out->allow_fallbacks, FAULT_INVALID_OPTION, o->fault);
}

static bool
read_explain(const struct options *o)
{
	return json_get_bool_or(o->json, "explain", false, &o->out->explain,
	    FAULT_INVALID_OPTION, o->fault);
}

static bool
read_timeouts(const struct options *o)
{
	const struct query_timeouts *least = &o->bounds->least;
	const struct query_timeouts *most = &o->bounds->most;
	struct query_timeouts *t = &o->out->timeouts;
	const json_t *given;
	const char *name;
	json_t *ignored;

	if (!json_get_object_or(
		o->json, "timeouts", &given, FAULT_INVALID_OPTION, o->fault))
		return false;
	if (given == NULL)
		return true;
	json_object_foreach((json_t *)(uintptr_t)given, name, ignored)
	{
		if (strcmp(name, "first_byte_ms") != 0 &&
		    strcmp(name, "stall_ms") != 0 &&
		    strcmp(name, "total_ms") != 0)
			return fault_set(o->fault, FAULT_INVALID_OPTION,
			    "options.timeouts has no member %.60s", name);
	}
	return json_get_int_or(given, "first_byte_ms", least->first_byte_ms,
		   most->first_byte_ms, t->first_byte_ms, &t->first_byte_ms,
		   FAULT_INVALID_OPTION, o->fault) &&
	       json_get_int_or(given, "stall_ms", least->stall_ms,
		   most->stall_ms, t->stall_ms, &t->stall_ms,
		   FAULT_INVALID_OPTION, o->fault) &&
	       json_get_int_or(given, "total_ms", least->total_ms,
		   most->total_ms, t->total_ms, &t->total_ms,
		   FAULT_INVALID_OPTION, o->fault);
}

static const struct option {
	const char *name;
	const char *param;
	bool (*read)(const struct options *o);
} option_table[] = {
    /* clang-format off */
	{"allow_fallbacks", "options.allow_fallbacks", read_fallbacks},
	{"explain",         "options.explain",         read_explain},
	{"ignore",          "options.ignore",          read_ignore},
	{"min_tier",        "options.min_tier",        read_min_tier},
	{"only",            "options.only",            read_only},
	{"order",           "options.order",           read_order},
	{"pool",            "options.pool",            read_pool},
	{"quantizations",   "options.quantizations",   read_quantizations},
	{"timeouts",        "options.timeouts",        read_timeouts},
	{"verified",        "options.verified",        read_verified},
    /* clang-format on */
};
#define OPTIONS (sizeof(option_table) / sizeof(option_table[0]))

static bool
is_option(const char *name)
{
	for (size_t i = 0; i < OPTIONS; i++) {
		if (strcmp(option_table[i].name, name) == 0)
			return true;
	}
	return false;
}

static bool
check_option_names(const struct options *o)
{
	const char *name;
	json_t *ignored;

	json_object_foreach((json_t *)(uintptr_t)o->json, name, ignored)
	{
		if (is_option(name))
			continue;
		(void)fault_set(o->fault, FAULT_INVALID_OPTION,
		    "options has no member %.60s", name);
		return at_fault(
		    o->out, arena_printf(o->arena, "options.%.60s", name));
	}
	return true;
}

static bool
read_options_of(const struct options *o)
{
	if (!json_is_object(o->json)) {
		(void)fault_set(
		    o->fault, FAULT_INVALID_OPTION, "options is not an object");
		return at_fault(o->out, "options");
	}
	if (!check_option_names(o))
		return false;
	for (size_t i = 0; i < OPTIONS; i++) {
		if (!option_table[i].read(o))
			return at_fault(o->out, option_table[i].param);
	}
	return true;
}

static void
options_default(const struct query_bounds *bounds, const struct principal *p,
    struct query *out)
{
	out->pools = principal_may_use_market(p) ? POOL_BOTH : POOL_WORKSPACE;
	out->is_workspace_only = principal_is_workspace_only(p);
	out->allow_fallbacks = true;
	out->timeouts = bounds->otherwise;
	if (!out->stream)
		out->timeouts.first_byte_ms = bounds->whole_ms;
}

bool
query_read_options(struct text json, const struct query_bounds *bounds,
    const struct principal *p, struct arena *a, struct query *out,
    struct fault *f)
{
	struct fault why;
	json_t *tree;
	bool ok;

	options_default(bounds, p, out);
	if (json.len == 0 || text_is(json, "null"))
		return true;
	if (!json_read(json, QUERY_OPTIONS_BYTES, &tree, &why)) {
		(void)fault_set(
		    f, FAULT_INVALID_OPTION, "options: %s", why.why);
		return at_fault(out, "options");
	}
	ok = read_options_of(&(struct options){tree, bounds, p, a, out, f});
	json_free(&tree);
	return ok;
}

/* ------------------------------------------------------------ the two forms */

static bool
read_name(struct query *q, struct text raw, const char *name, char *out,
    size_t size, bool *has, struct fault *f)
{
	*has = false;
	if (raw.len == 0)
		return true;
	if (*raw.at != '"') {
		(void)fault_set(
		    f, FAULT_INVALID_REQUEST, "%s is not a string", name);
		return at_fault(q, name);
	}
	if (!scan_string(raw, out, size, f))
		return at_fault(q, name);
	*has = true;
	return true;
}

static bool
read_stream(struct query *q, struct text raw, bool *out, struct fault *f)
{
	*out = false;
	if (raw.len == 0 || text_is(raw, "null"))
		return true;
	if (scan_bool(raw, out, NULL))
		return true;
	(void)fault_set(
	    f, FAULT_INVALID_REQUEST, "stream is not true or false");
	return at_fault(q, "stream");
}

static void
cut(struct query *q, struct text body, struct text around)
{
	if (around.len == 0) {
		q->body[0] = body;
		q->body[1] = (struct text){NULL, 0};
		return;
	}
	q->body[0] = (struct text){body.at, (size_t)(around.at - body.at)};
	q->body[1].at = around.at + around.len;
	q->body[1].len = body.len - q->body[0].len - around.len;
}

/* A private body goes on as it is: what would have to be cut out of it is
 * refused, so that nobody thinks it was heeded. */
static bool
keep_whole(const struct query_ask *ask, struct query *q, struct asked *x,
    struct text options, struct fault *f)
{
	if (options.len > 0) {
		(void)fault_set(f, FAULT_INVALID_OPTION,
		    "a private body goes on unchanged: give options in the "
		    "field x-assay-options");
		return at_fault(q, "options");
	}
	x->options = text_of(ask->options);
	cut(q, ask->body, (struct text){NULL, 0});
	return true;
}

/* What decides what a runtime answers with, whoever of us reads it. */
static const char *const decisive[] = {"encoding_format", "messages", "model",
    "options", "stream", "stream_options", "task"};

/* The long s and the kelvin sign fold into letters of ASCII. */
static void
fold(char *name)
{
	char *to = name;

	for (const char *at = name; *at != '\0';) {
		if (strncmp(at, "\xc5\xbf", 2) == 0) {
			*to++ = 's';
			at += 2;
		} else if (strncmp(at, "\xe2\x84\xaa", 3) == 0) {
			*to++ = 'k';
			at += 3;
		} else {
			*to++ = *at++;
		}
	}
	*to = '\0';
}

/* The decisive name that this one, quotes and all, is but for case. */
static const char *
twin_of(struct text raw)
{
	char name[64], folded[64];

	if (!scan_string(raw, name, sizeof(name), NULL))
		return NULL;
	memcpy(folded, name, sizeof(name));
	fold(folded);
	for (size_t i = 0; i < sizeof(decisive) / sizeof(*decisive); i++)
		if (strcasecmp(folded, decisive[i]) == 0)
			return strcmp(name, decisive[i]) == 0 ? NULL
							      : decisive[i];
	return NULL;
}

/* From the opening quote of a sound string to its closing one. */
static const char *
closing_quote(const char *at, const char *end)
{
	const char *before;

	do {
		at = memchr(at + 1, '"', (size_t)(end - at - 1));
		before = at - 1;
		while (*before == '\\')
			before--;
	} while ((at - before) % 2 == 0);
	return at;
}

/* Some runtimes read "STREAM" as "stream": they would do what the query does
 * not say, and be blamed for it. The body is known to be sound JSON. */
static bool
check_case(struct query *q, struct text body, struct fault *f)
{
	const char *end = body.at + body.len;
	size_t depth = 0;

	for (const char *at = body.at; at < end; at++) {
		const char *from = at, *twin = NULL;

		if (*at == '{' || *at == '[')
			depth++;
		else if (*at == '}' || *at == ']')
			depth--;
		if (*at != '"')
			continue;
		at = closing_quote(at, end);
		if (depth == 1)
			twin = twin_of(
			    (struct text){from, (size_t)(at + 1 - from)});
		if (twin == NULL || at[1 + strspn(at + 1, " \t\r\n")] != ':')
			continue;
		(void)fault_set(f, FAULT_INVALID_REQUEST,
		    "a member is %s but for its case", twin);
		return at_fault(q, twin);
	}
	return true;
}

/* Vectors as octets are no JSON. */
static bool
wants_octets(struct text encoding)
{
	return encoding.len > 0 && !text_is(encoding, "null") &&
	       !text_is(encoding, "\"float\"") &&
	       !text_is(encoding, "\"base64\"");
}

static bool
read_json_body(const struct query_ask *ask, struct query *q, struct asked *x,
    struct fault *f)
{
	enum { ENCODING, MODEL, OPTIONS_MEMBER, STREAM, TASK, MEMBERS };
	struct scan_member m[MEMBERS] = {
	    [ENCODING] = {.name = "encoding_format"},
	    [MODEL] = {.name = "model"},
	    [OPTIONS_MEMBER] = {.name = "options"},
	    [STREAM] = {.name = "stream"},
	    [TASK] = {.name = "task"},
	};

	if (!scan_object(ask->body, QUERY_DEPTH, m, MEMBERS, f) ||
	    !check_case(q, ask->body, f))
		return false;
	q->wants_octets = wants_octets(m[ENCODING].value);
	if (!read_name(q, m[MODEL].value, "model", x->model, sizeof(x->model),
		&x->has_model, f))
		return false;
	/* Where the path names the task, the body's `task` is not ours. */
	if (ask->task == NULL && !read_name(q, m[TASK].value, "task", x->task,
				     sizeof(x->task), &x->has_task, f))
		return false;
	if (!read_stream(q, m[STREAM].value, &x->stream, f))
		return false;
	if (ask->is_private)
		return keep_whole(ask, q, x, m[OPTIONS_MEMBER].value, f);
	x->options = m[OPTIONS_MEMBER].value;
	cut(q, ask->body, m[OPTIONS_MEMBER].around);
	return true;
}

static bool
store_part(struct query *q, const struct multipart_part *p, const char *name,
    char *out, size_t size, bool *has, struct fault *f)
{
	*has = false;
	if (p == NULL)
		return true;
	if (memchr(p->body.at, '\0', p->body.len) != NULL ||
	    !text_is_utf8(p->body) || !text_store(p->body, out, size)) {
		(void)fault_set(
		    f, FAULT_INVALID_REQUEST, "%s is not a short text", name);
		return at_fault(q, name);
	}
	*has = true;
	return true;
}

static bool
read_multipart_body(const struct query_ask *ask, struct query *q,
    struct asked *x, struct fault *f)
{
	struct multipart_part parts[MULTIPART_PARTS];
	const struct multipart_part *model, *options, *stream;
	struct text boundary;
	size_t count;

	if (!multipart_boundary(ask->content_type, &boundary, f) ||
	    !multipart_read(ask->body, boundary, parts, &count, f))
		return false;
	if (!multipart_find(parts, count, "model", &model, f))
		return at_fault(q, "model");
	if (!multipart_find(parts, count, "options", &options, f))
		return at_fault(q, "options");
	if (!multipart_find(parts, count, "stream", &stream, f))
		return at_fault(q, "stream");
	if (!store_part(q, model, "model", x->model, sizeof(x->model),
		&x->has_model, f))
		return false;
	if (stream != NULL && !read_stream(q, stream->body, &x->stream, f))
		return false;
	if (options != NULL && options->body.len == 0) {
		(void)fault_set(f, FAULT_INVALID_OPTION, "options is empty");
		return at_fault(q, "options");
	}
	if (options != NULL)
		x->options = options->body;
	cut(q, ask->body,
	    options != NULL ? options->around : (struct text){NULL, 0});
	return true;
}

/* --------------------------------------------------------------- the query */

static bool
is_json_type(const char *content_type)
{
	static const char wanted[] = "application/json";
	size_t len = sizeof(wanted) - 1;

	if (content_type == NULL)
		return true;
	return strncasecmp(content_type, wanted, len) == 0 &&
	       (content_type[len] == '\0' || content_type[len] == ';' ||
		   content_type[len] == ' ');
}

static bool
find_task(const struct query_ask *ask, const char *name, struct query *q,
    struct fault *f)
{
	q->task = catalog_task_find(ask->catalog, text_of(name));
	if (q->task != NULL)
		return true;
	(void)fault_set(f, FAULT_UNKNOWN_TASK, "there is no task %.60s", name);
	return at_fault(q, "task");
}

static bool
find_model(const struct query_ask *ask, const struct asked *x, struct query *q,
    struct fault *f)
{
	q->model = catalog_model_find(
	    ask->catalog, text_of(x->model), ask->principal->workspace);
	if (q->model == NULL || q->model->is_withdrawn) {
		(void)fault_set(f, FAULT_MODEL_NOT_FOUND,
		    "there is no model %.100s", x->model);
		return at_fault(q, "model");
	}
	if (!catalog_model_has_task(q->model, q->task->name)) {
		(void)fault_set(f, FAULT_MODEL_NOT_FOUND,
		    "model %.80s does not do the task %s", x->model,
		    q->task->name);
		return at_fault(q, "model");
	}
	return true;
}

static bool
missing(struct query *q, const char *name, struct fault *f)
{
	(void)fault_set(f, FAULT_INVALID_REQUEST, "%s is missing", name);
	return at_fault(q, name);
}

static bool
read_body(const struct query_ask *ask, struct query *q, struct asked *x,
    struct fault *f)
{
	if (ask->body.len == 0)
		return fault_set(f, FAULT_INVALID_JSON, "the body is empty");
	if (ask->content_encoding != NULL &&
	    strcasecmp(ask->content_encoding, "identity") != 0)
		return fault_set(f, FAULT_UNSUPPORTED_MEDIA_TYPE,
		    "the body must have no content-encoding");
	/* A task that is named in the body is named in JSON. */
	if (q->task != NULL && q->task->is_multipart)
		return read_multipart_body(ask, q, x, f);
	if (!is_json_type(ask->content_type))
		return fault_set(f, FAULT_UNSUPPORTED_MEDIA_TYPE,
		    "the body must be application/json");
	return read_json_body(ask, q, x, f);
}

/* A handoff is for the buyer's own workspace and nothing else. */
static bool
make_direct(struct query *q, struct fault *f)
{
	q->is_direct = true;
	if (q->pools == POOL_MARKETPLACE) {
		(void)fault_set(f, FAULT_INVALID_OPTION,
		    "a handoff is for providers of the own workspace");
		return at_fault(q, "options.pool");
	}
	q->pools = POOL_WORKSPACE;
	return true;
}

bool
query_make(const struct query_ask *ask, struct arena *a, struct query *out,
    struct fault *f)
{
	struct asked *x = arena_alloc(a, sizeof(*x));

	memset(out, 0, sizeof(*out));
	memcpy(
	    out->workspace, ask->principal->workspace, sizeof(out->workspace));
	if (!principal_may_infer(ask->principal))
		return fault_set(f, FAULT_INSUFFICIENT_SCOPES,
		    "this credential lacks lattice:compute:inference");
	if (ask->task != NULL && !find_task(ask, ask->task, out, f))
		return false;
	if (!read_body(ask, out, x, f))
		return false;
	if (ask->task == NULL) {
		if (!x->has_task)
			return missing(out, "task", f);
		if (!find_task(ask, x->task, out, f))
			return false;
	}
	if (!x->has_model)
		return missing(out, "model", f);
	out->stream = x->stream;
	if (!query_read_options(
		x->options, ask->bounds, ask->principal, a, out, f))
		return false;
	if (ask->is_direct && !make_direct(out, f))
		return false;
	out->verified |= ask->is_private;
	out->model_asked = x->model;
	if (out->stream && !principal_may_stream(ask->principal)) {
		(void)fault_set(f, FAULT_INSUFFICIENT_SCOPES,
		    "this credential lacks lattice:compute:streaming");
		return at_fault(out, "stream");
	}
	return find_model(ask, x, out, f);
}
