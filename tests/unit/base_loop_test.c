/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop: deferred calls and their three promises, turns, timers, signals,
 * and what runs at the end.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/loop.h"

struct world {
	struct loop *loop;
	struct timer *timer;
	struct pending *other;
	char trace[64];
	unsigned ticks;
	int pipe[2];
};

static int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	w->loop = loop_new();
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	timer_free(&w->timer);
	loop_free(&w->loop);
	assert_null(w->loop);
	free(w);
	return 0;
}

static void
note(struct world *w, char c)
{
	size_t n = strlen(w->trace);

	assert_true(n + 1 < sizeof w->trace);
	w->trace[n] = c;
}

static void
on_a(void *arg)
{
	note(arg, 'a');
}

static void
on_b(void *arg)
{
	note(arg, 'b');
}

static void
on_stop(void *arg)
{
	struct world *w = arg;

	note(w, '.');
	loop_stop(w->loop);
}

static void
test_deferred_in_order(void **state)
{
	struct world *w = *state;

	loop_defer(w->loop, on_a, w);
	loop_defer(w->loop, on_b, w);
	loop_defer(w->loop, on_stop, w);
	assert_string_equal(w->trace, ""); /* never at once */
	loop_run(w->loop);
	assert_string_equal(w->trace, "ab."); /* once each */
}

static void
test_deferred_and_cancelled(void **state)
{
	struct world *w = *state;
	struct pending *p = loop_defer(w->loop, on_a, w);

	loop_defer(w->loop, on_b, w);
	loop_defer(w->loop, on_stop, w);
	pending_cancel(&p);
	assert_null(p);
	pending_cancel(&p); /* accepts NULL */
	loop_run(w->loop);
	assert_string_equal(w->trace, "b.");
}

static void
on_cancel_other(void *arg)
{
	struct world *w = arg;

	note(w, 'c');
	pending_cancel(&w->other);
}

static void
test_cancelled_by_one_before(void **state)
{
	struct world *w = *state;

	loop_defer(w->loop, on_cancel_other, w);
	w->other = loop_defer(w->loop, on_a, w);
	loop_defer(w->loop, on_stop, w);
	loop_run(w->loop);
	assert_string_equal(w->trace, "c.");
}

static void
on_again(void *arg)
{
	struct world *w = arg;

	note(w, 'x');
	if (strlen(w->trace) < 20)
		loop_defer(w->loop, on_again, w);
}

static void
on_pipe(evutil_socket_t fd, short what, void *arg)
{
	struct world *w = arg;
	char c;

	(void)what;
	assert_int_equal(read(fd, &c, 1), 1);
	note(w, 'p');
}

/* A call that defers itself lets others have their turn. */
static void
test_turns(void **state)
{
	struct world *w = *state;
	struct event *e;

	assert_int_equal(pipe(w->pipe), 0);
	assert_int_equal(write(w->pipe[1], "12", 2), 2);
	e = event_new(
	    loop_base(w->loop), w->pipe[0], EV_READ | EV_PERSIST, on_pipe, w);
	event_add(e, NULL);
	loop_defer(w->loop, on_again, w);
	for (int i = 0; i < 4; i++)
		event_base_loop(loop_base(w->loop), EVLOOP_ONCE);
	assert_non_null(strstr(w->trace, "p"));
	assert_true(strchr(w->trace, 'p') - w->trace < 4);
	event_free(e);
	close(w->pipe[0]);
	close(w->pipe[1]);
}

static void
test_left_over(void **state)
{
	struct world *w = *state;

	loop_defer(w->loop, on_a, w); /* is dropped, not leaked */
}

/* All else that is due goes first, whatever was set first. */
static void
test_idle_timer(void **state)
{
	struct world *w = *state;
	struct timer *idle = timer_new_idle(w->loop, on_stop, w);
	struct timer *usual = timer_new(w->loop, on_a, w);

	timer_start(idle, 0);
	timer_start(usual, 0);
	loop_defer(w->loop, on_b, w);
	loop_run(w->loop);
	assert_int_equal(strlen(w->trace), 3);
	assert_int_equal(w->trace[2], '.');
	timer_free(&idle);
	timer_free(&usual);
}

static void
on_tick(void *arg)
{
	struct world *w = arg;

	if (++w->ticks == 3)
		loop_stop(w->loop);
}

static void
test_timers(void **state)
{
	struct world *w = *state;
	int64_t then = clock_mono_ms();

	w->timer = timer_new(w->loop, on_stop, w);
	assert_false(timer_is_running(w->timer));
	timer_start(w->timer, 10000);
	assert_true(timer_is_running(w->timer));
	timer_start(w->timer, 30); /* moves it */
	loop_run(w->loop);
	assert_false(timer_is_running(w->timer));
	assert_true(clock_mono_ms() - then >= 20);
	assert_true(clock_mono_ms() - then < 5000);
	assert_string_equal(w->trace, ".");
}

static void
test_timer_that_repeats(void **state)
{
	struct world *w = *state;

	w->timer = timer_new(w->loop, on_tick, w);
	timer_every(w->timer, 5);
	loop_run(w->loop);
	assert_int_equal(w->ticks, 3);
	timer_stop(w->timer);
	assert_false(timer_is_running(w->timer));
	/* and from then on once only */
	timer_start(w->timer, 1);
	event_base_loop(loop_base(w->loop), EVLOOP_ONCE);
	assert_int_equal(w->ticks, 4);
	assert_false(timer_is_running(w->timer));
}

static void
on_restart(void *arg)
{
	struct world *w = arg;

	if (++w->ticks < 3)
		timer_start(w->timer, 1);
	else
		loop_stop(w->loop);
}

static void
test_timer_from_its_callback(void **state)
{
	struct world *w = *state;

	w->timer = timer_new(w->loop, on_restart, w);
	timer_start(w->timer, 0);
	loop_run(w->loop);
	assert_int_equal(w->ticks, 3);
}

static void
on_free(void *arg)
{
	struct world *w = arg;

	timer_free(&w->timer);
	loop_stop(w->loop);
}

static void
test_timer_freed_in_its_callback(void **state)
{
	struct world *w = *state;

	w->timer = timer_new(w->loop, on_free, w);
	timer_every(w->timer, 1);
	loop_run(w->loop);
	assert_null(w->timer);
}

static void
test_signals(void **state)
{
	struct world *w = *state;

	loop_on_signal(w->loop, SIGUSR1, on_stop, w);
	kill(getpid(), SIGUSR1);
	loop_run(w->loop);
	kill(getpid(), SIGUSR1);
	loop_run(w->loop);
	assert_string_equal(w->trace, "..");
}

static void
test_at_end(void **state)
{
	struct world *w = *state;
	struct pending *p;

	loop_at_end(w->loop, on_a, w);
	p = loop_at_end(w->loop, on_b, w);
	pending_cancel(&p);
	assert_string_equal(w->trace, "");
	loop_free(&w->loop);
	assert_string_equal(w->trace, "a");
}

static void
test_broken_pipe_is_no_signal(void **state)
{
	struct world *w = *state;

	assert_int_equal(pipe(w->pipe), 0);
	close(w->pipe[0]);
	assert_int_equal(write(w->pipe[1], "x", 1), -1);
	close(w->pipe[1]);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_deferred_in_order),
	    TEST(test_deferred_and_cancelled),
	    TEST(test_cancelled_by_one_before),
	    TEST(test_turns),
	    TEST(test_left_over),
	    TEST(test_timers),
	    TEST(test_idle_timer),
	    TEST(test_timer_that_repeats),
	    TEST(test_timer_from_its_callback),
	    TEST(test_timer_freed_in_its_callback),
	    TEST(test_signals),
	    TEST(test_at_end),
	    TEST(test_broken_pipe_is_no_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
