/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See gateway_db.h: the statements, then one function a statement with the
 * reader of its rows. Parameters always; every statement is one transaction.
 */
#include "gateway/gateway_db.h"

#include <stddef.h>
#include <string.h>

#include "auth/scope.h"
#include "base/codec.h"
#include "base/json.h"

enum {
	FIND_KEY,
	VERSIONS,
	LOAD_MODELS,
	LOAD_DEVICES,
	LOAD_SCORES,
	WRITE_REQUESTS,
	FIND_REQUEST,
	FIND_ANSWER,
	KEEP_ANSWER,
	OPEN_TUNNEL,
	TOUCH_TUNNELS,
	CLOSE_TUNNEL,
	CLOSE_LEFT,
	WRITE_FINGERPRINTS,
	STATEMENTS
};

#define MS(column) "(extract(epoch FROM " column ") * 1000)::bigint"
#define TIME(value) "to_timestamp(" value " / 1000.0)"

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
	"SELECT 0 AS kind, version::text AS a, NULL AS b, NULL AS c, NULL AS d,"
	" NULL AS e, NULL AS f, NULL AS g, NULL AS h"
	" FROM assay.change WHERE area = 'score'"
	" UNION ALL SELECT 1, did, task, canonical, tier::text, score::text,"
	" sample_size::text, parts::text, (" MS("updated_at") ")::text"
	" FROM assay.score"
	" ORDER BY kind", 0},

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
	" AND t.created_at BETWEEN " TIME("$3::bigint") " - interval '1 hour'"
	" AND " TIME("$3::bigint") " + interval '1 hour'"
	" WHERE r.id = $1::uuid AND r.account_id = $2::uuid"
	" AND r.created_at BETWEEN " TIME("$3::bigint") " - interval '1 hour'"
	" AND " TIME("$3::bigint") " + interval '1 hour'"
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
};
/* clang-format on */
const size_t gateway_statement_count = STATEMENTS;

/* ----------------------------------------------------------------- asking */

/* One open question: what to do with its rows, and who wants to know. */
struct ask {
	struct pending pending; /* first member */
	struct pending *inner;
	void (*read)(struct ask *x, const struct pg_rows *rows);
	void (*fail)(struct ask *x, const struct fault *f);
	union {
		key_answer *key;
		versions_answer *versions;
		part_answer *part;
		request_answer *request;
		kept_answer *kept;
		done_answer *done;
	} fn;
	void *arg;
	enum catalog_part part;
	struct arena *arena; /* of the parameters, then of the answer */
};

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

static struct ask *
ask_new(void (*read)(struct ask *, const struct pg_rows *),
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

static struct pending *
ask(struct ask *x, struct pg *pg, size_t statement, const char *const *params)
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

static struct ask *
ask_done(done_answer *fn, void *arg)
{
	struct ask *x = ask_new(read_done, fail_done, arg);

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
	struct ask *x = ask_new(read_key, fail_key, arg);
	const char *params[] = {pg_bytea(x->arena, sha256, 32)};

	x->fn.key = fn;
	return ask(x, pg, FIND_KEY, params);
}

/* ---------------------------------------------------------------- catalog */

static const char *const area_names[CHANGE_AREAS] = {
    [CHANGE_KEY] = "key",
    [CHANGE_DEVICE] = "device",
    [CHANGE_CATALOG] = "catalog",
    [CHANGE_SCORE] = "score",
};

const char *
change_area_name(enum change_area x)
{
	return area_names[x];
}

static void
read_versions(struct ask *x, const struct pg_rows *rows)
{
	struct change_versions v = {0};

	for (int i = 0; i < pg_count(rows); i++) {
		for (int k = 0; k < CHANGE_AREAS; k++) {
			if (strcmp(pg_text(rows, i, 0), area_names[k]) == 0)
				v.at[k] = pg_i64(rows, i, 1);
		}
	}
	x->fn.versions(x->arg, &v, NULL);
}

static void
fail_versions(struct ask *x, const struct fault *f)
{
	x->fn.versions(x->arg, NULL, f);
}

struct pending *
gateway_db_versions(struct pg *pg, versions_answer *fn, void *arg)
{
	struct ask *x = ask_new(read_versions, fail_versions, arg);

	x->fn.versions = fn;
	return ask(x, pg, VERSIONS, NULL);
}

static void
read_artifact_row(struct draft *d, const struct pg_rows *rows, int i)
{
	struct catalog_artifact x = {.id = pg_text(rows, i, 1),
	    .quantization = pg_text(rows, i, 4),
	    .is_withdrawn = pg_bool(rows, i, 5)};

	/* A kind that we do not know can be stated by nobody. */
	if (runtime_of(text_of(pg_text(rows, i, 3)), &x.runtime))
		draft_artifact(d, pg_text(rows, i, 2), &x);
}

static void
read_file_row(struct draft *d, const struct pg_rows *rows, int i)
{
	uint8_t sha256[32];
	size_t len;

	if (hex_decode(text_of(pg_text(rows, i, 2)), sha256, 32, &len) &&
	    len == 32)
		draft_file(d, pg_text(rows, i, 1), sha256);
}

static void
read_model_row(struct draft *d, const struct pg_rows *rows, int i)
{
	switch (pg_i64(rows, i, 0)) {
	case 1:
		draft_task(d, &(struct catalog_task){pg_text(rows, i, 1),
				  pg_text(rows, i, 2), pg_bool(rows, i, 3)});
		break;
	case 2:
		draft_model(
		    d, &(struct catalog_model){.canonical = pg_text(rows, i, 1),
			   .workspace = pg_text(rows, i, 2),
			   .display_name = pg_text(rows, i, 3),
			   .context_length = pg_i64(rows, i, 4),
			   .created_at = pg_i64(rows, i, 6),
			   .is_withdrawn = pg_bool(rows, i, 5)});
		break;
	case 3:
		draft_model_task(d, pg_text(rows, i, 1), pg_text(rows, i, 2));
		break;
	case 4:
		read_artifact_row(d, rows, i);
		break;
	default:
		read_file_row(d, rows, i);
		break;
	}
}

static void
read_device_row(struct draft *d, const struct pg_rows *rows, int i)
{
	if (pg_i64(rows, i, 0) == 2) {
		draft_revoked_certificate(d, pg_text(rows, i, 1));
		return;
	}
	draft_device(d, &(struct catalog_device){.did = pg_text(rows, i, 1),
			    .workspace = pg_text(rows, i, 2),
			    .name = pg_text(rows, i, 3),
			    .is_revoked = pg_bool(rows, i, 4),
			    .is_suspended = pg_bool(rows, i, 5),
			    .certificate_expires_at = pg_i64(rows, i, 6)});
}

static void
read_score_row(struct draft *d, const struct pg_rows *rows, int i)
{
	struct catalog_score s = {.did = pg_text(rows, i, 1),
	    .task = pg_text(rows, i, 2),
	    .model = pg_text(rows, i, 3),
	    .tier = TIER_BRONZE,
	    .score = pg_is_null(rows, i, 5) ? -1 : pg_f64(rows, i, 5),
	    .samples = pg_f64(rows, i, 6),
	    .parts = pg_text(rows, i, 7),
	    .updated_at = pg_i64(rows, i, 8)};

	(void)tier_of(text_of(pg_text(rows, i, 4)), &s.tier);
	draft_score(d, &s);
}

static const struct {
	size_t statement;
	void (*read)(struct draft *d, const struct pg_rows *rows, int i);
} loads[CATALOG_PARTS] = {
    [CATALOG_MODELS] = {LOAD_MODELS, read_model_row},
    [CATALOG_DEVICES] = {LOAD_DEVICES, read_device_row},
    [CATALOG_SCORES] = {LOAD_SCORES, read_score_row},
};

static void
read_part(struct ask *x, const struct pg_rows *rows)
{
	struct draft *d = draft_new(x->part);
	int64_t version = 0;

	for (int i = 0; i < pg_count(rows); i++) {
		if (pg_i64(rows, i, 0) == 0)
			version = pg_i64(rows, i, 1);
		else
			loads[x->part].read(d, rows, i);
	}
	x->fn.part(x->arg, &d, version, NULL);
	draft_free(&d);
}

static void
fail_part(struct ask *x, const struct fault *f)
{
	struct draft *none = NULL;

	x->fn.part(x->arg, &none, 0, f);
}

struct pending *
gateway_db_load(
    struct pg *pg, enum catalog_part part, part_answer *fn, void *arg)
{
	struct ask *x = ask_new(read_part, fail_part, arg);

	x->fn.part = fn;
	x->part = part;
	return ask(x, pg, loads[part].statement, NULL);
}

/* ---------------------------------------------------------------- traffic */

/* The columns of a batch, in the order of the statement's parameters. */
struct field {
	enum { TEXT, NUMBER, FLAG } type;
	size_t offset;
};
#define R(type, name)                                                          \
	{                                                                      \
		type, offsetof(struct request_row, name)                       \
	}
#define A(type, name)                                                          \
	{                                                                      \
		type, offsetof(struct attempt_row, name)                       \
	}

/* clang-format off */
static const struct field request_fields[] = {
	R(TEXT, id), R(NUMBER, created_at), R(TEXT, account),
	R(TEXT, workspace), R(TEXT, key), R(TEXT, endpoint), R(TEXT, task),
	R(TEXT, model), R(FLAG, streamed), R(TEXT, pool_wanted),
	R(TEXT, min_tier), R(FLAG, verified), R(TEXT, did), R(TEXT, pool),
	R(TEXT, tier), R(TEXT, quantization), R(TEXT, outcome),
	R(NUMBER, status), R(TEXT, fault_code), R(TEXT, fault_why),
	R(NUMBER, attempts), R(TEXT, rejected), R(NUMBER, prompt_tokens),
	R(NUMBER, completion_tokens), R(NUMBER, request_bytes),
	R(NUMBER, response_bytes), R(NUMBER, auth_us), R(NUMBER, route_us),
	R(NUMBER, mint_us), R(NUMBER, connect_us), R(NUMBER, first_byte_us),
	R(NUMBER, total_us), R(TEXT, instance),
};
static const struct field attempt_fields[] = {
	A(TEXT, request), A(NUMBER, created_at), A(NUMBER, ordinal),
	A(TEXT, did), A(TEXT, pool), A(TEXT, tier), A(TEXT, outcome),
	A(NUMBER, status), A(TEXT, fault_code), A(TEXT, fault_why),
	A(NUMBER, started_us), A(NUMBER, first_byte_us), A(NUMBER, total_us),
};
/* clang-format on */
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define REQUEST_FIELDS COUNT(request_fields)
#define ATTEMPT_FIELDS COUNT(attempt_fields)

static const char *
field_text(struct arena *a, const struct field *f, const char *row)
{
	const char *text;
	int64_t number;
	bool flag;

	switch (f->type) {
	case TEXT:
		memcpy(&text, row + f->offset, sizeof(text));
		return text;
	case NUMBER:
		memcpy(&number, row + f->offset, sizeof(number));
		return number < 0 ? NULL : pg_int(a, number);
	case FLAG:
		break;
	}
	memcpy(&flag, row + f->offset, sizeof(flag));
	return flag ? "t" : "f";
}

/* One array parameter a column. */
static void
put_columns(struct arena *a, const struct field *fields, size_t field_count,
    const void *rows, size_t row_size, size_t row_count, const char **params)
{
	const char **items = arena_alloc(a, (row_count + 1) * sizeof(*items));

	for (size_t i = 0; i < field_count; i++) {
		for (size_t k = 0; k < row_count; k++)
			items[k] = field_text(
			    a, &fields[i], (const char *)rows + k * row_size);
		params[i] = pg_array(a, items, row_count);
	}
}

struct pending *
gateway_db_write_requests(struct pg *pg, const struct request_row *requests,
    size_t request_count, const struct attempt_row *attempts,
    size_t attempt_count, done_answer *fn, void *arg)
{
	const char *params[REQUEST_FIELDS + ATTEMPT_FIELDS];
	struct ask *x = ask_done(fn, arg);

	put_columns(x->arena, request_fields, REQUEST_FIELDS, requests,
	    sizeof(*requests), request_count, params);
	put_columns(x->arena, attempt_fields, ATTEMPT_FIELDS, attempts,
	    sizeof(*attempts), attempt_count, params + REQUEST_FIELDS);
	return ask(x, pg, WRITE_REQUESTS, params);
}

/* The same tables read what they write. */
static void
read_fields(const struct field *fields, size_t count,
    const struct pg_rows *rows, int row, int column, void *out)
{
	for (size_t i = 0; i < count; i++, column++) {
		char *at = (char *)out + fields[i].offset;
		const char *text = pg_text(rows, row, column);
		int64_t number = text != NULL ? pg_i64(rows, row, column) : -1;
		bool flag = pg_bool(rows, row, column);

		switch (fields[i].type) {
		case TEXT:
			memcpy(at, &text, sizeof(text));
			break;
		case NUMBER:
			memcpy(at, &number, sizeof(number));
			break;
		case FLAG:
			memcpy(at, &flag, sizeof(flag));
			break;
		}
	}
}

static void
read_request(struct ask *x, const struct pg_rows *rows)
{
	int count = pg_count(rows);
	const int first = (int)REQUEST_FIELDS;
	struct attempt_row *attempts;
	struct request_row row;
	size_t n = 0;

	if (count == 0) {
		x->fn.request(x->arg, NULL, NULL, 0, NULL);
		return;
	}
	read_fields(request_fields, REQUEST_FIELDS, rows, 0, 0, &row);
	attempts = arena_alloc(x->arena, (size_t)count * sizeof(*attempts));
	for (int i = 0; i < count; i++) {
		if (!pg_is_null(rows, i, first))
			read_fields(attempt_fields, ATTEMPT_FIELDS, rows, i,
			    first, &attempts[n++]);
	}
	x->fn.request(x->arg, &row, attempts, n, NULL);
}

static void
fail_request(struct ask *x, const struct fault *f)
{
	x->fn.request(x->arg, NULL, NULL, 0, f);
}

struct pending *
gateway_db_find_request(struct pg *pg, const char *id, const char *account,
    request_answer *fn, void *arg)
{
	struct ask *x = ask_new(read_request, fail_request, arg);
	bool is_ours = text_is_uuid(text_of(id)) && uuid_v7_time(id) >= 0;
	const char *params[] = {
	    is_ours ? id : "00000000-0000-0000-0000-000000000000", account,
	    pg_int(x->arena, is_ours ? uuid_v7_time(id) : 0)};

	x->fn.request = fn;
	return ask(x, pg, FIND_REQUEST, params);
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
	struct ask *x = ask_new(read_answer, fail_answer, arg);
	const char *params[] = {account, endpoint, key};

	x->fn.kept = fn;
	return ask(x, pg, FIND_ANSWER, params);
}

struct pending *
gateway_db_keep_answer(struct pg *pg, const char *account, const char *endpoint,
    const char *key, const struct answer_row *row, done_answer *fn, void *arg)
{
	struct ask *x = ask_done(fn, arg);
	const char *params[] = {account, endpoint, key,
	    pg_bytea(x->arena, row->request_sha256, 32),
	    pg_int(x->arena, row->status), row->body};

	return ask(x, pg, KEEP_ANSWER, params);
}

/* --------------------------------------------------------------- presence */

struct pending *
gateway_db_open_tunnel(
    struct pg *pg, const struct tunnel_row *t, done_answer *fn, void *arg)
{
	struct ask *x = ask_done(fn, arg);
	const char *params[] = {t->id, t->did, pg_int(x->arena, t->slot),
	    t->instance, t->remote, t->serial, t->daemon, t->runtime_kind,
	    t->runtime_version, pg_int(x->arena, t->opened_at)};

	return ask(x, pg, OPEN_TUNNEL, params);
}

struct pending *
gateway_db_touch_tunnels(struct pg *pg, const char *const *ids, size_t count,
    done_answer *fn, void *arg)
{
	struct ask *x = ask_done(fn, arg);
	const char *params[] = {pg_array(x->arena, ids, count)};

	return ask(x, pg, TOUCH_TUNNELS, params);
}

struct pending *
gateway_db_close_tunnel(struct pg *pg, const char *id, const char *code,
    const char *reason, done_answer *fn, void *arg)
{
	const char *params[] = {id, code, reason};

	return ask(ask_done(fn, arg), pg, CLOSE_TUNNEL, params);
}

struct pending *
gateway_db_close_left(
    struct pg *pg, const char *instance, done_answer *fn, void *arg)
{
	const char *params[] = {instance};

	return ask(ask_done(fn, arg), pg, CLOSE_LEFT, params);
}

static const char *
files_json(struct arena *a, const struct statement_model *m)
{
	json_t *array = json_array();
	const char *text;

	for (size_t i = 0; i < m->file_count; i++) {
		char hex[HEX_SIZE(32)];

		hex_encode(bytes_of(m->files[i].sha256, 32), hex);
		json_array_append_new(array,
		    json_pack("{s:s, s:I, s:s}", "name", m->files[i].name,
			"size", (json_int_t)m->files[i].size, "sha256", hex));
	}
	text = json_write(a, array);
	json_free(&array);
	return text;
}

struct pending *
gateway_db_write_fingerprints(struct pg *pg, const char *did, int64_t slot,
    const char *session, const struct statement *s,
    const struct statement_verdict *verdicts, done_answer *fn, void *arg)
{
	enum { CANONICAL, ARTIFACT, REASON, QUANTIZATION, TASKS, FILES, COLS };
	struct ask *x = ask_done(fn, arg);
	const char *params[3 + COLS] = {did, pg_int(x->arena, slot), session};
	const char **column[COLS];

	for (int i = 0; i < COLS; i++)
		column[i] = arena_alloc(
		    x->arena, (s->model_count + 1) * sizeof(*column[i]));
	for (size_t i = 0; i < s->model_count; i++) {
		const struct statement_model *m = &s->models[i];
		const struct statement_verdict *v = &verdicts[i];

		column[CANONICAL][i] = m->canonical;
		column[ARTIFACT][i] =
		    v->artifact != NULL ? v->artifact->id : NULL;
		column[REASON][i] = v->reason == STATEMENT_ACCEPTED
					? NULL
					: statement_reason_name(v->reason);
		column[QUANTIZATION][i] = m->quantization;
		column[TASKS][i] = pg_array(x->arena, m->tasks, m->task_count);
		column[FILES][i] = files_json(x->arena, m);
	}
	for (int i = 0; i < COLS; i++)
		params[3 + i] = pg_array(x->arena, column[i], s->model_count);
	return ask(x, pg, WRITE_FINGERPRINTS, params);
}
