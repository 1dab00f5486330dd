/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading of SPDM reports, a column of reads per structure. What is
 * repeated or left over is refused although the signature would cover it: two
 * readers must never see two different reports in the same bytes.
 */
#include "attestation/spdm.h"

#include <string.h>

#include "base/cursor.h"

enum {
	VERSION_1_1 = 0x11,
	GET_MEASUREMENTS = 0xE0,
	MEASUREMENTS = 0x60,
	SIGNATURE_REQUESTED = 0x01,
	ALL_MEASUREMENTS = 0xFF,
	DMTF_SPECIFICATION = 1,
	RAW_BIT_STREAM = 0x80,
};

static bool
request_read(struct cursor *c, struct spdm_report *r, struct fault *f)
{
	uint8_t version = cursor_u8(c);
	uint8_t code = cursor_u8(c);
	uint8_t attributes = cursor_u8(c);
	uint8_t operation = cursor_u8(c);

	r->nonce = cursor_take(c, SPDM_NONCE);
	cursor_u8(c); /* slot */
	if (c->failed)
		return fault_set(
		    f, FAULT_INVALID, "GPU report: shorter than a request");
	if (version != VERSION_1_1 || code != GET_MEASUREMENTS)
		return fault_set(f, FAULT_UNSUPPORTED,
		    "GPU report: request %02x %02x is not GET_MEASUREMENTS "
		    "of SPDM 1.1",
		    version, code);
	if (attributes != SIGNATURE_REQUESTED || operation != ALL_MEASUREMENTS)
		return fault_set(f, FAULT_UNSUPPORTED,
		    "GPU report: request asks for %02x %02x, not for all "
		    "measurements signed",
		    attributes, operation);
	return true;
}

/* DSP0274 table 43: one block, whose value is a DMTF measurement. */
static bool
block_read(struct cursor *c, struct spdm_report *r, struct fault *f)
{
	uint8_t index = cursor_u8(c);
	uint8_t specification = cursor_u8(c);
	uint16_t size = cursor_u16le(c);
	uint8_t type = cursor_u8(c);
	uint16_t value_size = cursor_u16le(c);
	struct bytes value = cursor_take(c, value_size);

	if (c->failed || size != value_size + 3)
		return fault_set(f, FAULT_INVALID,
		    "GPU report: measurement block %u breaks its length",
		    index);
	if (specification != DMTF_SPECIFICATION || value_size != SPDM_DIGEST ||
	    type & RAW_BIT_STREAM)
		return fault_set(f, FAULT_UNSUPPORTED,
		    "GPU report: measurement block %u is not a SHA-384 digest",
		    index);
	if (index == 0 || index > SPDM_INDEX_MAX)
		return fault_set(f, FAULT_INVALID,
		    "GPU report: measurement block with index %u", index);
	if (r->block[index] != NULL)
		return fault_set(f, FAULT_INVALID,
		    "GPU report: measurement block %u stands twice", index);
	r->block[index] = value.at;
	return true;
}

static bool
record_read(struct cursor *c, struct spdm_report *r, struct fault *f)
{
	uint8_t count = cursor_u8(c);
	uint32_t length = cursor_u24le(c);
	struct cursor record;

	record = cursor_of(cursor_take(c, length));
	if (c->failed)
		return fault_set(f, FAULT_INVALID,
		    "GPU report: measurement record of %u bytes is longer "
		    "than the report",
		    length);
	for (r->blocks = 0; r->blocks < count; r->blocks++)
		if (!block_read(&record, r, f))
			return false;
	if (!cursor_done(&record))
		return fault_set(f, FAULT_INVALID,
		    "GPU report: bytes left over after %u measurement blocks",
		    count);
	return true;
}

/* Unknown types are passed over, but not twice either. */
static bool
opaque_read(struct bytes opaque, struct spdm_report *r, struct fault *f)
{
	struct cursor c = cursor_of(opaque);
	bool seen[UINT16_MAX + 1] = {false};

	while (c.left > 0) {
		uint16_t type = cursor_u16le(&c);
		uint16_t size = cursor_u16le(&c);
		struct bytes data = cursor_take(&c, size);

		if (c.failed)
			return fault_set(f, FAULT_INVALID,
			    "GPU report: opaque field %u is longer than the "
			    "opaque data",
			    type);
		if (seen[type])
			return fault_set(f, FAULT_INVALID,
			    "GPU report: opaque field %u stands twice", type);
		seen[type] = true;
		if (type < SPDM_OPAQUE_TYPES)
			r->opaque[type] = data;
	}
	return true;
}

static bool
response_read(struct cursor *c, struct spdm_report *r, struct fault *f)
{
	uint8_t version = cursor_u8(c);
	uint8_t code = cursor_u8(c);
	struct bytes opaque;

	cursor_take(c, 2); /* number of indices, slot: reserved here */
	if (c->failed || version != VERSION_1_1 || code != MEASUREMENTS)
		return fault_set(f, FAULT_UNSUPPORTED,
		    "GPU report: response %02x %02x is not MEASUREMENTS of "
		    "SPDM 1.1",
		    version, code);
	if (!record_read(c, r, f))
		return false;
	cursor_take(c, SPDM_NONCE); /* the responder's */
	opaque = cursor_take(c, cursor_u16le(c));
	if (c->failed)
		return fault_set(f, FAULT_INVALID,
		    "GPU report: opaque data longer than the report");
	return opaque_read(opaque, r, f);
}

bool
spdm_report_read(struct bytes raw, struct spdm_report *out, struct fault *f)
{
	struct cursor c;

	memset(out, 0, sizeof(*out));
	if (raw.len > SPDM_REPORT_MAX)
		return fault_set(f, FAULT_INVALID,
		    "GPU report of %zu bytes is too long", raw.len);
	c = cursor_of(raw);
	if (!request_read(&c, out, f) || !response_read(&c, out, f))
		return false;
	if (c.left != SPDM_SIGNATURE)
		return fault_set(f, FAULT_INVALID,
		    "GPU report: %zu bytes stand where the signature of %d is",
		    c.left, SPDM_SIGNATURE);
	out->signed_part = bytes_of(raw.at, raw.len - SPDM_SIGNATURE);
	out->signature = c.at;
	return true;
}

bool
spdm_opaque_text(
    const struct spdm_report *r, enum spdm_opaque type, char *out, size_t size)
{
	struct text t = {(const char *)r->opaque[type].at, r->opaque[type].len};

	while (t.len > 0 && t.at[t.len - 1] == '\0')
		t.len--;
	if (t.len == 0)
		return false;
	for (size_t i = 0; i < t.len; i++)
		if (t.at[i] <= ' ' || t.at[i] > '~')
			return false;
	return text_store(t, out, size);
}
