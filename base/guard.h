/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The framing guard: a strict reading of HTTP/1 requests that decides where
 * each one begins and ends, in front of a parser that is lenient about it.
 * Whatever two readers could understand differently is refused: RFC 9112
 * without its tolerances. Constant memory, any split, no clock, no socket.
 */
#ifndef BASE_GUARD_H
#define BASE_GUARD_H

#include "base/fault.h"
#include "base/text.h"

struct guard_limits {
	size_t head_bytes;
	size_t fields;
	size_t body_bytes;
};

enum guard_stage {
	GUARD_IDLE, /* nothing of the next request has come */
	GUARD_HEAD,
	GUARD_BODY,
	GUARD_REFUSED /* for good */
};

struct guard {
	struct guard_limits limits;
	enum guard_stage stage;
	unsigned state;	   /* within the stage; guard.c's */
	uint64_t requests; /* whole ones so far */
	int status;	   /* what a refusal answers: 400, 413, 417, 431 … */
	bool is_head;	   /* the request's method: no body in the answer */

	size_t head; /* bytes of it so far */
	size_t fields;
	size_t len; /* of the token being read */
	char method[8];
	char name[20];	 /* lower case; longer names need no judging */
	char value[264]; /* of a field that needs judging */
	bool judged;	 /* this field is one */
	bool overlong;	 /* its value did not fit */
	unsigned blanks; /* read and not yet known to be inside the value */

	unsigned escape; /* within %XX */
	unsigned escaped;
	unsigned segment; /* length of a path segment, at most 3 */
	bool dots;	  /* of dots alone */
	bool in_query;

	bool old; /* HTTP/1.0 */
	bool has_length, has_chunked, has_host, has_expect;
	uint64_t left;	/* body or chunk bytes still to come */
	uint64_t total; /* of the chunks so far */
};

void guard_init(struct guard *g, const struct guard_limits *limits);
/* Reads on. False, with a code of FAULT_KINDS' first group, once a request is
 * refused; from then on always. */
bool guard_feed(struct guard *g, struct bytes b, struct fault *f);

#endif
