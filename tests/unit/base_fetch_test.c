/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outside HTTP client against our own server on 127.0.0.1, and the three
 * promises of waiting.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/fetch.h"
#include "base/server.h"
#include "tests/unit/certificates.h"

struct world {
	struct loop *loop;
	struct log log;
	struct server *server;
	struct fetch *fetch;
	struct timer *patience;
	struct http_request *held;
	unsigned gone;
	bool tls;
	/* an answer */
	unsigned answers;
	int status;
	char body[128];
	struct fault why;
	/* a call */
	struct http_call *call;
	size_t got;
	bool keep, ended;
	bool cancel_in_head, cancel_in_body;
};

static void
on_patience(void *arg)
{
	(void)arg;
	fail_msg("the test waited too long");
}

static void
on_gone(void *arg)
{
	((struct world *)arg)->gone++;
}

static const struct http_watch watching = {NULL, on_gone};

static void
handle(struct http_request *r, void *arg)
{
	struct world *w = arg;
	const char *kind = http_fields_find(&r->fields, "content-type");
	size_t n = evbuffer_get_length(r->body);
	char text[128];

	if (strcmp(r->path, "/hold") == 0) {
		w->held = r;
		http_request_watch(r, &watching, w);
		return;
	}
	if (strcmp(r->path, "/cut") == 0) {
		struct evbuffer *b = evbuffer_new();

		http_reply_start(r, 200, NULL);
		evbuffer_add(b, "half", 4);
		http_reply_body(r, b);
		evbuffer_free(b);
		http_request_close(&r);
		return;
	}
	snprintf(text, sizeof text, "%s %zu %s", r->method, n,
	    kind == NULL ? "none" : kind);
	http_reply_text(&r, 201, "text/plain", text);
}

static void
make(struct world *w, SSL_CTX *tls, const struct fetch_settings *settings)
{
	struct server_limits limits;
	struct fault f;

	server_limits_default(&limits);
	w->server = server_new(
	    w->loop, "127.0.0.1:0", tls, &limits, handle, w, &w->log, &f);
	if (w->server == NULL)
		fail_msg("%s", f.why);
	w->tls = tls != NULL;
	w->fetch = fetch_new(w->loop, settings);
}

static int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	w->loop = loop_new();
	log_init(&w->log, "test", LOG_ERROR_);
	w->patience = timer_new(w->loop, on_patience, NULL);
	timer_start(w->patience, 20000);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	http_request_close(&w->held);
	fetch_free(&w->fetch);
	server_free(&w->server);
	timer_free(&w->patience);
	loop_free(&w->loop);
	free(w);
	return 0;
}

static void
turn(struct world *w)
{
	event_base_loop(loop_base(w->loop), EVLOOP_ONCE);
}

static const char *
url(struct world *w, const char *host, const char *path)
{
	static char out[256];

	snprintf(out, sizeof out, "http%s://%s:%u%s", w->tls ? "s" : "", host,
	    server_port(w->server), path);
	return out;
}

static void
on_answer(void *arg, const struct http_answer *a, const struct fault *f)
{
	struct world *w = arg;

	w->answers++;
	assert_true((a == NULL) != (f == NULL));
	if (f != NULL) {
		w->why = *f;
		return;
	}
	w->status = a->status;
	assert_int_equal(a->body[a->body_len], '\0');
	snprintf(w->body, sizeof w->body, "%s", a->body);
}

static struct pending *
ask(struct world *w, const char *method, const char *target,
    struct evbuffer *body, size_t max, int64_t within_ms)
{
	struct http_outgoing o = {
	    .method = method, .path = target, .body = body};
	struct pending *p =
	    fetch_ask(w->fetch, &o, max, within_ms, on_answer, w);

	assert_int_equal(w->answers, 0); /* never at once */
	return p;
}

static void
until_answered(struct world *w)
{
	while (w->answers == 0)
		turn(w);
	for (int i = 0; i < 5; i++)
		event_base_loop(loop_base(w->loop), EVLOOP_NONBLOCK);
	assert_int_equal(w->answers, 1); /* exactly once */
	w->answers = 0;
}

static void
test_asking(void **state)
{
	struct world *w = *state;
	struct evbuffer *b = evbuffer_new();

	make(w, NULL, &(struct fetch_settings){0});
	ask(w, "GET", url(w, "127.0.0.1", "/x"), NULL, 100, 5000);
	until_answered(w);
	assert_int_equal(w->status, 201);
	assert_string_equal(w->body, "GET 0 none");
	evbuffer_add(b, "12345", 5);
	ask(w, "POST", url(w, "127.0.0.1", "/x"), b, 100, 5000);
	until_answered(w);
	assert_string_equal(w->body, "POST 5 none");
	ask(w, "DELETE", url(w, "127.0.0.1", "/x"), NULL, 100, 5000);
	until_answered(w);
	assert_string_equal(w->body, "DELETE 0 none");
	evbuffer_free(b);
}

static void
test_bad_url_is_answered_later(void **state)
{
	struct world *w = *state;

	make(w, NULL, &(struct fetch_settings){0});
	ask(w, "GET", "ftp://127.0.0.1/x", NULL, 100, 5000);
	until_answered(w);
	assert_int_equal(w->why.kind, FAULT_INVALID);
	assert_string_equal(
	    w->why.why, "\"ftp://127.0.0.1/x\" is no http or https URL");
}

static void
test_cancelled_is_silent(void **state)
{
	struct world *w = *state;
	struct pending *p;

	make(w, NULL, &(struct fetch_settings){0});
	p = ask(w, "GET", "no url", NULL, 100, 5000);
	pending_cancel(&p);
	p = ask(w, "GET", url(w, "127.0.0.1", "/hold"), NULL, 100, 5000);
	while (w->held == NULL)
		turn(w);
	pending_cancel(&p);
	assert_null(p);
	while (w->gone == 0) /* the server sees us leave */
		turn(w);
	assert_int_equal(w->answers, 0);
}

static void
test_limits(void **state)
{
	struct world *w = *state;

	make(w, NULL, &(struct fetch_settings){0});
	ask(w, "GET", url(w, "127.0.0.1", "/x"), NULL, 9, 5000);
	until_answered(w);
	assert_int_equal(w->why.kind, FAULT_LIMIT);
	ask(w, "GET", url(w, "127.0.0.1", "/hold"), NULL, 100, 50);
	until_answered(w);
	assert_int_equal(w->why.kind, FAULT_TIMEOUT);
}

static void
test_cut_reply_is_a_fault(void **state)
{
	struct world *w = *state;

	make(w, NULL, &(struct fetch_settings){0});
	ask(w, "GET", url(w, "127.0.0.1", "/cut"), NULL, 100, 5000);
	until_answered(w);
	assert_int_equal(w->why.kind, FAULT_TRUNCATED);
}

static void
test_nobody_there(void **state)
{
	struct world *w = *state;

	make(w, NULL, &(struct fetch_settings){0});
	ask(w, "GET", "http://127.0.0.1:1/", NULL, 100, 5000);
	until_answered(w);
	assert_int_equal(w->why.kind, FAULT_UNAVAILABLE);
}

static void
test_freed_while_asking(void **state)
{
	struct world *w = *state;

	make(w, NULL, &(struct fetch_settings){0});
	ask(w, "GET", url(w, "127.0.0.1", "/hold"), NULL, 100, 5000);
	while (w->held == NULL)
		turn(w);
	fetch_free(&w->fetch);
	assert_int_equal(w->answers, 0);
	until_answered(w);
	assert_int_equal(w->why.kind, FAULT_UNAVAILABLE);
	assert_string_equal(w->why.why, "closed by us");
}

/* ------------------------------------------------------------- streaming */

static void
take_head(void *arg, int status, const struct http_fields *fs)
{
	struct world *w = arg;

	assert_int_equal(status, 200);
	assert_non_null(http_fields_find(fs, "date"));
	if (w->cancel_in_head)
		http_call_cancel(&w->call);
}

static void
take_body(void *arg, struct evbuffer *data)
{
	struct world *w = arg;
	size_t n = evbuffer_get_length(data);

	assert_false(w->cancel_in_head);
	w->got += n;
	evbuffer_drain(data, n);
	if (w->cancel_in_body)
		http_call_cancel(&w->call);
	else if (!w->keep)
		http_call_credit(w->call, n);
}

static void
take_end(void *arg, const struct fault *f)
{
	struct world *w = arg;

	w->call = NULL;
	w->ended = true;
	assert_null(f);
}

static const struct http_events taking = {take_head, take_body, take_end};

static void
begin_call(struct world *w)
{
	struct http_outgoing o = {
	    .method = "GET", .path = url(w, "127.0.0.1", "/hold")};
	struct fault f;

	w->call = fetch_call(w->fetch, &o, &taking, w, &f);
	assert_non_null(w->call);
	while (w->held == NULL)
		turn(w);
	http_reply_start(w->held, 200, NULL);
}

static void
pour(struct world *w, size_t bytes)
{
	struct evbuffer *b = evbuffer_new();
	static const char zeros[65536];

	for (; bytes > 0; bytes -= bytes < sizeof zeros ? bytes : sizeof zeros)
		evbuffer_add(
		    b, zeros, bytes < sizeof zeros ? bytes : sizeof zeros);
	http_reply_body(w->held, b);
	evbuffer_free(b);
}

static void
test_back_pressure(void **state)
{
	struct world *w = *state;
	size_t total = 8 * 1024 * 1024;
	size_t before;

	make(w, NULL, &(struct fetch_settings){.window = 64 * 1024});
	w->keep = true;
	begin_call(w);
	pour(w, total);
	while (w->got < 64 * 1024)
		turn(w);
	/* Not one byte over a window and what curl gives in one go. */
	for (int i = 0; i < 200; i++)
		event_base_loop(loop_base(w->loop), EVLOOP_NONBLOCK);
	assert_true(w->got < 128 * 1024);
	assert_true(http_reply_backlog(w->held) > 0);
	before = w->got;
	w->keep = false;
	http_call_credit(w->call, before);
	http_reply_end(w->held);
	http_request_close(&w->held);
	while (!w->ended)
		turn(w);
	assert_int_equal(w->got, total);
}

static void
test_cancel_inside(void **state)
{
	struct world *w = *state;

	make(w, NULL, &(struct fetch_settings){0});
	w->cancel_in_head = true;
	begin_call(w);
	pour(w, 1);
	while (w->gone == 0)
		turn(w);
	http_request_close(&w->held);
	w->cancel_in_head = false;
	w->cancel_in_body = true;
	begin_call(w);
	pour(w, 100);
	while (w->gone == 1)
		turn(w);
	assert_int_equal(w->got, 100);
	assert_false(w->ended);
}

/* ------------------------------------------------------------------- TLS */

static void
test_names_are_verified(void **state)
{
	struct world *w = *state;
	struct certificate ca, leaf;
	struct fault f;
	SSL_CTX *tls;

	certificate_make(
	    &ca, NULL, &(struct certificate_wish){.name = "CA", .ca = true});
	certificate_make(&leaf, &ca,
	    &(struct certificate_wish){
		.name = "leaf", .san = "DNS:localhost", .usage = "serverAuth"});
	assert_true(tls_context_new(&(struct tls_settings){.server = true,
					.verify = TLS_VERIFY_NONE,
					.certificate_file = leaf.file,
					.key_file = leaf.key_file,
					.alpn = "http/1.1"},
	    &tls, &f));
	make(w, tls, &(struct fetch_settings){.ca_file = ca.file});
	ask(w, "GET", url(w, "localhost", "/x"), NULL, 100, 5000);
	until_answered(w);
	assert_int_equal(w->status, 201);
	ask(w, "GET", url(w, "127.0.0.1", "/x"), NULL, 100, 5000);
	until_answered(w);
	assert_int_equal(w->why.kind, FAULT_UNTRUSTED);
	SSL_CTX_free(tls);
	certificate_done(&leaf);
	certificate_done(&ca);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_asking),
	    TEST(test_bad_url_is_answered_later),
	    TEST(test_cancelled_is_silent),
	    TEST(test_limits),
	    TEST(test_cut_reply_is_a_fault),
	    TEST(test_nobody_there),
	    TEST(test_freed_while_asking),
	    TEST(test_back_pressure),
	    TEST(test_cancel_inside),
	    TEST(test_names_are_verified),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
