/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalog as rows: versions, and each part from one consistent read.
 */
#include "gateway/gateway_db_priv.h"

#include <string.h>

#include "base/codec.h"

static const char *const area_names[CHANGE_AREAS] = {
    [CHANGE_KEY] = "key",
    [CHANGE_DEVICE] = "device",
    [CHANGE_CATALOG] = "catalog",
    [CHANGE_SCORE] = "score",
    [CHANGE_POLICY] = "policy",
};

const char *
change_area_name(enum change_area x)
{
	return area_names[x];
}

static void
read_versions(struct ask *x, const struct pg_rows *rows)
{
	struct change_versions v = {0};

	for (int i = 0; i < pg_count(rows); i++) {
		for (int k = 0; k < CHANGE_AREAS; k++) {
			if (strcmp(pg_text(rows, i, 0), area_names[k]) == 0)
				v.at[k] = pg_i64(rows, i, 1);
		}
	}
	x->fn.versions(x->arg, &v, NULL);
}

static void
fail_versions(struct ask *x, const struct fault *f)
{
	x->fn.versions(x->arg, NULL, f);
}

struct pending *
gateway_db_versions(struct pg *pg, versions_answer *fn, void *arg)
{
	struct ask *x = ask_make(read_versions, fail_versions, arg);

	x->fn.versions = fn;
	return ask_send(x, pg, VERSIONS, NULL);
}

static void
read_artifact_row(struct draft *d, const struct pg_rows *rows, int i)
{
	struct catalog_artifact x = {.id = pg_text(rows, i, 1),
	    .quantization = pg_text(rows, i, 4),
	    .is_withdrawn = pg_bool(rows, i, 5)};

	/* A kind that we do not know can be stated by nobody. */
	if (runtime_of(text_of(pg_text(rows, i, 3)), &x.runtime))
		draft_artifact(d, pg_text(rows, i, 2), &x);
}

static void
read_file_row(struct draft *d, const struct pg_rows *rows, int i)
{
	uint8_t sha256[32];
	size_t len;

	if (hex_decode(text_of(pg_text(rows, i, 2)), sha256, 32, &len) &&
	    len == 32)
		draft_file(d, pg_text(rows, i, 1), sha256);
}

static void
read_model_row(struct draft *d, const struct pg_rows *rows, int i)
{
	switch (pg_i64(rows, i, 0)) {
	case 1:
		draft_task(d, &(struct catalog_task){pg_text(rows, i, 1),
				  pg_text(rows, i, 2), pg_bool(rows, i, 3)});
		break;
	case 2:
		draft_model(
		    d, &(struct catalog_model){.canonical = pg_text(rows, i, 1),
			   .workspace = pg_text(rows, i, 2),
			   .display_name = pg_text(rows, i, 3),
			   .context_length = pg_i64(rows, i, 4),
			   .created_at = pg_i64(rows, i, 6),
			   .is_withdrawn = pg_bool(rows, i, 5)});
		break;
	case 3:
		draft_model_task(d, pg_text(rows, i, 1), pg_text(rows, i, 2));
		break;
	case 4:
		read_artifact_row(d, rows, i);
		break;
	default:
		read_file_row(d, rows, i);
		break;
	}
}

static void
read_device_row(struct draft *d, const struct pg_rows *rows, int i)
{
	if (pg_i64(rows, i, 0) == 2) {
		draft_revoked_certificate(d, pg_text(rows, i, 1));
		return;
	}
	draft_device(d, &(struct catalog_device){.did = pg_text(rows, i, 1),
			    .workspace = pg_text(rows, i, 2),
			    .name = pg_text(rows, i, 3),
			    .is_revoked = pg_bool(rows, i, 4),
			    .is_suspended = pg_bool(rows, i, 5),
			    .certificate_expires_at = pg_i64(rows, i, 6)});
}

static void
read_score_row(struct draft *d, const struct pg_rows *rows, int i)
{
	struct catalog_score s = {.did = pg_text(rows, i, 1),
	    .task = pg_text(rows, i, 2),
	    .model = pg_text(rows, i, 3),
	    .tier = TIER_BRONZE,
	    .score = pg_is_null(rows, i, 5) ? -1 : pg_f64(rows, i, 5),
	    .delivered = pg_f64(rows, i, 6),
	    .parts = pg_text(rows, i, 7),
	    .updated_at = pg_i64(rows, i, 8)};

	(void)tier_of(text_of(pg_text(rows, i, 4)), &s.tier);
	draft_score(d, &s);
}

static const struct {
	size_t statement;
	void (*read)(struct draft *d, const struct pg_rows *rows, int i);
} loads[CATALOG_PARTS] = {
    [CATALOG_MODELS] = {LOAD_MODELS, read_model_row},
    [CATALOG_DEVICES] = {LOAD_DEVICES, read_device_row},
    [CATALOG_SCORES] = {LOAD_SCORES, read_score_row},
};

/* The row that says of which version the part is, and of scores whether they
 * are all of them or those that changed. */
static int64_t
read_version(
    const struct ask *x, struct draft *d, const struct pg_rows *rows, int i)
{
	if (x->part == CATALOG_SCORES && pg_bool(rows, i, 2))
		draft_is_change(d);
	return pg_i64(rows, i, 1);
}

static void
read_part(struct ask *x, const struct pg_rows *rows)
{
	struct draft *d = draft_new(x->part);
	int64_t version = 0;

	for (int i = 0; i < pg_count(rows); i++) {
		if (pg_i64(rows, i, 0) == 0)
			version = read_version(x, d, rows, i);
		else
			loads[x->part].read(d, rows, i);
	}
	x->fn.part(x->arg, &d, version, NULL);
	draft_free(&d);
}

static void
fail_part(struct ask *x, const struct fault *f)
{
	struct draft *none = NULL;

	x->fn.part(x->arg, &none, 0, f);
}

struct pending *
gateway_db_load(
    struct pg *pg, enum catalog_part part, part_answer *fn, void *arg)
{
	struct ask *x;

	if (part == CATALOG_SCORES)
		return gateway_db_load_scores(pg, -1, fn, arg);
	x = ask_make(read_part, fail_part, arg);
	x->fn.part = fn;
	x->part = part;
	return ask_send(x, pg, loads[part].statement, NULL);
}

struct pending *
gateway_db_load_scores(struct pg *pg, int64_t since, part_answer *fn, void *arg)
{
	struct ask *x = ask_make(read_part, fail_part, arg);
	const char *params[] = {pg_int(x->arena, since)};

	x->fn.part = fn;
	x->part = CATALOG_SCORES;
	return ask_send(x, pg, LOAD_SCORES, params);
}
