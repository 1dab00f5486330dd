/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vector runner: runs every case of every index file under a folder and
 * holds the verdict against what the index expects, and the code of the
 * refusal against reasons.txt where that names one. Each kind of evidence is
 * one file here, with one function a row of the table in kinds.c names.
 */
#ifndef TESTS_VECTORS_H
#define TESTS_VECTORS_H

#include <jansson.h>

#include "attestation/anchors.h"
#include "attestation/nras.h"
#include "attestation/nvidia.h"
#include "attestation/policy.h"
#include "attestation/verdict.h"
#include "base/mem.h"
#include "base/text.h"

struct vector {
	const char *folder; /* the vectors' root: paths in cases start here */
	const char *index;  /* "tdx/synthetic/cases.json" */
	const json_t *doc;  /* the whole index file */
	const json_t *c;    /* this case */
	const char *id;	    /* its id, or index and number */
	const char *code;   /* expected code of a refusal, or NULL */
	const char *check;  /* expected name of the refusing check, or NULL */
	struct arena *a;    /* dies with the case */
	char why[400];	    /* why it did not pass */
	bool skipped;	    /* nothing to hold against */
	struct vector_files *files;	    /* notes what is read, or NULL */
	const struct vector_change *change; /* made while reading, or NULL */
	struct nvidia_kept *kept; /* chains found good before, or NULL */
	struct nras_kept *tokens; /* signatures found good before, or NULL */
};

/* The files that a case reads, and one change to one of them. */
enum { VECTOR_FILES_MAX = 16 };
struct vector_files {
	const char *path[VECTOR_FILES_MAX];
	size_t len[VECTOR_FILES_MAX];
	size_t count;
};
struct vector_change {
	const char *path;
	size_t at;
	bool cut; /* the file ends here; otherwise the byte is another */
};

/* Returns whether the case gave what it should; fills why otherwise. */
struct vector_kind {
	const char *kind;   /* a row of the table of counts */
	const char *index;  /* the index file it reads, from the folder */
	const char *member; /* its list of cases; NULL: the document itself */
	bool (*run_case)(struct vector *x);
	/* Members without which there is nothing to refuse. */
	const char *needs[4];
};
extern const struct vector_kind vector_kinds[];
extern const size_t vector_kind_count;
extern const char *const vector_members[]; /* ends with NULL */

bool vector_fail(struct vector *x, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A string member of the case, NULL where absent. */
const char *vector_string(const struct vector *x, const char *member);
/* A file below the folder, in the arena; NUL after the last byte. */
bool vector_file(struct vector *x, const char *path, struct bytes *out);
/* The file that a member of the case names. */
bool vector_member_file(
    struct vector *x, const char *member, struct bytes *out);
/* "verify_at", Unix ms. */
bool vector_time(struct vector *x, int64_t *now_ms);
/* Holds a verdict against `expect` ("accept", "reject", "either") and the
 * reason. */
bool vector_expect(
    struct vector *x, const struct verdict *v, const char *expect);
/* Evidence in the case itself that cannot be read: a refusal, as it would be
 * from a provider, and no fault of the case. */
bool vector_malformed(struct vector *x, const char *what);
/* The same for a plain yes or no with a code. */
bool vector_expect_plain(struct vector *x, bool accepted,
    enum verdict_code code, const char *check, const char *expect);
/* Test anchors in which the certificate file `pem` (its last certificate)
 * stands for `kind`, unless it is the pinned one. */
bool vector_anchor(struct vector *x, struct anchors *anchors,
    enum anchor_kind kind, const char *pem_path);

/* What the case shows under a policy; false where it cannot be read. */
bool vector_tdx_under(
    struct vector *x, const struct policy *p, struct verdict *v);
bool vector_snp_under(
    struct vector *x, const struct policy *p, struct verdict *v);

/* One function a kind, in its own file. */
bool vector_tdx(struct vector *x);
bool vector_snp(struct vector *x);
bool vector_contrast_manifest(struct vector *x);
bool vector_contrast_report_data(struct vector *x);
bool vector_nvidia(struct vector *x);
bool vector_nras(struct vector *x);
bool vector_apple(struct vector *x);
bool vector_dstack(struct vector *x);
bool vector_dstack_compose(struct vector *x);
bool vector_dstack_actions(struct vector *x);
bool vector_binding(struct vector *x);
bool vector_ionet_nonce(struct vector *x);
bool vector_eip191(struct vector *x);
bool vector_chat_signature(struct vector *x);
bool vector_near_e2ee(struct vector *x);
bool vector_privatemode(struct vector *x);
bool vector_privatemode_single(struct vector *x);
bool vector_aci(struct vector *x);
bool vector_answer(struct vector *x);

/* Flips and cuts of every file of the accepted real cases (mutate.c), of all
 * kinds or `only` one, at bytes first, first + stride, ...: a stride of 1 tries
 * every byte, and N runs with a stride of N share the work. Prints what was
 * tried; false if a change was accepted that is not known to lie outside
 * everything signed. */
struct vector_mutation {
	const char *only;
	size_t stride;
	size_t first;
};
bool vector_mutate_all(const char *folder, const struct vector_mutation *how);

#endif
