-- SPDX-License-Identifier: Apache-2.0
-- The main job: accounts, devices, keys, catalog, presence, traffic, audit.
-- Operators read this database: every table and column says what it holds.
-- Run by `assay migrate` in one transaction, as a member of assay_admin.

-- Roles belong to the cluster and outlive a database; passwords or client
-- certificates for them are the operator's to set.
DO $$
DECLARE r text;
BEGIN
  FOREACH r IN ARRAY ARRAY['assay_gateway', 'assay_auth', 'assay_reputation',
                           'assay_operator'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I LOGIN', r);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL; -- another database's migration was faster
      END;
    END IF;
  END LOOP;
END $$;

CREATE SCHEMA IF NOT EXISTS assay;
COMMENT ON SCHEMA assay IS 'Assay''s own state. Programs write here; operators read schema operator.';
CREATE SCHEMA operator;
COMMENT ON SCHEMA operator IS 'Views that answer operators'' questions, each view''s comment being the question, and functions for what operators change.';

CREATE TYPE assay.membership_role AS ENUM ('owner', 'member');
CREATE TYPE assay.device_state AS ENUM ('active', 'revoked');
CREATE TYPE assay.key_state AS ENUM ('prepared', 'published', 'current', 'retiring', 'removed');
CREATE TYPE assay.catalog_state AS ENUM ('active', 'withdrawn');
CREATE TYPE assay.runtime_kind AS ENUM ('llama.cpp', 'ollama', 'mlx', 'cloud_bridge');
CREATE TYPE assay.pool AS ENUM ('workspace', 'marketplace');
CREATE TYPE assay.tier AS ENUM ('bronze', 'silver', 'gold');
CREATE TYPE assay.fingerprint_status AS ENUM ('accepted', 'refused');
CREATE TYPE assay.outcome AS ENUM ('served', 'minted', 'refused', 'failed', 'truncated', 'buyer_gone', 'drained');
COMMENT ON TYPE assay.outcome IS 'How a request or attempt ended: served (the provider''s own terminal event came), minted (a handoff was given), refused (nobody admissible, or the buyer''s own mistake), failed (no byte of an answer), truncated (cut after the first byte), buyer_gone, drained (the gateway''s own doing).';

-- ---------------------------------------------------------------- accounts

CREATE TABLE assay.workspace (
  id uuid PRIMARY KEY,
  name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  created_at timestamptz NOT NULL DEFAULT now(),
  suspended_at timestamptz
);
COMMENT ON TABLE assay.workspace IS 'A team: owns devices, private models and keys.';
COMMENT ON COLUMN assay.workspace.id IS 'UUID version 7.';
COMMENT ON COLUMN assay.workspace.name IS 'Unique short name, as the command line takes it.';
COMMENT ON COLUMN assay.workspace.created_at IS 'When it was made.';
COMMENT ON COLUMN assay.workspace.suspended_at IS 'Since when its keys are refused and its devices not routed; null: active.';

CREATE TABLE assay.account (
  id uuid PRIMARY KEY,
  name text NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 200),
  created_at timestamptz NOT NULL DEFAULT now(),
  suspended_at timestamptz
);
COMMENT ON TABLE assay.account IS 'A person or application that buys, operates or provides.';
COMMENT ON COLUMN assay.account.id IS 'UUID version 7; the sub claim of handoffs.';
COMMENT ON COLUMN assay.account.name IS 'Unique name, often an e-mail address.';
COMMENT ON COLUMN assay.account.created_at IS 'When it was made.';
COMMENT ON COLUMN assay.account.suspended_at IS 'Since when its keys are refused; null: active.';

CREATE TABLE assay.membership (
  workspace_id uuid NOT NULL REFERENCES assay.workspace,
  account_id uuid NOT NULL REFERENCES assay.account,
  role assay.membership_role NOT NULL DEFAULT 'member',
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (workspace_id, account_id)
);
CREATE INDEX membership_account ON assay.membership (account_id);
COMMENT ON TABLE assay.membership IS 'Which account acts in which workspace.';
COMMENT ON COLUMN assay.membership.workspace_id IS 'The workspace.';
COMMENT ON COLUMN assay.membership.account_id IS 'The account.';
COMMENT ON COLUMN assay.membership.role IS 'owner may revoke devices and keys of the workspace; member uses them.';
COMMENT ON COLUMN assay.membership.created_at IS 'When it began.';

CREATE TABLE assay.api_key (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL,
  workspace_id uuid NOT NULL,
  name text NOT NULL DEFAULT '',
  sha256 bytea NOT NULL UNIQUE CHECK (length(sha256) = 32),
  hint text NOT NULL,
  scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
  requests_per_minute integer CHECK (requests_per_minute > 0),
  max_concurrency integer CHECK (max_concurrency > 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  FOREIGN KEY (workspace_id, account_id) REFERENCES assay.membership
);
CREATE INDEX api_key_account ON assay.api_key (account_id);
COMMENT ON TABLE assay.api_key IS 'Buyers'' API keys (lv_live_…). Only the SHA-256 of a key is stored.';
COMMENT ON COLUMN assay.api_key.id IS 'UUID version 7; appears in logs and request rows.';
COMMENT ON COLUMN assay.api_key.account_id IS 'Whose key it is.';
COMMENT ON COLUMN assay.api_key.workspace_id IS 'The workspace it acts in; the account must be a member.';
COMMENT ON COLUMN assay.api_key.name IS 'A label for people.';
COMMENT ON COLUMN assay.api_key.sha256 IS 'SHA-256 of the whole key text.';
COMMENT ON COLUMN assay.api_key.hint IS 'First characters of the key, to recognise it by.';
COMMENT ON COLUMN assay.api_key.scopes IS 'lattice:compute:… scopes; workspace_only restricts whatever else is there.';
COMMENT ON COLUMN assay.api_key.requests_per_minute IS 'Rate limit of the key; null: the gateway''s default.';
COMMENT ON COLUMN assay.api_key.max_concurrency IS 'Requests under way at once; null: the gateway''s default.';
COMMENT ON COLUMN assay.api_key.created_at IS 'When it was made.';
COMMENT ON COLUMN assay.api_key.expires_at IS 'From when it is refused as expired; null: never.';
COMMENT ON COLUMN assay.api_key.revoked_at IS 'Since when it is refused as revoked; null: active.';

CREATE TABLE assay.idempotency (
  account_id uuid NOT NULL REFERENCES assay.account,
  endpoint text NOT NULL,
  key text NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
  request_sha256 bytea NOT NULL CHECK (length(request_sha256) = 32),
  status integer NOT NULL,
  body text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account_id, endpoint, key)
);
COMMENT ON TABLE assay.idempotency IS 'Answers kept for idempotency-key, for 24 hours.';
COMMENT ON COLUMN assay.idempotency.account_id IS 'Who asked.';
COMMENT ON COLUMN assay.idempotency.endpoint IS 'handoffs or feedback.';
COMMENT ON COLUMN assay.idempotency.key IS 'The idempotency-key header.';
COMMENT ON COLUMN assay.idempotency.request_sha256 IS 'SHA-256 of the body; another body under the same key is a conflict.';
COMMENT ON COLUMN assay.idempotency.status IS 'HTTP status that was answered.';
COMMENT ON COLUMN assay.idempotency.body IS 'JSON that was answered.';
COMMENT ON COLUMN assay.idempotency.created_at IS 'When; rows older than 24 hours are dropped.';

-- ----------------------------------------------------------------- devices

CREATE TABLE assay.device (
  did text PRIMARY KEY CHECK (did ~ '^did:[a-z0-9]+:[A-Za-z0-9._:%-]+$' AND length(did) <= 200),
  workspace_id uuid NOT NULL REFERENCES assay.workspace,
  name text NOT NULL DEFAULT '',
  state assay.device_state NOT NULL DEFAULT 'active',
  public_jwk jsonb NOT NULL,
  enrolled_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz,
  revoke_reason text,
  CHECK ((state = 'revoked') = (revoked_at IS NOT NULL))
);
CREATE INDEX device_workspace ON assay.device (workspace_id);
COMMENT ON TABLE assay.device IS 'Enrolled providers. active -> revoked, never back: a revoked machine enrols anew.';
COMMENT ON COLUMN assay.device.did IS 'Decentralised identifier, the URI name in its certificates.';
COMMENT ON COLUMN assay.device.workspace_id IS 'The workspace that owns it: its pool.';
COMMENT ON COLUMN assay.device.name IS 'A label for people.';
COMMENT ON COLUMN assay.device.state IS 'active or revoked.';
COMMENT ON COLUMN assay.device.public_jwk IS 'Current public key (RFC 7517), as its DID document shows it.';
COMMENT ON COLUMN assay.device.enrolled_at IS 'When its code was used.';
COMMENT ON COLUMN assay.device.revoked_at IS 'When it was revoked; its tunnels close within 2 s.';
COMMENT ON COLUMN assay.device.revoke_reason IS 'Why, in the words of who did it.';

CREATE TABLE assay.enrolment_code (
  id uuid PRIMARY KEY,
  sha256 bytea NOT NULL UNIQUE CHECK (length(sha256) = 32),
  workspace_id uuid NOT NULL REFERENCES assay.workspace,
  device_name text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz,
  used_at timestamptz,
  used_by text REFERENCES assay.device,
  CHECK ((used_at IS NULL) = (used_by IS NULL))
);
COMMENT ON TABLE assay.enrolment_code IS 'One-time codes by which a machine becomes a device of a workspace.';
COMMENT ON COLUMN assay.enrolment_code.id IS 'UUID version 7.';
COMMENT ON COLUMN assay.enrolment_code.sha256 IS 'SHA-256 of the code; the code itself is shown once.';
COMMENT ON COLUMN assay.enrolment_code.workspace_id IS 'Where the device will belong.';
COMMENT ON COLUMN assay.enrolment_code.device_name IS 'Label the device gets.';
COMMENT ON COLUMN assay.enrolment_code.created_at IS 'When it was made.';
COMMENT ON COLUMN assay.enrolment_code.expires_at IS 'From when it is refused.';
COMMENT ON COLUMN assay.enrolment_code.revoked_at IS 'Since when it is void; null: not.';
COMMENT ON COLUMN assay.enrolment_code.used_at IS 'When it was used; null: not yet.';
COMMENT ON COLUMN assay.enrolment_code.used_by IS 'The device it made.';

CREATE TABLE assay.device_certificate (
  serial text PRIMARY KEY CHECK (serial ~ '^[0-9A-F]{1,40}$'),
  did text NOT NULL REFERENCES assay.device,
  sha256 bytea NOT NULL UNIQUE CHECK (length(sha256) = 32),
  spki_sha256 bytea NOT NULL CHECK (length(spki_sha256) = 32),
  not_before timestamptz NOT NULL,
  not_after timestamptz NOT NULL CHECK (not_after > not_before),
  issued_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz
);
CREATE INDEX device_certificate_did ON assay.device_certificate (did, not_after DESC);
COMMENT ON TABLE assay.device_certificate IS 'Every certificate the device CA has issued.';
COMMENT ON COLUMN assay.device_certificate.serial IS 'Serial number, upper-case hexadecimal.';
COMMENT ON COLUMN assay.device_certificate.did IS 'The device.';
COMMENT ON COLUMN assay.device_certificate.sha256 IS 'SHA-256 of the DER certificate.';
COMMENT ON COLUMN assay.device_certificate.spki_sha256 IS 'SHA-256 of its public key (DER SubjectPublicKeyInfo).';
COMMENT ON COLUMN assay.device_certificate.not_before IS 'Valid from.';
COMMENT ON COLUMN assay.device_certificate.not_after IS 'Valid until.';
COMMENT ON COLUMN assay.device_certificate.issued_at IS 'When it was issued.';
COMMENT ON COLUMN assay.device_certificate.revoked_at IS 'Since when it is refused; null: valid.';

CREATE TABLE assay.signing_key (
  kid text PRIMARY KEY,
  public_jwk jsonb NOT NULL,
  state assay.key_state NOT NULL DEFAULT 'prepared',
  prepared_at timestamptz NOT NULL DEFAULT now(),
  published_at timestamptz,
  current_at timestamptz,
  retiring_at timestamptz,
  removed_at timestamptz,
  removed_reason text
);
CREATE UNIQUE INDEX signing_key_one_current ON assay.signing_key (state) WHERE state = 'current';
COMMENT ON TABLE assay.signing_key IS 'ES256 keys that sign handoffs; prepared -> published -> current -> retiring -> removed. Private parts are never here.';
COMMENT ON COLUMN assay.signing_key.kid IS 'RFC 7638 thumbprint.';
COMMENT ON COLUMN assay.signing_key.public_jwk IS 'Public key (RFC 7517).';
COMMENT ON COLUMN assay.signing_key.state IS 'Where it stands; one key is current.';
COMMENT ON COLUMN assay.signing_key.prepared_at IS 'When it was made.';
COMMENT ON COLUMN assay.signing_key.published_at IS 'When it first stood in the JWKS.';
COMMENT ON COLUMN assay.signing_key.current_at IS 'When it began to sign.';
COMMENT ON COLUMN assay.signing_key.retiring_at IS 'When it stopped signing; still in the JWKS.';
COMMENT ON COLUMN assay.signing_key.removed_at IS 'When it left the JWKS.';
COMMENT ON COLUMN assay.signing_key.removed_reason IS 'Why, for an emergency removal.';

-- ----------------------------------------------------------------- catalog

CREATE TABLE assay.task (
  name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
  path text NOT NULL UNIQUE CHECK (path ~ '^/v1/[a-z0-9/_-]+$'),
  multipart boolean NOT NULL DEFAULT false,
  description text NOT NULL DEFAULT ''
);
COMMENT ON TABLE assay.task IS 'Task classes: a new one is a row here, not a release.';
COMMENT ON COLUMN assay.task.name IS 'As in /v1/tasks/{task} and in statements.';
COMMENT ON COLUMN assay.task.path IS 'The path a provider''s runtime serves it on.';
COMMENT ON COLUMN assay.task.multipart IS 'True: the request is multipart/form-data; false: JSON.';
COMMENT ON COLUMN assay.task.description IS 'For people.';
INSERT INTO assay.task (name, path, multipart, description) VALUES
  ('chat', '/v1/chat/completions', false, 'chat completion'),
  ('completion', '/v1/completions', false, 'text completion'),
  ('embedding', '/v1/embeddings', false, 'embeddings of text'),
  ('transcription', '/v1/audio/transcriptions', true, 'speech to text'),
  ('speech', '/v1/audio/speech', false, 'text to speech'),
  ('image', '/v1/images/generations', false, 'images from text');

CREATE TABLE assay.model (
  canonical text PRIMARY KEY CHECK (canonical ~ '^[a-z0-9][a-z0-9._-]*:[A-Za-z0-9][A-Za-z0-9._/-]*$' AND length(canonical) <= 200),
  workspace_id uuid REFERENCES assay.workspace,
  display_name text NOT NULL DEFAULT '',
  context_length integer CHECK (context_length > 0),
  state assay.catalog_state NOT NULL DEFAULT 'active',
  created_at timestamptz NOT NULL DEFAULT now(),
  withdrawn_at timestamptz,
  CHECK ((state = 'withdrawn') = (withdrawn_at IS NOT NULL))
);
COMMENT ON TABLE assay.model IS 'Canonical models: what buyers name and providers prove.';
COMMENT ON COLUMN assay.model.canonical IS 'namespace:name, for example lovelace:llama-3.1-8b.';
COMMENT ON COLUMN assay.model.workspace_id IS 'Private to that workspace; null: public.';
COMMENT ON COLUMN assay.model.display_name IS 'For people.';
COMMENT ON COLUMN assay.model.context_length IS 'Longest context in tokens, where known.';
COMMENT ON COLUMN assay.model.state IS 'active or withdrawn (offers are withdrawn within 2 s).';
COMMENT ON COLUMN assay.model.created_at IS 'When it was added.';
COMMENT ON COLUMN assay.model.withdrawn_at IS 'When it was withdrawn.';

CREATE TABLE assay.model_task (
  canonical text NOT NULL REFERENCES assay.model,
  task text NOT NULL REFERENCES assay.task,
  PRIMARY KEY (canonical, task)
);
COMMENT ON TABLE assay.model_task IS 'Which tasks a model may serve.';
COMMENT ON COLUMN assay.model_task.canonical IS 'The model.';
COMMENT ON COLUMN assay.model_task.task IS 'The task.';

CREATE TABLE assay.artifact (
  id uuid PRIMARY KEY,
  canonical text NOT NULL REFERENCES assay.model,
  runtime assay.runtime_kind NOT NULL,
  quantization text NOT NULL CHECK (quantization ~ '^[A-Za-z0-9._-]{1,40}$'),
  digest bytea NOT NULL UNIQUE CHECK (length(digest) = 32),
  state assay.catalog_state NOT NULL DEFAULT 'active',
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX artifact_canonical ON assay.artifact (canonical);
COMMENT ON TABLE assay.artifact IS 'One exact set of files that is a model in one quantization for one runtime kind.';
COMMENT ON COLUMN assay.artifact.id IS 'UUID version 7.';
COMMENT ON COLUMN assay.artifact.canonical IS 'The model it is.';
COMMENT ON COLUMN assay.artifact.runtime IS 'The runtime kind that loads it.';
COMMENT ON COLUMN assay.artifact.quantization IS 'For example Q4_K_M, f16.';
COMMENT ON COLUMN assay.artifact.digest IS 'SHA-256 over runtime kind, a zero byte, and the files'' SHA-256s in ascending order: equal sets collide by intent.';
COMMENT ON COLUMN assay.artifact.state IS 'active or withdrawn.';
COMMENT ON COLUMN assay.artifact.created_at IS 'When it was added.';

CREATE TABLE assay.artifact_file (
  artifact_id uuid NOT NULL REFERENCES assay.artifact,
  ordinal integer NOT NULL CHECK (ordinal BETWEEN 0 AND 4095),
  name text NOT NULL,
  size bigint NOT NULL CHECK (size >= 0),
  sha256 bytea NOT NULL CHECK (length(sha256) = 32),
  PRIMARY KEY (artifact_id, ordinal)
);
CREATE INDEX artifact_file_sha256 ON assay.artifact_file (sha256);
COMMENT ON TABLE assay.artifact_file IS 'The files of an artifact. For a cloud bridge: one, the canonical JSON of its upstream descriptor.';
COMMENT ON COLUMN assay.artifact_file.artifact_id IS 'The artifact.';
COMMENT ON COLUMN assay.artifact_file.ordinal IS 'Position, for display.';
COMMENT ON COLUMN assay.artifact_file.name IS 'File name, for display; only hashes are compared.';
COMMENT ON COLUMN assay.artifact_file.size IS 'Bytes.';
COMMENT ON COLUMN assay.artifact_file.sha256 IS 'SHA-256 of the content.';

-- ------------------------------------------------------- presence and proof

CREATE TABLE assay.tunnel_session (
  id uuid PRIMARY KEY,
  did text NOT NULL REFERENCES assay.device,
  slot integer NOT NULL DEFAULT 0,
  gateway_instance text NOT NULL,
  remote text NOT NULL,
  certificate_serial text NOT NULL,
  daemon text NOT NULL DEFAULT '',
  runtime_kind text NOT NULL DEFAULT '',
  runtime_version text NOT NULL DEFAULT '',
  opened_at timestamptz NOT NULL,
  last_seen_at timestamptz NOT NULL,
  closed_at timestamptz,
  close_code text,
  close_reason text
);
CREATE INDEX tunnel_session_open ON assay.tunnel_session (did) WHERE closed_at IS NULL;
CREATE INDEX tunnel_session_did ON assay.tunnel_session (did, opened_at DESC);
CREATE INDEX tunnel_session_instance ON assay.tunnel_session (gateway_instance) WHERE closed_at IS NULL;
COMMENT ON TABLE assay.tunnel_session IS 'One row per tunnel, from its first hello to its end.';
COMMENT ON COLUMN assay.tunnel_session.id IS 'UUID version 7.';
COMMENT ON COLUMN assay.tunnel_session.did IS 'The device.';
COMMENT ON COLUMN assay.tunnel_session.slot IS 'Which of the daemon''s tunnels; a newer one in a slot supersedes.';
COMMENT ON COLUMN assay.tunnel_session.gateway_instance IS 'The gateway that holds it.';
COMMENT ON COLUMN assay.tunnel_session.remote IS 'Address and port it came from.';
COMMENT ON COLUMN assay.tunnel_session.certificate_serial IS 'The certificate it was opened with.';
COMMENT ON COLUMN assay.tunnel_session.daemon IS 'What the daemon calls itself.';
COMMENT ON COLUMN assay.tunnel_session.runtime_kind IS 'As stated.';
COMMENT ON COLUMN assay.tunnel_session.runtime_version IS 'As stated.';
COMMENT ON COLUMN assay.tunnel_session.opened_at IS 'When the handshake was done.';
COMMENT ON COLUMN assay.tunnel_session.last_seen_at IS 'Lease: refreshed while it lives.';
COMMENT ON COLUMN assay.tunnel_session.closed_at IS 'When it ended; null: open.';
COMMENT ON COLUMN assay.tunnel_session.close_code IS 'Stable code of the end.';
COMMENT ON COLUMN assay.tunnel_session.close_reason IS 'One sentence.';

CREATE TABLE assay.fingerprint (
  did text NOT NULL REFERENCES assay.device,
  slot integer NOT NULL DEFAULT 0,
  canonical text NOT NULL,
  session_id uuid NOT NULL,
  artifact_id uuid REFERENCES assay.artifact,
  status assay.fingerprint_status NOT NULL,
  reason text,
  quantization text NOT NULL DEFAULT '',
  tasks text[] NOT NULL DEFAULT '{}',
  files jsonb NOT NULL DEFAULT '[]',
  first_seen_at timestamptz NOT NULL,
  checked_at timestamptz NOT NULL,
  PRIMARY KEY (did, slot, canonical),
  CHECK ((status = 'refused') = (reason IS NOT NULL))
);
COMMENT ON TABLE assay.fingerprint IS 'What each tunnel last stated about each model, and how the catalog judged it.';
COMMENT ON COLUMN assay.fingerprint.did IS 'The device.';
COMMENT ON COLUMN assay.fingerprint.slot IS 'Its tunnel slot.';
COMMENT ON COLUMN assay.fingerprint.canonical IS 'The model as claimed; may be unknown to the catalog.';
COMMENT ON COLUMN assay.fingerprint.session_id IS 'The tunnel session that stated it.';
COMMENT ON COLUMN assay.fingerprint.artifact_id IS 'The artifact it matched; null where refused.';
COMMENT ON COLUMN assay.fingerprint.status IS 'accepted or refused.';
COMMENT ON COLUMN assay.fingerprint.reason IS 'unknown_hash, claim_mismatch, artifact_incomplete, runtime_mismatch, task_not_in_catalog or model_withdrawn.';
COMMENT ON COLUMN assay.fingerprint.quantization IS 'As claimed.';
COMMENT ON COLUMN assay.fingerprint.tasks IS 'As claimed.';
COMMENT ON COLUMN assay.fingerprint.files IS 'Names, sizes and hashes as stated.';
COMMENT ON COLUMN assay.fingerprint.first_seen_at IS 'Since when this judgement stands.';
COMMENT ON COLUMN assay.fingerprint.checked_at IS 'The newest hello that confirmed it.';

-- ----------------------------------------------------------------- traffic

CREATE TABLE assay.request (
  id uuid NOT NULL,
  created_at timestamptz NOT NULL,
  account_id uuid,
  workspace_id uuid,
  api_key_id uuid,
  endpoint text NOT NULL,
  task text,
  canonical text,
  streamed boolean NOT NULL DEFAULT false,
  pool_wanted text NOT NULL DEFAULT 'any' CHECK (pool_wanted IN ('any', 'workspace', 'marketplace')),
  min_tier assay.tier,
  verified boolean NOT NULL DEFAULT false,
  did text,
  pool assay.pool,
  tier assay.tier,
  quantization text,
  outcome assay.outcome NOT NULL,
  status integer NOT NULL,
  fault_code text,
  fault_why text,
  attempts integer NOT NULL DEFAULT 0,
  rejected jsonb NOT NULL DEFAULT '{}',
  prompt_tokens integer,
  completion_tokens integer,
  request_bytes bigint NOT NULL DEFAULT 0,
  response_bytes bigint NOT NULL DEFAULT 0,
  auth_us bigint,
  route_us bigint,
  mint_us bigint,
  connect_us bigint,
  first_byte_us bigint,
  total_us bigint NOT NULL DEFAULT 0,
  gateway_instance text NOT NULL,
  PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE INDEX request_account ON assay.request (account_id, created_at DESC);
CREATE INDEX request_did ON assay.request (did, created_at DESC);
COMMENT ON TABLE assay.request IS 'One row per buyer request, whatever became of it. Partitioned by day (UTC).';
COMMENT ON COLUMN assay.request.id IS 'x-request-id: UUID version 7, so the id tells the partition.';
COMMENT ON COLUMN assay.request.created_at IS 'When its first byte arrived; the time in id.';
COMMENT ON COLUMN assay.request.account_id IS 'The buyer; null where the credential was refused.';
COMMENT ON COLUMN assay.request.workspace_id IS 'The workspace the credential acts in.';
COMMENT ON COLUMN assay.request.api_key_id IS 'The key used.';
COMMENT ON COLUMN assay.request.endpoint IS 'Path it was asked on, without ids.';
COMMENT ON COLUMN assay.request.task IS 'Task, once known.';
COMMENT ON COLUMN assay.request.canonical IS 'Canonical model, once known.';
COMMENT ON COLUMN assay.request.streamed IS 'Whether the buyer asked for a stream.';
COMMENT ON COLUMN assay.request.pool_wanted IS 'any (workspace first, then marketplace), workspace (never leaves it) or marketplace.';
COMMENT ON COLUMN assay.request.min_tier IS 'Least tier asked for.';
COMMENT ON COLUMN assay.request.verified IS 'Whether only verified providers were asked for.';
COMMENT ON COLUMN assay.request.did IS 'Who served it, or was tried last.';
COMMENT ON COLUMN assay.request.pool IS 'The pool it was served from.';
COMMENT ON COLUMN assay.request.tier IS 'The provider''s tier on this pair then.';
COMMENT ON COLUMN assay.request.quantization IS 'Quantization that served.';
COMMENT ON COLUMN assay.request.outcome IS 'How it ended.';
COMMENT ON COLUMN assay.request.status IS 'HTTP status the buyer got (499: left first).';
COMMENT ON COLUMN assay.request.fault_code IS 'Stable code where it was not served.';
COMMENT ON COLUMN assay.request.fault_why IS 'One sentence for operators.';
COMMENT ON COLUMN assay.request.attempts IS 'Providers tried.';
COMMENT ON COLUMN assay.request.rejected IS 'Reason -> how many offers had it, at the last choice.';
COMMENT ON COLUMN assay.request.prompt_tokens IS 'As the provider''s usage said.';
COMMENT ON COLUMN assay.request.completion_tokens IS 'As the provider''s usage said.';
COMMENT ON COLUMN assay.request.request_bytes IS 'Body bytes from the buyer.';
COMMENT ON COLUMN assay.request.response_bytes IS 'Body bytes to the buyer.';
COMMENT ON COLUMN assay.request.auth_us IS 'Microseconds in knowing the buyer.';
COMMENT ON COLUMN assay.request.route_us IS 'Microseconds in choosing.';
COMMENT ON COLUMN assay.request.mint_us IS 'Microseconds in minting.';
COMMENT ON COLUMN assay.request.connect_us IS 'Microseconds until the provider''s stream was open.';
COMMENT ON COLUMN assay.request.first_byte_us IS 'Microseconds from arrival to the first byte of the answer.';
COMMENT ON COLUMN assay.request.total_us IS 'Microseconds from arrival to the end.';
COMMENT ON COLUMN assay.request.gateway_instance IS 'The gateway that served it.';

CREATE TABLE assay.request_attempt (
  request_id uuid NOT NULL,
  created_at timestamptz NOT NULL,
  ordinal integer NOT NULL,
  did text NOT NULL,
  pool assay.pool NOT NULL,
  tier assay.tier NOT NULL,
  outcome assay.outcome NOT NULL,
  status integer,
  fault_code text,
  fault_why text,
  started_us bigint NOT NULL DEFAULT 0,
  first_byte_us bigint,
  total_us bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (request_id, created_at, ordinal)
) PARTITION BY RANGE (created_at);
CREATE INDEX request_attempt_did ON assay.request_attempt (did, created_at DESC);
COMMENT ON TABLE assay.request_attempt IS 'Each provider tried for a request. Partitioned by day like request.';
COMMENT ON COLUMN assay.request_attempt.request_id IS 'The request.';
COMMENT ON COLUMN assay.request_attempt.created_at IS 'The request''s created_at.';
COMMENT ON COLUMN assay.request_attempt.ordinal IS 'From 1.';
COMMENT ON COLUMN assay.request_attempt.did IS 'The provider tried.';
COMMENT ON COLUMN assay.request_attempt.pool IS 'As which pool''s member.';
COMMENT ON COLUMN assay.request_attempt.tier IS 'Its tier then.';
COMMENT ON COLUMN assay.request_attempt.outcome IS 'How the attempt ended.';
COMMENT ON COLUMN assay.request_attempt.status IS 'The provider''s HTTP status, if one came.';
COMMENT ON COLUMN assay.request_attempt.fault_code IS 'Stable code where it failed.';
COMMENT ON COLUMN assay.request_attempt.fault_why IS 'One sentence.';
COMMENT ON COLUMN assay.request_attempt.started_us IS 'Microseconds after the request''s arrival.';
COMMENT ON COLUMN assay.request_attempt.first_byte_us IS 'Microseconds from the attempt''s start to its first byte.';
COMMENT ON COLUMN assay.request_attempt.total_us IS 'Microseconds the attempt took.';

CREATE TABLE assay.handoff (
  jti uuid NOT NULL,
  issued_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  request_id uuid NOT NULL,
  kid text NOT NULL,
  did text NOT NULL,
  account_id uuid NOT NULL,
  workspace_id uuid NOT NULL,
  task text NOT NULL,
  canonical text NOT NULL,
  pool assay.pool NOT NULL,
  gateway text NOT NULL,
  PRIMARY KEY (jti, issued_at)
) PARTITION BY RANGE (issued_at);
CREATE INDEX handoff_request ON assay.handoff (request_id);
COMMENT ON TABLE assay.handoff IS 'Every handoff token minted. The token itself is not kept. Partitioned by day.';
COMMENT ON COLUMN assay.handoff.jti IS 'Token id, UUID version 7.';
COMMENT ON COLUMN assay.handoff.issued_at IS 'iat.';
COMMENT ON COLUMN assay.handoff.expires_at IS 'exp: issued_at + 60 s.';
COMMENT ON COLUMN assay.handoff.request_id IS 'The request it was minted for.';
COMMENT ON COLUMN assay.handoff.kid IS 'Key that signed it.';
COMMENT ON COLUMN assay.handoff.did IS 'aud: the provider.';
COMMENT ON COLUMN assay.handoff.account_id IS 'sub: the buyer.';
COMMENT ON COLUMN assay.handoff.workspace_id IS 'The buyer''s workspace.';
COMMENT ON COLUMN assay.handoff.task IS 'The task.';
COMMENT ON COLUMN assay.handoff.canonical IS 'The model.';
COMMENT ON COLUMN assay.handoff.pool IS 'workspace or marketplace.';
COMMENT ON COLUMN assay.handoff.gateway IS 'Common name of the gateway certificate that asked.';

-- The daily partitions of the tables that have them. The default partition
-- catches rows of days nobody prepared, so that no outcome is ever lost.
CREATE TABLE assay.request_default PARTITION OF assay.request DEFAULT;
CREATE TABLE assay.request_attempt_default PARTITION OF assay.request_attempt DEFAULT;
CREATE TABLE assay.handoff_default PARTITION OF assay.handoff DEFAULT;

-- -------------------------------------------------------------- reputation

CREATE TABLE assay.score (
  did text NOT NULL REFERENCES assay.device,
  task text NOT NULL REFERENCES assay.task,
  canonical text NOT NULL REFERENCES assay.model,
  tier assay.tier NOT NULL DEFAULT 'bronze',
  score double precision CHECK (score BETWEEN 0 AND 100),
  sample_size double precision NOT NULL DEFAULT 0,
  parts jsonb NOT NULL DEFAULT '{}',
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (did, task, canonical)
);
COMMENT ON TABLE assay.score IS 'Running score and tier of each (provider, task, model); no row: bronze, no data.';
COMMENT ON COLUMN assay.score.did IS 'The provider.';
COMMENT ON COLUMN assay.score.task IS 'The task.';
COMMENT ON COLUMN assay.score.canonical IS 'The model.';
COMMENT ON COLUMN assay.score.tier IS 'bronze, silver or gold: what min_tier is held against.';
COMMENT ON COLUMN assay.score.score IS '0 to 100; null: no data (not 50).';
COMMENT ON COLUMN assay.score.sample_size IS 'Decayed weight of events behind the score.';
COMMENT ON COLUMN assay.score.parts IS 'Each stream''s value and weight.';
COMMENT ON COLUMN assay.score.updated_at IS 'When it was last computed.';

-- ------------------------------------------------------------------- audit

CREATE TABLE assay.audit_event (
  seq bigint PRIMARY KEY,
  at timestamptz NOT NULL,
  actor text NOT NULL,
  action text NOT NULL,
  subject text NOT NULL,
  detail jsonb NOT NULL,
  previous bytea NOT NULL CHECK (length(previous) = 32),
  hash bytea NOT NULL CHECK (length(hash) = 32)
);
COMMENT ON TABLE assay.audit_event IS 'Append-only; each row''s hash covers the row before: an edit or a gap breaks the chain (operator.audit_break).';
COMMENT ON COLUMN assay.audit_event.seq IS 'Without gaps, from 1.';
COMMENT ON COLUMN assay.audit_event.at IS 'When.';
COMMENT ON COLUMN assay.audit_event.actor IS 'The setting assay.actor where given, else the database user.';
COMMENT ON COLUMN assay.audit_event.action IS 'table.insert, table.update or table.delete.';
COMMENT ON COLUMN assay.audit_event.subject IS 'Key of the row changed.';
COMMENT ON COLUMN assay.audit_event.detail IS 'The columns that changed; secrets'' digests left out.';
COMMENT ON COLUMN assay.audit_event.previous IS 'hash of the row before; 32 zero bytes at the start.';
COMMENT ON COLUMN assay.audit_event.hash IS 'SHA-256 over previous and this row''s other columns.';

CREATE FUNCTION assay.audit_hash(e assay.audit_event) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$
  SELECT sha256(e.previous || convert_to(concat_ws(E'\x1f', e.seq,
    extract(epoch FROM e.at), e.actor, e.action, e.subject, e.detail), 'UTF8'))
$$;
COMMENT ON FUNCTION assay.audit_hash(assay.audit_event) IS 'What the hash of an audit row must be.';

CREATE FUNCTION assay.audit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, assay, pg_temp AS $$
DECLARE e assay.audit_event; was jsonb; now_is jsonb; last record;
BEGIN
  was := CASE WHEN TG_OP = 'INSERT' THEN '{}'::jsonb ELSE to_jsonb(OLD) END;
  now_is := CASE WHEN TG_OP = 'DELETE' THEN '{}'::jsonb ELSE to_jsonb(NEW) END;
  PERFORM pg_advisory_xact_lock(hashtext('assay.audit_event'));
  SELECT seq, hash INTO last FROM assay.audit_event ORDER BY seq DESC LIMIT 1;
  e.seq := coalesce(last.seq, 0) + 1;
  e.at := clock_timestamp();
  e.actor := coalesce(nullif(current_setting('assay.actor', true), ''), session_user);
  e.action := TG_TABLE_NAME || '.' || lower(TG_OP);
  e.subject := coalesce(now_is ->> TG_ARGV[0], was ->> TG_ARGV[0], '');
  SELECT coalesce(jsonb_object_agg(k, coalesce(now_is -> k, 'null')), '{}') INTO e.detail
    FROM jsonb_object_keys(was || now_is) k
    WHERE (was -> k) IS DISTINCT FROM (now_is -> k) AND k <> 'sha256';
  e.previous := coalesce(last.hash, decode(repeat('00', 32), 'hex'));
  e.hash := assay.audit_hash(e);
  INSERT INTO assay.audit_event SELECT e.*;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION assay.audit() IS 'Trigger: writes one audit_event for the row changed.';

CREATE FUNCTION assay.audit_is_append_only() RETURNS trigger
LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'audit_event is append-only'; END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON assay.audit_event
  EXECUTE FUNCTION assay.audit_is_append_only();

-- ------------------------------------------- changes that workers must see

CREATE TABLE assay.change (
  area text PRIMARY KEY,
  version bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE assay.change IS 'A version per area; every change to its tables raises it and is announced on channel assay_change.';
COMMENT ON COLUMN assay.change.area IS 'key, device, catalog, score, signing_key.';
COMMENT ON COLUMN assay.change.version IS 'Raised by one with each transaction''s statement.';
INSERT INTO assay.change (area) VALUES ('key'), ('device'), ('catalog'), ('score'), ('signing_key');

CREATE FUNCTION assay.announce() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, assay, pg_temp AS $$
BEGIN
  UPDATE assay.change SET version = version + 1 WHERE area = TG_ARGV[0];
  PERFORM pg_notify('assay_change', TG_ARGV[0]);
  RETURN NULL;
END $$;
COMMENT ON FUNCTION assay.announce() IS 'Trigger: raises the area''s version and notifies assay_change with the area as payload.';

DO $$
DECLARE t record;
BEGIN
  FOR t IN SELECT * FROM (VALUES
      ('workspace', 'key', 'id'), ('account', 'key', 'id'),
      ('membership', 'key', 'account_id'), ('api_key', 'key', 'id'),
      ('device', 'device', 'did'), ('device_certificate', 'device', 'serial'),
      ('enrolment_code', NULL, 'id'), ('signing_key', 'signing_key', 'kid'),
      ('task', 'catalog', 'name'), ('model', 'catalog', 'canonical'),
      ('model_task', 'catalog', 'canonical'), ('artifact', 'catalog', 'id'),
      ('artifact_file', 'catalog', 'artifact_id'), ('score', 'score', NULL)
    ) AS v(name, area, key) LOOP
    IF t.area IS NOT NULL THEN
      EXECUTE format('CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON assay.%I FOR EACH STATEMENT EXECUTE FUNCTION assay.announce(%L)', t.name, t.area);
    END IF;
    IF t.key IS NOT NULL THEN
      EXECUTE format('CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON assay.%I FOR EACH ROW EXECUTE FUNCTION assay.audit(%L)', t.name, t.key);
    END IF;
  END LOOP;
END $$;
-- A suspended workspace's devices leave routing too.
CREATE TRIGGER announce_device AFTER UPDATE OF suspended_at ON assay.workspace
  FOR EACH STATEMENT EXECUTE FUNCTION assay.announce('device');

-- ------------------------------------------------------------------ rights

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA assay FROM PUBLIC;
GRANT USAGE ON SCHEMA assay TO assay_gateway, assay_auth, assay_reputation, assay_operator;
GRANT USAGE ON SCHEMA operator TO assay_operator;
GRANT SELECT ON assay.change TO assay_gateway, assay_auth, assay_reputation;

GRANT SELECT ON assay.workspace, assay.account, assay.membership, assay.api_key,
  assay.device, assay.device_certificate, assay.task, assay.model, assay.model_task,
  assay.artifact, assay.artifact_file, assay.score TO assay_gateway;
GRANT SELECT, INSERT, UPDATE ON assay.tunnel_session, assay.fingerprint TO assay_gateway;
GRANT SELECT, INSERT ON assay.request, assay.request_attempt TO assay_gateway;
GRANT DELETE ON assay.fingerprint TO assay_gateway;
GRANT SELECT ON assay.handoff TO assay_gateway;
GRANT SELECT, INSERT, DELETE ON assay.idempotency TO assay_gateway;

GRANT SELECT ON assay.workspace TO assay_auth;
GRANT SELECT, UPDATE ON assay.enrolment_code TO assay_auth;
GRANT SELECT, INSERT, UPDATE ON assay.device, assay.device_certificate, assay.signing_key TO assay_auth;
GRANT SELECT, INSERT ON assay.handoff TO assay_auth;

GRANT SELECT ON assay.device, assay.workspace, assay.membership, assay.task, assay.model,
  assay.request, assay.request_attempt, assay.fingerprint TO assay_reputation;
GRANT SELECT, INSERT, UPDATE, DELETE ON assay.score TO assay_reputation;
GRANT SELECT ON assay.device, assay.workspace, assay.account, assay.membership, assay.task, assay.model,
  assay.model_task, assay.artifact, assay.artifact_file TO assay_operator;
