/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call of the streaming decoder yields one item; a callback that is not
 * set leaves the item without kind, and that is a refusal.
 */
#include "attestation/cbor_read.h"

#include <cbor.h>

enum { DEPTH_MAX = 8, SKIP_MAX = 256 };

static void
set_number(void *arg, enum cbor_read_kind kind, uint64_t number)
{
	struct cbor_read_item *i = arg;

	i->kind = kind;
	i->number = number;
}

static void
on_uint8(void *arg, uint8_t v)
{
	set_number(arg, CBOR_READ_UINT, v);
}

static void
on_uint16(void *arg, uint16_t v)
{
	set_number(arg, CBOR_READ_UINT, v);
}

static void
on_uint32(void *arg, uint32_t v)
{
	set_number(arg, CBOR_READ_UINT, v);
}

static void
on_uint64(void *arg, uint64_t v)
{
	set_number(arg, CBOR_READ_UINT, v);
}

static void
on_negint8(void *arg, uint8_t v)
{
	set_number(arg, CBOR_READ_NEGINT, v);
}

static void
on_negint16(void *arg, uint16_t v)
{
	set_number(arg, CBOR_READ_NEGINT, v);
}

static void
on_negint32(void *arg, uint32_t v)
{
	set_number(arg, CBOR_READ_NEGINT, v);
}

static void
on_negint64(void *arg, uint64_t v)
{
	set_number(arg, CBOR_READ_NEGINT, v);
}

static void
on_bytes(void *arg, cbor_data at, size_t len)
{
	set_number(arg, CBOR_READ_BYTES, 0);
	((struct cbor_read_item *)arg)->content = bytes_of(at, len);
}

static void
on_text(void *arg, cbor_data at, size_t len)
{
	set_number(arg, CBOR_READ_TEXT, 0);
	((struct cbor_read_item *)arg)->content = bytes_of(at, len);
}

static void
on_array(void *arg, size_t count)
{
	set_number(arg, CBOR_READ_ARRAY, count);
}

static void
on_map(void *arg, size_t count)
{
	set_number(arg, CBOR_READ_MAP, count);
}

bool
cbor_read_next(struct bytes *in, struct cbor_read_item *out)
{
	struct cbor_callbacks calls = cbor_empty_callbacks;
	struct cbor_decoder_result r;

	calls.uint8 = on_uint8;
	calls.uint16 = on_uint16;
	calls.uint32 = on_uint32;
	calls.uint64 = on_uint64;
	calls.negint8 = on_negint8;
	calls.negint16 = on_negint16;
	calls.negint32 = on_negint32;
	calls.negint64 = on_negint64;
	calls.byte_string = on_bytes;
	calls.string = on_text;
	calls.array_start = on_array;
	calls.map_start = on_map;
	*out = (struct cbor_read_item){CBOR_READ_NONE, 0, {NULL, 0}};
	if (in->len == 0)
		return false;
	r = cbor_stream_decode(in->at, in->len, &calls, out);
	if (r.status != CBOR_DECODER_FINISHED || out->kind == CBOR_READ_NONE ||
	    r.read > in->len)
		return false;
	*in = bytes_of(in->at + r.read, in->len - r.read);
	return true;
}

bool
cbor_read_kind(
    struct bytes *in, enum cbor_read_kind kind, struct cbor_read_item *out)
{
	return cbor_read_next(in, out) && out->kind == kind;
}

bool
cbor_read_is(const struct cbor_read_item *i, const char *text)
{
	return i->kind == CBOR_READ_TEXT &&
	       text_is(
		   (struct text){(const char *)i->content.at, i->content.len},
		   text);
}

/* Counts of items still to come, one a level, instead of recursion. */
bool
cbor_read_skip(struct bytes *in)
{
	uint64_t left[DEPTH_MAX] = {1};
	size_t depth = 1, items = 0;

	while (depth > 0) {
		struct cbor_read_item i;

		if (left[depth - 1] == 0) {
			depth--;
			continue;
		}
		left[depth - 1]--;
		if (++items > SKIP_MAX || !cbor_read_next(in, &i))
			return false;
		if (i.kind != CBOR_READ_ARRAY && i.kind != CBOR_READ_MAP)
			continue;
		if (depth == DEPTH_MAX || i.number > SKIP_MAX)
			return false;
		left[depth++] =
		    i.kind == CBOR_READ_MAP ? 2 * i.number : i.number;
	}
	return true;
}
