/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashing large files beside the loop: a child process reads them and reports
 * through a pipe, so that a tunnel never waits for a disk. Results are kept by
 * (inode, size, mtime, ctime) in the state folder; a file that has not changed
 * is not read again.
 */
#ifndef PROVIDER_HASHER_H
#define PROVIDER_HASHER_H

#include <sys/stat.h>

#include "artifact/artifact.h"
#include "base/log.h"
#include "base/loop.h"

/* What a file was when it was hashed. */
struct file_state {
	bool there;
	uint64_t inode;
	uint64_t size;
	int64_t mtime_ns;
	int64_t ctime_ns;
};
void file_state_read(const char *path, struct file_state *out);
bool file_state_equal(const struct file_state *a, const struct file_state *b);

struct hasher;
struct hasher *hasher_new(
    struct loop *l, const char *state_folder, const struct log *log);
void hasher_free(struct hasher **h); /* ends a child that is at work */

/* Fills the hashes of the files (NULL paths are passed over) and of states
 * what each file was; a file that cannot be read has states[i].there false.
 * files and states must live until the answer. One question at a time. */
struct pending *hasher_ask(struct hasher *h, struct artifact_file **files,
    struct file_state *states, size_t count, void (*fn)(void *arg), void *arg);

#endif
