-- SPDX-License-Identifier: Apache-2.0
-- The operators' first questions, each a view with the question as comment.

CREATE VIEW operator.connected AS
  SELECT d.did, d.name AS device, w.name AS workspace, s.slot,
         s.gateway_instance, s.remote, s.daemon,
         s.runtime_kind || ' ' || s.runtime_version AS runtime,
         s.opened_at, s.last_seen_at,
         (SELECT array_agg(f.canonical ORDER BY f.canonical) FROM assay.fingerprint f
           WHERE f.did = s.did AND f.slot = s.slot AND f.session_id = s.id AND f.status = 'accepted') AS serves
    FROM assay.tunnel_session s
    JOIN assay.device d USING (did)
    JOIN assay.workspace w ON w.id = d.workspace_id
   WHERE s.closed_at IS NULL AND s.last_seen_at > now() - interval '90 seconds';
COMMENT ON VIEW operator.connected IS 'Who is connected, where, and what do they serve?';

CREATE VIEW operator.not_routed AS
  SELECT d.did, d.name AS device, w.name AS workspace, f.canonical,
         CASE WHEN d.state = 'revoked' THEN 'device_revoked'
              WHEN w.suspended_at IS NOT NULL THEN 'workspace_suspended'
              WHEN s.id IS NULL THEN 'not_connected'
              WHEN f.canonical IS NULL THEN 'nothing_stated'
              ELSE f.reason END AS reason,
         coalesce(f.checked_at, s.last_seen_at,
           (SELECT max(last_seen_at) FROM assay.tunnel_session t WHERE t.did = d.did)) AS since
    FROM assay.device d
    JOIN assay.workspace w ON w.id = d.workspace_id
    LEFT JOIN assay.tunnel_session s ON s.did = d.did AND s.closed_at IS NULL
         AND s.last_seen_at > now() - interval '90 seconds'
    LEFT JOIN assay.fingerprint f ON f.did = d.did AND f.session_id = s.id
   WHERE d.state = 'revoked' OR w.suspended_at IS NOT NULL OR s.id IS NULL
      OR f.canonical IS NULL OR f.status = 'refused';
COMMENT ON VIEW operator.not_routed IS 'Why is a provider (or one of its models) not routed to?';

CREATE VIEW operator.request_recent AS
  SELECT r.id, r.created_at, a.name AS account, w.name AS workspace, r.endpoint,
         r.task, r.canonical, r.outcome, r.status, r.fault_code, r.fault_why,
         r.did, r.pool, r.tier, r.attempts, r.rejected,
         r.prompt_tokens, r.completion_tokens,
         r.first_byte_us / 1000.0 AS first_byte_ms, r.total_us / 1000.0 AS total_ms,
         r.gateway_instance
    FROM assay.request r
    LEFT JOIN assay.account a ON a.id = r.account_id
    LEFT JOIN assay.workspace w ON w.id = r.workspace_id
   WHERE r.created_at > now() - interval '1 day';
COMMENT ON VIEW operator.request_recent IS 'What was asked and served in the last 24 hours?';

CREATE VIEW operator.request_refused AS
  SELECT fault_code, canonical, count(*) AS requests, max(created_at) AS latest,
         (array_agg(fault_why ORDER BY created_at DESC))[1] AS latest_why,
         (array_agg(rejected ORDER BY created_at DESC))[1] AS latest_rejected
    FROM assay.request
   WHERE created_at > now() - interval '1 day' AND fault_code IS NOT NULL
   GROUP BY fault_code, canonical;
COMMENT ON VIEW operator.request_refused IS 'What was refused or failed in the last 24 hours, and why?';

CREATE VIEW operator.request_trace AS
  SELECT r.id AS request_id, r.created_at, 0 AS step, 'request' AS what, r.did,
         r.outcome::text, r.fault_code, r.fault_why, r.total_us
    FROM assay.request r
  UNION ALL
  SELECT t.request_id, t.created_at, t.ordinal, 'attempt', t.did,
         t.outcome::text, t.fault_code, t.fault_why, t.total_us
    FROM assay.request_attempt t
  UNION ALL
  SELECT h.request_id, h.issued_at, 1000, 'handoff', h.did, 'minted', NULL, NULL, NULL
    FROM assay.handoff h;
COMMENT ON VIEW operator.request_trace IS 'What happened to one request, end to end? (WHERE request_id = …)';

CREATE VIEW operator.error_rate AS
  SELECT did, canonical, count(*) AS attempts,
         count(*) FILTER (WHERE outcome = 'served') AS served,
         count(*) FILTER (WHERE outcome IN ('failed', 'truncated')) AS failed,
         round(100.0 * count(*) FILTER (WHERE outcome IN ('failed', 'truncated')) / count(*), 2) AS failed_percent
    FROM (SELECT t.did, r.canonical, t.outcome
            FROM assay.request_attempt t
            JOIN assay.request r ON r.id = t.request_id AND r.created_at = t.created_at
           WHERE t.created_at > now() - interval '1 day') x
   GROUP BY did, canonical;
COMMENT ON VIEW operator.error_rate IS 'How often did each provider fail on each model in the last 24 hours?';

CREATE VIEW operator.usage AS
  SELECT (r.created_at AT TIME ZONE 'UTC')::date AS day, a.name AS account, w.name AS workspace,
         r.canonical, r.pool, count(*) AS requests,
         sum(r.prompt_tokens) AS prompt_tokens, sum(r.completion_tokens) AS completion_tokens
    FROM assay.request r
    LEFT JOIN assay.account a ON a.id = r.account_id
    LEFT JOIN assay.workspace w ON w.id = r.workspace_id
   WHERE r.outcome = 'served'
   GROUP BY 1, 2, 3, 4, 5;
COMMENT ON VIEW operator.usage IS 'Who used how much of what, by day?';

CREATE VIEW operator.handoff_recent AS
  SELECT h.issued_at, h.jti, h.request_id, a.name AS account, h.did, h.task, h.canonical, h.pool, h.gateway, h.kid
    FROM assay.handoff h LEFT JOIN assay.account a ON a.id = h.account_id
   WHERE h.issued_at > now() - interval '1 day';
COMMENT ON VIEW operator.handoff_recent IS 'Which handoffs were minted in the last 24 hours?';

CREATE VIEW operator.device AS
  SELECT d.did, d.name, w.name AS workspace, d.state, d.enrolled_at, d.revoked_at, d.revoke_reason,
         (SELECT max(not_after) FROM assay.device_certificate c WHERE c.did = d.did AND c.revoked_at IS NULL) AS certificate_until
    FROM assay.device d JOIN assay.workspace w ON w.id = d.workspace_id;
COMMENT ON VIEW operator.device IS 'Which devices exist, whose are they, and until when are their certificates good?';

CREATE VIEW operator.partition AS
  SELECT p.name AS table_name, k.relname AS partition, p.keep_days,
         pg_size_pretty(pg_total_relation_size(k.oid)) AS size, k.reltuples::bigint AS rows_estimated
    FROM assay.partitioned p
    JOIN pg_inherits i ON i.inhparent = to_regclass('assay.' || quote_ident(p.name))
    JOIN pg_class k ON k.oid = i.inhrelid;
COMMENT ON VIEW operator.partition IS 'Which partitions are there and how large are they?';

CREATE VIEW operator.audit AS
  SELECT seq, at, actor, action, subject, detail FROM assay.audit_event;
COMMENT ON VIEW operator.audit IS 'Who changed what, when?';

CREATE VIEW operator.audit_break AS
  SELECT e.seq, e.at, e.action
    FROM (SELECT a AS row, lag(a.hash) OVER (ORDER BY a.seq) AS before,
                 row_number() OVER (ORDER BY a.seq) AS place FROM assay.audit_event a) x,
         LATERAL (SELECT (x.row).seq, (x.row).at, (x.row).action) e
   WHERE (x.row).hash <> assay.audit_hash(x.row)
      OR (x.row).previous <> coalesce(x.before, decode(repeat('00', 32), 'hex'))
      OR (x.row).seq <> x.place;
COMMENT ON VIEW operator.audit_break IS 'Has anybody tampered with the audit trail? (No rows: no.)';

GRANT SELECT ON ALL TABLES IN SCHEMA operator TO assay_operator;
GRANT EXECUTE ON FUNCTION assay.audit_hash(assay.audit_event) TO assay_operator;
