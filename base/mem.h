/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory. Running out of it ends the worker, so these never return NULL;
 * sizes that come from outside are bounded before they get here. An arena
 * owns what one exchange or tunnel learns and dies with it.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>

void *mem_new(size_t size);		    /* zeroed */
void *mem_array(size_t count, size_t size); /* zeroed; overflow ends us */
void *mem_resize(void *at, size_t size);    /* the new part is not zeroed */
char *mem_string(const char *s);	    /* NULL gives NULL */
void *mem_copy(const void *at, size_t len);
void mem_free(void *at); /* NULL is fine */
/* For secrets: wipes len bytes, then frees. */
void mem_wipe_free(void *at, size_t len);

struct arena;
struct arena *arena_new(void);
void arena_free(struct arena **a);		 /* accepts NULL, leaves NULL */
void *arena_alloc(struct arena *a, size_t size); /* zeroed, aligned for all */
char *arena_string(struct arena *a, const char *s); /* NULL gives NULL */
char *arena_copy(struct arena *a, const void *at, size_t len); /* adds NUL */
char *arena_printf(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
