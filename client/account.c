/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workspaces, accounts and API keys. A key's text is shown once, at its
 * making; the database has its SHA-256. Triggers write the audit trail.
 */
#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "base/crypto.h"
#include "client/command.h"
#include "client/table.h"

#define KEY_PREFIX "lv_live_"
#define KEY_RANDOM 40 /* base62: 238 bits */
#define HINT_LEN 14

/* -------------------------------------------------------------- workspaces */

static const struct column workspace_columns[] = {{"id", COLUMN_TEXT},
    {"name", COLUMN_TEXT}, {"members", COLUMN_NUMBER},
    {"devices", COLUMN_NUMBER}, {"created_at", COLUMN_TEXT},
    {"suspended_at", COLUMN_TEXT}};

#define WORKSPACE_SELECT                                                       \
	"SELECT w.id, w.name, (SELECT count(*) FROM assay.membership m WHERE " \
	"m.workspace_id = w.id), (SELECT count(*) FROM assay.device d WHERE "  \
	"d.workspace_id = w.id AND d.state = 'active'), w.created_at, "        \
	"w.suspended_at FROM assay.workspace w "

static bool
workspace_create(struct cli *c, struct fault *f)
{
	static const struct column columns[] = {
	    {"id", COLUMN_TEXT}, {"name", COLUMN_TEXT}};
	const char *values[] = {cli_id(c), c->arguments[0]};

	return table_change(c, COLUMNS(columns),
	    "INSERT INTO assay.workspace (id, name) VALUES ($1, $2) "
	    "RETURNING id, name",
	    2, values, "nothing was made", f);
}

static bool
workspace_list(struct cli *c, struct fault *f)
{
	return table_query(c, COLUMNS(workspace_columns),
	    WORKSPACE_SELECT "ORDER BY w.name LIMIT 10000", 0, NULL, f);
}

static bool
workspace_show(struct cli *c, struct fault *f)
{
	return table_query_one(c, COLUMNS(workspace_columns),
	    WORKSPACE_SELECT "WHERE w.name = $1 OR w.id::text = $1",
	    c->arguments[0], "no such workspace", f);
}

static bool
workspace_revoke(struct cli *c, struct fault *f)
{
	static const struct column columns[] = {
	    {"name", COLUMN_TEXT}, {"suspended_at", COLUMN_TEXT}};

	return table_query_one(c, COLUMNS(columns),
	    "UPDATE assay.workspace SET suspended_at = "
	    "coalesce(suspended_at, now()) WHERE name = $1 OR id::text = $1 "
	    "RETURNING name, suspended_at",
	    c->arguments[0], "no such workspace", f);
}

/* ---------------------------------------------------------------- accounts */

static const struct column account_columns[] = {{"id", COLUMN_TEXT},
    {"name", COLUMN_TEXT}, {"workspaces", COLUMN_TEXT},
    {"created_at", COLUMN_TEXT}, {"suspended_at", COLUMN_TEXT}};

#define ACCOUNT_SELECT                                                         \
	"SELECT a.id, a.name, (SELECT string_agg(w.name, ',' ORDER BY "        \
	"w.name) FROM assay.membership m JOIN assay.workspace w ON w.id = "    \
	"m.workspace_id WHERE m.account_id = a.id), a.created_at, "            \
	"a.suspended_at FROM assay.account a "

/* Makes the account where it is missing and joins it to the workspace. */
static bool
account_create(struct cli *c, struct fault *f)
{
	static const struct column columns[] = {{"id", COLUMN_TEXT},
	    {"name", COLUMN_TEXT}, {"workspace", COLUMN_TEXT},
	    {"role", COLUMN_TEXT}};
	const char *workspace, *role = cli_option(c, "role");
	const char *values[4];

	if (!cli_require(c, "workspace", &workspace, f))
		return false;
	values[0] = cli_id(c);
	values[1] = c->arguments[0];
	values[2] = workspace;
	values[3] = role != NULL ? role : "member";
	return table_change(c, COLUMNS(columns),
	    "WITH w AS (SELECT id, name FROM assay.workspace WHERE name = $3), "
	    "made AS (INSERT INTO assay.account (id, name) SELECT $1::uuid, "
	    "$2::text FROM w ON CONFLICT (name) DO NOTHING RETURNING id), "
	    "a AS (SELECT id FROM made UNION ALL SELECT id FROM assay.account "
	    "WHERE name = $2::text AND EXISTS (SELECT FROM w) LIMIT 1), "
	    "m AS (INSERT INTO assay.membership (workspace_id, account_id, "
	    "role) SELECT w.id, a.id, $4::assay.membership_role FROM w, a "
	    "ON CONFLICT (workspace_id, account_id) DO UPDATE SET role = "
	    "excluded.role RETURNING account_id, role) "
	    "SELECT m.account_id, $2::text, w.name, m.role FROM m, w",
	    4, values,
	    "no such workspace: make it with `assay workspace "
	    "create`",
	    f);
}

static bool
account_list(struct cli *c, struct fault *f)
{
	return table_query(c, COLUMNS(account_columns),
	    ACCOUNT_SELECT "ORDER BY a.name LIMIT 10000", 0, NULL, f);
}

static bool
account_show(struct cli *c, struct fault *f)
{
	return table_query_one(c, COLUMNS(account_columns),
	    ACCOUNT_SELECT "WHERE a.name = $1 OR a.id::text = $1",
	    c->arguments[0], "no such account", f);
}

static bool
account_revoke(struct cli *c, struct fault *f)
{
	static const struct column columns[] = {
	    {"name", COLUMN_TEXT}, {"suspended_at", COLUMN_TEXT}};

	return table_query_one(c, COLUMNS(columns),
	    "UPDATE assay.account SET suspended_at = "
	    "coalesce(suspended_at, now()) WHERE name = $1 OR id::text = $1 "
	    "RETURNING name, suspended_at",
	    c->arguments[0], "no such account", f);
}

/* -------------------------------------------------------------------- keys */

static const struct column key_columns[] = {{"id", COLUMN_TEXT},
    {"hint", COLUMN_TEXT}, {"account", COLUMN_TEXT}, {"workspace", COLUMN_TEXT},
    {"name", COLUMN_TEXT}, {"scopes", COLUMN_TEXT}, {"expires_at", COLUMN_TEXT},
    {"revoked_at", COLUMN_TEXT}};

#define KEY_SELECT                                                             \
	"SELECT k.id, k.hint, a.name, w.name, k.name, "                        \
	"array_to_string(k.scopes, ' '), k.expires_at, k.revoked_at FROM "     \
	"assay.api_key k JOIN assay.account a ON a.id = k.account_id JOIN "    \
	"assay.workspace w ON w.id = k.workspace_id "

static const char *const scopes_known[] = {"lattice:compute:inference",
    "lattice:compute:workspace_only", "lattice:compute:marketplace",
    "lattice:compute:catalog:read", "lattice:compute:usage:read",
    "lattice:compute:streaming"};

/* "inference" is short for "lattice:compute:inference". */
static bool
scope_full(
    struct arena *a, const char *given, const char **out, struct fault *f)
{
	const char *full = strncmp(given, "lattice:", 8) == 0
			       ? given
			       : arena_printf(a, "lattice:compute:%s", given);

	for (size_t i = 0; i < sizeof scopes_known / sizeof *scopes_known; i++)
		if (strcmp(full, scopes_known[i]) == 0) {
			*out = full;
			return true;
		}
	return fault_set(f, FAULT_INVALID_OPTION,
	    "--scope %s: there is no such scope", given);
}

static bool
key_scopes(struct cli *c, const char **out, struct fault *f)
{
	static const char *const usual[] = {"inference", "marketplace",
	    "catalog:read", "usage:read", "streaming"};
	const char **given, **full;
	size_t count = cli_options(c, "scope", &given);

	if (count == 0) {
		given = arena_alloc(c->arena, sizeof usual);
		memcpy(given, usual, sizeof usual);
		count = sizeof usual / sizeof *usual;
	}
	full = arena_alloc(c->arena, count * sizeof *full);
	for (size_t i = 0; i < count; i++)
		if (!scope_full(c->arena, given[i], &full[i], f))
			return false;
	*out = pg_array(c->arena, full, count);
	return true;
}

static bool
key_create(struct cli *c, struct fault *f)
{
	static const struct column columns[] = {{"id", COLUMN_TEXT},
	    {"key", COLUMN_TEXT}, {"account", COLUMN_TEXT},
	    {"workspace", COLUMN_TEXT}, {"scopes", COLUMN_TEXT}};
	const char *account, *scopes, *expires = cli_option(c, "expires");
	char key[sizeof KEY_PREFIX + KEY_RANDOM] = KEY_PREFIX;
	long long seconds = 0;
	const char *values[10];
	uint8_t digest[32];

	if (!cli_require(c, "account", &account, f) ||
	    !key_scopes(c, &scopes, f) ||
	    (expires != NULL && !cli_seconds(expires, &seconds, f)))
		return false;
	base62_random(key + strlen(KEY_PREFIX), KEY_RANDOM);
	sha256(bytes_of(key, strlen(key)), digest);
	values[0] = cli_id(c);
	values[1] = account;
	values[2] = cli_option(c, "workspace");
	values[3] = cli_option(c, "name");
	values[4] = pg_bytea(c->arena, digest, sizeof digest);
	values[5] = arena_printf(c->arena, "%.*s", HINT_LEN, key);
	values[6] = scopes;
	values[7] = expires != NULL ? pg_int(c->arena, seconds) : NULL;
	values[8] = cli_option(c, "requests-per-minute");
	values[9] = key;
	return table_change(c, COLUMNS(columns),
	    "WITH m AS (SELECT m.account_id, m.workspace_id, a.name AS a, "
	    "w.name AS w FROM assay.membership m JOIN assay.account a ON a.id "
	    "= m.account_id JOIN assay.workspace w ON w.id = m.workspace_id "
	    "WHERE a.name = $2 AND ($3::text IS NULL OR w.name = $3)), "
	    "k AS (INSERT INTO assay.api_key (id, account_id, workspace_id, "
	    "name, sha256, hint, scopes, expires_at, requests_per_minute) "
	    "SELECT $1::uuid, account_id, workspace_id, coalesce($4, ''), "
	    "$5::bytea, $6, $7::text[], now() + make_interval(secs => "
	    "$8::double precision), $9::integer FROM m WHERE (SELECT count(*) "
	    "FROM m) = 1 RETURNING id, scopes) "
	    "SELECT k.id, $10::text, m.a, m.w, array_to_string(k.scopes, ' ') "
	    "FROM k, m",
	    10, values,
	    "no such account in that workspace, or it is in several: name one "
	    "with --workspace",
	    f);
}

static bool
key_list(struct cli *c, struct fault *f)
{
	const char *values[] = {cli_option(c, "account")};

	return table_query(c, COLUMNS(key_columns),
	    KEY_SELECT "WHERE $1::text IS NULL OR a.name = $1 "
		       "ORDER BY k.created_at LIMIT 10000",
	    1, values, f);
}

static bool
key_show(struct cli *c, struct fault *f)
{
	return table_query_one(c, COLUMNS(key_columns),
	    KEY_SELECT "WHERE k.id::text = $1 OR k.hint = $1", c->arguments[0],
	    "no such key: give its id or hint", f);
}

static bool
key_revoke(struct cli *c, struct fault *f)
{
	static const struct column columns[] = {{"id", COLUMN_TEXT},
	    {"hint", COLUMN_TEXT}, {"revoked_at", COLUMN_TEXT}};

	return table_query_one(c, COLUMNS(columns),
	    "UPDATE assay.api_key SET revoked_at = coalesce(revoked_at, now()) "
	    "WHERE id::text = $1 OR sha256 = sha256(convert_to($1, 'UTF8')) "
	    "RETURNING id, hint, revoked_at",
	    c->arguments[0], "no such key: give its id (or the key itself)", f);
}

static const struct option_rule account_options[] = {
    {"workspace", "NAME", "the workspace it joins"},
    {"role", "ROLE", "member (default) or owner"}, {0}};
static const struct option_rule key_options[] = {
    {"account", "NAME", "whose key it is"},
    {"workspace", "NAME", "needed where the account is in several"},
    {"name", "LABEL", "a label for people"},
    {"scope", "SCOPE",
	"repeatable: inference, marketplace, workspace_only, catalog:read, "
	"usage:read, streaming; default: all but workspace_only"},
    {"expires", "TIME", "for example 90d; default: never"},
    {"requests-per-minute", "N", "default: the gateway's"}, {0}};
static const struct option_rule key_list_options[] = {
    {"account", "NAME", "only this account's"}, {0}};

/* clang-format off */
const struct command account_commands[] = {
    {"workspace", "create", "NAME", 1, 1, NULL,
     "make a workspace", workspace_create},
    {"workspace", "list", "", 0, 0, NULL, "list workspaces", workspace_list},
    {"workspace", "show", "NAME", 1, 1, NULL,
     "show one workspace", workspace_show},
    {"workspace", "revoke", "NAME", 1, 1, NULL,
     "suspend it: keys refused, devices not routed", workspace_revoke},
    {"account", "create", "NAME", 1, 1, account_options,
     "make an account, or join it to another workspace", account_create},
    {"account", "list", "", 0, 0, NULL, "list accounts", account_list},
    {"account", "show", "NAME", 1, 1, NULL,
     "show one account", account_show},
    {"account", "revoke", "NAME", 1, 1, NULL,
     "suspend it: its keys are refused", account_revoke},
    {"key", "create", "", 0, 0, key_options,
     "make an API key and print it, this once", key_create},
    {"key", "list", "", 0, 0, key_list_options, "list API keys", key_list},
    {"key", "show", "ID", 1, 1, NULL, "show one key", key_show},
    {"key", "revoke", "ID", 1, 1, NULL,
     "revoke a key everywhere within 2 s", key_revoke},
    {0},
};
/* clang-format on */
