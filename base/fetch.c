/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl on our loop. Its callbacks only gather what came; what was gathered
 * is handed on when libcurl is off the stack, so that whoever is told may
 * cancel this call, or any other, from inside.
 */
#include "base/fetch.h"

#include <ctype.h>
#include <curl/curl.h>
#include <string.h>
#include <sys/queue.h>

#include "base/ask.h"
#include "base/mem.h"

#define CONNECT_MS 5000
#define CONNECTIONS 64
#define WINDOW (256 * 1024)
#define HEAD_BYTES (64 * 1024)

struct fetch_call {
	struct http_call call; /* first */
	TAILQ_ENTRY(fetch_call) entry;
	TAILQ_ENTRY(fetch_call) due_entry;
	struct fetch *fetch;
	CURL *easy;
	struct curl_slist *lines;
	struct arena *arena;
	struct evbuffer *body; /* ours to send; libcurl reads it in place */
	const struct http_events *events;
	void *arg;
	struct http_fields fields;
	size_t head_bytes;
	int status;
	bool head_came;
	bool head_told;
	struct evbuffer *came; /* not yet told */
	size_t held;	       /* told or not, not credited */
	bool paused;
	bool over;
	bool is_due;
	CURLcode result;
	char why[CURL_ERROR_SIZE];
};

TAILQ_HEAD(fetch_calls, fetch_call);

struct fetch {
	struct loop *loop;
	struct arena *arena;
	struct fetch_settings s;
	CURLM *multi;
	struct event *timer;
	struct fetch_calls calls;
	struct fetch_calls due; /* have something to tell */
	struct fetch_call *telling;
	struct pending *later;
};

struct watch {
	struct fetch *fetch;
	struct event *event;
};

static void tell_all(struct fetch *x);

/* -------------------------------------------------------------------- calls */

static void
call_free(struct fetch_call *c)
{
	struct fetch *x = c->fetch;

	if (x->telling == c)
		x->telling = NULL;
	TAILQ_REMOVE(&x->calls, c, entry);
	if (c->is_due)
		TAILQ_REMOVE(&x->due, c, due_entry);
	curl_multi_remove_handle(x->multi, c->easy);
	curl_easy_cleanup(c->easy);
	curl_slist_free_all(c->lines);
	evbuffer_free(c->body);
	evbuffer_free(c->came);
	arena_free(&c->arena);
	mem_free(c);
}

static void
call_is_due(struct fetch_call *c)
{
	if (c->is_due)
		return;
	c->is_due = true;
	TAILQ_INSERT_TAIL(&c->fetch->due, c, due_entry);
}

static void
on_later(void *arg)
{
	struct fetch *x = arg;

	x->later = NULL;
	tell_all(x);
}

static void
call_credit(struct http_call *call, size_t bytes)
{
	struct fetch_call *c = (struct fetch_call *)call;
	struct fetch *x = c->fetch;

	c->held -= bytes < c->held ? bytes : c->held;
	if (!c->paused || c->held > x->s.window / 2)
		return;
	c->paused = false;
	curl_easy_pause(c->easy, CURLPAUSE_CONT); /* may gather at once */
	if (c->is_due && x->later == NULL)
		x->later = loop_defer(x->loop, on_later, x);
}

static void
call_cancel(struct http_call *call)
{
	call_free((struct fetch_call *)call);
}

/* -------------------------------------------------- what libcurl calls (1/2)
 */

static size_t
on_body(char *at, size_t size, size_t count, void *arg)
{
	struct fetch_call *c = arg;
	size_t len = size * count;

	if (c->held >= c->fetch->s.window) {
		c->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	c->held += len;
	evbuffer_add(c->came, at, len);
	call_is_due(c);
	return len;
}

static void
take_status(struct fetch_call *c, const char *line, size_t len)
{
	const char *blank = memchr(line, ' ', len);
	size_t at = blank != NULL ? (size_t)(blank - line) + 1 : len;

	memset(&c->fields, 0, sizeof c->fields);
	c->status = 0;
	for (; at < len && isdigit((unsigned char)line[at]); at++)
		c->status = c->status * 10 + (line[at] - '0');
}

static void
take_field(struct fetch_call *c, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	char name[256];
	size_t name_len, i;

	if (colon == NULL || colon - line >= (ptrdiff_t)sizeof name)
		return;
	name_len = (size_t)(colon - line);
	for (i = 0; i < name_len; i++)
		name[i] = (char)tolower((unsigned char)line[i]);
	name[i] = '\0';
	line = colon + 1;
	len -= name_len + 1;
	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	while (len > 0 && strchr(" \t\r\n", line[len - 1]) != NULL)
		len--;
	/* A field that breaks the rules of http.h is dropped. */
	http_fields_add(
	    &c->fields, c->arena, name, arena_copy(c->arena, line, len));
}

static size_t
on_line(char *line, size_t size, size_t count, void *arg)
{
	struct fetch_call *c = arg;
	size_t len = size * count;

	c->head_bytes += len;
	if (c->head_bytes > HEAD_BYTES)
		return 0;
	if (c->head_came) /* trailers */
		return len;
	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		take_status(c, line, len);
	} else if (len <= 2) {
		c->head_came = c->status >= 200; /* not the interim ones */
		if (c->head_came)
			call_is_due(c);
	} else {
		take_field(c, line, len);
	}
	return len;
}

/* ------------------------------------------------------- telling the callers
 */

static enum fault_kind
kind_of(CURLcode result)
{
	switch ((int)result) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
		return FAULT_UNTRUSTED;
	case CURLE_OPERATION_TIMEDOUT:
		return FAULT_TIMEOUT;
	case CURLE_WRITE_ERROR: /* on_line gave up */
		return FAULT_LIMIT;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
		return FAULT_INVALID;
	default:
		return FAULT_UNAVAILABLE;
	}
}

static void
tell_end(struct fetch_call *c)
{
	const struct http_events *events = c->events;
	void *arg = c->arg;
	struct fault f = {0};
	bool whole = c->result == CURLE_OK && c->head_told;

	if (!whole)
		fault_set(&f, kind_of(c->result), "%s",
		    c->why[0] != '\0' ? c->why : curl_easy_strerror(c->result));
	call_free(c);
	events->on_end(arg, whole ? NULL : &f);
}

static void
tell(struct fetch_call *c)
{
	struct fetch *x = c->fetch;

	x->telling = c;
	if (c->head_came && !c->head_told) {
		c->head_told = true;
		c->events->on_head(c->arg, c->status, &c->fields);
	}
	if (x->telling == c && evbuffer_get_length(c->came) > 0)
		c->events->on_body(c->arg, c->came);
	if (x->telling == c && c->over)
		tell_end(c);
	x->telling = NULL;
}

static void
tell_all(struct fetch *x)
{
	struct fetch_call *c;

	while ((c = TAILQ_FIRST(&x->due)) != NULL) {
		TAILQ_REMOVE(&x->due, c, due_entry);
		c->is_due = false;
		tell(c);
	}
}

static void
gather_ends(struct fetch *x)
{
	struct fetch_call *c;
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(x->multi, &left)) != NULL) {
		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c);
		c->over = true;
		c->result = m->data.result;
		call_is_due(c);
	}
}

static void
act(struct fetch *x, curl_socket_t fd, int what)
{
	int running;

	curl_multi_socket_action(x->multi, fd, what, &running);
	gather_ends(x);
	tell_all(x);
}

/* -------------------------------------------------- what libcurl calls (2/2)
 */

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void
on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;

	act(w->fetch, (curl_socket_t)fd,
	    ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
		((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
}

static int
set_timer(CURLM *multi, long ms, void *arg)
{
	struct fetch *x = arg;
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	(void)multi;
	if (ms < 0)
		event_del(x->timer);
	else
		event_add(x->timer, &tv);
	return 0;
}

static int
set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
	struct fetch *x = arg;
	struct watch *w = assigned;
	short events = EV_PERSIST;

	(void)easy;
	if (w != NULL)
		event_free(w->event);
	if (what == CURL_POLL_REMOVE) {
		mem_free(w);
		curl_multi_assign(x->multi, fd, NULL);
		return 0;
	}
	if (w == NULL) {
		w = mem_new(sizeof *w);
		w->fetch = x;
		curl_multi_assign(x->multi, fd, w);
	}
	if (what != CURL_POLL_OUT)
		events |= EV_READ;
	if (what != CURL_POLL_IN)
		events |= EV_WRITE;
	w->event = event_new(loop_base(x->loop), fd, events, on_socket, w);
	event_add(w->event, NULL);
	return 0;
}

/* --------------------------------------------------------------------- life */

struct fetch *
fetch_new(struct loop *l, const struct fetch_settings *s)
{
	struct fetch *x = mem_new(sizeof *x);

	x->loop = l;
	x->arena = arena_new();
	x->s = *s;
	x->s.ca_file = arena_string(x->arena, s->ca_file);
	x->s.certificate_file = arena_string(x->arena, s->certificate_file);
	x->s.key_file = arena_string(x->arena, s->key_file);
	if (x->s.connect_ms == 0)
		x->s.connect_ms = CONNECT_MS;
	if (x->s.connections_per_host == 0)
		x->s.connections_per_host = CONNECTIONS;
	if (x->s.window == 0)
		x->s.window = WINDOW;
	TAILQ_INIT(&x->calls);
	TAILQ_INIT(&x->due);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	x->timer = event_new(loop_base(l), -1, 0, on_timer, x);
	x->multi = curl_multi_init();
	curl_multi_setopt(x->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
	curl_multi_setopt(x->multi, CURLMOPT_SOCKETDATA, x);
	curl_multi_setopt(x->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(x->multi, CURLMOPT_TIMERDATA, x);
	curl_multi_setopt(x->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
	    (long)x->s.connections_per_host);
	return x;
}

void
fetch_free(struct fetch **xp)
{
	struct fetch *x = *xp;

	if (x == NULL)
		return;
	while (!TAILQ_EMPTY(&x->calls))
		call_free(TAILQ_FIRST(&x->calls));
	curl_multi_cleanup(x->multi);
	curl_global_cleanup();
	pending_cancel(&x->later);
	event_free(x->timer);
	arena_free(&x->arena);
	mem_free(x);
	*xp = NULL;
}

static void
add_lines(struct fetch_call *c, const struct http_fields *fields)
{
	/* An empty value removes what libcurl would send by itself. */
	c->lines = curl_slist_append(c->lines, "Expect:");
	for (size_t i = 0; i < fields->count; i++)
		c->lines = curl_slist_append(c->lines,
		    arena_printf(c->arena,
			fields->at[i].value[0] != '\0' ? "%s: %s" : "%s;%s",
			fields->at[i].name, fields->at[i].value));
	if (http_fields_find(fields, "accept") == NULL)
		c->lines = curl_slist_append(c->lines, "Accept:");
	if (http_fields_find(fields, "content-type") == NULL)
		c->lines = curl_slist_append(c->lines, "Content-Type:");
	curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->lines);
}

static void
set_body(struct fetch_call *c, struct http_outgoing *o)
{
	size_t len;

	if (o->body == NULL)
		return;
	evbuffer_add_buffer(c->body, o->body);
	len = evbuffer_get_length(c->body);
	curl_easy_setopt(c->easy, CURLOPT_POST, 1L);
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS,
	    len > 0 ? (const char *)evbuffer_pullup(c->body, -1) : "");
}

static void
set_options(struct fetch_call *c, const struct fetch_settings *s)
{
	curl_easy_setopt(c->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(
	    c->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(
	    c->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(c->easy, CURLOPT_PROXY, "");
	curl_easy_setopt(
	    c->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)s->connect_ms);
	if (s->ca_file != NULL) {
		curl_easy_setopt(c->easy, CURLOPT_CAINFO, s->ca_file);
		curl_easy_setopt(c->easy, CURLOPT_CAPATH, NULL);
	}
	if (s->certificate_file != NULL) {
		curl_easy_setopt(c->easy, CURLOPT_SSLCERT, s->certificate_file);
		curl_easy_setopt(c->easy, CURLOPT_SSLKEY, s->key_file);
	}
	curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(c->easy, CURLOPT_HEADERFUNCTION, on_line);
	curl_easy_setopt(c->easy, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, c->why);
	curl_easy_setopt(c->easy, CURLOPT_PRIVATE, c);
}

struct http_call *
fetch_call(struct fetch *x, struct http_outgoing *o,
    const struct http_events *events, void *arg, struct fault *f)
{
	struct fetch_call *c;
	CURLU *url = curl_url();
	CURLUcode bad = curl_url_set(url, CURLUPART_URL, o->path, 0);

	curl_url_cleanup(url);
	if (bad != CURLUE_OK) {
		fault_set(f, FAULT_INVALID, "\"%.100s\" is not a URL: %s",
		    o->path, curl_url_strerror(bad));
		return NULL;
	}
	c = mem_new(sizeof *c);
	c->call = (struct http_call){call_credit, call_cancel};
	c->fetch = x;
	c->arena = arena_new();
	c->body = evbuffer_new();
	c->came = evbuffer_new();
	c->events = events;
	c->arg = arg;
	c->easy = curl_easy_init();
	curl_easy_setopt(c->easy, CURLOPT_URL, o->path);
	set_options(c, &x->s);
	set_body(c, o);
	if (strcmp(o->method, "HEAD") == 0)
		curl_easy_setopt(c->easy, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, o->method);
	add_lines(c, &o->fields);
	TAILQ_INSERT_TAIL(&x->calls, c, entry);
	curl_multi_add_handle(x->multi, c->easy);
	return &c->call;
}

struct pending *
fetch_ask(struct fetch *x, struct http_outgoing *o, size_t max,
    int64_t within_ms,
    void (*fn)(
	void *arg, const struct http_answer *answer, const struct fault *f),
    void *arg)
{
	struct ask *a = ask_new(x->loop, max, within_ms, fn, arg);
	struct fault f = {0};

	return ask_begin(a, fetch_call(x, o, &ask_events, a, &f), &f);
}
