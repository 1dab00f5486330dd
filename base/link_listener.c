/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepts links: bounds those whose handshake is under way and those open,
 * and reads the balancer's PROXY header, byte for byte, before TLS begins.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/link_priv.h"
#include "base/listener.h"
#include "base/proxy.h"

/* Outlives the listener while links remember it. */
struct tally {
	unsigned refs;
	unsigned pending;
	unsigned links;
};

/* A connection whose PROXY header has not come whole. */
struct arrival {
	LIST_ENTRY(arrival) entry;
	struct link_listener *listener;
	struct event *event;
	struct timer *timer;
	struct proxy proxy;
	int fd;
};

struct link_listener {
	struct loop *loop;
	struct link_listener_settings settings;
	char *proxy_from;
	struct evconnlistener *socket;
	struct timer *rest;
	struct tally *tally;
	LIST_HEAD(, arrival) arrivals;
	void (*on_accept)(struct link *l, void *arg,
	    const struct link_events **events, void **events_arg);
	void *arg;
	struct log log;
	int64_t warned_ms;
	bool paused;
};

static void
tally_release(struct tally *t)
{
	if (--t->refs == 0)
		mem_free(t);
}

static void
on_settled(void *arg)
{
	struct tally *t = arg;

	t->pending--;
}

static void
on_closed(void *arg)
{
	struct tally *t = arg;

	t->links--;
	tally_release(t);
}

static void
warn(struct link_listener *ll, const char *remote, const char *why)
{
	int64_t now = clock_mono_ms();

	if (ll->warned_ms != 0 && now - ll->warned_ms < 1000)
		return;
	ll->warned_ms = now;
	log_warn(&ll->log, "link_refused", LOG_STR("remote", remote),
	    LOG_STR("why", why));
}

static void
adopt(struct link_listener *ll, int fd, const char *remote)
{
	const struct link_owner owner = {on_settled, on_closed, ll->tally};
	const struct link_events *events = NULL;
	void *events_arg = NULL;
	struct link *l;

	ll->tally->refs++;
	ll->tally->links++;
	ll->tally->pending++;
	l = link_accepted(ll->loop, fd, remote, ll->settings.tls,
	    ll->settings.role, &ll->settings.limits, &owner, &ll->log);
	ll->on_accept(l, ll->arg, &events, &events_arg);
	link_listen_to(l, events, events_arg);
}

static void
arrival_free(struct arrival *a)
{
	LIST_REMOVE(a, entry);
	a->listener->tally->pending--;
	event_free(a->event);
	timer_free(&a->timer);
	if (a->fd >= 0)
		close(a->fd);
	mem_free(a);
}

static void
arrival_refuse(struct arrival *a, const char *why)
{
	warn(a->listener, "", why);
	arrival_free(a);
}

static void
on_arrival_timer(void *arg)
{
	arrival_refuse(arg, "PROXY header did not come in time");
}

static void
arrival_done(struct arrival *a)
{
	struct link_listener *ll = a->listener;
	char remote[PROXY_REMOTE];
	struct fault f;
	int fd = a->fd;

	if (!proxy_remote(&a->proxy, remote, &f)) {
		arrival_refuse(a, f.why);
		return;
	}
	a->fd = -1;
	arrival_free(a);
	adopt(ll, fd, remote[0] == '\0' ? "balancer" : remote);
}

static void
on_arrival_bytes(evutil_socket_t fd, short what, void *arg)
{
	struct arrival *a = arg;
	size_t missing;
	ssize_t n;
	struct fault f;

	(void)what;
	for (;;) {
		if (!proxy_need(&a->proxy, &missing, &f)) {
			arrival_refuse(a, f.why);
			return;
		}
		if (missing == 0) {
			arrival_done(a);
			return;
		}
		n = recv(fd, a->proxy.bytes + a->proxy.have, missing, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			arrival_free(a);
			return;
		}
		a->proxy.have += (size_t)n;
	}
}

static void
await_proxy(struct link_listener *ll, int fd)
{
	struct arrival *a = mem_new(sizeof *a);

	a->listener = ll;
	a->fd = fd;
	ll->tally->pending++;
	LIST_INSERT_HEAD(&ll->arrivals, a, entry);
	a->timer = timer_new(ll->loop, on_arrival_timer, a);
	timer_start(a->timer, ll->settings.limits.handshake_ms);
	a->event = event_new(
	    loop_base(ll->loop), fd, EV_READ | EV_PERSIST, on_arrival_bytes, a);
	assert(a->event != NULL);
	event_add(a->event, NULL);
}

static void
on_socket(struct evconnlistener *x, evutil_socket_t fd,
    struct sockaddr *address, int len, void *arg)
{
	struct link_listener *ll = arg;
	const struct tally *t = ll->tally;
	char remote[PROXY_REMOTE];

	(void)x;
	(void)len;
	address_text(address, remote);
	if (t->pending >= ll->settings.pending_handshakes ||
	    t->links >= ll->settings.links) {
		close(fd);
		warn(ll, remote,
		    t->links >= ll->settings.links
			? "too many links"
			: "too many handshakes under way");
		return;
	}
	evutil_make_socket_nonblocking(fd);
	if (ll->proxy_from != NULL && networks_have(ll->proxy_from, address))
		await_proxy(ll, fd);
	else
		adopt(ll, fd, remote);
}

/* After a rest for want of descriptors; see listener_rest. */
static void
on_rest(void *arg)
{
	struct link_listener *ll = arg;

	if (!ll->paused)
		evconnlistener_enable(ll->socket);
}

static void
on_socket_error(struct evconnlistener *x, void *arg)
{
	struct link_listener *ll = arg;

	warn(ll, "", strerror(EVUTIL_SOCKET_ERROR()));
	listener_rest(x, NULL);
	timer_start(ll->rest, LISTENER_REST_MS);
}

static void
apply_defaults(struct link_listener_settings *s)
{
	struct link_limits none = {0};

	if (memcmp(&s->limits, &none, sizeof none) == 0)
		link_limits_default(&s->limits);
	if (s->pending_handshakes == 0)
		s->pending_handshakes = 256;
	if (s->links == 0)
		s->links = 10000;
}

struct link_listener *
link_listen(struct loop *l, const struct link_listener_settings *s,
    void (*on_accept)(struct link *l, void *arg,
	const struct link_events **events, void **events_arg),
    void *arg, const struct log *log, struct fault *f)
{
	struct evconnlistener *socket;
	struct link_listener *ll;

	if (s->proxy_from != NULL && !networks_check(s->proxy_from, f))
		return NULL;
	if (!listener_open(l, s->address, &socket, f))
		return NULL;
	ll = mem_new(sizeof *ll);
	ll->loop = l;
	ll->settings = *s;
	ll->settings.address = NULL; /* borrowed for this call only */
	ll->settings.tls = NULL;
	ll->proxy_from = mem_string(s->proxy_from);
	apply_defaults(&ll->settings);
	ll->socket = socket;
	ll->rest = timer_new(l, on_rest, ll);
	ll->tally = mem_new(sizeof *ll->tally);
	ll->tally->refs = 1;
	LIST_INIT(&ll->arrivals);
	ll->on_accept = on_accept;
	ll->arg = arg;
	ll->log = *log;
	link_listener_set_tls(ll, s->tls);
	evconnlistener_set_error_cb(socket, on_socket_error);
	evconnlistener_set_cb(socket, on_socket, ll);
	return ll;
}

unsigned
link_listener_port(const struct link_listener *ll)
{
	return listener_port(ll->socket);
}

void
link_listener_set_tls(struct link_listener *ll, SSL_CTX *tls)
{
	if (tls != NULL)
		SSL_CTX_up_ref(tls);
	SSL_CTX_free(ll->settings.tls);
	ll->settings.tls = tls;
}

void
link_listener_pause(struct link_listener *ll)
{
	ll->paused = true;
	evconnlistener_disable(ll->socket);
}

void
link_listener_free(struct link_listener **llp)
{
	struct link_listener *ll = *llp;

	if (ll == NULL)
		return;
	while (!LIST_EMPTY(&ll->arrivals))
		arrival_free(LIST_FIRST(&ll->arrivals));
	evconnlistener_free(ll->socket);
	timer_free(&ll->rest);
	SSL_CTX_free(ll->settings.tls);
	tally_release(ll->tally);
	mem_free(ll->proxy_from);
	mem_free(ll);
	*llp = NULL;
}
