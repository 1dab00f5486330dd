/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closing a connection politely (RFC 9112 section 9.6): flush, half-close,
 * read and throw away until the peer closes or patience ends.
 */
#include "base/linger.h"

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "base/mem.h"

struct lingering {
	struct loop *loop;
	struct bufferevent *bev;
	struct timer *timer;
	struct pending *at_end;
	size_t thrown; /* bytes read for nothing */
	bool said;
};

enum { THROW_MAX = 16 * 1024 * 1024 };

static void
finish(void *arg)
{
	struct lingering *g = arg;

	pending_cancel(&g->at_end);
	timer_free(&g->timer);
	bufferevent_free(g->bev);
	mem_free(g);
}

static void
on_end(void *arg)
{
	struct lingering *g = arg;

	g->at_end = NULL;
	finish(g);
}

static void
say_done(struct lingering *g)
{
	SSL *ssl = bufferevent_openssl_get_ssl(g->bev);

	g->said = true;
	if (ssl != NULL && SSL_is_init_finished(ssl))
		SSL_shutdown(ssl);
	ERR_clear_error();
	shutdown(bufferevent_getfd(g->bev), SHUT_WR);
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct lingering *g = arg;
	struct evbuffer *in = bufferevent_get_input(bev);

	g->thrown += evbuffer_get_length(in);
	evbuffer_drain(in, evbuffer_get_length(in));
	if (g->thrown > THROW_MAX)
		finish(g);
}

static void
on_write(struct bufferevent *bev, void *arg)
{
	struct lingering *g = arg;

	if (evbuffer_get_length(bufferevent_get_output(bev)) == 0 && !g->said)
		say_done(g);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0)
		finish(arg);
}

void
linger(struct loop *l, struct bufferevent *bev, int64_t within_ms)
{
	struct lingering *g = mem_new(sizeof *g);
	struct evbuffer *in = bufferevent_get_input(bev);

	g->loop = l;
	g->bev = bev;
	g->timer = timer_new(l, finish, g);
	g->at_end = loop_at_end(l, on_end, g);
	timer_start(g->timer, within_ms);
	evbuffer_drain(in, evbuffer_get_length(in));
	bufferevent_set_timeouts(bev, NULL, NULL);
	bufferevent_setwatermark(bev, EV_READ | EV_WRITE, 0, 0);
	bufferevent_setcb(bev, on_read, on_write, on_event, g);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
	if (evbuffer_get_length(bufferevent_get_output(bev)) == 0)
		say_done(g);
}
