/* SPDX-License-Identifier: Apache-2.0 */
/* Paths, methods, and the key set with its cache headers. */
#include "auth/server/public.h"

#include <string.h>

#include "auth/server/reply.h"
#include "base/codec.h"

#define DEVICES "/v1/devices"
#define KEYS "/.well-known/jwks.json"

/* ------------------------------------------------------------------ the keys
 */

/* RFC 9110 section 13.1.2: a list of tags, or *. Weak tags count as equal. */
static bool
etag_matches(const char *list, const char *etag)
{
	return list != NULL &&
	       (strcmp(list, "*") == 0 || strstr(list, etag) != NULL);
}

static void
answer_keys(const struct house *h, struct http_request *r)
{
	const char *tag = keys_etag(h->keys);
	bool known =
	    etag_matches(http_fields_find(&r->fields, "if-none-match"), tag);
	struct evbuffer *body = evbuffer_new();
	struct http_fields fs = {0};

	metric_count(h->counters->keys_served, 0, 0, 0);
	http_fields_add(&fs, r->arena, "cache-control",
	    "public, max-age=300, stale-if-error=86400");
	http_fields_add(&fs, r->arena, "etag", tag);
	if (!known) {
		http_fields_add(
		    &fs, r->arena, "content-type", "application/json");
		evbuffer_add_printf(body, "%s", keys_jwks(h->keys));
	}
	http_reply_start(r, known ? 304 : 200, &fs);
	http_reply_body(r, body);
	http_reply_end(r);
	evbuffer_free(body);
	http_request_close(&r);
}

/* --------------------------------------------------------------------- paths
 */

bool
public_device_path(
    const char *path, char *did, size_t size, const char **action)
{
	static const char prefix[] = DEVICES "/";
	size_t skip = sizeof prefix - 1, len;
	const char *slash;

	if (strncmp(path, prefix, skip) != 0)
		return false;
	slash = strchr(path + skip, '/');
	if (slash == NULL || !percent_decode((struct text){path + skip,
						 (size_t)(slash - path) - skip},
				 did, size, &len))
		return false;
	*action = slash + 1;
	return text_is_did((struct text){did, len});
}

static void
refuse(struct http_request *r, enum fault_kind kind, const char *why)
{
	struct fault f;

	fault_set(&f, kind, "%s", why);
	reply_fault(&r, &f);
}

/* True for the right method; else the request is answered. RFC 9110 section
 * 9.3.2: HEAD is GET without the content, which the transport leaves out. */
static bool
takes(struct http_request *r, const char *method)
{
	if (strcmp(r->method, method) == 0 ||
	    (strcmp(method, "GET") == 0 && strcmp(r->method, "HEAD") == 0))
		return true;
	refuse(r, FAULT_METHOD_NOT_ALLOWED,
	    strcmp(method, "GET") == 0 ? "this is asked for with GET"
				       : "this is asked for with POST");
	return false;
}

void
public_answer(struct http_request *r, void *arg)
{
	struct public_door *d = arg;
	const char *action;
	char did[201];

	if (strcmp(r->path, KEYS) == 0) {
		if (takes(r, "GET"))
			answer_keys(d->house, r);
	} else if (strcmp(r->path, DEVICES) == 0) {
		if (takes(r, "POST"))
			enrol_device(d->enrolments, r);
	} else if (!public_device_path(r->path, did, sizeof did, &action)) {
		refuse(r, FAULT_NOT_FOUND, "there is no such path");
	} else if (strcmp(action, "renew") == 0) {
		if (takes(r, "POST"))
			renew_device(d->enrolments, r, did);
	} else if (strcmp(action, "did.json") == 0) {
		if (takes(r, "GET"))
			show_device(d->enrolments, r, did);
	} else {
		refuse(r, FAULT_NOT_FOUND, "there is no such path");
	}
}
