/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Redis protocol (RESP 2) without a socket: commands to bytes, bytes to
 * answers. hiredis does both; the bound on what an answer may cost is ours.
 */
#ifndef BASE_RESP_H
#define BASE_RESP_H

#include "base/text.h"

/* What Redis said. */
enum redis_type {
	REDIS_NIL,
	REDIS_STATUS,  /* text */
	REDIS_STRING,  /* text */
	REDIS_INTEGER, /* integer */
	REDIS_ARRAY,   /* count of items */
	REDIS_ERROR    /* text */
};
struct redis_answer {
	enum redis_type type;
	struct text text; /* a NUL follows it */
	int64_t integer;
	size_t count;
	const struct redis_answer *items;
};

/* The bytes of one command; freed with resp_command_free. */
char *resp_command(const struct text *argv, size_t argc, size_t *len);
void resp_command_free(char *command);

/* Reads a stream of answers. One answer of more than answer_bytes breaks it,
 * and so does anything that is not RESP 2; broken is for good. */
struct resp_reader;
struct resp_reader *resp_reader_new(size_t answer_bytes);
void resp_reader_free(struct resp_reader **r);
void resp_feed(struct resp_reader *r, struct bytes b);
/* The next answer that is whole; it lives until the next call on r. True and
 * NULL: none is. */
bool resp_next(
    struct resp_reader *r, const struct redis_answer **out, struct fault *f);

#endif
