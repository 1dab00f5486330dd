/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a server-sent event stream (WHATWG HTML 9.2) stands: how many of its
 * last bytes are of an event that is not whole, and whether its terminal
 * event `data: [DONE]` came. What it says first is kept. Bytes in, counts out;
 * the relay decides.
 */
#ifndef GATEWAY_SSE_H
#define GATEWAY_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

#define SSE_HOLD_MAX 65536 /* a longer event is sent in parts */
#define SSE_FIRST_MAX 4096 /* of the first data, to be looked into */

/* A plain value; zero it to begin. */
struct sse {
	char line[16];	  /* how the line under way begins */
	size_t line_len;  /* its length so far */
	size_t event_len; /* bytes since the last boundary */
	bool is_parted;	  /* the event under way was too long to hold */
	bool is_done;	  /* the terminal line came */
	bool has_data;	  /* a line of data came before it */
	size_t said;	  /* bytes of data and event lines: no comments */
	char first[SSE_FIRST_MAX]; /* the first line of data */
	size_t first_len;	   /* its length, be it more than is kept */
};

void sse_feed(struct sse *s, const char *at, size_t len);
/* How many of the last bytes must not be sent yet: an event that is not
 * whole, or the terminal one and what follows it. */
size_t sse_hold(const struct sse *s);
/* The data of the first event's first line; empty where that is not whole yet,
 * or larger than is kept. */
struct text sse_first(const struct sse *s);
/* With those held back, the reader stands between two events. */
bool sse_at_boundary(const struct sse *s);

#endif
