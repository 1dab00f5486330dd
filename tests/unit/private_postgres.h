/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Postgres of the test's own: data, socket and nothing else in a temporary
 * folder, no TCP, gone with the test (also when the test crashes). Runs as
 * the user postgres where the test runs as root, which Postgres refuses.
 */
#ifndef TESTS_PRIVATE_POSTGRES_H
#define TESTS_PRIVATE_POSTGRES_H

#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/pg.h"

struct private_postgres {
	char folder[64];
	char binaries[128];
	char conninfo[160]; /* as the superuser "postgres" */
	pid_t pid;
};

static inline void
private_postgres_become(void)
{
	struct passwd *who;

	if (geteuid() != 0)
		return;
	who = getpwnam("postgres");
	if (who == NULL || initgroups("postgres", who->pw_gid) != 0 ||
	    setgid(who->pw_gid) != 0 || setuid(who->pw_uid) != 0)
		_exit(126);
}

static inline pid_t
private_postgres_spawn(
    struct private_postgres *p, const char *program, const char *const *args)
{
	pid_t parent = getpid();
	pid_t pid = fork();
	char path[256], log[128];
	char *argv[16] = {path};
	int fd;

	if (pid != 0)
		return pid;
	private_postgres_become();
	prctl(PR_SET_PDEATHSIG, SIGQUIT);
	if (getppid() != parent)
		_exit(125);
	snprintf(path, sizeof path, "%s/%s", p->binaries, program);
	snprintf(log, sizeof log, "%s/log", p->folder);
	for (size_t i = 0; args[i] != NULL && i < 14; i++)
		argv[i + 1] = strdup(args[i]);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, 1);
	dup2(fd, 2);
	execv(path, argv);
	_exit(127);
}

static inline bool
private_postgres_find(struct private_postgres *p)
{
	glob_t g;
	bool found = glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &g) == 0;

	if (found)
		snprintf(p->binaries, sizeof p->binaries, "%.*s",
		    (int)(strlen(g.gl_pathv[g.gl_pathc - 1]) - 7),
		    g.gl_pathv[g.gl_pathc - 1]);
	globfree(&g);
	return found;
}

/* Starts the server on the data that is there; waits until it answers. */
static inline bool
private_postgres_up(struct private_postgres *p)
{
	char data[96];
	const char *const args[] = {"-D", data, "-k", p->folder, "-c",
	    "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=30",
	    NULL};

	snprintf(data, sizeof data, "%s/data", p->folder);
	p->pid = private_postgres_spawn(p, "postgres", args);
	for (unsigned i = 0; i < 3000; i++) {
		struct pg_session *s;

		if (waitpid(p->pid, NULL, WNOHANG) == p->pid)
			return false;
		if (pg_session_open(p->conninfo, "test", &s, NULL)) {
			pg_session_free(&s);
			return true;
		}
		poll(NULL, 0, 10);
	}
	return false;
}

/* False: there is no Postgres on this machine; its reason is printed. */
static inline bool
private_postgres_start(struct private_postgres *p)
{
	char data[96];
	const char *const args[] = {"-D", data, "-A", "trust", "-U", "postgres",
	    "-N", "-E", "UTF8", "--locale=C", NULL};
	struct passwd *who = getpwnam("postgres");
	int status = 1;
	pid_t pid;

	memset(p, 0, sizeof *p);
	if (!private_postgres_find(p) || (geteuid() == 0 && who == NULL)) {
		printf("skipped: no PostgreSQL server on this machine\n");
		return false;
	}
	snprintf(p->folder, sizeof p->folder, "/tmp/assay-pg-XXXXXX");
	if (mkdtemp(p->folder) == NULL)
		abort();
	if (geteuid() == 0 && chown(p->folder, who->pw_uid, who->pw_gid) != 0)
		abort();
	snprintf(p->conninfo, sizeof p->conninfo,
	    "host=%s user=postgres dbname=postgres", p->folder);
	snprintf(data, sizeof data, "%s/data", p->folder);
	pid = private_postgres_spawn(p, "initdb", args);
	if (waitpid(pid, &status, 0) != pid || status != 0 ||
	    !private_postgres_up(p)) {
		fprintf(stderr, "private postgres: see %s/log\n", p->folder);
		abort();
	}
	return true;
}

/* SIGINT: orderly, sessions are cut; SIGQUIT: at once, as after a crash. */
static inline void
private_postgres_down(struct private_postgres *p, int sig)
{
	if (p->pid <= 0)
		return;
	kill(p->pid, sig);
	waitpid(p->pid, NULL, 0);
	p->pid = 0;
}

static inline void
private_postgres_end(struct private_postgres *p)
{
	pid_t pid;

	private_postgres_down(p, SIGINT);
	pid = fork();
	if (pid == 0) {
		execlp("rm", "rm", "-rf", p->folder, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

#endif
