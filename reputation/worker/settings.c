/* SPDX-License-Identifier: Apache-2.0 */
/* The table of settings, alphabetical. */
#include "reputation/worker/settings.h"

#define S struct reputation_settings

/* clang-format off */
const struct setting reputation_settings_table[] = {
SETTING_ADDRESS("admin.listen", S, admin_listen, "127.0.0.1:9182",
    "Operators' listener: /healthz, /readyz, /metrics. Never public; not set: none."),
SETTING_INT("batch.pairs", S, batch_pairs, 1, 5000, "1000",
    "Pairs scored in one statement; what bounds the memory."),
SETTING_INT("batch.rows", S, batch_rows, 1, 1000000, "20000",
    "New outcomes and verdicts added up in one statement."),
SETTING_DURATION("close.grace", S, close_grace, "1m",
    "How long after midnight UTC a day is closed: what gateways still hold may come in."),
SETTING_STRING("database.url", S, database_url, "",
    "Postgres, as the role assay_reputation: direct, never through a pooler (the leader holds a session's lock)."),
SETTING_LEVEL("log.level", S, log_level, "info",
    "debug, info, warn or error."),
#ifdef ASSAY_TEST_BUILD
SETTING_STRING("now", S, now, "",
    "What time it is (RFC 3339) when the program starts; of test builds alone."),
#endif
SETTING_INT("partitions.ahead", S, partitions_ahead, 1, 60, "7",
    "Days ahead for which partitions are made."),
SETTING_BOOL("recompute", S, recompute, "false",
    "Sum all evidence anew from the request log, score everything, and end."),
SETTING_STRING("recompute.from", S, recompute_from, "log",
    "log: what was delivered is judged anew from the request log; minutes: the rows that were added up from it, which is faster."),
SETTING_DURATION("tick.every", S, tick_every, "2s",
    "How often what is new is added up and scored."),
};
/* clang-format on */
const size_t reputation_settings_count =
    sizeof(reputation_settings_table) / sizeof(*reputation_settings_table);
