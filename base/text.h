/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views on bytes that somebody else owns, and the few text forms that every
 * program shares: identifiers, times, and hostile text made fit for a log.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

struct text {
	const char *at;
	size_t len;
};

struct bytes {
	const uint8_t *at;
	size_t len;
};

struct text text_of(const char *s); /* NULL gives an empty text */
struct bytes bytes_of(const void *at, size_t len);
bool text_is(struct text t, const char *s);
bool text_equal(struct text a, struct text b);
bool bytes_equal(struct bytes a, struct bytes b);
/* Equal length and content, in time that depends on the length only. */
bool bytes_equal_secret(struct bytes a, struct bytes b);
bool text_starts_with(struct text t, const char *prefix);
/* Well-formed UTF-8 (RFC 3629): no surrogates, no overlong forms. */
bool text_is_utf8(struct text t);
/* Copies into out with a NUL; false when it does not fit. */
bool text_store(struct text t, char *out, size_t size);
/* For logs: printable ASCII kept, the rest as \xHH, cut to fit with "..." */
void text_escape(struct text t, char *out, size_t size);
/* Decimal digits only, no sign, no overflow. */
bool text_to_u64(struct text t, uint64_t *out);

/* "did:assay:<base58btc multibase key>": 1..200 characters of the generic
 * DID syntax (W3C DID Core 3.1), lower-case method. Syntax only. */
bool text_is_did(struct text t);
/* RFC 9562 version 7 from Unix milliseconds and 10 random bytes. */
#define UUID_TEXT 37
void uuid_v7(int64_t unix_ms, const uint8_t random[10], char out[UUID_TEXT]);
bool text_is_uuid(struct text t); /* 8-4-4-4-12 lower-case hex */
/* Unix milliseconds the id was made at, or -1 for another version. */
int64_t uuid_v7_time(const char *uuid);

/* RFC 3339 in UTC, milliseconds kept only where not zero. */
#define RFC3339_TEXT 32
void time_to_rfc3339(int64_t unix_ms, char out[RFC3339_TEXT]);
bool time_of_rfc3339(struct text t, int64_t *unix_ms);

#endif
