-- SPDX-License-Identifier: Apache-2.0
-- Reputation: feedback and outcomes as evidence, scores by day, tier changes.
-- Evidence is kept as sums that never need to be decayed: an event of UTC day
-- d weighs 2^(d/7) units, so that a sum is divided by the weight of today when
-- it is read. Sums are exact (numeric), so the order of events changes nothing.

CREATE FUNCTION assay.evidence_week(day date) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT greatest(day - date '2026-01-01', 0) / 7 $$;
COMMENT ON FUNCTION assay.evidence_week(date) IS 'Weeks since the day from which weights are counted, 2026-01-01; what is older weighs as if of then.';

-- A weight in two factors, unit * 4096 ^ era: units of one era add up as
-- bigint, fast and exact (up to two thousand million events a sum).
CREATE FUNCTION assay.evidence_unit(day date) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT (ARRAY[1048576, 1157722, 1278228, 1411279, 1558178, 1720368, 1899440])
           [greatest(day - date '2026-01-01', 0) % 7 + 1]::bigint << assay.evidence_week(day) % 12
$$;
COMMENT ON FUNCTION assay.evidence_unit(date) IS 'What one event of that UTC day weighs within its era.';

CREATE FUNCTION assay.evidence_era(day date) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT assay.evidence_week(day) / 12 $$;
COMMENT ON FUNCTION assay.evidence_era(date) IS 'Which run of twelve weeks that UTC day is in.';

CREATE FUNCTION assay.evidence_era_unit(era integer) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT round(power(4096::numeric, era)) $$;
COMMENT ON FUNCTION assay.evidence_era_unit(integer) IS 'What a unit of that era weighs in units of the first.';

CREATE FUNCTION assay.evidence_weight(day date) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT assay.evidence_unit(day) * assay.evidence_era_unit(assay.evidence_era(day))
$$;
COMMENT ON FUNCTION assay.evidence_weight(date) IS 'What one event of that UTC day weighs, in units that double every seven days.';

-- Postgres adds bigint up as numeric, eight times as large in memory.
CREATE AGGREGATE assay.sum_units(bigint) (SFUNC = int8pl, STYPE = bigint, INITCOND = '0', COMBINEFUNC = int8pl, PARALLEL = SAFE);
COMMENT ON AGGREGATE assay.sum_units(bigint) IS 'Sum as bigint; an error where it is past that.';

CREATE FUNCTION assay.utc_day(at timestamptz) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT (at AT TIME ZONE 'UTC')::date $$;
COMMENT ON FUNCTION assay.utc_day(timestamptz) IS 'The UTC day of a time.';

CREATE FUNCTION assay.buyer_bucket(account uuid) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT (get_byte(sha256(uuid_send(account)), 0) & 63)::smallint $$;
COMMENT ON FUNCTION assay.buyer_bucket(uuid) IS 'Which of 64 buckets an account''s outcomes are counted in.';

-- ------------------------------------------------------------------ pairs

-- Rows that come by the million say whose they are in four bytes.
CREATE TABLE assay.pair (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  did text NOT NULL REFERENCES assay.device,
  task text NOT NULL REFERENCES assay.task,
  canonical text NOT NULL REFERENCES assay.model,
  UNIQUE (did, task, canonical)
);
COMMENT ON TABLE assay.pair IS 'What scores are of: a provider on a task and model. Kept for good.';
COMMENT ON COLUMN assay.pair.id IS 'What outcomes, evidence and scores due name it by.';
COMMENT ON COLUMN assay.pair.did IS 'The provider.';
COMMENT ON COLUMN assay.pair.task IS 'The task.';
COMMENT ON COLUMN assay.pair.canonical IS 'The model.';

CREATE FUNCTION assay.pair_of(did text, task text, canonical text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, assay, pg_temp AS $$
#variable_conflict use_column
DECLARE found integer;
BEGIN
  LOOP
    SELECT p.id INTO found FROM assay.pair p
     WHERE p.did = pair_of.did AND p.task = pair_of.task AND p.canonical = pair_of.canonical;
    EXIT WHEN found IS NOT NULL;
    INSERT INTO assay.pair (did, task, canonical) VALUES (pair_of.did, pair_of.task, pair_of.canonical)
      ON CONFLICT DO NOTHING;
  END LOOP;
  RETURN found;
END $$;
COMMENT ON FUNCTION assay.pair_of(text, text, text) IS 'The id of a pair, made where it has none.';

-- ---------------------------------------------------------------- feedback

CREATE TYPE assay.verdict AS ENUM ('good', 'bad');
CREATE TABLE assay.feedback (
  request_id uuid NOT NULL,
  request_at timestamptz NOT NULL,
  id uuid NOT NULL,
  created_at timestamptz NOT NULL,
  edited_at timestamptz,
  account_id uuid NOT NULL,
  workspace_id uuid NOT NULL,
  did text NOT NULL,
  task text NOT NULL,
  canonical text NOT NULL,
  quality smallint CHECK (quality BETWEEN 0 AND 100),
  verdict assay.verdict,
  issues text[] NOT NULL DEFAULT '{}' CHECK (issues <@ ARRAY['wrong_model', 'incoherent', 'truncated', 'slow', 'refused', 'unsafe', 'other']),
  comment text CHECK (length(comment) <= 1000),
  value smallint NOT NULL CHECK (value = coalesce(quality, CASE verdict WHEN 'good' THEN 100 ELSE 0 END)),
  counts boolean NOT NULL,
  PRIMARY KEY (request_id, request_at),
  CHECK (quality IS NOT NULL OR verdict IS NOT NULL)
) PARTITION BY RANGE (request_at);
CREATE INDEX feedback_id ON assay.feedback (id);
CREATE INDEX feedback_did ON assay.feedback (did, created_at DESC);
COMMENT ON TABLE assay.feedback IS 'Buyers'' judgements of their own served requests, one a request. Partitioned by the day of the request (UTC).';
COMMENT ON COLUMN assay.feedback.request_id IS 'The request judged.';
COMMENT ON COLUMN assay.feedback.request_at IS 'The request''s created_at.';
COMMENT ON COLUMN assay.feedback.id IS 'UUID version 7; what PUT names.';
COMMENT ON COLUMN assay.feedback.created_at IS 'When it was given; the UTC day it counts on.';
COMMENT ON COLUMN assay.feedback.edited_at IS 'When it was last changed, within 24 hours; null: never.';
COMMENT ON COLUMN assay.feedback.account_id IS 'The buyer.';
COMMENT ON COLUMN assay.feedback.workspace_id IS 'The workspace the buyer acted in.';
COMMENT ON COLUMN assay.feedback.did IS 'Who served the request.';
COMMENT ON COLUMN assay.feedback.task IS 'The request''s task.';
COMMENT ON COLUMN assay.feedback.canonical IS 'The request''s model.';
COMMENT ON COLUMN assay.feedback.quality IS '0 to 100, where given.';
COMMENT ON COLUMN assay.feedback.verdict IS 'good or bad, where given.';
COMMENT ON COLUMN assay.feedback.issues IS 'wrong_model, incoherent, truncated, slow, refused, unsafe, other.';
COMMENT ON COLUMN assay.feedback.comment IS 'The buyer''s words, at most 1,000 characters.';
COMMENT ON COLUMN assay.feedback.value IS 'What counts: quality, else 100 for good and 0 for bad.';
COMMENT ON COLUMN assay.feedback.counts IS 'False where the buyer shares a workspace with the provider.';

-- ---------------------------------------------------------------- outcomes

CREATE TABLE assay.outcome_minute (
  minute timestamptz NOT NULL,
  pair integer NOT NULL,
  delivered integer NOT NULL DEFAULT 0,
  failed integer NOT NULL DEFAULT 0,
  fast integer NOT NULL DEFAULT 0,
  slow integer NOT NULL DEFAULT 0,
  not_counted integer NOT NULL DEFAULT 0,
  bucket smallint NOT NULL
) PARTITION BY RANGE (minute);
CREATE INDEX outcome_minute_pair ON assay.outcome_minute (pair);
COMMENT ON TABLE assay.outcome_minute IS 'Attempts added up as they are written: a row per batch, pair, buyer bucket and minute. Append-only, partitioned by day.';
COMMENT ON COLUMN assay.outcome_minute.pair IS 'The provider tried, on which task and model.';
COMMENT ON COLUMN assay.outcome_minute.bucket IS 'assay.buyer_bucket of the buyer.';
COMMENT ON COLUMN assay.outcome_minute.minute IS 'Minute in which the requests began: a stream that ends after midnight counts on the day it began.';
COMMENT ON COLUMN assay.outcome_minute.delivered IS 'Ended whole, by the provider itself.';
COMMENT ON COLUMN assay.outcome_minute.failed IS 'Ended by the provider''s fault.';
COMMENT ON COLUMN assay.outcome_minute.fast IS 'Streamed, tokens told, delivered within twice the model''s median first byte and at half its median tokens a second or more.';
COMMENT ON COLUMN assay.outcome_minute.slow IS 'The same, slower.';
COMMENT ON COLUMN assay.outcome_minute.not_counted IS 'Nobody''s fault that is known: the buyer left or its own limit passed, the gateway drained, a refusal, a reset before any byte.';

CREATE TABLE assay.outcome_new (LIKE assay.outcome_minute INCLUDING DEFAULTS);
CREATE INDEX outcome_new_minute ON assay.outcome_new (minute);
COMMENT ON TABLE assay.outcome_new IS 'Rows of outcome_minute that assay-reputation has not yet added to outcome_evidence; normally nearly empty.';
COMMENT ON COLUMN assay.outcome_new.pair IS 'As in outcome_minute.';
COMMENT ON COLUMN assay.outcome_new.bucket IS 'As in outcome_minute.';
COMMENT ON COLUMN assay.outcome_new.minute IS 'As in outcome_minute.';
COMMENT ON COLUMN assay.outcome_new.delivered IS 'As in outcome_minute.';
COMMENT ON COLUMN assay.outcome_new.failed IS 'As in outcome_minute.';
COMMENT ON COLUMN assay.outcome_new.fast IS 'As in outcome_minute.';
COMMENT ON COLUMN assay.outcome_new.slow IS 'As in outcome_minute.';
COMMENT ON COLUMN assay.outcome_new.not_counted IS 'As in outcome_minute.';

CREATE TABLE assay.verdict_new (
  pair integer NOT NULL,
  account_id uuid NOT NULL,
  at timestamptz NOT NULL,
  good numeric NOT NULL,
  bad numeric NOT NULL
);
CREATE INDEX verdict_new_at ON assay.verdict_new (at);
COMMENT ON TABLE assay.verdict_new IS 'Changes to verdicts that assay-reputation has not yet added to verdict_evidence; normally nearly empty.';
COMMENT ON COLUMN assay.verdict_new.pair IS 'Who served, on which task and model.';
COMMENT ON COLUMN assay.verdict_new.account_id IS 'Who judged.';
COMMENT ON COLUMN assay.verdict_new.at IS 'When the feedback was given (an edit counts on the same day).';
COMMENT ON COLUMN assay.verdict_new.good IS 'To add, in hundredths: the part of one event that speaks for the provider; below zero where an edit takes it back.';
COMMENT ON COLUMN assay.verdict_new.bad IS 'To add, in hundredths: the part that speaks against it.';

CREATE TABLE assay.model_speed (
  day date NOT NULL,
  task text NOT NULL,
  canonical text NOT NULL,
  quantization text NOT NULL,
  providers integer NOT NULL,
  first_byte_us double precision NOT NULL,
  tokens_per_second double precision,
  PRIMARY KEY (day, task, canonical, quantization)
);
COMMENT ON TABLE assay.model_speed IS 'Medians of streamed answers whose tokens were told, over providers that served the same model with the same quantization, where there were three or more; events are held against those of two days before.';
COMMENT ON COLUMN assay.model_speed.day IS 'The UTC day measured; once written it stands.';
COMMENT ON COLUMN assay.model_speed.task IS 'The task.';
COMMENT ON COLUMN assay.model_speed.canonical IS 'The model.';
COMMENT ON COLUMN assay.model_speed.quantization IS 'The quantization.';
COMMENT ON COLUMN assay.model_speed.providers IS 'How many providers.';
COMMENT ON COLUMN assay.model_speed.first_byte_us IS 'Median over providers of their median first byte.';
COMMENT ON COLUMN assay.model_speed.tokens_per_second IS 'Median over providers of their median tokens a second; null where none took time.';

CREATE TABLE assay.audit_result (
  did text NOT NULL,
  task text NOT NULL,
  canonical text NOT NULL,
  at timestamptz NOT NULL,
  kind text NOT NULL CHECK (kind IN ('canary', 'fingerprint')),
  agrees boolean NOT NULL,
  detail text NOT NULL DEFAULT ''
) PARTITION BY RANGE (at);
CREATE INDEX audit_result_pair ON assay.audit_result (did, task, canonical, at DESC);
CREATE INDEX audit_result_failed ON assay.audit_result (at) WHERE NOT agrees;
COMMENT ON TABLE assay.audit_result IS 'What was found on looking again: does the provider still serve what it stated? Partitioned by day.';
COMMENT ON COLUMN assay.audit_result.did IS 'The provider looked at.';
COMMENT ON COLUMN assay.audit_result.task IS 'The task.';
COMMENT ON COLUMN assay.audit_result.canonical IS 'The model.';
COMMENT ON COLUMN assay.audit_result.at IS 'When.';
COMMENT ON COLUMN assay.audit_result.kind IS 'canary (log-probabilities of a known prompt; three mismatches within 24 hours are a failed audit) or fingerprint (one is).';
COMMENT ON COLUMN assay.audit_result.agrees IS 'Whether it agreed.';
COMMENT ON COLUMN assay.audit_result.detail IS 'What was found, for operators.';

-- ---------------------------------------------------------------- evidence

-- Rows of evidence are updated in place: there is room for it in each page.
CREATE TABLE assay.outcome_evidence (
  pair integer NOT NULL,
  bucket smallint NOT NULL,
  delivered numeric NOT NULL DEFAULT 0,
  failed numeric NOT NULL DEFAULT 0,
  fast numeric NOT NULL DEFAULT 0,
  slow numeric NOT NULL DEFAULT 0,
  PRIMARY KEY (pair, bucket)
) WITH (fillfactor = 80);
COMMENT ON TABLE assay.outcome_evidence IS 'Decayed sums of outcomes. Divide by assay.evidence_weight(today) for events.';
COMMENT ON COLUMN assay.outcome_evidence.pair IS 'Whose.';
COMMENT ON COLUMN assay.outcome_evidence.bucket IS 'Bucket of buyers.';
COMMENT ON COLUMN assay.outcome_evidence.delivered IS 'Weight of what was delivered.';
COMMENT ON COLUMN assay.outcome_evidence.failed IS 'Weight of what failed by the provider''s fault.';
COMMENT ON COLUMN assay.outcome_evidence.fast IS 'Weight of what was fast.';
COMMENT ON COLUMN assay.outcome_evidence.slow IS 'Weight of what was slow.';

CREATE TABLE assay.verdict_evidence (
  pair integer NOT NULL,
  account_id uuid NOT NULL,
  good numeric NOT NULL DEFAULT 0,
  bad numeric NOT NULL DEFAULT 0,
  weight double precision,
  era integer NOT NULL,
  PRIMARY KEY (pair, account_id)
) WITH (fillfactor = 80);
CREATE INDEX verdict_evidence_rater ON assay.verdict_evidence (account_id);
COMMENT ON TABLE assay.verdict_evidence IS 'Decayed sums of each buyer''s verdicts. Divide by assay.evidence_weight(today) for hundredths of verdicts.';
COMMENT ON COLUMN assay.verdict_evidence.pair IS 'Whose.';
COMMENT ON COLUMN assay.verdict_evidence.account_id IS 'The buyer.';
COMMENT ON COLUMN assay.verdict_evidence.good IS 'Weight of what speaks for the provider.';
COMMENT ON COLUMN assay.verdict_evidence.bad IS 'Weight of what speaks against it.';
COMMENT ON COLUMN assay.verdict_evidence.era IS 'assay.evidence_era of the newest: when a whole one has closed without any, the row goes, or a pair''s cost would grow with all who ever judged it.';
COMMENT ON COLUMN assay.verdict_evidence.weight IS 'The rater''s, as in rater_weight: kept here, where it is read for every score. Null: not weighed yet.';

CREATE TABLE assay.audit_new (
  pair integer NOT NULL,
  at timestamptz NOT NULL,
  agrees boolean NOT NULL
);
CREATE INDEX audit_new_at ON assay.audit_new (at);
COMMENT ON TABLE assay.audit_new IS 'Audits that assay-reputation has not yet added to audit_evidence: normally those of the open day, so that no standing says which request was one.';
COMMENT ON COLUMN assay.audit_new.pair IS 'As in audit_result.';
COMMENT ON COLUMN assay.audit_new.at IS 'As in audit_result.';
COMMENT ON COLUMN assay.audit_new.agrees IS 'As in audit_result.';

CREATE TABLE assay.audit_evidence (
  pair integer NOT NULL,
  good numeric NOT NULL DEFAULT 0,
  bad numeric NOT NULL DEFAULT 0,
  PRIMARY KEY (pair)
);
COMMENT ON TABLE assay.audit_evidence IS 'Decayed sums of audits. Divide by assay.evidence_weight(today) for audits.';
COMMENT ON COLUMN assay.audit_evidence.pair IS 'Whose.';
COMMENT ON COLUMN assay.audit_evidence.good IS 'Weight of those that agreed.';
COMMENT ON COLUMN assay.audit_evidence.bad IS 'Weight of those that did not.';

CREATE TABLE assay.rater_weight (
  task text NOT NULL,
  canonical text NOT NULL,
  account_id uuid NOT NULL,
  day date NOT NULL,
  good double precision NOT NULL,
  bad double precision NOT NULL,
  favourites integer NOT NULL,
  same integer NOT NULL,
  raters integer NOT NULL,
  providers integer NOT NULL,
  weight double precision CHECK (weight BETWEEN 0 AND 1),
  PRIMARY KEY (task, canonical, account_id)
);
CREATE INDEX rater_weight_open ON assay.rater_weight (account_id) WHERE weight IS NULL;
COMMENT ON TABLE assay.rater_weight IS 'What each rater''s verdicts weigh on a (task, model), weighed anew from all verdicts at each close of a day.';
COMMENT ON COLUMN assay.rater_weight.task IS 'The task.';
COMMENT ON COLUMN assay.rater_weight.canonical IS 'The model.';
COMMENT ON COLUMN assay.rater_weight.account_id IS 'The buyer.';
COMMENT ON COLUMN assay.rater_weight.day IS 'The day at whose close it was weighed.';
COMMENT ON COLUMN assay.rater_weight.good IS 'Its good verdicts on everybody, decayed.';
COMMENT ON COLUMN assay.rater_weight.bad IS 'Its bad ones.';
COMMENT ON COLUMN assay.rater_weight.favourites IS 'How many most-rated providers were compared, 1 to 3.';
COMMENT ON COLUMN assay.rater_weight.same IS 'Raters with the same ones.';
COMMENT ON COLUMN assay.rater_weight.raters IS 'Raters with that many.';
COMMENT ON COLUMN assay.rater_weight.providers IS 'Providers rated there.';
COMMENT ON COLUMN assay.rater_weight.weight IS '0 to 1; null for the moment in which it is being weighed.';

-- ----------------------------------------------------- scores, days, tiers

ALTER TABLE assay.score
  ADD COLUMN silver_days integer NOT NULL DEFAULT 0,
  ADD COLUMN gold_days integer NOT NULL DEFAULT 0,
  ADD COLUMN closed_day date;
COMMENT ON COLUMN assay.score.silver_days IS 'UTC days in a row that closed at silver''s line or above.';
COMMENT ON COLUMN assay.score.gold_days IS 'UTC days in a row that closed at gold''s line or above.';
COMMENT ON COLUMN assay.score.closed_day IS 'The newest day that was closed for this pair.';
-- Rewritten with every tick: the new row goes where the old one is, and no
-- column that changes then is in an index.
ALTER TABLE assay.score ADD COLUMN pair integer NOT NULL UNIQUE REFERENCES assay.pair;
COMMENT ON COLUMN assay.score.pair IS 'The number of the pair; found by its name where an insert does not say it.';
ALTER TABLE assay.score SET (fillfactor = 60);

CREATE FUNCTION assay.score_pair() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, assay, pg_temp AS $$
BEGIN
  NEW.pair := assay.pair_of(NEW.did, NEW.task, NEW.canonical);
  RETURN NEW;
END $$;
COMMENT ON FUNCTION assay.score_pair() IS 'Trigger: the number of a pair that was written by its name.';
CREATE TRIGGER pair BEFORE INSERT ON assay.score
  FOR EACH ROW WHEN (NEW.pair IS NULL) EXECUTE FUNCTION assay.score_pair();

-- Gateways read what changed since the version they know. A writer raises the
-- area's version before it touches a score, and so holds the area's row until
-- it commits: versions are committed in their order, without gaps that could
-- be filled later.
CREATE TABLE assay.score_written (
  version bigint NOT NULL,
  pairs integer[] NOT NULL
);
CREATE INDEX score_written_version ON assay.score_written (version);
COMMENT ON TABLE assay.score_written IS 'Which scores were written with the last 1,000 versions of area score in change.';
COMMENT ON COLUMN assay.score_written.version IS 'The version.';
COMMENT ON COLUMN assay.score_written.pairs IS 'Whose.';
ALTER TABLE assay.change ADD COLUMN whole bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN assay.change.whole IS 'Who knows an older version than this must read all rows: some were deleted, or which were written is not kept.';

CREATE FUNCTION assay.score_begin() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, assay, pg_temp AS $$
DECLARE v bigint;
BEGIN
  UPDATE assay.change SET version = version + 1,
         whole = CASE WHEN TG_OP IN ('DELETE', 'TRUNCATE') THEN version + 1 ELSE greatest(whole, version - 999) END
   WHERE area = 'score' RETURNING version INTO v;
  DELETE FROM assay.score_written WHERE version <= v - 1000;
  PERFORM set_config('assay.score_version', v::text, true), pg_notify('assay_change', 'score');
  RETURN NULL;
END $$;
COMMENT ON FUNCTION assay.score_begin() IS 'Trigger: raises the version of area score before scores are written, and notifies assay_change.';

CREATE FUNCTION assay.score_end() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, assay, pg_temp AS $$
BEGIN
  INSERT INTO assay.score_written
    SELECT current_setting('assay.score_version')::bigint, array_agg(pair) FROM fresh HAVING count(*) > 0;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION assay.score_end() IS 'Trigger: notes which scores were written in this version.';

DROP TRIGGER announce ON assay.score;
CREATE TRIGGER announce BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON assay.score
  FOR EACH STATEMENT EXECUTE FUNCTION assay.score_begin();
CREATE TRIGGER inserted AFTER INSERT ON assay.score
  REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION assay.score_end();
CREATE TRIGGER updated AFTER UPDATE ON assay.score
  REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION assay.score_end();

-- Who asks adds a row, who scores deletes those it had read: what is asked for
-- meanwhile stays.
CREATE TABLE assay.score_due (
  pair integer NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  PRIMARY KEY (pair, id)
);
COMMENT ON TABLE assay.score_due IS 'Pairs whose evidence has changed since they were scored; normally nearly empty.';
COMMENT ON COLUMN assay.score_due.pair IS 'Whose.';
COMMENT ON COLUMN assay.score_due.id IS 'One of the times that it was asked for.';

CREATE TABLE assay.score_day (
  did text NOT NULL,
  task text NOT NULL,
  canonical text NOT NULL,
  day timestamptz NOT NULL,
  score double precision CHECK (score BETWEEN 0 AND 100),
  sample_size double precision NOT NULL,
  parts jsonb NOT NULL,
  excused boolean NOT NULL DEFAULT false,
  PRIMARY KEY (did, task, canonical, day)
) PARTITION BY RANGE (day);
COMMENT ON TABLE assay.score_day IS 'What each day closed at. Written once: what comes late counts from then on.';
COMMENT ON COLUMN assay.score_day.did IS 'The provider.';
COMMENT ON COLUMN assay.score_day.task IS 'The task.';
COMMENT ON COLUMN assay.score_day.canonical IS 'The model.';
COMMENT ON COLUMN assay.score_day.day IS 'Midnight UTC at which the day began.';
COMMENT ON COLUMN assay.score_day.score IS 'The score; null: no data.';
COMMENT ON COLUMN assay.score_day.sample_size IS 'Decayed weight of events behind it.';
COMMENT ON COLUMN assay.score_day.parts IS 'Each stream''s value and weight.';
COMMENT ON COLUMN assay.score_day.excused IS 'The platform was down: the day neither counts nor restarts a run.';

CREATE TABLE assay.day_close (
  day date PRIMARY KEY,
  closed_at timestamptz NOT NULL,
  excused boolean NOT NULL
);
COMMENT ON TABLE assay.day_close IS 'Days that are closed for every pair.';
COMMENT ON COLUMN assay.day_close.day IS 'The UTC day.';
COMMENT ON COLUMN assay.day_close.closed_at IS 'When.';
COMMENT ON COLUMN assay.day_close.excused IS 'Whether it was excused.';

CREATE TABLE assay.tier_change (
  did text NOT NULL,
  task text NOT NULL,
  canonical text NOT NULL,
  changed_at timestamptz NOT NULL,
  was assay.tier NOT NULL,
  tier assay.tier NOT NULL,
  reason text NOT NULL CHECK (reason IN ('run_complete', 'score_fell', 'audit_failed', 'no_data')),
  score double precision,
  evidence jsonb NOT NULL,
  PRIMARY KEY (did, task, canonical, changed_at, tier),
  CHECK (was <> tier)
);
CREATE INDEX tier_change_at ON assay.tier_change (changed_at DESC);
COMMENT ON TABLE assay.tier_change IS 'Every promotion and demotion, with its reason and the evidence at that moment.';
COMMENT ON COLUMN assay.tier_change.did IS 'The provider.';
COMMENT ON COLUMN assay.tier_change.task IS 'The task.';
COMMENT ON COLUMN assay.tier_change.canonical IS 'The model.';
COMMENT ON COLUMN assay.tier_change.changed_at IS 'When.';
COMMENT ON COLUMN assay.tier_change.was IS 'The tier before.';
COMMENT ON COLUMN assay.tier_change.tier IS 'The tier from then on.';
COMMENT ON COLUMN assay.tier_change.reason IS 'run_complete, score_fell, audit_failed or no_data.';
COMMENT ON COLUMN assay.tier_change.score IS 'The score then.';
COMMENT ON COLUMN assay.tier_change.evidence IS 'The parts of the score then.';

CREATE TABLE assay.platform_downtime (
  began_at timestamptz NOT NULL,
  ended_at timestamptz NOT NULL,
  reason text NOT NULL,
  source text NOT NULL DEFAULT 'operator' CHECK (source IN ('operator', 'assay')),
  PRIMARY KEY (began_at, source),
  CHECK (ended_at > began_at)
);
COMMENT ON TABLE assay.platform_downtime IS 'When the platform itself was down. A UTC day with an hour or more of it is excused. Operators say so with operator.note_downtime; assay-reputation adds the hours in which most requests failed by our own fault.';
COMMENT ON COLUMN assay.platform_downtime.began_at IS 'From.';
COMMENT ON COLUMN assay.platform_downtime.ended_at IS 'Until.';
COMMENT ON COLUMN assay.platform_downtime.reason IS 'What it was.';
COMMENT ON COLUMN assay.platform_downtime.source IS 'Who says so: operator, or assay of itself. What both say counts once.';
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON assay.platform_downtime
  FOR EACH ROW EXECUTE FUNCTION assay.audit('began_at');

-- A mistyped time excuses two days at most, and none to come.
CREATE FUNCTION operator.note_downtime(began timestamptz, ended timestamptz, reason text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, assay, pg_temp AS $$
BEGIN
  IF (began < ended AND ended <= now() AND began >= now() - interval '14 days'
      AND ended - began <= interval '24 hours') IS NOT TRUE THEN
    RAISE EXCEPTION 'downtime is of the last 14 days, is over, and has 24 hours at most: note a longer one in parts';
  END IF;
  IF (length(reason) BETWEEN 3 AND 1000) IS NOT TRUE THEN
    RAISE EXCEPTION 'say what it was, in 3 to 1,000 characters';
  END IF;
  INSERT INTO assay.platform_downtime VALUES (began, ended, reason, 'operator');
END $$;
COMMENT ON FUNCTION operator.note_downtime(timestamptz, timestamptz, text) IS 'Notes that the platform was down, so that the UTC days with an hour or more of it are excused. Audited.';

CREATE FUNCTION operator.take_back_downtime(began timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, assay, pg_temp AS $$
BEGIN
  DELETE FROM assay.platform_downtime d WHERE d.began_at = began AND d.source = 'operator';
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no operator noted downtime from %', began;
  END IF;
END $$;
COMMENT ON FUNCTION operator.take_back_downtime(timestamptz) IS 'Takes back what operator.note_downtime noted as begun then. A day that has closed as excused stays so. Audited.';

CREATE TABLE assay.not_chosen (
  did text NOT NULL,
  task text NOT NULL,
  canonical text NOT NULL,
  day date NOT NULL,
  reason text NOT NULL,
  times bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (did, task, canonical, day, reason)
);
COMMENT ON TABLE assay.not_chosen IS 'How often an offer was considered and not chosen, by reason.';
COMMENT ON COLUMN assay.not_chosen.did IS 'The provider.';
COMMENT ON COLUMN assay.not_chosen.task IS 'The task.';
COMMENT ON COLUMN assay.not_chosen.canonical IS 'The model.';
COMMENT ON COLUMN assay.not_chosen.day IS 'The UTC day.';
COMMENT ON COLUMN assay.not_chosen.reason IS 'Why it was not admissible, or another_preferred.';
COMMENT ON COLUMN assay.not_chosen.times IS 'How often.';

INSERT INTO assay.partitioned VALUES ('feedback', 'request_at', 400),
  ('outcome_minute', 'minute', 90), ('audit_result', 'at', 400), ('score_day', 'day', 400);
CREATE TABLE assay.feedback_default PARTITION OF assay.feedback DEFAULT;
CREATE TABLE assay.outcome_minute_default PARTITION OF assay.outcome_minute DEFAULT;
CREATE TABLE assay.audit_result_default PARTITION OF assay.audit_result DEFAULT;
CREATE TABLE assay.score_day_default PARTITION OF assay.score_day DEFAULT;
SELECT assay.partition_ensure((now() AT TIME ZONE 'UTC')::date + d) FROM generate_series(0, 7) d;

-- ------------------------------------------------- from rows to evidence

-- One rule for what an attempt counts for, where it is written and where all
-- is recomputed: 1 for the provider, -1 against it, 0 neither.
CREATE FUNCTION assay.attempt_counts(outcome assay.outcome, fault_code text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN outcome = 'served' THEN 1
              WHEN outcome IN ('failed', 'truncated') AND fault_code IN
                ('provider_error', 'first_byte_timeout', 'stream_stalled', 'truncated',
                 'signature_invalid') THEN -1
              ELSE 0 END
$$;
COMMENT ON FUNCTION assay.attempt_counts(assay.outcome, text) IS '1: delivered; -1: the provider''s fault; 0: the buyer left or its own shorter limit passed (buyer_timeout), we drained, a refusal, a reset before any byte.';

-- Half of what is asked is known without tokens, and half would be unfair both
-- ways: whether an answer counts must not hang on how fast it was.
CREATE FUNCTION assay.attempt_speed(first_byte_us bigint, total_us bigint, tokens integer, usual assay.model_speed) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN usual.first_byte_us IS NULL OR usual.tokens_per_second IS NULL THEN 0
              WHEN attempt_speed.first_byte_us IS NULL OR coalesce(tokens, 0) <= 0 THEN 0
              WHEN attempt_speed.first_byte_us > 2 * usual.first_byte_us THEN -1
              WHEN tokens * 1e6 < usual.tokens_per_second / 2 * greatest(total_us - attempt_speed.first_byte_us, 0) THEN -1
              ELSE 1 END
$$;
COMMENT ON FUNCTION assay.attempt_speed(bigint, bigint, integer, assay.model_speed) IS '1: within twice the median first byte and at half the median rate or more; -1: slower; 0: there is no median, or tokens were not told.';

-- Attempts that count at all: from buyers who do not share a workspace with
-- the provider, for pairs that the catalog knows.
CREATE VIEW assay.attempt_evidence AS
  SELECT a.request_id, a.created_at, r.created_at AS request_at, a.ordinal, a.did, r.task, r.canonical,
         assay.buyer_bucket(r.account_id) AS bucket,
         assay.attempt_counts(a.outcome, a.fault_code) AS delivery,
         CASE WHEN a.outcome = 'served' AND r.streamed THEN
           assay.attempt_speed(a.first_byte_us, a.total_us, r.completion_tokens, m) ELSE 0 END AS speed
    FROM assay.request_attempt a
    JOIN assay.request r ON r.id = a.request_id AND r.created_at = a.created_at
    JOIN assay.device d ON d.did = a.did
    JOIN assay.task t ON t.name = r.task
    JOIN assay.model c ON c.canonical = r.canonical
    LEFT JOIN assay.model_speed m ON m.day = assay.utc_day(a.created_at) - 2
         AND m.task = r.task AND m.canonical = r.canonical AND m.quantization = r.quantization
   WHERE r.account_id IS NOT NULL AND r.workspace_id IS DISTINCT FROM d.workspace_id
     AND NOT EXISTS (SELECT FROM assay.membership s
                      WHERE s.account_id = r.account_id AND s.workspace_id = d.workspace_id);
COMMENT ON VIEW assay.attempt_evidence IS 'What each attempt counts for; the request log as evidence.';

CREATE FUNCTION assay.count_outcomes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, assay, pg_temp AS $$
DECLARE lo timestamptz; hi timestamptz;
BEGIN
  -- The two times say which partitions need a look, on both sides of the join;
  -- in one order, so that two that meet new pairs do not wait for each other.
  SELECT min(created_at), max(created_at) INTO lo, hi FROM fresh;
  WITH counted AS (
    INSERT INTO assay.outcome_minute
      SELECT minute, coalesce(p.id, assay.pair_of(did, task, canonical)), delivered, failed, fast, slow, not_counted, bucket
        FROM (
          SELECT e.did, e.task, e.canonical, e.bucket, date_trunc('minute', e.created_at) AS minute,
                 count(*) FILTER (WHERE e.delivery > 0) AS delivered, count(*) FILTER (WHERE e.delivery < 0) AS failed,
                 count(*) FILTER (WHERE e.speed > 0) AS fast, count(*) FILTER (WHERE e.speed < 0) AS slow,
                 count(*) FILTER (WHERE e.delivery = 0) AS not_counted
            FROM fresh f JOIN assay.attempt_evidence e
              ON e.request_id = f.request_id AND e.created_at = f.created_at AND e.ordinal = f.ordinal
           WHERE e.created_at BETWEEN lo AND hi AND e.request_at BETWEEN lo AND hi
           GROUP BY 1, 2, 3, 4, 5) x
        LEFT JOIN assay.pair p USING (did, task, canonical)
       ORDER BY did, task, canonical
      RETURNING *)
  INSERT INTO assay.outcome_new SELECT * FROM counted WHERE delivered + failed > 0;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION assay.count_outcomes() IS 'Trigger: adds the attempts just written up by minute, in the same transaction, so that none is counted twice or lost.';
CREATE TRIGGER count_outcomes AFTER INSERT ON assay.request_attempt
  REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION assay.count_outcomes();

CREATE FUNCTION assay.count_verdict() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, assay, pg_temp AS $$
DECLARE was numeric := 0; events integer := 1;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    was := OLD.value;
    events := 0;
  END IF;
  IF NEW.counts AND (events = 1 OR was <> NEW.value) THEN
    INSERT INTO assay.verdict_new VALUES (assay.pair_of(NEW.did, NEW.task, NEW.canonical), NEW.account_id, NEW.created_at,
      NEW.value - was, 100 * events - (NEW.value - was));
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION assay.count_verdict() IS 'Trigger: notes what a feedback, or an edit of it, adds to the evidence.';
CREATE TRIGGER count_verdict AFTER INSERT OR UPDATE ON assay.feedback
  FOR EACH ROW EXECUTE FUNCTION assay.count_verdict();

CREATE FUNCTION assay.count_audit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, assay, pg_temp AS $$
-- Reckoned beforehand, or the planner could leave no day out.
DECLARE since CONSTANT timestamptz := NEW.at - interval '24 hours';
BEGIN
  INSERT INTO assay.audit_new VALUES (assay.pair_of(NEW.did, NEW.task, NEW.canonical), NEW.at, NEW.agrees);
  -- Only what takes a tier is looked at before the day closes.
  IF NOT NEW.agrees AND (NEW.kind = 'fingerprint' OR (
       SELECT count(*) FROM assay.audit_result r
        WHERE r.did = NEW.did AND r.task = NEW.task AND r.canonical = NEW.canonical AND r.kind = 'canary'
          AND NOT r.agrees AND r.at > since) > 2) THEN
    INSERT INTO assay.score_due VALUES (assay.pair_of(NEW.did, NEW.task, NEW.canonical));
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION assay.count_audit() IS 'Trigger: notes what an audit adds to the evidence when its day closes; a failed one asks for a score at once.';
CREATE TRIGGER count_audit AFTER INSERT ON assay.audit_result
  FOR EACH ROW EXECUTE FUNCTION assay.count_audit();

-- A hello or re-probe that no longer shows what this tunnel served before.
CREATE FUNCTION assay.count_fingerprint() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, assay, pg_temp AS $$
BEGIN
  INSERT INTO assay.audit_result
    SELECT NEW.did, t.task, NEW.canonical, now(), 'fingerprint', NEW.status = 'accepted', coalesce(NEW.reason, '')
      FROM assay.model_task t WHERE t.canonical = NEW.canonical AND t.task = ANY (OLD.tasks);
  INSERT INTO assay.score_due
    SELECT assay.pair_of(NEW.did, t.task, NEW.canonical) FROM assay.model_task t
     WHERE t.canonical = NEW.canonical AND t.task = ANY (OLD.tasks);
  RETURN NULL;
END $$;
COMMENT ON FUNCTION assay.count_fingerprint() IS 'Trigger: a session that had been accepted and now states other files has failed an audit.';
CREATE TRIGGER count_fingerprint AFTER UPDATE ON assay.fingerprint FOR EACH ROW
  WHEN (OLD.status = 'accepted' AND NEW.status = 'refused' AND OLD.session_id = NEW.session_id
        AND NEW.reason IN ('unknown_hash', 'claim_mismatch'))
  EXECUTE FUNCTION assay.count_fingerprint();

-- ------------------------------------------------------------------- views

CREATE VIEW operator.outcome_minute AS
  SELECT o.minute, p.did, p.task, p.canonical, o.delivered, o.failed, o.fast, o.slow, o.not_counted, o.bucket
    FROM assay.outcome_minute o JOIN assay.pair p ON p.id = o.pair;
COMMENT ON VIEW operator.outcome_minute IS 'How did a provider''s attempts end, by minute? Name a time: rows are in partitions by day.';

CREATE VIEW operator.tier_change_week AS
  SELECT c.changed_at, c.did, d.name AS device, c.task, c.canonical, c.was, c.tier, c.reason, c.score, c.evidence
    FROM assay.tier_change c LEFT JOIN assay.device d USING (did)
   WHERE c.changed_at > now() - interval '7 days';
COMMENT ON VIEW operator.tier_change_week IS 'Which tiers changed this week, why, and on what evidence?';

CREATE VIEW operator.score AS
  SELECT s.did, d.name AS device, w.name AS workspace, s.task, s.canonical, s.tier, s.score, s.sample_size,
         s.silver_days, s.gold_days, s.closed_day, s.parts, s.updated_at
    FROM assay.score s JOIN assay.device d USING (did) JOIN assay.workspace w ON w.id = d.workspace_id;
COMMENT ON VIEW operator.score IS 'Where does every provider stand on every model, and how far are its runs?';

CREATE VIEW operator.feedback_by_issue AS
  SELECT f.did, f.canonical, issue, count(*) AS times, max(f.created_at) AS latest
    FROM assay.feedback f, unnest(f.issues) AS issue
   WHERE f.created_at > now() - interval '30 days' AND f.request_at > now() - interval '40 days'
   GROUP BY 1, 2, 3;
COMMENT ON VIEW operator.feedback_by_issue IS 'What do buyers complain of, by provider and model, in the last 30 days?';

CREATE VIEW operator.rater AS
  SELECT r.account_id, a.name AS account, r.task, r.canonical, r.weight, r.good, r.bad, r.favourites, r.same, r.raters, r.providers, r.day
    FROM assay.rater_weight r LEFT JOIN assay.account a ON a.id = r.account_id;
COMMENT ON VIEW operator.rater IS 'Which raters weigh less than others, and why?';

CREATE VIEW operator.not_chosen AS
  SELECT did, task, canonical, reason, sum(times) AS times FROM assay.not_chosen
   WHERE day > assay.utc_day(now()) - 7 GROUP BY 1, 2, 3, 4;
COMMENT ON VIEW operator.not_chosen IS 'Why was an offer considered and not chosen this week?';

CREATE VIEW operator.reputation_lag AS
  SELECT (SELECT count(*) FROM assay.outcome_new) AS outcomes_waiting,
         (SELECT count(*) FROM assay.verdict_new) + (SELECT count(*) FROM assay.audit_new
           WHERE at < (SELECT max(day) + 1 FROM assay.day_close)::timestamp AT TIME ZONE 'UTC') AS verdicts_waiting,
         (SELECT count(DISTINCT pair) FROM assay.score_due) AS scores_due,
         (SELECT max(day) FROM assay.day_close) AS closed_through,
         (SELECT min(minute) FROM assay.outcome_new) AS oldest_outcome;
COMMENT ON VIEW operator.reputation_lag IS 'Does assay-reputation keep up, and which day has it closed?';

-- ------------------------------------------------------------------ rights

REVOKE ALL ON FUNCTION assay.pair_of(text, text, text), assay.score_pair(), assay.score_begin(), assay.score_end(), assay.count_outcomes(), assay.count_verdict(), assay.count_audit(), assay.count_fingerprint() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION assay.utc_day(timestamptz) TO assay_gateway, assay_reputation, assay_operator;
GRANT EXECUTE ON FUNCTION assay.evidence_weight(date) TO assay_reputation;
GRANT SELECT, INSERT, UPDATE ON assay.feedback TO assay_gateway;
GRANT SELECT, INSERT, UPDATE ON assay.not_chosen TO assay_gateway;
GRANT INSERT ON assay.audit_result TO assay_gateway;
GRANT SELECT ON assay.score_written TO assay_gateway;
GRANT SELECT ON assay.pair, assay.feedback, assay.outcome_minute, assay.audit_result TO assay_reputation;
GRANT SELECT, INSERT, UPDATE, DELETE ON assay.outcome_new, assay.verdict_new, assay.audit_new, assay.outcome_evidence,
  assay.verdict_evidence, assay.audit_evidence, assay.rater_weight, assay.score_due, assay.score_day, assay.day_close,
  assay.model_speed, assay.not_chosen TO assay_reputation;
GRANT SELECT, INSERT ON assay.tier_change, assay.platform_downtime TO assay_reputation;
GRANT SELECT ON assay.platform_downtime TO assay_operator;
REVOKE ALL ON FUNCTION operator.note_downtime(timestamptz, timestamptz, text), operator.take_back_downtime(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION operator.note_downtime(timestamptz, timestamptz, text), operator.take_back_downtime(timestamptz) TO assay_operator;
GRANT SELECT ON operator.outcome_minute, operator.tier_change_week, operator.score, operator.feedback_by_issue, operator.rater,
  operator.not_chosen, operator.reputation_lag TO assay_operator;
