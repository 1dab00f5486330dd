/* SPDX-License-Identifier: Apache-2.0 */
/* Whole small files, read bounded and written so that a crash leaves the old
 * or the new one, never half of either. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/fault.h"
#include "base/mem.h"
#include "base/text.h"

/* Regular file of at most max bytes; a NUL follows the last byte. The caller
 * frees *out with mem_free. */
bool file_read(
    const char *path, size_t max, char **out, size_t *len, struct fault *f);
/* Temporary name, fsync, rename, fsync of the folder. */
bool file_write(const char *path, const void *at, size_t len, unsigned mode,
    struct fault *f);
bool folder_make(const char *path, unsigned mode, struct fault *f); /* -p */

#endif
