/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading CBOR (RFC 8949) an item at a time through libcbor's streaming
 * decoder, which allocates nothing: a length that lies cannot make it. Only
 * what Apple's objects need: integers, strings, arrays and maps of definite
 * length. Tags, floats, simple values and indefinite lengths are refused.
 */
#ifndef ATTESTATION_CBOR_READ_H
#define ATTESTATION_CBOR_READ_H

#include "base/text.h"

enum cbor_read_kind {
	CBOR_READ_NONE,
	CBOR_READ_UINT,	  /* number */
	CBOR_READ_NEGINT, /* -1 - number */
	CBOR_READ_BYTES,
	CBOR_READ_TEXT,
	CBOR_READ_ARRAY, /* number of items */
	CBOR_READ_MAP	 /* number of pairs */
};

struct cbor_read_item {
	enum cbor_read_kind kind;
	uint64_t number;
	struct bytes content; /* of a string; borrowed */
};

/* Takes the next item's head (a string: with its content) off *in. */
bool cbor_read_next(struct bytes *in, struct cbor_read_item *out);
/* The same, of that kind. */
bool cbor_read_kind(
    struct bytes *in, enum cbor_read_kind kind, struct cbor_read_item *out);
/* A text key that is exactly this one. */
bool cbor_read_is(const struct cbor_read_item *i, const char *text);
/* Takes one whole item, nested at most eight deep, off *in. */
bool cbor_read_skip(struct bytes *in);

#endif
