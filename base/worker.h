/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Master and workers. The master binds nothing and serves nothing: it forks
 * `count` workers, starts a fallen one again (with a growing pause when it
 * falls at once), and hands signals down. SIGTERM and SIGINT drain, a second
 * one ends at once; SIGHUP asks for a reload.
 */
#ifndef BASE_WORKER_H
#define BASE_WORKER_H

#include "base/log.h"
#include "base/loop.h"

/* A worker that ends with this status cannot work at all (a setting, a file,
 * a port): it is not started again, the others are drained, and worker_run
 * returns it. It has said why in the log. */
#define WORKER_GIVE_UP 78

struct worker_program {
	/* Runs one worker until it is done; called after fork in the child.
	 * Returns the exit status; 0 after a drain. */
	int (*run)(unsigned number, void *arg);
	void *arg;
	unsigned count;	  /* 1..64 */
	int64_t drain_ms; /* then SIGKILL, and worker_run returns 1 */
};

/* Blocks until every worker has ended; returns the exit status. */
int worker_run(const struct worker_program *p, const struct log *log);

/* In a worker: calls on_drain once at the first SIGTERM or SIGINT (or when
 * the master has died), and on_reload at each SIGHUP. NULLs are fine. */
void worker_signals(struct loop *l, void (*on_drain)(void *arg),
    void (*on_reload)(void *arg), void *arg);

#endif
