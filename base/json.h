/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON documents that are small enough for a tree (jansson), read strictly:
 * RFC 8259, UTF-8, no duplicate member, no NUL in strings, bounded depth and
 * size. Getters fail with the member's path in the sentence. Large buyer
 * bodies do not come here: see scan.h.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/text.h"

/* Fails INVALID_JSON. The caller owns *out and frees it with json_free. */
bool json_read(struct text t, size_t max_bytes, json_t **out, struct fault *f);
/* The same for a value of any type, such as a column of a database. */
bool json_read_value(
    struct text t, size_t max_bytes, json_t **out, struct fault *f);
void json_free(json_t **j); /* accepts NULL, leaves NULL */
/* Compact, members in insertion order; in the arena. */
char *json_write(struct arena *a, const json_t *j);
/* Members sorted by code point, no white space, as RFC 8785 orders them for
 * ASCII names; for digests. Numbers must be integers. */
char *json_write_canonical(struct arena *a, const json_t *j);

/* Member getters: `what` of the object must have the type. The plain ones
 * require the member; the _or ones take absence and null as the default. They
 * fail with kind (INVALID_JSON, INVALID_OPTION, …) as the caller says. */
bool json_get_string(const json_t *o, const char *name, size_t max_len,
    const char **out, enum fault_kind kind, struct fault *f);
bool json_get_string_or(const json_t *o, const char *name, size_t max_len,
    const char *otherwise, const char **out, enum fault_kind kind,
    struct fault *f);
bool json_get_int(const json_t *o, const char *name, int64_t min, int64_t max,
    int64_t *out, enum fault_kind kind, struct fault *f);
bool json_get_int_or(const json_t *o, const char *name, int64_t min,
    int64_t max, int64_t otherwise, int64_t *out, enum fault_kind kind,
    struct fault *f);
bool json_get_bool_or(const json_t *o, const char *name, bool otherwise,
    bool *out, enum fault_kind kind, struct fault *f);
/* *out is borrowed from o; NULL for an absent _or member. */
bool json_get_object(const json_t *o, const char *name, const json_t **out,
    enum fault_kind kind, struct fault *f);
bool json_get_object_or(const json_t *o, const char *name, const json_t **out,
    enum fault_kind kind, struct fault *f);
bool json_get_array(const json_t *o, const char *name, size_t max_items,
    const json_t **out, enum fault_kind kind, struct fault *f);
bool json_get_array_or(const json_t *o, const char *name, size_t max_items,
    const json_t **out, enum fault_kind kind, struct fault *f);

#endif
