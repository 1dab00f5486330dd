/* SPDX-License-Identifier: Apache-2.0 */
/*
 * multipart/form-data (RFC 7578), read strictly: nothing before the first
 * delimiter or after the last, CRLF only, no padding, no folded or repeated
 * field, and no line that begins like a delimiter and is none. What two
 * readers could take apart differently is refused. Nothing is copied. Pure.
 */
#ifndef GATEWAY_MULTIPART_H
#define GATEWAY_MULTIPART_H

#include "base/text.h"

#define MULTIPART_PARTS 64
#define MULTIPART_HEAD_BYTES 8192 /* of one part */

struct multipart_part {
	struct text name;
	struct text body;
	struct text around; /* cutting it leaves the other parts whole */
};

/* The boundary parameter of a multipart/form-data content type. Fails
 * UNSUPPORTED_MEDIA_TYPE. */
bool multipart_boundary(
    const char *content_type, struct text *out, struct fault *f);

/* At most MULTIPART_PARTS. Fails INVALID_REQUEST with the byte offset. */
bool multipart_read(struct text body, struct text boundary,
    struct multipart_part parts[MULTIPART_PARTS], size_t *count,
    struct fault *f);

/* The one part of that name; NULL where there is none. Fails INVALID_REQUEST
 * where there are two. */
bool multipart_find(const struct multipart_part *parts, size_t count,
    const char *name, const struct multipart_part **out, struct fault *f);

#endif
