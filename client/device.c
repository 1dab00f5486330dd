/* SPDX-License-Identifier: Apache-2.0 */
/* Enrolment codes, devices, and who is connected now. */
#include <string.h>

#include "base/codec.h"
#include "base/crypto.h"
#include "client/command.h"
#include "client/table.h"

#define CODE_RANDOM 32 /* base62: 190 bits */
#define CODE_LIFE "86400"

static const struct column code_columns[] = {{"id", COLUMN_TEXT},
    {"workspace", COLUMN_TEXT}, {"device_name", COLUMN_TEXT},
    {"state", COLUMN_TEXT}, {"expires_at", COLUMN_TEXT},
    {"used_by", COLUMN_TEXT}};

#define CODE_SELECT                                                            \
	"SELECT e.id, w.name, e.device_name, CASE WHEN e.used_at IS NOT NULL " \
	"THEN 'used' WHEN e.revoked_at IS NOT NULL THEN 'revoked' WHEN "       \
	"e.expires_at <= now() THEN 'expired' ELSE 'open' END, e.expires_at, " \
	"e.used_by FROM assay.enrolment_code e JOIN assay.workspace w ON "     \
	"w.id = e.workspace_id "

static bool
code_create(struct cli *c, struct fault *f)
{
	static const struct column columns[] = {{"id", COLUMN_TEXT},
	    {"code", COLUMN_TEXT}, {"workspace", COLUMN_TEXT},
	    {"expires_at", COLUMN_TEXT}};
	const char *workspace, *expires = cli_option(c, "expires");
	const char *name = cli_option(c, "name");
	char code[CODE_RANDOM + 1];
	uint8_t digest[32];
	long long seconds;
	const char *values[6];

	if (!cli_require(c, "workspace", &workspace, f))
		return false;
	if (expires != NULL && !cli_seconds(expires, &seconds, f))
		return false;
	base62_random(code, CODE_RANDOM);
	sha256(bytes_of(code, strlen(code)), digest);
	values[0] = cli_id(c);
	values[1] = pg_bytea(c->arena, digest, sizeof digest);
	values[2] = workspace;
	values[3] = name != NULL ? name : "";
	values[4] = expires != NULL ? pg_int(c->arena, seconds) : CODE_LIFE;
	values[5] = code;
	return table_change(c, COLUMNS(columns),
	    "INSERT INTO assay.enrolment_code (id, sha256, workspace_id, "
	    "device_name, expires_at) SELECT $1::uuid, $2::bytea, w.id, $4, "
	    "now() + make_interval(secs => $5::double precision) FROM "
	    "assay.workspace w WHERE w.name = $3 AND w.suspended_at IS NULL "
	    "RETURNING id, $6::text, $3, expires_at",
	    6, values, "no such workspace", f);
}

static bool
code_list(struct cli *c, struct fault *f)
{
	return table_query(c, COLUMNS(code_columns),
	    CODE_SELECT "ORDER BY e.created_at DESC LIMIT 1000", 0, NULL, f);
}

static bool
code_show(struct cli *c, struct fault *f)
{
	return table_query_one(c, COLUMNS(code_columns),
	    CODE_SELECT "WHERE e.id::text = $1", c->arguments[0],
	    "no such code: give its id", f);
}

static bool
code_revoke(struct cli *c, struct fault *f)
{
	static const struct column columns[] = {
	    {"id", COLUMN_TEXT}, {"revoked_at", COLUMN_TEXT}};

	return table_query_one(c, COLUMNS(columns),
	    "UPDATE assay.enrolment_code SET revoked_at = "
	    "coalesce(revoked_at, now()) WHERE id::text = $1 AND used_at IS "
	    "NULL RETURNING id, revoked_at",
	    c->arguments[0],
	    "no such unused code (a used one: revoke the device)", f);
}

static const struct column device_columns[] = {{"did", COLUMN_TEXT},
    {"name", COLUMN_TEXT}, {"workspace", COLUMN_TEXT}, {"state", COLUMN_TEXT},
    {"enrolled_at", COLUMN_TEXT}, {"certificate_until", COLUMN_TEXT},
    {"tunnels", COLUMN_NUMBER}, {"revoke_reason", COLUMN_TEXT}};

#define DEVICE_SELECT                                                          \
	"SELECT d.did, d.name, d.workspace, d.state, d.enrolled_at, "          \
	"d.certificate_until, (SELECT count(*) FROM operator.connected c "     \
	"WHERE c.did = d.did), d.revoke_reason FROM operator.device d "

static bool
device_list(struct cli *c, struct fault *f)
{
	const char *values[] = {cli_option(c, "workspace")};

	return table_query(c, COLUMNS(device_columns),
	    DEVICE_SELECT "WHERE $1::text IS NULL OR d.workspace = $1 "
			  "ORDER BY d.enrolled_at LIMIT 10000",
	    1, values, f);
}

static bool
device_show(struct cli *c, struct fault *f)
{
	return table_query_one(c, COLUMNS(device_columns),
	    DEVICE_SELECT "WHERE d.did = $1", c->arguments[0], "no such device",
	    f);
}

static bool
device_revoke(struct cli *c, struct fault *f)
{
	static const struct column columns[] = {{"did", COLUMN_TEXT},
	    {"state", COLUMN_TEXT}, {"revoked_at", COLUMN_TEXT},
	    {"revoke_reason", COLUMN_TEXT}};
	const char *reason = cli_option(c, "reason");
	const char *values[] = {c->arguments[0], reason};

	return table_change(c, COLUMNS(columns),
	    "UPDATE assay.device SET state = 'revoked', revoked_at = "
	    "coalesce(revoked_at, now()), revoke_reason = "
	    "coalesce($2, revoke_reason) WHERE did = $1 RETURNING did, state, "
	    "revoked_at, revoke_reason",
	    2, values, "no such device", f);
}

static bool
providers(struct cli *c, struct fault *f)
{
	static const struct column columns[] = {{"did", COLUMN_TEXT},
	    {"device", COLUMN_TEXT}, {"workspace", COLUMN_TEXT},
	    {"slot", COLUMN_NUMBER}, {"gateway", COLUMN_TEXT},
	    {"runtime", COLUMN_TEXT}, {"since", COLUMN_TEXT},
	    {"serves", COLUMN_TEXT}};

	return table_query(c, COLUMNS(columns),
	    "SELECT did, device, workspace, slot, gateway_instance, runtime, "
	    "opened_at, array_to_string(serves, ' ') FROM operator.connected "
	    "ORDER BY workspace, device, slot LIMIT 10000",
	    0, NULL, f);
}

static bool
providers_refused(struct cli *c, struct fault *f)
{
	static const struct column columns[] = {{"did", COLUMN_TEXT},
	    {"device", COLUMN_TEXT}, {"workspace", COLUMN_TEXT},
	    {"model", COLUMN_TEXT}, {"reason", COLUMN_TEXT},
	    {"since", COLUMN_TEXT}};

	return table_query(c, COLUMNS(columns),
	    "SELECT did, device, workspace, canonical, reason, since FROM "
	    "operator.not_routed ORDER BY workspace, device LIMIT 10000",
	    0, NULL, f);
}

static const struct option_rule code_options[] = {
    {"workspace", "NAME", "where the device will belong"},
    {"name", "LABEL", "label for the device"},
    {"expires", "TIME", "default 24h"}, {0}};
static const struct option_rule device_list_options[] = {
    {"workspace", "NAME", "only this workspace's"}, {0}};
static const struct option_rule device_revoke_options[] = {
    {"reason", "TEXT", "kept with the device and in the audit trail"}, {0}};

/* clang-format off */
const struct command device_commands[] = {
    {"code", "create", "", 0, 0, code_options,
     "make a one-time enrolment code and print it, this once", code_create},
    {"code", "list", "", 0, 0, NULL, "list enrolment codes", code_list},
    {"code", "show", "ID", 1, 1, NULL, "show one code", code_show},
    {"code", "revoke", "ID", 1, 1, NULL, "void an unused code", code_revoke},
    {"device", "list", "", 0, 0, device_list_options,
     "list devices (they are made by enrolment)", device_list},
    {"device", "show", "DID", 1, 1, NULL, "show one device", device_show},
    {"device", "revoke", "DID", 1, 1, device_revoke_options,
     "revoke a device: its tunnels close within 2 s", device_revoke},
    {"providers", NULL, "", 0, 0, NULL,
     "who is connected, and what they serve", providers},
    {"providers", "refused", "", 0, 0, NULL,
     "who is not routed to, and why", providers_refused},
    {0},
};
/* clang-format on */
