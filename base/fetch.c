/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's multi interface on the loop. curl asks for sockets and one timer
 * to be watched; what comes is put on the call's struct, and a deferred turn
 * gives it to the caller, on top of the stack: curl can not be called from
 * its own callbacks. Back-pressure: a call that holds a window's worth of
 * uncredited bytes is paused.
 */
#include "base/fetch.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "base/ask.h"
#include "base/text.h"

enum {
	CONNECT_MS = 5000,
	PER_HOST = 64,
	WINDOW = 256 * 1024,
	HEAD_BYTES = 64 * 1024,
	URL_BYTES = 8 * 1024
};

struct watched {
	LIST_ENTRY(watched) entry;
	struct event *event;
	struct fetch *fetch;
};

struct fetching {
	struct http_call call; /* first */
	TAILQ_ENTRY(fetching) entry;
	TAILQ_ENTRY(fetching) ready_entry;
	struct fetch *fetch;
	CURL *easy;
	struct curl_slist *fields_out;
	struct evbuffer *out;
	struct evbuffer *in;
	struct arena *arena;
	struct http_fields fields;
	int status;
	size_t head_bytes;
	size_t unread;
	struct http_events events;
	void *arg;
	struct fault why;
	char error[CURL_ERROR_SIZE];
	bool is_ready;
	bool head_due, head_done, ended, paused;
	bool in_callback, dead;
};

struct fetch {
	struct loop *loop;
	CURLM *multi;
	char *ca_file, *certificate_file, *key_file;
	int64_t connect_ms;
	size_t window;
	struct timer *timer;
	struct pending *turn;
	struct pending *at_end;
	LIST_HEAD(, watched) sockets;
	TAILQ_HEAD(, fetching) calls;
	TAILQ_HEAD(, fetching) ready;
	bool in_turn;
	bool freed;
};

static void call_free(struct fetching *c);

/* ------------------------------------------------------ giving out events */

static void
finish(struct fetching *c)
{
	struct http_events events = c->events;
	void *arg = c->arg;
	struct fault why = c->why;

	c->in_callback = false;
	call_free(c);
	events.on_end(arg, why.kind == FAULT_NONE ? NULL : &why);
}

static void
give_out(struct fetching *c)
{
	c->in_callback = true;
	if (c->head_due) {
		c->head_due = false;
		c->events.on_head(c->arg, c->status, &c->fields);
	}
	if (!c->dead && c->head_done && evbuffer_get_length(c->in) > 0)
		c->events.on_body(c->arg, c->in);
	if (!c->dead && c->ended) {
		finish(c);
		return;
	}
	c->in_callback = false;
	if (c->dead)
		call_free(c);
}

static void
fetch_destroy(struct fetch *x)
{
	struct watched *w;

	curl_multi_cleanup(x->multi);
	curl_global_cleanup();
	while ((w = LIST_FIRST(&x->sockets)) != NULL) {
		LIST_REMOVE(w, entry);
		event_free(w->event);
		mem_free(w);
	}
	pending_cancel(&x->turn);
	pending_cancel(&x->at_end);
	timer_free(&x->timer);
	mem_free(x->ca_file);
	mem_free(x->certificate_file);
	mem_free(x->key_file);
	mem_free(x);
}

static void
on_turn(void *arg)
{
	struct fetch *x = arg;
	struct fetching *c;

	x->turn = NULL;
	x->in_turn = true;
	while ((c = TAILQ_FIRST(&x->ready)) != NULL) {
		TAILQ_REMOVE(&x->ready, c, ready_entry);
		c->is_ready = false;
		give_out(c);
	}
	x->in_turn = false;
	if (x->freed)
		fetch_destroy(x);
}

static void
make_ready(struct fetching *c)
{
	struct fetch *x = c->fetch;

	if (!c->is_ready && !c->dead) {
		c->is_ready = true;
		TAILQ_INSERT_TAIL(&x->ready, c, ready_entry);
	}
	if (x->turn == NULL)
		x->turn = loop_defer(x->loop, on_turn, x);
}

/* ------------------------------------------------------- curl and the loop */

static void
fault_of_curl(struct fetching *c, CURLcode code)
{
	const char *why =
	    c->error[0] != '\0' ? c->error : curl_easy_strerror(code);
	enum fault_kind kind = FAULT_UNAVAILABLE;

	if (c->why.kind != FAULT_NONE)
		return;
	if (code == CURLE_OPERATION_TIMEDOUT)
		kind = FAULT_TIMEOUT;
	else if (code == CURLE_PEER_FAILED_VERIFICATION ||
		 code == CURLE_SSL_CERTPROBLEM ||
		 code == CURLE_SSL_ISSUER_ERROR)
		kind = FAULT_UNTRUSTED;
	else if (c->head_done)
		kind = FAULT_TRUNCATED;
	fault_set(&c->why, kind, "%s", why);
}

static void
reap(struct fetch *x)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(x->multi, &left)) != NULL) {
		struct fetching *c = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(
		    m->easy_handle, CURLINFO_PRIVATE, (char **)(void *)&c);
		if (m->data.result != CURLE_OK)
			fault_of_curl(c, m->data.result);
		else if (!c->head_done)
			fault_set(&c->why, FAULT_UNAVAILABLE, "no reply came");
		c->ended = true;
		make_ready(c);
	}
}

static void
on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct watched *w = arg;
	struct fetch *x = w->fetch;
	int flags = ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
		    ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0);
	int running;

	curl_multi_socket_action(x->multi, fd, flags, &running);
	reap(x);
}

static void
on_timer(void *arg)
{
	struct fetch *x = arg;
	int running;

	curl_multi_socket_action(x->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	reap(x);
}

static int
watch_timer(CURLM *multi, long in_ms, void *arg)
{
	struct fetch *x = arg;

	(void)multi;
	if (in_ms < 0)
		timer_stop(x->timer);
	else
		timer_start(x->timer, in_ms);
	return 0;
}

static void
unwatch(struct fetch *x, curl_socket_t fd, struct watched *w)
{
	if (w == NULL)
		return;
	curl_multi_assign(x->multi, fd, NULL);
	LIST_REMOVE(w, entry);
	event_free(w->event);
	mem_free(w);
}

static int
watch_socket(
    CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct fetch *x = arg;
	struct watched *w = socket_arg;
	short events = EV_PERSIST;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		unwatch(x, fd, w);
		return 0;
	}
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		events |= EV_READ;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		events |= EV_WRITE;
	if (w == NULL) {
		w = mem_new(sizeof *w);
		w->fetch = x;
		LIST_INSERT_HEAD(&x->sockets, w, entry);
		curl_multi_assign(x->multi, fd, w);
	} else {
		event_free(w->event);
	}
	w->event = event_new(loop_base(x->loop), fd, events, on_socket, w);
	assert(w->event != NULL);
	event_add(w->event, NULL);
	return 0;
}

/* ---------------------------------------------------- what curl calls with */

static size_t
on_body(char *at, size_t size, size_t count, void *arg)
{
	struct fetching *c = arg;
	size_t n = size * count;

	if (c->why.kind != FAULT_NONE)
		return 0;
	if (c->unread >= c->fetch->window) {
		c->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	evbuffer_add(c->in, at, n);
	c->unread += n;
	make_ready(c);
	return n;
}

static void
got_status(struct fetching *c)
{
	long status = 0;

	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	c->status = (int)status;
	if (status < 200) {
		memset(&c->fields, 0, sizeof c->fields); /* informational */
		return;
	}
	c->head_done = c->head_due = true;
	make_ready(c);
}

static bool
got_field(struct fetching *c, char *line, size_t len)
{
	char *colon = memchr(line, ':', len);
	size_t name_len = colon == NULL ? 0 : (size_t)(colon - line);
	char *value = colon == NULL ? NULL : colon + 1;

	if (colon == NULL)
		return false;
	for (size_t i = 0; i < name_len; i++)
		if (line[i] >= 'A' && line[i] <= 'Z')
			line[i] = (char)(line[i] + 32);
	while (value < line + len && (*value == ' ' || *value == '\t'))
		value++;
	len -= (size_t)(value - line);
	while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		len--;
	return http_fields_add_len(
	    &c->fields, c->arena, line, name_len, value, len);
}

static size_t
on_header(char *at, size_t size, size_t count, void *arg)
{
	struct fetching *c = arg;
	size_t n = size * count;
	size_t len = n;
	char *line;

	c->head_bytes += n;
	if (c->head_bytes > HEAD_BYTES) {
		fault_set(&c->why, FAULT_LIMIT, "reply's head over %d bytes",
		    HEAD_BYTES);
		return 0;
	}
	if (c->head_done)
		return n; /* trailers */
	while (len > 0 && (at[len - 1] == '\r' || at[len - 1] == '\n'))
		len--;
	if (len == 0) {
		got_status(c);
		return n;
	}
	if (len >= 5 && memcmp(at, "HTTP/", 5) == 0 &&
	    memchr(at, ':', len) == NULL) {
		memset(&c->fields, 0, sizeof c->fields);
		return n;
	}
	line = arena_copy(c->arena, at, len);
	if (!got_field(c, line, len)) {
		fault_set(
		    &c->why, FAULT_INVALID, "reply has a malformed field");
		return 0;
	}
	return n;
}

/* ------------------------------------------------------------------ calls */

/* Done with curl; the struct may live on. */
static void
detach(struct fetching *c)
{
	if (c->easy == NULL)
		return;
	curl_multi_remove_handle(c->fetch->multi, c->easy);
	curl_easy_cleanup(c->easy);
	c->easy = NULL;
}

static void
call_free(struct fetching *c)
{
	detach(c);
	if (!c->dead)
		TAILQ_REMOVE(&c->fetch->calls, c, entry);
	if (c->is_ready)
		TAILQ_REMOVE(&c->fetch->ready, c, ready_entry);
	c->is_ready = false;
	c->dead = true;
	if (c->in_callback)
		return;
	curl_slist_free_all(c->fields_out);
	evbuffer_free(c->out);
	evbuffer_free(c->in);
	arena_free(&c->arena);
	mem_free(c);
}

static void
call_cancel(struct http_call *call)
{
	call_free((struct fetching *)call);
}

static void
call_credit(struct http_call *call, size_t bytes)
{
	struct fetching *c = (struct fetching *)call;

	assert(bytes <= c->unread);
	c->unread -= bytes;
	if (c->paused && !c->ended && c->easy != NULL &&
	    c->unread < c->fetch->window / 2 + 1) {
		c->paused = false;
		/* Delivers at once what curl held back: only into c->in. */
		curl_easy_pause(c->easy, CURLPAUSE_CONT);
	}
}

static bool
is_transports(const char *name)
{
	return strcmp(name, "content-length") == 0 ||
	       strcmp(name, "transfer-encoding") == 0 ||
	       strcmp(name, "connection") == 0;
}

static void
add_fields(struct fetching *c, const struct http_fields *fs)
{
	/* curl's own additions: no waiting for 100, no form encoding. */
	c->fields_out = curl_slist_append(c->fields_out, "Expect:");
	if (http_fields_find(fs, "content-type") == NULL)
		c->fields_out =
		    curl_slist_append(c->fields_out, "Content-Type:");
	if (http_fields_find(fs, "accept") == NULL)
		c->fields_out = curl_slist_append(c->fields_out, "Accept:");
	for (size_t i = 0; i < fs->count; i++) {
		const char *value = fs->at[i].value;

		if (is_transports(fs->at[i].name))
			continue;
		/* "name;" is how curl is told of an empty value. */
		c->fields_out = curl_slist_append(c->fields_out,
		    arena_printf(c->arena, "%s%s%s", fs->at[i].name,
			value[0] == '\0' ? ";" : ": ", value));
	}
	curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->fields_out);
}

static void
add_body(struct fetching *c, struct http_outgoing *o)
{
	if (strcmp(o->method, "HEAD") == 0) {
		curl_easy_setopt(c->easy, CURLOPT_NOBODY, 1L);
		return;
	}
	if (o->body == NULL && strcmp(o->method, "GET") == 0)
		return;
	if (o->body != NULL)
		evbuffer_add_buffer(c->out, o->body);
	curl_easy_setopt(c->easy, CURLOPT_POST, 1L);
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE,
	    (curl_off_t)evbuffer_get_length(c->out));
	/* In one piece, so that curl can send it again where a kept
	 * connection turns out to be closed. It borrows the bytes. */
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS,
	    evbuffer_get_length(c->out) == 0
		? ""
		: (const char *)evbuffer_pullup(c->out, -1));
	curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, o->method);
}

static void
set_up(struct fetching *c, const char *url)
{
	const struct fetch *x = c->fetch;
	CURL *e = c->easy;

	curl_easy_setopt(e, CURLOPT_URL, url);
	curl_easy_setopt(e, CURLOPT_PRIVATE, c);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->error);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 0L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)x->connect_ms);
	curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(e, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, c);
	if (x->ca_file != NULL) {
		curl_easy_setopt(e, CURLOPT_CAINFO, x->ca_file);
		curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	}
	if (x->certificate_file != NULL) {
		curl_easy_setopt(e, CURLOPT_SSLCERT, x->certificate_file);
		curl_easy_setopt(e, CURLOPT_SSLKEY, x->key_file);
	}
}

static bool
url_is_good(const char *url, struct fault *f)
{
	CURLU *u = curl_url();
	char *scheme = NULL;
	char *host = NULL;
	bool good =
	    u != NULL && strlen(url) <= URL_BYTES &&
	    curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER) ==
		CURLUE_OK &&
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);

	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(u);
	return good || fault_set(f, FAULT_INVALID,
			   "\"%.120s\" is no http or https URL", url);
}

struct http_call *
fetch_call(struct fetch *x, struct http_outgoing *o,
    const struct http_events *events, void *arg, struct fault *f)
{
	struct fetching *c;

	if (!url_is_good(o->path, f))
		return NULL;
	c = mem_new(sizeof *c);
	c->call.credit = call_credit;
	c->call.cancel = call_cancel;
	c->fetch = x;
	c->events = *events;
	c->arg = arg;
	c->out = evbuffer_new();
	c->in = evbuffer_new();
	c->arena = arena_new();
	c->easy = curl_easy_init();
	assert(c->out != NULL && c->in != NULL && c->easy != NULL);
	TAILQ_INSERT_TAIL(&x->calls, c, entry);
	set_up(c, o->path);
	add_body(c, o);
	add_fields(c, &o->fields);
	/* Sets the timer to now; nothing is done before the next turn. */
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
	struct fault f;
	struct http_call *c = fetch_call(x, o, &ask_events, a, &f);

	return ask_begin(a, c, &f);
}

struct fetch *
fetch_new(struct loop *l, const struct fetch_settings *s)
{
	struct fetch *x = mem_new(sizeof *x);
	long per_host =
	    s->connections_per_host > 0 ? s->connections_per_host : PER_HOST;

	curl_global_init(CURL_GLOBAL_DEFAULT); /* counts its callers */
	x->loop = l;
	x->multi = curl_multi_init();
	assert(x->multi != NULL);
	x->ca_file = mem_string(s->ca_file);
	x->certificate_file = mem_string(s->certificate_file);
	x->key_file = mem_string(s->key_file);
	x->connect_ms = s->connect_ms > 0 ? s->connect_ms : CONNECT_MS;
	x->window = s->window > 0 ? s->window : WINDOW;
	x->timer = timer_new(l, on_timer, x);
	LIST_INIT(&x->sockets);
	TAILQ_INIT(&x->calls);
	TAILQ_INIT(&x->ready);
	curl_multi_setopt(x->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(x->multi, CURLMOPT_SOCKETDATA, x);
	curl_multi_setopt(x->multi, CURLMOPT_TIMERFUNCTION, watch_timer);
	curl_multi_setopt(x->multi, CURLMOPT_TIMERDATA, x);
	curl_multi_setopt(x->multi, CURLMOPT_MAX_HOST_CONNECTIONS, per_host);
	curl_multi_setopt(x->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	return x;
}

static void
on_loop_end(void *arg)
{
	struct fetch *x = arg;

	x->at_end = NULL;
	pending_cancel(&x->turn);
	on_turn(x);
}

void
fetch_free(struct fetch **xp)
{
	struct fetch *x = *xp;
	struct fetching *c;

	if (x == NULL)
		return;
	*xp = NULL;
	x->freed = true;
	TAILQ_FOREACH(c, &x->calls, entry)
	{
		detach(c);
		if (c->why.kind == FAULT_NONE && !c->ended)
			fault_set(&c->why, FAULT_UNAVAILABLE, "closed by us");
		c->ended = true;
		make_ready(c);
	}
	timer_stop(x->timer);
	if (x->turn == NULL)
		x->turn = loop_defer(x->loop, on_turn, x);
	x->at_end = loop_at_end(x->loop, on_loop_end, x);
}
