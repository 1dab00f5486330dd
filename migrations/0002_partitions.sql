-- SPDX-License-Identifier: Apache-2.0
-- Which tables are in partitions by day, and how those are made and dropped.

CREATE TABLE assay.partitioned (
  name text PRIMARY KEY,
  column_name text NOT NULL,
  keep_days integer NOT NULL CHECK (keep_days > 0)
);
COMMENT ON TABLE assay.partitioned IS 'Tables partitioned by day, and for how long rows are kept.';
COMMENT ON COLUMN assay.partitioned.name IS 'Table in schema assay.';
COMMENT ON COLUMN assay.partitioned.column_name IS 'The time column.';
COMMENT ON COLUMN assay.partitioned.keep_days IS 'Retention in days; change it here.';
INSERT INTO assay.partitioned VALUES ('request', 'created_at', 90),
  ('request_attempt', 'created_at', 90), ('handoff', 'issued_at', 90);

-- What must lock a table that others read gives up soon: whoever asks next would
-- wait behind it. It is tried again; partitions are made days ahead.
CREATE FUNCTION assay.partition_make(name text, day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, assay, pg_temp SET lock_timeout = '100ms' AS $$
DECLARE
  p record;
  child CONSTANT text := name || '_' || to_char(day, 'YYYYMMDD');
  lo CONSTANT timestamptz := day::timestamp AT TIME ZONE 'UTC';
  hi CONSTANT timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
  of_day text;
BEGIN
  SELECT * INTO STRICT p FROM assay.partitioned t WHERE t.name = partition_make.name;
  PERFORM pg_advisory_xact_lock(hashtext('assay.partition'));
  IF to_regclass('assay.' || quote_ident(child)) IS NOT NULL THEN
    RETURN false;
  END IF;
  of_day := format('%1$I >= %2$L AND %1$I < %3$L', p.column_name, lo, hi);
  EXECUTE format('CREATE TABLE assay.%I (LIKE assay.%I INCLUDING ALL, CONSTRAINT of_day CHECK (%s))', child, p.name, of_day);
  -- Rows of that day may already wait in the default partition: most are moved
  -- before it is locked, as attaching would lock it, what came meanwhile after.
  FOR pass IN 1..2 LOOP
    EXECUTE format('WITH moved AS (DELETE FROM assay.%I WHERE %s RETURNING *) INSERT INTO assay.%I SELECT * FROM moved',
                   p.name || '_default', of_day, child);
    EXECUTE format('LOCK TABLE assay.%I IN ACCESS EXCLUSIVE MODE', p.name || '_default');
  END LOOP;
  EXECUTE format('ALTER TABLE assay.%I ATTACH PARTITION assay.%I FOR VALUES FROM (%L) TO (%L)', p.name, child, lo, hi);
  EXECUTE format('ALTER TABLE assay.%I DROP CONSTRAINT of_day', child);
  RETURN true;
END $$;
COMMENT ON FUNCTION assay.partition_make(text, date) IS 'Makes one table''s partition of that UTC day; false where it is there. Fails when a lock is not had within a tenth of a second.';

CREATE FUNCTION assay.partition_drop(name text, day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, assay, pg_temp SET lock_timeout = '100ms' AS $$
DECLARE keep integer;
BEGIN
  SELECT t.keep_days INTO STRICT keep FROM assay.partitioned t WHERE t.name = partition_drop.name;
  IF day >= (now() AT TIME ZONE 'UTC')::date - keep THEN
    RAISE EXCEPTION 'rows of % are kept for % days', name, keep;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('assay.partition'));
  EXECUTE format('DROP TABLE IF EXISTS assay.%I', name || '_' || to_char(day, 'YYYYMMDD'));
END $$;
COMMENT ON FUNCTION assay.partition_drop(text, date) IS 'Drops one table''s partition of a day that is older than its keep_days. Fails when a lock is not had within a tenth of a second.';

CREATE FUNCTION assay.partition_due(today date, ahead integer) RETURNS TABLE (name text, day date, is_old boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, assay, pg_temp SET lock_timeout = '100ms' AS $$
DECLARE p record; since date;
BEGIN
  FOR p IN SELECT * FROM assay.partitioned t ORDER BY t.name LOOP
    since := (now() AT TIME ZONE 'UTC')::date - p.keep_days;
    -- What is in the default partition is moved to its day's, be it only to go.
    RETURN QUERY EXECUTE format($q$
      WITH there AS (
        SELECT to_date(right(k.relname, 8), 'YYYYMMDD') AS day
          FROM pg_inherits i JOIN pg_class k ON k.oid = i.inhrelid
         WHERE i.inhparent = 'assay.%1$I'::regclass AND k.relname ~ '^%1$s_[0-9]{8}$'),
      wanted AS (
        SELECT $1 + d AS day FROM generate_series(0, $2) d WHERE $1 + d >= $3
        UNION SELECT (%2$I AT TIME ZONE 'UTC')::date FROM assay.%3$I WHERE %2$I < ($1 + $2)::timestamp AT TIME ZONE 'UTC')
      SELECT $4, w.day, false FROM wanted w WHERE w.day NOT IN (SELECT t.day FROM there t)
      UNION ALL
      SELECT $4, t.day, true FROM there t WHERE t.day < $3
      ORDER BY 3, 2$q$, p.name, p.column_name, p.name || '_default')
      USING today, ahead, since, p.name;
  END LOOP;
END $$;
COMMENT ON FUNCTION assay.partition_due(date, integer) IS 'Which partitions are to be made, from a day to so many days ahead of it, and which are to be dropped (by the time it is now).';

CREATE FUNCTION assay.partition_ensure(day date) RETURNS bigint
LANGUAGE sql AS $$
  SELECT count(*) FILTER (WHERE assay.partition_make(p.name, day)) FROM assay.partitioned p
$$;
COMMENT ON FUNCTION assay.partition_ensure(date) IS 'Makes the partitions of that UTC day where they are missing, all in one transaction; returns how many.';
SELECT assay.partition_ensure((now() AT TIME ZONE 'UTC')::date + d) FROM generate_series(0, 7) d;

REVOKE ALL ON FUNCTION assay.partition_make(text, date), assay.partition_drop(text, date),
  assay.partition_due(date, integer), assay.partition_ensure(date) FROM PUBLIC;
GRANT SELECT ON assay.partitioned TO assay_reputation;
GRANT EXECUTE ON FUNCTION assay.partition_make(text, date), assay.partition_drop(text, date), assay.partition_due(date, integer) TO assay_reputation;
