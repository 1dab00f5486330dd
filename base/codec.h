/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binary to text and back, strictly: one value has one spelling, and
 * whatever else is offered is refused. Outputs are bounded by the caller.
 */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include "base/text.h"

/* Sizes include the NUL. */
#define HEX_SIZE(n) ((n)*2 + 1)
#define BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)

void hex_encode(struct bytes in, char *out); /* lower case; HEX_SIZE(len) */
/* Either case; len must be even; false on any other byte or if it does not
 * fit. *written may be NULL. */
bool hex_decode(struct text in, uint8_t *out, size_t size, size_t *written);

/* RFC 4648 section 4, with padding; decode refuses white space, a missing
 * pad and non-zero spare bits. */
void base64_encode(struct bytes in, char *out);
bool base64_decode(struct text in, uint8_t *out, size_t size, size_t *written);
/* RFC 4648 section 5, never padded (RFC 7515 section 2); same strictness. */
void base64url_encode(struct bytes in, char *out);
bool base64url_decode(
    struct text in, uint8_t *out, size_t size, size_t *written);

/* Digits and letters, as API keys use them; count characters and a NUL,
 * drawn without bias from random bytes. */
void base62_random(char *out, size_t count);

/* RFC 3986 section 2.1. False on a bad escape, on %00, or if it does not
 * fit; adds a NUL. */
bool percent_decode(struct text in, char *out, size_t size, size_t *written);
/* All but unreserved characters (RFC 3986 section 2.3) escaped, upper case;
 * out has PERCENT_SIZE(in.len). */
#define PERCENT_SIZE(n) ((n)*3 + 1)
void percent_encode(struct text in, char *out);

#endif
