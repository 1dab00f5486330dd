/* SPDX-License-Identifier: Apache-2.0 */
/* See reputation_db.h. Days are texts like 2026-11-22; `now` is Unix ms. */
#include "reputation/worker/reputation_db.h"

#define TIME(value) "to_timestamp(" value " / 1000.0)"
#define MIDNIGHT(day) "((" day ")::timestamp AT TIME ZONE 'UTC')"
#define PAIR "did, task, canonical"

/* What the statements have in common: */
/* clang-format off */
#define WEIGHT "w AS MATERIALIZED (SELECT assay.evidence_weight($1::date) AS w)"
/* What is new until the end of the day: one leads, and others only add. */
#define TAKEN(from, time) \
	"WITH taken AS (DELETE FROM assay." from " WHERE ctid = ANY" \
	" (ARRAY(SELECT ctid FROM assay." from " WHERE " time " < " \
	MIDNIGHT("$1::date + 1") " LIMIT $2::bigint)) RETURNING *),"
/* By LATERAL and key, never by a join over all that there are. */
#define NAMES_OF(x) "LATERAL (SELECT " PAIR " FROM assay.pair" \
	"  WHERE id = " x ".pair LIMIT 1) names"
/* A row for each pair of `p`: its state, whether an audit failed from $4 until
 * $5, and its evidence as numbers in one text, in the order of the enum in
 * scorer.c. Of pairs with many voices a batch has fewer: memory is bounded by
 * bytes. */
#define EVIDENCE \
	WEIGHT ", failed AS MATERIALIZED (SELECT DISTINCT names.id AS pair" \
	" FROM assay.audits_failed($4::bigint, $5::bigint) a, LATERAL" \
	"  (SELECT id FROM assay.pair x WHERE x.did = a.did" \
	"   AND x.task = a.task AND x.canonical = a.canonical LIMIT 1) names)," \
	" e AS (SELECT p.pair, p.asked," \
	" coalesce(s.tier, 'bronze') AS tier, coalesce(s.silver_days, 0)," \
	" coalesce(s.gold_days, 0), s.closed_day - date '1970-01-01'," \
	" f.pair IS NOT NULL, w, o.numbers, v.numbers," \
	" a.good || ' ' || a.bad, sum(v.bytes) OVER (ORDER BY p.pair)" \
	" - v.bytes AS bytes" \
	" FROM w, p LEFT JOIN LATERAL (SELECT * FROM assay.score x" \
	"  WHERE x.pair = p.pair LIMIT 1) s ON true" \
	" LEFT JOIN failed f ON f.pair = p.pair" \
	" LEFT JOIN LATERAL (SELECT * FROM assay.audit_evidence x" \
	"  WHERE x.pair = p.pair LIMIT 1) a ON true" \
	" LEFT JOIN LATERAL (SELECT string_agg(concat_ws(' ', delivered," \
	"  failed, fast, slow), ' ') AS numbers" \
	"  FROM assay.outcome_evidence x WHERE x.pair = p.pair) o ON true" \
	" LEFT JOIN LATERAL (SELECT numbers, coalesce(length(numbers), 0)" \
	"  AS bytes FROM (SELECT string_agg(concat_ws(' ', good, bad," \
	"   coalesce(weight, -1)), ' ') AS numbers" \
	"  FROM assay.verdict_evidence x WHERE x.pair = p.pair) y) v ON true)" \
	" SELECT * FROM e WHERE bytes < 8000000 ORDER BY pair"

const struct pg_statement reputation_statements[] = {
[DB_CLOCK] = {"clock",
	"SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint", 0},
/* So that the locks of one that is killed, or whose machine is gone, are free
 * within seconds. The first is unknown to Postgres before 14. */
[DB_NOTICE_END] = {"notice_end",
	"SELECT set_config(name, value, false) FROM (VALUES"
	" ('client_connection_check_interval', '1s'),"
	" ('tcp_keepalives_idle', '2'), ('tcp_keepalives_interval', '1'),"
	" ('tcp_keepalives_count', '2')) v(name, value)"
	" JOIN pg_settings USING (name)", 0},
[DB_LEAD] = {"lead",
	"SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory'"
	" AND pid = pg_backend_pid() AND granted AND classid = 0"
	" AND objid = $1::bigint::oid) OR pg_try_advisory_lock($1::bigint)",
	1},
/* Days are closed in order, from the first one with anything in it. */
[DB_NEXT_DAY] = {"next_day",
	"SELECT coalesce((SELECT max(day) + 1 FROM assay.day_close),"
	" assay.utc_day(least((SELECT min(minute) FROM assay.outcome_new),"
	" (SELECT min(at) FROM assay.verdict_new),"
	" (SELECT min(at) FROM assay.audit_new))), $1::date)::text", 1},
[DB_FOLD] = {"fold",
	TAKEN("outcome_new", "minute")
	" days AS (SELECT pair, bucket, assay.utc_day(minute) AS day,"
	" sum(delivered) AS delivered, sum(failed) AS failed,"
	" sum(fast) AS fast, sum(slow) AS slow FROM taken"
	" GROUP BY 1, 2, 3),"
	" weights AS MATERIALIZED (SELECT day, assay.evidence_weight(day) AS w"
	"  FROM (SELECT DISTINCT day FROM days) d),"
	" summed AS (SELECT pair, bucket, sum(delivered * w) AS delivered,"
	" sum(failed * w) AS failed, sum(fast * w) AS fast,"
	" sum(slow * w) AS slow FROM days JOIN weights USING (day)"
	" GROUP BY 1, 2),"
	" added AS (INSERT INTO assay.outcome_evidence AS e"
	" SELECT * FROM summed ON CONFLICT (pair, bucket) DO UPDATE SET"
	" delivered = e.delivered + excluded.delivered,"
	" failed = e.failed + excluded.failed, fast = e.fast + excluded.fast,"
	" slow = e.slow + excluded.slow),"
	" due AS (INSERT INTO assay.score_due SELECT DISTINCT pair"
	" FROM summed ORDER BY pair)"
	" SELECT count(*) FROM taken", 2},
[DB_FOLD_VERDICTS] = {"fold_verdicts",
	TAKEN("verdict_new", "at")
	" summed AS (SELECT pair, account_id,"
	" sum(good * assay.evidence_weight(assay.utc_day(at))) AS good,"
	" sum(bad * assay.evidence_weight(assay.utc_day(at))) AS bad,"
	" max(assay.evidence_era(assay.utc_day(at))) AS era"
	" FROM taken GROUP BY 1, 2),"
	" added AS (INSERT INTO assay.verdict_evidence AS e"
	" SELECT pair, account_id, good, bad,"
	" (SELECT r.weight FROM assay.rater_weight r, assay.pair p"
	"  WHERE p.id = s.pair AND r.task = p.task"
	"  AND r.canonical = p.canonical AND r.account_id = s.account_id), era"
	" FROM summed s ON CONFLICT (pair, account_id) DO UPDATE"
	" SET good = e.good + excluded.good, bad = e.bad + excluded.bad,"
	" era = greatest(e.era, excluded.era)),"
	" due AS (INSERT INTO assay.score_due SELECT DISTINCT pair"
	" FROM summed ORDER BY pair)"
	" SELECT count(*) FROM taken", 2},
[DB_FOLD_AUDITS] = {"fold_audits",
	TAKEN("audit_new", "at")
	" summed AS (SELECT pair,"
	" sum(assay.evidence_weight(assay.utc_day(at)) * agrees::int) AS good,"
	" sum(assay.evidence_weight(assay.utc_day(at)) * (NOT agrees)::int)"
	"  AS bad FROM taken GROUP BY 1),"
	" added AS (INSERT INTO assay.audit_evidence AS e SELECT * FROM summed"
	" ON CONFLICT (pair) DO UPDATE"
	" SET good = e.good + excluded.good, bad = e.bad + excluded.bad),"
	" due AS (INSERT INTO assay.score_due SELECT pair"
	" FROM summed ORDER BY pair)"
	" SELECT count(*) FROM taken", 2},
[DB_DUE] = {"due",
	"WITH p AS MATERIALIZED (SELECT pair, array_agg(id)::text AS asked"
	" FROM assay.score_due WHERE pair > $3::integer"
	" GROUP BY pair ORDER BY pair LIMIT $2::bigint), " EVIDENCE, 5},
[DB_UNCLOSED] = {"unclosed",
	"WITH p AS MATERIALIZED (SELECT pair, '{}' AS asked FROM assay.score"
	" WHERE pair > $3::integer"
	" AND (closed_day IS NULL OR closed_day < $1::date)"
	" ORDER BY pair LIMIT $2::bigint), " EVIDENCE, 5},
/* $10 is the day where these are its closings, else null. */
[DB_WRITE] = {"write",
	"WITH t AS MATERIALIZED (SELECT * FROM unnest($1::integer[],"
	" $2::assay.tier[], $3::float8[], $4::float8[], $5::jsonb[],"
	" $6::integer[], $7::integer[], $8::integer[], $9::text[])"
	" AS t(pair, tier, score, samples, parts, silver, gold, closed, asked),"
	" " NAMES_OF("t") "),"
	" kept AS (INSERT INTO assay.score AS s (pair, " PAIR ", tier, score,"
	" sample_size, parts, silver_days, gold_days, closed_day, updated_at)"
	" SELECT pair, " PAIR ", tier, score, samples, parts, silver, gold,"
	" date '1970-01-01' + closed, " TIME("$12::bigint")
	" FROM t ON CONFLICT (pair) DO UPDATE SET"
	" tier = excluded.tier, score = excluded.score,"
	" sample_size = excluded.sample_size, parts = excluded.parts,"
	" silver_days = excluded.silver_days, gold_days = excluded.gold_days,"
	" closed_day = excluded.closed_day, updated_at = excluded.updated_at),"
	" days AS (INSERT INTO assay.score_day SELECT " PAIR ", "
	MIDNIGHT("$10::date") ", score, samples, parts, $11::boolean FROM t"
	" WHERE $10::date IS NOT NULL ON CONFLICT DO NOTHING),"
	" changed AS (INSERT INTO assay.tier_change SELECT " PAIR ", "
	TIME("$12::bigint") ", was, now, reason, score, parts"
	" FROM unnest($13::integer[], $14::assay.tier[], $15::assay.tier[],"
	" $16::text[]) AS c(pair, was, now, reason) JOIN t USING (pair)"
	" ON CONFLICT DO NOTHING RETURNING 1),"
	" done AS (DELETE FROM assay.score_due WHERE ctid = ANY (ARRAY("
	"  SELECT d.ctid FROM t, unnest(asked::bigint[]) AS asked_id, LATERAL"
	"  (SELECT ctid FROM assay.score_due x WHERE x.pair = t.pair"
	"   AND x.id = asked_id LIMIT 1) d)))"
	" SELECT count(*) FROM changed", 16},
[DB_IS_EXCUSED] = {"is_excused",
	"SELECT assay.excused_time($1::date) >= interval '1 hour'", 1},
/* Of the days closed before this one, those of which it was said late: after
 * the close, or after a first part of it whose worker fell. */
[DB_EXCUSE_LATE] = {"excuse_late",
	"SELECT assay.excuse_late(day, $2::float8, $3::float8) FROM"
	" (SELECT day FROM assay.day_close c WHERE day >= $1::date - 14"
	" AND day < $1::date AND assay.excused_time(day) >= interval '1 hour'"
	" AND (NOT excused OR EXISTS (SELECT FROM assay.score_day d"
	"  WHERE d.day = " MIDNIGHT("c.day") " AND NOT d.excused))"
	" ORDER BY day) x", 3},
/* The two days before too: of them some came late. What came to no choice of a
 * provider (a wrong key, a bad body) says nothing of how we were. */
[DB_NOTE_DOWNTIME] = {"note_downtime",
	"INSERT INTO assay.platform_downtime SELECT hour,"
	" hour + interval '1 hour', 'most requests failed by our own fault',"
	" 'assay'"
	" FROM (SELECT date_trunc('hour', created_at) AS hour,"
	"  count(*) FILTER (WHERE did IS NOT NULL OR is_ours) AS requests,"
	"  count(*) FILTER (WHERE is_ours) AS ours"
	"  FROM assay.request, LATERAL (SELECT coalesce(fault_code IN"
	"   ('upstream_dependency_unavailable', 'internal'), false)"
	"   AS is_ours) y WHERE created_at >= " MIDNIGHT("$1::date - 2")
	"  AND created_at < " MIDNIGHT("$1::date + 1") " GROUP BY 1) x"
	" WHERE requests >= 20 AND ours * 2 > requests"
	" ON CONFLICT DO NOTHING", 1},
/* Each rater's verdicts in all, and its most rated providers of a market. */
[DB_WEIGH_BEGIN] = {"weigh_begin",
	"WITH " WEIGHT ", v AS MATERIALIZED (SELECT id, task, canonical,"
	" account_id, good, bad FROM assay.verdict_evidence"
	" JOIN assay.pair ON id = pair WHERE good + bad > (SELECT w FROM w)),"
	" markets AS (SELECT task, canonical, count(DISTINCT id) AS providers"
	" FROM v GROUP BY 1, 2),"
	" totals AS (SELECT account_id, (sum(good) / min(100 * w))::float8 AS good,"
	" (sum(bad) / min(100 * w))::float8 AS bad FROM v, w GROUP BY 1),"
	" ranked AS (SELECT task, canonical, account_id, id, row_number()"
	" OVER (PARTITION BY task, canonical, account_id"
	"  ORDER BY good + bad DESC, id) AS place FROM v),"
	" sets AS (SELECT task, canonical, account_id, array_agg(id ORDER BY"
	" id) AS favourites FROM ranked WHERE place <= 3 GROUP BY 1, 2, 3),"
	" sized AS (SELECT *, count(*) OVER (PARTITION BY task, canonical,"
	" favourites) AS same, count(*) OVER (PARTITION BY task, canonical,"
	" cardinality(favourites)) AS raters FROM sets),"
	" gone AS (DELETE FROM assay.rater_weight r WHERE NOT EXISTS (SELECT"
	" FROM sized s WHERE s.task = r.task AND s.canonical = r.canonical"
	" AND s.account_id = r.account_id))"
	" INSERT INTO assay.rater_weight SELECT task, canonical, account_id,"
	" $1::date, t.good, t.bad, cardinality(favourites), same, raters,"
	" providers, NULL FROM sized JOIN totals t USING (account_id)"
	" JOIN markets USING (task, canonical)"
	" ON CONFLICT (task, canonical, account_id) DO UPDATE SET"
	" day = excluded.day, good = excluded.good, bad = excluded.bad,"
	" favourites = excluded.favourites, same = excluded.same,"
	" raters = excluded.raters, providers = excluded.providers,"
	" weight = NULL", 1},
[DB_WEIGH_READ] = {"weigh_read",
	"SELECT task, canonical, account_id, good, bad, same, raters,"
	" providers, favourites FROM assay.rater_weight WHERE weight IS NULL"
	" LIMIT $1::bigint", 1},
[DB_WEIGH_WRITE] = {"weigh_write",
	"UPDATE assay.rater_weight r SET weight = t.weight"
	" FROM unnest($1::text[], $2::text[], $3::uuid[], $4::float8[])"
	" AS t(task, canonical, account_id, weight) WHERE r.task = t.task"
	" AND r.canonical = t.canonical AND r.account_id = t.account_id", 4},
/* To where they are read; those no longer weighed too. */
[DB_WEIGH_END] = {"weigh_end",
	"UPDATE assay.verdict_evidence v SET weight = x.weight FROM"
	" (SELECT pair, account_id, r.weight"
	"  FROM assay.verdict_evidence v JOIN assay.pair ON id = pair"
	"  LEFT JOIN assay.rater_weight r USING (task, canonical, account_id)"
	"  WHERE v.weight IS DISTINCT FROM r.weight) x"
	" WHERE v.pair = x.pair AND v.account_id = x.account_id", 0},
[DB_LAPSE] = {"lapse",
	"DELETE FROM assay.verdict_evidence"
	" WHERE era < assay.evidence_era($1::date)"
	" AND assay.evidence_era($1::date + 1) > assay.evidence_era($1::date)",
	1},
[DB_SPEED] = {"speed",
	"WITH one AS (SELECT r.task, r.canonical, r.quantization, a.did,"
	" percentile_cont(0.5) WITHIN GROUP (ORDER BY a.first_byte_us) AS fb,"
	" percentile_cont(0.5) WITHIN GROUP (ORDER BY r.completion_tokens"
	"  * 1e6 / nullif(a.total_us - a.first_byte_us, 0)) AS rate"
	" FROM assay.request_attempt a JOIN assay.request r"
	" ON r.id = a.request_id AND r.created_at = a.created_at"
	" WHERE a.created_at >= " MIDNIGHT("$1::date") " AND a.created_at < "
	MIDNIGHT("$1::date + 1") " AND r.created_at >= " MIDNIGHT("$1::date")
	" AND r.created_at < " MIDNIGHT("$1::date + 1")
	" AND a.outcome = 'served' AND a.first_byte_us IS NOT NULL"
	" AND r.streamed AND r.completion_tokens > 0"
	" AND r.task IS NOT NULL AND r.canonical IS NOT NULL"
	" AND r.quantization IS NOT NULL GROUP BY 1, 2, 3, 4)"
	" INSERT INTO assay.model_speed SELECT $1::date, task, canonical,"
	" quantization, count(*),"
	" percentile_cont(0.5) WITHIN GROUP (ORDER BY fb),"
	" percentile_cont(0.5) WITHIN GROUP (ORDER BY rate) FROM one"
	" GROUP BY 2, 3, 4 HAVING count(*) >= 3 ON CONFLICT DO NOTHING", 1},
[DB_CLOSED] = {"closed",
	"INSERT INTO assay.day_close VALUES ($1::date, "
	TIME("$2::bigint") ", $3::boolean) ON CONFLICT DO NOTHING", 3},
[DB_ALL_DUE] = {"all_due",
	"INSERT INTO assay.score_due SELECT pair FROM assay.score", 0},
[DB_PARTITIONS] = {"partitions",
	"SELECT name, day, is_old"
	" FROM assay.partition_due($1::date, $2::integer)", 2},
[DB_MAKE_PARTITION] = {"make_partition",
	"SELECT assay.partition_make($1, $2::date)", 2},
[DB_DROP_PARTITION] = {"drop_partition",
	"SELECT assay.partition_drop($1, $2::date)", 2},
[DB_FORGET] = {"forget",
	"WITH s AS (DELETE FROM assay.model_speed"
	" WHERE day < assay.utc_day(now()) - 400)"
	" DELETE FROM assay.not_chosen"
	" WHERE day < assay.utc_day(now()) - 90", 0},
[DB_PRUNE] = {"prune", "SELECT assay.prune_evidence(5000)", 0},
[DB_REBUILD] = {"rebuild",
	"SELECT assay.reputation_rebuild($1, $2::date)", 2},
[DB_REBUILT] = {"rebuilt",
	"INSERT INTO assay.score_due SELECT pair FROM assay.score"
	" UNION SELECT pair FROM assay.outcome_evidence"
	" UNION SELECT pair FROM assay.verdict_evidence"
	" UNION SELECT pair FROM assay.audit_evidence", 0},
};
/* clang-format on */
const size_t reputation_statement_count = DB_STATEMENTS;
