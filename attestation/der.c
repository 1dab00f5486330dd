/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DER reader: every length is checked against what is left before a byte
 * of the content is looked at.
 */
#include "attestation/der.h"

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
