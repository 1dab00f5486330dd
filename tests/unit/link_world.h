/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of links share: certificates, a listener, both ends of a
 * link, and a caller that counts what it is told.
 */
#ifndef TESTS_UNIT_LINK_WORLD_H
#define TESTS_UNIT_LINK_WORLD_H

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/link.h"
#include "tests/unit/certificates.h"

/* One end as the tests see it. */
struct end {
	struct link *link;
	struct loop *loop;
	bool up;
	bool down;
	bool goaway;
	bool stop_on_up, stop_on_down;
	bool free_on_up, free_on_request;
	struct fault why;
	char peer[64];
	struct http_request *requests[64];
	unsigned request_count;
	bool gone[64];
	void (*on_request)(struct end *e, struct http_request *r);
};

struct world {
	struct loop *loop;
	struct log log;
	struct certificate ca, server, client;
	SSL_CTX *server_tls, *client_tls;
	struct link_listener *listener;
	struct link_listener_settings settings;
	struct link_limits limits;
	struct end accepted, dialled;
	struct end spare; /* accepts what comes second */
	char address[80];
	struct timer *patience;
};

static inline void
on_up(struct link *l, X509 *peer, void *arg)
{
	struct end *e = arg;

	assert_false(e->up);
	assert_ptr_equal(l, e->link);
	e->up = true;
	if (peer != NULL)
		X509_NAME_get_text_by_NID(X509_get_subject_name(peer),
		    NID_commonName, e->peer, sizeof e->peer);
	if (e->free_on_up)
		link_free(&e->link);
	if (e->stop_on_up)
		loop_stop(e->loop);
}

static inline void
on_down(struct link *l, const struct fault *why, void *arg)
{
	struct end *e = arg;

	assert_false(e->down);
	assert_ptr_equal(l, e->link);
	e->down = true;
	e->why = *why;
	link_free(&e->link);
	if (e->stop_on_down)
		loop_stop(e->loop);
}

static inline void
on_goaway(struct link *l, void *arg)
{
	struct end *e = arg;

	(void)l;
	assert_false(e->goaway);
	e->goaway = true;
}

static inline void
on_request(struct http_request *r, void *arg)
{
	struct end *e = arg;

	if (e->on_request != NULL) {
		e->on_request(e, r);
		return;
	}
	http_reply_text(&r, 200, "text/plain", "hello");
}

static const struct link_events events = {
    .on_up = on_up,
    .on_down = on_down,
    .on_request = on_request,
    .on_goaway = on_goaway,
};

static inline void
on_accept(struct link *l, void *arg, const struct link_events **e, void **e_arg)
{
	struct world *w = arg;
	struct end *end = w->accepted.link == NULL && !w->accepted.down
			      ? &w->accepted
			      : &w->spare;

	end->link = l;
	*e = &events;
	*e_arg = end;
}

static inline void
on_patience(void *arg)
{
	(void)arg;
	fail_msg("the test waited too long");
}

static inline SSL_CTX *
context(bool server, const struct certificate *own,
    const struct certificate *ca, const char *alpn)
{
	struct tls_settings s = {
	    .server = server,
	    .verify = TLS_VERIFY_REQUIRED,
	    .certificate_file = own == NULL ? NULL : own->file,
	    .key_file = own == NULL ? NULL : own->key_file,
	    .ca_file = ca->file,
	    .alpn = alpn,
	};
	SSL_CTX *out;
	struct fault f;

	if (!tls_context_new(&s, &out, &f))
		fail_msg("%s", f.why);
	return out;
}

static inline int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	w->loop = loop_new();
	log_init(&w->log, "test", LOG_ERROR_);
	certificate_make(&w->ca, NULL,
	    &(struct certificate_wish){.name = "Test CA", .ca = true});
	certificate_make(&w->server, &w->ca,
	    &(struct certificate_wish){.name = "gateway",
		.san = "DNS:gateway.test,IP:127.0.0.1",
		.usage = "serverAuth"});
	certificate_make(&w->client, &w->ca,
	    &(struct certificate_wish){
		.name = "daemon",
		.san = "URI:did:assay:zTest",
		.usage = "clientAuth",
	    });
	w->server_tls = context(true, &w->server, &w->ca, "rh2");
	w->client_tls = context(false, &w->client, &w->ca, "rh2");
	link_limits_default(&w->limits);
	w->accepted.loop = w->dialled.loop = w->loop;
	w->settings.tls = w->server_tls;
	w->settings.role = LINK_CLIENT;
	w->settings.address = "127.0.0.1:0";
	w->patience = timer_new(w->loop, on_patience, NULL);
	timer_start(w->patience, 20000);
	*state = w;
	return 0;
}

static inline int
tear_down(void **state)
{
	struct world *w = *state;

	link_free(&w->accepted.link);
	link_free(&w->dialled.link);
	link_free(&w->spare.link);
	link_listener_free(&w->listener);
	timer_free(&w->patience);
	loop_free(&w->loop);
	SSL_CTX_free(w->server_tls);
	SSL_CTX_free(w->client_tls);
	certificate_done(&w->ca);
	certificate_done(&w->server);
	certificate_done(&w->client);
	free(w);
	return 0;
}

static inline void
listen_now(struct world *w)
{
	struct fault f;

	w->settings.limits = w->limits;
	w->listener =
	    link_listen(w->loop, &w->settings, on_accept, w, &w->log, &f);
	if (w->listener == NULL)
		fail_msg("%s", f.why);
	if (strncmp(w->settings.address, "unix:", 5) == 0)
		snprintf(
		    w->address, sizeof w->address, "%s", w->settings.address);
	else
		snprintf(w->address, sizeof w->address, "127.0.0.1:%u",
		    link_listener_port(w->listener));
}

static inline void
dial_now(struct world *w, SSL_CTX *tls, const char *name)
{
	w->dialled.link = link_dial(w->loop, w->address, tls, name,
	    w->settings.role == LINK_CLIENT ? LINK_SERVER : LINK_CLIENT,
	    &w->limits, &events, &w->dialled, &w->log);
	assert_non_null(w->dialled.link);
	assert_false(w->dialled.down); /* never at once */
}

static inline void
turn(struct world *w)
{
	event_base_loop(loop_base(w->loop), EVLOOP_ONCE);
}

static inline void
connect_both(struct world *w)
{
	listen_now(w);
	dial_now(w, w->settings.tls == NULL ? NULL : w->client_tls, NULL);
	while (!(w->accepted.up && w->dialled.up))
		turn(w);
}

/* -------------------------------------------------------------- one call */

struct taker {
	struct world *w;
	struct http_call *call;
	int status;
	struct evbuffer *body;
	bool ended;
	bool failed;
	struct fault why;
	bool keep; /* credit nothing */
	size_t got;
	void (*on_head)(struct taker *t);
	void (*on_body)(struct taker *t);
};

static inline void
take_head(void *arg, int status, const struct http_fields *fs)
{
	struct taker *t = arg;

	(void)fs;
	assert_false(t->ended);
	assert_non_null(t->call);
	t->status = status;
	if (t->on_head != NULL)
		t->on_head(t);
}

static inline void
take_body(void *arg, struct evbuffer *data)
{
	struct taker *t = arg;
	size_t n = evbuffer_get_length(data);

	assert_false(t->ended);
	t->got += n;
	if (t->body != NULL)
		evbuffer_add_buffer(t->body, data);
	else
		evbuffer_drain(data, n);
	if (!t->keep)
		http_call_credit(t->call, n);
	if (t->on_body != NULL)
		t->on_body(t);
}

static inline void
take_end(void *arg, const struct fault *f)
{
	struct taker *t = arg;

	assert_false(t->ended);
	t->ended = true;
	t->call = NULL;
	t->failed = f != NULL;
	if (f != NULL)
		t->why = *f;
}

static const struct http_events taking = {take_head, take_body, take_end};

static inline void
call(struct world *w, struct taker *t, struct link *l, const char *path,
    struct evbuffer *body)
{
	struct http_outgoing o = {
	    .method = body == NULL ? "GET" : "POST",
	    .path = path,
	    .body = body,
	};
	struct fault f;

	t->w = w;
	t->call = link_call(l, &o, &taking, t, &f);
	if (t->call == NULL)
		fail_msg("%s", f.why);
	assert_false(t->ended);
}

static inline void
until_ended(struct taker *t)
{
	while (!t->ended)
		turn(t->w);
}

#endif
