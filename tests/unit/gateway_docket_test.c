/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/docket: first come, first served, one in a turn, after what came
 * over a socket meanwhile; and on a loop that never rests, all the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/docket.h"

struct world {
	struct loop *loop;
	struct docket *docket;
	struct pending *cases[4];
	struct event *readable;
	struct timer *patience;
	int pipe[2];
	bool is_restless;
	char trace[200];
	unsigned heard;
};

static void
note(struct world *w, char c)
{
	size_t n = strlen(w->trace);

	if (n + 1 < sizeof(w->trace))
		w->trace[n] = c;
}

static void
feed(struct world *w)
{
	assert_int_equal(write(w->pipe[1], "x", 1), 1);
}

/* As a stream's bytes come: one at a time, and the next one at once. */
static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct world *w = arg;
	char c;

	(void)what;
	assert_int_equal(read(fd, &c, 1), 1);
	note(w, 's');
	if (w->is_restless)
		feed(w);
}

static void
on_late(void *arg)
{
	(void)arg;
	fail_msg("it was not called in ten seconds");
}

static int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->loop = loop_new();
	w->docket = docket_new(w->loop);
	w->patience = timer_new(w->loop, on_late, w);
	timer_start(w->patience, 10000);
	assert_int_equal(pipe(w->pipe), 0);
	w->readable = event_new(loop_base(w->loop), w->pipe[0],
	    EV_READ | EV_PERSIST, on_readable, w);
	event_add(w->readable, NULL);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	docket_free(&w->docket);
	assert_null(w->docket);
	event_free(w->readable);
	close(w->pipe[0]);
	close(w->pipe[1]);
	timer_free(&w->patience);
	loop_free(&w->loop);
	free(w);
	return 0;
}

/* A verdict takes its time; meanwhile a stream's bytes have come. */
static void
on_case(void *arg)
{
	struct world *w = arg;

	note(w, 'v');
	if (!w->is_restless)
		feed(w);
	if (++w->heard == 3)
		loop_stop(w->loop);
}

static void
test_streams_go_first(void **state)
{
	struct world *w = *state;

	feed(w);
	for (int i = 0; i < 3; i++)
		assert_non_null(docket_add(w->docket, on_case, w));
	assert_string_equal(w->trace, ""); /* never at once */
	assert_int_equal(docket_count(w->docket), 3);
	loop_run(w->loop);
	assert_string_equal(w->trace, "svsvsvs");
	assert_int_equal(docket_count(w->docket), 0);
}

static void
test_comes_on_a_loop_that_never_rests(void **state)
{
	struct world *w = *state;

	w->is_restless = true;
	feed(w);
	for (int i = 0; i < 3; i++)
		docket_add(w->docket, on_case, w);
	loop_run(w->loop);
	assert_int_equal(w->heard, 3);
	assert_int_equal(docket_count(w->docket), 0);
}

static void
on_number(void *arg)
{
	struct world *w = arg;

	note(w, (char)('0' + w->heard));
	w->cases[w->heard] = NULL;
	if (w->heard++ == 0)
		pending_cancel(&w->cases[1]);
	if (w->heard == 1)
		w->heard++;
	if (docket_count(w->docket) == 0)
		loop_stop(w->loop);
}

static void
test_in_order_and_cancelled(void **state)
{
	struct world *w = *state;
	struct pending *p;

	for (int i = 0; i < 4; i++)
		w->cases[i] = docket_add(w->docket, on_number, w);
	loop_run(w->loop);
	assert_string_equal(w->trace, "023");
	/* All of them, and then one more. */
	p = docket_add(w->docket, on_case, w);
	pending_cancel(&p);
	assert_int_equal(docket_count(w->docket), 0);
	w->heard = 2;
	docket_add(w->docket, on_case, w);
	loop_run(w->loop);
	assert_int_equal(w->heard, 3);
}

static void
on_end(void *arg)
{
	struct world *w = arg;

	docket_free(&w->docket);
	loop_stop(w->loop);
}

static void
test_may_be_freed_by_a_case(void **state)
{
	struct world *w = *state;

	docket_add(w->docket, on_end, w);
	docket_add(w->docket, on_case, w); /* is forgotten */
	loop_run(w->loop);
	assert_int_equal(w->heard, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_streams_go_first, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_comes_on_a_loop_that_never_rests, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_in_order_and_cancelled, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_may_be_freed_by_a_case, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
