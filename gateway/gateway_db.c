/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See gateway_db.h: all statements, how one is asked, and the buyer's. The
 * readers of the catalog, of requests and of tunnels have a file each.
 */
#include "gateway/gateway_db_priv.h"

#include <string.h>

#include "auth/scope.h"

#define MS(column) "(extract(epoch FROM " column ") * 1000)::bigint"
#define TIME(value) "to_timestamp(" value " / 1000.0)"
/* An hour and more around the time that an id tells. Immutable functions alone
 * make these times, so that the planner leaves the other days out: else each
 * plan locks all of them, and may be kept for looking no worse than others. */
#define SINCE(value, ms) TIME("(" value " - " #ms ")")
#define UNTIL(value) TIME("(" value " + 3600000)")
#define NEAR(value) "BETWEEN " SINCE(value, 3600000) " AND " UNTIL(value)
/* Of a score: what its delivery stream weighs; null where it has none. */
#define DELIVERED                                                              \
	"((parts #>> '{delivery,good}')::float8"                               \
	" + (parts #>> '{delivery,bad}')::float8)"

/* clang-format off */
const struct pg_statement gateway_statements[] = {
[FIND_KEY] = {"find_key",
	"SELECT k.id, k.account_id, k.workspace_id, k.scopes,"
	" coalesce(k.requests_per_minute, 0), coalesce(k.max_concurrency, 0),"
	" coalesce(" MS("k.expires_at") ", 0), k.revoked_at IS NOT NULL,"
	" a.suspended_at IS NOT NULL OR w.suspended_at IS NOT NULL"
	" FROM assay.api_key k"
	" JOIN assay.account a ON a.id = k.account_id"
	" JOIN assay.workspace w ON w.id = k.workspace_id"
	" WHERE k.sha256 = $1::bytea", 1},
[VERSIONS] = {"versions",
	"SELECT area, version FROM assay.change", 0},

/* A part is read by one statement, so that it is of one moment: rows of
 * several kinds in one shape, in the order in which they need each other. */
[LOAD_MODELS] = {"load_models",
	"SELECT 0 AS kind, version::text AS a, NULL AS b, NULL AS c, NULL AS d,"
	" NULL AS e, NULL AS f FROM assay.change WHERE area = 'catalog'"
	" UNION ALL SELECT 1, name, path, multipart::text, NULL, NULL, NULL"
	" FROM assay.task"
	" UNION ALL SELECT 2, canonical, workspace_id::text, display_name,"
	" context_length::text, (state = 'withdrawn')::text,"
	" (" MS("created_at") ")::text FROM assay.model"
	" UNION ALL SELECT 3, canonical, task, NULL, NULL, NULL, NULL"
	" FROM assay.model_task"
	" UNION ALL SELECT 4, id::text, canonical, runtime::text, quantization,"
	" (state = 'withdrawn')::text, NULL FROM assay.artifact"
	" UNION ALL SELECT 5, artifact_id::text, encode(sha256, 'hex'), NULL,"
	" NULL, NULL, NULL FROM assay.artifact_file"
	" ORDER BY kind", 0},
[LOAD_DEVICES] = {"load_devices",
	"SELECT 0 AS kind, version::text AS a, NULL AS b, NULL AS c, NULL AS d,"
	" NULL AS e, NULL AS f FROM assay.change WHERE area = 'device'"
	" UNION ALL SELECT 1, d.did, d.workspace_id::text, d.name,"
	" (d.state = 'revoked')::text, (w.suspended_at IS NOT NULL)::text,"
	" (SELECT max(" MS("c.not_after") ")::text"
	"  FROM assay.device_certificate c"
	"  WHERE c.did = d.did AND c.revoked_at IS NULL)"
	" FROM assay.device d JOIN assay.workspace w ON w.id = d.workspace_id"
	" UNION ALL SELECT 2, serial, NULL, NULL, NULL, NULL, NULL"
	" FROM assay.device_certificate"
	" WHERE revoked_at IS NOT NULL AND not_after > now()"
	" ORDER BY kind", 0},
[LOAD_SCORES] = {"load_scores",
	"WITH c AS MATERIALIZED (SELECT version, $1::bigint"
	"  BETWEEN greatest(whole, 0) AND version AS is_change"
	"  FROM assay.change WHERE area = 'score')"
	" SELECT 0 AS kind, version::text AS a, CASE WHEN is_change THEN 't'"
	"  ELSE 'f' END AS b, NULL AS c, NULL AS d,"
	" NULL AS e, NULL AS f, NULL AS g, NULL AS h FROM c"
	" UNION ALL SELECT 1, did, task, canonical, tier::text, score::text,"
	" " DELIVERED "::text, parts::text, (" MS("updated_at") ")::text"
	" FROM assay.score WHERE (SELECT is_change FROM c)"
	" AND pair = ANY (ARRAY(SELECT DISTINCT unnest(pairs)"
	"  FROM assay.score_written WHERE version > $1::bigint))"
	" UNION ALL SELECT 1, did, task, canonical, tier::text, score::text,"
	" " DELIVERED "::text, parts::text, (" MS("updated_at") ")::text"
	" FROM assay.score WHERE NOT (SELECT is_change FROM c)"
	" ORDER BY kind", 1},

[WRITE_REQUESTS] = {"write_requests",
	"WITH written AS (INSERT INTO assay.request"
	" (id, created_at, account_id, workspace_id, api_key_id, endpoint,"
	" task, canonical, streamed, pool_wanted, min_tier, verified, did,"
	" pool, tier, quantization, outcome, status, fault_code, fault_why,"
	" attempts, rejected, prompt_tokens, completion_tokens, request_bytes,"
	" response_bytes, auth_us, route_us, mint_us, connect_us,"
	" first_byte_us, total_us, gateway_instance)"
	" SELECT id, " TIME("created") ", account, workspace, key, endpoint,"
	" task, model, streamed, pool_wanted, min_tier, verified, did,"
	" pool, tier, quantization, outcome, coalesce(status, 0), fault_code,"
	" fault_why, coalesce(attempts, 0), coalesce(rejected, '{}'),"
	" prompt_tokens, completion_tokens, coalesce(request_bytes, 0),"
	" coalesce(response_bytes, 0), auth_us, route_us, mint_us, connect_us,"
	" first_byte_us, coalesce(total_us, 0), instance"
	" FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[],"
	" $5::uuid[], $6::text[], $7::text[], $8::text[], $9::boolean[],"
	" $10::text[], $11::assay.tier[], $12::boolean[], $13::text[],"
	" $14::assay.pool[], $15::assay.tier[], $16::text[],"
	" $17::assay.outcome[], $18::integer[], $19::text[], $20::text[],"
	" $21::integer[], $22::jsonb[], $23::integer[], $24::integer[],"
	" $25::bigint[], $26::bigint[], $27::bigint[], $28::bigint[],"
	" $29::bigint[], $30::bigint[], $31::bigint[], $32::bigint[],"
	" $33::text[]) AS t(id, created, account, workspace, key, endpoint,"
	" task, model, streamed, pool_wanted, min_tier, verified, did, pool,"
	" tier, quantization, outcome, status, fault_code, fault_why,"
	" attempts, rejected, prompt_tokens, completion_tokens, request_bytes,"
	" response_bytes, auth_us, route_us, mint_us, connect_us,"
	" first_byte_us, total_us, instance)"
	" ON CONFLICT DO NOTHING)"
	" INSERT INTO assay.request_attempt (request_id, created_at, ordinal,"
	" did, pool, tier, outcome, status, fault_code, fault_why, started_us,"
	" first_byte_us, total_us)"
	" SELECT request, " TIME("created") ", ordinal, did, pool, tier,"
	" outcome, status, fault_code, fault_why, coalesce(started_us, 0),"
	" first_byte_us, coalesce(total_us, 0)"
	" FROM unnest($34::uuid[], $35::bigint[], $36::integer[], $37::text[],"
	" $38::assay.pool[], $39::assay.tier[], $40::assay.outcome[],"
	" $41::integer[], $42::text[], $43::text[], $44::bigint[],"
	" $45::bigint[], $46::bigint[]) AS t(request, created, ordinal, did,"
	" pool, tier, outcome, status, fault_code, fault_why, started_us,"
	" first_byte_us, total_us)"
	" ON CONFLICT DO NOTHING", 46},
/* The id tells when it was made, and so which partitions need a look. */
[FIND_REQUEST] = {"find_request",
	"SELECT r.id, " MS("r.created_at") ", r.account_id, r.workspace_id,"
	" r.api_key_id, r.endpoint, r.task, r.canonical, r.streamed,"
	" r.pool_wanted, r.min_tier, r.verified, r.did, r.pool, r.tier,"
	" r.quantization, r.outcome, r.status, r.fault_code, r.fault_why,"
	" r.attempts, r.rejected, r.prompt_tokens, r.completion_tokens,"
	" r.request_bytes, r.response_bytes, r.auth_us, r.route_us, r.mint_us,"
	" r.connect_us, r.first_byte_us, r.total_us, r.gateway_instance,"
	" t.request_id, " MS("t.created_at") ", t.ordinal, t.did, t.pool,"
	" t.tier, t.outcome, t.status, t.fault_code, t.fault_why,"
	" t.started_us, t.first_byte_us, t.total_us"
	" FROM assay.request r LEFT JOIN assay.request_attempt t"
	" ON t.request_id = r.id AND t.created_at = r.created_at"
	" AND t.created_at " NEAR("$3::bigint")
	" WHERE r.id = $1::uuid AND r.account_id = $2::uuid"
	" AND r.created_at " NEAR("$3::bigint")
	" ORDER BY t.ordinal", 3},

[FIND_ANSWER] = {"find_answer",
	"SELECT request_sha256, status, body FROM assay.idempotency"
	" WHERE account_id = $1::uuid AND endpoint = $2 AND key = $3"
	" AND created_at > now() - interval '24 hours'", 3},
/* The count makes the old rows go before the new one comes. */
[KEEP_ANSWER] = {"keep_answer",
	"WITH old AS (DELETE FROM assay.idempotency"
	" WHERE account_id = $1::uuid"
	" AND created_at <= now() - interval '24 hours' RETURNING 1)"
	" INSERT INTO assay.idempotency"
	" (account_id, endpoint, key, request_sha256, status, body)"
	" SELECT $1::uuid, $2, $3, $4::bytea, $5::integer, $6"
	" FROM (SELECT count(*) FROM old) AS first"
	" ON CONFLICT DO NOTHING", 6},

/* Who has the key gives the feedback; of two at once the other finds neither
 * key nor feedback left. One given meanwhile breaks the key: all or nothing. */
[GIVE_FEEDBACK] = {"give_feedback",
	"WITH r AS (SELECT r.*, r.outcome IN ('served', 'truncated')"
	" AND r.did IS NOT NULL AS is_served,"
	" r.created_at > now() - interval '7 days' AS is_open"
	" FROM assay.request r WHERE r.id = $1::uuid"
	" AND r.account_id = $3::uuid"
	" AND r.created_at " NEAR("$2::bigint") "),"
	" open AS (SELECT r.*, r.workspace_id <> d.workspace_id AND NOT EXISTS"
	"  (SELECT FROM assay.membership m WHERE m.account_id = r.account_id"
	"  AND m.workspace_id = d.workspace_id) AS counts"
	" FROM r JOIN assay.device d ON d.did = r.did"
	" WHERE is_served AND is_open AND (SELECT f.id"
	"  FROM assay.feedback f WHERE f.request_id = r.id"
	"  AND f.request_at = r.created_at"
	"  AND f.request_at " NEAR("$2::bigint") ") IS NULL),"
	" old AS (DELETE FROM assay.idempotency WHERE account_id = $3::uuid"
	" AND endpoint = 'feedback' AND key = $9"
	" AND created_at <= now() - interval '24 hours' RETURNING 1),"
	" kept AS (INSERT INTO assay.idempotency (account_id, endpoint, key,"
	" request_sha256, status, body) SELECT $3::uuid, 'feedback', $9,"
	" $10::bytea, 201, $11 FROM open, (SELECT count(*) FROM old) AS first"
	" WHERE $9::text IS NOT NULL ON CONFLICT DO NOTHING RETURNING 1),"
	" given AS (INSERT INTO assay.feedback (request_id, request_at, id,"
	" created_at, account_id, workspace_id, did, task, canonical, quality,"
	" verdict, issues, comment, value, counts)"
	" SELECT r.id, r.created_at, $4::uuid, now(), r.account_id,"
	" r.workspace_id, r.did, r.task, r.canonical, $5::smallint,"
	" $6::assay.verdict, $7::text[], $8, coalesce($5::smallint,"
	" CASE $6 WHEN 'good' THEN 100 ELSE 0 END)::smallint, r.counts"
	" FROM open r WHERE $9::text IS NULL OR EXISTS (SELECT FROM kept)"
	" RETURNING id)"
	" SELECT is_served, is_open, (SELECT count(*) FROM given),"
	" (SELECT f.id FROM assay.feedback f WHERE f.request_id = r.id"
	"  AND f.request_at = r.created_at"
	"  AND f.request_at " NEAR("$2::bigint") ") FROM r", 11},
/* A feedback's id is younger than its request by seven days at most. */
[EDIT_FEEDBACK] = {"edit_feedback",
	"WITH was AS (SELECT * FROM assay.feedback WHERE id = $1::uuid"
	" AND account_id = $3::uuid"
	" AND request_at BETWEEN " SINCE("$2::bigint", 691200000)
	" AND " UNTIL("$2::bigint") " LIMIT 1),"
	" open AS (SELECT * FROM was"
	"  WHERE created_at > now() - interval '24 hours'),"
	" edited AS (UPDATE assay.feedback f SET edited_at = now(),"
	" quality = $4::smallint, verdict = $5::assay.verdict,"
	" issues = $6::text[], comment = $7, value = coalesce($4::smallint,"
	" CASE $5 WHEN 'good' THEN 100 ELSE 0 END)::smallint"
	" WHERE f.request_id = (SELECT request_id FROM open)"
	" AND f.request_at = (SELECT request_at FROM open)"
	" AND f.request_at BETWEEN " SINCE("$2::bigint", 691200000)
	" AND " UNTIL("$2::bigint") " RETURNING 1)"
	" SELECT (SELECT count(*) FROM edited), request_id FROM was", 7},

[COUNT_NOT_CHOSEN] = {"count_not_chosen",
	"INSERT INTO assay.not_chosen AS n SELECT did, task, canonical,"
	" date '1970-01-01' + day, reason, sum(times)"
	" FROM unnest($1::text[], $2::text[], $3::text[], $4::text[],"
	" $5::bigint[], $6::integer[])"
	" AS t(did, task, canonical, reason, times, day)"
	" GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"
	" ON CONFLICT (did, task, canonical, day, reason) DO UPDATE"
	" SET times = n.times + excluded.times", 6},
[FIND_NOT_CHOSEN] = {"find_not_chosen",
	"SELECT did, task, canonical, reason, sum(times)"
	" FROM assay.not_chosen WHERE did = $1"
	" AND day > (now() AT TIME ZONE 'UTC')::date - 7"
	" GROUP BY 1, 2, 3, 4 ORDER BY 2, 3, 4", 1},

[OPEN_TUNNEL] = {"open_tunnel",
	"INSERT INTO assay.tunnel_session AS s (id, did, slot,"
	" gateway_instance, remote, certificate_serial, daemon, runtime_kind,"
	" runtime_version, opened_at, last_seen_at)"
	" VALUES ($1::uuid, $2, $3::integer, $4, $5, $6, $7, $8, $9, "
	TIME("$10::bigint") ", now())"
	" ON CONFLICT (id) DO UPDATE SET daemon = excluded.daemon,"
	" slot = excluded.slot, runtime_kind = excluded.runtime_kind,"
	" runtime_version = excluded.runtime_version, last_seen_at = now()",
	10},
[TOUCH_TUNNELS] = {"touch_tunnels",
	"UPDATE assay.tunnel_session SET last_seen_at = now()"
	" WHERE id = ANY ($1::uuid[]) AND closed_at IS NULL", 1},
[CLOSE_TUNNEL] = {"close_tunnel",
	"UPDATE assay.tunnel_session SET closed_at = now(), close_code = $2,"
	" close_reason = $3 WHERE id = $1::uuid AND closed_at IS NULL", 3},
[CLOSE_LEFT] = {"close_left",
	"UPDATE assay.tunnel_session SET closed_at = last_seen_at,"
	" close_code = 'gateway_ended',"
	" close_reason = 'the gateway ended without closing it'"
	" WHERE gateway_instance = $1 AND closed_at IS NULL", 1},
[WRITE_FINGERPRINTS] = {"write_fingerprints",
	"WITH gone AS (DELETE FROM assay.fingerprint WHERE did = $1"
	" AND slot = $2::integer AND canonical <> ALL ($4::text[]))"
	" INSERT INTO assay.fingerprint AS p (did, slot, canonical, session_id,"
	" artifact_id, status, reason, quantization, tasks, files,"
	" first_seen_at, checked_at)"
	" SELECT DISTINCT ON (canonical) $1, $2::integer, canonical, $3::uuid,"
	" artifact, (CASE WHEN reason IS NULL THEN 'accepted' ELSE 'refused'"
	" END)::assay.fingerprint_status, reason, quantization,"
	" tasks::text[], files, now(), now()"
	" FROM unnest($4::text[], $5::uuid[], $6::text[], $7::text[],"
	" $8::text[], $9::jsonb[]) WITH ORDINALITY AS t(canonical, artifact,"
	" reason, quantization, tasks, files, place)"
	" ORDER BY canonical, place"
	" ON CONFLICT (did, slot, canonical) DO UPDATE SET"
	" session_id = excluded.session_id,"
	" artifact_id = excluded.artifact_id, status = excluded.status,"
	" reason = excluded.reason, quantization = excluded.quantization,"
	" tasks = excluded.tasks, files = excluded.files,"
	" first_seen_at = CASE WHEN p.reason IS NOT DISTINCT FROM"
	" excluded.reason AND p.artifact_id IS NOT DISTINCT FROM"
	" excluded.artifact_id THEN p.first_seen_at"
	" ELSE excluded.first_seen_at END,"
	" checked_at = excluded.checked_at", 9},

[LOAD_POLICY] = {"load_policy",
	"SELECT version, document::text FROM assay.attestation_policy"
	" WHERE active", 0},
[WRITE_VERDICT] = {"write_verdict",
	"INSERT INTO assay.attestation_verdict (id, did, slot, session_id,"
	" judged_at, status, reason, failed_check, why, renew_by, measurement,"
	" signing_address, policy_digest, checks, bound, evidence,"
	" gateway_instance)"
	" VALUES ($1::uuid, $2, $3::integer, $4::uuid, " TIME("$5::bigint")
	", $6, $7, $8, $9, " TIME("$10::bigint") ", $11, $12, $13,"
	" $14::jsonb, $15::jsonb, $16::jsonb, $17) ON CONFLICT DO NOTHING",
	17},
[FIND_COLLATERAL] = {"find_collateral",
	"SELECT body, source, " MS("fetched_at") " FROM assay.collateral"
	" WHERE name = $1", 1},
[KEEP_COLLATERAL] = {"keep_collateral",
	"INSERT INTO assay.collateral AS c (name, body, source, fetched_at,"
	" edition) VALUES ($1, $2::bytea, $3, " TIME("$4::bigint") ","
	" $5::text[])"
	" ON CONFLICT (name) DO UPDATE SET body = excluded.body,"
	" source = excluded.source, fetched_at = excluded.fetched_at,"
	" edition = excluded.edition, failing_since = NULL, failure = NULL"
	" WHERE c.fetched_at < excluded.fetched_at"
	" AND cardinality(c.edition) <= cardinality(excluded.edition)"
	" AND NOT EXISTS (SELECT FROM unnest(c.edition, excluded.edition)"
	" AS t(held, come) WHERE come COLLATE \"C\" < held)", 5},
[FAIL_COLLATERAL] = {"fail_collateral",
	"UPDATE assay.collateral SET failure = $3,"
	" failing_since = coalesce(failing_since, " TIME("$2::bigint") ")"
	" WHERE name = $1", 3},
[KEEP_SIGNATURE] = {"keep_signature",
	"INSERT INTO assay.exchange_signature AS s (chat_id, account_id,"
	" request_id, did, text, signature, signing_address, signing_algo,"
	" complete, bytes, missing) SELECT DISTINCT id, $2::uuid, $3::uuid,"
	" $4, $5, $6, $7, $8, $9::boolean, $10::bigint, $11"
	" FROM unnest($1::text[]) AS t(id)"
	" ON CONFLICT (account_id, chat_id) DO UPDATE SET"
	" request_id = excluded.request_id, did = excluded.did,"
	" text = excluded.text, signature = excluded.signature,"
	" signing_address = excluded.signing_address,"
	" signing_algo = excluded.signing_algo,"
	" complete = excluded.complete, bytes = excluded.bytes,"
	" missing = excluded.missing, created_at = excluded.created_at"
	" WHERE s.request_id < excluded.request_id", 11},
[FIND_SIGNATURE] = {"find_signature",
	"SELECT text, signature, signing_address, signing_algo, complete, did,"
	" request_id, bytes, missing FROM assay.exchange_signature"
	" WHERE account_id = $1::uuid AND chat_id = $2", 2},

/* Due offers of those named, the longest due first, each with its next time
 * drawn anew: without memory, so that having been asked says nothing of when
 * one is asked again. Last, how many stay due: the overdue. Rows that are there
 * are not tried to be made: that would wait for whoever is taking them. */
[CLAIM_CANARY] = {"claim_canary",
	"WITH here AS (SELECT * FROM unnest($1::text[], $2::text[],"
	" $3::text[]) AS t(did, task, canonical)),"
	" made AS (INSERT INTO assay.canary (did, task, canonical, due_at)"
	" SELECT did, task, canonical,"
	" now() + random() * $4::bigint * interval '1 ms'"
	" FROM here WHERE NOT EXISTS (SELECT FROM assay.canary c"
	"  WHERE c.did = here.did AND c.task = here.task"
	"  AND c.canonical = here.canonical)"
	" ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING),"
	" late AS (SELECT count(*) AS n FROM assay.canary c"
	" JOIN here USING (did, task, canonical) WHERE c.due_at <= now()),"
	" due AS (SELECT c.did, c.task, c.canonical FROM assay.canary c"
	" JOIN here USING (did, task, canonical) WHERE c.due_at <= now()"
	" ORDER BY c.due_at LIMIT $5::bigint FOR UPDATE OF c SKIP LOCKED),"
	" taken AS (UPDATE assay.canary c SET sent_at = now(), due_at = now()"
	" + least(-ln(1 - random()), 4) * $4::bigint * interval '1 ms'"
	" FROM due WHERE c.did = due.did AND c.task = due.task"
	" AND c.canonical = due.canonical"
	" RETURNING c.did, c.task, c.canonical)"
	" SELECT t.did, t.task, t.canonical, assay.canary_id(),"
	" assay.canary_id(), assay.canary_seed(t.task, t.canonical), n"
	" FROM late LEFT JOIN taken t ON true", 5},
/* Its own answer that did not disagree, and the newest voice of each other
 * workspace that has a tier on the model. */
[KNOWN_CANARY] = {"known_canary",
	"SELECT did, workspace_id, said, has_tier FROM ("
	" SELECT did, workspace_id, own AS said, false AS has_tier, at,"
	" true AS is_own FROM assay.canary_answer"
	" WHERE task = $1 AND canonical = $2 AND artifact_id = $3::uuid"
	" AND prompt = $4::bigint AND did = $5 AND own IS NOT NULL"
	" UNION ALL (SELECT DISTINCT ON (a.workspace_id) a.did,"
	" a.workspace_id, a.voice, true, a.at, false"
	" FROM assay.canary_answer a JOIN assay.score s"
	" USING (did, task, canonical) WHERE a.task = $1"
	" AND a.canonical = $2 AND a.artifact_id = $3::uuid"
	" AND a.prompt = $4::bigint AND a.did <> $5"
	" AND s.tier IN ('silver', 'gold')"
	" ORDER BY a.workspace_id, a.at DESC)) k"
	" ORDER BY is_own DESC, at DESC LIMIT 33", 5},
[NOTE_CANARY] = {"note_canary",
	"SELECT assay.note_canary($1, $2, $3, $4::uuid, $5::bigint, $6::uuid,"
	" $7::boolean, $8, $9)", 9},
};
/* clang-format on */
const size_t gateway_statement_count = STATEMENTS;

/* ----------------------------------------------------------------- asking */

static void
ask_free(struct ask *x)
{
	arena_free(&x->arena);
	mem_free(x);
}

static void
on_cancel(struct pending *self)
{
	struct ask *x = (struct ask *)(void *)self;

	pending_cancel(&x->inner);
	ask_free(x);
}

static void
on_rows(void *arg, const struct pg_rows *rows, const struct fault *f)
{
	struct ask *x = arg;

	x->inner = NULL;
	if (rows != NULL)
		x->read(x, rows);
	else
		x->fail(x, f);
	ask_free(x);
}

struct ask *
ask_make(void (*read)(struct ask *, const struct pg_rows *),
    void (*fail)(struct ask *, const struct fault *), void *arg)
{
	struct ask *x = mem_new(sizeof(*x));

	x->pending.cancel = on_cancel;
	x->read = read;
	x->fail = fail;
	x->arg = arg;
	x->arena = arena_new();
	return x;
}

struct pending *
ask_send(
    struct ask *x, struct pg *pg, size_t statement, const char *const *params)
{
	x->inner = pg_ask(pg, statement, params, on_rows, x);
	return &x->pending;
}

static void
read_done(struct ask *x, const struct pg_rows *rows)
{
	(void)rows;
	x->fn.done(x->arg, NULL);
}

static void
fail_done(struct ask *x, const struct fault *f)
{
	x->fn.done(x->arg, f);
}

struct ask *
ask_done(done_answer *fn, void *arg)
{
	struct ask *x = ask_make(read_done, fail_done, arg);

	x->fn.done = fn;
	return x;
}

/* ------------------------------------------------------------------ buyer */

static void
store(const struct pg_rows *rows, int column, char out[UUID_TEXT])
{
	if (!text_store(text_of(pg_text(rows, 0, column)), out, UUID_TEXT))
		out[0] = '\0';
}

static void
read_key(struct ask *x, const struct pg_rows *rows)
{
	struct key_row row = {0};
	struct fault f;

	if (pg_count(rows) == 0) {
		x->fn.key(x->arg, NULL, NULL);
		return;
	}
	store(rows, 0, row.principal.key);
	store(rows, 1, row.principal.account);
	store(rows, 2, row.principal.workspace);
	/* A scope we do not know might be a restriction: nothing is guessed. */
	if (!scopes_read_array(
		text_of(pg_text(rows, 0, 3)), &row.principal.scopes, &f)) {
		f.kind = FAULT_INTERNAL;
		x->fn.key(x->arg, NULL, &f);
		return;
	}
	row.principal.limits.requests_per_minute = pg_i64(rows, 0, 4);
	row.principal.limits.concurrent = pg_i64(rows, 0, 5);
	row.principal.expires_at = pg_i64(rows, 0, 6);
	row.is_revoked = pg_bool(rows, 0, 7);
	row.is_suspended = pg_bool(rows, 0, 8);
	x->fn.key(x->arg, &row, NULL);
}

static void
fail_key(struct ask *x, const struct fault *f)
{
	x->fn.key(x->arg, NULL, f);
}

struct pending *
gateway_db_find_key(
    struct pg *pg, const uint8_t sha256[32], key_answer *fn, void *arg)
{
	struct ask *x = ask_make(read_key, fail_key, arg);
	const char *params[] = {pg_bytea(x->arena, sha256, 32)};

	x->fn.key = fn;
	return ask_send(x, pg, FIND_KEY, params);
}

/* -------------------------------------------------------- idempotency-key */

static void
read_answer(struct ask *x, const struct pg_rows *rows)
{
	struct answer_row row = {0};
	const uint8_t *sha256;
	size_t len;

	if (pg_count(rows) == 0) {
		x->fn.kept(x->arg, NULL, NULL);
		return;
	}
	pg_bytes(rows, 0, 0, x->arena, &sha256, &len);
	if (len == sizeof(row.request_sha256))
		memcpy(row.request_sha256, sha256, len);
	row.status = pg_i64(rows, 0, 1);
	row.body = pg_text(rows, 0, 2);
	x->fn.kept(x->arg, &row, NULL);
}

static void
fail_answer(struct ask *x, const struct fault *f)
{
	x->fn.kept(x->arg, NULL, f);
}

struct pending *
gateway_db_find_answer(struct pg *pg, const char *account, const char *endpoint,
    const char *key, kept_answer *fn, void *arg)
{
	struct ask *x = ask_make(read_answer, fail_answer, arg);
	const char *params[] = {account, endpoint, key};

	x->fn.kept = fn;
	return ask_send(x, pg, FIND_ANSWER, params);
}

struct pending *
gateway_db_keep_answer(struct pg *pg, const char *account, const char *endpoint,
    const char *key, const struct answer_row *row, done_answer *fn, void *arg)
{
	struct ask *x = ask_done(fn, arg);
	const char *params[] = {account, endpoint, key,
	    pg_bytea(x->arena, row->request_sha256, 32),
	    pg_int(x->arena, row->status), row->body};

	return ask_send(x, pg, KEEP_ANSWER, params);
}
