/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON that a maker signed, read where it stands: scan_object says first that
 * the text is sound and repeats no name, and then these step through it. No
 * tree is built; a tree of Intel's statements costs more than a signature.
 * Each value is its raw text; none of those that are read may hold an escape.
 */
#ifndef ATTESTATION_TDX_JSON_H
#define ATTESTATION_TDX_JSON_H

#include "base/scan.h"
#include "base/text.h"

/* Fills in the values of the wanted members, {NULL, 0} where absent. Fails
 * where it is no object, or has a name that is spelled with an escape: under
 * such a name a member could hide. */
bool tdx_json_members(
    struct text object, struct scan_member *wanted, size_t count);

/* The inside of an array, for tdx_json_next. */
bool tdx_json_array(struct text array, struct text *inside);
/* Takes the next element off *inside. False at the end. */
bool tdx_json_next(struct text *inside, struct text *element);

/* A string without escapes, without its quotes. */
bool tdx_json_string(struct text value, struct text *out);
/* Digits alone: not negative, no fraction, no exponent; at most max. */
bool tdx_json_number(struct text value, uint64_t max, uint64_t *out);

#endif
