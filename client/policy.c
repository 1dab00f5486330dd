/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `assay policy …`: policies checked, stored as versions, shown. A stored
 * version never changes: what a verdict was made by can always be read again.
 * Gateways take the active one within 2 s of its change.
 */
#include "client/policy.h"

#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "base/file.h"
#include "base/json.h"
#include "client/table.h"

static bool
is_contrast(struct text file)
{
	struct fault f = {0};
	json_t *j;
	bool manifest;

	if (!json_read(file, POLICY_MAX_BYTES, &j, &f))
		return false;
	manifest = json_object_get(j, "ReferenceValues") != NULL;
	json_free(&j);
	return manifest;
}

static bool
read_text(struct arena *a, const char *path, struct text *out, struct fault *f)
{
	size_t len;
	char *at;

	if (!file_read(path, POLICY_MAX_BYTES, &at, &len, f))
		return false;
	*out = (struct text){arena_copy(a, at, len), len};
	mem_free(at);
	return true;
}

bool
policies_read(
    struct arena *a, const char *path, struct policies *out, struct fault *f)
{
	struct text file;

	memset(out, 0, sizeof *out);
	out->source = path;
	if (!read_text(a, path, &file, f))
		return false;
	if (is_contrast(file))
		return policy_of_contrast(a, file, out->at, &out->count, f);
	out->count = 1;
	return policy_read(a, file, &out->at[0], f);
}

bool
policies_load(struct arena *a, struct pg_session *s, struct policies *out,
    struct fault *f)
{
	struct pg_rows *rows = NULL;
	bool ok;

	memset(out, 0, sizeof *out);
	out->source = "active policy";
	out->count = 1;
	if (!pg_session_run(s,
		"SELECT document FROM assay.attestation_policy WHERE active", 0,
		NULL, &rows, f))
		return false;
	ok = pg_count(rows) == 1
		 ? policy_read(a, text_of(pg_text(rows, 0, 0)), &out->at[0], f)
		 : fault_set(f, FAULT_NOT_FOUND,
		       "no attestation policy is active (assay policy set "
		       "FILE)");
	pg_rows_free(&rows);
	return ok;
}

/* -------------------------------------------------------------- checking */

static void
print_pins(const json_t *o, const char *section)
{
	const char *name;
	json_t *value;
	char *text;

	json_object_foreach((json_t *)(uintptr_t)o, name, value)
	{
		if (json_is_object(value) && section[0] == '\0') {
			print_pins(value, name);
			if (json_object_size(value) == 0)
				printf("  %s: all at their defaults\n", name);
			continue;
		}
		text = json_dumps(
		    value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
		printf("  %s%s%s: %.300s%s\n", section,
		    section[0] != '\0' ? "." : "", name, text,
		    strlen(text) > 300 ? "..." : "");
		free(text);
	}
}

static void
print_policy(const struct cli *c, const struct policies *p, const json_t *doc)
{
	json_t *out;
	char *text;

	if (!c->json) {
		for (size_t i = 0; i < p->count; i++)
			printf("sound  version %lld  digest %s\n",
			    (long long)p->at[i]->version,
			    p->at[i]->digest != NULL ? p->at[i]->digest : "-");
		print_pins(doc, "");
		return;
	}
	out = json_pack("{s:b, s:i, s:I, s:s, s:O}", "sound", 1, "policies",
	    (int)p->count, "version", (json_int_t)p->at[0]->version, "digest",
	    p->at[0]->digest != NULL ? p->at[0]->digest : "", "document", doc);
	text = json_dumps(out, JSON_INDENT(2));
	puts(text);
	free(text);
	json_decref(out);
}

static bool
policy_check(struct cli *c, struct fault *f)
{
	struct policies p;
	struct text file;
	json_t *doc;

	if (!policies_read(c->arena, c->arguments[0], &p, f) ||
	    !read_text(c->arena, c->arguments[0], &file, f) ||
	    !json_read(file, POLICY_MAX_BYTES, &doc, f))
		return false;
	print_policy(c, &p, doc);
	json_free(&doc);
	return true;
}

/* --------------------------------------------------------------- storing */

static const struct column policy_columns[] = {{"version", COLUMN_NUMBER},
    {"name", COLUMN_TEXT}, {"digest", COLUMN_TEXT}, {"active", COLUMN_BOOL},
    {"created_at", COLUMN_TEXT}, {"activated_at", COLUMN_TEXT}};

#define POLICY_COLUMNS                                                         \
	"version, name, digest, active, created_at, activated_at "
#define POLICY_FROM "FROM assay.attestation_policy "

/* A version that is there already may be made active again, not altered. */
static bool
store(struct cli *c, struct pg_session *s, const struct policy *p,
    const char *document, struct pg_rows **rows, struct fault *f)
{
	const char *values[] = {pg_int(c->arena, p->version),
	    p->name != NULL ? p->name : "", document, p->digest};

	if (!pg_session_run(s, "BEGIN", 0, NULL, NULL, f) ||
	    !pg_session_run(s,
		"UPDATE assay.attestation_policy SET active = false WHERE "
		"active AND version <> $1",
		1, values, NULL, f) ||
	    !pg_session_run(s,
		"INSERT INTO assay.attestation_policy (version, name, "
		"document, digest, active, activated_at) VALUES ($1, $2, "
		"$3::jsonb, $4, true, now()) ON CONFLICT (version) DO UPDATE "
		"SET active = true, activated_at = now() WHERE "
		"attestation_policy.digest = excluded.digest "
		"RETURNING " POLICY_COLUMNS,
		4, values, rows, f))
		return false;
	if (pg_count(*rows) == 0)
		return fault_set(f, FAULT_CONFLICT,
		    "version %lld is stored already and says something else; "
		    "give this one a new version",
		    (long long)p->version);
	return pg_session_run(s, "COMMIT", 0, NULL, NULL, f);
}

static bool
policy_set(struct cli *c, struct fault *f)
{
	struct pg_session *s = NULL;
	struct pg_rows *rows = NULL;
	struct policy *p;
	struct text file;
	bool ok;

	ok = read_text(c->arena, c->arguments[0], &file, f) &&
	     policy_read(c->arena, file, &p, f) && cli_database(c, &s, f) &&
	     store(c, s, p, file.at, &rows, f);
	if (ok)
		table_print_one(c, COLUMNS(policy_columns), rows, 0);
	pg_rows_free(&rows);
	pg_session_free(&s);
	return ok;
}

static bool
policy_show(struct cli *c, struct fault *f)
{
	static const struct column columns[] = {{"version", COLUMN_NUMBER},
	    {"name", COLUMN_TEXT}, {"digest", COLUMN_TEXT},
	    {"active", COLUMN_BOOL}, {"created_at", COLUMN_TEXT},
	    {"activated_at", COLUMN_TEXT}, {"document", COLUMN_JSON}};
	const char *version = c->argument_count > 0 ? c->arguments[0] : NULL;
	uint64_t number;

	if (version != NULL && !text_to_u64(text_of(version), &number))
		return fault_set(f, FAULT_INVALID_OPTION,
		    "\"%.40s\" is not a version", version);
	return table_query_one(c, COLUMNS(columns),
	    "SELECT " POLICY_COLUMNS ", document " POLICY_FROM
	    "WHERE CASE WHEN $1::bigint IS NULL THEN active ELSE "
	    "version = $1::bigint END",
	    version,
	    version != NULL ? "there is no such version"
			    : "no attestation policy is active",
	    f);
}

static bool
policy_list(struct cli *c, struct fault *f)
{
	return table_query(c, COLUMNS(policy_columns),
	    "SELECT " POLICY_COLUMNS POLICY_FROM
	    "ORDER BY version DESC LIMIT 1000",
	    0, NULL, f);
}

static bool
policy_none(struct cli *c, struct fault *f)
{
	struct pg_session *s = NULL;
	bool ok;

	ok = cli_database(c, &s, f) &&
	     pg_session_run(s,
		 "UPDATE assay.attestation_policy SET active = false WHERE "
		 "active",
		 0, NULL, NULL, f);
	if (ok)
		puts(c->json ? "{\"active\": null}"
			     : "no policy is active: nobody is verified");
	pg_session_free(&s);
	return ok;
}

/* clang-format off */
const struct command policy_commands[] = {
    {"policy", "init", "REPORT", 1, 1, policy_init_options,
     "write a policy from a report that you have judged", policy_init},
    {"policy", "check", "FILE", 1, 1, NULL,
     "is this policy sound, and what does it ask for?", policy_check},
    {"policy", "set", "FILE", 1, 1, NULL,
     "store it as a version and judge by it from now on", policy_set},
    {"policy", "show", "[VERSION]", 0, 1, NULL,
     "show the active policy, or another version", policy_show},
    {"policy", "none", "", 0, 0, NULL,
     "no policy is active: nobody is verified", policy_none},
    {"policy", "list", "", 0, 0, NULL,
     "list the versions that were ever set", policy_list},
    {0},
};
/* clang-format on */
