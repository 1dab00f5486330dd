/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over a JSON text that may be megabytes long: validates all of it
 * (RFC 8259, UTF-8, no duplicate top-level member, no duplicate member
 * anywhere a name repeats within its object up to the depth bound, no NUL
 * escape in names) and notes where the wanted top-level members stand. Builds
 * no tree, allocates nothing that grows with the text but a bounded stack.
 */
#ifndef BASE_SCAN_H
#define BASE_SCAN_H

#include "base/fault.h"
#include "base/text.h"

struct scan_member {
	const char *name;   /* in: the wanted top-level member */
	struct text value;  /* out: its raw value, {NULL,0} where absent */
	struct text around; /* out: name, colon, value and ONE adjoining comma,
			     * so that cutting it leaves valid JSON */
};

/* The text must be one object. Fails INVALID_JSON with the byte offset. */
bool scan_object(struct text t, size_t max_depth, struct scan_member *members,
    size_t count, struct fault *f);

/* Reads a raw value found by scan_object. The string form un-escapes into
 * out (NUL added, NUL inside refused). */
bool scan_string(struct text raw, char *out, size_t size, struct fault *f);
bool scan_bool(struct text raw, bool *out, struct fault *f);

#endif
