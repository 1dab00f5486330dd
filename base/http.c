/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of HTTP that every transport shares: field lists whose contents
 * can not split a message, and the calls that go on to the transport.
 */
#include "base/http.h"

#include <assert.h>
#include <string.h>

/* RFC 9110 section 5.6.2, lower case only (RFC 9113 section 8.2.1). */
static bool
is_token_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool
http_name_is_good(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_token_char((unsigned char)name[i]))
			return false;
	return len > 0;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool
http_value_is_good(const char *value, size_t len)
{
	if (len > 0 && (is_blank(value[0]) || is_blank(value[len - 1])))
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)value[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* The arena has no resize: the list doubles, the old one waits for the
 * arena's end. */
static void
make_room(struct http_fields *fs, struct arena *a)
{
	size_t room = fs->room == 0 ? 16 : fs->room * 2;
	struct http_field *at;

	if (fs->count < fs->room)
		return;
	at = arena_alloc(a, room * sizeof *at);
	if (fs->count > 0)
		memcpy(at, fs->at, fs->count * sizeof *at);
	fs->at = at;
	fs->room = room;
}

bool
http_fields_add(struct http_fields *fs, struct arena *a, const char *name,
    const char *value)
{
	return http_fields_add_len(
	    fs, a, name, strlen(name), value, strlen(value));
}

bool
http_fields_add_len(struct http_fields *fs, struct arena *a, const char *name,
    size_t name_len, const char *value, size_t value_len)
{
	if (!http_name_is_good(name, name_len) ||
	    !http_value_is_good(value, value_len))
		return false;
	make_room(fs, a);
	fs->at[fs->count].name = arena_copy(a, name, name_len);
	fs->at[fs->count].value = arena_copy(a, value, value_len);
	fs->count++;
	return true;
}

const char *
http_fields_find(const struct http_fields *fs, const char *name)
{
	for (size_t i = 0; i < fs->count; i++)
		if (strcmp(fs->at[i].name, name) == 0)
			return fs->at[i].value;
	return NULL;
}

size_t
http_fields_count(const struct http_fields *fs, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < fs->count; i++)
		if (strcmp(fs->at[i].name, name) == 0)
			n++;
	return n;
}

void
http_request_watch(
    struct http_request *r, const struct http_watch *w, void *arg)
{
	r->transport->watch(r, w, arg);
}

void
http_reply_start(
    struct http_request *r, int status, const struct http_fields *fields)
{
	assert(status >= 200 && status <= 599);
	r->transport->start(r, status, fields);
}

void
http_reply_body(struct http_request *r, struct evbuffer *data)
{
	r->transport->body(r, data);
}

size_t
http_reply_backlog(const struct http_request *r)
{
	return r->transport->backlog(r);
}

void
http_reply_end(struct http_request *r)
{
	r->transport->end(r);
}

void
http_request_close(struct http_request **rp)
{
	struct http_request *r = *rp;

	*rp = NULL;
	if (r != NULL)
		r->transport->close(r);
}

void
http_reply_text(struct http_request **rp, int status, const char *content_type,
    const char *body)
{
	struct http_request *r = *rp;
	struct http_fields fields = {0};
	struct evbuffer *data = evbuffer_new();

	assert(data != NULL);
	http_fields_add(&fields, r->arena, "content-type", content_type);
	evbuffer_add(data, body, strlen(body));
	http_reply_start(r, status, &fields);
	http_reply_body(r, data);
	http_reply_end(r);
	evbuffer_free(data);
	http_request_close(rp);
}

void
http_call_credit(struct http_call *c, size_t bytes)
{
	if (bytes > 0)
		c->credit(c, bytes);
}

void
http_call_cancel(struct http_call **cp)
{
	struct http_call *c = *cp;

	*cp = NULL;
	if (c != NULL)
		c->cancel(c);
}
