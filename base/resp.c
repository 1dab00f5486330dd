/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RESP by hiredis, which is called here and nowhere else. Its reader calls us
 * for every object, so an answer is built at once in its own arena and in our
 * own form; an array is refused before its items are allocated if there could
 * be no bytes for them.
 */
#include "base/resp.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "base/mem.h"

enum { LEAST_ITEM = 4 }; /* ":0\r\n" */

struct resp_reader {
	redisReplyObjectFunctions functions;
	redisReader *reader;
	struct arena *arena;
	size_t answer_bytes;
	size_t unparsed; /* bytes of the answer under way */
};

char *
resp_command(const struct text *argv, size_t argc, size_t *len)
{
	const char **at = mem_array(argc, sizeof(*at));
	size_t *lens = mem_array(argc, sizeof(*lens));
	char *command;
	int n;

	for (size_t i = 0; i < argc; i++) {
		at[i] = argv[i].at == NULL ? "" : argv[i].at;
		lens[i] = argv[i].len;
	}
	n = redisFormatCommandArgv(&command, (int)argc, at, lens);
	if (n < 0)
		abort(); /* only for want of memory */
	mem_free(at);
	mem_free(lens);
	*len = (size_t)n;
	return command;
}

void
resp_command_free(char *command)
{
	redisFreeCommand(command);
}

/* Where the object under way belongs: the root, or its place in an array. */
static struct redis_answer *
place(const redisReadTask *task)
{
	struct resp_reader *r = task->privdata;
	const struct redis_answer *array;

	if (task->parent == NULL)
		return arena_alloc(r->arena, sizeof(struct redis_answer));
	array = task->parent->obj;
	return (struct redis_answer *)(uintptr_t)&array->items[task->idx];
}

static enum redis_type
text_type(int type)
{
	if (type == REDIS_REPLY_ERROR)
		return REDIS_ERROR;
	return type == REDIS_REPLY_STATUS ? REDIS_STATUS : REDIS_STRING;
}

static void *
on_string(const redisReadTask *task, char *at, size_t len)
{
	struct redis_answer *a = place(task);
	struct resp_reader *r = task->privdata;

	a->type = text_type(task->type);
	a->text = (struct text){arena_copy(r->arena, at, len), len};
	return a;
}

static void *
on_array(const redisReadTask *task, int count)
{
	struct resp_reader *r = task->privdata;
	struct redis_answer *a;

	if (count < 0 || (size_t)count > r->answer_bytes / LEAST_ITEM)
		return NULL;
	a = place(task);
	a->type = REDIS_ARRAY;
	a->count = (size_t)count;
	a->items = arena_alloc(r->arena, a->count * sizeof(*a));
	return a;
}

static void *
on_integer(const redisReadTask *task, long long n)
{
	struct redis_answer *a = place(task);

	a->type = REDIS_INTEGER;
	a->integer = n;
	return a;
}

static void *
on_nil(const redisReadTask *task)
{
	struct redis_answer *a = place(task);

	a->type = REDIS_NIL;
	return a;
}

/* The arena has it. */
static void
on_free(void *object)
{
	(void)object;
}

struct resp_reader *
resp_reader_new(size_t answer_bytes)
{
	struct resp_reader *r = mem_new(sizeof(*r));

	r->functions = (redisReplyObjectFunctions){
	    .createString = on_string,
	    .createArray = on_array,
	    .createInteger = on_integer,
	    .createNil = on_nil,
	    .freeObject = on_free,
	};
	r->reader = redisReaderCreateWithFunctions(&r->functions);
	if (r->reader == NULL)
		abort(); /* only for want of memory */
	r->reader->privdata = r;
	r->answer_bytes = answer_bytes;
	r->arena = arena_new();
	return r;
}

void
resp_reader_free(struct resp_reader **r)
{
	if (r == NULL || *r == NULL)
		return;
	redisReaderFree((*r)->reader);
	arena_free(&(*r)->arena);
	mem_free(*r);
	*r = NULL;
}

void
resp_feed(struct resp_reader *r, struct bytes b)
{
	r->unparsed += b.len;
	if (r->reader->err == 0 &&
	    redisReaderFeed(r->reader, (const char *)b.at, b.len) != REDIS_OK)
		abort(); /* only for want of memory */
}

bool
resp_next(
    struct resp_reader *r, const struct redis_answer **out, struct fault *f)
{
	void *object = NULL;

	*out = NULL;
	if (r->reader->reply == NULL) { /* the last answer has been used */
		arena_free(&r->arena);
		r->arena = arena_new();
	}
	if (redisReaderGetReply(r->reader, &object) != REDIS_OK)
		return fault_set(
		    f, FAULT_INVALID, "RESP: %s", r->reader->errstr);
	if (object != NULL) {
		r->unparsed = r->reader->len - r->reader->pos;
		*out = object;
		return true;
	}
	if (r->unparsed > r->answer_bytes)
		return fault_set(f, FAULT_LIMIT,
		    "RESP: an answer of more than %zu bytes", r->answer_bytes);
	return true;
}
