/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key files and key states. The private keys never leave this file: the rest
 * of the program sees a signer that takes a digest, so that a token in
 * hardware or another process can stand in its place.
 */
#include "auth/server/keys.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "auth/server/auth_db.h"
#include "base/codec.h"
#include "base/file.h"

#define STATE_BYTES_MAX 65536
#define PRIVATE_MAX 32
#define LOOK_MS 30000
#define AGAIN_MS 1000

struct keys {
	struct loop *loop;
	struct log log;
	char *folder;
	struct ec_key *private[PRIVATE_MAX];
	size_t private_count;
	char current[JWK_KID_TEXT];
	struct jwt_signer signer; /* sign NULL: the current key is not here */
	char *jwks;
	char etag[40];
	struct pg *pg;
	struct timer *look;
	struct pending *question;
	bool is_known;
	bool has_offered; /* our key, to an empty table: once */
	void (*on_known)(void *arg);
	void *arg;
};

/* ------------------------------------------------------------------- files */

static bool
is_pem(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && strcmp(name + len - 4, ".pem") == 0;
}

static struct ec_key *
private_find(const struct keys *k, const char *kid)
{
	char name[JWK_KID_TEXT];

	for (size_t i = 0; i < k->private_count; i++) {
		jwk_thumbprint(k->private[i], name);
		if (strcmp(name, kid) == 0)
			return k->private[i];
	}
	return NULL;
}

static bool
private_read(struct keys *k, const char *name, struct fault *f)
{
	struct arena *a = arena_new();
	char kid[JWK_KID_TEXT];
	struct ec_key *key;
	bool ok = ec_key_read_file(
	    arena_printf(a, "%s/%s", k->folder, name), &key, f);

	arena_free(&a);
	if (!ok)
		return false;
	jwk_thumbprint(key, kid);
	if (private_find(k, kid) != NULL) {
		ec_key_free(&key);
		return true;
	}
	if (k->private_count == PRIVATE_MAX) {
		ec_key_free(&key);
		return fault_set(
		    f, FAULT_LIMIT, "more than %d signing keys", PRIVATE_MAX);
	}
	k->private[k->private_count++] = key;
	return true;
}

static bool
read_folder(struct keys *k, struct fault *f)
{
	DIR *d = opendir(k->folder);
	struct dirent *e;
	bool ok = true;

	if (d == NULL)
		return fault_set(
		    f, FAULT_SYSTEM, "%s: cannot be read", k->folder);
	while (ok && (e = readdir(d)) != NULL)
		if (is_pem(e->d_name))
			ok = private_read(k, e->d_name, f);
	closedir(d);
	return ok;
}

/* ------------------------------------------------------------------- state */

static void
choose_signer(struct keys *k)
{
	struct ec_key *key = private_find(k, k->current);

	memset(&k->signer, 0, sizeof k->signer);
	if (key != NULL)
		k->signer = jwt_signer_of(key);
	else
		log_error(&k->log, "signing_key_not_here",
		    LOG_STR("kid", k->current));
}

static void
publish(struct keys *k, const char *jwks)
{
	uint8_t digest[32];
	char hex[HEX_SIZE(16)];

	mem_free(k->jwks);
	k->jwks = mem_string(jwks);
	sha256(bytes_of(jwks, strlen(jwks)), digest);
	hex_encode(bytes_of(digest, 16), hex);
	snprintf(k->etag, sizeof k->etag, "\"%s\"", hex);
}

static char *
state_path(const struct keys *k, struct arena *a)
{
	return arena_printf(a, "%s/state.json", k->folder);
}

static void
state_write(const struct keys *k)
{
	struct arena *a = arena_new();
	char *text = arena_printf(
	    a, "{\"current\":\"%s\",\"jwks\":%s}", k->current, k->jwks);
	struct fault f;

	if (!file_write(state_path(k, a), text, strlen(text), 0600, &f))
		log_error(&k->log, "key_state_not_kept", LOG_STR("why", f.why));
	arena_free(&a);
}

/* A set of public keys in order; whatever is no key of ours is refused. */
static bool
use_state(struct keys *k, const json_t *state, struct fault *f)
{
	struct arena *a = arena_new();
	struct jwks *set = NULL;
	const json_t *jwks;
	const char *current;
	bool ok;

	/* None is current after the current key was removed at once. */
	ok = json_get_string_or(state, "current", JWK_KID_TEXT - 1, "",
		 &current, FAULT_INVALID, f) &&
	     json_get_object(state, "jwks", &jwks, FAULT_INVALID, f) &&
	     jwks_read(text_of(json_write(a, jwks)), &set, f);
	if (ok) {
		snprintf(k->current, sizeof k->current, "%s", current);
		publish(k, jwks_write(a, set));
		choose_signer(k);
	}
	jwks_free(&set);
	arena_free(&a);
	return ok;
}

static bool
state_read(struct keys *k, struct fault *f)
{
	struct arena *a = arena_new();
	json_t *state = NULL;
	char *text = NULL;
	size_t len;
	bool ok;

	ok = file_read(state_path(k, a), STATE_BYTES_MAX, &text, &len, f) &&
	     json_read((struct text){text, len}, STATE_BYTES_MAX, &state, f) &&
	     use_state(k, state, f);
	json_free(&state);
	mem_free(text);
	arena_free(&a);
	return ok;
}

/* A first start before Postgres was ever asked: the key that will be offered
 * to it is the one to sign with. */
static void
state_assume(struct keys *k)
{
	struct arena *a = arena_new();
	struct jwks *set = jwks_new();
	uint8_t x[32], y[32];
	struct ec_key *copy;

	jwk_thumbprint(k->private[0], k -> current);
	ec_key_point(k->private[0], x, y);
	if (ec_key_of_point(x, y, &copy, NULL))
		jwks_add(set, &copy);
	publish(k, jwks_write(a, set));
	choose_signer(k);
	jwks_free(&set);
	arena_free(&a);
}

bool
keys_open(struct loop *l, const char *folder, const struct log *log,
    struct keys **out, struct fault *f)
{
	struct keys *k = mem_new(sizeof *k);
	struct fault unread;

	k->loop = l;
	k->log = *log;
	k->folder = mem_string(folder);
	*out = k;
	if (!read_folder(k, f)) {
		keys_free(out);
		return false;
	}
	if (k->private_count == 0) {
		keys_free(out);
		return fault_set(
		    f, FAULT_NOT_FOUND, "%s: no signing key", folder);
	}
	if (!state_read(k, &unread))
		state_assume(k);
	return true;
}

void
keys_free(struct keys **kp)
{
	struct keys *k = *kp;

	if (k == NULL)
		return;
	*kp = NULL;
	pending_cancel(&k->question);
	timer_free(&k->look);
	for (size_t i = 0; i < k->private_count; i++)
		ec_key_free(&k->private[i]);
	mem_free(k->jwks);
	mem_free(k->folder);
	mem_free(k);
}

/* --------------------------------------------------------------- the table */

static void ask_keys(struct keys *k);

static void
look_again(struct keys *k, int64_t in_ms)
{
	timer_start(k->look, in_ms);
}

static void
tell_known(struct keys *k)
{
	void (*fn)(void *) = k->on_known;

	k->is_known = true;
	k->on_known = NULL;
	if (fn != NULL)
		fn(k->arg);
}

/* rows as {"current":…, "jwks":{"keys":[…]}}, the form that is kept. */
static json_t *
state_of_rows(const struct key_row *rows, size_t count, struct fault *f)
{
	json_t *keys = json_array(), *jwks = json_object();
	json_t *state = json_object();

	json_object_set_new(jwks, "keys", keys);
	json_object_set_new(state, "jwks", jwks);
	for (size_t i = 0; i < count; i++) {
		json_t *jwk = NULL;

		if (!json_read(
			text_of(rows[i].jwk), STATE_BYTES_MAX, &jwk, f)) {
			json_free(&state);
			return NULL;
		}
		json_array_append_new(keys, jwk);
		if (rows[i].is_current)
			json_object_set_new(
			    state, "current", json_string(rows[i].kid));
	}
	return state;
}

static void
use_rows(struct keys *k, const struct key_row *rows, size_t count)
{
	char etag[sizeof k->etag], current[sizeof k->current];
	struct fault f;
	json_t *state = state_of_rows(rows, count, &f);

	memcpy(etag, k->etag, sizeof etag);
	memcpy(current, k->current, sizeof current);
	if (state == NULL || !use_state(k, state, &f))
		log_error(&k->log, "key_table_unusable", LOG_STR("why", f.why));
	else if (!k->is_known || strcmp(etag, k->etag) != 0 ||
		 strcmp(current, k->current) != 0)
		state_write(k);
	json_free(&state);
}

static void
on_adopted(void *arg, const struct pg_rows *rows, const struct fault *f)
{
	struct keys *k = arg;

	k->question = NULL;
	if (rows == NULL) {
		log_warn(&k->log, "key_not_adopted", LOG_STR("why", f->why));
		look_again(k, AGAIN_MS);
		return;
	}
	if (pg_affected(rows) > 0)
		log_info(&k->log, "key_adopted", LOG_STR("kid", k->current));
	ask_keys(k);
}

/* The table holds no current key: offer ours. */
static void
adopt(struct keys *k)
{
	struct arena *a = arena_new();
	char kid[JWK_KID_TEXT];
	json_t *jwk = jwk_write(k->private[0]);

	k->has_offered = true;
	jwk_thumbprint(k->private[0], kid);
	k->question =
	    auth_db_adopt_key(k->pg, kid, json_write(a, jwk), on_adopted, k);
	json_free(&jwk);
	arena_free(&a);
}

static void
on_keys(
    void *arg, const struct key_row *rows, size_t count, const struct fault *f)
{
	struct keys *k = arg;

	k->question = NULL;
	if (f != NULL) {
		log_debug(&k->log, "keys_not_read", LOG_STR("why", f->why));
		look_again(k, AGAIN_MS);
		return;
	}
	/* With every key removed by hand none is made current again. */
	if (count == 0 && !k->is_known && !k->has_offered) {
		adopt(k);
		return;
	}
	use_rows(k, rows, count);
	look_again(k, LOOK_MS);
	if (!k->is_known)
		tell_known(k);
}

static void
ask_keys(struct keys *k)
{
	timer_stop(k->look);
	k->question = auth_db_keys(k->pg, on_keys, k);
}

static void
on_look(void *arg)
{
	keys_refresh(arg);
}

void
keys_follow(
    struct keys *k, struct pg *pg, void (*on_known)(void *arg), void *arg)
{
	k->pg = pg;
	k->on_known = on_known;
	k->arg = arg;
	k->look = timer_new(k->loop, on_look, k);
	ask_keys(k);
}

void
keys_refresh(struct keys *k)
{
	if (k->pg == NULL)
		return;
	pending_cancel(&k->question);
	ask_keys(k);
}

void
keys_reload(struct keys *k)
{
	struct fault f;

	if (!read_folder(k, &f))
		log_error(&k->log, "keys_not_reloaded", LOG_STR("why", f.why));
	choose_signer(k);
	keys_refresh(k);
}

const struct jwt_signer *
keys_signer(const struct keys *k)
{
	return k->signer.sign == NULL ? NULL : &k->signer;
}

const char *
keys_jwks(const struct keys *k)
{
	return k->jwks;
}

const char *
keys_etag(const struct keys *k)
{
	return k->etag;
}
