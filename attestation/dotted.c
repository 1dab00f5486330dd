/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both texts become the same number of numbers, and the first that differs
 * decides: "15.10" is above "15.9", and "15" is "15.0".
 */
#include "attestation/dotted.h"

#include <string.h>

enum { NUMBERS_MAX = 8, DIGITS_MAX = 9 };

static bool
read_numbers(struct text t, uint64_t out[NUMBERS_MAX])
{
	memset(out, 0, NUMBERS_MAX * sizeof(*out));
	for (size_t i = 0; i < NUMBERS_MAX; i++) {
		const char *dot = memchr(t.at, '.', t.len);
		struct text part = t;

		if (dot != NULL)
			part.len = (size_t)(dot - t.at);
		if (part.len > DIGITS_MAX || !text_to_u64(part, &out[i]))
			return false;
		if (dot == NULL)
			return true;
		t = (struct text){dot + 1, t.len - part.len - 1};
	}
	return false;
}

bool
dotted_is(struct text t)
{
	uint64_t numbers[NUMBERS_MAX];

	return t.len > 0 && read_numbers(t, numbers);
}

bool
dotted_reaches(struct text seen, struct text least)
{
	uint64_t a[NUMBERS_MAX], b[NUMBERS_MAX];

	if (seen.len == 0 || least.len == 0 || !read_numbers(seen, a) ||
	    !read_numbers(least, b))
		return false;
	for (size_t i = 0; i < NUMBERS_MAX; i++)
		if (a[i] != b[i])
			return a[i] > b[i];
	return true;
}
