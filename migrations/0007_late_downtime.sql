-- SPDX-License-Identifier: Apache-2.0
-- Downtime that is noted after its day was closed: for fourteen days the close
-- is taken back, as if it had been known. Scores are not touched, for they are
-- of events and not of days; runs are.

CREATE FUNCTION assay.excused_time(day date) RETURNS interval
LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(upper(r) - lower(r)), interval '0')
    FROM unnest((SELECT range_agg(tstzrange(greatest(began_at, day::timestamp AT TIME ZONE 'UTC'),
                                            least(ended_at, (day + 1)::timestamp AT TIME ZONE 'UTC')))
                   FROM assay.platform_downtime
                  WHERE began_at < (day + 1)::timestamp AT TIME ZONE 'UTC'
                    AND ended_at > day::timestamp AT TIME ZONE 'UTC')) r
$$;
COMMENT ON FUNCTION assay.excused_time(date) IS 'How much of a UTC day was downtime; what several rows say of the same minutes counts once.';

-- The two times are Unix milliseconds, and only immutable functions make times
-- of them: so a statement reads the partitions of these days alone.
CREATE FUNCTION assay.audits_failed(since bigint, until bigint)
RETURNS TABLE (did text, task text, canonical text, at timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT a.did, a.task, a.canonical, a.at
    FROM (SELECT r.did, r.task, r.canonical, r.at, r.kind,
                 lag(r.at, 2) OVER (PARTITION BY r.did, r.task, r.canonical, r.kind ORDER BY r.at) AS two_before
            FROM assay.audit_result r
           WHERE NOT r.agrees AND r.at >= to_timestamp((since - 86400000) / 1000.0)
             AND r.at < to_timestamp(until / 1000.0)) a
   WHERE a.at >= to_timestamp(since / 1000.0)
     AND (a.kind = 'fingerprint' OR a.two_before > a.at - interval '24 hours')
$$;
COMMENT ON FUNCTION assay.audits_failed(bigint, bigint) IS 'The audits that failed from one time until before another: each fingerprint that no longer matched, and each canary that disagreed within 24 hours of two others before it.';

CREATE FUNCTION assay.day_ms(day date) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT (day - date '1970-01-01') * 86400000::bigint $$;
COMMENT ON FUNCTION assay.day_ms(date) IS 'When a UTC day begins, in Unix milliseconds.';

-- What a run is made of is in score_day, what ended it at once in tier_change
-- and audit_result. A run of n days is the last n that were not excused.
CREATE FUNCTION assay.excuse_late(late date, silver double precision, gold double precision) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, assay, pg_temp
SET work_mem = '128MB' SET enable_nestloop = off SET jit = off SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  first timestamptz := (late - 14)::timestamp AT TIME ZONE 'UTC';
  at_day timestamptz := late::timestamp AT TIME ZONE 'UTC';
BEGIN
  UPDATE assay.day_close c SET excused = true WHERE c.day = late AND NOT c.excused;
  -- Of a day whose close was taken over, some pairs may be excused already.
  WITH was AS (
    UPDATE assay.score_day d SET excused = true WHERE d.day = at_day AND NOT d.excused
    RETURNING d.did, d.task, d.canonical, d.score),
  -- The newest day that did not count whatever it closed at: one on which an
  -- audit failed, or the last one closed when a score fell.
  falls AS (
    SELECT did, task, canonical, tier < 'silver' AS of_silver,
           (SELECT max(c.day) FROM assay.day_close c WHERE c.closed_at <= changed_at) AS day
      FROM assay.tier_change WHERE tier < was AND reason <> 'audit_failed' AND changed_at >= first
    UNION ALL
    SELECT did, task, canonical, true, assay.utc_day(at)
      FROM assay.audits_failed(assay.day_ms(late - 14), assay.day_ms(late + 400))),
  fell AS (
    SELECT did, task, canonical, max(day) FILTER (WHERE of_silver) AS silver_fell, max(day) AS gold_fell
      FROM falls GROUP BY 1, 2, 3),
  -- In one pass: how many days counted after it, which counted before it, and
  -- the newest of those that broke each run.
  days AS (
    SELECT did, task, canonical, count(*) FILTER (WHERE day > at_day) AS later,
           array_agg(assay.utc_day(day)) FILTER (WHERE day < at_day) AS before,
           max(assay.utc_day(day)) FILTER (WHERE day < at_day AND coalesce(score, -1) < silver) AS silver_low,
           max(assay.utc_day(day)) FILTER (WHERE day < at_day AND coalesce(score, -1) < gold) AS gold_low
      FROM assay.score_day WHERE day >= first AND day <> at_day AND NOT excused GROUP BY 1, 2, 3),
  runs AS (
    SELECT did, task, canonical, w.score, silver_fell, gold_fell, coalesce(later, 0) AS later,
           (SELECT count(*) FROM unnest(before) d WHERE d > coalesce(greatest(silver_low, silver_fell), '-infinity')) AS silver_before,
           (SELECT count(*) FROM unnest(before) d WHERE d > coalesce(greatest(gold_low, gold_fell), '-infinity')) AS gold_before
      FROM was w LEFT JOIN days USING (did, task, canonical) LEFT JOIN fell USING (did, task, canonical)),
  -- A day that counted is taken out of the run, one that broke it joins what
  -- stands on its two sides.
  anew AS (
    SELECT did, task, canonical,
           CASE WHEN r.score >= silver THEN s.silver_days - (s.silver_days > later)::int
                WHEN s.silver_days = later AND coalesce(silver_fell < late, true) THEN later + silver_before
                ELSE s.silver_days END AS silver_days,
           CASE WHEN r.score >= gold THEN s.gold_days - (s.gold_days > later)::int
                WHEN s.gold_days = later AND coalesce(gold_fell < late, true) THEN later + gold_before
                ELSE s.gold_days END AS gold_days
      FROM runs r JOIN assay.score s USING (did, task, canonical))
  UPDATE assay.score s SET silver_days = n.silver_days, gold_days = n.gold_days
    FROM anew n WHERE s.did = n.did AND s.task = n.task AND s.canonical = n.canonical
     AND (s.silver_days <> n.silver_days OR s.gold_days <> n.gold_days);
END $$;
COMMENT ON FUNCTION assay.excuse_late(date, double precision, double precision) IS 'Takes a closed day back as excused, for the pairs for which it is not: it neither counts in runs nor ends them. The two lines are silver''s and gold''s.';

REVOKE ALL ON FUNCTION assay.excuse_late(date, double precision, double precision) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION assay.excused_time(date), assay.audits_failed(bigint, bigint), assay.day_ms(date),
  assay.excuse_late(date, double precision, double precision) TO assay_reputation;
