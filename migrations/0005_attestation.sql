-- SPDX-License-Identifier: Apache-2.0
-- Hardware evidence: policies, verdicts with the evidence they judged, what
-- makers publish about their hardware, and the signatures of exchanges.

-- ---------------------------------------------------------------- policies

CREATE TABLE assay.attestation_policy (
  version bigint PRIMARY KEY CHECK (version > 0),
  name text NOT NULL DEFAULT '',
  document jsonb NOT NULL CHECK (jsonb_typeof(document) = 'object'),
  digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
  active boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  activated_at timestamptz,
  CHECK (NOT active OR activated_at IS NOT NULL)
);
CREATE UNIQUE INDEX attestation_policy_one_active ON assay.attestation_policy (active) WHERE active;
COMMENT ON TABLE assay.attestation_policy IS 'What evidence must say for a provider to be verified; every version that was ever set, one of them active.';
COMMENT ON COLUMN assay.attestation_policy.version IS 'The version that the document itself names.';
COMMENT ON COLUMN assay.attestation_policy.name IS 'A label for people.';
COMMENT ON COLUMN assay.attestation_policy.document IS 'The policy, as docs/attestation.md describes it.';
COMMENT ON COLUMN assay.attestation_policy.digest IS 'SHA-256 of the document''s canonical JSON, as verdicts name it.';
COMMENT ON COLUMN assay.attestation_policy.active IS 'Gateways judge by this one; no active policy: nobody is verified.';
COMMENT ON COLUMN assay.attestation_policy.created_at IS 'When it was first set.';
COMMENT ON COLUMN assay.attestation_policy.activated_at IS 'When it last became the active one.';

-- ---------------------------------------------------------------- verdicts

CREATE TABLE assay.attestation_verdict (
  id uuid PRIMARY KEY,
  did text NOT NULL REFERENCES assay.device,
  slot integer NOT NULL CHECK (slot BETWEEN 0 AND 63),
  session_id uuid NOT NULL,
  judged_at timestamptz NOT NULL,
  status text NOT NULL CHECK (status IN ('verified', 'refused', 'error')),
  reason text NOT NULL,
  failed_check text,
  why text,
  renew_by timestamptz NOT NULL,
  measurement text,
  signing_address text,
  policy_digest text,
  checks jsonb NOT NULL,
  bound jsonb NOT NULL,
  evidence jsonb NOT NULL,
  gateway_instance text NOT NULL
);
CREATE INDEX attestation_verdict_place ON assay.attestation_verdict (did, slot, judged_at DESC);
CREATE INDEX attestation_verdict_judged ON assay.attestation_verdict (judged_at);
COMMENT ON TABLE assay.attestation_verdict IS 'Each verdict on a provider''s evidence with the evidence itself, so that a third party can judge it again (assay verify); kept for 90 days (assay.retained).';
COMMENT ON COLUMN assay.attestation_verdict.id IS 'UUID version 7.';
COMMENT ON COLUMN assay.attestation_verdict.did IS 'Whose evidence.';
COMMENT ON COLUMN assay.attestation_verdict.slot IS 'The tunnel''s slot: each tunnel brings evidence of its own.';
COMMENT ON COLUMN assay.attestation_verdict.session_id IS 'The tunnel it came through (tunnel_session.id).';
COMMENT ON COLUMN assay.attestation_verdict.judged_at IS 'When it was judged.';
COMMENT ON COLUMN assay.attestation_verdict.status IS 'verified; refused: the evidence does not hold; error: no trustworthy verdict could be reached.';
COMMENT ON COLUMN assay.attestation_verdict.reason IS 'Stable code: ok, or of the first check that did not hold.';
COMMENT ON COLUMN assay.attestation_verdict.failed_check IS 'Name of that check.';
COMMENT ON COLUMN assay.attestation_verdict.why IS 'One sentence for it.';
COMMENT ON COLUMN assay.attestation_verdict.renew_by IS 'From when the verdict no longer counts.';
COMMENT ON COLUMN assay.attestation_verdict.measurement IS 'Launch measurement (TDX: MRTD and RTMR0-3; SNP: MEASUREMENT), hex, where one was proven.';
COMMENT ON COLUMN assay.attestation_verdict.signing_address IS 'Address of the worker''s signing key, where the evidence binds one.';
COMMENT ON COLUMN assay.attestation_verdict.policy_digest IS 'The policy it was judged by (attestation_policy.digest).';
COMMENT ON COLUMN assay.attestation_verdict.checks IS 'Every check by name, with what was seen and what was wanted.';
COMMENT ON COLUMN assay.attestation_verdict.bound IS 'What the evidence had to be bound to: nonce, DID, tunnel key, statement, signing key.';
COMMENT ON COLUMN assay.attestation_verdict.evidence IS 'The evidence as it came.';
COMMENT ON COLUMN assay.attestation_verdict.gateway_instance IS 'The gateway that judged.';

-- -------------------------------------------------------------- collateral

CREATE TABLE assay.collateral (
  name text PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 300),
  body bytea NOT NULL CHECK (length(body) <= 16777216),
  source text NOT NULL,
  fetched_at timestamptz NOT NULL,
  edition text[] NOT NULL DEFAULT '{}',
  failing_since timestamptz,
  failure text,
  CHECK ((failing_since IS NULL) = (failure IS NULL))
);
COMMENT ON TABLE assay.collateral IS 'What makers publish about their hardware (TCB info, revocation lists, certificates, manifests, key sets), as last fetched. Signed by its makers and verified at each use: this is a cache, not a root of trust.';
COMMENT ON COLUMN assay.collateral.name IS 'As verifiers ask for it, for example tdx/tcb/<fmspc>.';
COMMENT ON COLUMN assay.collateral.body IS 'The bytes.';
COMMENT ON COLUMN assay.collateral.source IS 'The URL it came from.';
COMMENT ON COLUMN assay.collateral.fetched_at IS 'When it came from its source; policies bound its age.';
COMMENT ON COLUMN assay.collateral.edition IS 'Of each part, what its maker signed as its number and date, in hex; empty where it says nothing or was not verified. No older edition takes the place of a newer one: to go back on purpose, delete the row and restart the gateways.';
COMMENT ON COLUMN assay.collateral.failing_since IS 'Since when the source has not given it anew; null: the last attempt held.';
COMMENT ON COLUMN assay.collateral.failure IS 'Why not, as a stable code: timeout, unavailable, not_found, refused (a redirect), limit_exceeded, invalid, tampered, untrusted.';

CREATE TABLE assay.collateral_version (
  name text NOT NULL,
  sha256 bytea NOT NULL CHECK (length(sha256) = 32),
  body bytea NOT NULL,
  source text NOT NULL,
  first_fetched_at timestamptz NOT NULL,
  fetched_at timestamptz NOT NULL,
  PRIMARY KEY (name, sha256)
);
COMMENT ON TABLE assay.collateral_version IS 'Every body that assay.collateral ever held, so that a verdict of the past can be repeated with what was known then. Written by a trigger alone; kept for 90 days, and for as long as a kept verdict needs it (assay.retained).';
COMMENT ON COLUMN assay.collateral_version.name IS 'As in assay.collateral.';
COMMENT ON COLUMN assay.collateral_version.sha256 IS 'Of the body.';
COMMENT ON COLUMN assay.collateral_version.body IS 'The bytes.';
COMMENT ON COLUMN assay.collateral_version.source IS 'The URL it first came from.';
COMMENT ON COLUMN assay.collateral_version.first_fetched_at IS 'When it was first fetched.';
COMMENT ON COLUMN assay.collateral_version.fetched_at IS 'When it was last fetched.';

CREATE FUNCTION assay.keep_collateral_version() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, assay, pg_temp AS $$
BEGIN
  INSERT INTO assay.collateral_version AS v
    VALUES (NEW.name, sha256(NEW.body), NEW.body, NEW.source, NEW.fetched_at, NEW.fetched_at)
    ON CONFLICT (name, sha256) DO UPDATE SET fetched_at = greatest(v.fetched_at, excluded.fetched_at);
  RETURN NULL;
END $$;
COMMENT ON FUNCTION assay.keep_collateral_version() IS 'Keeps each body that assay.collateral takes.';
CREATE TRIGGER keep_version AFTER INSERT OR UPDATE OF body, fetched_at ON assay.collateral
  FOR EACH ROW EXECUTE FUNCTION assay.keep_collateral_version();

-- -------------------------------------------------------------- signatures

CREATE TABLE assay.exchange_signature (
  chat_id text NOT NULL CHECK (length(chat_id) BETWEEN 1 AND 200),
  account_id uuid NOT NULL REFERENCES assay.account,
  request_id uuid NOT NULL,
  did text NOT NULL,
  text text,
  signature text,
  signing_address text,
  signing_algo text CHECK (signing_algo IN ('ecdsa', 'ed25519')),
  complete boolean NOT NULL,
  bytes bigint NOT NULL CHECK (bytes >= 0),
  missing text CHECK (missing IN ('provider_gone', 'not_given', 'invalid')),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account_id, chat_id),
  CHECK (missing IS NOT NULL OR (text IS NOT NULL AND signature IS NOT NULL
    AND signing_address IS NOT NULL AND signing_algo IS NOT NULL))
);
CREATE INDEX exchange_signature_created ON assay.exchange_signature (created_at);
COMMENT ON TABLE assay.exchange_signature IS 'What a worker signed over one exchange: the hashes of request and response. Proves who signed, not which model answered. Kept for 90 days (assay.retained).';
COMMENT ON COLUMN assay.exchange_signature.chat_id IS 'The request id, and in a row of its own the id in the worker''s answer, where it gave one.';
COMMENT ON COLUMN assay.exchange_signature.account_id IS 'Whose exchange it was; others do not find it.';
COMMENT ON COLUMN assay.exchange_signature.request_id IS 'request.id.';
COMMENT ON COLUMN assay.exchange_signature.did IS 'The provider.';
COMMENT ON COLUMN assay.exchange_signature.text IS 'model:sha256(request):sha256(response), which is what is signed.';
COMMENT ON COLUMN assay.exchange_signature.signature IS 'Hexadecimal with 0x.';
COMMENT ON COLUMN assay.exchange_signature.signing_address IS 'The signer; its verdict binds it to the hardware.';
COMMENT ON COLUMN assay.exchange_signature.signing_algo IS 'ecdsa (EIP-191 on secp256k1) or ed25519.';
COMMENT ON COLUMN assay.exchange_signature.complete IS 'False: the stream was cut, and the hash covers what was sent until then.';
COMMENT ON COLUMN assay.exchange_signature.bytes IS 'How many bytes of the answer, from its first, went to the buyer: those are hashed.';
COMMENT ON COLUMN assay.exchange_signature.missing IS 'Why there is no signature: provider_gone, not_given, or invalid (what came was not the attested key''s over these bytes).';
COMMENT ON COLUMN assay.exchange_signature.created_at IS 'When it was signed.';

-- --------------------------------------------------------------- retention

CREATE TABLE assay.retained (
  name text PRIMARY KEY CHECK (name IN ('attestation_verdict', 'collateral_version', 'exchange_signature')),
  keep_days integer NOT NULL CHECK (keep_days BETWEEN 1 AND 36500)
);
COMMENT ON TABLE assay.retained IS 'For how long evidence and what goes with it is kept (other tables: assay.partitioned).';
COMMENT ON COLUMN assay.retained.name IS 'Table in schema assay.';
COMMENT ON COLUMN assay.retained.keep_days IS 'Retention in days; change it here. A collateral_version stays beyond it while a kept verdict needs it.';
INSERT INTO assay.retained VALUES ('attestation_verdict', 90), ('collateral_version', 90),
  ('exchange_signature', 90);

-- A verdict is repeated with the version that had come last by then; so one
-- is needed while a verdict from before its successor is kept, the last of
-- each name always is, and the one that is held now as well.
CREATE FUNCTION assay.prune_evidence(most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, assay, pg_temp AS $$
DECLARE rows bigint; gone bigint := 0; oldest timestamptz;
BEGIN
  DELETE FROM assay.exchange_signature WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM assay.exchange_signature WHERE created_at < now()
      - (SELECT keep_days FROM assay.retained WHERE name = 'exchange_signature') * interval '1 day'
     ORDER BY created_at LIMIT most));
  GET DIAGNOSTICS rows = ROW_COUNT;
  gone := gone + rows;
  DELETE FROM assay.attestation_verdict WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM assay.attestation_verdict WHERE judged_at < now()
      - (SELECT keep_days FROM assay.retained WHERE name = 'attestation_verdict') * interval '1 day'
       AND renew_by < now()
     ORDER BY judged_at LIMIT most));
  GET DIAGNOSTICS rows = ROW_COUNT;
  gone := gone + rows;
  SELECT min(judged_at) INTO oldest FROM assay.attestation_verdict;
  DELETE FROM assay.collateral_version v USING (
    SELECT name, sha256, lead(first_fetched_at) OVER (PARTITION BY name ORDER BY first_fetched_at, sha256) AS until
      FROM assay.collateral_version) s
   WHERE (v.name, v.sha256) = (s.name, s.sha256) AND s.until <= coalesce(oldest, now())
     AND v.fetched_at < now()
      - (SELECT keep_days FROM assay.retained WHERE name = 'collateral_version') * interval '1 day'
     AND NOT EXISTS (SELECT FROM assay.collateral c WHERE c.name = v.name AND c.fetched_at = v.fetched_at);
  GET DIAGNOSTICS rows = ROW_COUNT;
  RETURN gone + rows;
END $$;
COMMENT ON FUNCTION assay.prune_evidence(integer) IS 'Deletes what assay.retained no longer keeps, at most that many verdicts and signatures; returns how many rows. assay-reputation calls it each day until there are none.';

-- ------------------------------------------- changes that workers must see

INSERT INTO assay.change (area) VALUES ('policy');
COMMENT ON COLUMN assay.change.area IS 'key, device, catalog, score, signing_key, policy.';
CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON assay.attestation_policy
  FOR EACH STATEMENT EXECUTE FUNCTION assay.announce('policy');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON assay.attestation_policy
  FOR EACH ROW EXECUTE FUNCTION assay.audit('version');

-- ------------------------------------------------------------------- views

CREATE VIEW operator.verified AS
  SELECT DISTINCT ON (v.did, v.slot) v.did, d.name AS device, w.name AS workspace, v.slot,
         v.status, v.reason, v.failed_check, v.why, v.judged_at, v.renew_by,
         v.status = 'verified' AND v.renew_by > now() AS counts, v.measurement, v.signing_address
    FROM assay.attestation_verdict v
    JOIN assay.device d USING (did)
    JOIN assay.workspace w ON w.id = d.workspace_id
   ORDER BY v.did, v.slot, v.judged_at DESC, v.id DESC;
COMMENT ON VIEW operator.verified IS 'Who has brought evidence, and what was the last verdict on it?';

CREATE VIEW operator.verdict_expiring AS
  SELECT did, device, workspace, slot, renew_by, renew_by - now() AS remaining
    FROM operator.verified
   WHERE counts AND renew_by < now() + interval '15 minutes';
COMMENT ON VIEW operator.verdict_expiring IS 'Which verdicts end within 15 minutes and have not been renewed yet?';

CREATE VIEW operator.measurement_change AS
  SELECT did, slot, judged_at, before AS measurement_before, measurement AS measurement_after, status, reason
    FROM (SELECT v.*, lag(v.measurement) OVER (PARTITION BY v.did, v.slot ORDER BY v.judged_at, v.id) AS before
            FROM assay.attestation_verdict v WHERE v.measurement IS NOT NULL) x
   WHERE before IS DISTINCT FROM measurement AND before IS NOT NULL;
COMMENT ON VIEW operator.measurement_change IS 'Which node''s measurement changed between two verdicts?';

CREATE VIEW operator.collateral AS
  SELECT name, length(body) AS bytes, source, fetched_at, now() - fetched_at AS age, failing_since, failure
    FROM assay.collateral;
COMMENT ON VIEW operator.collateral IS 'What do we hold of the makers'' publications, how old is it, and which source fails?';

CREATE VIEW operator.attestation_policy AS
  SELECT version, name, digest, active, created_at, activated_at, document FROM assay.attestation_policy;
COMMENT ON VIEW operator.attestation_policy IS 'Which attestation policies were set, and which one counts?';

-- ------------------------------------------------------------------ rights

GRANT SELECT ON assay.attestation_policy TO assay_gateway;
GRANT SELECT, INSERT ON assay.attestation_verdict TO assay_gateway;
GRANT SELECT, INSERT, UPDATE ON assay.collateral TO assay_gateway;
GRANT SELECT, INSERT, UPDATE ON assay.exchange_signature TO assay_gateway;
GRANT SELECT ON assay.attestation_verdict TO assay_reputation;
REVOKE EXECUTE ON FUNCTION assay.prune_evidence(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION assay.prune_evidence(integer) TO assay_reputation;
GRANT SELECT ON operator.verified, operator.verdict_expiring, operator.measurement_change,
  operator.collateral, operator.attestation_policy TO assay_operator;
