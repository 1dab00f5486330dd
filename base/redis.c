/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Redis client: a connection, its timeouts and its return, around the
 * protocol of resp.h. Two queues in the order of asking: `waiting` for a
 * connection, and `sent`, whose answers come in just that order. Callbacks run
 * from the loop only; whatever calls one looks at `dead` afterwards, because
 * redis_free may have been called in it.
 */
#include "base/redis.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/dns.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/mem.h"

enum { CHUNK = 16384, RETRY_GROWTH = 30, NAME_BYTES = 256 };

enum state { RESTING, CONNECTING, GREETING, READY };

struct question {
	struct pending pending;
	TAILQ_ENTRY(question) link;
	struct redis *redis;
	redis_callback *callback; /* NULL: cancelled, expired or our own */
	void *arg;
	bool is_sent;
	bool is_greeting; /* AUTH or SELECT */
	uint64_t number;
	int64_t asked_at;
	int64_t expires_at;
	char *command;
	size_t command_bytes;
	struct pending *refusal; /* on its way through the loop */
	struct fault fault;
};

TAILQ_HEAD(questions, question);

struct redis {
	struct loop *loop;
	struct redis_settings set;
	struct log log;
	enum state state;
	bool failing; /* the last attempt to connect has failed */
	bool dead;
	unsigned busy; /* depth of our own callbacks on the stack */
	struct bufferevent *bev;
	struct resp_reader *reader;
	struct questions waiting;
	struct questions sent;
	struct questions refused;
	size_t open;
	size_t greetings;
	uint64_t number;
	int64_t heard_at;
	int64_t pause_ms;
	struct timer *connecting;
	struct timer *retrying;
	struct timer *patience;
	void (*on_change)(void *arg, bool ready);
	void *change_arg;
};

static void broke(struct redis *r, const char *why);

static void
question_free(struct question *q)
{
	resp_command_free(q->command);
	mem_free(q);
}

static void
unlink_question(struct redis *r, struct question *q)
{
	if (q->refusal != NULL)
		TAILQ_REMOVE(&r->refused, q, link);
	else if (q->is_sent)
		TAILQ_REMOVE(&r->sent, q, link);
	else
		TAILQ_REMOVE(&r->waiting, q, link);
	if (!q->is_greeting)
		r->open--;
}

/* The one place that answers. The question is gone before its asker hears. */
static void
answer(struct redis *r, struct question *q, const struct redis_answer *a,
    const struct fault *f)
{
	redis_callback *callback = q->callback;
	void *arg = q->arg;
	struct fault kept;

	if (f != NULL)
		kept = *f;
	unlink_question(r, q);
	question_free(q);
	if (callback != NULL)
		callback(arg, a, f == NULL ? NULL : &kept);
}

/* What is sent keeps its place, because its answer will come. */
static void
forget(struct question *q)
{
	q->callback = NULL;
	q->arg = NULL;
}

static void
cancel_question(struct pending *self)
{
	struct question *q = (struct question *)self;

	if (q->is_sent) {
		forget(q);
		return;
	}
	unlink_question(q->redis, q);
	pending_cancel(&q->refusal);
	question_free(q);
}

/* Answers, with this fault, all in the queue that were asked by now. */
static void
fail_all(struct redis *r, struct questions *queue, const struct fault *f)
{
	uint64_t newest = r->number;
	struct question *q;

	while (
	    !r->dead && (q = TAILQ_FIRST(queue)) != NULL && q->number <= newest)
		answer(r, q, NULL, f);
}

static void
redis_destroy(struct redis *r)
{
	struct questions *queues[] = {&r->waiting, &r->sent, &r->refused};

	for (size_t i = 0; i < 3; i++) {
		struct question *q;

		while ((q = TAILQ_FIRST(queues[i])) != NULL) {
			unlink_question(r, q);
			pending_cancel(&q->refusal);
			question_free(q);
		}
	}
	if (r->bev != NULL)
		bufferevent_free(r->bev);
	resp_reader_free(&r->reader);
	timer_free(&r->connecting);
	timer_free(&r->retrying);
	timer_free(&r->patience);
	mem_free((void *)(uintptr_t)r->set.address);
	mem_free((void *)(uintptr_t)r->set.user);
	if (r->set.password != NULL)
		mem_wipe_free((void *)(uintptr_t)r->set.password,
		    strlen(r->set.password));
	mem_free(r);
}

static void
enter(struct redis *r)
{
	r->busy++;
}

static void
leave(struct redis *r)
{
	if (--r->busy == 0 && r->dead)
		redis_destroy(r);
}

static void
transmit(struct redis *r, struct question *q)
{
	if (bufferevent_write(r->bev, q->command, q->command_bytes) != 0)
		abort(); /* only for want of memory */
	resp_command_free(q->command);
	q->command = NULL;
	q->is_sent = true;
	TAILQ_INSERT_TAIL(&r->sent, q, link);
}

static struct question *
question_new(struct redis *r, const struct text *argv, size_t argc,
    redis_callback *callback, void *arg)
{
	struct question *q = mem_new(sizeof(*q));

	q->command = resp_command(argv, argc, &q->command_bytes);
	q->pending.cancel = cancel_question;
	q->redis = r;
	q->callback = callback;
	q->arg = arg;
	q->number = ++r->number;
	q->asked_at = clock_mono_ms();
	q->expires_at = q->asked_at + r->set.answer_ms;
	return q;
}

static void
on_refusal(void *arg)
{
	struct question *q = arg;
	struct redis *r = q->redis;

	enter(r);
	TAILQ_REMOVE(&r->refused, q, link);
	q->refusal = NULL;
	TAILQ_INSERT_HEAD(&r->waiting, q, link); /* for answer to take it */
	answer(r, q, NULL, &q->fault);
	leave(r);
}

static void
refuse(
    struct redis *r, struct question *q, enum fault_kind kind, const char *why)
{
	(void)fault_set(
	    &q->fault, kind, "Redis at %s: %s", r->set.address, why);
	q->refusal = loop_defer(r->loop, on_refusal, q);
	TAILQ_INSERT_TAIL(&r->refused, q, link);
}

struct pending *
redis_ask(struct redis *r, const struct text *argv, size_t argc,
    redis_callback *callback, void *arg)
{
	struct question *q = question_new(r, argv, argc, callback, arg);

	if (r->open >= r->set.questions) {
		refuse(r, q, FAULT_OVERLOADED, "too many open questions");
	} else if (r->failing) {
		refuse(r, q, FAULT_UNAVAILABLE, "no connection");
	} else if (r->state == READY) {
		transmit(r, q);
	} else {
		TAILQ_INSERT_TAIL(&r->waiting, q, link);
	}
	r->open++;
	if (!timer_is_running(r->patience))
		timer_start(r->patience, r->set.answer_ms);
	return &q->pending;
}

static void
tell_change(struct redis *r, bool ready)
{
	if (!r->dead && r->on_change != NULL)
		r->on_change(r->change_arg, ready);
}

static void
become_ready(struct redis *r)
{
	struct question *q;

	r->state = READY;
	r->failing = false;
	r->pause_ms = r->set.retry_ms;
	timer_stop(r->connecting);
	log_info(&r->log, "redis_ready", LOG_STR("address", r->set.address));
	while ((q = TAILQ_FIRST(&r->waiting)) != NULL) {
		TAILQ_REMOVE(&r->waiting, q, link);
		transmit(r, q);
	}
	tell_change(r, true);
}

static void
greet(struct redis *r, const struct text *argv, size_t argc)
{
	struct question *q = question_new(r, argv, argc, NULL, NULL);

	q->is_greeting = true;
	r->greetings++;
	transmit(r, q);
}

static void
on_connected(struct redis *r)
{
	const char *user = r->set.user;
	int on = 1;

	r->state = GREETING;
	r->greetings = 0;
	/* no use on a Unix socket, and no harm */
	(void)setsockopt(bufferevent_getfd(r->bev), IPPROTO_TCP, TCP_NODELAY,
	    &on, sizeof(on));
	if (r->set.password != NULL) {
		struct text argv[3] = {
		    text_of("AUTH"), text_of(user), text_of(r->set.password)};

		if (user == NULL)
			argv[1] = argv[2];
		greet(r, argv, user == NULL ? 2 : 3);
	}
	if (r->set.database != 0) {
		char number[16];
		int len =
		    snprintf(number, sizeof(number), "%d", r->set.database);
		struct text argv[2] = {
		    text_of("SELECT"), {number, (size_t)len}};

		greet(r, argv, 2);
	}
	if (r->greetings == 0)
		become_ready(r);
}

static void
got_greeting(struct redis *r, struct question *q, const struct redis_answer *a)
{
	char why[120];

	unlink_question(r, q);
	question_free(q);
	if (a->type == REDIS_ERROR) {
		(void)snprintf(
		    why, sizeof(why), "refuses the greeting: %s", a->text.at);
		broke(r, why);
		return;
	}
	if (--r->greetings == 0)
		become_ready(r);
}

static void
got_answer(struct redis *r, const struct redis_answer *a)
{
	struct question *q = TAILQ_FIRST(&r->sent);
	struct fault f;

	if (q == NULL) {
		broke(r, "an answer that nobody asked for");
	} else if (q->is_greeting) {
		got_greeting(r, q, a);
	} else if (a->type == REDIS_ERROR) {
		(void)fault_set(&f, FAULT_REFUSED, "Redis: %s", a->text.at);
		answer(r, q, NULL, &f);
	} else {
		answer(r, q, a, NULL);
	}
}

/* Every answer that is whole now. Ends early where the connection broke or
 * the client was freed in a callback. */
static void
parse(struct redis *r)
{
	while (!r->dead && r->bev != NULL) {
		const struct redis_answer *a;
		struct fault f;

		if (!resp_next(r->reader, &a, &f)) {
			broke(r, f.why);
			return;
		}
		if (a == NULL)
			return;
		got_answer(r, a);
	}
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct redis *r = arg;
	struct evbuffer *in = bufferevent_get_input(bev);

	enter(r);
	r->heard_at = clock_mono_ms();
	while (!r->dead && r->bev == bev) {
		uint8_t chunk[CHUNK];
		int n = evbuffer_remove(in, chunk, sizeof(chunk));

		if (n <= 0)
			break;
		resp_feed(r->reader, bytes_of(chunk, (size_t)n));
		parse(r);
	}
	leave(r);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct redis *r = arg;
	int error = EVUTIL_SOCKET_ERROR();
	int dns = bufferevent_socket_get_dns_error(bev);

	enter(r);
	if ((what & BEV_EVENT_CONNECTED) != 0)
		on_connected(r);
	else if (dns != 0)
		broke(r, evutil_gai_strerror(dns));
	else if ((what & BEV_EVENT_EOF) != 0)
		broke(r, "closed by Redis");
	else
		broke(r, evutil_socket_error_to_string(error));
	leave(r);
}

/* Somewhere between half the pause and all of it; the next is twice as long. */
static void
rest(struct redis *r)
{
	int64_t half = r->pause_ms / 2;

	r->state = RESTING;
	timer_start(
	    r->retrying, half + (int64_t)random_below((uint64_t)(half + 1)));
	if (r->failing)
		r->pause_ms *= 2;
	if (r->pause_ms > r->set.retry_ms * RETRY_GROWTH)
		r->pause_ms = r->set.retry_ms * RETRY_GROWTH;
}

/* The connection, or the attempt at one, is over. `why` may live in what is
 * freed here. */
static void
broke(struct redis *r, const char *why)
{
	bool was_ready = r->state == READY;
	struct question *q;
	struct question *next;
	struct fault f;

	(void)fault_set(
	    &f, FAULT_UNAVAILABLE, "Redis at %s: %s", r->set.address, why);
	log_warn(&r->log, "redis_broke", LOG_STR("why", f.why));
	if (r->bev != NULL)
		bufferevent_free(r->bev);
	r->bev = NULL;
	resp_reader_free(&r->reader);
	timer_stop(r->connecting);
	r->failing = !was_ready;
	for (q = TAILQ_FIRST(&r->sent); q != NULL; q = next) {
		next = TAILQ_NEXT(q, link);
		if (!q->is_greeting)
			continue;
		unlink_question(r, q);
		question_free(q);
	}
	rest(r);
	fail_all(r, &r->sent, &f);
	if (r->failing && !r->dead)
		fail_all(r, &r->waiting, &f);
	if (was_ready)
		tell_change(r, false);
}

/* "host:port" or "[v6]:port" */
static bool
split(const char *address, char host[NAME_BYTES], uint64_t *port)
{
	const char *colon = strrchr(address, ':');
	struct text name;

	if (colon == NULL || !text_to_u64(text_of(colon + 1), port) ||
	    *port > 65535)
		return false;
	name = (struct text){address, (size_t)(colon - address)};
	if (name.len > 1 && name.at[0] == '[' && name.at[name.len - 1] == ']') {
		name.at++;
		name.len -= 2;
	}
	return name.len > 0 && text_store(name, host, NAME_BYTES);
}

static bool
connect_unix(struct redis *r, const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	return text_store(text_of(path), to.sun_path, sizeof(to.sun_path)) &&
	       bufferevent_socket_connect(
		   r->bev, (struct sockaddr *)&to, sizeof(to)) == 0;
}

static bool
connect_ip(struct redis *r, const char *address)
{
	char host[NAME_BYTES];
	uint64_t port;

	return split(address, host, &port) &&
	       bufferevent_socket_connect_hostname(
		   r->bev, loop_dns(r->loop), AF_UNSPEC, host, (int)port) == 0;
}

/* Callbacks are deferred, so that none runs before we have returned. */
static void
on_retry(void *arg)
{
	struct redis *r = arg;
	const char *address = r->set.address;
	bool begun;

	enter(r);
	r->state = CONNECTING;
	r->reader = resp_reader_new(r->set.answer_bytes);
	r->bev = bufferevent_socket_new(loop_base(r->loop), -1,
	    BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (r->bev == NULL)
		abort();
	bufferevent_setcb(r->bev, on_read, NULL, on_event, r);
	(void)bufferevent_enable(r->bev, EV_READ | EV_WRITE);
	timer_start(r->connecting, r->set.connect_ms);
	if (strncmp(address, "unix:", 5) == 0)
		begun = connect_unix(r, address + 5);
	else
		begun = connect_ip(r, address);
	if (!begun)
		broke(r, "cannot connect");
	leave(r);
}

static void
on_connect_timeout(void *arg)
{
	struct redis *r = arg;

	enter(r);
	broke(r, "no connection in time");
	leave(r);
}

/* The first in the queue that somebody still waits for. */
static struct question *
first_awaited(const struct questions *queue)
{
	struct question *q = TAILQ_FIRST(queue);

	while (q != NULL && q->callback == NULL)
		q = TAILQ_NEXT(q, link);
	return q;
}

static void
expire(struct redis *r, struct question *q)
{
	redis_callback *callback = q->callback;
	void *arg = q->arg;
	struct fault f;

	(void)fault_set(&f, FAULT_TIMEOUT, "Redis at %s: no answer in %lld ms",
	    r->set.address, (long long)r->set.answer_ms);
	if (!q->is_sent) {
		answer(r, q, NULL, &f);
		return;
	}
	forget(q);
	callback(arg, NULL, &f);
}

static void
expire_due(struct redis *r, const struct questions *queue, int64_t now)
{
	struct question *q;

	while (!r->dead && (q = first_awaited(queue)) != NULL &&
	       q->expires_at <= now)
		expire(r, q);
}

static void
rearm(struct redis *r, int64_t now)
{
	const struct question *a = first_awaited(&r->sent);
	const struct question *b = first_awaited(&r->waiting);
	int64_t due;

	if (a == NULL && b == NULL)
		return;
	due = a == NULL ? b->expires_at : a->expires_at;
	if (b != NULL && b->expires_at < due)
		due = b->expires_at;
	timer_start(r->patience, due > now ? due - now : 0);
}

/* Nothing at all heard since a question that is now too old: the connection
 * is as good as gone, whatever TCP thinks. */
static bool
is_silent(const struct redis *r, int64_t now)
{
	const struct question *q = TAILQ_FIRST(&r->sent);

	return q != NULL && q->expires_at <= now && r->heard_at < q->asked_at;
}

static void
on_patience(void *arg)
{
	struct redis *r = arg;
	int64_t now = clock_mono_ms();
	bool silent;

	enter(r);
	silent = is_silent(r, now);
	expire_due(r, &r->sent, now);
	expire_due(r, &r->waiting, now);
	if (!r->dead && silent && r->state == READY)
		broke(r, "silent for too long");
	if (!r->dead)
		rearm(r, now);
	leave(r);
}

static const char *
kept(const char *s)
{
	return s == NULL || *s == '\0' ? NULL : mem_string(s);
}

static void
set_defaults(struct redis_settings *s)
{
	if (s->connect_ms <= 0)
		s->connect_ms = 2000;
	if (s->answer_ms <= 0)
		s->answer_ms = 1000;
	if (s->retry_ms <= 0)
		s->retry_ms = 100;
	if (s->questions == 0)
		s->questions = 10000;
	if (s->answer_bytes == 0)
		s->answer_bytes = (size_t)4 << 20;
	s->address = mem_string(s->address);
	s->user = kept(s->user);
	s->password = kept(s->password);
}

struct redis *
redis_new(struct loop *l, const struct redis_settings *settings,
    const struct log *log)
{
	struct redis *r = mem_new(sizeof(*r));

	r->loop = l;
	r->log = *log;
	r->set = *settings;
	set_defaults(&r->set);
	TAILQ_INIT(&r->waiting);
	TAILQ_INIT(&r->sent);
	TAILQ_INIT(&r->refused);
	r->pause_ms = r->set.retry_ms;
	r->connecting = timer_new(l, on_connect_timeout, r);
	r->retrying = timer_new(l, on_retry, r);
	r->patience = timer_new(l, on_patience, r);
	timer_start(r->retrying, 0);
	return r;
}

void
redis_free(struct redis **r)
{
	if (r == NULL || *r == NULL)
		return;
	(*r)->dead = true;
	if ((*r)->busy == 0)
		redis_destroy(*r);
	*r = NULL;
}

bool
redis_is_ready(const struct redis *r)
{
	return r->state == READY;
}

void
redis_on_change(struct redis *r, void (*fn)(void *arg, bool ready), void *arg)
{
	r->on_change = fn;
	r->change_arg = arg;
}
