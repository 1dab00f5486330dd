/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop (libevent) and the rules of waiting.
 *
 * Whoever asks a question that is answered later gets a struct pending *.
 * Three promises hold for every x_ask in Assay, each with a test: the answer
 * comes exactly once; never before x_ask has returned (an answer known at
 * once still goes through the loop); never after pending_cancel. When the
 * callback runs the pending is already dead: clear the handle first.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct evdns_base;
struct loop;
struct loop *loop_new(void); /* after fork, one per worker */
void loop_free(struct loop **l);
struct event_base *loop_base(struct loop *l);
/* Names to addresses without waiting; made at the first use. */
struct evdns_base *loop_dns(struct loop *l);
void loop_run(struct loop *l);	/* until loop_stop */
void loop_stop(struct loop *l); /* after the callbacks now due */
/* Takes memory of mem_new that must live as long as the loop. */
void loop_own(struct loop *l, void *at);

/* An open question. The one who answers embeds it as first member and sets
 * cancel, which must forget the asker and may free the whole. */
struct pending {
	void (*cancel)(struct pending *self);
};
void pending_cancel(struct pending **p); /* accepts NULL, leaves NULL */

/* fn(arg) in the next turn of the loop, unless cancelled. */
struct pending *loop_defer(struct loop *l, void (*fn)(void *arg), void *arg);

/* fn(arg) at the start of loop_free, unless cancelled: for what ends by itself
 * and would otherwise be left behind. */
struct pending *loop_at_end(struct loop *l, void (*fn)(void *arg), void *arg);

/* A timer: at rest until started; may be started again from its callback. */
struct timer;
struct timer *timer_new(struct loop *l, void (*fn)(void *arg), void *arg);
/* One whose call waits for as long as anything else is due. */
struct timer *timer_new_idle(struct loop *l, void (*fn)(void *arg), void *arg);
void timer_start(struct timer *t, int64_t in_ms); /* moves a running one */
void timer_every(struct timer *t, int64_t every_ms);
void timer_stop(struct timer *t);
bool timer_is_running(const struct timer *t);
void timer_free(struct timer **t);

/* fn(arg) in the loop whenever the signal arrives. Lives until loop_free. */
void loop_on_signal(
    struct loop *l, int signal, void (*fn)(void *arg), void *arg);

#endif
