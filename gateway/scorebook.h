/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scores of a snapshot, in shards by provider: immutable, and counted, so
 * that a change of a few scores makes a book that shares every other shard
 * with the one before. What a change costs follows the change, not the book.
 */
#ifndef GATEWAY_SCOREBOOK_H
#define GATEWAY_SCOREBOOK_H

#include "gateway/catalog.h"

struct scorebook; /* NULL is an empty one */

/* The scores of `before` (NULL: none), with these in place of or beside them;
 * every text is copied, and `before` stays the caller's. Of two rows for one
 * pair the later one holds. */
struct scorebook *scorebook_next(const struct scorebook *before,
    const struct catalog_score *const *rows, size_t count);
void scorebook_free(struct scorebook **b); /* accepts NULL, leaves NULL */

const struct catalog_score *scorebook_find(const struct scorebook *b,
    const char *did, const char *task, const char *model);
/* All of one provider. */
const struct catalog_score *const *scorebook_of(
    const struct scorebook *b, const char *did, size_t *count);

#endif
