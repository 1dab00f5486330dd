-- SPDX-License-Identifier: Apache-2.0
-- All evidence anew, from what is kept of requests and feedback.

-- Runs on one snapshot, beside gateways that go on writing: what they note
-- meanwhile is not in it, stays in outcome_new, verdict_new and audit_new, and
-- is added by the next tick. What is of a day to come waits there too.
-- What comes by the million is summed in one pass, by hashing bigints (weights
-- are looked up, not joined); then the sums of each era, sorted, as numeric.
CREATE FUNCTION assay.reputation_rebuild(source text, today date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, assay, pg_temp
SET work_mem = '512MB' SET enable_partitionwise_join = on SET timezone = 'UTC' SET enable_sort = off
SET enable_nestloop = off SET enable_mergejoin = off SET enable_hashagg = on AS $$
DECLARE
  until timestamptz := today + 1;
  first CONSTANT date := '2026-01-01';
  units bigint[] := ARRAY(SELECT assay.evidence_unit(first + d) FROM generate_series(0, 84 - 1) d);
BEGIN
  IF current_setting('transaction_isolation') <> 'repeatable read' THEN
    RAISE EXCEPTION 'reputation_rebuild needs one snapshot: REPEATABLE READ';
  END IF;
  IF source NOT IN ('log', 'minutes') THEN
    RAISE EXCEPTION 'reputation_rebuild sums log or minutes, not %', source;
  END IF;
  DELETE FROM assay.outcome_new WHERE minute < until;
  DELETE FROM assay.verdict_new WHERE at < until;
  DELETE FROM assay.audit_new;
  TRUNCATE assay.outcome_evidence, assay.verdict_evidence, assay.audit_evidence;
  IF source = 'log' THEN -- what did not count when it was written may count by now
    INSERT INTO assay.pair (did, task, canonical)
      SELECT DISTINCT did, task, canonical FROM assay.attempt_evidence e
       WHERE delivery <> 0 AND e.created_at < until AND NOT EXISTS (
         SELECT FROM assay.pair p WHERE (p.did, p.task, p.canonical) = (e.did, e.task, e.canonical))
      ON CONFLICT DO NOTHING;
  END IF;
  -- Whether an answer was fast is judged when it is written, by the medians
  -- published then; the log says anew what was delivered.
  CREATE TEMP TABLE outcome_era ON COMMIT DROP AS
    SELECT pair, bucket, day / 84 AS era, assay.sum_units(delivered * units[day % 84 + 1]) AS delivered,
           assay.sum_units(failed * units[day % 84 + 1]) AS failed,
           assay.sum_units(fast * units[day % 84 + 1]) AS fast,
           assay.sum_units(slow * units[day % 84 + 1]) AS slow
      FROM (SELECT pair, bucket, greatest(minute::date - first, 0) AS day,
                   CASE WHEN source = 'minutes' THEN delivered ELSE 0 END AS delivered,
                   CASE WHEN source = 'minutes' THEN failed ELSE 0 END AS failed, fast, slow
              FROM assay.outcome_minute WHERE minute < until AND delivered + failed > 0
            UNION ALL
            SELECT p.id, bucket, greatest(e.created_at::date - first, 0),
                   (delivery > 0)::integer, (delivery < 0)::integer, 0, 0
              FROM assay.attempt_evidence e JOIN assay.pair p USING (did, task, canonical)
             WHERE source = 'log' AND delivery <> 0 AND e.created_at < until) x
     GROUP BY pair, bucket, day / 84;
  CREATE TEMP TABLE verdict_era ON COMMIT DROP AS
    SELECT pair, account_id, day / 84 AS era, assay.sum_units(value * units[day % 84 + 1]) AS good,
           assay.sum_units((100 - value) * units[day % 84 + 1]) AS bad
      FROM (SELECT p.id AS pair, account_id, greatest(created_at::date - first, 0) AS day, value
              FROM assay.feedback f JOIN assay.pair p USING (did, task, canonical)
             WHERE counts AND created_at < until) x
     GROUP BY pair, account_id, day / 84;
  PERFORM set_config('enable_sort', 'on', true), set_config('enable_hashagg', 'off', true);
  INSERT INTO assay.outcome_evidence
    SELECT pair, bucket, sum(delivered * weight), sum(failed * weight), sum(fast * weight), sum(slow * weight)
      FROM (SELECT *, assay.evidence_era_unit(era) AS weight FROM pg_temp.outcome_era) x
     GROUP BY pair, bucket ORDER BY pair, bucket;
  INSERT INTO assay.verdict_evidence
    SELECT pair, account_id, v.good, v.bad, r.weight, v.era
      FROM (SELECT pair, account_id, sum(good * assay.evidence_era_unit(era)) AS good,
                   sum(bad * assay.evidence_era_unit(era)) AS bad, max(era) AS era
              FROM (SELECT *, count(*) FILTER (WHERE later > era + 1) OVER (
                             PARTITION BY pair, account_id ORDER BY era DESC) AS lapses
                      FROM (SELECT *, lead(era, 1, assay.evidence_era(today)) OVER (
                                     PARTITION BY pair, account_id ORDER BY era) AS later
                              FROM pg_temp.verdict_era) x) x
             WHERE lapses = 0 GROUP BY pair, account_id) v
      JOIN assay.pair p ON p.id = pair
      LEFT JOIN assay.rater_weight r USING (task, canonical, account_id) ORDER BY pair, account_id;
  INSERT INTO assay.audit_evidence
    SELECT p.id, sum(assay.evidence_weight(assay.utc_day(at)) * agrees::int),
           sum(assay.evidence_weight(assay.utc_day(at)) * (NOT agrees)::int)
      FROM assay.audit_result JOIN assay.pair p USING (did, task, canonical) WHERE at < today GROUP BY 1;
  -- The open day's wait for its close, whether they had been added before or not.
  INSERT INTO assay.audit_new SELECT p.id, at, agrees
    FROM assay.audit_result JOIN assay.pair p USING (did, task, canonical) WHERE at >= today;
END $$;
COMMENT ON FUNCTION assay.reputation_rebuild(text, date) IS 'Sums all evidence anew, from the request log or from its minute rows, and from the feedback. Scores are asked for afterwards: on one snapshot, a pair that somebody else made due meanwhile would be an error.';

REVOKE ALL ON FUNCTION assay.reputation_rebuild(text, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION assay.reputation_rebuild(text, date) TO assay_reputation;
