/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay-auth's SQL on a migrated database, under its own role: every
 * statement is prepared, so that schema, rights and code cannot drift, and
 * each does what enrolment, renewal and the mint rely on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "auth/server/auth_db.h"
#include "base/crypto.h"
#include "tests/unit/migrated_postgres.h"

#define W "11111111-1111-7111-8111-111111111111"
#define W2 "22222222-2222-7222-8222-222222222222"
#define WS "33333333-3333-7333-8333-333333333333"
#define U(n) "44444444-4444-7444-8444-4444444444" n
#define DID "did:assay:z1"
#define JWK "{\"kty\":\"EC\"}"
#define FROM INT64_C(1700000000123)
#define TO INT64_C(4000000000000)

struct bench {
	struct private_postgres server;
	struct log log;
	struct loop *loop;
	struct pg *pg;
	struct arena *arena;
	unsigned answers;
	int rows;
	int64_t affected;
	struct fault fault;
	struct code_row code;
	struct device_row device;
	struct key_row keys[4];
	size_t key_count;
};

static const char world[] =
    "INSERT INTO assay.workspace (id, name) VALUES ('" W "', 'w'),"
    " ('" W2 "', 'w2');"
    "INSERT INTO assay.workspace (id, name, suspended_at) VALUES"
    " ('" WS "', 'ws', now());"
    "INSERT INTO assay.enrolment_code (id, sha256, workspace_id, device_name,"
    " expires_at, revoked_at) VALUES"
    " ('" U(
	"01") "', sha256('good'), '" W "', 'box', '2100-01-01', NULL),"
	      " ('" U(
		  "02") "', sha256('late'), '" W "', '', '2000-01-01', NULL),"
			" ('" U(
			    "03") "', sha256('void'), '" W
				  "', '', '2100-01-01', now()),"
				  " ('" U(
				      "04") "', sha256('asleep'), '" WS
					    "', '', '2100-01-01', NULL),"
					    " ('" U(
						"05") "', sha256('second'), '" W
						      "', '', '2100-01-01', "
						      "NULL),"
						      " ('" U(
							  "06") "', "
								"sha256('"
								"foreign'), "
								"'" W2 "', '', "
								"'2100-01-01', "
								"NULL),"
								" ('" U(
								    "07") "', "
									  "sha2"
									  "56('"
									  "thir"
									  "d'),"
									  " '" W
									  "', "
									  "'', "
									  "'210"
									  "0-"
									  "01-"
									  "01',"
									  " NUL"
									  "L);";

static void
on_up(void *arg, bool up)
{
	struct bench *b = arg;

	if (up)
		loop_stop(b->loop);
}

static int
start(void **state)
{
	struct bench *b = mem_new(sizeof *b);
	static char conninfo[200];
	struct pg_settings s = {.conninfo = conninfo,
	    .application = "auth_server_db_test",
	    .statements = auth_statements,
	    .statement_count = auth_statement_count};

	if (!migrated_postgres_start(&b->server))
		exit(0);
	assert_true(migrated_run(b->server.conninfo, world));
	migrated_conninfo(&b->server, "assay_auth", conninfo, sizeof conninfo);
	log_init(&b->log, "test", LOG_ERROR_);
	b->arena = arena_new();
	b->loop = loop_new();
	b->pg = pg_new(b->loop, &s, &b->log);
	pg_on_change(b->pg, on_up, b);
	loop_run(b->loop);
	*state = b;
	return 0;
}

static int
end(void **state)
{
	struct bench *b = *state;

	pg_free(&b->pg);
	loop_free(&b->loop);
	arena_free(&b->arena);
	private_postgres_end(&b->server);
	mem_free(b);
	return 0;
}

/* Under the role itself, one by one, so that the failing one is named. */
static void
test_every_statement_can_be_prepared(void **state)
{
	struct bench *b = *state;
	char conninfo[200];
	struct pg_session *s;
	struct fault f;

	migrated_conninfo(&b->server, "assay_auth", conninfo, sizeof conninfo);
	assert_true(pg_session_open(conninfo, "test", &s, &f));
	for (size_t i = 0; i < auth_statement_count; i++) {
		const char *sql = arena_printf(b->arena, "PREPARE \"%s\" AS %s",
		    auth_statements[i].name, auth_statements[i].sql);

		if (!pg_session_run(s, sql, 0, NULL, NULL, &f))
			fail_msg("%s: %s", auth_statements[i].name, f.why);
	}
	/* And no more than it needs. */
	assert_false(pg_session_run(
	    s, "SELECT * FROM assay.api_key", 0, NULL, NULL, &f));
	assert_false(
	    pg_session_run(s, "DELETE FROM assay.device", 0, NULL, NULL, &f));
	pg_session_free(&s);
}

static void
on_rows(void *arg, const struct pg_rows *rows, const struct fault *f)
{
	struct bench *b = arg;

	b->rows = rows == NULL ? -1 : pg_count(rows);
	b->affected = rows == NULL ? -1 : pg_affected(rows);
	if (f != NULL)
		b->fault = *f;
	b->answers++;
	loop_stop(b->loop);
}

static void
on_code(void *arg, const struct code_row *row, const struct fault *f)
{
	struct bench *b = arg;

	assert_null(f);
	b->code = *row;
	loop_stop(b->loop);
}

static void
on_device(void *arg, const struct device_row *row, const struct fault *f)
{
	struct bench *b = arg;

	assert_null(f);
	b->device = *row;
	b->device.jwk = arena_string(b->arena, row->jwk);
	loop_stop(b->loop);
}

static void
on_keys(
    void *arg, const struct key_row *rows, size_t count, const struct fault *f)
{
	struct bench *b = arg;

	assert_null(f);
	assert_true(count <= 4);
	b->key_count = count;
	for (size_t i = 0; i < count; i++) {
		b->keys[i] = rows[i];
		b->keys[i].kid = arena_string(b->arena, rows[i].kid);
		b->keys[i].jwk = arena_string(b->arena, rows[i].jwk);
	}
	loop_stop(b->loop);
}

static void
digest(const char *text, uint8_t out[32])
{
	sha256(bytes_of(text, strlen(text)), out);
}

static struct certificate_row
certificate(const char *serial)
{
	struct certificate_row c = {.not_before_ms = FROM, .not_after_ms = TO};

	memcpy(c.serial, serial, strlen(serial) + 1);
	digest(serial, c.sha256);
	digest("key", c.spki_sha256);
	return c;
}

static int
enrol(struct bench *b, const char *code, const char *did, const char *serial)
{
	struct certificate_row c = certificate(serial);
	uint8_t d[32];

	digest(code, d);
	auth_db_enrol(b->pg, d, did, JWK, &c, on_rows, b);
	loop_run(b->loop);
	return b->rows;
}

static void
ask_code(struct bench *b, const char *code, const char *did)
{
	uint8_t d[32];

	digest(code, d);
	auth_db_code(b->pg, d, did, on_code, b);
	loop_run(b->loop);
}

static void
test_a_code_makes_one_device(void **state)
{
	struct bench *b = *state;

	assert_int_equal(enrol(b, "good", DID, "01"), 1);
	assert_int_equal(enrol(b, "good", "did:assay:z9", "02"), 0);
	ask_code(b, "good", "did:assay:z9");
	assert_true(b->code.is_known && b->code.is_used);
	assert_false(b->code.is_revoked || b->code.is_expired ||
		     b->code.is_of_revoked || b->code.is_of_another);
	assert_string_equal(migrated_value(b->server.conninfo,
				"SELECT count(*) FROM assay.device", b->arena),
	    "1");
	assert_string_equal(
	    migrated_value(b->server.conninfo,
		"SELECT d.name || w.name || c.serial || (extract(epoch FROM"
		" c.not_before) * 1000)::bigint FROM assay.device d JOIN"
		" assay.device_certificate c USING (did) JOIN assay.workspace"
		" w ON w.id = d.workspace_id",
		b->arena),
	    "boxw011700000000123");
}

static void
test_codes_that_make_none(void **state)
{
	struct bench *b = *state;

	assert_int_equal(enrol(b, "late", "did:assay:z2", "03"), 0);
	ask_code(b, "late", "did:assay:z2");
	assert_true(b->code.is_expired && !b->code.is_used);
	assert_int_equal(enrol(b, "void", "did:assay:z2", "03"), 0);
	ask_code(b, "void", "did:assay:z2");
	assert_true(b->code.is_revoked && !b->code.is_used);
	assert_int_equal(enrol(b, "asleep", "did:assay:z2", "03"), 0);
	ask_code(b, "asleep", "did:assay:z2");
	assert_true(b->code.is_revoked);
	assert_int_equal(enrol(b, "nothing", "did:assay:z2", "03"), 0);
	ask_code(b, "nothing", "did:assay:z2");
	assert_false(b->code.is_known);
}

static void
test_a_key_stays_in_its_workspace(void **state)
{
	struct bench *b = *state;

	assert_int_equal(enrol(b, "foreign", DID, "04"), 0);
	ask_code(b, "foreign", DID);
	assert_true(b->code.is_of_another && !b->code.is_used);
	assert_int_equal(enrol(b, "second", DID, "05"), 1);
	/* A serial that is there already takes the whole back. */
	assert_int_equal(enrol(b, "third", "did:assay:z3", "05"), -1);
	assert_int_equal(b->fault.kind, FAULT_CONFLICT);
	ask_code(b, "third", "did:assay:z3");
	assert_false(b->code.is_used);
}

static int
renew(struct bench *b, const char *was_serial, const char *was,
    const char *serial)
{
	struct certificate_row c = certificate(serial);
	struct presented p = {0};

	memcpy(p.serial, was_serial, strlen(was_serial) + 1);
	digest(was, p.sha256);
	auth_db_renew(b->pg, DID, &p, "{\"kty\":\"next\"}", &c, on_rows, b);
	loop_run(b->loop);
	return b->rows;
}

static void
ask_device(struct bench *b, const char *did)
{
	auth_db_device(b->pg, did, on_device, b);
	loop_run(b->loop);
}

static void
test_renewal(void **state)
{
	struct bench *b = *state;
	const char *admin = b->server.conninfo;

	ask_device(b, DID);
	assert_true(b->device.is_known && !b->device.is_revoked);
	assert_string_equal(b->device.jwk, "{\"kty\": \"EC\"}");
	assert_int_equal(renew(b, "01", "01", "10"), 1);
	ask_device(b, DID);
	assert_string_equal(b->device.jwk, "{\"kty\": \"next\"}");
	assert_int_equal(renew(b, "01", "02", "11"), 0); /* other bytes */
	assert_int_equal(renew(b, "0F", "01", "11"), 0); /* other serial */
	assert_true(migrated_run(admin,
	    "UPDATE assay.device_certificate SET revoked_at = now() WHERE"
	    " serial = '01'"));
	assert_int_equal(renew(b, "01", "01", "11"), 0);
	assert_int_equal(renew(b, "10", "10", "11"), 1);
	assert_true(migrated_run(admin,
	    "UPDATE assay.device SET state = 'revoked', revoked_at = now()"));
	assert_int_equal(renew(b, "11", "11", "12"), 0);
	ask_device(b, DID);
	assert_true(b->device.is_revoked);
	assert_int_equal(enrol(b, "third", DID, "13"), 0);
	ask_code(b, "third", DID);
	assert_true(b->code.is_of_revoked && !b->code.is_used);
	ask_device(b, "did:assay:z404");
	assert_false(b->device.is_known);
}

static void
adopt(struct bench *b, const char *kid)
{
	auth_db_adopt_key(b->pg, kid, JWK, on_rows, b);
	loop_run(b->loop);
}

static void
ask_keys(struct bench *b)
{
	auth_db_keys(b->pg, on_keys, b);
	loop_run(b->loop);
}

static void
test_keys(void **state)
{
	struct bench *b = *state;

	ask_keys(b);
	assert_int_equal(b->key_count, 0);
	adopt(b, "a");
	assert_int_equal(b->affected, 1);
	adopt(b, "b"); /* there is one */
	assert_int_equal(b->affected, 0);
	assert_true(migrated_run(b->server.conninfo,
	    "INSERT INTO assay.signing_key (kid, public_jwk, state) VALUES"
	    " ('next', '{}', 'published'), ('later', '{}', 'prepared'),"
	    " ('old', '{}', 'retiring'), ('gone', '{}', 'removed')"));
	ask_keys(b);
	assert_int_equal(b->key_count, 3);
	assert_string_equal(b->keys[0].kid, "a");
	assert_true(b->keys[0].is_current);
	assert_false(b->keys[1].is_current || b->keys[2].is_current);
}

static void
test_minted_rows_come_once(void **state)
{
	struct bench *b = *state;
	const char *rows[][2] = {
	    [MINTED_JTI] = {U("21"), U("22")},
	    [MINTED_IAT] = {"1700000000", "1700000001"},
	    [MINTED_REQUEST] = {U("31"), U("32")},
	    [MINTED_KID] = {"a", "a"},
	    [MINTED_DID] = {DID, DID},
	    [MINTED_ACCOUNT] = {U("41"), U("42")},
	    [MINTED_WORKSPACE] = {W, W},
	    [MINTED_TASK] = {"chat", "chat"},
	    [MINTED_MODEL] = {"a:b", "quote\"d, {x}"},
	    [MINTED_POOL] = {"workspace", "marketplace"},
	    [MINTED_GATEWAY] = {"gw", "g\\w"},
	};
	const char **columns[MINTED_COLUMNS];

	for (size_t i = 0; i < MINTED_COLUMNS; i++)
		columns[i] = rows[i];
	for (int i = 0; i < 2; i++) {
		auth_db_minted(b->pg, b->arena, columns, 2, on_rows, b);
		loop_run(b->loop);
		assert_int_equal(b->affected, i == 0 ? 2 : 0);
	}
	assert_string_equal(
	    migrated_value(b->server.conninfo,
		"SELECT string_agg(canonical || gateway || pool ||"
		" extract(epoch FROM expires_at - issued_at)::int, ' ' ORDER"
		" BY jti) FROM assay.handoff",
		b->arena),
	    "a:bgwworkspace60 quote\"d, {x}g\\wmarketplace60");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_statement_can_be_prepared),
	    cmocka_unit_test(test_a_code_makes_one_device),
	    cmocka_unit_test(test_codes_that_make_none),
	    cmocka_unit_test(test_a_key_stays_in_its_workspace),
	    cmocka_unit_test(test_renewal),
	    cmocka_unit_test(test_keys),
	    cmocka_unit_test(test_minted_rows_come_once),
	};

	return cmocka_run_group_tests(tests, start, end);
}
