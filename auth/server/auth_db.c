/* SPDX-License-Identifier: Apache-2.0 */
/* Statements first, in the order of the functions below them. */
#include "auth/server/auth_db.h"

#include <string.h>

enum statement {
	Q_KEYS,
	Q_ADOPT_KEY,
	Q_ENROL,
	Q_CODE,
	Q_RENEW,
	Q_DEVICE,
	Q_MINTED
};

#define CERTIFICATE_COLUMNS                                                    \
	"(serial, did, sha256, spki_sha256, not_before, not_after)"
#define TIME(n) "to_timestamp(" n "::double precision / 1000)"

/* clang-format off */
const struct pg_statement auth_statements[] = {
[Q_KEYS] = { "keys",
	"SELECT kid, public_jwk::text, state = 'current' "
	"FROM assay.signing_key "
	"WHERE state IN ('published', 'current', 'retiring') "
	"ORDER BY state = 'current' DESC, prepared_at, kid", 0 },
[Q_ADOPT_KEY] = { "adopt_key",
	"INSERT INTO assay.signing_key "
	"(kid, public_jwk, state, published_at, current_at) "
	"SELECT $1, $2::jsonb, 'current', now(), now() WHERE NOT EXISTS "
	"(SELECT FROM assay.signing_key WHERE state = 'current') "
	"ON CONFLICT DO NOTHING", 2 },
[Q_ENROL] = { "enrol",
	"WITH code AS ("
	"UPDATE assay.enrolment_code e SET used_at = now(), used_by = $2 "
	"FROM assay.workspace w WHERE e.sha256 = $1::bytea "
	"AND e.used_at IS NULL AND e.revoked_at IS NULL "
	"AND e.expires_at > now() AND w.id = e.workspace_id "
	"AND w.suspended_at IS NULL AND NOT EXISTS ("
	"SELECT FROM assay.device d WHERE d.did = $2 "
	"AND (d.state <> 'active' OR d.workspace_id <> e.workspace_id)) "
	"RETURNING e.workspace_id, e.device_name), "
	"device AS ("
	"INSERT INTO assay.device AS d (did, workspace_id, name, public_jwk) "
	"SELECT $2, workspace_id, device_name, $3::jsonb FROM code "
	"ON CONFLICT (did) DO UPDATE SET public_jwk = excluded.public_jwk "
	"WHERE d.state = 'active' AND d.workspace_id = excluded.workspace_id "
	"RETURNING did) "
	"INSERT INTO assay.device_certificate " CERTIFICATE_COLUMNS " "
	"SELECT $4, did, $5::bytea, $6::bytea, " TIME("$7") ", " TIME("$8")
	" FROM device RETURNING did", 8 },
[Q_CODE] = { "code",
	"SELECT e.used_at IS NOT NULL, "
	"e.revoked_at IS NOT NULL OR w.suspended_at IS NOT NULL, "
	"e.expires_at <= now(), d.state = 'revoked', "
	"d.workspace_id <> e.workspace_id FROM assay.enrolment_code e "
	"JOIN assay.workspace w ON w.id = e.workspace_id "
	"LEFT JOIN assay.device d ON d.did = $2 "
	"WHERE e.sha256 = $1::bytea", 2 },
[Q_RENEW] = { "renew",
	"WITH known AS ("
	"SELECT d.did FROM assay.device d "
	"JOIN assay.device_certificate c USING (did) "
	"JOIN assay.workspace w ON w.id = d.workspace_id "
	"WHERE d.did = $1 AND d.state = 'active' AND w.suspended_at IS NULL "
	"AND c.serial = $2 AND c.sha256 = $3::bytea "
	"AND c.revoked_at IS NULL AND c.not_after > now() FOR UPDATE OF d), "
	"issued AS ("
	"INSERT INTO assay.device_certificate " CERTIFICATE_COLUMNS " "
	"SELECT $5, did, $6::bytea, $7::bytea, " TIME("$8") ", " TIME("$9")
	" FROM known RETURNING did) "
	"UPDATE assay.device d SET public_jwk = $4::jsonb "
	"FROM issued WHERE d.did = issued.did RETURNING d.did", 9 },
[Q_DEVICE] = { "device",
	"SELECT d.state = 'revoked' OR w.suspended_at IS NOT NULL, "
	"d.public_jwk::text FROM assay.device d "
	"JOIN assay.workspace w ON w.id = d.workspace_id "
	"WHERE d.did = $1", 1 },
[Q_MINTED] = { "minted",
	"INSERT INTO assay.handoff (jti, issued_at, expires_at, request_id, "
	"kid, did, account_id, workspace_id, task, canonical, pool, gateway) "
	"SELECT jti, to_timestamp(iat), to_timestamp(iat + 60), request_id, "
	"kid, did, account_id, workspace_id, task, canonical, pool, gateway "
	"FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], "
	"$5::text[], $6::uuid[], $7::uuid[], $8::text[], $9::text[], "
	"$10::assay.pool[], $11::text[]) AS t(jti, iat, request_id, kid, did, "
	"account_id, workspace_id, task, canonical, pool, gateway) "
	"ON CONFLICT DO NOTHING", MINTED_COLUMNS },
};
/* clang-format on */
const size_t auth_statement_count =
    sizeof(auth_statements) / sizeof(*auth_statements);

/* A question whose answer is read into a shape first. */
struct reading {
	struct pending pending; /* first */
	struct pending *inner;
	union {
		keys_answer *keys;
		code_answer *code;
		device_answer *device;
	} fn;
	void *arg;
};

static void
reading_cancel(struct pending *self)
{
	struct reading *r = (struct reading *)self;

	pending_cancel(&r->inner);
	mem_free(r);
}

static struct reading *
reading_new(void *arg)
{
	struct reading *r = mem_new(sizeof *r);

	r->pending.cancel = reading_cancel;
	r->arg = arg;
	return r;
}

/* ------------------------------------------------------------ signing keys */

static void
on_keys(void *arg, const struct pg_rows *rows, const struct fault *f)
{
	struct reading r = *(struct reading *)arg;
	size_t count = rows == NULL ? 0 : (size_t)pg_count(rows);
	struct key_row *keys = mem_array(count + 1, sizeof *keys);

	mem_free(arg);
	for (size_t i = 0; i < count; i++) {
		keys[i].kid = pg_text(rows, (int)i, 0);
		keys[i].jwk = pg_text(rows, (int)i, 1);
		keys[i].is_current = pg_bool(rows, (int)i, 2);
	}
	r.fn.keys(r.arg, rows == NULL ? NULL : keys, count, f);
	mem_free(keys);
}

struct pending *
auth_db_keys(struct pg *pg, keys_answer *fn, void *arg)
{
	struct reading *r = reading_new(arg);

	r->fn.keys = fn;
	r->inner = pg_ask(pg, Q_KEYS, NULL, on_keys, r);
	return &r->pending;
}

struct pending *
auth_db_adopt_key(
    struct pg *pg, const char *kid, const char *jwk, pg_answer *fn, void *arg)
{
	const char *params[] = {kid, jwk};

	return pg_ask(pg, Q_ADOPT_KEY, params, fn, arg);
}

/* ----------------------------------------------------------------- devices */

static void
certificate_params(
    struct arena *a, const struct certificate_row *c, const char **out)
{
	out[0] = c->serial;
	out[1] = pg_bytea(a, c->sha256, 32);
	out[2] = pg_bytea(a, c->spki_sha256, 32);
	out[3] = pg_int(a, c->not_before_ms);
	out[4] = pg_int(a, c->not_after_ms);
}

struct pending *
auth_db_enrol(struct pg *pg, const uint8_t code_sha256[32], const char *did,
    const char *jwk, const struct certificate_row *c, pg_answer *fn, void *arg)
{
	struct arena *a = arena_new();
	const char *params[8] = {pg_bytea(a, code_sha256, 32), did, jwk};
	struct pending *p;

	certificate_params(a, c, params + 3);
	p = pg_ask(pg, Q_ENROL, params, fn, arg);
	arena_free(&a);
	return p;
}

static void
on_code(void *arg, const struct pg_rows *rows, const struct fault *f)
{
	struct reading r = *(struct reading *)arg;
	struct code_row row = {0};

	mem_free(arg);
	if (rows != NULL && pg_count(rows) > 0)
		row = (struct code_row){true, pg_bool(rows, 0, 0),
		    pg_bool(rows, 0, 1), pg_bool(rows, 0, 2),
		    pg_bool(rows, 0, 3), pg_bool(rows, 0, 4)};
	r.fn.code(r.arg, rows == NULL ? NULL : &row, f);
}

struct pending *
auth_db_code(struct pg *pg, const uint8_t code_sha256[32], const char *did,
    code_answer *fn, void *arg)
{
	struct reading *r = reading_new(arg);
	struct arena *a = arena_new();
	const char *params[] = {pg_bytea(a, code_sha256, 32), did};

	r->fn.code = fn;
	r->inner = pg_ask(pg, Q_CODE, params, on_code, r);
	arena_free(&a);
	return &r->pending;
}

struct pending *
auth_db_renew(struct pg *pg, const char *did, const struct presented *was,
    const char *jwk, const struct certificate_row *c, pg_answer *fn, void *arg)
{
	struct arena *a = arena_new();
	const char *params[9] = {
	    did, was->serial, pg_bytea(a, was->sha256, 32), jwk};
	struct pending *p;

	certificate_params(a, c, params + 4);
	p = pg_ask(pg, Q_RENEW, params, fn, arg);
	arena_free(&a);
	return p;
}

static void
on_device(void *arg, const struct pg_rows *rows, const struct fault *f)
{
	struct reading r = *(struct reading *)arg;
	struct device_row row = {0};

	mem_free(arg);
	if (rows != NULL && pg_count(rows) > 0)
		row = (struct device_row){
		    true, pg_bool(rows, 0, 0), pg_text(rows, 0, 1)};
	r.fn.device(r.arg, rows == NULL ? NULL : &row, f);
}

struct pending *
auth_db_device(struct pg *pg, const char *did, device_answer *fn, void *arg)
{
	struct reading *r = reading_new(arg);

	r->fn.device = fn;
	r->inner = pg_ask(pg, Q_DEVICE, &did, on_device, r);
	return &r->pending;
}

/* ---------------------------------------------------------------- handoffs */

struct pending *
auth_db_minted(struct pg *pg, struct arena *a,
    const char **const columns[MINTED_COLUMNS], size_t count, pg_answer *fn,
    void *arg)
{
	const char *params[MINTED_COLUMNS];

	for (size_t i = 0; i < MINTED_COLUMNS; i++)
		params[i] = pg_array(a, columns[i], count);
	return pg_ask(pg, Q_MINTED, params, fn, arg);
}
