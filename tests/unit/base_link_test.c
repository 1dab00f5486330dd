/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links over real sockets on 127.0.0.1: both ways of turning the roles, mTLS
 * in every way of being refused, flow control, floods, silence, draining, and
 * freeing from inside callbacks.
 */
#include <event2/dns.h>

#include "tests/unit/link_world.h"

/* ------------------------------------------------------------- the tests */

static void
test_reversed_roles(void **state)
{
	struct world *w = *state;
	struct taker t = {.body = evbuffer_new()};

	connect_both(w);
	assert_string_equal(w->accepted.peer, "daemon");
	assert_string_equal(w->dialled.peer, "gateway");
	assert_true(link_is_up(w->accepted.link));
	assert_int_equal(link_streams_max(w->accepted.link), 256);
	call(w, &t, w->accepted.link, "/v1/models", NULL);
	until_ended(&t);
	assert_false(t.failed);
	assert_int_equal(t.status, 200);
	assert_int_equal(evbuffer_get_length(t.body), 5);
	assert_int_equal(link_streams(w->accepted.link), 0);
	while (link_rtt_us(w->accepted.link) < 0)
		turn(w);
	evbuffer_free(t.body);
}

static void
test_ordinary_roles(void **state)
{
	struct world *w = *state;
	struct taker t = {.body = evbuffer_new()};

	w->settings.role = LINK_SERVER;
	connect_both(w);
	call(w, &t, w->dialled.link, "/x", NULL);
	until_ended(&t);
	assert_int_equal(t.status, 200);
	evbuffer_free(t.body);
}

static void
test_unix_socket(void **state)
{
	struct world *w = *state;
	struct taker t = {.body = evbuffer_new()};
	char folder[] = "/tmp/assay-test-XXXXXX";
	char address[64], again[64];

	assert_non_null(mkdtemp(folder));
	snprintf(address, sizeof address, "unix:%s/s", folder);
	snprintf(again, sizeof again, "%s", address + 5);
	w->settings.address = address;
	w->settings.role = LINK_SERVER;
	w->settings.tls = NULL;
	connect_both(w);
	assert_null(link_ssl(w->dialled.link));
	assert_null(link_peer(w->dialled.link));
	call(w, &t, w->dialled.link, "/x", NULL);
	until_ended(&t);
	assert_int_equal(t.status, 200);
	evbuffer_free(t.body);
	unlink(again);
	rmdir(folder);
}

static void
test_each_address_of_a_name(void **state)
{
	static const char hosts[] = "127.0.0.2 two.test\n127.0.0.3 two.test\n"
				    "127.0.0.1 two.test\n";
	struct world *w = *state;
	char path[] = "/tmp/assay-test-XXXXXX";
	int fd = mkstemp(path);

	assert_int_equal(write(fd, hosts, sizeof hosts - 1), sizeof hosts - 1);
	assert_int_equal(evdns_base_load_hosts(loop_dns(w->loop), path), 0);
	listen_now(w);
	snprintf(w->address, sizeof w->address, "two.test:%u",
	    link_listener_port(w->listener));
	dial_now(w, w->client_tls, NULL);
	while (!w->dialled.up && !w->dialled.down)
		turn(w);
	assert_true(w->dialled.up);
	close(fd);
	unlink(path);
}

static void
test_name_is_resolved_and_verified(void **state)
{
	struct world *w = *state;

	w->settings.role = LINK_SERVER;
	listen_now(w);
	snprintf(w->address, sizeof w->address, "localhost:%u",
	    link_listener_port(w->listener));
	dial_now(w, w->client_tls, "gateway.test");
	while (!w->dialled.up && !w->dialled.down)
		turn(w);
	assert_true(w->dialled.up);
}

/* ------------------------------------------------------------ flow control */

static void
hold(struct end *e, struct http_request *r)
{
	e->requests[e->request_count++] = r;
}

static void
pour(struct http_request *r, size_t n)
{
	static const char zeros[65536];
	struct evbuffer *b = evbuffer_new();

	for (; n > 0; n -= n < sizeof zeros ? n : sizeof zeros)
		evbuffer_add(b, zeros, n < sizeof zeros ? n : sizeof zeros);
	http_reply_body(r, b);
	evbuffer_free(b);
}

static void
test_slow_beside_fast(void **state)
{
	struct world *w = *state;
	struct taker slow = {.keep = true}, fast = {0};
	const size_t total = 6 * 1024 * 1024;

	w->dialled.on_request = hold;
	connect_both(w);
	call(w, &slow, w->accepted.link, "/slow", NULL);
	call(w, &fast, w->accepted.link, "/fast", NULL);
	while (w->dialled.request_count < 2)
		turn(w);
	for (int i = 0; i < 2; i++) {
		http_reply_start(w->dialled.requests[i], 200, NULL);
		pour(w->dialled.requests[i], total);
		http_reply_end(w->dialled.requests[i]);
	}
	until_ended(&fast);
	if (fast.failed)
		fail_msg("%s", fast.why.why);
	assert_int_equal(fast.got, total);
	assert_int_equal(slow.got, w->limits.stream_window);
	slow.keep = false;
	http_call_credit(slow.call, slow.got);
	until_ended(&slow);
	assert_int_equal(slow.got, total);
	http_request_close(&w->dialled.requests[0]);
	http_request_close(&w->dialled.requests[1]);
}

static void
test_body_larger_than_windows(void **state)
{
	struct world *w = *state;
	struct evbuffer *b = evbuffer_new();
	struct taker t = {0};
	const size_t total = 20 * 1024 * 1024;
	char *zeros = calloc(1, total);

	w->dialled.on_request = hold;
	connect_both(w);
	evbuffer_add(b, zeros, total);
	free(zeros);
	call(w, &t, w->accepted.link, "/", b);
	while (w->dialled.request_count == 0)
		turn(w);
	assert_int_equal(
	    evbuffer_get_length(w->dialled.requests[0]->body), total);
	http_reply_text(&w->dialled.requests[0], 200, "text/plain", "x");
	until_ended(&t);
	assert_false(t.failed);
	evbuffer_free(b);
}

static void
on_gone(void *arg)
{
	*(bool *)arg = true;
}

static void
test_cancel_reaches_the_handler(void **state)
{
	struct world *w = *state;
	const struct http_watch watching = {NULL, on_gone};
	struct taker t = {0};
	int64_t then;
	bool gone = false;

	w->dialled.on_request = hold;
	connect_both(w);
	call(w, &t, w->accepted.link, "/", NULL);
	while (w->dialled.request_count == 0)
		turn(w);
	http_request_watch(w->dialled.requests[0], &watching, &gone);
	then = clock_mono_ms();
	http_call_cancel(&t.call);
	while (!gone)
		turn(w);
	assert_true(clock_mono_ms() - then < 100);
	http_request_close(&w->dialled.requests[0]);
	assert_false(t.ended);
}

/* ------------------------------------------------------------------ endings */

static void
test_drain(void **state)
{
	struct world *w = *state;
	struct http_outgoing o = {.method = "GET", .path = "/"};
	struct taker t = {0}, no = {0};
	struct fault f;

	w->dialled.on_request = hold;
	connect_both(w);
	call(w, &t, w->accepted.link, "/", NULL);
	while (w->dialled.request_count == 0)
		turn(w);
	link_drain(w->dialled.link, 10000);
	while (!w->accepted.goaway)
		turn(w);
	assert_null(link_call(w->accepted.link, &o, &taking, &no, &f));
	assert_int_equal(f.kind, FAULT_UNAVAILABLE);
	assert_false(w->dialled.down);
	http_reply_text(&w->dialled.requests[0], 200, "text/plain", "bye");
	until_ended(&t);
	assert_false(t.failed);
	while (!w->dialled.down || !w->accepted.down)
		turn(w);
	assert_int_equal(w->dialled.why.kind, FAULT_DRAINING);
	assert_string_equal(w->dialled.why.why, "drained");
	assert_int_equal(w->accepted.why.kind, FAULT_UNAVAILABLE);
}

static void
test_drain_has_an_end(void **state)
{
	struct world *w = *state;
	struct taker t = {0};

	w->dialled.on_request = hold;
	connect_both(w);
	call(w, &t, w->accepted.link, "/", NULL);
	while (w->dialled.request_count == 0)
		turn(w);
	link_drain(w->accepted.link, 50);
	while (!w->accepted.down)
		turn(w);
	assert_string_equal(w->accepted.why.why, "drain took too long");
	assert_true(t.ended && t.failed);
	assert_true(w->dialled.goaway);
	http_request_close(&w->dialled.requests[0]);
}

static void
test_peer_lost(void **state)
{
	struct world *w = *state;
	struct taker t = {0};

	w->dialled.on_request = hold;
	connect_both(w);
	call(w, &t, w->accepted.link, "/", NULL);
	while (w->dialled.request_count == 0)
		turn(w);
	link_free(&w->dialled.link);
	assert_null(w->dialled.link);
	until_ended(&t);
	assert_int_equal(t.why.kind, FAULT_UNAVAILABLE);
	while (!w->accepted.down)
		turn(w);
	assert_false(w->dialled.down); /* we knew */
	http_request_close(&w->dialled.requests[0]);
}

static void
test_freed_with_calls(void **state)
{
	struct world *w = *state;
	struct taker t = {0};

	w->dialled.on_request = hold;
	connect_both(w);
	call(w, &t, w->accepted.link, "/", NULL);
	link_free(&w->accepted.link);
	assert_false(t.ended); /* through the loop */
	until_ended(&t);
	assert_int_equal(t.why.kind, FAULT_UNAVAILABLE);
	assert_false(w->accepted.down);
}

static void
free_link_of(struct taker *t)
{
	link_free(&t->w->accepted.link);
}

static void
test_freed_in_on_head(void **state)
{
	struct world *w = *state;
	struct taker t = {.on_head = free_link_of};

	connect_both(w);
	call(w, &t, w->accepted.link, "/", NULL);
	until_ended(&t);
	assert_int_equal(t.status, 200);
}

static void
test_freed_in_on_body(void **state)
{
	struct world *w = *state;
	struct taker t = {.on_body = free_link_of};
	struct taker other = {0};

	w->dialled.on_request = hold;
	connect_both(w);
	call(w, &other, w->accepted.link, "/", NULL);
	call(w, &t, w->accepted.link, "/", NULL);
	while (w->dialled.request_count < 2)
		turn(w);
	http_reply_text(&w->dialled.requests[1], 200, "text/plain", "hello");
	until_ended(&t);
	until_ended(&other);
	assert_true(other.failed);
	http_request_close(&w->dialled.requests[0]);
}

static void
free_own(struct end *e, struct http_request *r)
{
	link_free(&e->link);
	http_reply_text(&r, 200, "text/plain", "into the void");
}

static void
test_freed_in_on_request(void **state)
{
	struct world *w = *state;
	struct taker t = {0};

	w->dialled.on_request = free_own;
	connect_both(w);
	call(w, &t, w->accepted.link, "/", NULL);
	until_ended(&t);
	assert_true(t.failed);
}

static void
test_freed_in_on_up(void **state)
{
	struct world *w = *state;

	w->accepted.free_on_up = true;
	listen_now(w);
	dial_now(w, w->client_tls, NULL);
	while (!w->dialled.down)
		turn(w);
	assert_true(w->accepted.up);
	assert_false(w->accepted.down);
}

static void
test_freed_at_once(void **state)
{
	struct world *w = *state;

	listen_now(w);
	dial_now(w, w->client_tls, NULL);
	link_free(&w->dialled.link);
	for (int i = 0; i < 20; i++)
		event_base_loop(loop_base(w->loop), EVLOOP_NONBLOCK);
	assert_false(w->dialled.down);
	assert_false(w->dialled.up);
}

static void
test_listener_freed_before_its_links(void **state)
{
	struct world *w = *state;
	struct taker t = {0};

	connect_both(w);
	link_listener_free(&w->listener);
	call(w, &t, w->accepted.link, "/", NULL);
	until_ended(&t);
	assert_false(t.failed);
}

/* ------------------------------------------------- asking: three promises */

struct asker {
	unsigned answers;
	int status;
	char body[32];
	struct fault why;
};

static void
on_answer(void *arg, const struct http_answer *a, const struct fault *f)
{
	struct asker *k = arg;

	k->answers++;
	assert_true((a == NULL) != (f == NULL));
	if (f != NULL) {
		k->why = *f;
		return;
	}
	k->status = a->status;
	snprintf(k->body, sizeof k->body, "%s", a->body);
}

static struct pending *
ask(struct world *w, struct asker *k, struct link *l, size_t max,
    int64_t within_ms)
{
	struct http_outgoing o = {.method = "GET", .path = "/"};
	struct pending *p = link_ask(l, &o, max, within_ms, on_answer, k);

	(void)w;
	assert_non_null(p);
	assert_int_equal(k->answers, 0); /* never at once */
	return p;
}

static void
until_answered(struct world *w, struct asker *k)
{
	while (k->answers == 0)
		turn(w);
	for (int i = 0; i < 20; i++)
		event_base_loop(loop_base(w->loop), EVLOOP_NONBLOCK);
	assert_int_equal(k->answers, 1); /* exactly once */
}

static void
test_asking(void **state)
{
	struct world *w = *state;
	struct asker k = {0};

	connect_both(w);
	ask(w, &k, w->accepted.link, 100, 5000);
	until_answered(w, &k);
	assert_int_equal(k.status, 200);
	assert_string_equal(k.body, "hello");
}

static void
test_asking_over_the_limit(void **state)
{
	struct world *w = *state;
	struct asker k = {0};

	connect_both(w);
	ask(w, &k, w->accepted.link, 4, 5000);
	until_answered(w, &k);
	assert_int_equal(k.why.kind, FAULT_LIMIT);
	assert_string_equal(k.why.why, "answer over 4 bytes");
}

static void
test_asking_too_long(void **state)
{
	struct world *w = *state;
	struct asker k = {0};

	w->dialled.on_request = hold;
	connect_both(w);
	ask(w, &k, w->accepted.link, 4, 50);
	until_answered(w, &k);
	assert_int_equal(k.why.kind, FAULT_TIMEOUT);
	if (w->dialled.request_count > 0)
		http_request_close(&w->dialled.requests[0]);
}

static void
test_asking_when_not_up(void **state)
{
	struct world *w = *state;
	struct asker k = {0}, silent = {0};
	struct pending *p;

	listen_now(w);
	dial_now(w, w->client_tls, NULL);
	while (w->accepted.link == NULL)
		turn(w);
	ask(w, &k, w->accepted.link, 4, 5000);
	p = ask(w, &silent, w->accepted.link, 4, 5000);
	pending_cancel(&p);
	until_answered(w, &k);
	assert_int_equal(k.why.kind, FAULT_UNAVAILABLE);
	assert_string_equal(k.why.why, "the link is not up");
	assert_int_equal(silent.answers, 0);
}

static void
test_asking_cancelled(void **state)
{
	struct world *w = *state;
	struct asker k = {0}, other = {0};
	struct pending *p;

	connect_both(w);
	p = ask(w, &k, w->accepted.link, 100, 5000);
	ask(w, &other, w->accepted.link, 100, 5000);
	pending_cancel(&p);
	assert_null(p);
	until_answered(w, &other);
	assert_int_equal(k.answers, 0);
}

static void
test_asking_when_it_breaks(void **state)
{
	struct world *w = *state;
	struct asker k = {0};

	w->dialled.on_request = hold;
	connect_both(w);
	ask(w, &k, w->accepted.link, 100, 5000);
	while (w->dialled.request_count == 0)
		turn(w);
	link_free(&w->dialled.link);
	until_answered(w, &k);
	assert_int_equal(k.why.kind, FAULT_UNAVAILABLE);
	http_request_close(&w->dialled.requests[0]);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_reversed_roles),
	    TEST(test_ordinary_roles),
	    TEST(test_unix_socket),
	    TEST(test_each_address_of_a_name),
	    TEST(test_name_is_resolved_and_verified),
	    TEST(test_slow_beside_fast),
	    TEST(test_body_larger_than_windows),
	    TEST(test_cancel_reaches_the_handler),
	    TEST(test_drain),
	    TEST(test_drain_has_an_end),
	    TEST(test_peer_lost),
	    TEST(test_freed_with_calls),
	    TEST(test_freed_in_on_head),
	    TEST(test_freed_in_on_body),
	    TEST(test_freed_in_on_request),
	    TEST(test_freed_in_on_up),
	    TEST(test_freed_at_once),
	    TEST(test_listener_freed_before_its_links),
	    TEST(test_asking),
	    TEST(test_asking_over_the_limit),
	    TEST(test_asking_too_long),
	    TEST(test_asking_when_not_up),
	    TEST(test_asking_cancelled),
	    TEST(test_asking_when_it_breaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
