/* SPDX-License-Identifier: Apache-2.0 */
/* base/worker: real forks, real signals. Workers report by writing one byte
 * to a pipe, so the tests wait for what happened and never for time. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/worker.h"

struct stage {
	int out[2]; /* from workers to the test */
	struct loop *loop;
};

static void
say(struct stage *s, char c)
{
	if (write(s->out[1], &c, 1) != 1)
		_exit(99);
}

static char
hear(struct stage *s)
{
	char c;

	return read(s->out[0], &c, 1) == 1 ? c : '\0';
}

static pid_t
hear_pid(struct stage *s)
{
	pid_t pid;

	assert_int_equal(read(s->out[0], &pid, sizeof pid), sizeof pid);
	return pid;
}

static void
say_pid(struct stage *s)
{
	pid_t pid = getpid();

	if (write(s->out[1], &pid, sizeof pid) != sizeof pid)
		_exit(99);
}

static void
on_drain(void *arg)
{
	struct stage *s = arg;

	say(s, 'd');
	loop_stop(s->loop);
}

static void
on_reload(void *arg)
{
	say(arg, 'r');
}

static int
run_polite(unsigned number, void *arg)
{
	struct stage *s = arg;

	s->loop = loop_new();
	worker_signals(s->loop, on_drain, on_reload, s);
	say(s, (char)('0' + number));
	loop_run(s->loop);
	loop_free(&s->loop);
	return 0;
}

static int
run_polite_named(unsigned number, void *arg)
{
	struct stage *s = arg;

	(void)number;
	s->loop = loop_new();
	worker_signals(s->loop, on_drain, on_reload, s);
	say_pid(s);
	loop_run(s->loop);
	loop_free(&s->loop);
	return 0;
}

static void
on_drain_nothing(void *arg)
{
	say(arg, 'd');
}

static int
run_stubborn(unsigned number, void *arg)
{
	struct stage *s = arg;

	(void)number;
	s->loop = loop_new();
	worker_signals(s->loop, on_drain_nothing, NULL, s);
	say(s, 'u');
	loop_run(s->loop);
	return 0;
}

static int
run_give_up(unsigned number, void *arg)
{
	if (number == 1)
		return WORKER_GIVE_UP;
	return run_polite(number, arg);
}

static pid_t
master(struct stage *s, int (*run)(unsigned, void *), unsigned count,
    int64_t drain_ms)
{
	struct worker_program p = {run, s, count, drain_ms};
	struct log log;
	pid_t pid;

	assert_int_equal(pipe(s->out), 0);
	log_init(&log, "test", LOG_ERROR_);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(2); /* the falls that the tests cause are expected */
		exit(worker_run(&p, &log));
	}
	close(s->out[1]);
	return pid;
}

static int
status_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void
test_workers_start_reload_and_drain(void **state)
{
	struct stage s = {0};
	pid_t pid = master(&s, run_polite, 3, 10000);
	int sum = 0;

	(void)state;
	for (int i = 0; i < 3; i++)
		sum += hear(&s) - '0';
	assert_int_equal(sum, 0 + 1 + 2);
	kill(pid, SIGHUP);
	for (int i = 0; i < 3; i++)
		assert_int_equal(hear(&s), 'r');
	kill(pid, SIGTERM);
	for (int i = 0; i < 3; i++)
		assert_int_equal(hear(&s), 'd');
	assert_int_equal(status_of(pid), 0);
	assert_int_equal(hear(&s), '\0'); /* nobody is left */
	close(s.out[0]);
}

static void
test_fallen_worker_is_started_again(void **state)
{
	struct stage s = {0};
	pid_t pid = master(&s, run_polite_named, 1, 10000);
	pid_t first = hear_pid(&s), second;

	(void)state;
	kill(first, SIGKILL);
	second = hear_pid(&s);
	assert_int_not_equal(first, second);
	kill(second, SIGKILL); /* falls at once: after a pause, but again */
	assert_int_not_equal(hear_pid(&s), second);
	kill(pid, SIGINT);
	assert_int_equal(hear(&s), 'd');
	assert_int_equal(status_of(pid), 0);
	close(s.out[0]);
}

static void
test_drain_has_an_end(void **state)
{
	struct stage s = {0};
	pid_t pid = master(&s, run_stubborn, 1, 50);

	(void)state;
	assert_int_equal(hear(&s), 'u');
	kill(pid, SIGTERM);
	assert_int_equal(hear(&s), 'd');
	assert_int_equal(status_of(pid), 1);
	assert_int_equal(hear(&s), '\0');
	close(s.out[0]);
}

static void
test_second_signal_ends_at_once(void **state)
{
	struct stage s = {0};
	pid_t pid = master(&s, run_stubborn, 2, 3600000);

	(void)state;
	assert_int_equal(hear(&s), 'u');
	assert_int_equal(hear(&s), 'u');
	kill(pid, SIGTERM);
	assert_int_equal(hear(&s), 'd');
	assert_int_equal(hear(&s), 'd');
	kill(pid, SIGTERM);
	assert_int_equal(status_of(pid), 1);
	assert_int_equal(hear(&s), '\0');
	close(s.out[0]);
}

static void
test_dead_master_means_drain(void **state)
{
	struct stage s = {0};
	pid_t pid = master(&s, run_polite, 2, 10000);

	(void)state;
	hear(&s);
	hear(&s);
	kill(pid, SIGKILL);
	assert_int_equal(hear(&s), 'd');
	assert_int_equal(hear(&s), 'd');
	assert_int_equal(status_of(pid), -SIGKILL);
	assert_int_equal(hear(&s), '\0');
	close(s.out[0]);
}

static void
test_giving_up_takes_the_others_along(void **state)
{
	struct stage s = {0};
	pid_t pid = master(&s, run_give_up, 2, 10000);

	(void)state;
	assert_int_equal(status_of(pid), WORKER_GIVE_UP);
	close(s.out[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_workers_start_reload_and_drain),
	    cmocka_unit_test(test_fallen_worker_is_started_again),
	    cmocka_unit_test(test_drain_has_an_end),
	    cmocka_unit_test(test_second_signal_ends_at_once),
	    cmocka_unit_test(test_dead_master_means_drain),
	    cmocka_unit_test(test_giving_up_takes_the_others_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
