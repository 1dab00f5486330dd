/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vectors FOLDER: runs all cases found below FOLDER (vectors --mutate FOLDER:
 * see mutate.c). Prints a line
 * per failed case, a table of counts per kind and "N passed, N failed"; exits
 * 0 only if none failed and some passed. An index file that no kind reads is
 * a failure: a case that nobody runs proves nothing. A member of a case that
 * nobody reads is told as a NOTE.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "attestation/chain.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/vectors/vectors.h"

#define FILE_MAX_BYTES ((size_t)8 << 20)
#define KINDS_MAX 64
#define NOTES_MAX 64

struct count {
	const char *kind;
	size_t passed, failed, skipped;
};

struct run {
	const char *folder;
	struct arena *a;
	struct count counts[KINDS_MAX];
	size_t count;
	const char *notes[NOTES_MAX]; /* what was told, once each */
	size_t note_count;
};

bool
vector_fail(struct vector *x, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(x->why, sizeof(x->why), format, args);
	va_end(args);
	return false;
}

const char *
vector_string(const struct vector *x, const char *member)
{
	return json_string_value(json_object_get(x->c, member));
}

/* For mutate.c: which files a case reads, and the change to one of them. */
static void
vector_note(struct vector *x, const char *path, struct bytes *b)
{
	const struct vector_change *c = x->change;
	struct vector_files *n = x->files;

	if (n != NULL && n->count < VECTOR_FILES_MAX) {
		n->path[n->count] = arena_string(x->a, path);
		n->len[n->count++] = b->len;
	}
	if (c == NULL || strcmp(c->path, path) != 0 || c->at >= b->len)
		return;
	if (c->cut)
		b->len = c->at;
	else
		((uint8_t *)(uintptr_t)b->at)[c->at] ^= 1;
}

/* From the folder, and not out of it again. */
static bool
stays_inside(const char *path)
{
	const char *at = path;

	if (*path == '/' || *path == '\0')
		return false;
	for (; at != NULL; at = strchr(at, '/')) {
		at += *at == '/';
		if (strncmp(at, "..", 2) == 0 &&
		    (at[2] == '/' || at[2] == '\0'))
			return false;
	}
	return true;
}

bool
vector_file(struct vector *x, const char *path, struct bytes *out)
{
	char *at = NULL, *full;
	struct fault f = {0};
	size_t len;

	if (path == NULL)
		return vector_fail(x, "the case names no file as text");
	if (!stays_inside(path))
		return vector_fail(x, "%s leads out of the folder", path);
	full = arena_printf(x->a, "%s/%s", x->folder, path);
	if (!file_read(full, FILE_MAX_BYTES, &at, &len, &f))
		return vector_fail(x, "%s: %s", path, f.why);
	*out = bytes_of(arena_copy(x->a, at, len), len);
	mem_free(at);
	vector_note(x, path, out);
	return true;
}

bool
vector_member_file(struct vector *x, const char *member, struct bytes *out)
{
	const char *path = vector_string(x, member);

	if (path == NULL)
		return vector_fail(x, "the case has no member %s", member);
	return vector_file(x, path, out);
}

bool
vector_time(struct vector *x, int64_t *now_ms)
{
	const char *at = vector_string(x, "verify_at");

	if (at == NULL || !time_of_rfc3339(text_of(at), now_ms))
		return vector_fail(x, "the case has no time");
	return true;
}

/* For tests that hold our verdicts beside another verifier's: a line
 * "show INDEX ID CODE CHECK STATUS ADVISORIES # why" for each case. */
static void
show(const struct vector *x, const struct verdict *v)
{
	bool accepted = v->outcome == VERDICT_VERIFIED;
	size_t i;

	if (getenv("VECTORS_SHOW") == NULL)
		return;
	printf("show %s %s %s %s %s ", x->index, x->id,
	    accepted ? "ok" : verdict_code_name(v->code),
	    v->failed != NULL ? v->failed : "-",
	    v->status != NULL ? v->status : "-");
	for (i = 0; i < v->advisory_count; i++)
		printf("%s%s", i > 0 ? "," : "", v->advisories[i]);
	printf("%s # %s\n", i == 0 ? "-" : "", v->why != NULL ? v->why : "");
}

static bool
holds(struct vector *x, const struct verdict *v, const char *expect)
{
	const char *code = verdict_code_name(v->code), *check = "";

	if (v->failed != NULL)
		check = v->failed;
	if (expect == NULL)
		return vector_fail(x, "the case expects nothing");
	if (strcmp(expect, "either") == 0)
		return true;
	/* No collateral was kept: what matters is that it can be read. */
	if (strcmp(expect, "parse-only") == 0)
		return (v->code != CODE_MALFORMED &&
			   v->code != CODE_UNSUPPORTED) ||
		       vector_fail(x, "not read (%s)", check);
	if (strcmp(expect, "accept") == 0)
		return v->outcome == VERDICT_VERIFIED ||
		       vector_fail(x, "refused (%s)", check);
	if (strcmp(expect, "reject") != 0)
		return vector_fail(x, "unknown expectation %s", expect);
	if (v->outcome == VERDICT_VERIFIED)
		return vector_fail(x, "accepted");
	if (x->code != NULL && strcmp(x->code, code) != 0)
		return vector_fail(
		    x, "refused as %s, expected %s", code, x->code);
	if (x->check != NULL && strcmp(x->check, check) != 0)
		return vector_fail(
		    x, "refused by %s, expected %s", check, x->check);
	return true;
}

bool
vector_expect_plain(struct vector *x, bool accepted, enum verdict_code code,
    const char *check, const char *expect)
{
	const struct verdict v = {
	    .outcome = accepted ? VERDICT_VERIFIED : VERDICT_FAILED,
	    .code = code,
	    .failed = check,
	};

	show(x, &v);
	return holds(x, &v, expect);
}

bool
vector_malformed(struct vector *x, const char *what)
{
	return vector_expect_plain(
	    x, false, CODE_MALFORMED, what, vector_string(x, "expect"));
}

bool
vector_expect(struct vector *x, const struct verdict *v, const char *expect)
{
	bool passed = holds(x, v, expect);

	show(x, v);
	if (!passed && v->why != NULL) {
		size_t n = strlen(x->why);

		snprintf(x->why + n, sizeof(x->why) - n, " [%s]", v->why);
	}
	return passed;
}

bool
vector_anchor(struct vector *x, struct anchors *anchors, enum anchor_kind kind,
    const char *pem_path)
{
	struct chain c;
	struct bytes pem;
	struct fault f = {0};
	uint8_t spki[32];

	if (!vector_file(x, pem_path, &pem))
		return false;
	if (!chain_read_pem(
		(struct text){(const char *)pem.at, pem.len}, &c, &f))
		return vector_fail(x, "%s: %s", pem_path, f.why);
	spki_sha256(c.at[c.count - 1], spki);
	if (!anchors_trust(anchors_pinned(), kind, spki))
		anchors_test_set(anchors, kind, c.at[c.count - 1]);
	chain_free(&c);
	return true;
}

static struct count *
count_of(struct run *r, const char *kind)
{
	size_t i;

	for (i = 0; i < r->count; i++)
		if (strcmp(r->counts[i].kind, kind) == 0)
			return &r->counts[i];
	if (r->count == KINDS_MAX)
		return &r->counts[KINDS_MAX - 1];
	r->counts[r->count].kind = arena_string(r->a, kind);
	return &r->counts[r->count++];
}

/* reasons.txt: index, id, code, check; '-' where a column is not held. */
static void
find_reason(struct vector *x)
{
	char line[512], index[128], id[128], code[64], check[64];
	FILE *in = fopen(ASSAY_VECTOR_REASONS, "r");

	if (in == NULL) {
		fprintf(
		    stderr, "%s: no table of reasons\n", ASSAY_VECTOR_REASONS);
		exit(2);
	}
	while (fgets(line, sizeof(line), in) != NULL) {
		if (line[0] == '#' || sscanf(line, "%127s %127s %63s %63s",
					  index, id, code, check) != 4)
			continue;
		if (strcmp(index, x->index) != 0 || strcmp(id, x->id) != 0)
			continue;
		if (strcmp(code, "-") != 0)
			x->code = arena_string(x->a, code);
		if (strcmp(check, "-") != 0)
			x->check = arena_string(x->a, check);
	}
	fclose(in);
}

static void
note(struct run *r, const char *index, const char *member)
{
	const char *text = arena_printf(
	    r->a, "NOTE %s: nobody reads the member %.60s", index, member);
	size_t i;

	for (i = 0; i < r->note_count; i++)
		if (strcmp(r->notes[i], text) == 0)
			return;
	if (r->note_count == NOTES_MAX)
		return;
	r->notes[r->note_count++] = text;
	printf("%s\n", text);
}

/* A condition that nobody reads is not held: it is told, for the case may still
 * prove something. */
static void
note_unread(struct run *r, const struct vector *x)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)x->c, name, value)
	{
		size_t i = 0;

		while (vector_members[i] != NULL &&
		       strcmp(vector_members[i], name) != 0)
			i++;
		if (vector_members[i] == NULL)
			note(r, x->index, name);
	}
}

static bool
has_needed(struct vector *x, const struct vector_kind *k)
{
	for (size_t i = 0; i < 4 && k->needs[i] != NULL; i++)
		if (json_object_get(x->c, k->needs[i]) == NULL)
			return vector_fail(
			    x, "the case has no member %s", k->needs[i]);
	return true;
}

static void
run_case(struct run *r, const struct vector_kind *k, const char *index,
    const json_t *doc, const json_t *c, size_t number)
{
	struct vector x = {.folder = r->folder,
	    .index = index,
	    .doc = doc,
	    .c = c,
	    .a = arena_new()};
	struct count *n = count_of(r, k->kind);

	x.id = json_string_value(json_object_get(c, "id"));
	if (x.id == NULL)
		x.id = arena_printf(
		    x.a, "%s%zu", k->member != NULL ? k->member : "#", number);
	find_reason(&x);
	note_unread(r, &x);
	if (!has_needed(&x, k) || !k->run_case(&x)) {
		n->failed++;
		printf("FAILED %s %s: %s\n", index, x.id, x.why);
	} else if (x.skipped) {
		n->skipped++;
	} else {
		n->passed++;
	}
	arena_free(&x.a);
}

/* How many cases the index has for this kind. */
static size_t
run_kind(struct run *r, const struct vector_kind *k, const char *index,
    const json_t *doc)
{
	const json_t *cases =
	    k->member != NULL ? json_object_get(doc, k->member) : doc;
	size_t i;

	/* Some write the list into an object. */
	if (k->member == NULL && json_is_array(json_object_get(doc, "cases")))
		cases = json_object_get(doc, "cases");

	if (json_is_object(cases)) {
		run_case(r, k, index, doc, cases, 0);
		return 1;
	}
	for (i = 0; i < json_array_size(cases); i++)
		run_case(r, k, index, doc, json_array_get(cases, i), i);
	return i;
}

/* How far two paths go the same way, in whole names of folders. */
static size_t
folders_shared(const char *a, const char *b)
{
	size_t i, shared = 0;

	for (i = 0; a[i] != '\0' && a[i] == b[i]; i++)
		shared += a[i] == '/';
	return shared;
}

static const char *
file_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* The index that a kind reads and this one is laid out like: itself, or the
 * nearest one of that name below the same top folder. NULL: none is. */
static const char *
index_like(const char *index)
{
	const char *best = NULL;
	size_t i, shared, most = 0;

	for (i = 0; i < vector_kind_count; i++) {
		const char *known = vector_kinds[i].index;

		if (strcmp(known, index) == 0)
			return known;
		shared = folders_shared(known, index);
		if (strcmp(file_of(known), file_of(index)) == 0 &&
		    shared > most) {
			best = known;
			most = shared;
		}
	}
	return best;
}

static void
index_failed(struct run *r, const char *index, const char *why)
{
	printf("FAILED %s: %s\n", index, why);
	count_of(r, index)->failed++;
}

static void
run_kinds(struct run *r, const char *index, const char *like, const json_t *doc)
{
	size_t cases = 0;

	if (like == NULL) {
		index_failed(r, index, "no kind reads this index");
		return;
	}
	for (size_t i = 0; i < vector_kind_count; i++)
		if (strcmp(vector_kinds[i].index, like) == 0)
			cases += run_kind(r, &vector_kinds[i], index, doc);
	if (cases == 0)
		index_failed(r, index, "no case in this index");
}

static void
run_index(struct run *r, const char *index)
{
	char *path = arena_printf(r->a, "%s/%s", r->folder, index), *at;
	struct fault f = {0};
	json_t *doc = NULL;
	size_t len;

	if (!file_read(path, FILE_MAX_BYTES, &at, &len, &f)) {
		index_failed(r, index, f.why);
		return;
	}
	if (json_read((struct text){at, len}, FILE_MAX_BYTES, &doc, &f))
		run_kinds(r, index, index_like(index), doc);
	else
		index_failed(r, index, f.why);
	json_free(&doc);
	mem_free(at);
}

static bool
is_index(const char *name)
{
	size_t n = strlen(name);

	return n >= 10 && strcmp(name + n - 10, "cases.json") == 0;
}

static void
run_folder(struct run *r, const char *below)
{
	char *path = arena_printf(r->a, "%s/%s", r->folder, below);
	struct dirent **names = NULL;
	struct stat st;
	int i, n = scandir(path, &names, NULL, alphasort);

	if (n < 0)
		index_failed(r, *below != '\0' ? below : r->folder,
		    "no folder that can be read");
	for (i = 0; i < n; i++) {
		char *rel = arena_printf(r->a, "%s%s%s", below,
		    *below != '\0' ? "/" : "", names[i]->d_name);

		if (names[i]->d_name[0] != '.' &&
		    stat(arena_printf(r->a, "%s/%s", r->folder, rel), &st) ==
			0) {
			if (S_ISDIR(st.st_mode))
				run_folder(r, rel);
			else if (is_index(rel) || index_like(rel) != NULL)
				run_index(r, rel);
		}
		free(names[i]);
	}
	free(names);
}

static size_t
number(int argc, char **argv, int at, size_t otherwise)
{
	uint64_t n;

	return argc > at && text_to_u64(text_of(argv[at]), &n) ? (size_t)n
							       : otherwise;
}

static int
mutate(int argc, char **argv)
{
	struct vector_mutation how = {
	    .only = argc > 3 ? argv[3] : NULL,
	    .stride = number(argc, argv, 4, 1),
	    .first = number(argc, argv, 5, 0),
	};

	if (how.stride == 0)
		how.stride = 1;
	return vector_mutate_all(argv[2], &how) ? 0 : 1;
}

int
main(int argc, char **argv)
{
	struct run r = {.a = NULL};
	size_t i, passed = 0, failed = 0;

	if (argc >= 3 && strcmp(argv[1], "--mutate") == 0)
		return mutate(argc, argv);
	if (argc != 2) {
		fprintf(stderr,
		    "usage: vectors FOLDER\n"
		    "       vectors --mutate FOLDER [KIND [STRIDE [FIRST]]]\n");
		return 2;
	}
	r.a = arena_new();
	r.folder = argv[1];
	run_folder(&r, "");
	printf("%-24s %7s %7s %7s\n", "kind", "passed", "failed", "skipped");
	for (i = 0; i < r.count; i++) {
		printf("%-24s %7zu %7zu %7zu\n", r.counts[i].kind,
		    r.counts[i].passed, r.counts[i].failed,
		    r.counts[i].skipped);
		passed += r.counts[i].passed;
		failed += r.counts[i].failed;
	}
	printf("%zu passed, %zu failed\n", passed, failed);
	arena_free(&r.a);
	return failed == 0 && passed > 0 ? 0 : 1;
}
