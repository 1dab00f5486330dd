/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binary to text and back, strictly: decoding accepts exactly what encoding
 * gives (hex in either case), so that one value has one spelling.
 */
#include "base/codec.h"

#include "base/crypto.h"

static const char hex_digits[] = "0123456789abcdef";
static const char plain_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char base62_digits[] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

void
hex_encode(struct bytes in, char *out)
{
	for (size_t i = 0; i < in.len; i++) {
		*out++ = hex_digits[in.at[i] >> 4];
		*out++ = hex_digits[in.at[i] & 15];
	}
	*out = '\0';
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
hex_decode(struct text in, uint8_t *out, size_t size, size_t *written)
{
	if (in.len % 2 != 0 || in.len / 2 > size)
		return false;
	for (size_t i = 0; i < in.len / 2; i++) {
		int high = hex_value(in.at[2 * i]);
		int low = hex_value(in.at[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	if (written != NULL)
		*written = in.len / 2;
	return true;
}

/* Returns where the text ends; adds neither padding nor NUL. */
static char *
encode64(struct bytes in, const char *digits, char *out)
{
	uint32_t bits = 0;
	unsigned count = 0;

	for (size_t i = 0; i < in.len; i++) {
		bits = (bits << 8 | in.at[i]) & 0xffff;
		for (count += 8; count >= 6; count -= 6)
			*out++ = digits[bits >> (count - 6) & 63];
	}
	if (count > 0)
		*out++ = digits[bits << (6 - count) & 63];
	return out;
}

static int
value64(char c, char c62, char c63)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == c62)
		return 62;
	return c == c63 ? 63 : -1;
}

/* `in` without padding. A length of 4n+1 or spare bits that are not zero
 * would be a second spelling. */
static bool
decode64(struct text in, const char *digits, uint8_t *out, size_t size,
    size_t *written)
{
	uint32_t bits = 0;
	unsigned count = 0;
	size_t at = 0;

	if (in.len % 4 == 1)
		return false;
	for (size_t i = 0; i < in.len; i++) {
		int v = value64(in.at[i], digits[62], digits[63]);

		if (v < 0)
			return false;
		bits = (bits << 6 | (uint32_t)v) & 0xffff;
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		if (at == size)
			return false;
		out[at++] = (uint8_t)(bits >> count);
	}
	if ((bits & ((1u << count) - 1)) != 0)
		return false;
	if (written != NULL)
		*written = at;
	return true;
}

void
base64_encode(struct bytes in, char *out)
{
	char *end = encode64(in, plain_digits, out);

	while ((end - out) % 4 != 0)
		*end++ = '=';
	*end = '\0';
}

bool
base64_decode(struct text in, uint8_t *out, size_t size, size_t *written)
{
	if (in.len % 4 != 0)
		return false;
	for (int pad = 0; pad < 2 && in.len > 0; pad++)
		if (in.at[in.len - 1] == '=')
			in.len--;
	return decode64(in, plain_digits, out, size, written);
}

void
base64url_encode(struct bytes in, char *out)
{
	*encode64(in, url_digits, out) = '\0';
}

bool
base64url_decode(struct text in, uint8_t *out, size_t size, size_t *written)
{
	return decode64(in, url_digits, out, size, written);
}

void
base62_random(char *out, size_t count)
{
	uint8_t pool[64];
	size_t at = sizeof(pool);

	for (size_t i = 0; i < count;) {
		if (at == sizeof(pool)) {
			random_bytes(pool, sizeof(pool));
			at = 0;
		}
		if (pool[at] < 62 * 4) /* the rest would favour some digits */
			out[i++] = base62_digits[pool[at] % 62];
		at++;
	}
	out[count] = '\0';
}

bool
percent_decode(struct text in, char *out, size_t size, size_t *written)
{
	size_t at = 0;

	for (size_t i = 0; i < in.len; i++) {
		char c = in.at[i];

		if (c == '%') {
			int high;
			int low;

			if (in.len - i < 3)
				return false;
			high = hex_value(in.at[i + 1]);
			low = hex_value(in.at[i + 2]);
			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == '\0' || at + 1 >= size)
			return false;
		out[at++] = c;
	}
	if (size == 0)
		return false;
	out[at] = '\0';
	if (written != NULL)
		*written = at;
	return true;
}

static bool
is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
	       c == '~';
}

void
percent_encode(struct text in, char *out)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.at[i];

		if (is_unreserved(in.at[i])) {
			*out++ = in.at[i];
			continue;
		}
		*out++ = '%';
		*out++ = digits[c >> 4];
		*out++ = digits[c & 15];
	}
	*out = '\0';
}
