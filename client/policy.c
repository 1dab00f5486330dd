/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay policy: what evidence must say. `init` writes one from evidence that
 * the operator has judged and says what it pins, `set` makes one the active
 * one for every gateway, `show` prints it.
 */
#include <stdio.h>
#include <string.h>

#include "attestation/policy.h"
#include "attestation/snp_report.h"
#include "attestation/tdx.h"
#include "base/codec.h"
#include "base/file.h"
#include "base/json.h"
#include "client/command.h"
#include "client/report.h"
#include "client/table.h"

/* ----------------------------------------------------------------- set, show
 */

static const struct column columns[] = {{"version", COLUMN_NUMBER},
    {"name", COLUMN_TEXT}, {"digest", COLUMN_TEXT}, {"active", COLUMN_BOOL},
    {"activated_at", COLUMN_TEXT}, {"document", COLUMN_JSON}};

#define POLICY_SELECT                                                          \
	"SELECT version, name, digest, active, activated_at, document::text "  \
	"FROM assay.attestation_policy "

/* A version is set once: the same one again must be the same text. */
static bool
activate(struct cli *c, const struct policy *p, const char *document,
    struct fault *f)
{
	const char *values[] = {pg_int(c->arena, p->version),
	    p->name != NULL ? p->name : "", document, p->digest};
	struct pg_session *s = NULL;
	struct pg_rows *rows = NULL;
	bool ok;

	ok = cli_database(c, &s, f) &&
	     pg_session_run(s, "BEGIN", 0, NULL, NULL, f) &&
	     pg_session_run(s,
		 "UPDATE assay.attestation_policy SET active = false "
		 "WHERE active AND version <> $1::bigint",
		 1, values, NULL, f) &&
	     pg_session_run(s,
		 "INSERT INTO assay.attestation_policy AS p (version, name, "
		 "document, digest, active, activated_at) VALUES ($1::bigint, "
		 "$2, $3::jsonb, $4, true, now()) ON CONFLICT (version) DO "
		 "UPDATE SET active = true, activated_at = now() "
		 "WHERE p.digest = excluded.digest RETURNING version, name, "
		 "digest, active, activated_at, document::text",
		 4, values, &rows, f);
	if (ok && pg_count(rows) == 0)
		ok = fault_set(f, FAULT_CONFLICT,
		    "version %lld was set before with another text; give "
		    "this one a version of its own",
		    (long long)p->version);
	ok = ok && pg_session_run(s, "COMMIT", 0, NULL, NULL, f);
	if (ok)
		table_print_one(c, COLUMNS(columns), rows, 0);
	pg_rows_free(&rows);
	pg_session_free(&s); /* what was not committed is undone */
	return ok;
}

static bool
set(struct cli *c, struct fault *f)
{
	struct policy *p;
	char *text = NULL;
	size_t len;
	bool ok;

	ok = file_read(c->arguments[0], POLICY_MAX_BYTES, &text, &len, f) &&
	     policy_read(c->arena, (struct text){text, len}, &p, f) &&
	     activate(c, p, text, f);
	mem_free(text);
	return ok;
}

static bool
show(struct cli *c, struct fault *f)
{
	if (c->argument_count == 0)
		return table_query_one(c, COLUMNS(columns),
		    POLICY_SELECT "WHERE active AND $1::text IS NULL", NULL,
		    "an active policy", f);
	return table_query_one(c, COLUMNS(columns),
	    POLICY_SELECT "WHERE version = $1::bigint", c->arguments[0],
	    "a policy of that version", f);
}

static bool
none(struct cli *c, struct fault *f)
{
	struct pg_session *s = NULL;
	bool ok;

	(void)c;
	ok = cli_database(c, &s, f) &&
	     pg_session_run(s,
		 "UPDATE assay.attestation_policy SET active = false "
		 "WHERE active",
		 0, NULL, NULL, f);
	if (ok)
		puts(c->json ? "{\"active\":null}"
			     : "no policy is active: nobody is verified");
	pg_session_free(&s);
	return ok;
}

/* --------------------------------------------------------------------- init */

static void
pin(struct cli *c, json_t *section, const char *name, struct bytes b)
{
	char *hex = arena_alloc(c->arena, HEX_SIZE(b.len));

	hex_encode(b, hex);
	json_object_set_new(section, name, json_pack("[s]", hex));
	fprintf(stderr, "  pins %-12s %s\n", name, hex);
}

static bool
init_tdx(struct cli *c, const json_t *item, json_t *policy, struct fault *f)
{
	json_t *section = json_object();
	struct tdx_quote q;
	struct bytes quote;

	json_object_set_new(policy, "tdx", section);
	if (!evidence_member(
		c->arena, item, "quote", TDX_QUOTE_MAX, &quote, f) ||
	    !tdx_quote_read(quote, &q, f))
		return false;
	fputs("tdx, status UpToDate:\n", stderr);
	json_object_set_new(
	    section, "accept_status", json_pack("[s]", "UpToDate"));
	pin(c, section, "mrtd", q.body.mrtd);
	pin(c, section, "rtmr0", q.body.rtmr[0]);
	pin(c, section, "rtmr1", q.body.rtmr[1]);
	pin(c, section, "rtmr2", q.body.rtmr[2]);
	pin(c, section, "mrconfigid", q.body.mrconfigid);
	return true;
}

static bool
init_snp(struct cli *c, const json_t *item, json_t *policy, struct fault *f)
{
	json_t *section = json_object();
	struct snp_report r;
	struct bytes report;

	json_object_set_new(policy, "snp", section);
	if (!evidence_member(
		c->arena, item, "report", SNP_REPORT_SIZE, &report, f) ||
	    !snp_report_read(report, &r, f))
		return false;
	fputs("snp:\n", stderr);
	pin(c, section, "measurement", r.measurement);
	pin(c, section, "host_data", r.host_data);
	return true;
}

static bool
init_item(struct cli *c, const json_t *item, json_t *policy, json_t *require,
    struct fault *f)
{
	const char *kind = json_string_value(json_object_get(item, "kind"));
	bool tdx = kind != NULL && strcmp(kind, "tdx") == 0;
	size_t count;

	if (tdx || (kind != NULL && strcmp(kind, "snp") == 0)) {
		json_array_append_new(require, json_string("cpu"));
		return tdx ? init_tdx(c, item, policy, f)
			   : init_snp(c, item, policy, f);
	}
	if (kind == NULL || strcmp(kind, "nvidia") != 0) {
		fprintf(stderr, "%s: pins nothing; write what it must say\n",
		    kind != NULL ? kind : "an item of no kind");
		return true;
	}
	count = json_array_size(json_object_get(item, "evidence_list"));
	fprintf(stderr, "nvidia:\n  pins the number of GPUs, %zu\n", count);
	json_array_append_new(require, json_string("gpu"));
	json_object_set_new(
	    policy, "nvidia", json_pack("{s:I}", "gpus", (json_int_t)count));
	return true;
}

static bool
init(struct cli *c, struct fault *f)
{
	const char *version = cli_option(c, "version");
	const char *out = cli_option(c, "out");
	json_t *policy, *require = json_array();
	struct report report = {0};
	struct policy *check;
	uint64_t number = 1;
	bool ok;
	char *text;
	const json_t *items;

	policy = json_pack(
	    "{s:I, s:o}", "version", (json_int_t)1, "require", require);
	ok = version == NULL || text_to_u64(text_of(version), &number) ||
	     fault_set(f, FAULT_INVALID_OPTION, "--version is no number");
	json_object_set_new(
	    policy, "version", json_integer((json_int_t)number));
	ok = ok && report_read(c->arena, c->arguments[0], &report, f) &&
	     json_get_array(report.evidence, "items", EVIDENCE_ITEMS_MAX,
		 &items, FAULT_INVALID, f);
	for (size_t i = 0; ok && i < json_array_size(items); i++)
		ok = init_item(c, json_array_get(items, i), policy, require, f);
	ok = ok && policy_of_json(c->arena, policy, &check, f);
	if (ok) {
		text = arena_printf(
		    c->arena, "%s\n", json_write(c->arena, policy));
		if (out == NULL)
			fputs(text, stdout);
		else
			ok = file_write(out, text, strlen(text), 0644, f);
	}
	json_free(&policy);
	report_free(&report);
	return ok;
}

static const struct option_rule init_options[] = {
    {"version", "NUMBER", "the policy's version; default 1"},
    {"out", "FILE", "where to write it; default: standard output"}, {0}};

/* clang-format off */
const struct command policy_commands[] = {
    {"policy", "init", "REPORT", 1, 1, init_options,
     "a policy from evidence that you have judged; says what it pins", init},
    {"policy", "set", "FILE", 1, 1, NULL,
     "make a policy the one that every gateway judges by", set},
    {"policy", "show", "[VERSION]", 0, 1, NULL,
     "the active policy, or that version", show},
    {"policy", "none", "", 0, 0, NULL,
     "no policy is active: nobody is verified", none},
    {0},
};
/* clang-format on */
