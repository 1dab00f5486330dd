/* SPDX-License-Identifier: Apache-2.0 */
/* Requests, followed end to end from the ledger. */
#include "base/text.h"
#include "client/command.h"
#include "client/table.h"

static const struct column list_columns[] = {{"created_at", COLUMN_TEXT},
    {"id", COLUMN_TEXT}, {"account", COLUMN_TEXT}, {"model", COLUMN_TEXT},
    {"outcome", COLUMN_TEXT}, {"status", COLUMN_NUMBER}, {"code", COLUMN_TEXT},
    {"pool", COLUMN_TEXT}, {"total_ms", COLUMN_NUMBER}};

static bool
request_list(struct cli *c, struct fault *f)
{
	const char *values[] = {cli_option(c, "limit")};

	return table_query(c, COLUMNS(list_columns),
	    "SELECT created_at, id, account, canonical, outcome, status, "
	    "fault_code, pool, round(total_ms, 1) FROM "
	    "operator.request_recent ORDER BY created_at DESC LIMIT "
	    "least(coalesce($1::integer, 50), 10000)",
	    1, values, f);
}

static const struct column show_columns[] = {{"created_at", COLUMN_TEXT},
    {"step", COLUMN_NUMBER}, {"what", COLUMN_TEXT}, {"did", COLUMN_TEXT},
    {"outcome", COLUMN_TEXT}, {"code", COLUMN_TEXT}, {"why", COLUMN_TEXT},
    {"total_us", COLUMN_NUMBER}};

/* The id is a UUID version 7: its time bounds the partitions to look in. */
static bool
request_show(struct cli *c, struct fault *f)
{
	const char *values[2] = {c->arguments[0]};
	char at[RFC3339_TEXT];
	int64_t ms;

	if (!text_is_uuid(text_of(c->arguments[0])) ||
	    (ms = uuid_v7_time(c->arguments[0])) < 0)
		return fault_set(f, FAULT_INVALID_OPTION,
		    "\"%.40s\" is not a request id", c->arguments[0]);
	time_to_rfc3339(ms, at);
	values[1] = at;
	return table_query(c, COLUMNS(show_columns),
	    "SELECT created_at, step, what, did, outcome, fault_code, "
	    "fault_why, total_us FROM operator.request_trace WHERE request_id "
	    "= $1::uuid AND created_at BETWEEN $2::timestamptz - interval '1 "
	    "minute' AND $2::timestamptz + interval '1 hour' ORDER BY step",
	    2, values, f);
}

static const struct option_rule list_options[] = {
    {"limit", "N", "default 50"}, {0}};

/* clang-format off */
const struct command request_commands[] = {
    {"request", "list", "", 0, 0, list_options,
     "the newest requests", request_list},
    {"request", "show", "ID", 1, 1, NULL,
     "one request: its attempts, its handoff, its end", request_show},
    {0},
};
/* clang-format on */
