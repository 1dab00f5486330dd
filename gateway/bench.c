/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See bench.h. The child has a copy of everything and touches none of it but
 * the trial: it writes the verdict to a pipe and ends. It is killed when its
 * time is up or nobody waits any more.
 */
#include "gateway/bench.h"

#include <errno.h>
#include <event2/buffer.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define WITHIN_MS 10000
#define MEMORY_MOST ((rlim_t)512 << 20)
#define VERDICT_MAX ((size_t)1 << 20)

struct bench {
	struct pending pending; /* first member */
	unsigned *count;
	pid_t child;
	int pipe;
	struct event *readable;
	struct timer *patience;
	struct evbuffer *said;
	void (*fn)(void *arg, const char *json, const struct fault *f);
	void *arg;
};

static void
bound(unsigned int what, rlim_t most)
{
	struct rlimit l;

	if (getrlimit(what, &l) != 0)
		return;
	if (l.rlim_max == RLIM_INFINITY || l.rlim_max > most)
		l.rlim_max = most;
	l.rlim_cur = l.rlim_max;
	setrlimit(what, &l);
}

/* What the worker maps by now, and as much again as a trial may want. */
static void
bound_memory(void)
{
#ifndef __SANITIZE_ADDRESS__ /* which reserves far more than it uses */
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file == NULL)
		return;
	if (fscanf(file, "%lu", &pages) == 1)
		bound(RLIMIT_AS, (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) +
				     MEMORY_MOST);
	fclose(file);
#endif
}

void
bench_confine(int keep)
{
	bound_memory();
	bound(RLIMIT_CPU, WITHIN_MS / 1000);
	bound(RLIMIT_CORE, 0);
	bound(RLIMIT_FSIZE, 0);
	if (keep > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, (unsigned)keep - 1, 0);
	close_range((unsigned)keep + 1, ~0U, 0);
}

static void
child(struct trial *t, int fd)
{
	const char *text;
	size_t len;

	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_IGN); /* the parent decides */
	bench_confine(fd);
	text = trial_judge(t);
	for (len = strlen(text); len > 0;) {
		ssize_t n = write(fd, text, len);

		if (n <= 0)
			_exit(1);
		text += n;
		len -= (size_t)n;
	}
	_exit(0);
}

/* True where the child ended by itself and well. */
static bool
bench_free(struct bench *b)
{
	int status = -1;

	--*b->count;
	event_free(b->readable);
	close(b->pipe);
	timer_free(&b->patience);
	evbuffer_free(b->said);
	while (waitpid(b->child, &status, 0) < 0 && errno == EINTR)
		;
	mem_free(b);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
on_cancel(struct pending *p)
{
	struct bench *b = (struct bench *)(void *)p;

	kill(b->child, SIGKILL);
	bench_free(b);
}

static void
finish(struct bench *b, bool is_done)
{
	void (*fn)(void *, const char *, const struct fault *) = b->fn;
	struct evbuffer *said = b->said;
	void *arg = b->arg;
	struct fault f;
	bool ok;

	b->said = evbuffer_new();
	if (!is_done)
		kill(b->child, SIGKILL);
	ok = bench_free(b) && is_done && evbuffer_get_length(said) > 0;
	evbuffer_add(said, "", 1);
	if (!ok)
		fault_set(&f, is_done ? FAULT_INTERNAL : FAULT_OVERLOADED,
		    "the report was not judged %s",
		    is_done ? "to an end" : "in time");
	fn(arg, ok ? (const char *)evbuffer_pullup(said, -1) : NULL,
	    ok ? NULL : &f);
	evbuffer_free(said);
}

static void
on_patience(void *arg)
{
	finish(arg, false);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct bench *b = arg;
	int n;

	(void)what;
	while ((n = evbuffer_read(b->said, fd, 65536)) > 0)
		if (evbuffer_get_length(b->said) > VERDICT_MAX) {
			finish(b, false);
			return;
		}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	finish(b, true);
}

static pid_t
spawn(struct trial *t, int fds[2])
{
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		child(t, fds[1]);
	}
	close(fds[1]);
	if (pid < 0)
		close(fds[0]);
	return pid;
}

bool
bench_has_room(unsigned count, struct fault *f)
{
	return count < BENCH_MOST ||
	       fault_set(f, FAULT_OVERLOADED,
		   "%u reports are being judged already", count);
}

struct pending *
bench_ask(struct loop *l, struct trial *t, unsigned *count,
    void (*fn)(void *arg, const char *json, const struct fault *f), void *arg,
    struct fault *f)
{
	struct bench *b;
	int fds[2];
	pid_t pid;

	if (!bench_has_room(*count, f))
		return NULL;
	pid = spawn(t, fds);
	if (pid < 0) {
		fault_set(f, FAULT_SYSTEM, "no child: %s", strerror(errno));
		return NULL;
	}
	b = mem_new(sizeof(*b));
	b->pending.cancel = on_cancel;
	b->count = count;
	++*count;
	b->child = pid;
	b->pipe = fds[0];
	b->fn = fn;
	b->arg = arg;
	b->said = evbuffer_new();
	b->patience = timer_new(l, on_patience, b);
	timer_start(b->patience, WITHIN_MS);
	evutil_make_socket_nonblocking(b->pipe);
	b->readable = event_new(
	    loop_base(l), b->pipe, EV_READ | EV_PERSIST, on_readable, b);
	event_add(b->readable, NULL);
	return &b->pending;
}
