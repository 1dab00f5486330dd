/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/bench: what a child that judges a buyer's report has left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/bench.h"

static bool
is_bounded(int what, rlim_t most)
{
	struct rlimit l;

	return getrlimit(what, &l) == 0 && l.rlim_max <= most;
}

static bool
is_closed(int fd)
{
	return fcntl(fd, F_GETFD) == -1;
}

/* Which of the promises does not hold; 0: all do. */
static int
broken(int keep, const int others[2])
{
	bench_confine(keep);
	if (!is_closed(others[0]) || !is_closed(others[1]))
		return 1;
	if (is_closed(keep) || is_closed(STDERR_FILENO))
		return 2;
	if (!is_bounded(RLIMIT_CPU, 60) || !is_bounded(RLIMIT_CORE, 0) ||
	    !is_bounded(RLIMIT_FSIZE, 0))
		return 3;
#ifndef __SANITIZE_ADDRESS__
	if (!is_bounded(RLIMIT_AS, (rlim_t)4 << 30))
		return 4;
#endif
	return write(keep, "x", 1) == 1 ? 0 : 5;
}

static void
test_child_has_its_pipe_alone(void **state)
{
	int below[2], pipes[2], above[2], others[2], status = -1;
	pid_t pid;
	char said;

	(void)state;
	assert_int_equal(pipe(below), 0);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(pipe(above), 0);
	others[0] = below[0];
	others[1] = above[1];
	pid = fork();
	if (pid == 0)
		_exit(broken(pipes[1], others));
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(read(pipes[0], &said, 1), 1);
	for (int i = 0; i < 2; i++) {
		close(below[i]);
		close(pipes[i]);
		close(above[i]);
	}
}

static void
test_room(void **state)
{
	struct fault f = {0};

	(void)state;
	assert_true(bench_has_room(BENCH_MOST - 1, &f));
	assert_false(bench_has_room(BENCH_MOST, &f));
	assert_int_equal(f.kind, FAULT_OVERLOADED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_child_has_its_pipe_alone),
	    cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
