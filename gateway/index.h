/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash from a key of bytes to a list of pointers, and the way to make one
 * key of several names. The catalog and the live offers are found by these;
 * what the pointers mean is their owner's business.
 */
#ifndef GATEWAY_INDEX_H
#define GATEWAY_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INDEX_KEY 640

struct index; /* NULL is an empty one */

/* Adds to the key's list; the key is copied. */
void index_add(struct index **x, const void *key, size_t len, void *value);
/* Takes one value out of the key's list (the last one fills its place), and
 * the key with its last value. Nothing happens where it is not there. */
void index_remove(
    struct index **x, const void *key, size_t len, const void *value);
/* The list; *count 0 and NULL where there is none. Lives until a change. */
void *const *index_list(
    const struct index *x, const void *key, size_t len, size_t *count);
/* The list's first value, or NULL. */
void *index_find(const struct index *x, const void *key, size_t len);
/* How many keys. */
size_t index_count(const struct index *x);
void index_each(
    const struct index *x, void (*fn)(void *arg, void *value), void *arg);
void index_free(struct index **x);

/* The names one after the other, each with its NUL; the length, or 0 where
 * they do not fit. The last one may be NULL. */
size_t index_key(
    char key[INDEX_KEY], const char *a, const char *b, const char *c);

#endif
