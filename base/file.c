/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole small files. Reading takes regular files only and never blocks on a
 * FIFO; writing goes through a temporary name in the same folder, so a crash
 * leaves the old file or the new one.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_PATH_BYTES = 4096 };

static bool
failed(const char *path, const char *what, struct fault *f)
{
	return fault_set(f, errno == ENOENT ? FAULT_NOT_FOUND : FAULT_SYSTEM,
	    "%s: cannot %s: %s", path, what, strerror(errno));
}

static bool
too_large(const char *path, size_t max, struct fault *f)
{
	return fault_set(
	    f, FAULT_LIMIT, "%s: larger than the %zu bytes allowed", path, max);
}

/* Reads to the end; the file may have grown since its size was asked. */
static bool
read_all(int fd, const char *path, size_t max, char **out, size_t *len,
    struct fault *f)
{
	size_t size = *len;

	*out = mem_array(1, size + 1);
	for (*len = 0;;) {
		ssize_t n = read(fd, *out + *len, size + 1 - *len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(path, "read", f);
		if (n == 0)
			break;
		*len += (size_t)n;
		if (*len > max)
			return too_large(path, max, f);
		if (*len > size) {
			size = size * 2 + 4096;
			*out = mem_resize(*out, size + 1);
		}
	}
	(*out)[*len] = '\0';
	return true;
}

bool
file_read(
    const char *path, size_t max, char **out, size_t *len, struct fault *f)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	bool ok;

	*out = NULL;
	*len = 0;
	if (fd < 0)
		return failed(path, "open", f);
	if (fstat(fd, &st) != 0)
		ok = failed(path, "stat", f);
	else if (!S_ISREG(st.st_mode))
		ok =
		    fault_set(f, FAULT_INVALID, "%s: not a regular file", path);
	else if ((uint64_t)st.st_size > max)
		ok = too_large(path, max, f);
	else {
		*len = (size_t)st.st_size;
		ok = read_all(fd, path, max, out, len, f);
	}
	(void)close(fd);
	if (!ok) {
		mem_free(*out);
		*out = NULL;
		*len = 0;
	}
	return ok;
}

static bool
write_all(int fd, const char *at, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

/* Makes the rename itself last through a crash. */
static bool
sync_folder_of(const char *path, struct fault *f)
{
	char folder[MAX_PATH_BYTES];
	const char *slash = strrchr(path, '/');
	struct text t = {path, slash == NULL ? 0 : (size_t)(slash - path)};
	int fd;
	bool ok;

	if (slash == path)
		t.len = 1;
	if (t.len == 0)
		t = text_of(".");
	if (!text_store(t, folder, sizeof(folder)))
		return fault_set(f, FAULT_LIMIT, "%s: path too long", path);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok = fd >= 0 && fsync(fd) == 0;
	if (!ok)
		(void)failed(folder, "sync", f);
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

bool
file_write(const char *path, const void *at, size_t len, unsigned mode,
    struct fault *f)
{
	char name[MAX_PATH_BYTES];
	int n = snprintf(name, sizeof(name), "%s.XXXXXX", path);
	int fd;
	bool ok;

	if (n < 0 || (size_t)n >= sizeof(name))
		return fault_set(f, FAULT_LIMIT, "%s: path too long", path);
	fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0)
		return failed(name, "create", f);
	ok = (fchmod(fd, mode) == 0 && write_all(fd, at, len) &&
		 fsync(fd) == 0) ||
	     failed(name, "write", f);
	(void)close(fd);
	if (ok && rename(name, path) != 0)
		ok = failed(path, "rename into place", f);
	if (!ok) {
		(void)unlink(name);
		return false;
	}
	return sync_folder_of(path, f);
}

static bool
make_one(const char *path, unsigned mode, struct fault *f)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return true;
	if (errno != EEXIST)
		return failed(path, "make folder", f);
	if (stat(path, &st) != 0)
		return failed(path, "stat", f);
	if (!S_ISDIR(st.st_mode))
		return fault_set(f, FAULT_SYSTEM, "%s: not a folder", path);
	return true;
}

bool
folder_make(const char *path, unsigned mode, struct fault *f)
{
	char part[MAX_PATH_BYTES];

	if (path[0] == '\0' || !text_store(text_of(path), part, sizeof(part)))
		return fault_set(f, FAULT_LIMIT,
		    "a folder's path has 1 to %d bytes", MAX_PATH_BYTES - 1);
	for (char *c = part + 1; *c != '\0'; c++) {
		if (*c != '/')
			continue;
		*c = '\0';
		if (!make_one(part, mode, f))
			return false;
		*c = '/';
	}
	return make_one(part, mode, f);
}
