-- SPDX-License-Identifier: Apache-2.0
-- Canaries: requests of our own in a buyer's form. One row an offer says when it
-- is next due, so that any number of gateways send as many as one would; answers
-- are kept to be compared with. What a provider may know them by all the same
-- stands in docs/reputation.md.

CREATE TABLE assay.canary (
  did text NOT NULL,
  task text NOT NULL,
  canonical text NOT NULL,
  due_at timestamptz NOT NULL,
  sent_at timestamptz,
  PRIMARY KEY (did, task, canonical)
);
COMMENT ON TABLE assay.canary IS 'When each offer is looked at next. A gateway takes a due row and sets its next time in one statement.';
COMMENT ON COLUMN assay.canary.did IS 'The provider.';
COMMENT ON COLUMN assay.canary.task IS 'The task.';
COMMENT ON COLUMN assay.canary.canonical IS 'The model.';
COMMENT ON COLUMN assay.canary.due_at IS 'Not before; drawn at random, without memory.';
COMMENT ON COLUMN assay.canary.sent_at IS 'When the last one was sent.';

CREATE TABLE assay.canary_secret (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  secret bytea NOT NULL
);
INSERT INTO assay.canary_secret (secret)
  SELECT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
COMMENT ON TABLE assay.canary_secret IS 'What the prompts of canaries are drawn from; drawn when the database was made.';
COMMENT ON COLUMN assay.canary_secret.one IS 'There is one row.';
COMMENT ON COLUMN assay.canary_secret.secret IS '32 random bytes.';

CREATE TABLE assay.canary_answer (
  did text NOT NULL,
  task text NOT NULL,
  canonical text NOT NULL,
  artifact_id uuid NOT NULL,
  prompt bigint NOT NULL,
  workspace_id uuid NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  own text CHECK (length(own) <= 65536),
  voice text NOT NULL CHECK (length(voice) <= 65536),
  PRIMARY KEY (task, canonical, artifact_id, prompt, did)
);
CREATE INDEX canary_answer_at ON assay.canary_answer (at);
COMMENT ON TABLE assay.canary_answer IS 'What each offer answered to each prompt; kept for two weeks after the last.';
COMMENT ON COLUMN assay.canary_answer.did IS 'Who answered.';
COMMENT ON COLUMN assay.canary_answer.task IS 'The task.';
COMMENT ON COLUMN assay.canary_answer.canonical IS 'The model.';
COMMENT ON COLUMN assay.canary_answer.artifact_id IS 'The artifact it had stated: answers of others are never compared.';
COMMENT ON COLUMN assay.canary_answer.prompt IS 'Eight bytes of the request''s digest: only answers to the very same request are compared.';
COMMENT ON COLUMN assay.canary_answer.workspace_id IS 'The provider''s workspace; of each, the newest voice counts.';
COMMENT ON COLUMN assay.canary_answer.at IS 'When the last answer came.';
COMMENT ON COLUMN assay.canary_answer.own IS 'Its first answer that did not disagree, which its later ones are held against; null: none yet.';
COMMENT ON COLUMN assay.canary_answer.voice IS 'Its last answer, whatever was found: what it says when others are judged.';

-- An id like any account's: version 7, made some time in the last year.
CREATE FUNCTION assay.canary_id() RETURNS uuid
LANGUAGE sql VOLATILE AS $$
  SELECT encode(set_byte(set_byte(
           substring(int8send((extract(epoch FROM now() - random() * interval '365 days') * 1000)::bigint) FROM 3)
           || substring(uuid_send(gen_random_uuid()) FROM 7), 6,
           112 | (get_byte(uuid_send(gen_random_uuid()), 0) & 15)), 8,
           128 | (get_byte(uuid_send(gen_random_uuid()), 0) & 63)), 'hex')::uuid
$$;
COMMENT ON FUNCTION assay.canary_id() IS 'An id that looks like an account''s and is none.';

-- Sixteen prompts a model, each for a week: few enough that providers of one
-- model answer the same ones, new often enough that knowing old ones does not
-- help. Each changes at a moment of its own, which only the secret tells.
CREATE FUNCTION assay.canary_seed(task text, canonical text) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, assay, pg_temp AS $$
  WITH slot AS MATERIALIZED (
    SELECT secret, canary_seed.task || '/' || canary_seed.canonical || '/' || floor(random() * 16) AS name
      FROM assay.canary_secret),
  turn AS (
    SELECT secret, name, floor((extract(epoch FROM now())
             + (('x' || encode(substring(sha256(secret || convert_to('turn/' || name, 'UTF8')) FROM 1 FOR 4), 'hex'))::bit(32)::bigint
                % 604800)) / 604800) AS week
      FROM slot)
  SELECT ('x' || encode(substring(sha256(secret || convert_to(name || '/' || week, 'UTF8')) FROM 1 FOR 8), 'hex'))::bit(64)::bigint
    FROM turn
$$;
COMMENT ON FUNCTION assay.canary_seed(text, text) IS 'What one of the prompts that a model now has is made of.';

-- The verdict with its evidence, and the answer. One that disagrees speaks for
-- others too, or lies that came first would stand unopposed for good.
CREATE FUNCTION assay.note_canary(did text, task text, canonical text, artifact uuid, prompt bigint, workspace uuid,
  agrees boolean, detail text, answer text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, assay, pg_temp AS $$
BEGIN
  IF agrees IS NOT NULL THEN
    INSERT INTO assay.audit_result VALUES (did, task, canonical, now(), 'canary', agrees, detail);
  END IF;
  INSERT INTO assay.canary_answer AS a VALUES (did, task, canonical, artifact, prompt, workspace, now(),
      CASE WHEN agrees IS DISTINCT FROM false THEN answer END, answer)
    ON CONFLICT ON CONSTRAINT canary_answer_pkey DO UPDATE SET workspace_id = excluded.workspace_id, at = excluded.at,
      own = coalesce(a.own, excluded.own), voice = excluded.voice;
  DELETE FROM assay.canary_answer a WHERE a.at < now() - interval '14 days';
END $$;
COMMENT ON FUNCTION assay.note_canary(text, text, text, uuid, bigint, uuid, boolean, text, text) IS 'Writes what a canary found: a verdict (null: none could be had), and the answer.';

CREATE VIEW operator.canary AS
  SELECT c.did, d.name AS device, c.task, c.canonical, c.sent_at, c.due_at,
         (SELECT count(*) FROM assay.audit_result r WHERE r.did = c.did AND r.task = c.task
            AND r.canonical = c.canonical AND r.kind = 'canary' AND r.agrees AND r.at > now() - interval '7 days') AS agreed,
         (SELECT count(*) FROM assay.audit_result r WHERE r.did = c.did AND r.task = c.task
            AND r.canonical = c.canonical AND r.kind = 'canary' AND NOT r.agrees AND r.at > now() - interval '7 days') AS disagreed
    FROM assay.canary c LEFT JOIN assay.device d USING (did);
COMMENT ON VIEW operator.canary IS 'Which offers were looked at with requests of our own, and what was found this week?';

REVOKE ALL ON FUNCTION assay.canary_id(), assay.canary_seed(text, text),
  assay.note_canary(text, text, text, uuid, bigint, uuid, boolean, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION assay.canary_id(), assay.canary_seed(text, text),
  assay.note_canary(text, text, text, uuid, bigint, uuid, boolean, text, text) TO assay_gateway;
GRANT SELECT, INSERT, UPDATE ON assay.canary TO assay_gateway;
GRANT SELECT ON assay.canary_answer TO assay_gateway;
GRANT SELECT ON operator.canary TO assay_operator;
