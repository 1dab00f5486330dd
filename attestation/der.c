/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DER reader: every length is checked against what is left before a byte
 * of the content is looked at.
 */
#include "attestation/der.h"

#include <stdio.h>
#include <string.h>

bool
der_next(struct bytes *in, uint8_t *tag, struct bytes *content)
{
	size_t len, head = 2, octets;

	if (in->len < 2 || (in->at[0] & 0x1f) == 0x1f)
		return false;
	len = in->at[1];
	if (len >= 0x80) {
		octets = len & 0x7f;
		if (octets < 1 || octets > 3 || in->len < 2 + octets ||
		    in->at[2] == 0)
			return false;
		for (len = 0; head < 2 + octets; head++)
			len = len << 8 | in->at[head];
		if (len < 0x80)
			return false; /* X.690 10.1: the shortest form */
	}
	if (len > in->len - head)
		return false;
	*tag = in->at[0];
	*content = bytes_of(in->at + head, len);
	*in = bytes_of(in->at + head + len, in->len - head - len);
	return true;
}

bool
der_take(struct bytes *in, uint8_t tag, struct bytes *content)
{
	struct bytes before = *in;
	uint8_t seen;

	if (der_next(in, &seen, content) && seen == tag)
		return true;
	*in = before;
	return false;
}

bool
der_only(struct bytes in, uint8_t tag, struct bytes *content)
{
	return der_take(&in, tag, content) && in.len == 0;
}

bool
der_uint(struct bytes content, uint32_t *out)
{
	size_t i;

	if (content.len == 0 || content.len > 4 || (content.at[0] & 0x80) ||
	    (content.len > 1 && content.at[0] == 0 && !(content.at[1] & 0x80)))
		return false;
	for (*out = 0, i = 0; i < content.len; i++)
		*out = *out << 8 | content.at[i];
	return true;
}

bool
der_bool(struct bytes content, bool *out)
{
	if (content.len != 1 || (content.at[0] != 0 && content.at[0] != 0xff))
		return false;
	*out = content.at[0] != 0;
	return true;
}

bool
der_take_whole(struct bytes *in, uint8_t tag, struct bytes *whole)
{
	const uint8_t *start = in->at;
	struct bytes content;

	if (!der_take(in, tag, &content))
		return false;
	*whole = bytes_of(start, (size_t)(in->at - start));
	return true;
}

bool
der_take_bits(struct bytes *in, struct bytes *out)
{
	struct bytes content;

	if (!der_take(in, DER_BIT_STRING, &content) || content.len < 1 ||
	    content.at[0] != 0)
		return false;
	*out = bytes_of(content.at + 1, content.len - 1);
	return true;
}

static bool
digits(const uint8_t *at, size_t n, int *out)
{
	size_t i;

	for (*out = 0, i = 0; i < n; i++) {
		if (at[i] < '0' || at[i] > '9')
			return false;
		*out = *out * 10 + (at[i] - '0');
	}
	return true;
}

/* RFC 5280 4.1.2.5: seconds, and Z. */
bool
der_take_time(struct bytes *in, int64_t *out)
{
	char text[RFC3339_TEXT];
	struct bytes t;
	int year, part[5];
	size_t i, n = 4;

	if (der_take(in, DER_UTC_TIME, &t))
		n = 2;
	else if (!der_take(in, DER_GENERALIZED_TIME, &t))
		return false;
	if (t.len != n + 11 || t.at[t.len - 1] != 'Z' ||
	    !digits(t.at, n, &year))
		return false;
	for (i = 0; i < 5; i++)
		if (!digits(t.at + n + 2 * i, 2, &part[i]))
			return false;
	if (n == 2)
		year += year < 50 ? 2000 : 1900;
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02dZ", year,
	    part[0], part[1], part[2], part[3], part[4]);
	return time_of_rfc3339(text_of(text), out);
}
