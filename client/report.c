/* SPDX-License-Identifier: Apache-2.0 */
/* See report.h. Everything in a report is somebody's word until judged. */
#include "client/report.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "attestation/eip191.h"
#include "base/codec.h"
#include "base/file.h"
#include "base/json.h"

#define REPORT_BYTES ((size_t)32 << 20)
#define ITEM_BYTES ((size_t)16 << 20)

static bool
bound_hex(struct arena *a, const json_t *j, const char *name, size_t size,
    struct bytes *out, struct fault *f)
{
	uint8_t *at = arena_alloc(a, size);
	const char *hex;
	size_t len;

	if (!json_get_string(j, name, 2 * size, &hex, FAULT_INVALID, f))
		return false;
	if (!hex_decode(text_of(hex), at, size, &len) || len != size)
		return fault_set(f, FAULT_INVALID,
		    "report: bound.%s is not %zu bytes in hex", name, size);
	*out = bytes_of(at, size);
	return true;
}

static bool
read_bound(struct arena *a, const json_t *j, struct evidence_bound *out,
    struct fault *f)
{
	uint8_t *key = arena_alloc(a, EIP191_ADDRESS);
	const char *did, *address;

	if (!bound_hex(a, j, "nonce", 32, &out->nonce, f) ||
	    !json_get_string_or(j, "did", 200, "", &did, FAULT_INVALID, f) ||
	    !json_get_string_or(
		j, "signing_address", 42, NULL, &address, FAULT_INVALID, f))
		return false;
	out->did = text_of(arena_string(a, did));
	if (json_object_get(j, "statement_sha256") != NULL &&
	    !bound_hex(a, j, "statement_sha256", 32, &out->statement_sha256, f))
		return false;
	if (json_object_get(j, "tls_spki") != NULL &&
	    !evidence_member(a, j, "tls_spki", 2048, &out->tls_spki, f))
		return false;
	if (address == NULL)
		return true;
	out->signing_key = bytes_of(key, EIP191_ADDRESS);
	return eip191_address_read(text_of(address), key, f);
}

static bool
read_collateral(
    struct arena *a, const json_t *all, struct report *r, struct fault *f)
{
	const char *name, *at;
	json_t *one;

	json_object_foreach((json_t *)(uintptr_t)all, name, one)
	{
		struct collateral_item *item = &r->items[r->item_count];

		if (r->item_count == REPORT_COLLATERAL_MAX)
			return fault_set(f, FAULT_INVALID,
			    "report: more than %d pieces of collateral",
			    REPORT_COLLATERAL_MAX);
		item->name = arena_string(a, name);
		if (!evidence_member(
			a, one, "base64", ITEM_BYTES, &item->body, f) ||
		    !json_get_string(
			one, "fetched_at", 40, &at, FAULT_INVALID, f))
			return false;
		if (!time_of_rfc3339(text_of(at), &item->fetched_at))
			return fault_set(f, FAULT_INVALID,
			    "report: fetched_at is no RFC 3339 time");
		r->item_count++;
	}
	return true;
}

static bool
read_document(struct arena *a, struct report *r, struct fault *f)
{
	const json_t *j = r->document, *bound, *collateral;
	const char *at;

	if (json_object_get(j, "evidence") == NULL) {
		r->evidence = j;
		return true;
	}
	if (!json_get_object(j, "evidence", &r->evidence, FAULT_INVALID, f) ||
	    !json_get_object_or(j, "bound", &bound, FAULT_INVALID, f) ||
	    !json_get_object_or(
		j, "collateral", &collateral, FAULT_INVALID, f) ||
	    !json_get_string_or(
		j, "judged_at", 40, NULL, &at, FAULT_INVALID, f))
		return false;
	if (at != NULL && !time_of_rfc3339(text_of(at), &r->judged_at))
		return fault_set(
		    f, FAULT_INVALID, "report: judged_at is no RFC 3339 time");
	r->is_bound = bound != NULL;
	return (bound == NULL || read_bound(a, bound, &r->bound, f)) &&
	       (collateral == NULL || read_collateral(a, collateral, r, f));
}

bool
report_of_json(
    struct arena *a, json_t *document, struct report *out, struct fault *f)
{
	memset(out, 0, sizeof(*out));
	out->document = document;
	if (read_document(a, out, f))
		return true;
	report_free(out);
	return false;
}

bool
report_read(
    struct arena *a, const char *path, struct report *out, struct fault *f)
{
	json_t *j = NULL;
	char *text = NULL;
	size_t len;
	bool ok;

	memset(out, 0, sizeof(*out));
	ok = file_read(strcmp(path, "-") == 0 ? "/dev/stdin" : path,
		 REPORT_BYTES, &text, &len, f) &&
	     json_read((struct text){text, len}, REPORT_BYTES, &j, f) &&
	     report_of_json(a, j, out, f);
	mem_free(text);
	return ok;
}

void
report_free(struct report *r)
{
	json_free(&r->document);
}

static bool
is_there(const struct report *r, const char *name)
{
	for (size_t i = 0; i < r->item_count; i++)
		if (strcmp(r->items[i].name, name) == 0)
			return true;
	return false;
}

/* Names come from evidence and must not lead out of the folder. */
void
report_add_folder(struct arena *a, struct report *r, const char *folder,
    const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *path = arena_printf(a, "%s/%s", folder, names[i]);
		struct fault none;
		struct stat st;
		char *at;
		size_t len;

		if (strstr(names[i], "..") != NULL || is_there(r, names[i]) ||
		    r->item_count == REPORT_COLLATERAL_MAX ||
		    stat(path, &st) != 0 ||
		    !file_read(path, ITEM_BYTES, &at, &len, &none))
			continue;
		r->items[r->item_count++] =
		    (struct collateral_item){arena_string(a, names[i]),
			bytes_of(arena_copy(a, at, len), len),
			(int64_t)st.st_mtim.tv_sec * 1000};
		mem_free(at);
	}
}
