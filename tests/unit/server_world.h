/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the HTTP server share: a server, its handler, and a raw
 * client in the same thread, turned by hand.
 */
#ifndef TESTS_UNIT_SERVER_WORLD_H
#define TESTS_UNIT_SERVER_WORLD_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/server.h"
#include "tests/unit/certificates.h"

struct world {
	struct loop *loop;
	struct log log;
	struct server *server;
	struct server_limits limits;
	struct timer *patience;
	struct http_request *held; /* a request kept by its handler */
	char method[16], path[256], query[64], body[256], remote[64];
	unsigned requests;
	size_t body_len;
	unsigned gone, drained;
	bool idle;
	/* what the client has received */
	char got[256 * 1024];
	size_t got_len;
	bool eof;
};

static inline void
on_patience(void *arg)
{
	(void)arg;
	fail_msg("the test waited too long");
}

static inline void
on_drained(void *arg)
{
	((struct world *)arg)->drained++;
}

static inline void
on_gone(void *arg)
{
	((struct world *)arg)->gone++;
}

static const struct http_watch watching = {on_drained, on_gone};

static inline void
handle(struct http_request *r, void *arg)
{
	struct world *w = arg;
	size_t n = evbuffer_get_length(r->body);

	w->requests++;
	w->body_len = n;
	snprintf(w->method, sizeof w->method, "%s", r->method);
	snprintf(w->path, sizeof w->path, "%s", r->path);
	snprintf(
	    w->query, sizeof w->query, "%s", r->query == NULL ? "-" : r->query);
	snprintf(w->remote, sizeof w->remote, "%s", r->remote);
	memset(w->body, 0, sizeof w->body);
	evbuffer_copyout(
	    r->body, w->body, n < sizeof w->body ? n : sizeof w->body - 1);
	if (strncmp(r->path, "/hold", 5) == 0) {
		assert_null(w->held);
		http_request_watch(r, &watching, w);
		w->held = r;
		return;
	}
	http_reply_text(&r, 200, "text/plain", "hello");
}

static inline int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	w->loop = loop_new();
	log_init(&w->log, "test", LOG_ERROR_);
	server_limits_default(&w->limits);
	w->patience = timer_new(w->loop, on_patience, NULL);
	timer_start(w->patience, 20000);
	*state = w;
	return 0;
}

static inline int
tear_down(void **state)
{
	struct world *w = *state;

	http_request_close(&w->held);
	server_free(&w->server);
	timer_free(&w->patience);
	loop_free(&w->loop);
	free(w);
	return 0;
}

static inline void
serve_now(struct world *w, SSL_CTX *tls)
{
	struct fault f;

	w->server = server_new(
	    w->loop, "127.0.0.1:0", tls, &w->limits, handle, w, &w->log, &f);
	if (w->server == NULL)
		fail_msg("%s", f.why);
}

static inline int
client(struct world *w)
{
	struct sockaddr_in a = {
	    .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)server_port(w->server)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	w->got_len = 0;
	w->got[0] = '\0';
	w->eof = false;
	return fd;
}

static inline void
say(int fd, const char *text)
{
	size_t len = strlen(text);

	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

static inline void
turn(struct world *w, int fd)
{
	ssize_t n;

	event_base_loop(loop_base(w->loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
	if (fd < 0)
		return;
	n = recv(fd, w->got + w->got_len, sizeof w->got - 1 - w->got_len, 0);
	if (n > 0)
		w->got_len += (size_t)n;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		w->eof = true;
	w->got[w->got_len] = '\0';
}

static inline void
until_eof(struct world *w, int fd)
{
	while (!w->eof)
		turn(w, fd);
}

static inline void
until_got(struct world *w, int fd, const char *text)
{
	while (strstr(w->got, text) == NULL) {
		assert_false(w->eof);
		turn(w, fd);
	}
}

static inline void
forget(struct world *w)
{
	w->got_len = 0;
	w->got[0] = '\0';
}

static inline unsigned
times(const char *in, const char *what)
{
	unsigned n = 0;

	for (; (in = strstr(in, what)) != NULL; in++)
		n++;
	return n;
}

static inline void
pour(struct http_request *r, size_t n)
{
	static char text[65536];
	struct evbuffer *b = evbuffer_new();

	memset(text, 'z', sizeof text);
	for (; n > 0; n -= n < sizeof text ? n : sizeof text)
		evbuffer_add(b, text, n < sizeof text ? n : sizeof text);
	http_reply_body(r, b);
	evbuffer_free(b);
}

static inline void
until_held(struct world *w, int fd)
{
	while (w->held == NULL)
		turn(w, fd);
}

#endif
