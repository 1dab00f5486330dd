/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An append-only spool of records in a folder: what must survive until a
 * database takes it. A record is in the kernel's hands when spool_append
 * returns (kill -9 loses nothing) and on the disk when spool_sync returns (a
 * power cut loses nothing older). Readers take records in order and consume
 * them; what was not consumed is there again when the spool is next opened,
 * so delivery is at least once and the consumer must be idempotent.
 *
 * On disk: segments named by the number of their first record; a frame is
 * magic, length, CRC-32C and the bytes. A torn or damaged tail of the last
 * segment is cut off when it is opened; damage elsewhere loses the rest of
 * that segment, which is counted and said, never passed off as records.
 */
#ifndef BASE_SPOOL_H
#define BASE_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/spool_frame.h"
#include "base/text.h"

struct spool_settings {
	size_t segment_bytes; /* 0: 16 MiB, but at most total / 4 */
	size_t total_bytes;   /* 0: 1 GiB; over it, append fails LIMIT */
};

struct spool;

/* Makes the folder if need be and locks it: one writer per folder, a second
 * fails CONFLICT. settings may be NULL. */
bool spool_open(const char *folder, const struct spool_settings *settings,
    struct spool **out, struct fault *f);
void spool_close(struct spool **s); /* syncs; accepts NULL, leaves NULL */

/* Appends 1..SPOOL_RECORD_MAX bytes as one write. On a fault nothing of the
 * record is there. LIMIT: the spool is full; SYSTEM: the disk said no. */
bool spool_append(struct spool *s, struct bytes record, struct fault *f);
/* fsync of whatever was appended since the last; cheap if nothing was. */
bool spool_sync(struct spool *s, struct fault *f);

/* The next record that has not been read since opening, copied into the
 * spool's own buffer (valid until the next call on s). True and an empty
 * record: none is left. */
bool spool_read(
    struct spool *s, struct bytes *out, uint64_t *number, struct fault *f);
/* All records up to and including this number are done with: it survives
 * kill -9 when this returns and a power cut from the next spool_sync on (an
 * older mark only delivers records once more). Segments wholly behind the
 * mark are removed. INVALID: no such record has been appended. */
bool spool_consume(struct spool *s, uint64_t number, struct fault *f);
/* Makes spool_read start again behind the consumed mark (after a failed
 * delivery). */
void spool_rewind(struct spool *s);

struct spool_counts {
	uint64_t next;	    /* number the next record will have; from 1 */
	uint64_t consumed;  /* highest number done with; 0: none */
	uint64_t bytes;	    /* on disk */
	uint64_t cut_bytes; /* torn or damaged, not read as records */
};
void spool_counts(const struct spool *s, struct spool_counts *out);

#endif
