/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is always there: running out, or a size that overflows, ends
 * the process with one line and a core. An arena is a list of blocks; small
 * pieces are cut from the newest, large ones get a block of their own.
 */
#include "base/mem.h"

#include <openssl/crypto.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK_BYTES = 4096 - 64, ALIGN = 16 };

struct block {
	struct block *next;
	size_t used;
	size_t size;
	_Alignas(ALIGN) unsigned char data[];
};

struct arena {
	struct block *newest;
};

static void
out_of_memory(void)
{
	static const char line[] = "out of memory\n";

	if (write(STDERR_FILENO, line, sizeof(line) - 1) < 0)
		abort();
	abort();
}

void *
mem_new(size_t size)
{
	return mem_array(1, size);
}

void *
mem_array(size_t count, size_t size)
{
	void *at;

	if (count == 0 || size == 0)
		count = size = 1;
	at = calloc(count, size); /* checks the product */
	if (at == NULL)
		out_of_memory();
	return at;
}

void *
mem_resize(void *at, size_t size)
{
	void *now = realloc(at, size == 0 ? 1 : size);

	if (now == NULL)
		out_of_memory();
	return now;
}

char *
mem_string(const char *s)
{
	return s == NULL ? NULL : mem_copy(s, strlen(s) + 1);
}

void *
mem_copy(const void *at, size_t len)
{
	void *copy = mem_array(1, len);

	if (len > 0)
		memcpy(copy, at, len);
	return copy;
}

void
mem_free(void *at)
{
	free(at);
}

void
mem_wipe_free(void *at, size_t len)
{
	if (at == NULL)
		return;
	OPENSSL_cleanse(at, len);
	free(at);
}

struct arena *
arena_new(void)
{
	return mem_new(sizeof(struct arena));
}

void
arena_free(struct arena **a)
{
	if (a == NULL || *a == NULL)
		return;
	for (struct block *b = (*a)->newest; b != NULL;) {
		struct block *next = b->next;

		free(b);
		b = next;
	}
	free(*a);
	*a = NULL;
}

static struct block *
block_new(size_t size)
{
	struct block *b;

	if (size > SIZE_MAX - sizeof(*b))
		out_of_memory();
	b = mem_array(1, sizeof(*b) + size);
	b->size = size;
	return b;
}

/* A block of its own goes behind the newest, whose rest stays in use. */
static void *
alloc_large(struct arena *a, size_t size)
{
	struct block *b = block_new(size);

	b->used = size;
	if (a->newest == NULL) {
		a->newest = b;
	} else {
		b->next = a->newest->next;
		a->newest->next = b;
	}
	return b->data;
}

void *
arena_alloc(struct arena *a, size_t size)
{
	struct block *b = a->newest;
	void *at;

	if (size > SIZE_MAX - ALIGN)
		out_of_memory();
	size = (size + ALIGN - 1) / ALIGN * ALIGN;
	if (size == 0)
		size = ALIGN;
	if (size > BLOCK_BYTES / 4)
		return alloc_large(a, size);
	if (b == NULL || b->size - b->used < size) {
		b = block_new(BLOCK_BYTES);
		b->next = a->newest;
		a->newest = b;
	}
	at = b->data + b->used;
	b->used += size;
	return at;
}

char *
arena_string(struct arena *a, const char *s)
{
	return s == NULL ? NULL : arena_copy(a, s, strlen(s));
}

char *
arena_copy(struct arena *a, const void *at, size_t len)
{
	char *copy;

	if (len == SIZE_MAX)
		out_of_memory();
	copy = arena_alloc(a, len + 1);
	if (len > 0)
		memcpy(copy, at, len);
	return copy;
}

char *
arena_printf(struct arena *a, const char *format, ...)
{
	va_list args;
	va_list again;
	char *at;
	int len;

	va_start(args, format);
	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	at = arena_alloc(a, len < 0 ? 1 : (size_t)len + 1);
	if (len > 0)
		(void)vsnprintf(at, (size_t)len + 1, format, again);
	va_end(again);
	return at;
}
