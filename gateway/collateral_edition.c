/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See collateral_edition.h. One part is forty digits of the number, a dot and
 * sixteen digits of the date, in lower-case hex.
 */
#include "gateway/collateral_edition.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/codec.h"

enum { NUMBER = 20 };

void
collateral_edition_add(
    struct collateral_edition *e, struct bytes number, int64_t ms)
{
	uint8_t padded[NUMBER] = {0};
	char hex[HEX_SIZE(NUMBER)];

	assert(e->count < EDITION_PARTS);
	if (number.len > 0 && number.len <= NUMBER)
		memcpy(padded + NUMBER - number.len, number.at, number.len);
	hex_encode(bytes_of(padded, NUMBER), hex);
	snprintf(e->part[e->count++], EDITION_TEXT, "%s.%016llx", hex,
	    ms > 0 ? (unsigned long long)ms : 0);
}

bool
collateral_edition_is_older(
    const struct collateral_edition *e, const struct collateral_edition *than)
{
	for (size_t i = 0; i < e->count && i < than->count; i++)
		if (strcmp(e->part[i], than->part[i]) < 0)
			return true;
	return false;
}
