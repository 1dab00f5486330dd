/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The master: a loop around sigtimedwait, so that it runs no code in signal
 * handlers and holds nothing that a worker could inherit by accident. Workers
 * are told of its death by the kernel (PR_SET_PDEATHSIG).
 */
#include "base/worker.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define MOST_WORKERS 64
#define PAUSE_FIRST_MS 100
#define PAUSE_MOST_MS 30000
#define STEADY_MS                                                              \
	10000 /* a worker that lived so long fell for a new reason             \
	       */
#define FAR_MS 3600000

struct child {
	pid_t pid;	    /* 0: not running */
	int64_t started_at; /* clock_mono_ms */
	int64_t start_at;   /* when not running: the next start */
	int64_t pause_ms;
};

struct master {
	const struct worker_program *program;
	const struct log *log;
	struct child children[MOST_WORKERS];
	sigset_t signals;
	sigset_t before;
	bool stopping;
	int64_t kill_at;
	int status;
};

static void
child_begin(struct master *m, unsigned number, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1); /* it died before we asked to be told */
	sigprocmask(SIG_SETMASK, &m->before, NULL);
	exit(m->program->run(number, m->program->arg));
}

static void
child_start(struct master *m, unsigned number)
{
	struct child *c = &m->children[number];
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid == 0)
		child_begin(m, number, parent);
	c->started_at = clock_mono_ms();
	if (pid > 0) {
		c->pid = pid;
		return;
	}
	log_error(m->log, "fork_failed", LOG_STR("why", strerror(errno)));
	c->start_at = c->started_at + PAUSE_MOST_MS;
}

static void
hand_down(const struct master *m, int sig)
{
	for (unsigned i = 0; i < m->program->count; i++) {
		if (m->children[i].pid > 0)
			kill(m->children[i].pid, sig);
	}
}

static void
stop(struct master *m)
{
	if (m->stopping) {
		hand_down(m, SIGKILL);
		return;
	}
	m->stopping = true;
	m->kill_at = clock_mono_ms() + m->program->drain_ms;
	hand_down(m, SIGTERM);
}

static void
child_plan_restart(struct child *c)
{
	int64_t now = clock_mono_ms();

	if (now - c->started_at >= STEADY_MS)
		c->pause_ms = 0;
	c->start_at = now + c->pause_ms;
	c->pause_ms = c->pause_ms == 0 ? PAUSE_FIRST_MS : c->pause_ms * 2;
	if (c->pause_ms > PAUSE_MOST_MS)
		c->pause_ms = PAUSE_MOST_MS;
}

static void
child_ended(struct master *m, unsigned number, int status)
{
	struct child *c = &m->children[number];
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;

	c->pid = 0;
	if (m->stopping) {
		if (code != 0)
			m->status = code;
		return;
	}
	if (code == WORKER_GIVE_UP) {
		m->status = code;
		stop(m);
		return;
	}
	child_plan_restart(c);
	log_error(m->log, "worker_fell", LOG_INT("worker", number),
	    LOG_INT("status", WIFEXITED(status) ? code : -1),
	    LOG_INT("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
	    LOG_INT("again_in_ms", c->start_at - clock_mono_ms()));
}

static void
reap(struct master *m)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned i = 0; i < m->program->count; i++) {
			if (m->children[i].pid == pid)
				child_ended(m, i, status);
		}
	}
}

/* Starts what is due; says whether any worker runs or will. */
static bool
tend(struct master *m)
{
	int64_t now = clock_mono_ms();
	bool any = false;

	for (unsigned i = 0; i < m->program->count; i++) {
		struct child *c = &m->children[i];

		if (c->pid == 0 && !m->stopping && c->start_at <= now)
			child_start(m, i);
		any = any || c->pid > 0;
	}
	if (m->stopping && any && now >= m->kill_at) {
		log_warn(m->log, "drain_too_long",
		    LOG_INT("after_ms", m->program->drain_ms));
		hand_down(m, SIGKILL);
		m->kill_at = now + FAR_MS;
		m->status = 1;
	}
	return any || !m->stopping;
}

static int64_t
next_due(const struct master *m)
{
	int64_t now = clock_mono_ms();
	int64_t due = m->stopping ? m->kill_at : now + FAR_MS;

	for (unsigned i = 0; i < m->program->count && !m->stopping; i++) {
		const struct child *c = &m->children[i];

		if (c->pid == 0 && c->start_at < due)
			due = c->start_at;
	}
	return due > now ? due - now : 0;
}

static void
await_signal(struct master *m)
{
	int64_t ms = next_due(m);
	struct timespec within = {
	    (time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
	int sig = sigtimedwait(&m->signals, NULL, &within);

	if (sig == SIGTERM || sig == SIGINT)
		stop(m);
	else if (sig == SIGHUP)
		hand_down(m, SIGHUP);
	reap(m);
}

int
worker_run(const struct worker_program *p, const struct log *log)
{
	struct master *m = mem_new(sizeof *m);
	int status;

	assert(p->count >= 1 && p->count <= MOST_WORKERS);
	m->program = p;
	m->log = log;
	sigemptyset(&m->signals);
	sigaddset(&m->signals, SIGTERM);
	sigaddset(&m->signals, SIGINT);
	sigaddset(&m->signals, SIGHUP);
	sigaddset(&m->signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &m->signals, &m->before);
	while (tend(m))
		await_signal(m);
	sigprocmask(SIG_SETMASK, &m->before, NULL);
	status = m->status;
	mem_free(m);
	return status;
}

/* ------------------------------------------------------------ in a worker */

struct ears {
	void (*on_drain)(void *arg);
	void (*on_reload)(void *arg);
	void *arg;
};

/* Ctrl-C reaches the whole process group, and then the master hands it down
 * once more: one drain. */
static void
on_end(void *arg)
{
	struct ears *e = arg;
	void (*fn)(void *) = e->on_drain;

	e->on_drain = NULL;
	if (fn != NULL)
		fn(e->arg);
}

static void
on_hup(void *arg)
{
	struct ears *e = arg;

	if (e->on_reload != NULL)
		e->on_reload(e->arg);
}

void
worker_signals(struct loop *l, void (*on_drain)(void *arg),
    void (*on_reload)(void *arg), void *arg)
{
	struct ears *e = mem_new(sizeof *e);

	e->on_drain = on_drain;
	e->on_reload = on_reload;
	e->arg = arg;
	loop_own(l, e);
	loop_on_signal(l, SIGTERM, on_end, e);
	loop_on_signal(l, SIGINT, on_end, e);
	loop_on_signal(l, SIGHUP, on_hup, e);
}
