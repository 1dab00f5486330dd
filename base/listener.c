/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening sockets to listen on. TCP_NODELAY is set here, once: accepted
 * sockets inherit it.
 */
#include "base/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"

enum { BACKLOG = 1024 };

/* "192.0.2.1:80", "[2001:db8::1]:80"; libevent's reader knows no port 0. */
static bool
address_of_numbers(const char *text, struct sockaddr_storage *out, int *len)
{
	struct sockaddr_in *v4 = (void *)out;
	struct sockaddr_in6 *v6 = (void *)out;
	const char *colon = strrchr(text, ':');
	bool bracketed = text[0] == '[';
	struct text host = {text, colon == NULL ? 0 : (size_t)(colon - text)};
	char copy[INET6_ADDRSTRLEN];
	uint64_t port;

	if (colon == NULL || !text_to_u64(text_of(colon + 1), &port) ||
	    port > 65535)
		return false;
	if (bracketed && (host.len < 3 || host.at[host.len - 1] != ']'))
		return false;
	if (bracketed)
		host = (struct text){host.at + 1, host.len - 2};
	if (!text_store(host, copy, sizeof copy))
		return false;
	v4->sin_port = htons((uint16_t)port); /* where IPv6 has it, too */
	out->ss_family = bracketed ? AF_INET6 : AF_INET;
	*len = (int)(bracketed ? sizeof *v6 : sizeof *v4);
	if (bracketed)
		return inet_pton(AF_INET6, copy, &v6->sin6_addr) == 1;
	return inet_pton(AF_INET, copy, &v4->sin_addr) == 1;
}

bool
address_read(const char *text, struct sockaddr_storage *out, int *len)
{
	struct sockaddr_un *un = (void *)out;

	memset(out, 0, sizeof *out);
	if (strncmp(text, "unix:", 5) == 0) {
		size_t n = strlen(text + 5);

		if (n == 0 || n >= sizeof un->sun_path)
			return false;
		un->sun_family = AF_UNIX;
		memcpy(un->sun_path, text + 5, n);
		*len = (int)sizeof *un;
		return true;
	}
	return address_of_numbers(text, out, len);
}

static bool
failed(struct fault *f, const char *what, const char *address)
{
	return fault_set(
	    f, FAULT_SYSTEM, "%s %s: %s", what, address, strerror(errno));
}

/* Sets what must be set before bind. */
static bool
prepare(int fd, const struct sockaddr_storage *a, const char *address,
    struct fault *f)
{
	const struct sockaddr_un *un = (const void *)a;
	static const int on = 1;
	struct stat st;

	if (a->ss_family == AF_UNIX) {
		if (lstat(un->sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
			unlink(un->sun_path);
		return true;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
		return failed(f, "setting", address);
	return true;
}

static bool
open_socket(int fd, const struct sockaddr_storage *a, int len,
    const char *address, struct fault *f)
{
	const struct sockaddr_un *un = (const void *)a;

	if (!prepare(fd, a, address, f))
		return false;
	if (bind(fd, (const struct sockaddr *)a, (socklen_t)len) != 0)
		return failed(f, "binding", address);
	if (a->ss_family == AF_UNIX && chmod(un->sun_path, 0600) != 0)
		return failed(f, "protecting", address);
	if (listen(fd, BACKLOG) != 0)
		return failed(f, "listening on", address);
	return true;
}

bool
listener_open(struct loop *l, const char *address, struct evconnlistener **out,
    struct fault *f)
{
	struct sockaddr_storage a;
	int len;
	int fd;

	*out = NULL;
	if (!address_read(address, &a, &len))
		return fault_set(f, FAULT_INVALID,
		    "\"%s\" is no address to listen on", address);
	fd = socket(a.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return failed(f, "opening", address);
	if (!open_socket(fd, &a, len, address, f)) {
		close(fd);
		return false;
	}
	*out = evconnlistener_new(loop_base(l), NULL, NULL,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (*out != NULL)
		return true;
	close(fd);
	return fault_set(f, FAULT_INTERNAL, "no listener for %s", address);
}

unsigned
listener_port(struct evconnlistener *x)
{
	struct sockaddr_storage a = {0};
	socklen_t len = sizeof a;

	if (getsockname(
		evconnlistener_get_fd(x), (struct sockaddr *)&a, &len) != 0)
		return 0;
	if (a.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)(void *)&a)->sin_port);
	if (a.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)(void *)&a)->sin6_port);
	return 0;
}

void
listener_rest(struct evconnlistener *x, void *arg)
{
	(void)arg;
	evconnlistener_disable(x);
}
