/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vectors --mutate: takes every real case that is accepted, and changes every
 * byte of every file it reads, one at a time, and cuts the file at every
 * length. None may be accepted but where the byte is known to lie outside
 * everything signed: that is said below, file by file, with the reason.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/vectors/vectors.h"

enum { INDEX_MAX_BYTES = 8 << 20, SHOWN = 5, REASONS_MAX = 8 };

struct count {
	size_t tried, refused, accepted;
	size_t outside;
	size_t by[REASONS_MAX]; /* of outside, by the row that covers it */
	size_t spaces;
};

struct mutant {
	const char *folder;
	const char *index;
	const struct vector_kind *kind;
	const json_t *doc, *c;
	const char *path;
	struct bytes whole; /* the file, unchanged */
	size_t at;
	bool cut;
	/* A chain or token that did not change need not be verified again; it
	 * is found by its bytes, so one that did change is. */
	struct nvidia_kept *kept;
	struct nras_kept *tokens;
};

/* Where a change cannot matter, and why. */
struct outside {
	const char *path; /* begins with */
	const char *why;
	bool (*covers)(const struct mutant *m);
};

static bool
stands_in(const struct mutant *m, const char *begin, const char *end)
{
	const char *text = (const char *)m->whole.at, *at = text;

	while ((at = strstr(at, begin)) != NULL) {
		const char *stop = strstr(at + strlen(begin), end);
		size_t from = (size_t)(at - text);

		if (stop == NULL)
			return false;
		if (m->at >= from && m->at < (size_t)(stop - text))
			return true;
		at = stop;
	}
	return false;
}

/* The value of the member in the JSON text around the byte. */
static bool
in_member(const struct mutant *m, const char *name)
{
	char key[64];

	snprintf(key, sizeof(key), "\"%s\": ", name);
	return stands_in(m, key, "\n");
}

/* Boot events: only their digests enter the registers; their names and
 * payloads are for people and never used. */
static bool
boot_event_text(const struct mutant *m)
{
	const char *text = (const char *)m->whole.at, *open = text + m->at;
	const char *close;
	char object[4096];
	size_t len;

	if (!in_member(m, "event") && !in_member(m, "event_payload") &&
	    !in_member(m, "event_type"))
		return false;
	while (open > text && *open != '{')
		open--;
	close = strchr(open, '}');
	if (close == NULL || (len = (size_t)(close - open)) >= sizeof(object))
		return false;
	memcpy(object, open, len);
	object[len] = '\0';
	return strstr(object, "\"event_type\": 134217729") == NULL;
}

/* A receipt is an opaque token for Apple's fraud counts; it takes no part in
 * the steps and is not covered by the nonce. */
static bool
receipt(const struct mutant *m)
{
	const uint8_t *at = memmem(m->whole.at, m->whole.len, "greceipt", 8);
	const uint8_t *end = memmem(m->whole.at, m->whole.len, "hauthData", 9);
	const uint8_t *byte = m->whole.at + m->at;

	return at != NULL && end != NULL && byte >= at && byte < end;
}

/* The "kid" in the header of a compact token, which is its first part. */
static bool
kid_of_token(const char *token, char *out, size_t size)
{
	uint8_t header[512];
	struct text part = text_of(token);
	struct fault f = {0};
	const char *dot = strchr(token, '.');
	json_t *j = NULL;
	size_t len;
	bool ok;

	if (dot == NULL)
		return false;
	part.len = (size_t)(dot - token);
	ok = base64url_decode(part, header, sizeof(header), &len) &&
	     json_read((struct text){(char *)header, len}, len, &j, &f) &&
	     text_store(text_of(json_string_value(json_object_get(j, "kid"))),
		 out, size);
	json_free(&j);
	return ok;
}

/* Whether the object of the set that holds the byte is the key of any token
 * of the answer. */
static bool
another_key(const struct mutant *m)
{
	const char *text = (const char *)m->whole.at, *open = text + m->at;
	const char *path = json_string_value(json_object_get(m->c, "token"));
	const char *close, *at, *end = NULL;
	char *file = NULL, kid[128], full[512];
	struct fault f = {0};
	size_t len;
	bool used = false;

	while (open > text && *open != '{')
		open--;
	close = strchr(open, '}');
	snprintf(full, sizeof(full), "%s/%s", m->folder, path);
	if (close == NULL || open == text ||
	    !file_read(full, INDEX_MAX_BYTES, &file, &len, &f))
		return false;
	for (at = file; (at = strstr(at, "\"eyJ")) != NULL; at = end) {
		end = strchr(at + 1, '"');
		if (end == NULL || !kid_of_token(at + 1, kid, sizeof(kid)) ||
		    memmem(open, (size_t)(close - open), kid, strlen(kid)) !=
			NULL)
			used = true;
		if (end == NULL)
			break;
	}
	mem_free(file);
	return !used;
}

/* The second certificate of a key is the pinned intermediate. It is known by
 * its key, and what stands beside that is signed by a root that the service
 * does not publish in its set. A change of its key is refused. */
static bool
pinned_intermediate(const struct mutant *m)
{
	const char *text = (const char *)m->whole.at, *at = text;

	while ((at = strstr(at, "\"x5c\"")) != NULL) {
		const char *second = strstr(at, "\",\"");
		const char *end =
		    second != NULL ? strchr(second + 3, '"') : NULL;

		if (end == NULL)
			return false;
		if (text + m->at > second + 2 && text + m->at < end)
			return true;
		at = end;
	}
	return false;
}

/* Architecture and nonce stand beside each report as text too. They must not
 * contradict it, but they need not be there: what counts is in the report. */
static bool
name_beside_report(const struct mutant *m)
{
	return stands_in(m, "\"arch\"", ":") || stands_in(m, "\"nonce\"", ":");
}

/* What a host pads its buffer with: after the end that the quote's own length
 * of signature data declares. */
static bool
quote_padding(const struct mutant *m)
{
	const uint8_t *at = m->whole.at;
	size_t body = m->whole.len > 54 && at[0] == 5
			  ? 54 + (size_t)(at[50] | at[51] << 8)
			  : 48 + 584;

	if (m->whole.len < body + 4)
		return false;
	at += body;
	return m->at >= body + 4 + (size_t)(at[0] | at[1] << 8 | at[2] << 16);
}

/* clang-format off */
static const struct outside outside[] = {
	{"tdx/quotes/", "padding after the quote's declared end",
	    quote_padding},
	{"dstack/event-logs/", "text of boot events, which only their digests "
	    "represent", boot_event_text},
	{"apple/attestations/", "Apple's receipt", receipt},
	{"nvidia/sets/", "names of texts beside a report", name_beside_report},
	{"nras/jwks/", "keys that signed nothing here", another_key},
	{"nras/jwks/", "the pinned intermediate beside its key",
	    pinned_intermediate},
};
/* clang-format on */

static bool
only_space_left(const struct mutant *m)
{
	for (size_t i = m->at; i < m->whole.len; i++)
		if (strchr(" \r\n", m->whole.at[i]) == NULL)
			return false;
	return true;
}

/* Counts a change that is known to lie outside; false if it is not. */
static bool
known_outside(const struct mutant *m, struct count *n)
{
	if (m->cut && only_space_left(m)) {
		n->spaces++;
		return true;
	}
	for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++)
		if (strncmp(m->path, outside[i].path,
			strlen(outside[i].path)) == 0 &&
		    (!m->cut || outside[i].covers == quote_padding) &&
		    outside[i].covers(m)) {
			n->by[i]++;
			return true;
		}
	return false;
}

static bool
still_accepted(
    const struct mutant *m, struct vector_files *files, struct arena *a)
{
	const struct vector_change change = {m->path, m->at, m->cut};
	struct vector x = {.folder = m->folder,
	    .index = m->index,
	    .doc = m->doc,
	    .c = m->c,
	    .a = a,
	    .id = "mutant",
	    .files = files,
	    .change = m->path != NULL ? &change : NULL,
	    .kept = m->kept,
	    .tokens = m->tokens};

	return m->kind->run_case(&x);
}

static void
try_one(struct mutant *m, struct count *n)
{
	struct arena *a = arena_new();

	n->tried++;
	if (!still_accepted(m, NULL, a)) {
		n->refused++;
	} else if (known_outside(m, n)) {
		n->outside++;
	} else {
		if (n->accepted++ < SHOWN)
			printf("ACCEPTED %s: byte %zu %s\n", m->path, m->at,
			    m->cut ? "cut" : "changed");
		if (getenv("VECTORS_SHOW") != NULL) {
			size_t from = m->at > 40 ? m->at - 40 : 0;

			printf("mutant %s %zu: %.60s\n", m->path, m->at,
			    (const char *)m->whole.at + from);
		}
	}
	arena_free(&a);
}

static void
mutate_file(struct mutant *m, size_t len, const struct vector_mutation *how,
    struct count *n)
{
	char *full = NULL, *text = NULL;
	struct arena *a = arena_new();
	struct fault f = {0};
	size_t got;

	full = arena_printf(a, "%s/%s", m->folder, m->path);
	if (file_read(full, INDEX_MAX_BYTES, &text, &got, &f) && got == len) {
		m->whole = bytes_of(text, len);
		for (m->at = how->first; m->at < len; m->at += how->stride) {
			m->cut = false;
			try_one(m, n);
			m->cut = true;
			try_one(m, n);
		}
	}
	mem_free(text);
	arena_free(&a);
}

static bool
is_real(const struct mutant *m)
{
	const char *expect = json_string_value(json_object_get(m->c, "expect"));

	return expect != NULL && strcmp(expect, "accept") == 0 &&
	       strstr(m->index, "synthetic") == NULL &&
	       !json_is_true(json_object_get(m->c, "derived"));
}

/* Anchors are what is trusted, not what is judged, but for AMD's: there the
 * chain that a host hands over stands beside them. */
static bool
is_judged(const char *path)
{
	return strstr(path, "root") == NULL &&
	       (strncmp(path, "anchors/", 8) != 0 ||
		   strncmp(path, "anchors/amd-", 12) == 0);
}

static void
mutate_case(
    struct mutant *m, const struct vector_mutation *how, struct count *n)
{
	const char *id = json_string_value(json_object_get(m->c, "id"));
	struct vector_files files = {.count = 0};
	struct arena *a = arena_new();

	m->path = NULL;
	if (is_real(m) && still_accepted(m, &files, a)) {
		for (size_t i = 0; i < files.count; i++) {
			m->path = files.path[i];
			if (is_judged(m->path) && files.len[i] > 0)
				mutate_file(m, files.len[i], how, n);
		}
		printf("%-20s %-32s %zu files\n", m->kind->kind,
		    id != NULL ? id : "-", files.count);
		fflush(stdout);
	}
	arena_free(&a);
}

static void
mutate_kind(const char *folder, const struct vector_kind *k,
    const struct vector_mutation *how, struct count *n)
{
	struct nvidia_kept kept = {.next = 0};
	struct nras_kept tokens = {.count = 0};
	struct mutant m = {.folder = folder,
	    .index = k->index,
	    .kind = k,
	    .kept = &kept,
	    .tokens = &tokens};
	struct arena *a = arena_new();
	struct fault f = {0};
	json_t *doc = NULL;
	char *text = NULL;
	size_t len;

	if (k->member == NULL &&
	    file_read(arena_printf(a, "%s/%s", folder, k->index),
		INDEX_MAX_BYTES, &text, &len, &f) &&
	    json_read((struct text){text, len}, INDEX_MAX_BYTES, &doc, &f)) {
		m.doc = doc;
		for (size_t i = 0; i < json_array_size(doc); i++) {
			m.c = json_array_get(doc, i);
			mutate_case(&m, how, n);
		}
	}
	nvidia_kept_clear(&kept);
	json_free(&doc);
	mem_free(text);
	arena_free(&a);
}

bool
vector_mutate_all(const char *folder, const struct vector_mutation *how)
{
	const char *only = how->only;
	struct count n = {.tried = 0};

	for (size_t i = 0; i < vector_kind_count; i++)
		if (only == NULL || strcmp(only, "all") == 0 ||
		    strcmp(only, vector_kinds[i].kind) == 0)
			mutate_kind(folder, &vector_kinds[i], how, &n);
	for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++)
		if (n.by[i] > 0)
			printf("%9zu in %s: %s\n", n.by[i], outside[i].path,
			    outside[i].why);
	if (n.spaces > 0)
		printf("%9zu cuts of white space at the end\n", n.spaces);
	printf("%zu tried, %zu refused, %zu outside what is signed, "
	       "%zu accepted\n",
	    n.tried, n.refused, n.outside, n.accepted);
	return n.tried > 0 && n.accepted == 0;
}
