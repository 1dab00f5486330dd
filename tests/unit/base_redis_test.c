/* SPDX-License-Identifier: Apache-2.0 */
/* The Redis client against a real redis-server on a Unix socket, and against
 * a stub that says nothing, nonsense, or too much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/redis.h"

static char folder[] = "assay-redis-XXXXXX";
static char address[100];
static struct log quiet;
static struct loop *loop;
static struct timer *alarm_clock;
static pid_t server;

static void
on_alarm(void *arg)
{
	(void)arg;
	fail_msg("the loop went on for too long");
}

static int
set_up(void **state)
{
	(void)state;
	log_init(&quiet, "test", LOG_ERROR_);
	return mkdtemp(folder) == NULL;
}

static int
clean_up(void **state)
{
	char command[100];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static int
new_loop(void **state)
{
	(void)state;
	loop = loop_new();
	alarm_clock = timer_new(loop, on_alarm, NULL);
	timer_start(alarm_clock, 20000);
	(void)snprintf(address, sizeof(address), "unix:%s/s", folder);
	return 0;
}

static void
stop_server(void)
{
	if (server == 0)
		return;
	assert_int_equal(kill(server, SIGKILL), 0);
	assert_int_equal(waitpid(server, NULL, 0), server);
	server = 0;
}

static int
free_loop(void **state)
{
	(void)state;
	stop_server();
	(void)unlink(address + 5);
	timer_free(&alarm_clock);
	loop_free(&loop);
	return 0;
}

/* The client comes back by itself, so nobody waits for the server here. */
static void
start_server(const char *password)
{
	server = fork();
	assert_true(server >= 0);
	if (server > 0)
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (freopen("/dev/null", "w", stdout) == NULL)
		_exit(1);
	execlp("redis-server", "redis-server", "--port", "0", "--unixsocket",
	    address + 5, "--save", "", "--appendonly", "no", "--requirepass",
	    password, (char *)NULL);
	_exit(127);
}

/* What one question got; counts so that "exactly once" can be seen. */
struct got {
	unsigned answers;
	enum redis_type type;
	char text[100];
	int64_t integer;
	size_t count;
	struct fault fault;
	bool stop; /* the loop, once it is here */
};

static void
on_answer(void *arg, const struct redis_answer *a, const struct fault *f)
{
	struct got *g = arg;

	g->answers++;
	assert_true((a == NULL) != (f == NULL));
	if (a != NULL) {
		g->type = a->type;
		g->integer = a->integer;
		g->count = a->count;
		(void)text_store(a->text, g->text, sizeof(g->text));
	} else {
		g->fault = *f;
	}
	if (g->stop)
		loop_stop(loop);
}

enum { WORDS = 8 };

/* A command of words with blanks between. */
static struct pending *
ask(struct redis *r, const char *command, struct got *g)
{
	struct text argv[WORDS];
	size_t argc = 0;
	struct pending *p;
	unsigned before = g->answers;

	while (*command != '\0') {
		size_t len = strcspn(command, " ");

		assert_true(argc < WORDS);
		argv[argc++] = (struct text){command, len};
		command += len;
		command += *command == ' ';
	}
	p = redis_ask(r, argv, argc, on_answer, g);
	assert_non_null(p);
	assert_int_equal(g->answers, before); /* never before we return */
	return p;
}

static void
on_change(void *arg, bool ready)
{
	bool *want = arg;

	if (ready == *want)
		loop_stop(loop);
}

/* Runs the loop until the client is ready, or is not. */
static void
wait_for(struct redis *r, bool ready)
{
	redis_on_change(r, on_change, &ready);
	if (redis_is_ready(r) != ready)
		loop_run(loop);
	redis_on_change(r, NULL, NULL);
	assert_int_equal(redis_is_ready(r), ready);
}

/* Asks and waits. */
static struct got
answer_to(struct redis *r, const char *command)
{
	struct got g = {.stop = true};

	(void)ask(r, command, &g);
	loop_run(loop);
	assert_int_equal(g.answers, 1);
	return g;
}

static struct redis *
client(const struct redis_settings *more)
{
	struct redis_settings s = {.retry_ms = 10};

	if (more != NULL)
		s = *more;
	s.address = address;
	return redis_new(loop, &s, &quiet);
}

static void
every_kind_of_answer(void **state)
{
	struct redis *r = client(NULL);
	struct got g;

	(void)state;
	start_server("");
	wait_for(r, true);
	g = answer_to(r, "PING");
	assert_int_equal(g.type, REDIS_STATUS);
	assert_string_equal(g.text, "PONG");
	g = answer_to(r, "SET k v");
	assert_string_equal(g.text, "OK");
	g = answer_to(r, "GET k");
	assert_int_equal(g.type, REDIS_STRING);
	assert_string_equal(g.text, "v");
	g = answer_to(r, "GET none");
	assert_int_equal(g.type, REDIS_NIL);
	g = answer_to(r, "INCRBY n -7");
	assert_int_equal(g.type, REDIS_INTEGER);
	assert_int_equal(g.integer, -7);
	g = answer_to(r, "MGET k none n");
	assert_int_equal(g.type, REDIS_ARRAY);
	assert_int_equal(g.count, 3);
	g = answer_to(r, "INCR k");
	assert_int_equal(g.fault.kind, FAULT_REFUSED);
	assert_string_equal(
	    g.fault.why, "Redis: ERR value is not an integer or out of range");
	g = answer_to(r, "PING"); /* all is well after a refusal */
	assert_string_equal(g.text, "PONG");
	redis_free(&r);
	assert_null(r);
	redis_free(&r);
}

static void
on_nested(void *arg, const struct redis_answer *a, const struct fault *f)
{
	unsigned *answers = arg;

	assert_null(f);
	assert_int_equal(a->count, 4);
	assert_int_equal(a->items[0].integer, 1);
	assert_int_equal(a->items[1].type, REDIS_ARRAY);
	assert_true(text_is(a->items[1].items[0].text, "deep"));
	assert_int_equal(a->items[2].type, REDIS_NIL);
	assert_int_equal(a->items[3].type, REDIS_ERROR);
	assert_true(text_is(a->items[3].text, "MY bad"));
	++*answers;
	loop_stop(loop);
}

static void
arguments_hold_any_bytes(void **state)
{
	static const char script[] =
	    "return {1, {'deep'}, false, redis.error_reply('MY bad')}";
	const struct text nested[] = {
	    text_of("EVAL"), text_of(script), text_of("0")};
	const struct text set[] = {text_of("SET"), {"\0\r\n", 3}, {NULL, 0}};
	const struct text length[] = {text_of("STRLEN"), {"\0\r\n", 3}};
	struct redis *r = client(NULL);
	struct got g[2] = {{.answers = 0}, {.stop = true}};
	unsigned answers = 0;

	(void)state;
	start_server("");
	wait_for(r, true);
	(void)redis_ask(r, set, 3, on_answer, &g[0]);
	(void)redis_ask(r, length, 2, on_answer, &g[1]);
	loop_run(loop);
	assert_string_equal(g[0].text, "OK");
	assert_int_equal(g[1].type, REDIS_INTEGER);
	assert_int_equal(g[1].integer, 0);
	(void)redis_ask(r, nested, 3, on_nested, &answers);
	loop_run(loop);
	assert_int_equal(answers, 1);
	redis_free(&r);
}

static void
thousands_at_once_in_order(void **state)
{
	enum { MANY = 5000 };
	struct redis *r = client(NULL);
	struct got *g = mem_array(MANY, sizeof(*g));
	struct pending **p = mem_array(MANY, sizeof(struct pending *));

	(void)state;
	start_server("");
	wait_for(r, true);
	for (int i = 0; i < MANY; i++)
		p[i] = ask(r, "INCR n", &g[i]);
	for (int i = 0; i < MANY; i += 7) /* their answers come all the same */
		pending_cancel(&p[i]);
	assert_null(p[0]);
	(void)answer_to(r, "PING");
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(g[i].answers, i % 7 == 0 ? 0 : 1);
		if (i % 7 != 0)
			assert_int_equal(g[i].integer, i + 1);
	}
	redis_free(&r);
	mem_free(g);
	mem_free(p);
}

static void
waits_then_fails_fast_then_comes_back(void **state)
{
	struct redis *r = client(NULL);
	struct got first = {.stop = true};
	struct got cancelled = {.stop = true};
	struct got g;
	struct pending *p;

	(void)state;
	(void)ask(r, "PING", &first); /* waits for the first attempt */
	p = ask(r, "PING", &cancelled);
	pending_cancel(&p);
	loop_run(loop);
	assert_int_equal(first.fault.kind, FAULT_UNAVAILABLE);
	g = answer_to(r, "PING");
	assert_int_equal(g.fault.kind, FAULT_UNAVAILABLE);
	assert_non_null(strstr(g.fault.why, "no connection"));
	p = ask(r, "PING", &cancelled); /* known at once, and taken back */
	pending_cancel(&p);
	start_server("");
	wait_for(r, true);
	g = answer_to(r, "PING");
	assert_string_equal(g.text, "PONG");
	stop_server();
	wait_for(r, false);
	(void)unlink(address + 5);
	start_server("");
	wait_for(r, true);
	g = answer_to(r, "PING");
	assert_string_equal(g.text, "PONG");
	assert_int_equal(cancelled.answers, 0);
	redis_free(&r);
}

static void
open_questions_fail_with_the_connection(void **state)
{
	struct redis *r = client(NULL);
	struct got blocked[3] = {
	    {.answers = 0}, {.answers = 0}, {.stop = true}};

	(void)state;
	start_server("");
	wait_for(r, true);
	for (int i = 0; i < 3; i++)
		(void)ask(r, "BLPOP none 0", &blocked[i]);
	stop_server();
	loop_run(loop);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(blocked[i].answers, 1);
		assert_int_equal(blocked[i].fault.kind, FAULT_UNAVAILABLE);
	}
	redis_free(&r);
}

static void
password_and_database(void **state)
{
	const struct redis_settings right = {
	    .password = "sesame", .database = 3, .retry_ms = 10};
	const struct redis_settings named = {
	    .user = "default", .password = "sesame", .retry_ms = 10};
	const struct redis_settings wrong = {
	    .password = "simsalabim", .retry_ms = 10};
	struct redis *r = client(&right);
	struct got g = {.stop = true};

	(void)state;
	start_server("sesame");
	wait_for(r, true);
	g = answer_to(r, "CLIENT LIST");
	assert_int_equal(g.type, REDIS_STRING);
	g = answer_to(r, "SWAPDB 3 0");
	assert_string_equal(g.text, "OK");
	redis_free(&r);
	r = client(&named);
	wait_for(r, true);
	redis_free(&r);
	r = client(&wrong);
	g = (struct got){.stop = true};
	(void)ask(r, "PING", &g);
	loop_run(loop);
	assert_int_equal(g.fault.kind, FAULT_UNAVAILABLE);
	assert_non_null(strstr(g.fault.why, "refuses the greeting: WRONGPASS"));
	assert_null(strstr(g.fault.why, "simsalabim"));
	redis_free(&r);
}

/* A server that answers whatever comes with fixed bytes, or not at all. */
struct stub {
	struct evconnlistener *listener;
	struct bufferevent *bev;
	const char *say;
	size_t len;
	unsigned connections;
};

static void
stub_read(struct bufferevent *bev, void *arg)
{
	struct stub *s = arg;
	struct evbuffer *in = bufferevent_get_input(bev);

	(void)evbuffer_drain(in, evbuffer_get_length(in));
	if (s->len > 0)
		(void)bufferevent_write(bev, s->say, s->len);
}

static void
stub_event(struct bufferevent *bev, short what, void *arg)
{
	struct stub *s = arg;

	(void)what;
	bufferevent_free(bev);
	if (s->bev == bev)
		s->bev = NULL;
}

static void
stub_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa,
    int len, void *arg)
{
	struct stub *s = arg;

	(void)l;
	(void)sa;
	(void)len;
	s->connections++;
	if (s->bev != NULL)
		bufferevent_free(s->bev);
	s->bev =
	    bufferevent_socket_new(loop_base(loop), fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(s->bev, stub_read, NULL, stub_event, s);
	(void)bufferevent_enable(s->bev, EV_READ | EV_WRITE);
}

/* On a free port of 127.0.0.1, which becomes the address. */
static void
stub_start(struct stub *s, const char *say, size_t len)
{
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t at_len = sizeof(at);

	*s = (struct stub){.say = say, .len = len};
	s->listener = evconnlistener_new_bind(loop_base(loop), stub_accept, s,
	    LEV_OPT_CLOSE_ON_FREE, 16, (struct sockaddr *)&at, sizeof(at));
	assert_non_null(s->listener);
	assert_int_equal(getsockname(evconnlistener_get_fd(s->listener),
			     (struct sockaddr *)&at, &at_len),
	    0);
	(void)snprintf(
	    address, sizeof(address), "127.0.0.1:%d", ntohs(at.sin_port));
}

static void
stub_stop(struct stub *s)
{
	if (s->bev != NULL)
		bufferevent_free(s->bev);
	evconnlistener_free(s->listener);
}

static void
silence_is_a_timeout(void **state)
{
	const struct redis_settings hasty = {.answer_ms = 50, .retry_ms = 10};
	struct stub s;
	struct redis *r;
	struct got g;
	int64_t began;

	(void)state;
	stub_start(&s, NULL, 0);
	r = client(&hasty);
	wait_for(r, true);
	began = clock_mono_ms();
	g = answer_to(r, "PING");
	assert_int_equal(g.fault.kind, FAULT_TIMEOUT);
	assert_non_null(strstr(g.fault.why, "no answer in 50 ms"));
	assert_true(clock_mono_ms() - began >= 49);
	wait_for(r, true); /* given up for gone, and dialled again */
	assert_int_equal(s.connections, 2);
	redis_free(&r);
	stub_stop(&s);
}

static void
too_many_questions(void **state)
{
	const struct redis_settings few = {.questions = 2, .retry_ms = 10};
	struct stub s;
	struct redis *r;
	struct got open[2] = {{.answers = 0}, {.answers = 0}};
	struct pending *p;
	struct got g;

	(void)state;
	stub_start(&s, NULL, 0);
	r = client(&few);
	wait_for(r, true);
	p = ask(r, "PING", &open[0]);
	(void)ask(r, "PING", &open[1]);
	g = answer_to(r, "PING");
	assert_int_equal(g.fault.kind, FAULT_OVERLOADED);
	pending_cancel(&p);
	assert_int_equal(open[0].answers + open[1].answers, 0);
	redis_free(&r); /* with questions open: they are forgotten */
	assert_int_equal(open[0].answers + open[1].answers, 0);
	stub_stop(&s);
}

static void
nonsense_breaks_the_connection(void **state)
{
	static const struct {
		const char *say;
		const char *why;
	} cases[] = {
	    {"what?\r\n", "Protocol error"},
	    {"+OK\r\n+OK\r\n", "an answer that nobody asked for"},
	    {"*1000000000\r\n", "RESP: "},
	    {"*2147483647\r\n", "RESP: "},
	    {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
		"RESP: "},
	};
	const struct redis_settings tight = {
	    .answer_bytes = 1000, .retry_ms = 10};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct stub s;
		struct redis *r;
		struct got g = {.stop = true};

		stub_start(&s, cases[i].say, strlen(cases[i].say));
		r = client(&tight);
		wait_for(r, true);
		(void)ask(r, "PING", &g);
		wait_for(r, false);
		assert_int_equal(g.answers, 1);
		if (i != 1) {
			assert_int_equal(g.fault.kind, FAULT_UNAVAILABLE);
			assert_non_null(strstr(g.fault.why, cases[i].why));
		}
		redis_free(&r);
		stub_stop(&s);
	}
}

static void
too_large_an_answer(void **state)
{
	const struct redis_settings tight = {
	    .answer_bytes = 1000, .retry_ms = 10};
	char say[3000];
	struct stub s;
	struct redis *r;
	struct got g;

	(void)state;
	memset(say, 'x', sizeof(say));
	memcpy(say, "$900\r\n", 6);
	memcpy(say + 906, "\r\n", 2);
	stub_start(&s, say, 908);
	r = client(&tight);
	wait_for(r, true);
	g = answer_to(r, "GET fits");
	assert_int_equal(g.type, REDIS_STRING);
	memcpy(say, "$1000000000\r\n", 13);
	s.len = sizeof(say);
	g = answer_to(r, "GET large");
	assert_int_equal(g.fault.kind, FAULT_UNAVAILABLE);
	assert_non_null(strstr(g.fault.why, "more than 1000 bytes"));
	redis_free(&r);
	stub_stop(&s);
}

static void
bad_addresses_are_unavailable(void **state)
{
	static const char *const bad[] = {"", "nonsense",
	    "127.0.0.1:", "127.0.0.1:70000", ":1",
	    "unix:", "unix:no/such/socket"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct redis *r;
		struct got g;

		(void)snprintf(address, sizeof(address), "%s", bad[i]);
		r = client(NULL);
		g = answer_to(r, "PING");
		assert_int_equal(g.fault.kind, FAULT_UNAVAILABLE);
		redis_free(&r);
	}
	(void)snprintf(address, sizeof(address), "unix:none");
}

static struct redis *to_free;

static void
on_free_me(void *arg, const struct redis_answer *a, const struct fault *f)
{
	unsigned *answers = arg;

	(void)a;
	(void)f;
	++*answers;
	redis_free(&to_free);
	loop_stop(loop);
}

static void
freed_in_its_own_callback(void **state)
{
	static const char *const says[] = {"+OK\r\n+OK\r\n", "nonsense\r\n"};
	const struct text ping = text_of("PING");

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		unsigned answers = 0;
		struct stub s;

		stub_start(&s, says[i], strlen(says[i]));
		to_free = client(NULL);
		(void)redis_ask(to_free, &ping, 1, on_free_me, &answers);
		(void)redis_ask(to_free, &ping, 1, on_free_me, &answers);
		loop_run(loop);
		assert_int_equal(answers, 1);
		assert_null(to_free);
		stub_stop(&s);
	}
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, new_loop, free_loop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(every_kind_of_answer),
	    CASE(arguments_hold_any_bytes),
	    CASE(thousands_at_once_in_order),
	    CASE(waits_then_fails_fast_then_comes_back),
	    CASE(open_questions_fail_with_the_connection),
	    CASE(password_and_database),
	    CASE(silence_is_a_timeout),
	    CASE(too_many_questions),
	    CASE(nonsense_breaks_the_connection),
	    CASE(too_large_an_answer),
	    CASE(bad_addresses_are_unavailable),
	    CASE(freed_in_its_own_callback),
	};

	return cmocka_run_group_tests(tests, set_up, clean_up);
}
